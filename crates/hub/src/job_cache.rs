//! The job cache outside: what is new in the store goes there, on a thread of its own, so that a slow database slows no job.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context;
use daemon::clock::Clock;
use daemon::config::keys::{SYSLOG_FACILITIES, SYSLOG_LEVELS};
use daemon::config::{HubConfig, JobCacheKind, JobCacheSettings};
use daemon::metrics::JobCacheMetrics;
use jobcache::{Cache, Dialect, Place, Server, Syslog, Tls};
use store::{Committer, HubReader, HubStore};
use tokio::sync::{Notify, oneshot};
use wire::Uid;

use crate::disk::as_gauge;
use crate::rows::Rows;

/// Changes that are read at a time.
const CHANGES_MAX: u32 = 500;
/// Pauses between attempts begin here, double, and end at the second.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a job cache that keeps failing is told of.
const TELL_EVERY: Duration = Duration::from_secs(300);
/// How often the backlog is counted while there is one.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Commits that follow each other go out together.
const GATHER: Duration = Duration::from_millis(100);

/// The socket of the host's log.
const LOG_SOCKET: &str = "/dev/log";
/// Number of the first facility for local use.
const LOCAL_FACILITY: usize = 16;

/// What is needed beside the settings.
pub struct Surroundings {
    /// This hub.
    pub uid: Uid,
    /// The store, for reads.
    pub reader: HubReader,
    /// The store's writer, as long as there is one.
    pub committer: Weak<Committer>,
    /// Rings with each commit.
    pub committed: Arc<Notify>,
    /// The time.
    pub clock: Clock,
    /// What the metrics page shows.
    pub metrics: JobCacheMetrics,
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
pub fn start(settings: &JobCacheSettings, surroundings: Surroundings) -> anyhow::Result<()> {
    let place = place(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime of the job cache does not start")?;
    let exporter = Exporter {
        cache: Cache::new(place.clone(), surroundings.uid.to_string()),
        place,
        surroundings,
        failing: None,
        counted: None,
    };
    let run = move || runtime.block_on(exporter.run());
    std::thread::Builder::new()
        .name("job-cache".to_owned())
        .spawn(run)
        .context("no thread for the job cache")?;
    Ok(())
}

/// Makes the tables of the job cache in the settings that are missing. Gives what to say.
///
/// # Errors
/// When there is no job cache in the settings, or it can't be reached, or does not make them.
pub fn init(config: &HubConfig) -> anyhow::Result<String> {
    let place = configured(config)?;
    once(Cache::new(place.clone(), String::new()).init())?;
    Ok(format!("{place}: the tables are there"))
}

/// Looks whether the job cache in the settings has all that is needed. Gives what to say.
///
/// # Errors
/// When there is no job cache in the settings, or it can't be reached, or lacks something.
pub fn check(config: &HubConfig) -> anyhow::Result<String> {
    let place = configured(config)?;
    let mut cache = Cache::new(place.clone(), String::new());
    let report = once(cache.check()).context(
        "make the tables with `jobs cache init`, or with the statements of `jobs cache schema`",
    )?;
    Ok(format!(
        "{place}: ready; hubs that write there: {}",
        report.marks.len()
    ))
}

/// The statements that make the tables of the job cache in the settings.
///
/// # Errors
/// When there is no job cache in the settings, or it has no tables.
pub fn schema(config: &HubConfig) -> anyhow::Result<String> {
    let Place::Server(server) = configured(config)? else {
        anyhow::bail!("the job cache of the settings is no database, and has no tables");
    };
    Ok(format!("{};", jobcache::schema(server.dialect).join(";\n")))
}

fn configured(config: &HubConfig) -> anyhow::Result<Place> {
    let settings = config.job_cache.as_ref();
    place(settings.context("the settings name no job cache: set `ext_job_cache`")?)
}

fn once<T>(work: impl Future<Output = Result<T, jobcache::CacheError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work)?)
}

fn place(settings: &JobCacheSettings) -> anyhow::Result<Place> {
    Ok(match settings {
        JobCacheSettings::File(path) => Place::File(path.clone()),
        JobCacheSettings::Syslog {
            level,
            facility,
            tag,
        } => {
            let number = |words: &[&str], word: &str| words.iter().position(|w| *w == word);
            let level = number(SYSLOG_LEVELS, level).context("`syslog.level`")?;
            let mut facility = number(SYSLOG_FACILITIES, facility).context("`syslog.facility`")?;
            if SYSLOG_FACILITIES[facility].starts_with("LOG_LOCAL") {
                facility = facility - (SYSLOG_FACILITIES.len() - 8) + LOCAL_FACILITY;
            }
            Place::Syslog(Syslog {
                socket: PathBuf::from(LOG_SOCKET),
                priority: u8::try_from(facility * 8 + level)?,
                tag: tag.clone(),
            })
        }
        JobCacheSettings::Server(server) => Place::Server(Box::new(Server {
            dialect: match server.kind {
                JobCacheKind::Mysql => Dialect::Mysql,
                JobCacheKind::Pgjsonb => Dialect::Pgjsonb,
                JobCacheKind::Postgres => Dialect::Postgres,
            },
            host: server.host.clone(),
            port: server.port,
            user: server.user.clone(),
            password: server.password.reveal().to_owned(),
            database: server.database.clone(),
            tls: Tls {
                mode: server.sslmode.clone(),
                ca: server.ca.clone(),
                certificate: server.certificate.clone(),
                key: server.key.clone(),
            },
        })),
    })
}

/// A job cache that fails.
struct Failing {
    /// Since when, in milliseconds since 1970.
    since: u64,
    pause: Duration,
    told: Instant,
}

struct Exporter {
    cache: Cache,
    place: Place,
    surroundings: Surroundings,
    failing: Option<Failing>,
    counted: Option<Instant>,
}

impl Exporter {
    /// Until the store's writer ends.
    async fn run(mut self) {
        while self.surroundings.committer.strong_count() > 0 {
            match self.step().await {
                Ok(true) => self.works(),
                Ok(false) => {
                    self.surroundings.metrics.backlog.set(0);
                    // Also without a commit, so that the end of the writer is seen.
                    let more = self.surroundings.committed.notified();
                    let _ = tokio::time::timeout(PAUSE_MAX, more).await;
                    tokio::time::sleep(GATHER).await;
                }
                Err(error) => self.fails(&error).await,
            }
        }
    }

    /// Writes the first changes that are kept. False: there are none.
    async fn step(&mut self) -> anyhow::Result<bool> {
        let reader = &self.surroundings.reader;
        let changes = reader.changes(CHANGES_MAX)?;
        let Some(last) = changes.last() else {
            return Ok(false);
        };
        let through = last.number;
        let mut rows = Rows::new(self.surroundings.uid, reader);
        for change in changes {
            rows.add(change)?;
        }
        for batch in rows.batches(through) {
            self.cache.write(&batch).await?;
        }
        let Some(committer) = self.surroundings.committer.upgrade() else {
            return Ok(false);
        };
        let (done, gone) = oneshot::channel();
        committer.work(move |store: &mut HubStore| {
            // Nobody listens when the hub stops.
            let _ = done.send(store.let_go(through));
        })?;
        drop(committer);
        gone.await??;
        Ok(true)
    }

    fn works(&mut self) {
        if let Some(failing) = self.failing.take() {
            self.surroundings.metrics.failing_since.set(0);
            let seconds = self.surroundings.clock.now().saturating_sub(failing.since) / 1_000;
            tracing::info!(place = %self.place, seconds, "the job cache takes what it gets again");
        }
        self.count();
    }

    async fn fails(&mut self, error: &anyhow::Error) {
        if self.failing.is_none() {
            // What is told first is to be true.
            self.counted = None;
        }
        self.count();
        let backlog = self.surroundings.metrics.backlog.get();
        let now = self.surroundings.clock.now();
        let failing = self.failing.get_or_insert_with(|| {
            tracing::warn!(
                place = %self.place, backlog,
                "the job cache fails, and the store keeps what it misses: {error:#}"
            );
            Failing {
                since: now,
                pause: PAUSE_MIN,
                told: Instant::now(),
            }
        });
        self.surroundings
            .metrics
            .failing_since
            .set(as_gauge(failing.since / 1_000));
        if failing.told.elapsed() >= TELL_EVERY {
            failing.told = Instant::now();
            let seconds = now.saturating_sub(failing.since) / 1_000;
            tracing::warn!(place = %self.place, backlog, seconds, "the job cache still fails: {error:#}");
        }
        let pause = failing.pause;
        failing.pause = (pause * 2).min(PAUSE_MAX);
        tokio::time::sleep(pause).await;
    }

    fn count(&mut self) {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
            return;
        }
        self.counted = Some(Instant::now());
        match self.surroundings.reader.changes_kept() {
            Ok(kept) => self.surroundings.metrics.backlog.set(as_gauge(kept)),
            Err(error) => tracing::warn!(%error, "the backlog of the job cache can't be counted"),
        }
    }
}

#[cfg(test)]
mod tests;
