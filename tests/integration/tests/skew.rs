//! Neighbouring releases in one tree (P10): the present programs beside those of the previous release.

use std::collections::BTreeSet;

use integration::Release::{Present, Previous};
use integration::{Deeds, Ledger, Release, Releases, Remote, Tree, wait_for};

const ALL: [&str; 3] = ["far1", "far2", "near"];
const FAR: [&str; 2] = ["far1", "far2"];
const HUBS: [&str; 2] = ["top", "ams-hub"];

/// `near` below `top`, and behind a cable `ams-hub` with `far1` and `far2`.
fn tree_of(top: Release, syndics: Release, minions: Release, remote: &Remote) -> Tree {
    let releases = Releases {
        top,
        syndics,
        minions,
    };
    let mut tree = Tree::of_releases(releases, &remote.settings());
    tree.cable("ams-wan", "top");
    tree.syndic("ams-hub", "ams", &["ams-wan"]);
    for id in FAR {
        tree.new_minion(id, &["ams-hub"], "");
    }
    tree.new_minion("near", &["top"], "");
    tree.settle();
    tree
}

/// What every node says of its own version, as the top-master shows it.
#[track_caller]
fn versions_are_shown(tree: &Tree) {
    let roster = tree.roster();
    let rows = |of: &serde_json::Value| of.as_array().cloned().unwrap_or_default();
    let hubs = rows(&roster["sites"]);
    let hubs = hubs.iter().flat_map(|site| rows(&site["hubs"]));
    for row in hubs.chain(rows(&roster["minions"])) {
        let id = row["id"].as_str().expect("an id");
        assert_eq!(row["software"], tree.node(id).release().version(), "{id}");
    }
}

/// P3, P4: a job over a line that is cut meanwhile.
fn late_returns_count_once(tree: &Tree) {
    let deeds = Deeds::new(tree, "cut");
    let top = tree.top();
    let jid = top.submit(&["*", "cmd.run", &deeds.work(1)]);
    deeds.all("begin", &ALL);
    tree.wire("ams-wan").cut();
    let ledger = top.job_becomes(&jid, "the cut is told", Ledger::is_finished);
    assert_eq!(ledger.ids("unreachable"), FAR, "{ledger:#?}");
    deeds.all("end", &ALL);
    tree.wire("ams-wan").heal();
    let ledger = top.job_becomes(&jid, "late returns arrive", |l| l.count("ok") == 3);
    ledger.all_ok(&ALL);
    assert_eq!(deeds.of("begin"), ALL);
    works(tree, &ALL);
}

/// P3, P4, P5: each hub dies while minions work.
fn hubs_die_and_lose_nothing(tree: &mut Tree) {
    for hub in HUBS {
        let deeds = Deeds::new(tree, hub);
        let jid = tree.top().submit(&["*", "cmd.run", &deeds.work(1)]);
        deeds.all("begin", &ALL);
        tree.node_mut(hub).kill();
        deeds.all("end", &ALL);
        tree.node_mut(hub).start();
        tree.answers("top");
        let all_ok = |ledger: &Ledger| ledger.count("ok") == 3;
        let ledger = tree.top().job_becomes(&jid, "returns arrive", all_ok);
        ledger.all_ok(&ALL);
        assert_eq!(deeds.of("begin"), ALL, "{hub}");
        works(tree, &ALL);
    }
}

/// P7: all sites serve one commit, and a job that names it reads it.
fn roots_are_one(tree: &Tree, commit: &str) {
    wait_for("every hub serves the roots", || {
        tree.top().call(&["roots", "update", "--wait=30"]);
        let rows = tree.top().json(&["roots", "status"]);
        let served: BTreeSet<_> = rows
            .as_array()?
            .iter()
            .map(|row| row["report"]["commit"].to_string())
            .collect();
        (served.len() == 1 && !served.contains("\"\"")).then_some(())
    });
    let read = ["*", "cp.get_file_str", "salt://motd", "--roots", commit];
    let ledger = tree.top().run(0, &read);
    ledger.all_ok(&ALL);
    for id in ALL {
        assert_eq!(ledger.returned(id), "first edition\n");
    }
}

/// Everything that a tree does, in a tree of these releases.
fn mix(top: Release, syndics: Release, minions: Release) {
    let remote = Remote::new();
    let commit = remote.push("motd", "first edition\n");
    let mut tree = tree_of(top, syndics, minions, &remote);
    versions_are_shown(&tree);
    tree.top().run(0, &["*", "test.ping"]).all_ok(&ALL);
    let failed = tree.top().run(1, &["far1", "cmd.run", "exit 3"]);
    assert_eq!(failed.ids("failed"), ["far1"], "{failed:#?}");
    roots_are_one(&tree, &commit);
    late_returns_count_once(&tree);
    hubs_die_and_lose_nothing(&mut tree);

    let cancelled = tree.top().submit(&["*", "test.sleep", "120"]);
    let all_run = |ledger: &Ledger| ledger.count("running") == 3;
    tree.top().job_becomes(&cancelled, "all work", all_run);
    tree.top().expect(0, &["jobs", "cancel", &cancelled]);
    let over = tree
        .top()
        .job_becomes(&cancelled, "all have stopped", Ledger::is_finished);
    assert_eq!(over.count("failed"), 3, "{over:#?}");
    tree.top().run(0, &["*", "test.ping"]).all_ok(&ALL);
}

#[test]
fn a_previous_minion_below_present_hubs() {
    mix(Present, Present, Previous);
}

#[test]
fn a_previous_syndic_between_present_neighbours() {
    mix(Present, Previous, Present);
}

#[test]
fn a_present_top_master_above_a_previous_tree() {
    mix(Present, Previous, Previous);
}

#[test]
fn a_previous_top_master_above_a_present_tree() {
    mix(Previous, Present, Present);
}

#[test]
fn a_present_syndic_between_previous_neighbours() {
    mix(Previous, Present, Previous);
}

#[test]
fn a_present_minion_below_previous_hubs() {
    mix(Previous, Previous, Present);
}

/// What the other mixes are compared with: all of it works within one release.
#[test]
fn a_tree_of_one_release() {
    mix(Present, Present, Present);
    mix(Previous, Previous, Previous);
}

const SITES: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// Waits until every minion answers: what a roster says may be a moment old.
#[track_caller]
fn works(tree: &Tree, ids: &[&str]) {
    tree.heals();
    wait_for("every minion answers", || {
        let said = tree
            .top()
            .call(&["run", "*", "test.ping", "--out", "ledger"]);
        let ledger = (said.code == Some(0)).then(|| Ledger::parse(&said.out))?;
        (ledger.ids("ok") == ids).then_some(())
    });
}

/// Every node in turn is replaced by one of the present release, while a job runs.
fn upgrade(order: &[&str]) {
    let mut tree = Tree::of_two_sites_of(Releases::all(Previous), "");
    let before = tree.top().run(0, &["*", "test.ping"]);
    before.all_ok(&SITES);
    for id in order {
        replace(&mut tree, id, Present);
    }
    versions_are_shown(&tree);
    tree.top().show(before.jid()).all_ok(&SITES);
    tree.top().run(0, &["*", "test.ping"]).all_ok(&SITES);
}

/// One node goes on as another release, in the middle of a job. Of a job that ran on this very node the outcome is lost,
/// and said to be; all others return, and nobody begins twice.
#[track_caller]
fn replace(tree: &mut Tree, id: &str, release: Release) {
    let deeds = Deeds::new(tree, &format!("{id}-{release:?}"));
    let jid = tree.top().submit(&["*", "cmd.run", &deeds.work(1)]);
    deeds.all("begin", &SITES);
    tree.node_mut(id).set_release(release);
    tree.node_mut(id).restart();
    tree.answers("top");
    let ledger = tree
        .top()
        .job_becomes(&jid, "the account is true", |ledger| {
            let is_known = |one: &&str| match ledger.outcome(one) {
                "ok" => true,
                "lost" => one == &id,
                _ => false,
            };
            ledger.is_finished() && SITES.iter().all(is_known)
        });
    assert_eq!(ledger.count("expected"), 4, "{ledger:#?}");
    assert_eq!(deeds.of("begin"), SITES);
    works(tree, &SITES);
}

#[test]
fn an_upgrade_from_the_top_down_loses_nothing() {
    upgrade(&[&["top", "eu-hub", "ams-hub", "fra-hub"], &SITES[..]].concat());
}

#[test]
fn an_upgrade_that_begins_with_syndics_loses_nothing() {
    upgrade(&[&["fra-hub", "ams-hub", "eu-hub"], &SITES[..], &["top"]].concat());
}

#[test]
fn an_upgrade_from_the_minions_up_loses_nothing() {
    upgrade(&[&SITES[..], &["ams-hub", "fra-hub", "eu-hub", "top"]].concat());
}

/// A node of each role goes back by one release, and forth again.
#[test]
fn a_node_may_go_back_by_one_release() {
    let mut tree = Tree::of_two_sites();
    for id in ["top", "ams-hub", "ams-web1"] {
        replace(&mut tree, id, Previous);
        replace(&mut tree, id, Present);
    }
    versions_are_shown(&tree);
}

/// P3: what one release has on disk for others, the other release tells.
#[test]
fn what_one_release_kept_the_other_tells() {
    let mut tree = Tree::of_two_sites_of(Releases::all(Previous), "");
    for (round, release) in [Present, Previous, Present].into_iter().enumerate() {
        let deeds = Deeds::new(&tree, &format!("kept-{round}"));
        let jid = tree.top().submit(&["ams-*", "cmd.run", &deeds.work(1)]);
        deeds.all("begin", &SITES[..2]);
        tree.wire("ams-wan").cut();
        deeds.all("end", &SITES[..2]);
        // The returns wait in the journals of their minions, and in the database of their hub.
        let all_ok = |ledger: &Ledger| ledger.count("ok") == 2;
        tree.cli("ams-hub")
            .job_becomes(&jid, "their hub has them", all_ok);
        for id in ["ams-web1", "ams-hub"] {
            tree.node_mut(id).set_release(release);
            tree.node_mut(id).restart();
        }
        tree.wire("ams-wan").heal();
        let ledger = tree.top().job_becomes(&jid, "returns arrive", all_ok);
        ledger.all_ok(&SITES[..2]);
        assert_eq!(deeds.of("begin"), &SITES[..2]);
        works(&tree, &SITES);
    }
}
