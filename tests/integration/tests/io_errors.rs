//! A sync or a write that fails under a real daemon: it stops loudly, and nothing that it acknowledged is lost.

use std::fs;

use integration::{Tree, wait_for};

/// Which call of a thread fails, counted from its start: while it opens its files, and while it works. (The second sync of a
/// store's thread is one that counts for nothing: SQLite looks after the name of its log, which was synced before.)
const SYNCS: [u32; 3] = [3, 9, 40];
const WRITES: [u32; 3] = [3, 30, 120];
/// Jobs until a daemon has to have stopped; each needs a sync at least.
const JOBS_MAX: usize = 200;

/// Lets calls of a node fail while jobs come, starts it again each time, and checks every job that was acknowledged.
fn survives(id: &str, calls: &str, failing: [u32; 3]) {
    let mut tree = Tree::of_minions(&["m1"]);
    let top = tree.top();
    let file = tree.directory().join("deeds");
    let mut acknowledged = Vec::new();
    for nth in failing {
        tree.node_mut(id).kill();
        if id == "m1" {
            tree.minion_is("m1", "down");
        }
        if !tree.node_mut(id).fail_once(calls, "EIO", nth) {
            return;
        }
        tree.node_mut(id).start();
        wait_for("the node works, or has stopped", || {
            if tree.node_mut(id).has_ended() {
                return Some(());
            }
            let said = top.call(&["tree", "--out", "json"]);
            (said.code == Some(0) && said.json()["totals"]["up"] == 1).then_some(())
        });
        let mut jobs = 0;
        while !tree.node_mut(id).has_ended() {
            assert!(jobs < JOBS_MAX, "{id}, {calls} number {nth}: it goes on");
            let deed = format!("{nth}-{jobs}");
            let command = format!("echo {deed} >> {}", file.display());
            let said = top.call(&["run", "--async", "m1", "cmd.run", &command]);
            if said.code == Some(0) {
                acknowledged.push((said.out.trim().to_owned(), deed));
            }
            jobs += 1;
        }
        let log = tree.node(id).log();
        assert_eq!(tree.node_mut(id).ended().code(), Some(70), "{log}");
        tree.node_mut(id).start();
        tree.answers("top");
        tree.heals();
    }
    assert!(!acknowledged.is_empty());
    let deeds = fs::read_to_string(&file).unwrap_or_default();
    let mut done: Vec<_> = deeds.lines().collect();
    done.sort_unstable();
    let count = done.len();
    done.dedup();
    assert_eq!(done.len(), count, "a job ran twice");
    let mut lost = 0;
    for (jid, deed) in &acknowledged {
        let ledger = top.job_becomes(jid, "its end is the truth", |ledger| {
            // What was done is told, even by a minion that could not write down what came of it.
            let is_told = matches!(ledger.outcome("m1"), "ok" | "lost");
            ledger.is_finished() && (is_told || !done.contains(&deed.as_str()))
        });
        if ledger.outcome("m1") == "lost" {
            assert_eq!(ledger.minion("m1")["reason_code"], "interrupted");
            lost += 1;
        }
    }
    println!(
        "{id}, {calls}: {} acknowledged, {count} done, {lost} lost",
        acknowledged.len()
    );
}

#[test]
fn a_hub_stops_when_a_sync_fails() {
    survives("top", "fsync,fdatasync", SYNCS);
}

#[test]
fn a_hub_stops_when_a_write_fails() {
    survives("top", "pwrite64", WRITES);
}

#[test]
fn a_minion_stops_when_a_sync_fails() {
    survives("m1", "fsync,fdatasync", SYNCS);
}

#[test]
fn a_minion_stops_when_a_write_fails() {
    survives("m1", "pwrite64", WRITES);
}
