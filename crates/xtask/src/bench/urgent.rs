//! Urgent over bulk: pings and cancels of one minion while all others return much.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cable::Weather;
use serde_json::{Value, json};

use super::figures::{micros, quantile};
use super::order::Order;
use super::process::quiet;
use super::tree::Tree;
use super::{Common, Programs};

/// A limited line: what a site is often given, and a way of some hundred kilometres.
const LINE_BYTES_PER_SECOND: u64 = 50_000_000 / 8;
const LINE_DELAY: Duration = Duration::from_millis(10);
/// The minion of the urgent work is a real one: a process that makes a thousand returns would answer after them.
const URGENT: &str = "urgent";

/// Measure pings and cancels of one minion while others return bulk.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Minions that return bulk.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Bytes of each bulk return.
    #[arg(long, value_name = "NUMBER", default_value_t = 32_768, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    bytes: u32,
    /// How often each urgent thing is done, idle and busy.
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    times: u32,
    #[command(flatten)]
    common: Common,
}

/// What is urgent.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// `test.ping` of one minion, from the question to its return.
    Ping,
    /// The end of a job that a minion runs, from the order to the account of it.
    Cancel,
}

impl Work {
    const ALL: [Work; 2] = [Work::Ping, Work::Cancel];

    fn name(self) -> &'static str {
        match self {
            Work::Ping => "ping",
            Work::Cancel => "cancel",
        }
    }

    fn once(self, tree: &Tree) -> anyhow::Result<Duration> {
        match self {
            Work::Ping => {
                let (wall, ok, _) =
                    Order::new(URGENT, "test.ping", "[]").run(&tree.top_socket())?;
                anyhow::ensure!(ok == 1, "{URGENT} does not answer");
                Ok(wall)
            }
            Work::Cancel => Order::new(URGENT, "test.sleep", "[600]").cancel(&tree.top_socket()),
        }
    }

    fn many(
        self,
        tree: &Tree,
        count: u32,
        goes_on: impl Fn() -> bool,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut walls = Vec::new();
        while walls.len() < count as usize && goes_on() {
            walls.push(self.once(tree)?);
        }
        Ok(walls)
    }
}

/// Urgent work over one sort of line.
struct Line {
    name: &'static str,
    work: Work,
    idle: Vec<Duration>,
    busy: Vec<Duration>,
    /// Bytes that came up in each second of the busy time.
    bulk: f64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("urgent", |programs, work| {
        let lines = measure(programs, work, arguments)?;
        Ok((text(arguments, &lines), figures(arguments, &lines)))
    })
}

fn measure(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Vec<Line>> {
    let mut tree = Tree::plant(programs, work, 1)?;
    tree.add_minion(programs, 1, URGENT)?;
    tree.populate(programs, arguments.minions, 1..2, None)?;
    let limited = Weather {
        bytes_per_second: Some(LINE_BYTES_PER_SECOND),
        ..Weather::far(LINE_DELAY)
    };
    let mut lines = Vec::new();
    for (name, weather) in [("loopback", Weather::FAIR), ("50 Mbit/s, 20 ms", limited)] {
        tree.weather(weather);
        tree.job("test.ping", "[]", arguments.minions + 1)?;
        // The line is another one now: its ends find out how much it takes.
        let size = format!("[{}]", arguments.bytes);
        tree.job("test.rand_str", &size, arguments.minions + 1)?;
        for work in Work::ALL {
            let mut line = Line {
                name,
                work,
                idle: Vec::new(),
                busy: Vec::new(),
                bulk: 0.0,
            };
            let (half, rest) = (arguments.times / 2, arguments.times.div_ceil(2));
            // Idle before and after, so that a machine that gets slower meanwhile is not taken for the bulk.
            quiet(&tree.processes())?;
            line.idle.extend(work.many(&tree, half, || true)?);
            bulk(&tree, arguments, &mut line)?;
            quiet(&tree.processes())?;
            line.idle.extend(work.many(&tree, rest, || true)?);
            lines.push(line);
            eprint!(".");
        }
    }
    eprintln!();
    Ok(lines)
}

/// Urgent work while one bulk job follows the other.
fn bulk(tree: &Tree, arguments: &Arguments, line: &mut Line) -> anyhow::Result<()> {
    let (is_over, socket) = (AtomicBool::new(false), tree.top_socket());
    let (before, begin) = (tree.bytes(), Instant::now());
    let (busy, load) = std::thread::scope(|scope| {
        let load = scope.spawn(|| -> anyhow::Result<()> {
            while !is_over.load(Ordering::Relaxed) {
                let size = format!("[{}]", arguments.bytes);
                Order::new("s1m*", "test.rand_str", &size).run(&socket)?;
            }
            Ok(())
        });
        let goes_on = || !load.is_finished();
        let busy = line.work.many(tree, arguments.times, goes_on);
        is_over.store(true, Ordering::Relaxed);
        (busy, load.join())
    });
    line.bulk = tree.bytes().since(before).up as f64 / begin.elapsed().as_secs_f64();
    line.busy = busy?;
    load.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn text(arguments: &Arguments, lines: &[Line]) -> String {
    let mut text = format!(
        "{} minions return {} bytes each, again and again; {} times of what is urgent at another minion; ms\n\n\
         | line | bulk MB/s | urgent | p50 idle | p50 busy | ratio | p99 idle | p99 busy | ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.minions, arguments.bytes, arguments.times
    );
    for line in lines {
        let (bulk, work) = (line.bulk / 1e6, line.work.name());
        let _ = write!(text, "| {} | {bulk:.1} | {work} |", line.name);
        for share in [0.5, 0.99] {
            let (idle, busy) = (quantile(&line.idle, share), quantile(&line.busy, share));
            let _ = write!(text, " {idle:.1} | {busy:.1} | {:.1} |", busy / idle);
        }
        text.push('\n');
    }
    text
}

fn figures(arguments: &Arguments, lines: &[Line]) -> Value {
    let line = |line: &Line| {
        json!({
            "line": line.name,
            "urgent": line.work.name(),
            "bulk_bytes_per_second": line.bulk,
            "idle_us": micros(&line.idle),
            "busy_us": micros(&line.busy),
        })
    };
    json!({
        "minions": arguments.minions,
        "return_bytes": arguments.bytes,
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
    })
}
