//! The job cache outside of the hub, from Salt's keys.

use std::path::PathBuf;

use super::derived::Secret;
use super::host::{HostPort, HostPortError};
use super::settings::Settings;

/// Where jobs and returns are written beside the hub's own store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobCacheSettings {
    /// A database.
    Server(Box<JobCacheServer>),
    /// A file with a line for each return.
    File(PathBuf),
    /// The host's log.
    Syslog {
        /// The name of its level, as `LOG_INFO`.
        level: String,
        /// The name of its facility, as `LOG_USER`.
        facility: String,
        /// What lines begin with.
        tag: String,
    },
}

/// A database with Salt's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCacheServer {
    /// Which returner of Salt wrote there.
    pub kind: JobCacheKind,
    /// Where it answers, in the order in which they are tried; at least one.
    pub hosts: Vec<DatabaseHost>,
    /// Its user.
    pub user: String,
    /// That user's password.
    pub password: Secret,
    /// The name of the database.
    pub database: String,
    /// PostgreSQL's word for how much protection is asked for.
    pub sslmode: Option<String>,
    /// Certificates that the server's has to follow from.
    pub ca: Option<PathBuf>,
    /// This client's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// One host of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHost {
    /// Its name or address, or the directory of its socket.
    pub name: String,
    /// Its TCP port.
    pub port: u16,
}

/// Most hosts of one database.
const HOSTS_MAX: usize = 16;

/// Salt's returners for databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobCacheKind {
    /// MySQL, MariaDB.
    Mysql,
    /// PostgreSQL with values as jsonb.
    Pgjsonb,
    /// PostgreSQL with values as text.
    Postgres,
}

/// The job cache, when there is one; None as well when a problem was found.
pub(super) fn derive(settings: &mut Settings) -> Option<JobCacheSettings> {
    let external = |name| settings.text(name).filter(|word| word != "local_cache");
    let word = match (external("master_job_cache"), external("ext_job_cache")) {
        (Some(one), Some(other)) if one != other => {
            let place = settings.place("ext_job_cache");
            settings.problem(
                &place,
                "`master_job_cache` and `ext_job_cache` name two job caches: a hub writes to one beside its own store",
            );
            return None;
        }
        (one, other) => one.or(other)?,
    };
    place(settings, &word)
}

/// Events that are written where Salt's `event_return` would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventReturn {
    /// Where to; never the host's log.
    pub place: JobCacheSettings,
    /// Globs over tags of those that are written; none: all.
    pub whitelist: Vec<String>,
    /// Globs over tags of those that are not, whatever the whitelist says.
    pub blacklist: Vec<String>,
}

/// The events to write, when there are some.
pub(super) fn events(settings: &mut Settings) -> Option<EventReturn> {
    let word = settings.text("event_return")?;
    let place = place(settings, &word)?;
    let globs = |name| {
        let given = settings.texts(name).into_iter();
        given.map(|glob| glob.value).collect()
    };
    Some(EventReturn {
        place,
        whitelist: globs("event_return_whitelist"),
        blacklist: globs("event_return_blacklist"),
    })
}

fn place(settings: &mut Settings, word: &str) -> Option<JobCacheSettings> {
    Some(match word {
        "rawfile_json" => {
            JobCacheSettings::File(PathBuf::from(settings.text("rawfile_json.filename")?))
        }
        "syslog" => JobCacheSettings::Syslog {
            level: settings.text("syslog.level")?,
            facility: settings.text("syslog.facility")?,
            tag: settings.text("syslog.tag")?,
        },
        "mysql" => server(settings, JobCacheKind::Mysql, "mysql", "pass")?,
        "pgjsonb" => server(settings, JobCacheKind::Pgjsonb, "returner.pgjsonb", "pass")?,
        _ => server(
            settings,
            JobCacheKind::Postgres,
            "returner.postgres",
            "passwd",
        )?,
    })
}

fn server(
    settings: &mut Settings,
    kind: JobCacheKind,
    prefix: &str,
    password: &str,
) -> Option<JobCacheSettings> {
    let port = settings.number(&format!("{prefix}.port"))?;
    let hosts = hosts(
        settings,
        &format!("{prefix}.host"),
        u16::try_from(port).ok()?,
    )?;
    let text = |name: &str| settings.text(&format!("{prefix}.{name}"));
    let path = |names: [&str; 2]| names.into_iter().find_map(text).map(PathBuf::from);
    Some(JobCacheSettings::Server(Box::new(JobCacheServer {
        kind,
        hosts,
        user: text("user")?,
        password: Secret::new(text(password)?),
        database: text("db")?,
        sslmode: text("sslmode"),
        ca: path(["ssl_ca", "sslrootcert"]),
        certificate: path(["ssl_cert", "sslcert"]),
        key: path(["ssl_key", "sslkey"]),
    })))
}

/// The hosts that a key names, each with a port of its own or this one; None when there is a problem, which is told once although
/// jobs and events may have one place.
fn hosts(settings: &mut Settings, key: &str, port: u16) -> Option<Vec<DatabaseHost>> {
    let mut hosts: Vec<DatabaseHost> = Vec::new();
    let mut problems = Vec::new();
    for given in settings.texts(key) {
        for text in given.value.split(',').map(str::trim) {
            match host(text, port) {
                Ok(host) if hosts.contains(&host) => {
                    problems.push((given.place.clone(), format!("`{key}` names {text} twice")));
                }
                Ok(host) => hosts.push(host),
                Err(e) => problems.push((given.place.clone(), format!("`{key}`: {e}"))),
            }
        }
    }
    if hosts.len() > HOSTS_MAX {
        let message = format!("`{key}` names more than {HOSTS_MAX} hosts");
        problems.push((settings.place(key), message));
    }
    let is_right = problems.is_empty();
    for (place, message) in problems {
        let is_told = settings.problems.iter().any(|told| told.message == message);
        if !is_told {
            settings.problem(&place, message);
        }
    }
    is_right.then_some(hosts)
}

fn host(text: &str, port: u16) -> Result<DatabaseHost, HostPortError> {
    // PostgreSQL's socket is in a directory.
    if text.starts_with('/') {
        let name = text.to_owned();
        return Ok(DatabaseHost { name, port });
    }
    let host = HostPort::parse(text, port)?;
    Ok(DatabaseHost {
        name: host.host().to_owned(),
        port: host.port(),
    })
}
