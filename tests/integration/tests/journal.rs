//! The journal of jobs: who ordered what, what was refused, and what came out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use integration::{Ledger, Tree, wait_for};
use serde_json::Value;

fn entries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let entry = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(entry).collect()
}

/// The entries of one sort, once there are so many.
#[track_caller]
fn events(path: &Path, event: &str, count: usize) -> Vec<Value> {
    wait_for("so many entries", || {
        let mut entries = entries(path);
        entries.retain(|entry| entry["event"] == event);
        (entries.len() >= count).then_some(entries)
    })
}

#[test]
fn the_journal_says_who_did_what_and_what_came_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.journal");
    let settings = format!(
        "journal_file: {}\npolicy:\n- {{who: '*', deny: [cmd.retcode], target: 'G@role:db'}}\n",
        path.display()
    );
    let tree = Tree::of_two_sites_with(&settings);
    let top = tree.top();
    let user = top.run(0, &["*", "test.ping"]).field("user").clone();
    top.run(
        1,
        &["ams-*", "cmd.run", "echo hunter2; exit 3", "shell=/bin/sh"],
    );
    top.expect(4, &["run", "*", "cmd.retcode", "exit 0"]);
    top.expect(4, &["run", "--expect", "3", "*", "test.ping"]);
    top.run(0, &["--override", "it burns", "*", "cmd.retcode", "exit 0"]);

    let accepted = events(&path, "accepted", 3);
    assert_eq!(accepted.len(), 3, "{accepted:#?}");
    assert!(
        accepted
            .iter()
            .all(|entry| entry["user"] == user && entry["origin"] == "top")
    );
    let field = |entries: &[Value], name: &str| -> Vec<Value> {
        entries.iter().map(|entry| entry[name].clone()).collect()
    };
    assert_eq!(
        field(&accepted, "fun"),
        ["test.ping", "cmd.run", "cmd.retcode"]
    );
    assert_eq!(field(&accepted, "minions"), [4, 2, 4]);
    assert_eq!(accepted[1]["args"], 1);
    assert_eq!(accepted[1]["kwargs"], serde_json::json!(["shell"]));
    assert_eq!(accepted[1]["target"], "ams-*");
    assert_eq!(accepted[2]["override"], "it burns");
    assert_eq!(accepted[2]["passed_over"][0], "rule 1 of policy");

    let refused = events(&path, "refused", 2);
    let reason = |nth: usize| {
        refused[nth]["reason"]
            .as_str()
            .expect("a reason")
            .to_owned()
    };
    assert!(
        reason(0).contains("rule 1 of policy forbids cmd.retcode now"),
        "{}",
        reason(0)
    );
    assert!(
        reason(1).contains("the job is for 4 minions"),
        "{}",
        reason(1)
    );

    let finished = events(&path, "finished", 3);
    assert_eq!(field(&finished, "jid"), field(&accepted, "jid"));
    assert_eq!(finished[0]["outcomes"], serde_json::json!({"ok": 4}));
    assert_eq!(finished[1]["outcomes"], serde_json::json!({"failed": 2}));
    assert_eq!(finished[1]["expected"], 2);

    // What is secret in arguments stands nowhere, and not everybody may read the rest.
    let text = fs::read_to_string(&path).expect("a journal");
    assert!(!text.contains("hunter2"), "{text}");
    let mode = fs::metadata(&path).expect("a journal").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);

    let shown = top
        .expect(0, &["jobs", "journal", "--function", "cmd.*"])
        .out;
    assert_eq!(shown.lines().count(), 5, "{shown}");
    assert!(shown.contains("cmd.retcode on *: 4 minions"), "{shown}");
    assert!(shown.contains("override: it burns"), "{shown}");
    assert!(
        shown.contains("cmd.run on ams-*: 2 expected, 2 failed in "),
        "{shown}"
    );
    let none = top
        .expect(0, &["jobs", "journal", "--user", "nobody-at-all"])
        .out;
    assert_eq!(none, "");
    let all = top
        .expect(0, &["jobs", "journal", "--since", "1h", "--out", "json"])
        .out;
    assert_eq!(all, text);
}

/// What a site refuses stands in the journal of the site.
#[test]
fn a_site_keeps_a_journal_of_what_it_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.journal");
    let mut tree = Tree::new();
    let rules = format!(
        "journal_file: {}\npolicy:\n- {{who: '*', deny: [test.fib]}}\n",
        path.display()
    );
    tree.new_syndic("hub", "ams", &["top"], &rules);
    tree.accept("hub");
    tree.answers("hub");
    for id in ["m1", "m2"] {
        tree.new_minion(id, &["hub"], "");
    }
    tree.settle();
    let ledger = tree.top().run(4, &["*", "test.fib", "3"]);
    let refused = events(&path, "refused", 1);
    assert_eq!(refused[0]["jid"], ledger.jid());
    assert_eq!(
        (&refused[0]["origin"], &refused[0]["minions"]),
        (&"top".into(), &2.into())
    );
    let none = tree.top().expect(70, &["jobs", "journal"]);
    none.complains("`journal_file` in the settings names one");
}

/// A rotation moves the file away; a device without room stops no job, and nothing is missing when there is room again.
#[test]
fn the_journal_follows_its_name_and_waits_for_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.journal");
    let mut tree = Tree::with_top(&format!("journal_file: {}\n", path.display()));
    tree.new_minion("m1", &["top"], "");
    tree.settle();
    let top = tree.top();
    let ping = || top.run(0, &["*", "test.ping"]).jid().to_owned();

    let first = ping();
    assert_eq!(events(&path, "finished", 1)[0]["jid"], *first);
    let old = folder.path().join("jobs.journal.1");
    fs::rename(&path, &old).expect("is moved");
    let second = ping();
    assert_eq!(events(&path, "finished", 1)[0]["jid"], *second);
    assert_eq!(entries(&old).len(), 2);

    fs::remove_file(&path).expect("is removed");
    std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
    let third = ping();
    let fourth = ping();
    wait_for("the log says so", || {
        let log = tree.node("top").log();
        log.contains("the journal of jobs can't be written, jobs go on")
            .then_some(())
    });
    top.job_becomes(&fourth, "jobs go on", Ledger::is_finished);
    fs::remove_file(&path).expect("is removed");
    let finished = events(&path, "finished", 2);
    assert_eq!(
        [&finished[0]["jid"], &finished[1]["jid"]],
        [third.as_str(), fourth.as_str()]
    );
    assert_eq!(entries(&path).len(), 4);
}
