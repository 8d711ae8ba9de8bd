//! The fan-out: one command to each minion and each return, beside quinn alone.
//!
//! Rounds of the product and of quinn alone (the floor) alternate in one run. What counts is CPU time, which other processes
//! disturb less than the clock on the wall, and the ratio to the floor.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::floor::Floor;
use super::process::{Process, Usage, quiet};
use super::report::{Round, Size, Table};
use super::tree::Tree;
use super::{Common, Programs};

/// Measure rounds over simulated minions.
#[derive(Debug, clap::Args)]
#[group(skip)] // Its fields stand beside those of the command.
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
    /// A JSON object of grains that each minion has beside its id; a few small ones otherwise.
    #[arg(long, value_name = "FILE")]
    grains: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("fanout", |programs, work| {
        let mut table = Table::new(arguments.syndics, arguments.rounds);
        for minions in &arguments.minions {
            let work = work.join(minions.to_string());
            table.add(measure(programs, &work, *minions, arguments)?);
        }
        Ok((table.text(), table.json()))
    })
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
    let syndics = 1..arguments.syndics as usize + 1;
    tree.populate(programs, minions, syndics, arguments.grains.as_deref())?;
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
        Kind::Ping => tree.job("test.ping", "[]", minions)?,
        Kind::Unique => tree.job("grains.get", r#"["id"]"#, minions)?,
        Kind::Command => tree.command(programs, &["run", "*", "test.ping", "--out", "quiet"])?,
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
