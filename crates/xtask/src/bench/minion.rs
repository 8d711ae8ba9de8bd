//! The minion's own process: its memory and processor time while it waits, how soon it answers, and its program's size.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::figures::{QUANTILES, Spread, micros, quantile, quantiles, verdict};
use super::order::Order;
use super::process::{Usage, quiet};
use super::tree::Tree;
use super::{Common, PATIENCE, Programs};

/// Resident memory of a minion that waits.
const MEMORY_MAX_MIB: f64 = 12.0;
/// From its start to its first answer.
const ANSWER_MAX_MS: f64 = 300.0;
/// Its program, without symbols.
const PROGRAM_MAX_MIB: f64 = 20.0;
/// Processor time of a minion that waits, in parts of one core.
const IDLE_MAX: f64 = 0.001;
/// A ping that the minion does not begin within this time was too early.
const PING: Duration = Duration::from_millis(500);
const ID: &str = "lone";

/// Measure one minion.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How often it is started.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    times: u32,
    /// Seconds during which it waits.
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    idle: u64,
    #[command(flatten)]
    common: Common,
}

struct Figures {
    /// Bytes, one for each start.
    memory: Vec<u64>,
    answers: Vec<Duration>,
    program: u64,
    idle: Duration,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("minion", |programs, work| {
        let figures = measure(programs, work, arguments)?;
        Ok((text(arguments, &figures), json(arguments, &figures)))
    })
}

/// The minion is a member already when it is measured: it dials its hub with the certificate that it has.
fn measure(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Figures> {
    let mut tree = Tree::chain(programs, work, 0)?;
    tree.add_minion(programs, 0, ID)?;
    tree.wait_for_minions()?;
    let mut figures = Figures {
        memory: Vec::new(),
        answers: Vec::new(),
        program: std::fs::metadata(&programs.minion)?.len(),
        idle: Duration::ZERO,
    };
    for _ in 0..arguments.times {
        tree.kill_minion(0);
        let began = Instant::now();
        tree.start_minion(programs, 0, ID)?;
        while !answers(&tree)? {
            ensure!(began.elapsed() < PATIENCE, "the minion never answers");
        }
        figures.answers.push(began.elapsed());
        quiet(&tree.processes())?;
        figures.memory.push(tree.minion(0).memory()?);
    }
    let lone = [tree.minion(0)];
    let before = Usage::of(&lone)?;
    std::thread::sleep(Duration::from_secs(arguments.idle));
    figures.idle = Usage::of(&lone)?.since(&before).minions;
    Ok(figures)
}

fn answers(tree: &Tree) -> anyhow::Result<bool> {
    let order = Order::new(ID, "test.ping", "[]").within(PING);
    let (_, ok, _) = order.run(&tree.top_socket())?;
    Ok(ok == 1)
}

const MIB: f64 = 1_048_576.0;

fn text(arguments: &Arguments, figures: &Figures) -> String {
    let memory = Spread::of(figures.memory.iter().map(|bytes| *bytes as f64 / MIB));
    let program = figures.program as f64 / MIB;
    let idle = figures.idle.as_secs_f64() / arguments.idle as f64;
    let answer = quantile(&figures.answers, 0.5);
    let mut text = format!("| start to the first answered ping | {QUANTILES} |\n");
    let _ = writeln!(
        text,
        "| --- | --- | --- | --- | --- |\n| {} starts | {} |\n",
        arguments.times,
        quantiles(&figures.answers)
    );
    text.push_str("| budget | may be | is | |\n| --- | --- | --- | --- |\n");
    for (what, is, may_be, shown) in [
        (
            "MiB resident, waiting",
            memory.median,
            MEMORY_MAX_MIB,
            memory.text(1),
        ),
        (
            "ms from the start to the first answer, p50",
            answer,
            ANSWER_MAX_MS,
            format!("{answer:.0}"),
        ),
        (
            "MiB of the program",
            program,
            PROGRAM_MAX_MIB,
            format!("{program:.1}"),
        ),
        (
            "% of a core, waiting",
            idle * 100.0,
            IDLE_MAX * 100.0,
            format!("{:.3}", idle * 100.0),
        ),
    ] {
        let verdict = verdict(is <= may_be);
        let _ = writeln!(text, "| {what} | {may_be} | {shown} | {verdict} |");
    }
    text
}

fn json(arguments: &Arguments, figures: &Figures) -> Value {
    json!({
        "memory_bytes": figures.memory,
        "answers_us": micros(&figures.answers),
        "program_bytes": figures.program,
        "idle_s": arguments.idle,
        "idle_cpu_us": figures.idle.as_micros() as u64,
    })
}
