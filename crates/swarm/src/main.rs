//! Many minions in one process, for benchmarks: real keys, certificates, sessions and leaf machines, a few functions.
//!
//! What it leaves out of a minion is what happens on the minion's host: the journal is memory, functions are the few of
//! `functions`, and files that are fetched (`files`) go nowhere. It never measures anything, and no product depends on it; `cargo xtask bench` starts it.
//!
//! All minions share one socket and one thread, so a hub meets them as it would meet minions on as many hosts, at a
//! fraction of the memory.

mod crew;
mod files;
mod functions;
mod minion;
mod roll;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use pki::JoinToken;
use wire::TreeId;

use crew::Crew;
use roll::Roll;

/// Minions that one process may be: enough for the largest hub, and their memory fits into a small machine.
const COUNT_MAX: u32 = 100_000;

/// Be many minions of one hub.
#[derive(Debug, Parser)]
#[command(name = "swarm")]
struct Arguments {
    /// The hub.
    #[arg(long, value_name = "ADDRESS:PORT")]
    hub: SocketAddr,
    /// A join token with a use for each minion; needed for those that are not members yet.
    #[arg(long, required_unless_present = "tree")]
    token: Option<JoinToken>,
    /// Fingerprint of the tree, without a token.
    #[arg(long, value_parser = fingerprint)]
    tree: Option<TreeId>,
    /// How many minions.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(COUNT_MAX)))]
    count: u32,
    /// Their ids are this with a number from 1 behind it.
    #[arg(long, default_value = "m")]
    prefix: String,
    /// Keeps keys and certificates: a second run with it does not enrol again.
    #[arg(long, value_name = "FILE")]
    roll: PathBuf,
    /// Seconds between signs of life.
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=600))]
    keep_alive: u64,
    /// A JSON object: grains that each minion has beside its id.
    #[arg(long, value_name = "FILE")]
    grains: Option<PathBuf>,
}

fn fingerprint(text: &str) -> Result<TreeId, &'static str> {
    let parsed = text.parse();
    parsed.map_err(|()| "not a fingerprint: 64 hexadecimal digits, with or without colons")
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(arguments))
}

/// Enrols whoever is missing, connects all, prints `READY count`, and answers until the process is ended.
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let token = arguments.token.as_ref();
    let tree = token
        .map(|token| token.tree)
        .or(arguments.tree)
        .ok_or_else(|| anyhow::anyhow!("neither a token nor a tree"))?;
    let roll = Roll::open(&arguments.roll, tree)?;
    let grains = match &arguments.grains {
        None => functions::few_grains(),
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
    };
    let ids: Vec<wire::NodeId> = (1..=arguments.count)
        .map(|number| format!("{}{number}", arguments.prefix).parse())
        .collect::<Result<_, _>>()?;
    let token = token.map(|token| token.shown().to_string());
    let keep_alive = Duration::from_secs(arguments.keep_alive);
    let crew = Crew::new(tree, arguments.hub, keep_alive, grains, token)?;
    let members = crew.enrol(roll, ids).await?;
    crew.serve(members, |count| println!("READY {count}")).await
}
