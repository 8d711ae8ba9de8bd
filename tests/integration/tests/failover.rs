//! Minions of a site with several hubs: all of them at once, or one at a time.

use integration::{Deeds, Tree, wait_for};
use serde_json::Value;

const ALL: [&str; 2] = ["web1", "web2"];
const HUBS: [&str; 2] = ["ams-hub1", "ams-hub2"];

/// A site with two hubs, whose minions have these lines in their settings.
fn site(more: &str) -> Tree {
    let mut tree = Tree::new();
    for hub in HUBS {
        tree.syndic(hub, "ams", &["top"]);
    }
    for id in ALL {
        tree.new_minion(id, &HUBS, more);
    }
    tree.settle();
    tree
}

/// A minion with one hub at a time that goes back to the first.
fn one_at_a_time() -> Tree {
    site("master_type: failover\nmaster_failback: true\nmaster_failback_interval: 1\n")
}

/// The minions that a hub of the site has a connection to; nobody when it does not run.
fn held_by(tree: &Tree, hub: &str) -> Vec<String> {
    let said = tree.cli(hub).call(&["tree", "--minions", "--out", "json"]);
    let roster: Value = serde_json::from_str(&said.out).unwrap_or_default();
    let minions = roster["minions"].as_array().cloned().unwrap_or_default();
    let up = |minion: &&Value| minion["state"] == "up";
    let ids = minions.iter().filter(up).filter_map(|m| m["id"].as_str());
    ids.map(str::to_owned).collect()
}

#[track_caller]
fn hold(tree: &Tree, hub: &str) {
    wait_for(&format!("all minions hold {hub} alone"), || {
        let held = |other: &str| held_by(tree, other).len();
        let all: usize = HUBS.iter().map(|hub| held(hub)).sum();
        (held(hub) == ALL.len() && all == ALL.len()).then_some(())
    });
}

/// P4, P5: the first hub dies over a job: the minions find the second, each return comes by that way and counts once, and when the
/// first is back they hold it again.
#[test]
fn minions_fail_over_in_the_middle_of_a_job_and_go_back() {
    let mut tree = one_at_a_time();
    let top = tree.top();
    hold(&tree, "ams-hub1");
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);

    let deeds = Deeds::new(&tree, "cut");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(6)]);
    top.job_becomes(&jid, "all work", |ledger| ledger.count("running") == 2);
    tree.node_mut("ams-hub1").kill();
    hold(&tree, "ams-hub2");
    top.job_becomes(&jid, "they work in sight again", |ledger| {
        ledger.count("running") + ledger.count("ok") == 2
    });
    let ledger = top.job_becomes(&jid, "all have returned", |ledger| ledger.count("ok") == 2);
    ledger.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
    assert_eq!(deeds.of("end"), ALL);
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);

    // Back to the first, in the middle of a job again: nobody is out of sight for a moment.
    let deeds = Deeds::new(&tree, "back");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(8)]);
    deeds.all("begin", &ALL);
    tree.node_mut("ams-hub1").start();
    wait_for("all minions hold the first hub again", || {
        (held_by(&tree, "ams-hub1") == ALL).then_some(())
    });
    let ledger = top.job_becomes(&jid, "all have returned", |ledger| {
        assert_eq!(ledger.count("unreachable") + ledger.count("lost"), 0);
        ledger.count("ok") == 2
    });
    ledger.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
    assert_eq!(deeds.of("end"), ALL);
    hold(&tree, "ams-hub1");
    tree.heals();
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);
}

/// P3, P4: a return that no hub of the site could take is kept by the minion, and comes by the hub that is there first.
#[test]
fn a_return_that_nobody_could_take_comes_when_a_hub_is_there() {
    let mut tree = one_at_a_time();
    let top = tree.top();
    hold(&tree, "ams-hub1");
    let deeds = Deeds::new(&tree, "nobody");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(2)]);
    top.job_becomes(&jid, "all work", |ledger| ledger.count("running") == 2);
    for hub in HUBS {
        tree.node_mut(hub).kill();
    }
    deeds.all("end", &ALL);
    tree.node_mut("ams-hub2").start();
    let ledger = top.job_becomes(&jid, "all have returned", |ledger| ledger.count("ok") == 2);
    ledger.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
    tree.node_mut("ams-hub1").start();
    hold(&tree, "ams-hub1");
    // What the first hub had of the job when it died is one account with the rest.
    tree.heals();
    top.show(&jid).all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
}

/// P4, P5: with a connection to each hub the death of one, of the other, and of both in turn is no gap.
#[test]
fn with_all_hubs_at_once_any_one_of_them_is_enough() {
    let mut tree = site("");
    let top = tree.top();
    for (nth, hub) in HUBS.iter().enumerate() {
        let deeds = Deeds::new(&tree, hub);
        let jid = top.submit(&["*", "cmd.run", &deeds.work(3)]);
        top.job_becomes(&jid, "all work", |ledger| ledger.count("running") == 2);
        tree.node_mut(hub).kill();
        let ledger = top.job_becomes(&jid, "all have returned", |ledger| ledger.count("ok") == 2);
        ledger.all_ok(&ALL);
        assert_eq!(deeds.of("begin"), ALL, "{nth}");
        let left = HUBS[1 - nth];
        assert_eq!(held_by(&tree, left), ALL);
        tree.node_mut(hub).start();
        tree.heals();
        wait_for("both hubs have both minions", || {
            HUBS.iter()
                .all(|hub| held_by(&tree, hub) == ALL)
                .then_some(())
        });
    }
}

/// One that is wanted nowhere else is dialled again and again, and the daemon of one that is to have none says so.
#[test]
fn words_that_make_no_sense_are_refused_with_advice() {
    let mut tree = Tree::new();
    let up = tree.child_settings(&["top"]);
    for (lines, advice) in [
        ("master_type: disable\n", "master_type: disable"),
        ("master_type: func\n", "one of str, failover, disable"),
        ("master_failback: true\n", "master_type: failover"),
        ("random_master: 3\n", "true or false"),
    ] {
        let head = integration::settings("web1");
        tree.add("minion", "web1", &format!("{head}{up}{lines}"));
        tree.node_mut("web1").start();
        let ended = tree.node_mut("web1").ended();
        assert!(!ended.success(), "{lines}");
        let log = tree.node("web1").log();
        assert!(log.contains(advice), "{lines}: {log}");
    }
    // A list of one is a list, and Salt's word for signs of life is known.
    let lines = "master_type: failover\nrandom_master: true\nmaster_alive_interval: 1\n";
    let text = format!("id: web1\n{up}{lines}");
    tree.add("minion", "web1", &text);
    tree.node_mut("web1").start();
    tree.settle();
    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    tree.heals();
    tree.top().run(0, &["*", "test.ping"]).all_ok(&["web1"]);
}
