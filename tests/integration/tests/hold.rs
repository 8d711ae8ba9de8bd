//! Jobs that are kept for who is away, and jobs that are run again for who is left.

use std::fs;

use integration::{Deeds, Ledger, Tree, wait_for};

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// A minion that is down and a site that is cut off get the job when they are back, once.
#[test]
fn a_held_job_finds_minions_and_sites_that_come_back() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    tree.node_mut("fra-db1").kill();
    tree.wire("ams-wan").cut();
    tree.minion_is("fra-db1", "down");
    tree.minion_is("ams-web1", "cut-off");
    let deeds = Deeds::new(&tree, "held");
    // The command line does not wait for who is away.
    let work = deeds.work(0);
    let said = top.expect(
        3,
        &[
            "run", "--hold", "5m", "--out", "ledger", "*", "cmd.run", &work,
        ],
    );
    said.complains("Kept for 3 minions");
    let ledger = Ledger::parse(&said.out);
    assert_eq!(ledger.ids("ok"), ["fra-db2"]);
    assert_eq!(ledger.count("queued"), 3, "{ledger:#?}");
    assert!(!ledger.is_finished());
    let jid = ledger.jid().to_owned();

    // Neither the top nor the site's hub forgets it.
    for hub in ["top", "fra-hub"] {
        tree.node_mut(hub).kill();
        tree.node_mut(hub).start();
    }
    tree.answers("top");
    tree.node_mut("fra-db1").start();
    tree.wire("ams-wan").heal();
    let ledger = top.job_becomes(&jid, "everyone has run it", Ledger::is_finished);
    ledger.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL, "once each");
}

#[test]
fn a_held_job_ends_with_its_time_and_never_runs_later() {
    let mut tree = Tree::of_minions(&["m1", "m2"]);
    tree.node_mut("m2").kill();
    tree.minion_is("m2", "down");
    let deeds = Deeds::new(&tree, "late");
    let jid = tree
        .top()
        .submit(&["--hold", "1", "*", "cmd.run", &deeds.work(0)]);
    let ledger = tree
        .top()
        .job_becomes(&jid, "its time is over", Ledger::is_finished);
    assert_eq!(ledger.outcome("m2"), "expired");
    tree.node_mut("m2").start();
    tree.minion_is("m2", "up");
    tree.top().run(0, &["*", "test.ping"]);
    assert_eq!(deeds.of("begin"), ["m1"]);
    let bad = ["run", "*", "test.ping", "--hold", "90d"];
    tree.top().expect(64, &bad).complains("30 days");
}

/// A cancellation is kept for those who may run the job out of sight, ends their processes, and takes the job back from those
/// who have not begun.
#[test]
fn a_cancel_reaches_who_is_cut_off_and_who_is_away() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    tree.node_mut("fra-db1").kill();
    tree.minion_is("fra-db1", "down");
    let deeds = Deeds::new(&tree, "cancelled");
    let jid = top.submit(&["--hold", "5m", "*", "cmd.run", &deeds.work(600)]);
    deeds.all("begin", &["ams-web1", "ams-web2", "fra-db2"]);
    tree.wire("ams-wan").cut();
    tree.minion_is("ams-web1", "cut-off");
    let said = top.expect(3, &["jobs", "cancel", &jid, "--out", "ledger"]);
    let cancel = Ledger::parse(&said.out);
    assert_eq!(cancel.ids("ok"), ["fra-db2"], "{cancel:#?}");
    assert_eq!(cancel.ids("queued"), ["ams-web1", "ams-web2"]);
    assert_eq!(
        cancel.count("expected"),
        3,
        "the one that is down never had it"
    );

    tree.wire("ams-wan").heal();
    tree.node_mut("fra-db1").start();
    let ledger = top.job_becomes(&jid, "all have ended", |ledger| {
        ledger.is_finished() && ledger.count("failed") == 3
    });
    assert_eq!(ledger.outcome("fra-db1"), "refused", "{ledger:#?}");
    let reason = ledger.minion("fra-db1")["reason"].clone();
    assert!(
        reason
            .as_str()
            .is_some_and(|text| text.starts_with("cancelled by ")),
        "{reason}"
    );
    for id in ["ams-web1", "ams-web2", "fra-db2"] {
        let text = ledger.returned(id).as_str().expect("words").to_owned();
        assert!(text.contains("cancelled by "), "{id}: {text}");
    }
    top.job_becomes(cancel.jid(), "everyone answers", Ledger::is_finished);
    assert_eq!(deeds.of("begin").len(), 3);
    assert!(deeds.of("end").is_empty());
}

/// What is run again is what was left, at the roots of the first time.
#[test]
fn a_retry_is_for_exactly_those_who_are_left() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let marker = tree.directory().join("marker");
    tree.node_mut("ams-web1").kill();
    tree.minion_is("ams-web1", "down");
    let work = format!("[ $NODE != fra-db1 ] || [ -e {} ]", marker.display());
    let first = top.run(1, &["*", "cmd.run", &work]);
    let jid = first.jid().to_owned();
    assert_eq!(first.ids("failed"), ["fra-db1"]);
    fs::write(&marker, "").expect("a marker");
    let retry = |states: &[&str]| {
        let mut words = vec!["jobs", "retry", jid.as_str(), "--out", "ledger"];
        words.extend(states);
        top.call(&words)
    };
    let only = Ledger::parse(&retry(&["--state", "failed"]).out);
    only.all_ok(&["fra-db1"]);
    assert_eq!(only.field("roots"), first.field("roots"));
    let left = Ledger::parse(&retry(&["--state", "unreachable", "--hold", "5m"]).out);
    assert_eq!(left.ids("queued"), ["ams-web1"]);
    tree.node_mut("ams-web1").start();
    top.job_becomes(left.jid(), "it is back", Ledger::is_finished)
        .all_ok(&["ams-web1"]);
    let all = Ledger::parse(&retry(&[]).out);
    all.all_ok(&["ams-web1", "fra-db1"]);
    let nobody = retry(&["--state", "lost"]);
    assert_eq!(nobody.code, Some(2));
    nobody.complains("left no minion lost");
    wait_for("it is listed", || {
        let list = top.call(&["jobs", "list"]).out;
        list.contains(&format!("retry {jid}")).then_some(())
    });
}
