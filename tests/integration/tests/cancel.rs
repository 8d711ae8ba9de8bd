//! Jobs that are ended: by an operator, by Ctrl-C, by a bound. No process of theirs stays.

use integration::{Ledger, Sleepers, Tree};
use nix::sys::signal::Signal;

const BOTH: [&str; 2] = ["m1", "m2"];

#[test]
fn a_cancelled_job_leaves_no_process() {
    let tree = Tree::of_minions(&BOTH);
    let sleepers = Sleepers::new();
    let jid = tree.top().submit(&["*", "cmd.run", &sleepers.command()]);
    sleepers.wait_for(4);
    let cancel = ["jobs", "cancel", &jid, "--out", "ledger"];
    let said = tree.top().expect(0, &cancel);
    Ledger::parse(&said.out).all_ok(&BOTH);
    sleepers.wait_for(0);
    let ledger = tree
        .top()
        .job_becomes(&jid, "the job ends", Ledger::is_finished);
    assert_eq!(ledger.ids("failed"), BOTH, "{ledger:#?}");
    // What is over can't be cancelled, and what never was neither.
    tree.top()
        .expect(4, &["jobs", "cancel", &jid])
        .complains("has ended already");
    tree.top()
        .expect(2, &["jobs", "cancel", "20010101000000000000"]);
}

/// The sites have not said yet whom the job is for, and their minions may run it already.
#[test]
fn a_cancel_right_after_its_job_reaches_who_has_begun() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    for _ in 0..5 {
        let jid = top.submit(&["*", "test.sleep", "600"]);
        top.expect(0, &["jobs", "cancel", &jid]);
        top.job_becomes(&jid, "the job ends", Ledger::is_finished);
    }
}

#[test]
fn control_c_cancels_the_job_on_all_minions() {
    let tree = Tree::of_minions(&BOTH);
    let sleepers = Sleepers::new();
    let command = sleepers.command();
    let running = tree
        .top()
        .start(&["run", "*", "cmd.run", &command, "--out", "ledger"]);
    sleepers.wait_for(4);
    running.signal(Signal::SIGINT);
    let said = running.finish();
    assert_eq!(said.code, Some(1), "{said:#?}");
    said.complains("Cancelling job");
    assert_eq!(Ledger::parse(&said.out).ids("failed"), BOTH);
    sleepers.wait_for(0);
}

#[test]
fn a_job_over_its_time_leaves_no_process() {
    let tree = Tree::of_minions(&["m1"]);
    for (limit, option) in [("timeout=1", ""), ("", "--time-limit=1")] {
        let sleepers = Sleepers::new();
        let command = sleepers.command();
        let typed = ["m1", "cmd.run", &command, limit, option];
        let typed: Vec<_> = typed.into_iter().filter(|word| !word.is_empty()).collect();
        let ledger = tree.top().run(1, &typed);
        assert_eq!(ledger.ids("failed"), ["m1"], "{typed:?}: {ledger:#?}");
        sleepers.wait_for(0);
    }
}
