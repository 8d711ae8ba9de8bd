//! Two top-masters of one tree, over two sites.

use integration::{Cli, Deeds, Ledger, Tree, wait_for};
use serde_json::Value;

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];
const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// The sites `ams` and `fra` with a syndic each, below the top-masters `top` and `top2`.
fn doubled() -> Tree {
    doubled_with("")
}

/// The same, with more lines in the settings of both top-masters.
fn doubled_with(more: &str) -> Tree {
    let mut tree = Tree::with_top(more);
    tree.second_top_with("top2", more);
    for (site, ids) in [("ams", AMS), ("fra", ["fra-db1", "fra-db2"])] {
        let hub = format!("{site}-hub");
        tree.syndic(&hub, site, &["top", "top2"]);
        for id in ids {
            tree.new_minion(id, &[&hub], "");
        }
    }
    tree.settle();
    sees_all(&tree.cli("top2"));
    tree
}

#[track_caller]
fn sees_all(top: &Cli) {
    wait_for("a top-master sees every minion", || {
        (top.json(&["tree"])["totals"]["up"] == 4).then_some(())
    });
}

/// Waits until a top-master has a job, and the account is so.
#[track_caller]
fn becomes(top: &Cli, jid: &str, what: &str, is_so: impl Fn(&Ledger) -> bool) -> Ledger {
    wait_for("a top-master has heard of the job", || {
        is_listed(top, jid).then_some(())
    });
    top.job_becomes(jid, what, is_so)
}

fn is_listed(top: &Cli, jid: &str) -> bool {
    let jobs = top.json(&["jobs", "list"]);
    let jobs = jobs.as_array().cloned().unwrap_or_default();
    jobs.iter().any(|job| job["jid"] == jid)
}

/// P1, P2: what one top-master orders stands in the lists of both, while it runs and when it has ended.
#[test]
fn each_top_shows_the_jobs_of_both() {
    let mut tree = doubled();
    for (one, other) in [("top", "top2"), ("top2", "top")] {
        let (one, other) = (tree.cli(one), tree.cli(other));
        let deeds = Deeds::new(
            &tree,
            one.json(&["identity"])["id"].as_str().unwrap_or("top"),
        );
        let jid = one.submit(&["*", "cmd.run", &deeds.work(2)]);
        becomes(&other, &jid, "all work in its sight", |ledger| {
            ledger.count("running") == 4
        });
        let ledger = becomes(&other, &jid, "all have returned", |ledger| {
            ledger.is_finished() && ledger.count("ok") == 4
        });
        ledger.all_ok(&ALL);
        let own = one.job_becomes(&jid, "it has ended", Ledger::is_finished);
        own.all_ok(&ALL);
        assert_eq!(ledger.field("origin"), own.field("origin"));
        assert_eq!(ledger.field("user"), own.field("user"));
        assert_eq!(deeds.of("begin"), ALL);
    }

    // A site that is away is named by both.
    tree.node_mut("fra-hub").kill();
    for top in ["top", "top2"] {
        let cli = tree.cli(top);
        wait_for("fra is cut off", || {
            (cli.json(&["tree"])["totals"]["cut_off"] == 2).then_some(())
        });
    }
    let (top, top2) = (tree.top(), tree.cli("top2"));
    let own = top.run(3, &["*", "test.ping", "--start-within", "1"]);
    let ledger = becomes(&top2, own.jid(), "it has ended", Ledger::is_finished);
    assert_eq!(ledger.outcomes(), own.outcomes());
    assert_eq!(ledger.ids("unreachable"), ALL[2..]);
    tree.node_mut("fra-hub").start();
    tree.heals();

    // A top-master that was away hears of what it missed, and keeps it.
    tree.node_mut("top2").kill();
    let missed = top.run(0, &["*", "test.ping"]);
    missed.all_ok(&ALL);
    tree.node_mut("top2").start();
    tree.answers("top2");
    let whole = |ledger: &Ledger| ledger.is_finished() && ledger.count("ok") == 4;
    becomes(&top2, missed.jid(), "both sites have told", whole).all_ok(&ALL);
    tree.node_mut("top2").restart();
    tree.answers("top2");
    top2.show(missed.jid()).all_ok(&ALL);
}

/// P2: who ordered a job may die: what comes later is seen at the other top-master, and is told to the first when it is back.
#[test]
fn the_other_top_sees_a_job_to_its_end() {
    let mut tree = doubled();
    let (top, top2) = (tree.top(), tree.cli("top2"));
    let deeds = Deeds::new(&tree, "alone");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(3)]);
    becomes(&top2, &jid, "all work", |ledger| {
        ledger.count("running") == 4
    });
    tree.node_mut("top").kill();
    let ledger = becomes(&top2, &jid, "it has ended", Ledger::is_finished);
    ledger.all_ok(&ALL);
    tree.node_mut("top").start();
    tree.answers("top");
    becomes(&top, &jid, "it has ended", Ledger::is_finished).all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
}

/// The standing of a key at a top-master.
fn standing(top: &Cli, id: &str) -> Value {
    let keys = top.json(&["keys", "list"]);
    let keys = keys.as_array().cloned().unwrap_or_default();
    let key = keys.into_iter().find(|key| key["id"] == id);
    key.map_or(Value::Null, |key| key["standing"].clone())
}

/// P5, P8: a decision at one top-master is in force at both, and no site is blamed for passing it on.
#[test]
fn keys_are_decided_at_either_top() {
    let mut tree = doubled();
    tree.new_minion("fra-db3", &["fra-hub"], "");
    let steps = [
        ("top2", "accept", "accepted"),
        ("top", "reject", "rejected"),
        ("top2", "accept", "accepted"),
        ("top2", "delete", "pending"),
    ];
    for (at, verb, word) in steps {
        let cli = tree.cli(at);
        wait_for("it is known there", || {
            (!standing(&cli, "fra-db3").is_null()).then_some(())
        });
        let mut words = vec!["keys", verb, "fra-db3", "-y"];
        if verb == "reject" {
            words.push("--include-accepted");
        }
        if verb == "accept" {
            words.push("--include-rejected");
        }
        cli.expect(0, &words);
        for top in ["top", "top2"] {
            let cli = tree.cli(top);
            wait_for(&format!("{verb} at {at} is known at {top}"), || {
                (standing(&cli, "fra-db3") == word).then_some(())
            });
        }
    }
    for top in ["top", "top2"] {
        let log = tree.node(top).log();
        assert!(!log.contains("tried to revoke"), "{top}: {log}");
        assert!(!log.contains("denied"), "{top}: {log}");
    }
}

/// P1, P4: a top-master that dies before its order has left any disk but its own has ordered it all the same: there is nothing to adopt,
/// and when it is back the job goes on, or its time is over.
#[test]
fn the_owner_dies_before_the_order_left() {
    let mut tree = doubled();
    for hub in ["ams-hub", "fra-hub"] {
        tree.node_mut(hub).kill();
    }
    let (top, top2) = (tree.top(), tree.cli("top2"));
    for cli in [&top, &top2] {
        wait_for("both sites are cut off", || {
            (cli.json(&["tree"])["totals"]["cut_off"] == 4).then_some(())
        });
    }
    let deeds = Deeds::new(&tree, "unsent");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(1), "--hold", "10m"]);
    tree.node_mut("top").kill();
    for hub in ["ams-hub", "fra-hub"] {
        tree.node_mut(hub).start();
    }
    sees_all(&top2);
    top2.expect(2, &["jobs", "adopt", &jid]);
    top2.run(0, &["*", "test.ping"]).all_ok(&ALL);
    tree.node_mut("top").start();
    tree.answers("top");
    becomes(&top, &jid, "it is done after all", Ledger::is_finished).all_ok(&ALL);
    becomes(&top2, &jid, "it has ended there too", Ledger::is_finished).all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
}

/// Kills the top-master that ordered a job and lets the other one adopt it.
fn adopted(tree: &mut Tree, jid: &str) -> Cli {
    let top2 = tree.cli("top2");
    tree.node_mut("top").kill();
    let said = top2.expect(0, &["jobs", "adopt", jid]);
    assert!(said.out.contains(jid), "{said:#?}");
    top2
}

/// The first top-master comes back, and sees the job as the one that owns it does.
#[track_caller]
fn follows(tree: &mut Tree, jid: &str, deeds: &Deeds) {
    tree.node_mut("top").start();
    tree.answers("top");
    let (top, top2) = (tree.top(), tree.cli("top2"));
    let own = becomes(&top2, jid, "it has ended", Ledger::is_finished);
    own.all_ok(&ALL);
    let theirs = becomes(&top, jid, "it follows", |ledger| {
        ledger.is_finished() && ledger.outcomes() == own.outcomes()
    });
    theirs.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL, "nobody ran it twice");
    assert_eq!(deeds.of("end"), ALL);
    // Nobody keeps anything for it any more, and both are top-masters as before.
    let names = [("owner", "top2"), ("origin", "top")];
    for cli in [&top, &top2] {
        let (ledger, jobs) = (cli.show(jid), cli.json(&["jobs", "list"]));
        let mut jobs = jobs.as_array().into_iter().flatten();
        let job = jobs.find(|job| job["jid"] == jid).expect("it is listed");
        for (field, name) in names {
            assert_eq!(ledger.field(field), name);
            assert_eq!(job[field], name);
        }
        let text = cli.expect(0, &["jobs", "list"]).out;
        assert!(text.contains("top2 (was top)"), "{text}");
        sees_all(cli);
        cli.run(0, &["*", "test.ping"]).all_ok(&ALL);
    }
    let log = tree.node("top").log();
    assert!(log.contains("was adopted by another top-master"), "{log}");
}

/// P3, P4: the owner dies when half of the minions have begun; the others are in a site that it did not reach.
#[test]
fn the_owner_dies_when_half_have_begun() {
    let mut tree = doubled();
    let (top, top2) = (tree.top(), tree.cli("top2"));
    tree.node_mut("fra-hub").kill();
    for cli in [&top, &top2] {
        wait_for("fra is cut off", || {
            (cli.json(&["tree"])["totals"]["cut_off"] == 2).then_some(())
        });
    }
    let deeds = Deeds::new(&tree, "half");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(4), "--hold", "10m"]);
    becomes(&top2, &jid, "half of them work", |ledger| {
        ledger.count("running") == 2
    });
    let top2 = adopted(&mut tree, &jid);
    tree.node_mut("fra-hub").start();
    let ledger = top2.job_becomes(&jid, "all have returned", |ledger| {
        ledger.is_finished() && ledger.count("ok") == 4
    });
    ledger.all_ok(&ALL);
    follows(&mut tree, &jid, &deeds);
}

/// P3, P4: all have returned, and the owner died before it said that it has the returns: the other one says so.
#[test]
fn the_owner_dies_before_it_acknowledged() {
    let mut tree = doubled();
    let (top, top2) = (tree.top(), tree.cli("top2"));
    let deeds = Deeds::new(&tree, "unacked");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(2)]);
    becomes(&top2, &jid, "all work", |ledger| {
        ledger.count("running") == 4
    });
    tree.node_mut("top").kill();
    becomes(&top2, &jid, "all have returned", Ledger::is_finished).all_ok(&ALL);
    top2.expect(0, &["jobs", "adopt", &jid]);
    follows(&mut tree, &jid, &deeds);
}

/// P4: in the middle of a batch: the other one goes on where it stood, one at a time over the whole tree.
#[test]
fn the_owner_dies_in_the_middle_of_a_batch() {
    let mut tree = doubled();
    let (top, top2) = (tree.top(), tree.cli("top2"));
    let deeds = Deeds::new(&tree, "batch");
    let work = deeds.work(2);
    let jid = top.submit(&["*", "cmd.run", &work, "-b", "1", "--time-limit", "20"]);
    becomes(&top2, &jid, "one is done and one works", |ledger| {
        ledger.count("ok") == 1 && ledger.count("running") == 1
    });
    let top2 = adopted(&mut tree, &jid);
    // One comes back that believes that it gives turns: nobody takes them.
    tree.node_mut("top").start();
    tree.answers("top");
    let ledger = top2.job_becomes(&jid, "all have had their turn", |ledger| {
        assert!(ledger.count("running") <= 1, "{ledger:#?}");
        ledger.is_finished()
    });
    ledger.all_ok(&ALL);
    let text = std::fs::read_to_string(tree.directory().join("deeds-batch"));
    let text = text.expect("they have written");
    let words: Vec<_> = text.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(words, ["begin", "end"].repeat(ALL.len()), "one at a time");
    tree.node_mut("top").kill();
    follows(&mut tree, &jid, &deeds);
}

/// All of a top-master's jobs at once; what is not another top-master's is refused.
#[test]
fn all_jobs_of_a_top_are_adopted_at_once() {
    let mut tree = doubled();
    let (top, top2) = (tree.top(), tree.cli("top2"));
    let deeds: Vec<Deeds> = (0..3)
        .map(|n| Deeds::new(&tree, &format!("of-{n}")))
        .collect();
    let jids: Vec<String> = deeds
        .iter()
        .map(|deeds| top.submit(&["*", "cmd.run", &deeds.work(3)]))
        .collect();
    for jid in &jids {
        becomes(&top2, jid, "all work", |ledger| {
            ledger.count("running") == 4
        });
    }
    let own = top2.run(0, &["*", "test.ping"]);
    tree.node_mut("top").kill();
    let rows = top2.json(&["jobs", "adopt", "--of", "top"]);
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "{rows:#}");
    for jid in &jids {
        becomes(&top2, jid, "all have returned", Ledger::is_finished).all_ok(&ALL);
    }
    top2.expect(4, &["jobs", "adopt", own.jid()])
        .complains("own");
    top2.expect(2, &["jobs", "adopt", "20200101000000000000"]);
    tree.cli("ams-hub")
        .expect(4, &["jobs", "adopt", &jids[0]])
        .complains("only a top-master");
    for deeds in &deeds {
        assert_eq!(deeds.of("begin"), ALL);
    }
}

/// P3, P4: nobody says anything: a job whose owner lives stays where it is, however long it takes; one whose owner is dead finds a new
/// one when all sites have been without it for long enough.
#[test]
fn a_dead_owner_loses_its_jobs_by_itself() {
    const ADOPTED: &str = "a job is adopted";
    let mut tree = doubled_with("adopt_after: 2\n");
    let (top, top2) = (tree.top(), tree.cli("top2"));
    // Longer than that, with some rounds of questions in it.
    let deeds = Deeds::new(&tree, "lives");
    let jid = top.submit(&["*", "cmd.run", &deeds.work(6)]);
    becomes(&top2, &jid, "it has ended", Ledger::is_finished).all_ok(&ALL);
    assert!(!tree.node("top2").log().contains(ADOPTED));
    let deeds = Deeds::new(&tree, "dies");
    let work = deeds.work(3);
    let jid = top.submit(&["*", "cmd.run", &work, "-b", "2", "--time-limit", "20"]);
    becomes(&top2, &jid, "half of them work", |ledger| {
        ledger.count("running") == 2
    });
    tree.node_mut("top").kill();
    // The turns of the second half are the new owner's.
    let ledger = top2.job_becomes(&jid, "all have returned", Ledger::is_finished);
    ledger.all_ok(&ALL);
    assert!(tree.node("top2").log().contains(ADOPTED));
    follows(&mut tree, &jid, &deeds);
}
