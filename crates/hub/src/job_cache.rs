//! The job cache outside: what is new in the store goes there, on a thread of its own, so that a slow database slows no job.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context;
use daemon::clock::Clock;
use daemon::config::JobCacheSettings;
use daemon::metrics::JobCacheMetrics;
use jobcache::{Cache, Loss};
use store::{Committer, HubReader};
use tokio::sync::Notify;
use wire::Uid;

use crate::disk::as_gauge;
use crate::outage::Outage;
use crate::places::place;
use crate::rows::Rows;
use crate::store_work::on_store;

/// Changes that are read at a time.
const CHANGES_MAX: u32 = 500;
/// How often the backlog is counted while there is one.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// The end of the store's writer is seen within so long.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Commits that follow each other go out together.
const GATHER: Duration = Duration::from_millis(100);

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
        outage: Outage::new("job cache", place.to_string(), surroundings.clock),
        surroundings,
        counted: None,
    };
    let run = move || runtime.block_on(exporter.run());
    std::thread::Builder::new()
        .name("job-cache".to_owned())
        .spawn(run)
        .context("no thread for the job cache")?;
    Ok(())
}

struct Exporter {
    cache: Cache,
    outage: Outage,
    surroundings: Surroundings,
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
                    let _ = tokio::time::timeout(LOOK_EVERY, more).await;
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
            for batch in rows.add(change)? {
                tell(self.cache.write(&batch).await?);
            }
        }
        tell(self.cache.write(&rows.end()).await?);
        let Some(committer) = self.surroundings.committer.upgrade() else {
            return Ok(false);
        };
        let gone = on_store(&committer, move |store| store.let_go(through));
        drop(committer);
        gone.await??;
        Ok(true)
    }

    fn works(&mut self) {
        if self.outage.over() {
            self.surroundings.metrics.failing_since.set(0);
        }
        self.count();
    }

    async fn fails(&mut self, error: &anyhow::Error) {
        if !self.outage.is_on() {
            // What is told first is to be true.
            self.counted = None;
        }
        self.count();
        let backlog = self.surroundings.metrics.backlog.get();
        let (since, pause) = self.outage.goes_on(error, backlog);
        let seconds = as_gauge(since / 1_000);
        self.surroundings.metrics.failing_since.set(seconds);
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

/// What is lost there is still here, but nobody writes it again: an operator has to know.
fn tell(loss: Option<Loss>) {
    if let Some(Loss { confirmed, found }) = loss {
        tracing::error!(
            alarm = true,
            confirmed,
            found,
            "the job cache has lost rows that it had confirmed: `jobs list` and `jobs show` have the jobs of that time"
        );
    }
}

#[cfg(test)]
mod tests;
