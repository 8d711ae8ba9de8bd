//! A long history in a hub's store: what it needs on disk, and what a hub that has it is like.

mod history;
mod pruning;
mod questions;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use store::HubStore;
use wire::control::{Ask, Tell};
use wire::{Jid, UnixMillis};

use super::process::quiet;
use super::tree::Tree;
use super::{Common, Programs, control, figures};
use history::{Need, Sort, Writer, times};
use pruning::Pruning;
use questions::{Answers, Hub, Start};

/// Jobs of a busy hub: one in six minutes.
const JOBS_A_YEAR: u32 = 91_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// What is pruned, and as much is written again.
const MONTH_DAYS: u32 = 30;
/// Nothing is pruned before it is meant: the longest retention that a hub may be given, and room for all of it.
const SETTINGS: &str = "keep_jobs_seconds: 31622400\njob_store_bytes_max: 1099511627776\n";
/// Jobs that share a transaction, as those of a busy hub do.
const GROUP_JOBS: usize = 100;
/// Jobs that are written one by one before that.
const SINGLE_JOBS: usize = 200;
/// One of the minions, which are all down while the hub stands alone.
const MINION: &str = "s1m1";
/// This many times what a history needs has to be free on the disk: its log stands beside it, and a month is added.
const ROOM_FACTOR: u64 = 2;

/// Measure a hub with a long history.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Days of history, 91,000 jobs a year.
    #[arg(long, value_name = "NUMBER", default_value_t = 36, value_parser = clap::value_parser!(u32).range(i64::from(MONTH_DAYS) + 1..=365))]
    days: u32,
    /// Minions of each job.
    #[arg(long, value_name = "NUMBER", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Syndics that share them.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: u32,
    /// How often the hub is started, and asked each question.
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// The database on disk, in bytes.
#[derive(Debug, Clone, Copy)]
struct Disk {
    file: u64,
    /// Of it in use.
    live: u64,
}

#[derive(Debug)]
struct Measured {
    jobs: u32,
    needs: Vec<(Sort, Need)>,
    /// Jobs a second, one by one and in groups.
    one_by_one: f64,
    in_groups: f64,
    empty: Disk,
    full: Disk,
    starts_empty: Vec<Start>,
    starts_full: Vec<Start>,
    answers: Vec<Answers>,
    /// Jobs of the oldest month.
    pruned_jobs: usize,
    pruning: Pruning,
    pruned: Disk,
    /// After a month was written again.
    refilled: Disk,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("store", |programs, work| {
        let measured = measure(programs, work, arguments)?;
        Ok((
            report::text(arguments, &measured),
            report::json(arguments, &measured),
        ))
    })
}

fn measure(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Measured> {
    let made = make_jobs(programs, work, arguments)?;
    let hub = Hub {
        program: &programs.top_master,
        work,
    };
    let starts_empty = hub.starts(arguments.rounds)?;

    let path = hub.database();
    let mut store = open(&path)?;
    let mut writer = Writer::new(&store, &made, arguments.minions)?;
    let (empty, needs) = (disk(&store, &path)?, writer.needs()?);
    let jobs = jobs_in(arguments.days);
    check_room(&path, jobs, &needs)?;
    let now = figures::unix_s() * 1_000;
    let span = u64::from(arguments.days) * DAY_MS;
    let all: Vec<UnixMillis> = times(jobs, now, span).collect();
    let (single, rest) = all.split_at(SINGLE_JOBS.min(all.len()));
    let one_by_one = speed(&mut writer, &mut store, single, 1)?;
    let in_groups = speed(&mut writer, &mut store, rest, GROUP_JOBS)?;
    drop(store);
    eprintln!("{jobs} jobs written, {in_groups:.0} in a second");

    let starts_full = hub.starts(arguments.rounds)?;
    let answers = hub.answers(&writer.jobs, arguments.rounds)?;
    eprintln!("asked; pruning");

    let full = disk(&open(&path)?, &path)?;
    let month = u64::from(MONTH_DAYS) * DAY_MS;
    let oldest = &writer.jobs[..jobs_in(MONTH_DAYS) as usize];
    let oldest: Vec<Jid> = oldest.iter().map(|(_, jid)| *jid).collect();
    let keep = Duration::from_millis(span - month);
    let pruning = Pruning::of(&hub, keep, &oldest, MINION)?;
    let mut store = open(&path)?;
    let pruned = disk(&store, &path)?;
    let again: Vec<UnixMillis> = times(jobs_in(MONTH_DAYS), now + month, month).collect();
    writer.write(&mut store, &again, GROUP_JOBS)?;
    let refilled = disk(&store, &path)?;
    Ok(Measured {
        jobs,
        needs,
        one_by_one,
        in_groups,
        empty,
        full,
        starts_empty,
        starts_full,
        answers,
        pruned_jobs: oldest.len(),
        pruning,
        pruned,
        refilled,
    })
}

/// Runs a job of each sort on a tree, which is ended; gives their ids.
fn make_jobs(
    programs: &Programs,
    work: &Path,
    arguments: &Arguments,
) -> anyhow::Result<Vec<(Sort, Jid)>> {
    let mut tree = Tree::plant_with(programs, work, arguments.syndics, SETTINGS)?;
    let syndics = 1..arguments.syndics as usize + 1;
    tree.populate(programs, arguments.minions, syndics, None)?;
    let mut made = Vec::new();
    for sort in Sort::ALL {
        let (fun, args) = sort.function();
        tree.job(fun, args, arguments.minions)?;
        let newest = Ask::Jobs { limit: 1 };
        let jid = control::ask(&tree.top_socket(), &newest, |tell| match tell {
            Tell::Jobs(jobs) => jobs.first().map(|job| job.jid),
            _ => None,
        })?;
        made.push((sort, jid));
    }
    // Every return is settled, and its job closed.
    quiet(&tree.processes())?;
    Ok(made)
}

fn jobs_in(days: u32) -> u32 {
    JOBS_A_YEAR * days / 365
}

fn open(path: &Path) -> anyhow::Result<HubStore> {
    Ok(HubStore::open(path)?.0)
}

fn disk(store: &HubStore, path: &Path) -> anyhow::Result<Disk> {
    Ok(Disk {
        file: std::fs::metadata(path)?.len(),
        live: store.live_bytes()?,
    })
}

/// Refuses a history that the disk may not hold.
fn check_room(path: &Path, jobs: u32, needs: &[(Sort, Need)]) -> anyhow::Result<()> {
    let need_of = |sort| {
        let found = needs.iter().find(|(of, _)| *of == sort);
        found.map_or(0, |(_, need)| need.bytes as u64)
    };
    let bytes: u64 = (0..jobs).map(|number| need_of(Sort::of(number))).sum();
    let free = store::free_bytes(path)?;
    ensure!(
        bytes * ROOM_FACTOR <= free,
        "{jobs} jobs need {} MB, and {} MB are free: take fewer --days or --minions",
        bytes * ROOM_FACTOR / 1_000_000,
        free / 1_000_000
    );
    Ok(())
}

/// Writes jobs; how many in a second.
fn speed(
    writer: &mut Writer,
    store: &mut HubStore,
    times: &[UnixMillis],
    group: usize,
) -> anyhow::Result<f64> {
    let begin = Instant::now();
    writer.write(store, times, group)?;
    Ok(times.len() as f64 / begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_all_its_jobs() {
        assert_eq!([365, 36, 1].map(jobs_in), [91_000, 8_975, 249]);
    }

    #[test]
    fn a_history_that_has_no_room_is_refused() {
        let need = |bytes| Need {
            bytes,
            ..Need::default()
        };
        let needs = |bytes| Sort::ALL.map(|sort| (sort, need(bytes)));
        let here = Path::new(".");
        assert!(check_room(here, 100, &needs(1)).is_ok());
        let error = check_room(here, 100, &needs(1 << 50)).unwrap_err();
        assert!(error.to_string().contains("--days"), "{error}");
    }
}
