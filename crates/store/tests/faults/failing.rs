//! Calls that fail: each write and each sync in turn.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::writer::{ACKNOWLEDGED, FOUND, SUBJECTS, Subject, numbers, task};

/// Items of each run.
const COUNT: u32 = 7;

/// Marks a call that was made to fail.
const FAILED: &str = "(INJECTED)";

/// One run in which the n-th of some calls fails.
struct Run {
    output: Output,
    /// What the process called, in order; failed ones are marked.
    calls: String,
}

/// Runs the writer in a new directory; None without `strace`, or where it may not be used.
fn run(subject: Subject, place: &Path, calls: &str, error: &str, nth: u32) -> Option<Run> {
    let log = place.with_extension("calls");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-s", "64", "-o"])
        .arg(&log)
        .args(["-e", &format!("trace=write,{calls}")])
        .args(["-e", &format!("inject={calls}:error={error}:when={nth}")])
        .arg(std::env::current_exe().unwrap());
    task(&mut command, "write", subject, place, COUNT);
    let output = command.stdin(Stdio::null()).output().ok()?;
    let calls = std::fs::read_to_string(&log).ok()?;
    // Nothing at all was seen: the system does not let one process look at another.
    calls.contains("write(").then_some(Run { output, calls })
}

/// What a later process finds.
fn found(subject: Subject, place: &Path) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    task(&mut command, "read", subject, place, 0);
    command.output().unwrap()
}

/// The first line in which a thread acknowledges something after a call of it failed. (SQLite passes over a directory that
/// does not sync while it makes a database; that is done once more, by another thread than the one that acknowledges.)
fn acknowledged_after_a_failure(calls: &str) -> Option<&str> {
    let mut failed = BTreeSet::new();
    calls.lines().find(|line| {
        let thread = line.split_whitespace().next();
        if line.contains(FAILED) {
            failed.insert(thread);
        }
        line.contains(ACKNOWLEDGED) && failed.contains(&thread)
    })
}

/// Lets the first, second, .. call fail, until a run has no such call left. Gives how many runs had a failure.
fn each_fails(subject: Subject, calls: &str, error: &str) -> u32 {
    for nth in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("place");
        std::fs::create_dir(&place).unwrap();
        let Some(run) = run(subject, &place, calls, error, nth) else {
            println!("skipped: strace is not there, or may not look at processes");
            return 0;
        };
        let case = format!("{subject:?}, {error} from {calls} number {nth}");
        let printed = String::from_utf8_lossy(&run.output.stdout);
        let acknowledged = numbers(&printed, ACKNOWLEDGED);
        let reader = found(subject, &place);
        let reading = String::from_utf8_lossy(&reader.stdout);
        assert!(reader.status.success(), "{case}: {reading}");
        let there = numbers(&reading, FOUND);
        assert!(
            acknowledged.is_subset(&there),
            "{case}: acknowledged {acknowledged:?}, there are {there:?}"
        );
        assert!(
            there.iter().all(|n| (1..=COUNT).contains(n)),
            "{case}: {there:?}"
        );

        if !run.calls.contains(FAILED) {
            assert_eq!(acknowledged.len(), COUNT as usize, "{case}: {printed}");
            return nth - 1;
        }
        if let Some(line) = acknowledged_after_a_failure(&run.calls) {
            panic!("{case}: {line}:\n{}", run.calls);
        }
        // What fails when everything is acknowledged takes nothing back.
        assert!(
            !run.output.status.success() || acknowledged.len() == COUNT as usize,
            "{case}: ended as if nothing had happened"
        );
    }
    unreachable!("there is a last call")
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_nothing_acknowledged_is_missing() {
    for subject in SUBJECTS {
        let runs = each_fails(subject, "fsync,fdatasync", "EIO");
        println!("{subject:?}: {runs} syncs");
        assert!(runs == 0 || runs >= 3, "{subject:?}: {runs}");
    }
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_and_nothing_acknowledged_is_missing() {
    for subject in SUBJECTS {
        let runs = each_fails(subject, "pwrite64", "EIO");
        println!("{subject:?}: {runs} writes");
        assert!(runs == 0 || runs > COUNT, "{subject:?}: {runs}");
    }
}

/// A disk that is full for a moment: the hub stops; the journal cuts off what it wrote, and the same batch is taken later.
#[test]
fn a_full_disk_stops_a_hub_and_delays_a_journal() {
    each_fails(Subject::Hub, "pwrite64", "ENOSPC");
    // The first write makes the file; without it there is no journal that could wait.
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("place");
    std::fs::create_dir(&place).unwrap();
    for nth in 2..2 + COUNT {
        let _ = std::fs::remove_file(place.join("journal"));
        let Some(run) = run(Subject::Journal, &place, "pwrite64", "ENOSPC", nth) else {
            return;
        };
        assert!(run.calls.contains(FAILED), "{nth}");
        let printed = String::from_utf8_lossy(&run.output.stdout);
        let acknowledged = numbers(&printed, ACKNOWLEDGED);
        assert_eq!(acknowledged.len(), COUNT as usize, "{nth}: {printed}");
        let reading = found(Subject::Journal, &place);
        let there = numbers(&String::from_utf8_lossy(&reading.stdout), FOUND);
        assert_eq!(there, acknowledged, "{nth}");
    }
}
