//! Commands whose minion dies or stops under them.

use integration::{Ledger, Sleepers, Tree};
use nix::sys::signal::Signal;

/// Waits until the minion is back and has told what became of a job; gives its reason.
#[track_caller]
fn told(tree: &Tree, jid: &str) -> String {
    let ledger = tree
        .top()
        .job_becomes(jid, "the end is told", |ledger: &Ledger| {
            ledger.outcome("m1") == "lost"
        });
    assert_eq!(ledger.minion("m1")["reason_code"], "interrupted");
    ledger.minion("m1")["reason"]
        .as_str()
        .expect("a reason")
        .to_owned()
}

/// P2, P4: a minion that was killed leaves its commands running; the next one ends them before it calls the job lost.
#[test]
fn what_a_killed_minion_left_running_is_ended_and_told() {
    let mut tree = Tree::of_minions(&["m1"]);
    let sleepers = Sleepers::new();
    let jid = tree.top().submit(&["m1", "cmd.run", &sleepers.command()]);
    sleepers.wait_for(2);
    tree.node_mut("m1").kill();
    assert_eq!(sleepers.count(), 2, "they outlive their minion");
    tree.node_mut("m1").start();
    let reason = told(&tree, &jid);
    assert!(reason.contains("had survived and were ended"), "{reason}");
    assert_eq!(sleepers.count(), 0);
    tree.heals();
    tree.top().run(0, &["*", "test.ping"]).all_ok(&["m1"]);
}

/// A minion that is told to stop may have been told so by what it runs, such as its own upgrade: that goes on.
#[test]
fn what_a_stopped_minion_left_running_goes_on_and_is_told() {
    let mut tree = Tree::of_minions(&["m1"]);
    let sleepers = Sleepers::new();
    let jid = tree.top().submit(&["m1", "cmd.run", &sleepers.command()]);
    sleepers.wait_for(2);
    tree.node("m1").signal(Signal::SIGTERM);
    let ended = tree.node_mut("m1").ended();
    assert_eq!(ended.code(), Some(0));
    tree.node_mut("m1").start();
    let reason = told(&tree, &jid);
    assert!(reason.contains("of its processes run on"), "{reason}");
    assert_eq!(sleepers.count(), 2);
    sleepers.end();
}
