//! The house: which crate may use which, and which one fences a foreign library. The table in `docs/architecture.md` shows
//! the same to people and is compared with this one.

/// A crate of the workspace.
pub struct Room {
    /// Its name, and that of its folder below `crates/`.
    pub name: &'static str,
    /// Crates of the workspace that it may use; its tests may use more.
    pub may_use: &'static [&'static str],
    /// Whether it is a machine or a calculation: no clock, files, threads, sockets or environment.
    pub is_pure: bool,
    /// Whether others may use it at all. Programs and chores are for nobody.
    pub is_library: bool,
}

const fn pure(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room {
        name,
        may_use,
        is_pure: true,
        is_library: true,
    }
}

const fn library(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room {
        name,
        may_use,
        is_pure: false,
        is_library: true,
    }
}

const fn program(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room {
        name,
        may_use,
        is_pure: false,
        is_library: false,
    }
}

/// All crates below `crates/`.
#[rustfmt::skip] // A table is read in rows.
pub const ROOMS: &[Room] = &[
    pure("wire", &[]),
    pure("targeting", &[]),
    pure("access", &["wire", "targeting"]),
    pure("yaml", &[]),
    pure("data", &["yaml"]),
    pure("sls", &["yaml", "targeting", "data"]),
    pure("pillar", &["yaml", "targeting", "data", "sls"]),
    pure("relay", &["wire", "targeting"]),
    pure("orchestrate", &["wire", "targeting", "data", "sls"]),
    pure("output", &["wire", "data"]),
    pure("events", &["wire", "targeting"]),
    pure("schedule", &[]),
    library("pki", &["wire"]),
    library("link", &["wire", "pki"]),
    library("membership", &["wire", "pki", "link"]),
    library("store", &["wire"]),
    library("jobcache", &[]),
    library("gitsync", &[]),
    library("ciphers", &["data", "sls"]),
    library("modules", &["yaml", "targeting", "data", "sls", "ciphers"]),
    library("daemon", &["wire", "yaml"]),
    library("hub", &["wire", "targeting", "access", "events", "relay", "pki", "link", "membership", "store", "jobcache", "gitsync", "data", "sls", "orchestrate", "pillar", "schedule", "ciphers", "daemon"]),
    library("cli", &["wire", "targeting", "yaml", "output", "daemon", "hub"]),
    program("minion", &["wire", "targeting", "events", "schedule", "yaml", "sls", "pillar", "relay", "output", "pki", "link", "membership", "store", "modules", "daemon"]),
    program("syndic", &["daemon", "hub", "cli"]),
    program("top-master", &["pki", "daemon", "hub", "cli"]),
    program("sim", &["wire", "targeting", "relay"]),
    library("cable", &[]),
    program("hostile", &["wire", "targeting", "events", "yaml", "relay", "output", "pki", "store"]),
    program("swarm", &["wire", "relay", "pki", "link", "membership"]),
    program("xtask", &["daemon", "hub", "modules", "wire", "yaml", "store", "cable"]),
];

/// The room of a crate.
pub fn room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// A foreign library, the crates that may use it, and why no other may.
pub struct Fence {
    /// The library.
    pub library: &'static str,
    /// Who may use it.
    pub within: &'static [&'static str],
    /// Why.
    pub reason: &'static str,
}

const fn fence(
    library: &'static str,
    within: &'static [&'static str],
    reason: &'static str,
) -> Fence {
    Fence {
        library,
        within,
        reason,
    }
}

/// All fences. They hold for tests as well.
#[rustfmt::skip] // A table is read in rows.
pub const FENCES: &[Fence] = &[
    fence("bincode", &["wire"], "it is no longer maintained, and must be replaceable in one place"),
    fence("quinn", &["link"], "its convenient constructors switch on what must be off"),
    fence("quinn-proto", &["link"], "its convenient constructors switch on what must be off"),
    fence("socket2", &["link"], "sockets are opened in one place"),
    fence("rustls", &["pki", "link", "modules"], "the configuration of TLS is made in one place; modules names the provider to its client of web servers"),
    fence("rustls-webpki", &["pki"], "certificates are judged in one place"),
    fence("x509-parser", &["pki"], "certificates are read in one place"),
    fence("rcgen", &["pki"], "certificates are made in one place"),
    fence("ed25519-dalek", &["pki"], "signatures are made and judged in one place"),
    fence("git2", &["gitsync"], "libgit2 needs its global options set once"),
    fence("rusqlite", &["store"], "the settings that make a commit durable stand in one place"),
    fence("sqlx", &["jobcache"], "databases of others are spoken to in one place, in portable SQL"),
    fence("libyaml-safer", &["yaml"], "there is one dialect of YAML"),
    fence("prometheus", &["daemon"], "all metrics stand in one file"),
    fence("hyper", &["daemon"], "one page serves HTTP, on loopback"),
    fence("tracing-subscriber", &["daemon"], "logs are set up in one place"),
    fence("sd-notify", &["daemon"], "one module talks to the service manager"),
    fence("ureq", &["modules"], "only sources of files come from web servers"),
    fence("tokio", &["link", "membership", "jobcache", "daemon", "hub", "cli", "minion", "swarm"], "machines and calculations start no task"),
    fence("anyhow", &["hub", "cli", "minion", "syndic", "top-master", "swarm", "xtask"], "a library's errors are types"),
    fence("clap", &["cli", "minion", "swarm", "xtask"], "only programs have a command line"),
];

/// A call that few crates may make.
pub struct Call {
    /// How it looks in a source: a line that holds all of these.
    pub text: &'static [&'static str],
    /// Whose sources may hold it; None: those of every crate that is not pure.
    pub within: Option<&'static [&'static str]>,
    /// Why.
    pub reason: &'static str,
}

const STARTS_PROGRAMS: Option<&[&str]> = Some(&["ciphers", "modules", "minion", "cable", "xtask"]);
const HUBS_START_NONE: &str = "of the product only a minion starts programs, but for those that open sealed pillar: a hub never calls a shell";
const INPUT: &str = "a pure crate gets it as an argument";

const fn call(
    text: &'static [&'static str],
    within: Option<&'static [&'static str]>,
    reason: &'static str,
) -> Call {
    Call {
        text,
        within,
        reason,
    }
}

/// All calls that are fenced. They may be made by tests.
pub const CALLS: &[Call] = &[
    call(&["process::", "Command"], STARTS_PROGRAMS, HUBS_START_NONE),
    call(&["Instant::now"], None, INPUT),
    call(&["SystemTime::now"], None, INPUT),
    call(&["std::fs"], None, INPUT),
    call(&["std::env"], None, INPUT),
    call(&["std::net::Tcp"], None, INPUT),
    call(&["std::net::Udp"], None, INPUT),
    call(&["std::thread"], None, INPUT),
    call(&["println!"], None, "a pure crate returns text"),
];
