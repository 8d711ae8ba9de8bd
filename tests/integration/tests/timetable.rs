//! The hub's own schedule: runners by the clock, which a restart does not repeat.

use std::fs;
use std::process::Command;

use integration::{Remote, Tree, wait_for};
use serde_json::Value;

/// Jobs that the schedule ordered, or orchestrations that it began.
fn scheduled(tree: &Tree, fun: &str) -> Vec<Value> {
    let jobs = tree.top().json(&["jobs", "list", "--limit", "100"]);
    let jobs = jobs.as_array().expect("a list").iter();
    jobs.filter(|job| job["user"] == "schedule" && job["fun"] == fun)
        .cloned()
        .collect()
}

#[test]
fn runners_run_by_the_clock_and_once_over_a_restart() {
    let remote = Remote::new();
    let said =
        "said:\n  salt.function:\n    - name: test.echo\n    - arg: [scheduled]\n    - tgt: m1\n";
    fs::write(remote.checkout().join("nightly.sls"), said).expect("a file");
    remote.push("README", "roots\n");
    // It may be late by then, and runs all the same: its time is no longer ago than a minute.
    let soon = Command::new("date")
        .args(["-d", "+5 seconds", "+%Y-%m-%dT%H:%M:%S"])
        .output()
        .expect("date");
    let soon = String::from_utf8(soon.stdout).expect("a time");
    let schedule = "\
schedule:
  ping:
    function: salt.execute
    args: ['*', test.ping]
    seconds: 1
    maxrunning: 1
  nightly:
    function: state.orchestrate
    kwargs: {mods: nightly}
    once: SOON
  never:
    function: manage.up
    seconds: 1
    enabled: false
  wrong:
    function: no.such
    seconds: 3600
"
    .replace("SOON", soon.trim());
    let mut tree = Tree::with_top(&format!("{}{schedule}", remote.settings()));
    tree.new_minion("m1", &["top"], "");
    tree.settle();
    tree.top().expect(0, &["roots", "update", "--wait=60"]);
    wait_for("it pings again and again", || {
        (scheduled(&tree, "test.ping").len() >= 3).then_some(())
    });
    let jobs = scheduled(&tree, "test.ping");
    assert!(jobs.iter().all(|job| job["target"] == "*"), "{jobs:#?}");
    wait_for("the one of that time runs", || {
        (!scheduled(&tree, "runner.state.orchestrate").is_empty()).then_some(())
    });
    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    let before = scheduled(&tree, "test.ping").len();
    wait_for("it pings after the restart", || {
        (scheduled(&tree, "test.ping").len() > before).then_some(())
    });
    let began = scheduled(&tree, "runner.state.orchestrate");
    assert_eq!(began.len(), 1, "{began:#?}");
    let log = tree.node("top").log();
    assert!(log.contains("there is no runner no.such"), "{log}");
    assert!(!log.contains("fun=\"manage.up\""), "{log}");
}
