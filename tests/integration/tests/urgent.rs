//! Pings and cancels overtake bulk: on a line that is full of long returns, and at a minion whose places are all taken.

use std::fs;

use integration::{Ledger, Sleepers, Tree, Way, Weather};

const VALUE_BYTES: u64 = 3_900_000;
/// More than a session takes at a time, of a minion as of a syndic.
const JOBS: usize = 6;
/// With this rate the returns above need more than half a minute.
const BYTES_PER_SECOND: u64 = 500_000;

#[test]
fn pings_and_cancels_overtake_long_returns_on_the_line_of_a_minion() {
    let mut tree = Tree::new();
    tree.cable("wan", "top");
    tree.new_minion("m1", &["wan"], "");
    overtake(&tree);
}

#[test]
fn pings_and_cancels_overtake_long_returns_on_the_line_of_a_site() {
    let mut tree = Tree::new();
    tree.cable("wan", "top");
    tree.syndic("hub", "eu", &["wan"]);
    tree.new_minion("m1", &["hub"], "");
    overtake(&tree);
}

/// Fills the cable `wan` with long returns of the minion m1, and lets short messages pass.
fn overtake(tree: &Tree) {
    tree.settle();
    let top = tree.top();
    let sleepers = Sleepers::new();
    let sleeping = top.submit(&["m1", "cmd.run", &sleepers.command()]);
    sleepers.wait_for(2);
    let flag = tree.directory().join("flag");
    let command = format!(
        "until [ -e {} ]; do sleep 0.05; done; head -c {VALUE_BYTES} /dev/zero | tr '\\0' x",
        flag.display()
    );
    let bulk: Vec<_> = (0..JOBS)
        .map(|_| top.submit(&["m1", "cmd.run", &command]))
        .collect();
    for jid in &bulk {
        top.job_becomes(jid, "it runs", |ledger| ledger.count("running") == 1);
    }
    let narrow = Weather {
        bytes_per_second: Some(BYTES_PER_SECOND),
        ..Weather::FAIR
    };
    tree.wire("wan").set(Way::Up, narrow);
    fs::write(&flag, "").expect("a file");
    let all_arrived = || bulk.iter().all(|jid| top.show(jid).is_finished());

    top.run(0, &["m1", "test.ping"]).all_ok(&["m1"]);
    assert!(!all_arrived(), "the ping waited for the bulk");
    top.expect(0, &["jobs", "cancel", &sleeping]);
    let ledger = top.job_becomes(&sleeping, "the job ends", Ledger::is_finished);
    assert_eq!(ledger.ids("failed"), ["m1"]);
    assert_eq!(sleepers.count(), 0);
    assert!(!all_arrived(), "the cancel waited for the bulk");

    tree.wire("wan").set(Way::Up, Weather::FAIR);
    for jid in &bulk {
        let ledger = top.job_becomes(jid, "its return arrives", Ledger::is_finished);
        let text = ledger.returned("m1").as_str().expect("whole output");
        assert_eq!(text.len() as u64, VALUE_BYTES);
    }
}

#[test]
fn a_minion_whose_places_are_taken_answers_pings_and_ends_jobs_that_run_or_wait() {
    let mut tree = Tree::new();
    tree.new_minion("m1", &["top"], "process_count_max: 1\n");
    tree.settle();
    let top = tree.top();
    let (first, second) = (Sleepers::new(), Sleepers::new());
    let runs = top.submit(&["m1", "cmd.run", &first.command()]);
    first.wait_for(2);
    let waits = top.submit(&["m1", "cmd.run", &second.command()]);
    top.job_becomes(&waits, "it is journalled", |ledger| {
        ledger.count("running") == 1
    });
    top.run(0, &["m1", "test.ping"]).all_ok(&["m1"]);

    // The one that waits ends first, and never begins.
    top.expect(0, &["jobs", "cancel", &waits]);
    let ledger = top.job_becomes(&waits, "it ends", Ledger::is_finished);
    let text = ledger.returned("m1").as_str().expect("text");
    assert!(text.contains("while it waited for a place"), "{text}");
    assert_eq!((first.count(), second.count()), (2, 0));
    assert!(!top.show(&runs).is_finished());
    top.expect(0, &["jobs", "cancel", &runs]);
    let ledger = top.job_becomes(&runs, "it ends", Ledger::is_finished);
    assert_eq!(ledger.ids("failed"), ["m1"]);
    assert_eq!((first.count(), second.count()), (0, 0));
}
