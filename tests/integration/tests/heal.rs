//! Afterwards all is true again, unaided: links that changed under way, hubs that slept, hubs that lost their memory.

use std::path::Path;
use std::process::Command;

use integration::{Tree, wait_for};
use nix::sys::signal::Signal;

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];
const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// A command that leaves a line for each run, and takes a while.
fn work(tree: &Tree, deeds: &str) -> String {
    let file = tree.directory().join(format!("deeds-{deeds}"));
    format!("echo $NODE >> {}; sleep 1", file.display())
}

/// Who has run it, in order of id; a minion stands here as often as it did.
fn done(tree: &Tree, deeds: &str) -> Vec<String> {
    let file = tree.directory().join(format!("deeds-{deeds}"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut ids: Vec<_> = text.lines().map(str::to_owned).collect();
    ids.sort_unstable();
    ids
}

/// Ends a node as an operator does.
fn stop(tree: &mut Tree, id: &str) {
    tree.node(id).signal(Signal::SIGTERM);
    assert!(tree.node_mut(id).ended().success());
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp starts").success(), "{}", from.display());
}

/// Puts a directory in the place of another.
fn replace(place: &Path, by: &Path) {
    std::fs::remove_dir_all(place).expect("the directory is there");
    copy(by, place);
}

/// P4, P5: a router that gives a site another address in the middle of a job costs a session, and nothing else.
#[test]
fn a_site_gets_another_address() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    for wan in ["ams-wan", "eu-wan"] {
        let jid = top.submit(&["*", "cmd.run", &work(&tree, wan)]);
        top.job_becomes(&jid, "all work", |ledger| ledger.count("running") == 4);
        tree.wire(wan).rebind();
        let ledger = top.job_becomes(&jid, "all returns are there", |ledger| {
            ledger.count("ok") == 4
        });
        ledger.all_ok(&ALL);
        assert_eq!(done(&tree, wan), ALL);
    }
    tree.heals();
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);
}

/// P2, P5: a hub that was paused for longer than any link bears is told as cut off, and wakes up in a tree that went on.
#[test]
fn a_hub_is_paused() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    for (hub, cut, whole) in [("ams-hub", &ALL[..2], &ALL[2..]), ("eu-hub", &ALL[..], &[])] {
        tree.node(hub).signal(Signal::SIGSTOP);
        tree.minion_is("ams-web1", "cut-off");
        let ledger = top.run(3, &["*", "test.ping", "--start-within", "1"]);
        assert_eq!(ledger.ids("unreachable"), cut, "{hub}: {ledger:#?}");
        assert_eq!(ledger.ids("ok"), whole, "{hub}");
        tree.node(hub).signal(Signal::SIGCONT);
        tree.heals();
        top.run(0, &["*", "cmd.run", &work(&tree, hub)])
            .all_ok(&ALL);
        assert_eq!(done(&tree, hub), ALL);
    }
    // The top-master itself, under a job that ends meanwhile.
    let jid = top.submit(&["*", "cmd.run", &work(&tree, "top")]);
    top.job_becomes(&jid, "all work", |ledger| ledger.count("running") == 4);
    tree.node("top").signal(Signal::SIGSTOP);
    wait_for("eu-hub has lost its parent", || {
        let log = tree.node("eu-hub").log();
        log.contains("the session with the parent ended")
            .then_some(())
    });
    tree.node("top").signal(Signal::SIGCONT);
    let ledger = top.job_becomes(&jid, "all returns are there", |ledger| {
        ledger.count("ok") == 4
    });
    ledger.all_ok(&ALL);
    assert_eq!(done(&tree, "top"), ALL);
    tree.heals();
}

/// P3, P4, P5: a syndic whose database is of yesterday knows no job of today. Its parent does, and its minions too.
#[test]
fn a_syndic_is_restored_from_an_older_copy() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);
    stop(&mut tree, "ams-hub");
    let (state, old) = (tree.node("ams-hub").state(), tree.directory().join("old"));
    copy(&state, &old);
    tree.node_mut("ams-hub").start();
    tree.heals();

    let ledger = top.run(0, &["*", "cmd.run", &work(&tree, "before")]);
    let jid = ledger.jid().to_owned();
    // And one that is under way when the site is gone.
    let late = top.submit(&["*", "cmd.run", &work(&tree, "late")]);
    top.job_becomes(&late, "all work", |ledger| ledger.count("running") == 4);
    tree.node_mut("ams-hub").kill();
    replace(&state, &old);
    tree.node_mut("ams-hub").start();
    tree.heals();

    top.show(&jid).all_ok(&ALL);
    let ledger = top.job_becomes(&late, "all returns are there", |ledger| {
        ledger.count("ok") == 4
    });
    ledger.all_ok(&ALL);
    for deeds in ["before", "late"] {
        assert_eq!(done(&tree, deeds), ALL);
    }
    top.run(0, &["*", "cmd.run", &work(&tree, "after")])
        .all_ok(&ALL);
    assert_eq!(done(&tree, "after"), ALL);
}

/// P5: a syndic that has nothing left is a new one. Its id is taken until an operator lets the old key go, and its minions
/// are let in again; then the tree is as before.
#[test]
fn a_syndic_loses_everything() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    tree.node_mut("ams-hub").kill();
    std::fs::remove_dir_all(tree.node("ams-hub").state()).expect("the state was there");
    tree.node_mut("ams-hub").start();
    wait_for("the double is refused", || {
        let log = tree.node("ams-hub").log();
        log.contains("another key holds").then_some(())
    });
    // Nobody has taken its place meanwhile.
    let ledger = top.run(3, &["*", "test.ping", "--start-within", "1"]);
    assert_eq!(ledger.ids("unreachable"), AMS);

    top.expect(0, &["keys", "delete", "ams-hub", "-y"]);
    tree.node_mut("ams-hub").kill();
    tree.node_mut("ams-hub").start();
    tree.accept("ams-hub");
    tree.answers("ams-hub");
    for id in AMS {
        // They come by themselves, within a minute: the test does not wait for the pause between two dials.
        tree.node_mut(id).kill();
        tree.node_mut(id).start();
    }
    tree.settle();
    top.run(0, &["*", "cmd.run", &work(&tree, "after")])
        .all_ok(&ALL);
    assert_eq!(done(&tree, "after"), ALL);
}

/// Lets a minion of fra go, and in again at ams.
fn move_to_ams(tree: &mut Tree, id: &str) {
    let top = tree.top();
    stop(tree, id);
    top.expect(0, &["keys", "delete", id, "-y"]);
    let own = integration::settings(id);
    let text = format!("{own}{}", tree.child_settings(&["ams-hub"]));
    tree.node(id).configure(&text);
    tree.node_mut(id).start();
    tree.accept(id);
    tree.minion_is(id, "up");
    tree.heals();
}

/// P1, P5: a host that moves is one minion, first there, then here.
#[test]
fn a_minion_moves_to_another_site() {
    let mut tree = Tree::of_two_sites();
    move_to_ams(&mut tree, "fra-db1");
    for (path, count) in [("eu/ams", 3), ("eu/fra", 1)] {
        assert_eq!(tree.site(path)["counts"]["accepted"], count, "{path}");
    }
    let ledger = tree.top().run(0, &["*", "cmd.run", &work(&tree, "after")]);
    ledger.all_ok(&ALL);
    assert_eq!(ledger.minion("fra-db1")["path"], "eu/ams");
    assert_eq!(done(&tree, "after"), ALL);
}

/// P1, P4: what a minion did at its old place counts once, and under its name.
#[test]
fn a_minion_that_moved_stays_in_old_accounts() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let before = top.run(0, &["*", "cmd.run", &work(&tree, "before")]);
    move_to_ams(&mut tree, "fra-db1");
    top.run(0, &["*", "test.ping"]).all_ok(&ALL);
    let before = top.show(before.jid());
    before.all_ok(&ALL);
    assert_eq!(before.count("expected"), ALL.len());
}

/// P4, P5: a top-master of yesterday learns from its sites who is there today, and gives no job an id that was given before.
#[test]
fn a_top_master_is_restored_from_an_older_copy() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    stop(&mut tree, "top");
    let (state, old) = (tree.node("top").state(), tree.directory().join("old"));
    copy(&state, &old);
    tree.node_mut("top").start();
    tree.answers("top");
    tree.heals();

    let known = top.run(0, &["*", "cmd.run", &work(&tree, "before")]);
    let late = top.submit(&["*", "cmd.run", &work(&tree, "late")]);
    top.job_becomes(&late, "all work", |ledger| ledger.count("running") == 4);
    tree.new_minion("ams-web3", &["ams-hub"], "");
    tree.settle();
    tree.node_mut("top").kill();
    replace(&state, &old);
    tree.node_mut("top").start();
    tree.answers("top");
    tree.heals();

    let mut all = ALL.to_vec();
    all.insert(2, "ams-web3");
    let ledger = top.run(0, &["*", "cmd.run", &work(&tree, "after")]);
    ledger.all_ok(&all);
    assert_eq!(done(&tree, "after"), all);
    for deeds in ["before", "late"] {
        assert_eq!(done(&tree, deeds), ALL);
    }
    assert!(ledger.jid() > known.jid() && ledger.jid() > late.as_str());
    let jobs = top.json(&["jobs", "list"]);
    let unfinished: Vec<_> = jobs
        .as_array()
        .expect("jobs")
        .iter()
        .filter(|job| job["finished"].is_null())
        .collect();
    assert!(unfinished.is_empty(), "{unfinished:#?}");
}
