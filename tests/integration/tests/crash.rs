//! kill -9 of each role in the middle of a job: nothing is lost, nothing runs twice.

use integration::{Deeds, IDLE_TIMEOUT, Ledger, Tree};

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// P2, P4: a minion that dies is named with its reason; when it is back, the job is interrupted, and never run again.
#[test]
fn a_minion_that_dies_is_named_and_never_runs_the_job_again() {
    let mut tree = Tree::of_two_sites();
    let deeds = Deeds::new(&tree, "deeds");
    let top = tree.top();
    let running = top.start(&["run", "*", "cmd.run", &deeds.work(2), "--out", "ledger"]);
    deeds.all("begin", &ALL);
    tree.node_mut("ams-web1").kill();
    let said = running.finish();
    assert_eq!(said.code, Some(3), "{said:#?}");
    assert!(said.took < IDLE_TIMEOUT * 3, "{said:#?}");
    let ledger = Ledger::parse(&said.out);
    assert_eq!(ledger.ids("ok"), &ALL[1..]);
    assert_eq!(ledger.outcome("ams-web1"), "unreachable");
    assert_eq!(ledger.minion("ams-web1")["reason_code"], "connection-lost");
    assert!(ledger.minion("ams-web1")["reason"].is_string());

    tree.node_mut("ams-web1").start();
    let ledger = top.job_becomes(ledger.jid(), "the interruption is told", |ledger| {
        ledger.outcome("ams-web1") == "lost"
    });
    assert_eq!(ledger.minion("ams-web1")["reason_code"], "interrupted");
    assert_eq!(ledger.ids("ok"), &ALL[1..]);
    tree.heals();
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
}

/// P3, P4, P5: hubs on the way die while minions work; late returns amend the record, and count once.
#[test]
fn hubs_that_die_on_the_way_lose_no_return() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    for hub in ["ams-hub", "eu-hub"] {
        let deeds = Deeds::new(&tree, hub);
        let running = top.start(&["run", "*", "cmd.run", &deeds.work(2), "--out", "ledger"]);
        deeds.all("begin", &ALL);
        tree.node_mut(hub).kill();
        let said = running.finish();
        assert_eq!(said.code, Some(3), "{hub}: {said:#?}");
        let ledger = Ledger::parse(&said.out);
        assert_eq!(ledger.count("expected"), 4, "{ledger:#?}");
        assert_eq!(
            ledger.count("ok") + ledger.count("unreachable"),
            4,
            "{ledger:#?}"
        );
        assert!(
            ledger.ids("unreachable").contains(&"ams-web1"),
            "{ledger:#?}"
        );
        deeds.all("end", &ALL);

        tree.node_mut(hub).start();
        let amended = top.job_becomes(ledger.jid(), "late returns arrive", |ledger| {
            ledger.count("ok") == 4
        });
        amended.all_ok(&ALL);
        assert!(amended.is_finished());
        tree.heals();
        assert_eq!(deeds.of("begin"), ALL);
        assert_eq!(deeds.of("end"), ALL);
    }
    // A hub that is back at once is hardly noticed.
    let deeds = Deeds::new(&tree, "quick");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(2)]);
    deeds.all("begin", &ALL);
    tree.node_mut("ams-hub").kill();
    tree.node_mut("ams-hub").start();
    top.job_becomes(&jid, "all returns arrive", |ledger| ledger.count("ok") == 4);
    assert_eq!(deeds.of("begin"), ALL);
}

/// P3: whatever the top-master acknowledged is there after its death, with every outcome.
#[test]
fn a_top_master_that_dies_knows_every_outcome_afterwards() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let deeds = Deeds::new(&tree, "deeds");
    let mut running = top.start(&["run", "*", "cmd.run", &deeds.work(2), "--out", "ledger"]);
    deeds.all("begin", &ALL);
    assert!(running.is_running());
    let jid = top.json(&["jobs", "list"])[0]["jid"]
        .as_str()
        .expect("a jid")
        .to_owned();
    tree.node_mut("top").kill();
    let said = running.finish();
    assert_eq!(said.code, Some(69), "{said:#?}");
    said.complains(&format!("job {jid} goes on without this command"));
    deeds.all("end", &ALL);

    tree.node_mut("top").start();
    tree.answers("top");
    let ledger = top.job_becomes(&jid, "all returns arrive", Ledger::is_finished);
    let ledger = if ledger.count("ok") == 4 {
        ledger
    } else {
        top.job_becomes(&jid, "late returns arrive", |ledger| {
            ledger.count("ok") == 4
        })
    };
    ledger.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);

    // Killed right after the acknowledgement: the job is run, or reported; it is never unknown.
    tree.heals();
    let deeds = Deeds::new(&tree, "acknowledged");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(0)]);
    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    tree.heals();
    let ledger = top.job_becomes(&jid, "the job has its end", Ledger::is_finished);
    assert_eq!(ledger.count("expected"), 4, "{ledger:#?}");
    let ledger = top.job_becomes(&jid, "what was done is told", |ledger| {
        ledger.count("ok") == deeds.of("end").len()
    });
    // P4: once at most.
    let mut once = deeds.of("begin");
    once.dedup();
    assert_eq!(deeds.of("begin"), once);
    assert_eq!(ledger.ids("ok"), once);
}

/// P3, P5: a job that was over, with a dead site as unreachable, when the top-master died too: what the site did is told all
/// the same when both are back.
#[test]
fn late_returns_amend_a_job_that_was_over_before_the_top_master_died() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let deeds = Deeds::new(&tree, "late");
    let jid = top.submit(&["fra-*", "cmd.run", &deeds.work(1)]);
    top.job_becomes(&jid, "both work", |ledger| ledger.count("running") == 2);
    tree.node_mut("fra-hub").kill();
    top.job_becomes(&jid, "the dead site is told", |ledger| {
        ledger.is_finished() && ledger.count("unreachable") == 2
    });
    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    assert_eq!(top.show(&jid).count("unreachable"), 2);

    tree.node_mut("fra-hub").start();
    let ledger = top.job_becomes(&jid, "late returns arrive", |ledger| {
        ledger.count("ok") == 2
    });
    ledger.all_ok(&ALL[2..]);
    assert_eq!(deeds.of("begin"), &ALL[2..]);
}
