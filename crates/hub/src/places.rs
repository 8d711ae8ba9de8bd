//! Where job caches and event returns are, from the settings, and what an operator asks of them.

use std::path::PathBuf;

use anyhow::Context;
use daemon::config::keys::{SYSLOG_FACILITIES, SYSLOG_LEVELS};
use daemon::config::{DatabaseHost, HubConfig, JobCacheKind, JobCacheSettings};
use jobcache::{Cache, Dialect, Host, Place, Server, Syslog, Tls};

/// The socket of the host's log.
const LOG_SOCKET: &str = "/dev/log";
/// Number of the first facility for local use.
const LOCAL_FACILITY: usize = 16;

/// Makes the tables of the job cache in the settings that are missing. Gives what to say.
///
/// # Errors
/// When there is no job cache in the settings, or it can't be reached, or does not make them.
pub fn init(config: &HubConfig) -> anyhow::Result<String> {
    told(configured(config)?, |place, _| {
        once(Cache::new(place.clone(), String::new()).init())?;
        Ok(format!("{place}: the tables are there"))
    })
}

/// Looks whether the job cache in the settings has all that is needed. Gives what to say.
///
/// # Errors
/// When there is no job cache in the settings, or it can't be reached, or lacks something.
pub fn check(config: &HubConfig) -> anyhow::Result<String> {
    told(configured(config)?, |place, with_events| {
        let mut cache = Cache::new(place.clone(), String::new());
        let report = once(cache.check(with_events)).context(
            "make the tables with `jobs cache init`, or with the statements of `jobs cache schema`",
        )?;
        let mut text = format!(
            "{place}: ready; hubs that write there: {}",
            report.marks.len()
        );
        for (host, error) in &report.failures {
            text.push_str(&format!("\n  not {host}: {error}"));
        }
        Ok(text)
    })
}

/// The statements that make the tables of the job cache in the settings.
///
/// # Errors
/// When there is no job cache in the settings, or it has no tables.
pub fn schema(config: &HubConfig) -> anyhow::Result<String> {
    let mut dialects = Vec::new();
    for (place, _) in configured(config)? {
        if let Place::Server(server) = place
            && !dialects.contains(&server.dialect)
        {
            dialects.push(server.dialect);
        }
    }
    if dialects.is_empty() {
        anyhow::bail!("the job cache of the settings is no database, and has no tables");
    }
    let statements: Vec<&str> = dialects
        .into_iter()
        .flat_map(|dialect| jobcache::schema(dialect).iter().copied())
        .collect();
    Ok(format!("{};", statements.join(";\n")))
}

/// Each place of the settings, and whether events go there.
fn configured(config: &HubConfig) -> anyhow::Result<Vec<(Place, bool)>> {
    let jobs = config.job_cache.as_ref();
    let events = config.event_return.as_ref().map(|events| &events.place);
    let mut places = Vec::new();
    if let Some(jobs) = jobs {
        places.push((place(jobs)?, Some(jobs) == events));
    }
    if let Some(events) = events
        && Some(events) != jobs
    {
        places.push((place(events)?, true));
    }
    if places.is_empty() {
        anyhow::bail!("the settings name no job cache: set `ext_job_cache` or `event_return`");
    }
    Ok(places)
}

/// What is said of each place, a line each.
fn told(
    places: Vec<(Place, bool)>,
    mut say: impl FnMut(&Place, bool) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let lines: Vec<String> = places
        .iter()
        .map(|(place, with_events)| say(place, *with_events))
        .collect::<anyhow::Result<_>>()?;
    Ok(lines.join("\n"))
}

fn once<T>(work: impl Future<Output = Result<T, jobcache::CacheError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work)?)
}

/// Where that is.
///
/// # Errors
/// When a word of the host's log is none.
pub(crate) fn place(settings: &JobCacheSettings) -> anyhow::Result<Place> {
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
            hosts: server.hosts.iter().map(host).collect(),
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

fn host(host: &DatabaseHost) -> Host {
    Host {
        name: host.name.clone(),
        port: host.port,
    }
}
