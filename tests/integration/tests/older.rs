//! What the present release can and the previous one can't, in a tree of both: it works as far as it goes, and says what does
//! not go and why.

use integration::Release::{Present, Previous};
use integration::{Cli, Deeds, Release, Releases, Tree};

/// `near` below a present `top`, and `ams-hub` with `far1` and `far2`.
fn tree_of(syndics: Release, minions: Release) -> Tree {
    let releases = Releases {
        top: Present,
        syndics,
        minions,
    };
    let mut tree = Tree::of_releases(releases, "");
    tree.syndic("ams-hub", "ams", &["top"]);
    for id in ["far1", "far2"] {
        tree.new_minion(id, &["ams-hub"], "");
    }
    tree.new_minion("near", &["top"], "");
    tree.settle();
    tree
}

/// An old hub can't give turns: its minions are refused by name, with what to do about it, and nothing begins there. The rest
/// of the tree has its turns.
#[test]
fn a_batch_passes_by_an_older_hub_and_says_so() {
    let tree = tree_of(Previous, Present);
    let deeds = Deeds::new(&tree, "batch");
    let work = deeds.work(0);
    let said = tree.top().call(&["run", "-b", "1", "*", "cmd.run", &work]);
    assert_ne!(said.code, Some(0), "{said:#?}");
    let jid = tree.top().json(&["jobs", "list"])[0]["jid"].clone();
    let ledger = tree.top().show(jid.as_str().expect("a jid"));
    assert_eq!(ledger.ids("ok"), ["near"], "{ledger:#?}");
    assert_eq!(ledger.ids("refused"), ["far1", "far2"], "{ledger:#?}");
    for id in ["far1", "far2"] {
        assert_eq!(ledger.minion(id)["reason_code"], "too-old", "{ledger:#?}");
        let reason = ledger.minion(id)["reason"].to_string();
        let names = reason.contains("ams-hub") && reason.contains(&Previous.version());
        assert!(names && reason.contains("upgrade"), "{reason}");
    }
    assert_eq!(deeds.of("begin"), ["near"]);
    assert!(ledger.is_finished());
}

/// An old minion needs to know nothing of turns.
#[test]
fn a_batch_reaches_older_minions() {
    let tree = tree_of(Present, Previous);
    let deeds = Deeds::new(&tree, "batch");
    let ledger = tree
        .top()
        .run(0, &["-b", "1", "*", "cmd.run", &deeds.work(0)]);
    ledger.all_ok(&["far1", "far2", "near"]);
    assert_eq!(deeds.of("begin"), ["far1", "far2", "near"]);
}

/// An old hub makes no pillars: for its minions nobody can say whom a target by pillar means, and it says so. An old minion can't
/// read such a target.
#[test]
fn a_target_by_pillar_passes_by_what_is_older() {
    let target = ["-C", "not I@role:web", "test.ping"];
    let ledger = tree_of(Previous, Present).top().run(3, &target);
    assert_eq!(ledger.ids("ok"), ["near"], "{ledger:#?}");
    let undecided = ledger.field("undecided");
    for id in ["far1", "far2"] {
        assert_eq!(undecided[id]["reason_code"], "too-old", "{ledger:#?}");
    }
    let ledger = tree_of(Present, Previous).top().run(4, &target);
    assert_eq!(ledger.ids("refused"), ["far1", "far2", "near"]);
    let reason = ledger.minion("near")["reason"].to_string();
    assert!(reason.contains("does not parse here"), "{reason}");
}

/// An old hub keeps no job for minions that are down: it says at once that they are unreachable. Where hubs can, it is kept.
#[test]
fn a_job_is_kept_where_hubs_can_keep_it() {
    let mut tree = tree_of(Previous, Previous);
    for id in ["far1", "near"] {
        tree.node_mut(id).kill();
        tree.minion_is(id, "down");
    }
    let jid = tree.top().submit(&["--hold", "10m", "*", "test.ping"]);
    let ledger = tree
        .top()
        .job_becomes(&jid, "who can answer has answered", |ledger| {
            ledger.count("ok") == 1 && ledger.count("unreachable") == 1
        });
    assert_eq!(ledger.outcome("far1"), "unreachable", "{ledger:#?}");
    assert_eq!(ledger.minion("far1")["reason_code"], "minion-down");
    assert_eq!(ledger.outcome("near"), "queued", "{ledger:#?}");
    tree.node_mut("near").start();
    let ledger = tree
        .top()
        .job_becomes(&jid, "it was kept for near", |ledger| {
            ledger.count("ok") == 2
        });
    assert!(ledger.is_finished(), "{ledger:#?}");
    tree.node_mut("far1").start();
    tree.heals();
}

/// While a host is upgraded a command line may meet a daemon of the other release. What they can't say to each other is
/// refused with words, and starts nothing.
#[test]
fn a_command_line_of_another_release_is_understood_or_refused() {
    for (daemon, typed) in [(Previous, Present), (Present, Previous)] {
        let releases = Releases::all(daemon);
        let mut tree = Tree::of_releases(releases, "");
        tree.new_minion("web1", &["top"], "");
        tree.settle();
        let other = Cli::of(typed, "top-master", tree.node("top").root());
        let before = tree.top().json(&["jobs", "list"]);
        let said = other.call(&["run", "*", "test.ping"]);
        if said.code == Some(0) {
            continue;
        }
        assert!(said.out.is_empty(), "{said:#?}");
        assert!(said.err.contains("version"), "{said:#?}");
        assert_eq!(tree.top().json(&["jobs", "list"]), before);
        other.expect(0, &["tree"]);
        other.expect(0, &["keys", "list"]);
    }
}
