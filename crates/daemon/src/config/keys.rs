//! The table of all keys: the parser, the command line's help and the reference page come from it.

use std::fmt;

use super::Program;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in files; in the environment it is `BANYAN_` and the name in capitals.
    pub name: &'static str,
    /// Another name that is read as well.
    pub alias: Option<&'static str>,
    /// The programs that know it.
    pub programs: &'static [Program],
    /// What values it takes.
    pub kind: Kind,
    /// What holds when it is not set.
    pub default: Unset,
    /// What a number counts; empty for others.
    pub unit: &'static str,
    /// What it is for.
    pub help: &'static str,
}

/// The values that a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A text that is never shown.
    Secret,
    /// A whole number within bounds.
    Number {
        /// Lowest.
        min: u64,
        /// Highest.
        max: u64,
    },
    /// Yes or no.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A text, or a list of texts.
    Texts,
    /// A map of anything.
    Map,
    /// A list of anything.
    List,
    /// Anything.
    Any,
    /// A map of names to a text or a list of texts.
    TextMap,
    /// A map with keys of its own.
    Block(&'static [Key]),
    /// Salt's list of git remotes: addresses, or maps of an address to its own settings.
    GitRemotes,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => f.write_str("text"),
            Kind::Secret => f.write_str("text (secret)"),
            Kind::Number { min, max } => write!(f, "whole number from {min} to {max}"),
            Kind::Flag => f.write_str("true or false"),
            Kind::Word(words) => write!(f, "one of {}", words.join(", ")),
            Kind::Texts => f.write_str("text or list of texts"),
            Kind::Map | Kind::Block(_) => f.write_str("map"),
            Kind::List => f.write_str("list"),
            Kind::Any => f.write_str("any value"),
            Kind::TextMap => f.write_str("map of names to a text or a list of texts"),
            Kind::GitRemotes => f.write_str("list with one address"),
        }
    }
}

/// What holds when a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// Nothing.
    None,
    /// This value, as it would stand in a file.
    Value(&'static str),
    /// Something that follows from elsewhere; words for people.
    Follows(&'static str),
    /// The program does not start without it.
    Required,
}

use Program::{Minion, Syndic, TopMaster};

const ALL: &[Program] = &Program::ALL;
const HUBS: &[Program] = &[TopMaster, Syndic];
const CHILDREN: &[Program] = &[Syndic, Minion];

const ANY: Key = Key {
    name: "",
    alias: None,
    programs: ALL,
    kind: Kind::Text,
    default: Unset::None,
    unit: "",
    help: "",
};

/// What states, templates and pillar see of the configuration; `opts` in Salt.
const OPTION: Key = Key {
    programs: &[Minion],
    kind: Kind::Any,
    help: "The environment of files where a call names none.",
    ..ANY
};

const PORTS: Kind = Kind::Number {
    min: 1,
    max: 65_535,
};
const SECONDS: Kind = Kind::Number {
    min: 1,
    max: 31_622_400,
};
const SECONDS_OR_NONE: Kind = Kind::Number {
    min: 0,
    max: 86_400,
};
const HOURS: Kind = Kind::Number {
    min: 1,
    max: 175_680,
};

/// All keys, in the order of the reference page.
#[allow(clippy::needless_update)] // One key of many happens to set every field.
#[rustfmt::skip] // A table is read in rows.
pub const KEYS: &[Key] = &[
    Key { name: "id", default: Unset::Follows("the host's name in lower case"), help: "The node's label, unique among the nodes of its role in the tree: a-z, 0-9, and . _ - between them.", ..ANY },
    Key { name: "root_dir", default: Unset::Value("/"), help: "Everything that the program keeps lies below this directory: etc/banyan, var/lib/banyan, var/cache/banyan, var/log/banyan, run/banyan.", ..ANY },
    Key { name: "include", kind: Kind::Texts, help: "More files to read, relative to this one; `*` and `?` may stand in the last part. They win over this file and over its `.d` directory.", ..ANY },
    // Parents.
    Key { name: "master", alias: Some("syndic_master"), programs: CHILDREN, kind: Kind::Texts, default: Unset::Required, help: "The parents: host, host:port or [address]:port. A node keeps a connection to each; a minion with `master_type: failover` to one.", ..ANY },
    Key { name: "master_port", alias: Some("syndic_master_port"), programs: CHILDREN, kind: PORTS, default: Unset::Value("4510"), unit: "UDP port", help: "Port of the parents that are named without one.", ..ANY },
    Key { name: "master_finger", programs: CHILDREN, help: "Fingerprint of the tree, which the parent has to prove before it is told anything (`top-master identity` prints it).", ..ANY },
    Key { name: "join_token", programs: CHILDREN, kind: Kind::Secret, help: "A join token: the parent accepts the node's key without an operator.", ..ANY },
    Key { name: "join_token_file", programs: CHILDREN, help: "A file that holds the join token; read only when the node has to enrol.", ..ANY },
    Key { name: "master_type", programs: &[Minion], kind: Kind::Word(MASTER_TYPES), default: Unset::Value("str"), help: "str: a connection to each of `master`. failover: to one of them at a time, in order. disable: to none, for `minion call --local`.", ..ANY },
    Key { name: "master_alive_interval", programs: &[Minion], kind: SECONDS_OR_NONE, default: Unset::Value("0"), unit: "seconds", help: "Salt's name for `keepalive_seconds`: a hub that is silent for so long is asked for a sign of life, and for three times as long is lost, unless `keepalive_seconds` and `idle_timeout_seconds` say otherwise. 0: as they say.", ..ANY },
    Key { name: "master_failback", programs: &[Minion], kind: Kind::Flag, default: Unset::Value("false"), help: "With `master_type: failover`: a minion that holds another hub goes back to the first when that answers.", ..ANY },
    Key { name: "master_failback_interval", programs: &[Minion], kind: SECONDS_OR_NONE, default: Unset::Value("0"), unit: "seconds", help: "How often the first hub is looked after meanwhile. 0: `master_alive_interval`, and without that 30.", ..ANY },
    Key { name: "random_master", alias: Some("master_shuffle"), programs: &[Minion], kind: Kind::Flag, default: Unset::Value("false"), help: "With `master_type: failover`: the order is drawn at each start; with `master_failback` the first stays the first.", ..ANY },
    Key { name: "site", programs: &[Syndic], default: Unset::Follows("the id"), help: "Label of the site that the syndic serves, below its parent's. Several syndics may serve one site.", ..ANY },
    // Listening.
    Key { name: "interface", programs: HUBS, default: Unset::Value("0.0.0.0"), help: "The address on which the hub listens for its children.", ..ANY },
    Key { name: "port", programs: HUBS, kind: PORTS, default: Unset::Value("4510"), unit: "UDP port", help: "The port on which the hub listens for its children. One port is all there is.", ..ANY },
    Key { name: "max_minions", programs: HUBS, kind: Kind::Number { min: 1, max: 1_000_000 }, default: Unset::Value("100000"), unit: "nodes", help: "Most children that are connected to this hub at a time; further ones are refused with the reason.", ..ANY },
    Key { name: "keepalive_seconds", kind: Kind::Number { min: 1, max: 600 }, default: Unset::Follows("25 on minions, else 10"), unit: "seconds", help: "A link to a parent that is silent for so long is asked for a sign of life.", ..ANY },
    Key { name: "idle_timeout_seconds", kind: Kind::Number { min: 2, max: 3_600 }, default: Unset::Follows("75 between minions and hubs, 30 between hubs"), unit: "seconds", help: "A link without a sign of life for so long is dead; of two ends the one with less patience decides. At least twice `keepalive_seconds`, so that one lost packet cuts nothing.", ..ANY },
    // Roots.
    Key { name: "roots", programs: HUBS, kind: Kind::Block(ROOTS_KEYS), help: "The git remote behind `file_roots` and `pillar_roots`.", ..ANY },
    Key { name: "roots_update_interval", alias: Some("gitfs_update_interval"), programs: HUBS, kind: SECONDS, default: Unset::Value("60"), unit: "seconds", help: "How often the remote is asked for changes.", ..ANY },
    Key { name: "gitfs_remotes", programs: HUBS, kind: Kind::GitRemotes, help: "Salt's form of `roots`: one remote, with its own settings or with those of the `gitfs_` keys.", ..ANY },
    Key { name: "gitfs_base", programs: HUBS, help: "As `base` of `roots`, for `gitfs_remotes`.", ..ANY },
    Key { name: "gitfs_root", programs: HUBS, help: "As `root` of `roots`, for `gitfs_remotes`.", ..ANY },
    Key { name: "gitfs_user", programs: HUBS, help: "As `user` of `roots`, for `gitfs_remotes`.", ..ANY },
    Key { name: "gitfs_password", programs: HUBS, kind: Kind::Secret, help: "As `password` of `roots`, for `gitfs_remotes`.", ..ANY },
    Key { name: "gitfs_privkey", programs: HUBS, help: "As `privkey` of `roots`, for `gitfs_remotes`.", ..ANY },
    Key { name: "gitfs_pubkey", programs: HUBS, help: "As `pubkey` of `roots`, for `gitfs_remotes`.", ..ANY },
    Key { name: "gitfs_passphrase", programs: HUBS, kind: Kind::Secret, help: "As `passphrase` of `roots`, for `gitfs_remotes`.", ..ANY },
    // Jobs.
    Key { name: "reactor", programs: HUBS, kind: Kind::Any, help: "What is done about events: a list of `TAG-GLOB: [SLS...]`; each SLS is `salt://...` of the roots in service, or an absolute path on this host.", ..ANY },
    Key { name: "nodegroups", kind: Kind::TextMap, help: "Names for compound targets; on minions for those of top files.", ..ANY },
    Key { name: "keep_jobs_seconds", programs: HUBS, kind: SECONDS, default: Unset::Value("86400"), unit: "seconds", help: "How long a job that is over can be looked up.", ..ANY },
    Key { name: "job_store_bytes_max", programs: HUBS, kind: Kind::Number { min: 1 << 20, max: 1 << 40 }, default: Unset::Value("4294967296"), unit: "bytes", help: "When what is in the store needs more, the oldest jobs that are over are removed before their time. The file does not shrink: its free pages are used again.", ..ANY },
    Key { name: "disk_reserve_bytes", kind: Kind::Number { min: 0, max: 1 << 40 }, default: Unset::Value("67108864"), unit: "bytes", help: "When the file system of `/var/lib/banyan` has less free, new jobs are refused with the reason; what runs goes on. A hub waits with its start until a quarter of it is free. 0: use all there is.", ..ANY },
    Key { name: "publisher_acl", programs: HUBS, kind: Kind::Map, help: "What users of this host other than the hub's own may order, in Salt's form: functions by user or %group, and functions by target.", ..ANY },
    Key { name: "publisher_acl_blacklist", programs: HUBS, kind: Kind::Map, help: "Users who may order nothing, and `modules`: functions that none of them may order.", ..ANY },
    Key { name: "policy", programs: HUBS, kind: Kind::List, help: "Rules that permit or forbid: who, which functions, on which minions and sites, when, on how many (docs/access.md).", ..ANY },
    Key { name: "policy_overrides_from", programs: HUBS, kind: Kind::Texts, help: "Ids of hubs above, as globs, whose orders may pass over the rules of this site with `run --override REASON` (docs/access.md); none when it is not set.", ..ANY },
    Key { name: "job_start_within", programs: HUBS, kind: SECONDS, default: Unset::Value("60"), unit: "seconds", help: "A minion that has not started a job by then refuses it, unless the operator says otherwise.", ..ANY },
    Key { name: "timeout", programs: HUBS, kind: SECONDS, default: Unset::Follows("wait until every outcome is known"), unit: "seconds", help: "How long the command line waits for a job before it leaves it to run on (`-t`).", ..ANY },
    Key { name: "adopt_after", programs: &[TopMaster], kind: Kind::Number { min: 0, max: 86_400 }, default: Unset::Value("300"), unit: "seconds", help: "When every syndic that has a part in a job of another top-master has been without that one for so long, this one adopts the job (docs/operations.md). 0: only `jobs adopt` does.", ..ANY },
    Key { name: "journal_file", programs: HUBS, default: Unset::Follows("no journal"), help: "A file with a line of JSON for each job that is taken, refused or over (docs/operations.md).", ..ANY },
    Key { name: "confirm_above", programs: HUBS, kind: Kind::Number { min: 1, max: 1_000_000_000 }, default: Unset::Follows("never ask"), unit: "minions", help: "A job for more minions is taken only with their exact count: the command line asks for it on a terminal, scripts give it with `--expect`.", ..ANY },
    // Minions.
    Key { name: "grains", programs: &[Minion], kind: Kind::Map, help: "Grains that the operator sets; they win over those that are found.", ..ANY },
    Key { name: "file_client", programs: &[Minion], kind: Kind::Word(FILE_CLIENTS), default: Unset::Value("remote"), help: "Where files and pillar come from: the hub, or `file_roots` and `pillar_roots` of this host, for `minion call` without a hub (`--local`).", ..ANY },
    Key { name: "file_roots", programs: &[Minion], kind: Kind::TextMap, default: Unset::Value("{base: [/srv/salt]}"), help: "Folders of this host that are the files of each environment, for `file_client: local`; of two files of one path the first counts.", ..ANY },
    Key { name: "pillar_roots", programs: &[Minion], kind: Kind::TextMap, default: Unset::Value("{base: [/srv/pillar]}"), help: "Folders of this host that are the pillar of each environment, for `file_client: local`.", ..ANY },
    Key { name: "startup_states", programs: &[Minion], kind: Kind::Word(STARTUP_STATES), default: Unset::Follows("none"), help: "What is applied once after the start, at the first contact with a hub: the highstate, the files of `sls_list`, or what `top_file` says.", ..ANY },
    Key { name: "sls_list", programs: &[Minion], kind: Kind::Texts, help: "The state files of `startup_states: sls`.", ..ANY },
    Key { name: "top_file", programs: &[Minion], help: "The top file of `startup_states: top`.", ..ANY },
    Key { name: "schedule", programs: ALL, help: "Jobs by the clock: a map of names to jobs ([schedule.md](schedule.md)); at a hub their functions are runners and wheel functions ([orchestration.md](orchestration.md)).", ..OPTION },
    Key { name: "beacons", help: "What the minion looks at again and again, to tell of it ([beacons.md](beacons.md)).", ..OPTION },
    Key { name: "mine_functions", help: "What the minion gives to the mine: a map of names to arguments ([mine.md](mine.md)).", ..OPTION },
    Key { name: "mine_interval", help: "Minutes between two updates of the mine; 60.", ..OPTION },
    Key { name: "mine_return_job", help: "true: what the updates of the mine return is told as an event.", ..OPTION },
    // States and pillar.
    Key { name: "saltenv", ..OPTION },
    Key { name: "lock_saltenv", help: "true: no call may name another `saltenv`.", ..OPTION },
    Key { name: "pillarenv", help: "The only environment of the pillar that counts; null: all of them.", ..OPTION },
    Key { name: "pillarenv_from_saltenv", help: "true: a call with `saltenv` reads the pillar of this environment alone.", ..OPTION },
    Key { name: "test", help: "true: states change nothing and say what they would change, unless a call has `test=False`.", ..OPTION },
    Key { name: "failhard", programs: ALL, help: "true: the first state that fails ends the run; at a hub that of orchestrations.", ..OPTION },
    Key { name: "state_top", help: "The name of top files; `top.sls`.", ..OPTION },
    Key { name: "state_top_saltenv", help: "The only environment whose top file is read.", ..OPTION },
    Key { name: "top_file_merging_strategy", help: "How the top files of several environments become one: merge, same or merge_all.", ..OPTION },
    Key { name: "default_top", help: "The environment that stands in for one without a top file, with the strategy same.", ..OPTION },
    Key { name: "env_order", help: "The environments whose top files are read, in this order.", ..OPTION },
    Key { name: "state_auto_order", help: "false: states without `order` run in the order of their names, and not as they are written.", ..OPTION },
    Key { name: "state_aggregate", help: "true, or a list of states whose calls may be made as one.", ..OPTION },
    Key { name: "state_queue", help: "true: a state run waits for the others of this minion; a number: when fewer than so many run.", ..OPTION },
    Key { name: "state_max_parallel", help: "Most states with `parallel` that run at a time; 0: no limit.", ..OPTION },
    Key { name: "state_data", help: "`terse`: state runs answer only what changed or failed.", ..OPTION },
    Key { name: "state_events", help: "true: each state that ended is told as an event, `salt/job/JID/prog/ID/NUMBER`, where somebody reads those.", ..OPTION },
    Key { name: "disabled_requisites", help: "Requisites that are ignored, as `require_in`.", ..OPTION },
    Key { name: "jinja_env", help: "White space of all templates: trim_blocks, lstrip_blocks and their kin.", ..OPTION },
    Key { name: "jinja_sls_env", help: "The same for SLS files.", ..OPTION },
    Key { name: "pillar_source_merging_strategy", programs: ALL, help: "How values of several pillar files become one: smart, recurse, aggregate, overwrite or none.", ..OPTION },
    Key { name: "pillar_merge_lists", programs: ALL, help: "true: lists of several pillar files are joined.", ..OPTION },
    Key { name: "pillar_includes_override_sls", programs: ALL, help: "true: what a pillar file includes wins over the file.", ..OPTION },
    Key { name: "decrypt_pillar", programs: ALL, help: "Paths in the pillar whose values are sealed, each by itself or with its renderer.", ..OPTION },
    Key { name: "decrypt_pillar_default", programs: ALL, help: "The renderer of those paths that name none; gpg.", ..OPTION },
    Key { name: "decrypt_pillar_delimiter", programs: ALL, help: "What stands between the parts of those paths; `:`.", ..OPTION },
    Key { name: "decrypt_pillar_renderers", programs: ALL, help: "The renderers that those paths may name; [gpg].", ..OPTION },
    Key { name: "gpg_keydir", programs: ALL, help: "The folder with the keys of the renderer gpg; /etc/salt/gpgkeys.", ..OPTION },
    Key { name: "gpg_decrypt_must_succeed", programs: ALL, help: "false: what gpg cannot open stays as it is, and is no error.", ..OPTION },
    Key { name: "age_identities", programs: ALL, help: "The files with the identities of the renderer age: one, or a list.", ..OPTION },
    Key { name: "custom_modules", help: "true: modules of the roots (_modules, _states, _grains, _utils) are brought to this host and run with the rights of the minion.", ..OPTION },
    Key { name: "autoload_dynamic_modules", help: "false: a state run does not bring custom modules; saltutil.sync_all does.", ..OPTION },
    Key { name: "clean_dynamic_modules", help: "false: custom modules stay that the roots have no longer.", ..OPTION },
    Key { name: "extmod_whitelist", help: "The custom modules of a kind that alone are brought, as {modules: [disks]}.", ..OPTION },
    Key { name: "extmod_blacklist", help: "Custom modules of a kind that are not brought.", ..OPTION },
    Key { name: "python_executable", help: "The Python that runs custom modules and templates in Python; python3.", ..OPTION },
    Key { name: "fallback", help: "`salt-call`: functions and states that are unknown here are handed to the Salt that is installed on this host.", ..OPTION },
    Key { name: "salt_call", help: "The path of that program, where it is not salt-call along PATH.", ..OPTION },
    Key { name: "opts", kind: Kind::Map, programs: &[Minion], help: "More names that templates see in `opts`, and `config.get` finds.", ..ANY },
    Key { name: "process_count_max", programs: &[Minion], kind: Kind::Number { min: 1, max: 1_000 }, default: Unset::Value("16"), unit: "functions", help: "Most functions that run at a time; further jobs wait, in order.", ..ANY },
    Key { name: "spool_bytes_max", programs: &[Minion], kind: Kind::Number { min: 16 << 20, max: 1 << 40 }, default: Unset::Value("268435456"), unit: "bytes", help: "Returns that wait for the origins of their jobs may need so much of the journal. Near it new jobs are refused with the reason; the value of a return that would go beyond it is replaced by its size and hash.", ..ANY },
    // Job caches.
    Key { name: "master_job_cache", programs: HUBS, kind: Kind::Word(JOB_CACHES), default: Unset::Value("local_cache"), help: "Where jobs and returns are written beside the hub's own store; [job-caches.md](job-caches.md).", ..ANY },
    Key { name: "ext_job_cache", programs: HUBS, kind: Kind::Word(JOB_CACHES), default: Unset::Value("local_cache"), help: "The same as `master_job_cache`; a hub writes to one.", ..ANY },
    Key { name: "event_return", programs: HUBS, kind: Kind::Word(EVENT_RETURNS), default: Unset::Follows("events are not written"), help: "Where the events that reach this hub are written; [job-caches.md](job-caches.md). The keys of each place are those of the job cache.", ..ANY },
    Key { name: "event_return_whitelist", programs: HUBS, kind: Kind::Texts, default: Unset::Follows("every event"), help: "Globs over the tags of events that are written.", ..ANY },
    Key { name: "event_return_blacklist", programs: HUBS, kind: Kind::Texts, default: Unset::Follows("none"), help: "Globs over the tags of events that are not written.", ..ANY },
    Key { name: "mysql.host", alias: Some("returner.mysql.host"), programs: HUBS, kind: Kind::Texts, default: Unset::Value("salt"), help: "The host of MySQL or MariaDB: host, host:port or [address]:port; of a cluster several, tried in this order.", ..ANY },
    Key { name: "mysql.user", alias: Some("returner.mysql.user"), programs: HUBS, default: Unset::Value("salt"), help: "The user there.", ..ANY },
    Key { name: "mysql.pass", alias: Some("returner.mysql.pass"), programs: HUBS, kind: Kind::Secret, default: Unset::Value("salt"), help: "That user's password.", ..ANY },
    Key { name: "mysql.db", alias: Some("returner.mysql.db"), programs: HUBS, default: Unset::Value("salt"), help: "The database there.", ..ANY },
    Key { name: "mysql.port", alias: Some("returner.mysql.port"), programs: HUBS, kind: PORTS, default: Unset::Value("3306"), unit: "TCP port", help: "Its port, where the host names none.", ..ANY },
    Key { name: "mysql.ssl_ca", alias: Some("returner.mysql.ssl_ca"), programs: HUBS, help: "PEM certificates that the server has to prove itself with, its name included.", ..ANY },
    Key { name: "mysql.ssl_cert", alias: Some("returner.mysql.ssl_cert"), programs: HUBS, help: "The certificate of this client.", ..ANY },
    Key { name: "mysql.ssl_key", alias: Some("returner.mysql.ssl_key"), programs: HUBS, help: "The key of that certificate.", ..ANY },
    Key { name: "returner.pgjsonb.host", programs: HUBS, kind: Kind::Texts, default: Unset::Value("localhost"), help: "The host of PostgreSQL for `pgjsonb`: host, host:port, [address]:port or the directory of a socket; with standbys several, tried in this order.", ..ANY },
    Key { name: "returner.pgjsonb.user", programs: HUBS, default: Unset::Value("salt"), help: "The user there.", ..ANY },
    Key { name: "returner.pgjsonb.pass", programs: HUBS, kind: Kind::Secret, default: Unset::Value("salt"), help: "That user's password.", ..ANY },
    Key { name: "returner.pgjsonb.db", programs: HUBS, default: Unset::Value("salt"), help: "The database there.", ..ANY },
    Key { name: "returner.pgjsonb.port", programs: HUBS, kind: PORTS, default: Unset::Value("5432"), unit: "TCP port", help: "Its port, where the host names none.", ..ANY },
    Key { name: "returner.pgjsonb.sslmode", programs: HUBS, kind: Kind::Word(SSL_MODES), default: Unset::Follows("prefer, or verify-full with `sslrootcert`"), help: "How much protection the connection needs.", ..ANY },
    Key { name: "returner.pgjsonb.sslrootcert", programs: HUBS, help: "PEM certificates that the server has to prove itself with.", ..ANY },
    Key { name: "returner.pgjsonb.sslcert", programs: HUBS, help: "The certificate of this client.", ..ANY },
    Key { name: "returner.pgjsonb.sslkey", programs: HUBS, help: "The key of that certificate.", ..ANY },
    Key { name: "returner.postgres.host", programs: HUBS, kind: Kind::Texts, default: Unset::Value("localhost"), help: "The host of PostgreSQL for `postgres`: host, host:port, [address]:port or the directory of a socket; with standbys several, tried in this order.", ..ANY },
    Key { name: "returner.postgres.user", programs: HUBS, default: Unset::Value("salt"), help: "The user there.", ..ANY },
    Key { name: "returner.postgres.passwd", programs: HUBS, kind: Kind::Secret, default: Unset::Value("salt"), help: "That user's password.", ..ANY },
    Key { name: "returner.postgres.db", programs: HUBS, default: Unset::Value("salt"), help: "The database there.", ..ANY },
    Key { name: "returner.postgres.port", programs: HUBS, kind: PORTS, default: Unset::Value("5432"), unit: "TCP port", help: "Its port, where the host names none.", ..ANY },
    Key { name: "rawfile_json.filename", programs: HUBS, default: Unset::Value("/var/log/salt/events"), help: "The file of `rawfile_json`.", ..ANY },
    Key { name: "syslog.level", programs: HUBS, kind: Kind::Word(SYSLOG_LEVELS), default: Unset::Value("LOG_INFO"), help: "The level of `syslog`.", ..ANY },
    Key { name: "syslog.facility", programs: HUBS, kind: Kind::Word(SYSLOG_FACILITIES), default: Unset::Value("LOG_USER"), help: "The facility of `syslog`.", ..ANY },
    Key { name: "syslog.tag", programs: HUBS, default: Unset::Value("banyan"), help: "What the lines of `syslog` begin with.", ..ANY },
    // Certificates.
    Key { name: "minion_certificate_hours", programs: HUBS, kind: HOURS, default: Unset::Value("72"), unit: "hours", help: "Life of the certificates that this hub gives to minions; they renew them after two thirds of it.", ..ANY },
    Key { name: "hub_certificate_hours", programs: HUBS, kind: HOURS, default: Unset::Value("168"), unit: "hours", help: "Life of the certificates for the links of hubs.", ..ANY },
    Key { name: "syndic_ca_certificate_hours", programs: HUBS, kind: HOURS, default: Unset::Value("720"), unit: "hours", help: "Life of the certificates with which syndics certify their children.", ..ANY },
    // Logs and metrics.
    Key { name: "log_level", kind: Kind::Word(LOG_LEVELS), default: Unset::Value("info"), help: "The least important messages that are logged.", ..ANY },
    Key { name: "log_file", default: Unset::Follows("standard error alone"), help: "A file to which logs are written as well.", ..ANY },
    Key { name: "log_format", kind: Kind::Word(LOG_FORMATS), default: Unset::Value("human"), help: "Lines for people, or one JSON object in each line.", ..ANY },
    Key { name: "metrics_port", kind: PORTS, default: Unset::Follows("off"), unit: "TCP port", help: "Serves /metrics, /live and /ready on this port of the loopback address.", ..ANY },
];

/// Keys of the map `roots`.
#[rustfmt::skip]
pub const ROOTS_KEYS: &[Key] = &[
    Key { name: "remote", programs: HUBS, default: Unset::Required, help: "`https://host/path`, `ssh://user@host/path`, `user@host:path`, `file:///path` or an absolute path.", ..ANY },
    Key { name: "base", programs: HUBS, default: Unset::Follows("the remote's default branch"), help: "The branch that is the environment `base`.", ..ANY },
    Key { name: "root", programs: HUBS, default: Unset::Follows("the top"), help: "The folder in the repository that holds the roots.", ..ANY },
    Key { name: "pillar_root", programs: HUBS, default: Unset::Follows("no pillar"), help: "The folder in the repository that holds `pillar_roots`, by environment as the files are. It is never served as files, and `root` must not lie in it.", ..ANY },
    Key { name: "layout", programs: HUBS, kind: Kind::Word(LAYOUTS), default: Unset::Value("branches"), help: "Where environments come from.", ..ANY },
    Key { name: "environments", programs: HUBS, kind: Kind::TextMap, help: "Environments that follow a branch, a tag or a full reference name of their own.", ..ANY },
    Key { name: "user", programs: HUBS, help: "The user name at the remote.", ..ANY },
    Key { name: "password", programs: HUBS, kind: Kind::Secret, help: "Password or access token, for https.", ..ANY },
    Key { name: "privkey", programs: HUBS, help: "The file with the private key, for ssh.", ..ANY },
    Key { name: "pubkey", programs: HUBS, help: "The file with the public key, where the private one does not hold it.", ..ANY },
    Key { name: "passphrase", programs: HUBS, kind: Kind::Secret, help: "The passphrase of the private key.", ..ANY },
    Key { name: "known_hosts", programs: HUBS, default: Unset::Value("/etc/ssh/ssh_known_hosts"), help: "A file with the host keys that an ssh remote may have, in the format of OpenSSH.", ..ANY },
    Key { name: "host_fingerprints", programs: HUBS, kind: Kind::Texts, help: "Fingerprints of the host keys that an ssh remote may have, as `ssh-keygen -l` prints them; they replace `known_hosts`.", ..ANY },
    Key { name: "ca_file", programs: HUBS, help: "PEM certificates to trust beside the system's, for https.", ..ANY },
    Key { name: "timeout_seconds", programs: HUBS, kind: SECONDS, default: Unset::Value("600"), unit: "seconds", help: "How long a whole fetch may take.", ..ANY },
];

pub(super) const LOG_LEVELS: &[&str] = &["quiet", "error", "warning", "info", "debug", "trace"];
/// Where events may be written.
pub(super) const EVENT_RETURNS: &[&str] = &["mysql", "pgjsonb", "postgres", "rawfile_json"];
pub(super) const JOB_CACHES: &[&str] = &[
    "local_cache",
    "mysql",
    "pgjsonb",
    "postgres",
    "rawfile_json",
    "syslog",
];
pub(super) const SSL_MODES: &[&str] = &[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
/// In the order of their numbers.
pub const SYSLOG_LEVELS: &[&str] = &[
    "LOG_EMERG",
    "LOG_ALERT",
    "LOG_CRIT",
    "LOG_ERR",
    "LOG_WARNING",
    "LOG_NOTICE",
    "LOG_INFO",
    "LOG_DEBUG",
];
/// In the order of their numbers; the eight for local use come last, from 16.
pub const SYSLOG_FACILITIES: &[&str] = &[
    "LOG_KERN",
    "LOG_USER",
    "LOG_MAIL",
    "LOG_DAEMON",
    "LOG_AUTH",
    "LOG_SYSLOG",
    "LOG_LPR",
    "LOG_NEWS",
    "LOG_UUCP",
    "LOG_CRON",
    "LOG_AUTHPRIV",
    "LOG_LOCAL0",
    "LOG_LOCAL1",
    "LOG_LOCAL2",
    "LOG_LOCAL3",
    "LOG_LOCAL4",
    "LOG_LOCAL5",
    "LOG_LOCAL6",
    "LOG_LOCAL7",
];
pub(super) const LOG_FORMATS: &[&str] = &["human", "json"];
pub(super) const STARTUP_STATES: &[&str] = &["highstate", "sls", "top"];
pub(super) const MASTER_TYPES: &[&str] = &["str", "failover", "disable"];
pub(super) const FILE_CLIENTS: &[&str] = &["remote", "local"];
pub(super) const LAYOUTS: &[&str] = &["base", "branches", "branches-and-tags", "folders"];

/// Keys of Salt that mean nothing here, with what to do instead.
#[rustfmt::skip]
pub(super) const SALT_KEYS: &[(&str, &str)] = &[
    ("publish_port", "one port serves everything: set `port`"),
    ("ret_port", "one port serves everything: remove it"),
    ("file_roots", "files come from git alone: set `roots`"),
    ("pillar_roots", "pillar comes from git alone: set `pillar_root` of `roots`"),
    ("fileserver_backend", "files come from git alone: set `roots`"),
    ("git_pillar_base", "pillar and files share one remote: set `roots`"),
    ("worker_threads", "the number of threads follows from the machine: remove it"),
    ("gather_job_timeout", "lost minions are known without polling: remove it"),
    ("order_masters", "a hub carries the jobs of its parents in any case: remove it"),
    ("auto_accept", "keys are never accepted unseen: use a join token"),
    ("autosign_file", "keys are never accepted unseen: use a join token"),
    ("open_mode", "there is no such mode"),
    ("pki_dir", "everything lies below `root_dir`"),
    ("cachedir", "everything lies below `root_dir`"),
    ("sock_dir", "everything lies below `root_dir`"),
    ("log_level_logfile", "`log_level` holds for the file as well: remove it"),
    ("hash_type", "hashes are not a choice: remove it"),
    ("syndic_failover", "a syndic keeps a connection to each of its parents: remove it"),
    ("retry_dns", "a name is looked up anew for each attempt: remove it"),
    ("master_tries", "a node dials its parents until it reaches one: remove it"),
    ("keep_jobs", "it counts in seconds: set `keep_jobs_seconds`"),
    ("append_domain", "set `id`"),
    ("reactor_worker_threads", "events are answered one after the other: remove it"),
    ("reactor_worker_hwm", "events are answered one after the other: remove it"),
    ("reactor_refresh_interval", "nothing is kept that would have to be made anew: remove it"),
    ("presence_events", "presence is told where somebody reads it: remove it"),
    ("max_event_size", "an event has at most 256 KiB of data: remove it"),
    ("event_return_queue", "events that wait go out together: remove it"),
    ("event_return_queue_max_seconds", "events that wait go out together, within a moment: remove it"),
    ("event_return_niceness", "events are written by a thread of the hub: remove it"),
    ("user", "the program runs as the user that starts it: set it in the unit"),
];

/// The keys that a program knows.
pub fn keys_of(program: Program) -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
        .filter(move |key| key.programs.contains(&program))
}
