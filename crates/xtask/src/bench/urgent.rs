//! Urgent over bulk: a ping to one minion while all others return much.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cable::Weather;
use serde_json::{Value, json};

use super::process::quiet;
use super::tree::{Order, Tree};
use super::{Common, Programs};

/// A limited line: what a site is often given, and a way of some hundred kilometres.
const LINE_BYTES_PER_SECOND: u64 = 50_000_000 / 8;
const LINE_DELAY: Duration = Duration::from_millis(10);
/// The minion that is sent pings has a process of its own: one that makes a thousand returns would answer after them.
const URGENT: &str = "urgent";

/// Measure a ping to one minion while others return bulk.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Minions that return bulk.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Bytes of each bulk return.
    #[arg(long, value_name = "NUMBER", default_value_t = 32_768, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    bytes: u32,
    /// Pings of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pings: u32,
    #[command(flatten)]
    common: Common,
}

/// Pings over one sort of line.
struct Line {
    name: &'static str,
    idle: Vec<Duration>,
    busy: Vec<Duration>,
    /// Bytes that came up in each second of the busy time.
    bulk: f64,
}

/// The value that this share of all does not exceed.
fn quantile(pings: &[Duration], share: f64) -> f64 {
    let mut pings = pings.to_vec();
    pings.sort();
    let last = pings.len().saturating_sub(1);
    let place = (last as f64 * share).ceil() as usize;
    pings
        .get(place)
        .map_or(f64::NAN, |ping| ping.as_secs_f64() * 1e3)
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
        let mut line = Line {
            name,
            idle: Vec::new(),
            busy: Vec::new(),
            bulk: 0.0,
        };
        let (half, rest) = (arguments.pings / 2, arguments.pings.div_ceil(2));
        // Idle before and after, so that a machine that gets slower meanwhile is not taken for the bulk.
        line.idle.extend(pings(&tree, half, || true)?);
        bulk(&tree, arguments, &mut line)?;
        quiet(&tree.processes())?;
        line.idle.extend(pings(&tree, rest, || true)?);
        lines.push(line);
        eprint!(".");
    }
    eprintln!();
    Ok(lines)
}

fn pings(tree: &Tree, count: u32, goes_on: impl Fn() -> bool) -> anyhow::Result<Vec<Duration>> {
    let mut pings = Vec::new();
    while pings.len() < count as usize && goes_on() {
        let id = format!("{URGENT}1");
        let (wall, ok, _) = Order::new(&id, "test.ping", "[]").run(&tree.top_socket())?;
        anyhow::ensure!(ok == 1, "{id} does not answer");
        pings.push(wall);
    }
    Ok(pings)
}

/// Pings while one bulk job follows the other.
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
        let busy = pings(tree, arguments.pings, || !load.is_finished());
        is_over.store(true, Ordering::Relaxed);
        (busy, load.join())
    });
    line.bulk = tree.bytes().since(before).up as f64 / begin.elapsed().as_secs_f64();
    line.busy = busy?;
    load.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn text(arguments: &Arguments, lines: &[Line]) -> String {
    let mut text = format!(
        "{} minions return {} bytes each, again and again; {} pings to one of them; ms\n\n\
         | line | bulk MB/s | p50 idle | p50 busy | ratio | p99 idle | p99 busy | ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.minions, arguments.bytes, arguments.pings
    );
    for line in lines {
        let _ = write!(text, "| {} | {:.1} |", line.name, line.bulk / 1e6);
        for share in [0.5, 0.99] {
            let (idle, busy) = (quantile(&line.idle, share), quantile(&line.busy, share));
            let _ = write!(text, " {idle:.1} | {busy:.1} | {:.1} |", busy / idle);
        }
        text.push('\n');
    }
    text
}

fn figures(arguments: &Arguments, lines: &[Line]) -> Value {
    let us = |pings: &[Duration]| -> Vec<u64> {
        pings.iter().map(|ping| ping.as_micros() as u64).collect()
    };
    let line = |line: &Line| {
        json!({
            "line": line.name,
            "bulk_bytes_per_second": line.bulk,
            "idle_us": us(&line.idle),
            "busy_us": us(&line.busy),
        })
    };
    json!({
        "minions": arguments.minions,
        "return_bytes": arguments.bytes,
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let pings: Vec<_> = (1..=101).map(Duration::from_millis).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 101.0)] {
            assert!((quantile(&pings, share) - expected).abs() < 1e-9, "{share}");
        }
    }
}
