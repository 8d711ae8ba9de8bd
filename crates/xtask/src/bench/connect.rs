//! How minions come to a hub: for the first time, and again after it was killed.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::enrol::{self, Storm};
use super::figures::{Spread, verdict};
use super::order::Order;
use super::process::{Usage, quiet};
use super::tree::Tree;
use super::{Common, PATIENCE, Programs};

/// Everybody is to be back within this time.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Between two counts of who is back.
const LOOK: Duration = Duration::from_millis(50);
/// A probe that its minion does not begin within this time was too early.
const PROBE: Duration = Duration::from_millis(500);

/// Measure how minions enrol, and come back after their hub was killed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Minions of the top-master itself.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// How often the hub is killed.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// What came after one kill; times are from the kill on.
struct Return {
    half: Duration,
    most: Duration,
    all: Duration,
    /// The end of the first job.
    first_job: Duration,
    /// Jobs that ended well before everybody was back.
    jobs: u64,
    /// Dials that gave no session.
    failed: usize,
    /// CPU time of the new hub, and of the minions meanwhile.
    hub_cpu: Duration,
    minions_cpu: Duration,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("connect", |programs, work| {
        let (storm, rounds) = measure(programs, work, arguments)?;
        let text = format!("{}\n{}", storm.text(), text(arguments, &rounds));
        let mut figures = figures(arguments, &rounds);
        figures["enrolment"] = storm.json();
        Ok((text, figures))
    })
}

fn measure(
    programs: &Programs,
    work: &Path,
    arguments: &Arguments,
) -> anyhow::Result<(Storm, Vec<Return>)> {
    let began = Instant::now();
    let mut tree = Tree::plant(programs, work, 0)?;
    let storm = enrol::storm(&mut tree, programs, arguments.minions)?;
    eprintln!("connected after {:.1} s", began.elapsed().as_secs_f64());
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        quiet(&tree.processes())?;
        let round = kill(&mut tree, arguments.minions)?;
        eprintln!(
            "half back after {:.1} s, all after {:.1} s, {} dials in vain",
            round.half.as_secs_f64(),
            round.all.as_secs_f64(),
            round.failed
        );
        rounds.push(round);
    }
    Ok((storm, rounds))
}

fn kill(tree: &mut Tree, minions: u32) -> anyhow::Result<Return> {
    let log = tree.swarm_log(0);
    let begin_of_log = std::fs::metadata(&log)?.len();
    let before = Usage::of(&tree.processes())?;
    let begin = Instant::now();
    tree.restart(0)?;
    let (is_over, socket) = (AtomicBool::new(false), tree.top_socket());
    let (times, jobs) = std::thread::scope(|scope| {
        let jobs = scope.spawn(|| probe(&socket, minions, begin, &is_over));
        // The minion that was there before the storm comes back too.
        let times = count(tree, minions + 1, begin);
        is_over.store(true, Ordering::Relaxed);
        (times, jobs.join())
    });
    let [half, most, all] = times?;
    let after = Usage::of(&tree.processes())?;
    let jobs = jobs.unwrap_or_default();
    ensure!(!jobs.is_empty(), "no job ended before everybody was back");
    let said = std::fs::read(&log)?;
    let said = String::from_utf8_lossy(&said[begin_of_log as usize..]).into_owned();
    // Each minion lost one session; what else is said are dials that failed.
    let failed = said.lines().count().saturating_sub(minions as usize);
    Ok(Return {
        half,
        most,
        all,
        first_job: jobs[0],
        jobs: jobs.iter().filter(|end| **end < all).count() as u64,
        failed,
        hub_cpu: after.top,
        minions_cpu: after.since(&before).minions,
    })
}

/// When half, 99 of 100 and all are back.
fn count(tree: &Tree, minions: u32, begin: Instant) -> anyhow::Result<[Duration; 3]> {
    let wanted = [minions.div_ceil(2), (minions * 99).div_ceil(100), minions];
    let mut times = Vec::new();
    while let Some(next) = wanted.get(times.len()) {
        ensure!(begin.elapsed() < PATIENCE, "the minions do not come back");
        // Nobody answers while the hub starts.
        let up = tree.counts().map_or(0, |counts| counts.up);
        if up >= u64::from(*next) {
            times.push(begin.elapsed());
        } else {
            std::thread::sleep(LOOK);
        }
    }
    Ok([times[0], times[1], times[2]])
}

/// Gives orders to one minion after the other; when those that were carried out ended.
fn probe(socket: &Path, minions: u32, begin: Instant, is_over: &AtomicBool) -> Vec<Duration> {
    let mut ends = Vec::new();
    for number in (1..=minions).cycle() {
        let id = format!("topm{number}");
        let order = Order::new(&id, "test.ping", "[]").within(PROBE);
        // Nobody answers while the hub starts.
        match order.run(socket) {
            Ok((_, 1, 1)) => ends.push(begin.elapsed()),
            Ok(_) => {}
            Err(_) => std::thread::sleep(LOOK),
        }
        if is_over.load(Ordering::Relaxed) && !ends.is_empty() {
            break;
        }
    }
    ends
}

fn text(arguments: &Arguments, rounds: &[Return]) -> String {
    let seconds = |figure: fn(&Return) -> Duration| {
        Spread::of(rounds.iter().map(|round| figure(round).as_secs_f64()))
    };
    let mut text = format!(
        "{} minions of one hub, {} times killed; seconds after the kill, median (least to most)\n\n\
         | half back | 99 % back | all back | first job ended | jobs meanwhile | dials in vain | CPU of the hub | of the minions |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.minions, arguments.rounds
    );
    let number = |figure: fn(&Return) -> f64| Spread::of(rounds.iter().map(figure)).text(0);
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        seconds(|round| round.half).text(1),
        seconds(|round| round.most).text(1),
        seconds(|round| round.all).text(1),
        seconds(|round| round.first_job).text(1),
        number(|round| round.jobs as f64),
        number(|round| round.failed as f64),
        seconds(|round| round.hub_cpu).text(1),
        seconds(|round| round.minions_cpu).text(1),
    );
    let worst = seconds(|round| round.all).most;
    let _ = writeln!(
        text,
        "\nAll back within {} s: {}.",
        BACK_WITHIN.as_secs(),
        verdict(worst <= BACK_WITHIN.as_secs_f64())
    );
    text
}

fn figures(arguments: &Arguments, rounds: &[Return]) -> Value {
    let round = |round: &Return| {
        json!({
            "half_us": round.half.as_micros() as u64,
            "most_us": round.most.as_micros() as u64,
            "all_us": round.all.as_micros() as u64,
            "first_job_us": round.first_job.as_micros() as u64,
            "jobs": round.jobs,
            "dials_in_vain": round.failed,
            "hub_cpu_us": round.hub_cpu.as_micros() as u64,
            "minions_cpu_us": round.minions_cpu.as_micros() as u64,
        })
    };
    json!({
        "minions": arguments.minions,
        "rounds": rounds.iter().map(round).collect::<Vec<_>>(),
    })
}
