//! What one command to one minion takes, by the depth of the minion, and how soon a command line ends after its last return.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::ending::{Ending, Lag};
use super::figures::{QUANTILES, micros, quantile, quantiles, verdict};
use super::order::Order;
use super::process::{quiet, timed};
use super::tree::Tree;
use super::{Common, Programs};

/// The whole process of a command line to one minion under a syndic takes less than this.
const COMMAND_MAX_MS: f64 = 15.0;
/// Depth of a minion under a syndic that is under the top-master.
const UNDER_A_SYNDIC: u32 = 2;
/// A command line ends so soon after the last return, 99 times of 100.
const ENDING_MAX_MS: f64 = 100.0;
/// Turns before the first one that counts.
const WARM: u32 = 5;

/// Measure one command to one minion.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The deepest minion; one that is directly under the top-master has depth 1.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=8))]
    depth: u32,
    /// How often each thing is done.
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    times: u32,
    /// Milliseconds between two of them, in which the tree does what the first one left to do.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pause: u64,
    /// Simulated minions of the command line over all.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Syndics that share them.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: u32,
    /// How often that command line is run.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// What is done, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `top-master --version`: what the kernel and the loader take for a process that does nothing.
    Start,
    /// `top-master run ID test.ping`, the whole process.
    Command { depth: u32 },
    /// The same question over the control socket.
    Socket { depth: u32 },
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Start => "top-master --version",
            Kind::Command { .. } => "top-master run ID test.ping",
            Kind::Socket { .. } => "control socket",
        }
    }

    fn depth(self) -> Option<u32> {
        match self {
            Kind::Start => None,
            Kind::Command { depth } | Kind::Socket { depth } => Some(depth),
        }
    }

    fn once(self, tree: &Tree, programs: &Programs) -> anyhow::Result<Duration> {
        match self {
            Kind::Start => timed(Command::new(&programs.top_master).arg("--version")),
            Kind::Command { depth } => {
                tree.command(programs, &["run", &minion(depth), "test.ping"])
            }
            Kind::Socket { depth } => {
                let id = minion(depth);
                let (wall, ok, _) = Order::new(&id, "test.ping", "[]").run(&tree.top_socket())?;
                anyhow::ensure!(ok == 1, "{id} does not answer");
                Ok(wall)
            }
        }
    }
}

/// The minion at this depth.
fn minion(depth: u32) -> String {
    format!("depth{depth}")
}

/// All times of one kind.
struct Line {
    kind: Kind,
    walls: Vec<Duration>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("latency", |programs, work| {
        let lines = depths(programs, &work.join("chain"), arguments)?;
        let endings = endings(programs, &work.join("wide"), arguments)?;
        let text = text(arguments, &lines, &endings);
        Ok((text, figures(arguments, &lines, &endings)))
    })
}

/// One minion at each depth of a chain.
fn depths(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Vec<Line>> {
    let mut tree = Tree::chain(programs, work, arguments.depth as usize - 1)?;
    let mut kinds = vec![Kind::Start];
    for depth in 1..=arguments.depth {
        tree.add_minion(programs, depth as usize - 1, &minion(depth))?;
        kinds.extend([Kind::Command { depth }, Kind::Socket { depth }]);
    }
    tree.wait_for_minions()?;
    quiet(&tree.processes())?;
    let mut lines: Vec<Line> = kinds
        .into_iter()
        .map(|kind| Line {
            kind,
            walls: Vec::new(),
        })
        .collect();
    for number in 0..WARM + arguments.times {
        for line in &mut lines {
            let wall = line.kind.once(&tree, programs)?;
            if number >= WARM {
                line.walls.push(wall);
            }
            std::thread::sleep(Duration::from_millis(arguments.pause));
        }
        // Every second time the other way round.
        lines.reverse();
    }
    lines.sort_by_key(|line| line.kind);
    Ok(lines)
}

/// A command line over all minions of a wide tree.
fn endings(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Vec<Ending>> {
    let mut tree = Tree::plant(programs, work, arguments.syndics)?;
    let syndics = 1..arguments.syndics as usize + 1;
    tree.populate(programs, arguments.minions, syndics, None)?;
    let mut lag = Lag::unknown();
    let mut endings = Vec::new();
    for number in 0..WARM + arguments.rounds {
        quiet(&tree.processes())?;
        let ending = Ending::measure(&tree, programs, arguments.minions, &mut lag)?;
        if number >= WARM {
            endings.push(ending);
        }
    }
    Ok(endings)
}

/// The three times of a command line over all minions.
fn parts(endings: &[Ending]) -> [(&'static str, Vec<Duration>); 3] {
    let all = |part: fn(&Ending) -> Duration| endings.iter().map(part).collect();
    [
        ("the start of the process", all(|ending| ending.wall)),
        (
            "the end of the last function at its minion",
            all(|ending| ending.since_made),
        ),
        (
            "the last outcome known at the top-master",
            all(|ending| ending.since_known),
        ),
    ]
}

/// Whether a budget is kept, at the median and at the p99, in words.
fn kept(walls: &[Duration], may_be: f64) -> String {
    [("p50", 0.5), ("p99", 0.99)]
        .map(|(name, share)| {
            let is = quantile(walls, share);
            format!("{name} {is:.1} {}", verdict(is < may_be))
        })
        .join(", ")
}

fn text(arguments: &Arguments, lines: &[Line], endings: &[Ending]) -> String {
    let mut text = format!(
        "{} times of each, in turn\n\n\
         | what | depth | {QUANTILES} |\n\
         | --- | --- | --- | --- | --- | --- |\n",
        arguments.times
    );
    for Line { kind, walls } in lines {
        let depth = kind.depth().map_or("-".to_owned(), |it| it.to_string());
        let (name, cells) = (kind.name(), quantiles(walls));
        let _ = writeln!(text, "| {name} | {depth} | {cells} |");
    }
    let budget = Kind::Command {
        depth: UNDER_A_SYNDIC,
    };
    if let Some(line) = lines.iter().find(|line| line.kind == budget) {
        let _ = writeln!(
            text,
            "\nA command line to one minion under a syndic in less than {COMMAND_MAX_MS} ms: {}.",
            kept(&line.walls, COMMAND_MAX_MS)
        );
    }
    let _ = write!(
        text,
        "\n`top-master run '*' test.ping` over {} minions under {} syndics, {} times, to the end of the process\n\n\
         | from | {QUANTILES} |\n\
         | --- | --- | --- | --- | --- |\n",
        arguments.minions, arguments.syndics, arguments.rounds
    );
    let parts = parts(endings);
    for (name, walls) in &parts {
        let _ = writeln!(text, "| {name} | {} |", quantiles(walls));
    }
    let [_, (_, since_made), _] = &parts;
    let _ = writeln!(
        text,
        "\nThe last return reaches the top-master between the last two. Ends within {ENDING_MAX_MS} ms of the earlier: {}.",
        kept(since_made, ENDING_MAX_MS)
    );
    text
}

fn figures(arguments: &Arguments, lines: &[Line], endings: &[Ending]) -> Value {
    let line = |Line { kind, walls }: &Line| {
        json!({
            "what": kind.name(),
            "depth": kind.depth(),
            "p50_ms": quantile(walls, 0.5),
            "p99_ms": quantile(walls, 0.99),
            "wall_us": micros(walls),
        })
    };
    let [wall, since_made, since_known] = parts(endings).map(|(_, walls)| micros(&walls));
    json!({
        "pause_ms": arguments.pause,
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "minions": arguments.minions,
        "syndics": arguments.syndics,
        "command_us": wall,
        "since_last_made_us": since_made,
        "since_last_known_us": since_known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_at_each_place_by_itself() {
        let mut walls = vec![Duration::from_millis(9); 99];
        walls.push(Duration::from_millis(15));
        assert_eq!(kept(&walls, 15.0), "p50 9.0 kept, p99 15.0 missed");
        assert_eq!(kept(&walls, 9.0), "p50 9.0 missed, p99 15.0 missed");
    }
}
