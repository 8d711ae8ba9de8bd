//! Settings as the programs use them: checked, typed, with every default filled in.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use wire::{NodeId, SitePath, TreeId};

use super::environment::Environment;
use super::host::HostPort;
use super::job_cache::{self, EventReturn, JobCacheSettings};
use super::paths::{Paths, Program};
use super::roots::{self, RootsSettings};
use super::settings::Settings;
use super::{Place, Sources};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Settings of a top-master or a syndic.
#[derive(Debug, Clone, PartialEq)]
pub struct HubConfig {
    /// Which of the two.
    pub program: Program,
    /// Where its files are.
    pub paths: Paths,
    /// Its label.
    pub id: NodeId,
    /// Where it listens for children (UDP).
    pub listen: SocketAddr,
    /// Most children that are connected at a time.
    pub minions_max: usize,
    /// A syndic's parents; None for a top-master.
    pub upstream: Option<Upstream>,
    /// The label of a syndic's site below its parent's; None for a top-master.
    pub site: Option<SitePath>,
    /// Signs of life on links to parents.
    pub links: LinkSettings,
    /// A link to a child that is silent for so long is dead, unless the child has less patience.
    pub children_idle_timeout: Duration,
    /// The git remote, when there is one.
    pub roots: Option<RootsSettings>,
    /// How often the remote is asked.
    pub roots_update_interval: Duration,
    /// What pillar files see of the configuration, and how they are merged, by name.
    pub pillar_options: Map<String, Value>,
    /// Everything that is set, or holds by default, by name; secrets are stars.
    pub shown: Map<String, Value>,
    /// Names for targets.
    pub nodegroups: Vec<Nodegroup>,
    /// What is done about events.
    pub reactor: Vec<Reactor>,
    /// Runners by the clock, as `schedule` has them; null for none.
    pub schedule: Value,
    /// Jobs.
    pub jobs: JobSettings,
    /// Who may do what.
    pub access: AccessSettings,
    /// The file of their journal; None: there is none.
    pub journal_file: Option<PathBuf>,
    /// Where they are written beside its own store.
    pub job_cache: Option<JobCacheSettings>,
    /// Where events are written, when they are.
    pub event_return: Option<EventReturn>,
    /// Bytes that stay free on the file system of its state.
    pub disk_reserve_bytes: u64,
    /// Lives of the certificates that it gives.
    pub certificates: CertificateHours,
    /// Logs.
    pub logs: LogSettings,
    /// Port of /metrics, /live and /ready on the loopback address; None: off.
    pub metrics_port: Option<u16>,
}

/// Rules about users, as they were written; empty where there are none.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessSettings {
    /// Salt's form, a map of users.
    pub publisher_acl: Value,
    /// Users and functions that it shuts out.
    pub blacklist: Value,
    /// The list of rules.
    pub policy: Value,
    /// Ids of hubs above whose orders may pass over them, as globs.
    pub overrides_from: Vec<String>,
}

/// What a minion applies once after its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Startup {
    /// The highstate.
    Highstate,
    /// These state files.
    Sls(Vec<String>),
    /// What this top file says.
    Top(String),
}

/// Settings of a minion.
#[derive(Debug, Clone, PartialEq)]
pub struct MinionConfig {
    /// Where its files are.
    pub paths: Paths,
    /// Its label.
    pub id: NodeId,
    /// Its parents; None when it works without any.
    pub upstream: Option<Upstream>,
    /// Signs of life.
    pub links: LinkSettings,
    /// Grains that the operator sets.
    pub grains: Map<String, Value>,
    /// The roots on this host, when files and pillar come from there.
    pub local_roots: Option<LocalRoots>,
    /// What is applied once after the start.
    pub startup: Option<Startup>,
    /// What states, templates and pillar see of the configuration, by name.
    pub options: Map<String, Value>,
    /// Most functions that run at a time.
    pub processes_max: usize,
    /// Bytes of the returns that it keeps for the origins of their jobs.
    pub spool_bytes_max: u64,
    /// Bytes that stay free on the file system of its state.
    pub disk_reserve_bytes: u64,
    /// Logs.
    pub logs: LogSettings,
    /// Port of /metrics, /live and /ready on the loopback address; None: off.
    pub metrics_port: Option<u16>,
}

/// Folders of a host that are the roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRoots {
    /// Folders of files by environment.
    pub files: BTreeMap<String, Vec<PathBuf>>,
    /// Folders of pillar by environment.
    pub pillar: BTreeMap<String, Vec<PathBuf>>,
}

/// The way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The parents; never empty, none twice.
    pub parents: Vec<HostPort>,
    /// The tree that a parent has to prove.
    pub tree: Option<TreeId>,
    /// What makes the parent accept the key.
    pub join_token: Option<JoinToken>,
    /// To how many of them at a time.
    pub kept: Kept,
}

/// To which parents a node keeps a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// To each.
    All,
    /// To one at a time, in their order.
    One {
        /// How often the first is looked after while another one is held; None: not at all.
        failback: Option<Duration>,
        /// The order is drawn at each start.
        shuffle: bool,
    },
}

/// A join token, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinToken {
    /// The token.
    Text(Secret),
    /// A file that holds it.
    File(PathBuf),
}

impl JoinToken {
    /// The token; reads the file when it is in one.
    ///
    /// # Errors
    /// When the file can't be read, or is empty.
    pub fn read(&self) -> io::Result<Secret> {
        match self {
            JoinToken::Text(secret) => Ok(secret.clone()),
            JoinToken::File(path) => {
                let text = std::fs::read_to_string(path)?;
                match text.trim() {
                    "" => Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the file is empty",
                    )),
                    token => Ok(Secret::new(token.to_owned())),
                }
            }
        }
    }
}

/// Signs of life on links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    /// A link to a parent that is silent for so long is asked.
    pub keepalive: Duration,
    /// A link to a parent that is silent for so long is dead; at least twice the above.
    pub idle_timeout: Duration,
}

/// A minion's, unless it is told otherwise. Each sign of life costs its hub 20 us: 100,000 minions with one in ten seconds would
/// take a fifth of a core from hubs that do nothing. Home routers forget a silent line after 30 s. A minion that is lost under
/// work is noticed much sooner, since then its hub asks.
const MINION_LINKS: LinkSettings = LinkSettings {
    keepalive: Duration::from_secs(25),
    idle_timeout: Duration::from_secs(75),
};
/// How often a minion that holds another hub looks after its first one, unless it is told otherwise: a dial costs the hub some
/// milliseconds.
const FAILBACK_EVERY: Duration = Duration::from_secs(30);
/// A hub's: a whole site hangs on its line.
const HUB_LINKS: LinkSettings = LinkSettings {
    keepalive: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(30),
};

/// A name for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodegroup {
    /// The name.
    pub name: String,
    /// Compound target text; a list in the file is joined with `or`, as Salt does when it holds ids alone, and with
    /// spaces when it holds an operator or a matcher.
    pub target: String,
    /// Where it is defined, for messages about the target.
    pub place: Place,
}

/// What is done about events whose tags match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reactor {
    /// A glob over tags.
    pub glob: String,
    /// SLS files: `salt://...`, or absolute paths, which may have a glob in their last part.
    pub files: Vec<String>,
}

/// Settings of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobSettings {
    /// How long a job that is over is kept.
    pub keep: Duration,
    /// Bound of the store, in bytes.
    pub store_bytes_max: u64,
    /// A minion that has not started by then refuses.
    pub start_within: Duration,
    /// How long the command line waits; None: to the end.
    pub timeout: Option<Duration>,
    /// A job for more minions is taken only with their count; None: never asked.
    pub confirm_above: Option<u64>,
    /// When a job of another top-master whose owner is gone is adopted; zero: never by itself.
    pub adopt_after: Duration,
}

/// Lives of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateHours {
    /// Of a minion's link.
    pub minion: Duration,
    /// Of a hub's link.
    pub hub: Duration,
    /// Of a syndic's certifying key.
    pub syndic_ca: Duration,
}

/// Settings of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important messages.
    pub level: LogLevel,
    /// Where they go beside standard error.
    pub file: Option<PathBuf>,
    /// How lines look.
    pub format: LogFormat,
}

/// Importance of messages. Each level holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Quiet,
    /// Something that was promised can't be kept: wake a person.
    Error,
    /// Something that a person should see today.
    Warning,
    /// What the node does, in the operator's words.
    Info,
    /// Why it does so.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// Reads a word of the key `log_level`.
    pub fn parse(word: &str) -> Option<LogLevel> {
        Some(match word {
            "quiet" => LogLevel::Quiet,
            "error" => LogLevel::Error,
            "warning" => LogLevel::Warning,
            "info" => LogLevel::Info,
            "debug" => LogLevel::Debug,
            "trace" => LogLevel::Trace,
            _ => return None,
        })
    }
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object in each line.
    Json,
}

/// Derives a hub's settings; None when a problem was found.
pub(super) fn hub(settings: &mut Settings, sources: &Sources<'_>) -> Option<HubConfig> {
    // All parts are derived before the first `?`, so that every problem is found.
    let id = id(settings, sources.environment);
    let listen = settings.parsed("interface", str::parse::<IpAddr>);
    let upstream = match sources.program {
        Program::Syndic => Some(upstream(settings)),
        Program::TopMaster | Program::Minion => None,
    };
    let site = match sources.program {
        Program::Syndic => Some(site(settings, id.as_ref())),
        Program::TopMaster | Program::Minion => None,
    };
    let links = links(settings, HUB_LINKS);
    let patience = MINION_LINKS.idle_timeout;
    let children_idle_timeout = seconds_or(settings, "idle_timeout_seconds", patience);
    let roots = roots::derive(settings);
    let nodegroups = nodegroups(settings);
    let reactor = reactors(settings);
    let schedule = settings.options().remove("schedule").unwrap_or_default();
    let job_cache = job_cache::derive(settings);
    let event_return = job_cache::events(settings);
    let logs = logs(settings);
    let hours = |name| {
        settings
            .number(name)
            .map(|hours| Duration::from_secs(hours * 3_600))
    };
    Some(HubConfig {
        program: sources.program,
        paths: settings.paths.clone(),
        id: id?,
        listen: SocketAddr::new(listen?, port(settings, "port")?),
        minions_max: usize::try_from(settings.number("max_minions")?).ok()?,
        upstream: match upstream {
            Some(upstream) => Some(upstream?),
            None => None,
        },
        site: match site {
            Some(site) => Some(site?),
            None => None,
        },
        links: links?,
        children_idle_timeout: children_idle_timeout?,
        roots,
        pillar_options: hub_options(settings),
        shown: settings.shown(),
        roots_update_interval: seconds(settings, "roots_update_interval")?,
        nodegroups,
        reactor,
        schedule,
        jobs: JobSettings {
            keep: seconds(settings, "keep_jobs_seconds")?,
            store_bytes_max: settings.number("job_store_bytes_max")?,
            start_within: seconds(settings, "job_start_within")?,
            timeout: seconds(settings, "timeout"),
            confirm_above: settings.number("confirm_above"),
            adopt_after: Duration::from_secs(settings.number("adopt_after").unwrap_or_default()),
        },
        access: AccessSettings {
            publisher_acl: settings.map("publisher_acl").into(),
            blacklist: settings.map("publisher_acl_blacklist").into(),
            policy: settings.list("policy").into(),
            overrides_from: settings
                .texts("policy_overrides_from")
                .into_iter()
                .map(|hub| hub.value)
                .collect(),
        },
        journal_file: settings.text("journal_file").map(PathBuf::from),
        job_cache,
        event_return,
        disk_reserve_bytes: settings.number("disk_reserve_bytes")?,
        certificates: CertificateHours {
            minion: hours("minion_certificate_hours")?,
            hub: hours("hub_certificate_hours")?,
            syndic_ca: hours("syndic_ca_certificate_hours")?,
        },
        logs: logs?,
        metrics_port: port(settings, "metrics_port"),
    })
}

/// Derives a minion's settings; None when a problem was found.
pub(super) fn minion(settings: &mut Settings, sources: &Sources<'_>) -> Option<MinionConfig> {
    let id = id(settings, sources.environment);
    let is_local = settings.text("file_client").as_deref() == Some("local");
    let is_alone = settings.text("master_type").as_deref() == Some("disable");
    let upstream = if is_alone || is_local && settings.is_missing("master") {
        None
    } else {
        let kept = kept(settings);
        let upstream = upstream(settings)?;
        Some(Upstream {
            kept: kept?,
            ..upstream
        })
    };
    let links = links(settings, minion_links(settings));
    let logs = logs(settings);
    let mut options = settings.map("opts");
    options.extend(with_nodegroups(settings));
    let local_roots = is_local.then(|| LocalRoots {
        files: folders(settings, "file_roots"),
        pillar: folders(settings, "pillar_roots"),
    });
    Some(MinionConfig {
        paths: settings.paths.clone(),
        id: id?,
        upstream,
        links: links?,
        grains: settings.map("grains"),
        local_roots,
        startup: startup(settings),
        options,
        processes_max: usize::try_from(settings.number("process_count_max")?).ok()?,
        spool_bytes_max: settings.number("spool_bytes_max")?,
        disk_reserve_bytes: settings.number("disk_reserve_bytes")?,
        logs: logs?,
        metrics_port: port(settings, "metrics_port"),
    })
}

/// Reads `startup_states` and what belongs to it.
fn startup(settings: &mut Settings) -> Option<Startup> {
    let word = settings.text("startup_states")?;
    let needed = match word.as_str() {
        "sls" => {
            let files = settings.texts("sls_list");
            if !files.is_empty() {
                let files = files.into_iter().map(|file| file.value);
                return Some(Startup::Sls(files.collect()));
            }
            "sls_list"
        }
        "top" => match settings.text("top_file") {
            Some(file) => return Some(Startup::Top(file)),
            None => "top_file",
        },
        _ => return Some(Startup::Highstate),
    };
    let place = settings.place("startup_states");
    settings.problem(&place, format!("`startup_states: {word}` needs `{needed}`"));
    None
}

/// What templates of a hub see: not what the hub itself does.
fn hub_options(settings: &Settings) -> Map<String, Value> {
    let mut options = with_nodegroups(settings);
    options.remove("reactor");
    options.remove("schedule");
    options
}

/// The options that were set, and the nodegroups.
fn with_nodegroups(settings: &Settings) -> Map<String, Value> {
    let mut options = settings.options();
    let groups = settings.text_map("nodegroups").into_iter();
    let groups: Map<String, Value> = groups
        .map(|(name, words)| (name, words.value.join(" ").into()))
        .collect();
    options.insert("nodegroups".to_owned(), groups.into());
    options
}

fn folders(settings: &Settings, name: &str) -> BTreeMap<String, Vec<PathBuf>> {
    let entries = settings.text_map(name).into_iter();
    entries
        .map(|(env, folders)| {
            let folders = folders.value.into_iter().map(PathBuf::from);
            (env, folders.collect())
        })
        .collect()
}

fn id(settings: &mut Settings, environment: &dyn Environment) -> Option<NodeId> {
    if settings.is_set("id") {
        return settings.parsed("id", str::parse);
    }
    let hostname = environment.hostname().to_ascii_lowercase();
    match hostname.parse() {
        Ok(id) => Some(id),
        Err(e) => {
            let message = format!(
                "`id` is not set, and the host's name {hostname:?} can't serve as one: {e}"
            );
            settings.problem(&Place::Default, message);
            None
        }
    }
}

fn site(settings: &mut Settings, id: Option<&NodeId>) -> Option<SitePath> {
    if !settings.is_set("site") {
        // An id has the form of a label.
        return id?.as_str().parse().ok();
    }
    let label = settings.parsed("site", str::parse::<SitePath>)?;
    if label.depth() != 1 {
        let place = settings.place("site");
        settings.problem(
            &place,
            "`site` is one label; the sites above it follow from the parents",
        );
        return None;
    }
    Some(label)
}

fn upstream(settings: &mut Settings) -> Option<Upstream> {
    let default_port = port(settings, "master_port");
    let given = settings.texts("master");
    if settings.is_missing("master") {
        settings.problem(&Place::Default, "`master` is not set: name the parents");
    }
    let mut parents = Vec::new();
    for parent in given {
        match HostPort::parse(&parent.value, default_port.unwrap_or_default()) {
            Ok(host) if parents.contains(&host) => {
                settings.problem(&parent.place, format!("`master` names {host} twice"));
            }
            Ok(host) => parents.push(host),
            Err(e) => settings.problem(&parent.place, format!("`master`: {e}")),
        }
    }
    let tree = settings.parsed("master_finger", |text| {
        text.parse::<TreeId>()
            .map_err(|()| "a fingerprint has 64 hexadecimal digits")
    });
    let file = settings.text("join_token_file").map(PathBuf::from);
    let join_token = match (settings.text("join_token"), file) {
        (Some(_), Some(_)) => {
            let place = settings.place("join_token_file");
            settings.problem(
                &place,
                "`join_token` and `join_token_file` say the same: remove one",
            );
            None
        }
        (Some(token), None) => Some(JoinToken::Text(Secret::new(token))),
        (None, file) => file.map(JoinToken::File),
    };
    (!parents.is_empty()).then_some(Upstream {
        parents,
        tree,
        join_token,
        kept: Kept::All,
    })
}

/// To which of its parents a minion keeps a connection.
fn kept(settings: &mut Settings) -> Option<Kept> {
    if settings.text("master_type")? == "failover" {
        let interval = |name| seconds(settings, name).filter(|interval| !interval.is_zero());
        let interval = interval("master_failback_interval")
            .or_else(|| interval("master_alive_interval"))
            .unwrap_or(FAILBACK_EVERY);
        return Some(Kept::One {
            failback: settings.flag("master_failback").then_some(interval),
            shuffle: settings.flag("random_master"),
        });
    }
    for name in [
        "master_failback",
        "master_failback_interval",
        "random_master",
    ] {
        if settings.is_set(name) {
            let text = format!(
                "`{name}` has a meaning with `master_type: failover` alone: set that, or remove it"
            );
            let place = settings.place(name);
            settings.problem(&place, text);
            return None;
        }
    }
    Some(Kept::All)
}

/// What holds for a minion's links when nothing else is said: with Salt's `master_alive_interval` what follows from it.
fn minion_links(settings: &Settings) -> LinkSettings {
    match seconds(settings, "master_alive_interval") {
        Some(interval) if !interval.is_zero() => LinkSettings {
            keepalive: interval,
            idle_timeout: interval * 3,
        },
        _ => MINION_LINKS,
    }
}

fn links(settings: &mut Settings, unset: LinkSettings) -> Option<LinkSettings> {
    let keepalive = seconds_or(settings, "keepalive_seconds", unset.keepalive)?;
    let idle_timeout = seconds_or(settings, "idle_timeout_seconds", unset.idle_timeout)?;
    if idle_timeout < keepalive * 2 {
        let name = if settings.is_set("idle_timeout_seconds") {
            "idle_timeout_seconds"
        } else {
            "keepalive_seconds"
        };
        let place = settings.place(name);
        settings.problem(
            &place,
            "`idle_timeout_seconds` has to be at least twice `keepalive_seconds`",
        );
        return None;
    }
    Some(LinkSettings {
        keepalive,
        idle_timeout,
    })
}

/// Words of compound targets that are no id.
const OPERATORS: [&str; 5] = ["and", "or", "not", "(", ")"];

fn reactors(settings: &mut Settings) -> Vec<Reactor> {
    let Some(given) = settings.options().remove("reactor") else {
        return Vec::new();
    };
    let wrong = "`reactor` has to be a list of TAG-GLOB: [SLS...], and each SLS salt://... or an absolute path";
    let entry = |entry: &Value| {
        let map = entry.as_object().filter(|map| map.len() == 1)?;
        let (glob, files) = map.iter().next()?;
        let files = match files {
            Value::String(file) => vec![file.clone()],
            Value::Array(files) => files
                .iter()
                .map(|file| file.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
            _ => return None,
        };
        let is_place = |file: &String| file.starts_with("salt://") || file.starts_with('/');
        files.iter().all(is_place).then(|| Reactor {
            glob: glob.clone(),
            files,
        })
    };
    let read = given
        .as_array()
        .and_then(|entries| entries.iter().map(entry).collect());
    read.unwrap_or_else(|| {
        let place = settings.place("reactor");
        settings.problem(&place, wrong);
        Vec::new()
    })
}

fn nodegroups(settings: &mut Settings) -> Vec<Nodegroup> {
    let mut groups = BTreeMap::new();
    for (name, given) in settings.text_map("nodegroups") {
        let shape = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(shape) {
            let message = format!("nodegroup {name:?}: a name has letters, digits, and . _ -");
            settings.problem(&given.place, message);
            continue;
        }
        if given.value.is_empty() {
            settings.problem(&given.place, format!("nodegroup `{name}` is empty"));
            continue;
        }
        let compound = given
            .value
            .iter()
            .any(|part| OPERATORS.contains(&part.as_str()) || part.contains('@'));
        let joint = if compound { " " } else { " or " };
        groups.insert(
            name.clone(),
            Nodegroup {
                target: given.value.join(joint),
                name,
                place: given.place,
            },
        );
    }
    groups.into_values().collect()
}

fn logs(settings: &Settings) -> Option<LogSettings> {
    Some(LogSettings {
        level: LogLevel::parse(&settings.text("log_level")?)?,
        file: settings.text("log_file").map(PathBuf::from),
        format: match settings.text("log_format")?.as_str() {
            "json" => LogFormat::Json,
            _ => LogFormat::Human,
        },
    })
}

fn port(settings: &Settings, name: &str) -> Option<u16> {
    u16::try_from(settings.number(name)?).ok()
}

/// A number of seconds that follows from elsewhere unless it is set.
fn seconds_or(settings: &Settings, name: &str, unset: Duration) -> Option<Duration> {
    match settings.is_missing(name) {
        true => Some(unset),
        false => seconds(settings, name),
    }
}

fn seconds(settings: &Settings, name: &str) -> Option<Duration> {
    settings.number(name).map(Duration::from_secs)
}
