//! `cargo xtask bench`: whole trees of the built programs with thousands of simulated minions, beside quinn alone.
//!
//! A round sends one command to each minion and hears each return. Rounds of the product and of quinn alone (the floor)
//! alternate in one run, so that both meet the same weather on a machine that is never quiet. What counts is CPU time,
//! which other processes disturb less than the clock on the wall, and the ratio to the floor.

mod control;
mod floor;
mod meter;
mod process;
mod report;
mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use floor::Floor;
use process::{Process, Usage, quiet};
use report::{Round, Size, Table};
use tree::Tree;

/// Measure rounds over simulated minions.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Minions of each run.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "1000,10000"
    )]
    minions: Vec<u32>,
    /// Syndics that share them.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: u32,
    /// Rounds of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Programs that are built already; they are built otherwise.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where the figures go; a file under target/bench/ otherwise.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A JSON object of grains that each minion has beside its id; a few small ones otherwise.
    #[arg(long, value_name = "FILE")]
    grains: Option<PathBuf>,
}

/// The programs under measurement.
struct Programs {
    top_master: PathBuf,
    syndic: PathBuf,
    swarm: PathBuf,
    floor: PathBuf,
}

impl Programs {
    /// As cargo lays them out.
    fn of(dir: &Path) -> Programs {
        Programs {
            top_master: dir.join("top-master"),
            syndic: dir.join("syndic"),
            swarm: dir.join("swarm"),
            floor: dir.join("examples/floor"),
        }
    }
}

/// Builds, measures, prints the table, and writes the figures.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::workspace::root()?;
    let programs = match &arguments.programs {
        Some(dir) => Programs::of(dir),
        None => build(&root)?,
    };
    let out = target(&root).join("bench");
    std::fs::create_dir_all(&out)?;
    let mut table = Table::new(&root, arguments.syndics, arguments.rounds);
    for minions in &arguments.minions {
        let work = out.join(format!("tree-{}-{minions}", std::process::id()));
        let size = measure(&programs, &work, *minions, arguments);
        if size.is_ok() {
            std::fs::remove_dir_all(&work)?;
        }
        let size = size.with_context(|| format!("logs are in {}", work.display()))?;
        table.add(size);
    }
    print!("{}", table.text());
    let json = match &arguments.json {
        Some(path) => path.clone(),
        None => out.join(format!("{}.json", table.stamp())),
    };
    std::fs::write(&json, serde_json::to_string_pretty(&table.json())?)?;
    eprintln!("figures: {}", json.display());
    Ok(())
}

fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

fn build(root: &Path) -> anyhow::Result<Programs> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for arguments in [
        &["-p", "top-master", "-p", "syndic", "-p", "swarm"][..],
        &["-p", "link", "--example", "floor"],
    ] {
        let status = Command::new(&cargo)
            .args(["build", "--release"])
            .args(arguments)
            .current_dir(root)
            .status()?;
        ensure!(status.success(), "cargo build {arguments:?} failed");
    }
    Ok(Programs::of(&target(root).join("release")))
}

/// What a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// quinn alone.
    Floor,
    /// `test.ping` over the control socket.
    Ping,
    /// The same by a `top-master run` that is started for it.
    Command,
    /// A value that no two minions share.
    Unique,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Floor, Kind::Ping, Kind::Command, Kind::Unique];

    fn name(self) -> &'static str {
        match self {
            Kind::Floor => "quinn alone",
            Kind::Ping => "test.ping",
            Kind::Command => "run '*' test.ping",
            Kind::Unique => "unique values",
        }
    }
}

fn measure(
    programs: &Programs,
    work: &Path,
    minions: u32,
    arguments: &Arguments,
) -> anyhow::Result<Size> {
    let began = Instant::now();
    eprintln!(
        "{minions} minions under {} syndics: enrolling",
        arguments.syndics
    );
    let mut tree = Tree::plant(programs, work, arguments.syndics)?;
    let empty = tree.hub_memory()?;
    tree.populate(programs, minions, arguments.grains.as_deref())?;
    quiet(&tree.processes())?;
    let full = tree.hub_memory()?;
    eprintln!(
        "connected after {:.1} s; connecting quinn alone",
        began.elapsed().as_secs_f64()
    );
    let mut floor = Floor::connect(programs, work, &tree, minions)?;
    let mut size = Size::new(minions, empty, full, floor.memory());
    for number in 0..=arguments.rounds {
        // Every second time the other way round.
        let mut kinds = Kind::ALL;
        if number % 2 == 1 {
            kinds.reverse();
        }
        for kind in kinds {
            let round = one(kind, &mut tree, &mut floor, programs, minions)?;
            // The first round warms caches, and is not counted.
            if number > 0 {
                size.add(kind.name(), round);
            }
        }
        eprint!(".");
    }
    eprintln!(" done after {:.1} s", began.elapsed().as_secs_f64());
    Ok(size)
}

/// One round, with everything that it leaves behind: settlements, acknowledgements, the store.
fn one(
    kind: Kind,
    tree: &mut Tree,
    floor: &mut Floor,
    programs: &Programs,
    minions: u32,
) -> anyhow::Result<Round> {
    let processes: Vec<&Process> = match kind {
        Kind::Floor => floor.processes(),
        _ => tree.processes(),
    };
    quiet(&processes)?;
    let (before, bytes) = (Usage::of(&processes)?, tree.bytes());
    let wall = match kind {
        Kind::Floor => floor.round()?,
        Kind::Ping => tree.job("test.ping", b"[]", minions)?,
        Kind::Unique => tree.job("grains.get", br#"["id"]"#, minions)?,
        Kind::Command => tree.command(programs)?,
    };
    let processes: Vec<&Process> = match kind {
        Kind::Floor => floor.processes(),
        _ => tree.processes(),
    };
    quiet(&processes)?;
    let used = Usage::of(&processes)?.since(&before);
    Ok(Round {
        wall,
        used,
        bytes: tree.bytes().since(bytes),
    })
}

/// Bound of everything that is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
