//! Jobs that are given in turns: one budget over the whole tree, whatever happens to the hubs on the way.

use std::collections::BTreeSet;
use std::fs;

use integration::{Ledger, Tree, wait_for};

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// Lines that commands leave: who begins, and who ends, in the order in which it happened.
struct Diary(std::path::PathBuf);

impl Diary {
    fn new(tree: &Tree) -> Diary {
        Diary(tree.directory().join("diary"))
    }

    /// A command that lasts until `file` is there.
    fn until(&self, file: &std::path::Path) -> String {
        let diary = self.0.display();
        format!(
            "echo + $NODE >> {diary}; until [ -e {} ]; do sleep 0.05; done; echo - $NODE >> {diary}",
            file.display()
        )
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn begun(&self) -> usize {
        self.lines().iter().filter(|l| l.starts_with('+')).count()
    }

    /// The most that ran at once; and nobody began twice.
    #[track_caller]
    fn most_at_once(&self) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        let mut begun = BTreeSet::new();
        for line in self.lines() {
            if let Some(id) = line.strip_prefix("+ ") {
                assert!(begun.insert(id.to_owned()), "{id} began twice");
                now += 1;
            } else {
                now -= 1;
            }
            most = most.max(now);
        }
        most
    }
}

/// The budget holds over both sites, and each minion gets its turn.
#[test]
fn a_batch_is_one_budget_over_all_sites() {
    let tree = Tree::of_two_sites();
    let diary = Diary::new(&tree);
    let flag = tree.directory().join("flag");
    let jid = tree
        .top()
        .submit(&["-b", "2", "*", "cmd.run", &diary.until(&flag)]);
    wait_for("two begin", || (diary.begun() == 2).then_some(()));
    let ledger = tree.top().show(&jid);
    assert_eq!(
        ledger.count("running") + ledger.count("queued"),
        4,
        "{ledger:#?}"
    );
    fs::write(&flag, "").expect("a flag");
    let ledger = tree
        .top()
        .job_becomes(&jid, "all had their turn", Ledger::is_finished);
    ledger.all_ok(&ALL);
    assert_eq!(diary.most_at_once(), 2);
}

/// P3: the plan is on the top's disk, the turns on the hubs'. Nobody begins twice, and never more than the budget runs.
#[test]
fn a_batch_survives_the_death_of_each_hub() {
    let mut tree = Tree::of_two_sites();
    let diary = Diary::new(&tree);
    let flag = tree.directory().join("flag");
    let top = tree.top();
    let jid = top.submit(&["-b", "1", "*", "cmd.run", &diary.until(&flag)]);
    for hub in ["top", "eu-hub", "ams-hub", "fra-hub"] {
        wait_for("one begins", || (diary.begun() == 1).then_some(()));
        tree.node_mut(hub).kill();
        tree.node_mut(hub).start();
    }
    tree.answers("top");
    tree.heals();
    assert_eq!(diary.begun(), 1, "the others wait");
    fs::write(&flag, "").expect("a flag");
    let ledger = top.job_becomes(&jid, "all had their turn", Ledger::is_finished);
    ledger.all_ok(&ALL);
    assert_eq!(diary.most_at_once(), 1);
}

/// A site that is cut off with a turn keeps the place: its minion may be running.
#[test]
fn a_place_behind_a_cut_is_not_given_away() {
    let tree = Tree::of_two_sites();
    let diary = Diary::new(&tree);
    let flag = tree.directory().join("flag");
    let top = tree.top();
    let jid = top.submit(&["-b", "1", "ams-*", "cmd.run", &diary.until(&flag)]);
    wait_for("one begins", || (diary.begun() == 1).then_some(()));
    tree.wire("ams-wan").cut();
    tree.minion_is("ams-web1", "cut-off");
    let ledger = top.job_becomes(&jid, "the cut is known", |ledger| {
        ledger.count("unreachable") == 2
    });
    assert_eq!(ledger.count("running"), 0);
    fs::write(&flag, "").expect("a flag");
    tree.wire("ams-wan").heal();
    tree.heals();
    // The one that ran in the cut is known now. The other one had no turn: its site was away when the rollout ended.
    let ledger = top.job_becomes(&jid, "its return arrives", |ledger| {
        ledger.is_finished() && ledger.count("ok") == 1
    });
    assert_eq!(ledger.count("expected"), 2, "{ledger:#?}");
    assert_eq!(diary.begun(), 1);
}

#[test]
fn stages_are_checked_and_rules_stop() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    // The first stage fails its check: nobody else begins.
    let ledger = top.run(
        4,
        &[
            "*",
            "test.ping",
            "--stages",
            "1",
            "--stage-check",
            "cmd.run false",
        ],
    );
    assert_eq!((ledger.count("ok"), ledger.count("refused")), (1, 3));
    let ledger = top.run(
        0,
        &[
            "*",
            "test.ping",
            "--stages",
            "1,50%",
            "--stage-check",
            "test.ping",
        ],
    );
    ledger.all_ok(&ALL);
    // A first failure ends a staged rollout.
    let ledger = top.run(1, &["*", "cmd.run", "false", "--stages", "1"]);
    assert_eq!((ledger.count("failed"), ledger.count("refused")), (1, 3));
    // One failure at a site ends it there, and nowhere else.
    let command = "case $NODE in ams*) false;; esac";
    let ledger = top.run(
        1,
        &[
            "-b",
            "1",
            "--stop-failed",
            "1/site",
            "*",
            "cmd.run",
            command,
        ],
    );
    assert_eq!(ledger.count("failed"), 1, "{ledger:#?}");
    assert_eq!(ledger.ids("ok"), ["fra-db1", "fra-db2"]);
    assert_eq!(ledger.count("refused"), 1);
    top.expect(64, &["run", "*", "test.ping", "-b", "0"])
        .complains("amount");
    top.expect(64, &["run", "*", "test.ping", "--batch-wait", "1"]);
}

#[test]
fn a_rollout_waits_for_a_word_and_stops_at_one() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    let staged = ["--stages", "1", "--stage-confirm", "*", "test.ping"];
    let jid = top.submit(&staged);
    let asks = |ledger: &Ledger| ledger.field("rollout")["doing"] == "asking";
    let ledger = top.job_becomes(&jid, "it asks", asks);
    assert_eq!(ledger.count("ok"), 1);
    top.expect(0, &["jobs", "continue", &jid]);
    top.job_becomes(&jid, "it goes on", Ledger::is_finished)
        .all_ok(&ALL);

    let jid = top.submit(&staged);
    top.job_becomes(&jid, "it asks", asks);
    top.expect(0, &["jobs", "stop", &jid]);
    let ledger = top.job_becomes(&jid, "it ends", Ledger::is_finished);
    assert_eq!((ledger.count("ok"), ledger.count("refused")), (1, 3));
    let stopped = ledger.ids("refused")[0].to_owned();
    let reason = ledger.minion(&stopped)["reason"].clone();
    assert!(
        reason
            .as_str()
            .is_some_and(|text| text.starts_with("stopped by ")),
        "{reason}"
    );
    top.expect(4, &["jobs", "continue", &jid])
        .complains("has ended");
}
