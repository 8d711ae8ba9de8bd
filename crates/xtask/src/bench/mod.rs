//! `cargo xtask bench`: whole trees of the built programs with thousands of simulated minions, on this machine alone.
//!
//! What counts are ratios between rounds of one run, which alternate, so that all meet the same weather on a machine that
//! is never quiet.

mod books;
mod connect;
pub mod control;
mod ending;
mod enrol;
mod figures;
mod files;
mod floor;
mod jobs;
mod latency;
mod load;
mod minion;
mod order;
pub mod process;
mod remote;
mod report;
mod roots;
mod round;
pub mod salt;
mod scale;
mod states;
mod store;
pub mod tree;
mod urgent;
mod wan;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::workspace::{cargo, target};

/// Measure the built programs.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One command to each minion and each return.
    Round(round::Arguments),
    /// Returns over long and lossy lines.
    Wan(wan::Arguments),
    /// First enrolments, and how minions come back to a hub that was killed.
    Connect(connect::Arguments),
    /// A ping to one minion while others return bulk.
    Urgent(urgent::Arguments),
    /// What one command to one minion takes, at each depth.
    Latency(latency::Arguments),
    /// Jobs a second, and what more of them than that come to.
    Jobs(jobs::Arguments),
    /// One large tree: counts, a cut, a restart of all, and idleness.
    Scale(scale::Arguments),
    /// The minion's own process.
    Minion(minion::Arguments),
    /// The same work on real Salt's tree, beside ours.
    Salt(salt::Arguments),
    /// Files from the roots to all minions.
    Files(files::Arguments),
    /// From a push to every site.
    Roots(roots::Arguments),
    /// States of one minion, beside real Salt's.
    States(states::Arguments),
    /// A long history in a hub's store.
    Store(store::Arguments),
}

/// What every benchmark can be told.
#[derive(Debug, clap::Args)]
struct Common {
    /// Programs that are built already; they are built otherwise.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where the figures go; a file under target/bench/ otherwise.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The programs under measurement.
pub struct Programs {
    pub top_master: PathBuf,
    syndic: PathBuf,
    pub minion: PathBuf,
    swarm: PathBuf,
    floor: PathBuf,
}

impl Programs {
    /// As cargo lays them out.
    pub fn of(dir: &Path) -> Programs {
        Programs {
            top_master: dir.join("top-master"),
            syndic: dir.join("syndic"),
            minion: dir.join("minion"),
            swarm: dir.join("swarm"),
            floor: dir.join("examples/floor"),
        }
    }
}

/// Builds, measures, prints the table, and writes the figures.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.what {
        What::Round(arguments) => round::run(arguments),
        What::Wan(arguments) => wan::run(arguments),
        What::Connect(arguments) => connect::run(arguments),
        What::Urgent(arguments) => urgent::run(arguments),
        What::Latency(arguments) => latency::run(arguments),
        What::Jobs(arguments) => jobs::run(arguments),
        What::Scale(arguments) => scale::run(arguments),
        What::Minion(arguments) => minion::run(arguments),
        What::Salt(arguments) => salt::run(arguments),
        What::Files(arguments) => files::run(arguments),
        What::Roots(arguments) => roots::run(arguments),
        What::States(arguments) => states::run(arguments),
        What::Store(arguments) => store::run(arguments),
    }
}

impl Common {
    /// Has `measure` measure in a directory that stays only when it fails, prints the text, and writes the figures.
    fn measured(
        &self,
        name: &str,
        measure: impl FnOnce(&Programs, &Path) -> anyhow::Result<(String, serde_json::Value)>,
    ) -> anyhow::Result<()> {
        let root = crate::workspace::root()?;
        let programs = match &self.programs {
            Some(dir) => Programs::of(dir),
            None => build(&root)?,
        };
        let out = target(&root).join("bench");
        std::fs::create_dir_all(&out)?;
        let work = out.join(format!("{name}-{}", std::process::id()));
        let (text, figures) =
            measure(&programs, &work).with_context(|| format!("logs are in {}", work.display()))?;
        std::fs::remove_dir_all(&work)?;
        let (commit, machine) = (figures::commit(&root), figures::machine());
        print!("commit {commit}; {machine}\n{text}");
        let json = match &self.json {
            Some(path) => path.clone(),
            None => out.join(format!("{name}-{}-{commit}.json", figures::unix_s())),
        };
        let document = serde_json::json!({
            "benchmark": name,
            "commit": commit,
            "machine": machine,
            "ended_unix_s": figures::unix_s(),
            "figures": figures,
        });
        std::fs::write(&json, serde_json::to_string_pretty(&document)?)?;
        eprintln!("figures: {}", json.display());
        Ok(())
    }
}

fn build(root: &Path) -> anyhow::Result<Programs> {
    for arguments in [
        &["-p=top-master", "-p=syndic", "-p=minion", "-p=swarm"][..],
        &["-p=link", "--example=floor"],
    ] {
        let status = Command::new(cargo())
            .args(["build", "--release"])
            .args(arguments)
            .current_dir(root)
            .status()?;
        ensure!(status.success(), "cargo build {arguments:?} failed");
    }
    Ok(Programs::of(&target(root).join("release")))
}

/// Bound of everything that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(600);
