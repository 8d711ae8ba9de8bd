//! Rounds: one command to each minion and each return, beside transports that do nothing else.
//!
//! Rounds of the product and of the bare transports (the floors) alternate in one run. What counts is CPU time, which other
//! processes disturb less than the clock on the wall, and the ratio to quinn alone.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use super::floor::{Floor, Transport};
use super::process::{Process, Usage, quiet};
use super::report::{Round, Size, Table};
use super::tree::{Bytes, Tree};
use super::{Common, Programs};

/// Distinct values of returns that are few-valued.
const FEW: u64 = 5;
/// Bytes of a bare reply beside `test.ping`: a return of it is a little shorter.
const PING_REPLY: u64 = 100;

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
    /// Syndics that share them, of each run.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "10", value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: Vec<u32>,
    /// Rounds of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Which returns share a value.
    #[arg(
        long,
        value_name = "KINDS",
        value_delimiter = ',',
        default_value = "unique"
    )]
    values: Vec<Values>,
    /// Bytes of a return's value, of each kind.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "100", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    bytes: Vec<u64>,
    /// Bare transports beside the product.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "quic"
    )]
    floors: Vec<Transport>,
    /// A JSON object of grains that each minion has beside its id; a few small ones otherwise.
    #[arg(long, value_name = "FILE")]
    grains: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Which minions return the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Values {
    /// All of them.
    Equal,
    /// A fifth of them each.
    Few,
    /// No two of them, as far as so few bytes allow it.
    Unique,
}

impl Values {
    /// The function of `swarm` that returns values of so many bytes, and its arguments.
    fn order(self, bytes: u64) -> (&'static str, String) {
        match self {
            Values::Equal => ("test.rand_str", format!("[{bytes}, 1]")),
            Values::Few => ("test.rand_str", format!("[{bytes}, {FEW}]")),
            Values::Unique => ("test.rand_str", format!("[{bytes}]")),
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("round", |programs, work| {
        let mut table = Table::new(arguments.rounds);
        for syndics in &arguments.syndics {
            for minions in &arguments.minions {
                let work = work.join(format!("{minions}-{syndics}"));
                table.add(measure(programs, &work, *minions, *syndics, arguments)?);
            }
        }
        Ok((table.text(), table.json()))
    })
}

/// What a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A bare transport, and the bytes of a reply.
    Floor(Transport, u64),
    /// `test.ping` over the control socket.
    Ping,
    /// The same by a `top-master run` that is started for it.
    Command,
    /// Values of so many bytes.
    Returns(Values, u64),
}

impl Kind {
    fn all(arguments: &Arguments) -> Vec<Kind> {
        let mut sizes = arguments.bytes.clone();
        sizes.push(PING_REPLY);
        sizes.sort_unstable();
        sizes.dedup();
        let floors = arguments.floors.iter().flat_map(|transport| {
            let sizes = sizes.iter();
            sizes.map(|bytes| Kind::Floor(*transport, *bytes))
        });
        let returns = arguments.values.iter().flat_map(|values| {
            let sizes = arguments.bytes.iter();
            sizes.map(|bytes| Kind::Returns(*values, *bytes))
        });
        floors
            .chain([Kind::Ping, Kind::Command])
            .chain(returns)
            .collect()
    }

    fn name(self) -> String {
        match self {
            Kind::Floor(transport, bytes) => format!("{}, {bytes} B", transport.name()),
            Kind::Ping => "test.ping".to_owned(),
            Kind::Command => "run '*' test.ping".to_owned(),
            Kind::Returns(Values::Equal, bytes) => format!("equal values, {bytes} B"),
            Kind::Returns(Values::Few, bytes) => format!("{FEW} values, {bytes} B"),
            Kind::Returns(Values::Unique, bytes) => format!("unique values, {bytes} B"),
        }
    }

    /// What it is compared with.
    fn beside(self) -> Option<String> {
        match self {
            Kind::Floor(..) => None,
            Kind::Ping | Kind::Command => Some(PING_REPLY),
            Kind::Returns(_, bytes) => Some(bytes),
        }
        .map(|bytes| Kind::Floor(Transport::Quic, bytes).name())
    }
}

fn measure(
    programs: &Programs,
    work: &Path,
    minions: u32,
    syndics: u32,
    arguments: &Arguments,
) -> anyhow::Result<Size> {
    let began = Instant::now();
    eprintln!("{minions} minions under {syndics} syndics: enrolling");
    let mut tree = Tree::plant(programs, work, syndics)?;
    let empty = tree.hub_memory()?;
    let hubs = 1..syndics as usize + 1;
    tree.populate(programs, minions, hubs, arguments.grains.as_deref())?;
    quiet(&tree.processes())?;
    let full = tree.hub_memory()?;
    eprintln!(
        "connected after {:.1} s; connecting the floors",
        began.elapsed().as_secs_f64()
    );
    let connect =
        |transport: &Transport| Floor::connect(*transport, programs, work, &tree, minions);
    let floors = arguments.floors.iter().map(connect);
    let mut floors = floors.collect::<anyhow::Result<Vec<Floor>>>()?;
    let mut size = Size::new(minions, syndics, empty, full);
    for floor in &floors {
        size.add_floor(floor.transport().name(), floor.memory());
    }
    for number in 0..=arguments.rounds {
        // Every second time the other way round.
        let mut kinds = Kind::all(arguments);
        if number % 2 == 1 {
            kinds.reverse();
        }
        for kind in kinds {
            let round = one(kind, &tree, &mut floors, programs, minions)?;
            // The first round warms caches, and is not counted.
            if number > 0 {
                size.add(&kind.name(), kind.beside(), round);
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
    tree: &Tree,
    floors: &mut [Floor],
    programs: &Programs,
    minions: u32,
) -> anyhow::Result<Round> {
    if let Kind::Floor(transport, bytes) = kind {
        let floor = floors
            .iter_mut()
            .find(|floor| floor.transport() == transport)
            .context("no such floor")?;
        let before = at_rest(&floor.processes())?;
        let wall = floor.round(bytes)?;
        let used = at_rest(&floor.processes())?.since(&before);
        let bytes = Bytes::default();
        return Ok(Round { wall, used, bytes });
    }
    let (before, travelled) = (at_rest(&tree.processes())?, tree.bytes());
    let wall = match kind {
        Kind::Command => tree.command(programs, &["run", "*", "test.ping", "--out", "quiet"])?,
        Kind::Returns(values, bytes) => {
            let (fun, args) = values.order(bytes);
            tree.job(fun, &args, minions)?
        }
        Kind::Ping | Kind::Floor(..) => tree.job("test.ping", "[]", minions)?,
    };
    let used = at_rest(&tree.processes())?.since(&before);
    let bytes = tree.bytes().since(travelled);
    Ok(Round { wall, used, bytes })
}

fn at_rest(processes: &[&Process]) -> anyhow::Result<Usage> {
    quiet(processes)?;
    Usage::of(processes)
}
