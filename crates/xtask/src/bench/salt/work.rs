//! What is compared, and how one round of it goes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::files::{Files, STATES};
use super::meter;
use super::plan::{GLOB, NOBODY, ONE, Plan};
use super::side::{Seen, Side, give};

/// Bytes of a big return, and the command of the minion's shell that prints them.
const BULK: usize = 1_000_000;
const BULK_COMMAND: &str = "printf %01000000d 0";
/// What the record of a state that succeeded has.
const SUCCESS: &str = "'result': True";
/// A round of short work goes on for so long: many runs of what is quick, one of what is slow.
const ROUND: Duration = Duration::from_secs(1);
/// What is left to do when a command has ended, such as acknowledgements, has this long until the CPU is read.
const REST: Duration = Duration::from_millis(500);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    PingStar,
    PingGlob,
    PingOne,
    PingNobody,
    Bulk,
    File,
    States,
}

impl Work {
    pub const ALL: [Work; 7] = [
        Work::PingStar,
        Work::PingGlob,
        Work::PingOne,
        Work::PingNobody,
        Work::Bulk,
        Work::File,
        Work::States,
    ];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Work::PingStar => "`'*' test.ping`",
            Work::PingGlob => "`'web-*' test.ping`",
            Work::PingOne => "`web-1-1 test.ping`",
            Work::PingNobody => "`'zzz*' test.ping`",
            Work::Bulk => "1 MB from each",
            Work::File => "10 MB to each",
            Work::States => "`'web-*' state.apply`, 200 states",
        }
    }

    fn order(self, round: u32) -> Vec<String> {
        let (target, fun, arg) = match self {
            Work::PingStar => ("*", "test.ping", None),
            Work::PingGlob => (GLOB, "test.ping", None),
            Work::PingOne => (ONE, "test.ping", None),
            Work::PingNobody => (NOBODY, "test.ping", None),
            Work::Bulk => (GLOB, "cmd.run", Some(BULK_COMMAND.to_owned())),
            Work::File => (GLOB, "cp.cache_file", Some(Files::url(round))),
            Work::States => (GLOB, "state.apply", None),
        };
        let mut order = vec![target.to_owned(), fun.to_owned()];
        order.extend(arg);
        order.extend(["--out", "txt"].map(str::to_owned));
        order
    }

    fn is_quick(self) -> bool {
        !matches!(self, Work::Bulk | Work::File | Work::States)
    }

    /// How many minions are to be shown with the right answer.
    pub fn expected(self, plan: &Plan) -> u64 {
        match self {
            Work::PingOne => 1,
            Work::PingNobody => 0,
            _ => plan.total(),
        }
    }

    /// Whether a minion's return is what it should be.
    fn is_right(self, value: &str, files: &Files, round: u32) -> anyhow::Result<bool> {
        Ok(match self {
            Work::Bulk => value.len() == BULK,
            Work::File => files.take(value, round)?,
            Work::States => value.matches(SUCCESS).count() == STATES as usize,
            _ => value == "True",
        })
    }
}

/// One command.
#[derive(Debug)]
pub struct Run {
    pub wall: Duration,
    pub exit: Option<i32>,
    /// Minions that are shown with the right answer.
    pub shown: u64,
}

/// The commands of one round.
#[derive(Debug)]
pub struct Round {
    pub runs: Vec<Run>,
    /// Of all processes and all commands.
    pub cpu: Duration,
}

/// One round of work on a side.
pub fn round(
    work: Work,
    side: &dyn Side,
    files: &Files,
    number: u32,
    errors: &Path,
) -> anyhow::Result<Round> {
    let order = work.order(number);
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    let before = meter::cpu(&side.processes()?.concat()) + meter::commands();
    let (began, mut runs) = (Instant::now(), Vec::new());
    loop {
        let seen = give(side, &order, errors)
            .with_context(|| format!("{}: {}", side.name(), work.name()))?;
        let mut shown = 0;
        for (_, value) in seen.returns() {
            shown += u64::from(work.is_right(value, files, number)?);
        }
        let Seen { wall, exit, .. } = seen;
        runs.push(Run { wall, exit, shown });
        if !work.is_quick() || began.elapsed() >= ROUND {
            break;
        }
    }
    std::thread::sleep(REST);
    let after = meter::cpu(&side.processes()?.concat()) + meter::commands();
    Ok(Round {
        runs,
        cpu: after.saturating_sub(before),
    })
}

/// An order to all minions while a site is down.
#[derive(Debug)]
pub struct Outage {
    pub wall: Duration,
    pub exit: Option<i32>,
    /// Minions that answered.
    pub shown: u64,
    /// Minions that did not, and stand in the text by id.
    pub named: u64,
    pub text: String,
}

/// Pings a target when the last site is down.
pub fn outage(side: &dyn Side, target: &str, plan: &Plan, errors: &Path) -> anyhow::Result<Outage> {
    let seen = give(side, &[target, "test.ping", "--out", "txt"], errors)?;
    let answers = |id: &str| seen.returns().any(|line| line == (id, "True"));
    let (there, absent): (Vec<_>, Vec<_>) = plan.minions().partition(|minion| answers(&minion.id));
    let named = absent.iter().filter(|minion| seen.names(&minion.id));
    Ok(Outage {
        wall: seen.wall,
        exit: seen.exit,
        shown: there.len() as u64,
        named: named.count() as u64,
        text: seen.text,
    })
}
