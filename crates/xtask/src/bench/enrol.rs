//! The storm of first enrolments: keys, handshakes, certificates, the hub's store, and jobs meanwhile.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use super::figures::quantile;
use super::order::Order;
use super::process::{Usage, quiet};
use super::tree::Tree;
use super::{PATIENCE, Programs};

/// A minion that is there before the others, to do jobs while they come.
const EARLY: &str = "early";
/// Between two counts of who is a member.
const LOOK: Duration = Duration::from_millis(20);

/// What the enrolment of many needed.
pub struct Storm {
    enrolments: u32,
    /// From the start of their process until the hub counts all as members.
    enrolled: Duration,
    /// Until all of them were connected too.
    connected: Duration,
    /// CPU time until all were members: of the hub, and of the process of the minions.
    hub_cpu: Duration,
    minions_cpu: Duration,
    /// How long each job of the early minion took meanwhile.
    jobs: Vec<Duration>,
}

/// Enrols so many minions at the top-master by join token, all at once.
pub fn storm(tree: &mut Tree, programs: &Programs, minions: u32) -> anyhow::Result<Storm> {
    tree.add_minion(programs, 0, EARLY)?;
    tree.wait_for_minions()?;
    quiet(&tree.processes())?;
    let before = Usage::of(&tree.processes())?;
    let begin = Instant::now();
    tree.add_swarms(programs, minions, 0..1, None)?;
    let (is_over, socket) = (AtomicBool::new(false), tree.top_socket());
    let (members, jobs) = std::thread::scope(|scope| {
        let jobs = scope.spawn(|| ping(&socket, &is_over));
        let members = wait_for_members(tree, u64::from(minions) + 1);
        is_over.store(true, Ordering::Relaxed);
        (members, jobs.join())
    });
    members?;
    let enrolled = begin.elapsed();
    let used = Usage::of(&tree.processes())?.since(&before);
    tree.wait_for_minions()?;
    Ok(Storm {
        enrolments: minions,
        enrolled,
        connected: begin.elapsed(),
        hub_cpu: used.top,
        minions_cpu: used.minions,
        jobs: jobs.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
    })
}

fn wait_for_members(tree: &Tree, count: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let accepted = tree.counts()?.accepted;
        if accepted >= count {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{accepted} of {count} minions are members"
        );
        std::thread::sleep(LOOK);
    }
}

fn ping(socket: &Path, is_over: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let mut walls = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let (wall, ok, _) = Order::new(EARLY, "test.ping", "[]").run(socket)?;
        ensure!(ok == 1, "{EARLY} does not answer");
        walls.push(wall);
    }
    Ok(walls)
}

impl Storm {
    /// The table.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} first enrolments by join token at one hub, and pings of another minion one after the other meanwhile\n\n\
             | all members after s | enrolments a second | hub CPU us for each | minion CPU us for each | all connected after s | pings | p50 ms | p99 ms |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.enrolments
        );
        let count = f64::from(self.enrolments);
        let us = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count;
        let seconds = self.enrolled.as_secs_f64();
        let _ = writeln!(
            text,
            "| {seconds:.1} | {:.0} | {:.0} | {:.0} | {:.1} | {} | {:.1} | {:.1} |",
            count / seconds,
            us(self.hub_cpu),
            us(self.minions_cpu),
            self.connected.as_secs_f64(),
            self.jobs.len(),
            quantile(&self.jobs, 0.5),
            quantile(&self.jobs, 0.99),
        );
        text
    }

    /// Every figure.
    pub fn json(&self) -> Value {
        let us = |time: &Duration| time.as_micros() as u64;
        json!({
            "enrolments": self.enrolments,
            "enrolled_us": us(&self.enrolled),
            "connected_us": us(&self.connected),
            "hub_cpu_us": us(&self.hub_cpu),
            "minions_cpu_us": us(&self.minions_cpu),
            "job_us": self.jobs.iter().map(us).collect::<Vec<_>>(),
        })
    }
}
