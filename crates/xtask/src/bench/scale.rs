//! One tree with as many minions as this machine holds: exact counts, a site that is cut off, a restart of every syndic, and
//! what it costs when nothing happens.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use wire::OutcomeKind;
use wire::control::{Ledger, LedgerRow};

use super::figures::{self, verdict};
use super::order::Order;
use super::process::Usage;
use super::tree::{Memory, Tree, shares};
use super::{Common, PATIENCE, Programs};

/// CPU of all hubs while nothing happens, in parts of one core.
const IDLE_MAX: f64 = 0.1;
/// From the last connection until stores and timers have done what was left to do.
const SETTLE: Duration = Duration::from_secs(10);
/// Between two counts of who is there.
const LOOK: Duration = Duration::from_millis(250);

/// Measure one large tree.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// All minions.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    minions: u32,
    /// Syndics that share them.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=100))]
    syndics: u32,
    /// Seconds during which nothing happens.
    #[arg(long, value_name = "NUMBER", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    idle: u64,
    #[command(flatten)]
    common: Common,
}

/// All that was seen.
struct Figures {
    enrolled: Duration,
    memory: Memory,
    /// CPU of the top-master and of the syndics, of one second of idleness.
    idle: Usage,
    jobs: Vec<Job>,
    /// From the end of the cut to all minions up at the top.
    healed: Duration,
    /// From the first SIGKILL to all minions up at the top.
    back: Duration,
}

/// One job for all.
struct Job {
    name: &'static str,
    wall: Duration,
    ledger: Ledger,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("scale", |programs, work| {
        let figures = measure(programs, work, arguments)?;
        Ok((text(arguments, &figures), json(arguments, &figures)))
    })
}

fn measure(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Figures> {
    let Arguments {
        minions, syndics, ..
    } = *arguments;
    let began = Instant::now();
    let mut tree = Tree::plant(programs, work, syndics)?;
    let empty = tree.hub_memory()?;
    tree.populate(programs, minions, 1..syndics as usize + 1, None)?;
    let enrolled = began.elapsed();
    eprintln!("{minions} minions after {:.0} s", enrolled.as_secs_f64());
    // So many signs of life are never quiet.
    std::thread::sleep(SETTLE);
    let memory = tree.hub_memory()?.since(empty);
    let mut jobs = vec![job("all are there", &tree, |ledger| {
        counted(ledger, minions, 0)
    })?];

    let before = Usage::of(&tree.processes())?;
    std::thread::sleep(Duration::from_secs(arguments.idle));
    let idle = Usage::of(&tree.processes())?.since(&before);
    eprintln!("idle for {} s", arguments.idle);

    let site = shares(minions, syndics as usize).next().unwrap_or(0);
    tree.cut(1);
    wait_until(&tree, u64::from(minions - site))?;
    jobs.push(job("a site is cut off", &tree, |ledger| {
        counted(ledger, minions, site)?;
        let absent = |row: &&LedgerRow| row.kind == OutcomeKind::Unreachable;
        let absent = ledger.minions.iter().filter(absent);
        let strange = absent.filter(|row| row.path != tree.site(1)).count();
        ensure!(strange == 0, "{strange} of another site are unreachable");
        Ok(())
    })?);
    let began = Instant::now();
    tree.heal(1);
    let healed = wait_until(&tree, minions.into()).map(|()| began.elapsed())?;
    jobs.push(job("the site is back", &tree, |ledger| {
        counted(ledger, minions, 0)
    })?);

    let began = Instant::now();
    for syndic in 1..=syndics as usize {
        tree.restart(syndic)?;
    }
    // They count as up until the top has noticed.
    std::thread::sleep(LOOK);
    let back = wait_until(&tree, minions.into()).map(|()| began.elapsed())?;
    jobs.push(job("after a restart of all syndics", &tree, |ledger| {
        counted(ledger, minions, 0)
    })?);
    Ok(Figures {
        enrolled,
        memory,
        idle,
        jobs,
        healed,
        back,
    })
}

/// Each minion is in the account once, and as many as expected are ok.
fn counted(ledger: &Ledger, minions: u32, absent: u32) -> anyhow::Result<()> {
    let ids: std::collections::BTreeSet<&str> =
        ledger.minions.iter().map(|row| row.id.as_str()).collect();
    ensure!(ids.len() == ledger.minions.len(), "an id is counted twice");
    let of = |kind| ledger.minions.iter().filter(|row| row.kind == kind).count();
    let is = [ids.len(), of(OutcomeKind::Ok), of(OutcomeKind::Unreachable)];
    let expected = [minions, minions - absent, absent].map(|count| count as usize);
    ensure!(
        is == expected,
        "expected, ok and unreachable are {is:?}, not {expected:?}"
    );
    Ok(())
}

fn job(
    name: &'static str,
    tree: &Tree,
    check: impl Fn(&Ledger) -> anyhow::Result<()>,
) -> anyhow::Result<Job> {
    let began = Instant::now();
    let ledger = Order::new("*", "test.ping", "[]").account(&tree.top_socket())?;
    let wall = began.elapsed();
    check(&ledger).context(name)?;
    eprintln!("{name}: {:.2} s", wall.as_secs_f64());
    Ok(Job { name, wall, ledger })
}

fn wait_until(tree: &Tree, up: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is = tree.counts()?.up;
        if is == up {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{is} are up, not {up}");
        std::thread::sleep(LOOK);
    }
}

/// Parts of a core that hubs used while nothing happened.
fn idle_cores(arguments: &Arguments, figures: &Figures) -> f64 {
    let used = figures.idle.top + figures.idle.hubs;
    used.as_secs_f64() / arguments.idle as f64
}

fn text(arguments: &Arguments, figures: &Figures) -> String {
    let Arguments {
        minions, syndics, ..
    } = *arguments;
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let kib = |bytes: u64| bytes as f64 / 1024.0 / f64::from(minions);
    let mut text = format!("{minions} minions under {syndics} syndics\n\n");
    text.push_str("| job for all | seconds | us for each | expected | ok | unreachable |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for Job { name, wall, ledger } in &figures.jobs {
        let counts = &ledger.progress.counts;
        let _ = writeln!(
            text,
            "| {name} | {} | {:.1} | {} | {} | {} |",
            seconds(*wall),
            wall.as_secs_f64() * 1e6 / f64::from(minions),
            counts.expected,
            counts.ok,
            counts.unreachable,
        );
    }
    let idle = idle_cores(arguments, figures);
    let _ = write!(
        text,
        "\n| what | |\n| --- | --- |\n| keys, certificates and connections for all | {} s |\n\
         | a site is back after a cut | {} s |\n| all are back after a restart of all syndics | {} s |\n\
         | KiB for each minion: syndics, top-master | {:.1}, {:.1} |\n\
         | all hubs while nothing happens: at most {:.0} % of a core | {:.1} %: {} |\n",
        seconds(figures.enrolled),
        seconds(figures.healed),
        seconds(figures.back),
        kib(figures.memory.syndics),
        kib(figures.memory.top),
        IDLE_MAX * 100.0,
        idle * 100.0,
        verdict(idle <= IDLE_MAX),
    );
    text
}

fn json(arguments: &Arguments, figures: &Figures) -> Value {
    let jobs: Vec<Value> = figures
        .jobs
        .iter()
        .map(|job| {
            json!({
                "job": job.name,
                "wall_us": job.wall.as_micros() as u64,
                "counts": job.ledger.progress.counts,
            })
        })
        .collect();
    let Figures {
        enrolled,
        memory,
        healed,
        back,
        ..
    } = figures;
    json!({
        "minions": arguments.minions,
        "syndics": arguments.syndics,
        "enrolled_us": figures::micros(&[*enrolled])[0],
        "healed_us": figures::micros(&[*healed])[0],
        "back_us": figures::micros(&[*back])[0],
        "memory_bytes": {"top": memory.top, "syndics": memory.syndics},
        "idle_s": arguments.idle,
        "idle_cores": idle_cores(arguments, figures),
        "jobs": jobs,
    })
}
