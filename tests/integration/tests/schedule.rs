//! Jobs by the clock of minions, and states at their start.

use std::fs;

use integration::{Follower, Remote, Tree, wait_for};
use serde_json::{Value, json};

/// Lines of a file; none when it is not there.
fn lines(path: &std::path::Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn call(tree: &Tree, words: &[&str]) -> Value {
    let ledger = tree.top().run(0, words);
    ledger.returned("m1").clone()
}

/// Jobs of the settings, of `schedule.add` and of the pillar run, tell what they return in Salt's shape, and follow what is changed.
#[test]
fn jobs_run_by_the_clock_and_tell_what_they_return() {
    let remote = Remote::new();
    let pillar = remote.checkout().join("pillar");
    fs::create_dir_all(&pillar).expect("a folder");
    fs::write(pillar.join("top.sls"), "base:\n  '*':\n    - jobs\n").expect("a file");
    let jobs =
        "schedule:\n  of_pillar:\n    function: test.echo\n    args: [pillar]\n    seconds: 3600\n";
    fs::write(pillar.join("jobs.sls"), jobs).expect("a file");
    remote.push("README", "x");
    let mut settings = remote.settings();
    settings.push_str("  pillar_root: pillar\n");
    let mut tree = Tree::with_top(&settings);
    tree.top().call(&["roots", "update", "--wait=30"]);
    let follower = Follower::of(&tree.top(), &["salt/job/*/ret/*"]);
    tree.new_minion(
        "m1",
        &["top"],
        concat!(
            "schedule:\n  of_settings:\n    function: test.echo\n    args: [settings]\n    seconds: 1\n",
            "    maxrunning: 1\n    metadata: {who: me}\n  wrong:\n    function: test.ping\n    secnods: 1\n",
        ),
    );
    tree.settle();
    let next = |name: &str| loop {
        let event = follower.next();
        if event["data"]["schedule"] == name {
            return event;
        }
    };
    let event = next("of_settings");
    let data = &event["data"];
    let jid = data["jid"].as_str().expect("a jid");
    assert_eq!(event["tag"], format!("salt/job/{jid}/ret/m1"));
    assert!(jid.ends_with("99"), "{jid}");
    assert_eq!(data["cmd"], "_return");
    assert_eq!(
        (&data["id"], &data["fun"]),
        (&json!("m1"), &json!("test.echo"))
    );
    assert_eq!(
        (&data["return"], &data["fun_args"]),
        (&json!("settings"), &json!(["settings"]))
    );
    assert_eq!(
        (&data["retcode"], &data["success"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(data["metadata"]["who"], "me");
    assert_eq!(next("of_pillar")["data"]["return"], "pillar");
    assert_ne!(next("of_settings")["data"]["jid"], jid);

    let wrong = call(&tree, &["m1", "schedule.job_status", "wrong"]);
    assert_eq!(wrong["_error"], "unknown key `secnods`");
    let added = call(
        &tree,
        &[
            "m1",
            "schedule.add",
            "added",
            "function=test.echo",
            "job_args=[added]",
            "seconds=3600",
        ],
    );
    assert_eq!(added["comment"], "Added job: added to schedule.");
    assert_eq!(next("added")["data"]["return"], "added");
    let ran = call(&tree, &["m1", "schedule.run_job", "added"]);
    assert_eq!(ran["comment"], "Scheduling Job added on minion.");
    assert_eq!(next("added")["data"]["return"], "added");
    let status = call(&tree, &["m1", "schedule.job_status", "added"]);
    assert_eq!(status["_last_return"]["success"], true, "{status}");

    // The pillar is followed when it is made anew, and a job that did not change does not run again.
    let more =
        format!("{jobs}  later:\n    function: test.echo\n    args: [later]\n    seconds: 3600\n");
    fs::write(pillar.join("jobs.sls"), more).expect("a file");
    remote.push("README", "y");
    tree.top().call(&["roots", "update", "--wait=30"]);
    call(&tree, &["m1", "saltutil.refresh_pillar"]);
    loop {
        let event = follower.next();
        assert_ne!(
            event["data"]["schedule"], "of_pillar",
            "it runs once in an hour"
        );
        if event["data"]["schedule"] == "later" {
            break;
        }
    }
}

/// What ran does not run again when the minion is killed and comes back, and what `schedule.*` changed stays.
#[test]
fn nothing_runs_twice_over_a_kill() {
    let mut tree = Tree::new();
    let (once, slow) = (tree.directory().join("once"), tree.directory().join("slow"));
    tree.new_minion("m1", &["top"], "");
    tree.settle();
    let now = call(
        &tree,
        &["m1", "cmd.run", "date -d '+15 seconds' +%Y-%m-%dT%H:%M:%S"],
    );
    let now = now.as_str().expect("a time");
    for (name, path, more) in [("once", &once, ""), ("slow", &slow, "; exec sleep 600")] {
        let args = format!("job_args=['echo x >> {}{more}']", path.display());
        let at = format!("once={now}");
        let words = ["m1", "schedule.add", name, "function=cmd.run", &args, &at];
        assert_eq!(call(&tree, &words)["result"], true);
    }
    for path in [&once, &slow] {
        wait_for("it runs", || (lines(path) == 1).then_some(()));
    }
    tree.node_mut("m1").kill();
    wait_for("it is missed", || (!tree.is_whole()).then_some(()));
    tree.node_mut("m1").start();
    tree.settle();
    // The schedule is at work again when a new job has run.
    let after = tree.directory().join("after");
    let args = format!("job_args=['echo x >> {}']", after.display());
    call(
        &tree,
        &[
            "m1",
            "schedule.add",
            "after",
            "function=cmd.run",
            &args,
            "seconds=3600",
        ],
    );
    wait_for("a new job runs", || (lines(&after) == 1).then_some(()));
    assert_eq!((lines(&once), lines(&slow)), (1, 1));
    let jobs = call(&tree, &["m1", "schedule.list", "return_yaml=False"]);
    assert_eq!(jobs["once"]["once"], now, "{jobs}");
    assert_eq!(
        call(&tree, &["m1", "schedule.delete", "once"])["result"],
        true
    );
}

/// A job that still runs is not begun a second time.
#[test]
fn maxrunning_holds() {
    let mut tree = Tree::new();
    let (path, other) = (
        tree.directory().join("deeds"),
        tree.directory().join("other"),
    );
    let settings = format!(
        "schedule:\n  slow:\n    function: cmd.run\n    args: ['echo x >> {}; exec sleep 600']\n    seconds: 1\n  \
         other:\n    function: cmd.run\n    args: ['echo x >> {}']\n    seconds: 1\n",
        path.display(),
        other.display()
    );
    tree.new_minion("m1", &["top"], &settings);
    tree.settle();
    wait_for("the other ran many times", || {
        (lines(&other) >= 4).then_some(())
    });
    assert_eq!(lines(&path), 1);
    let status = call(&tree, &["m1", "schedule.job_status", "slow"]);
    assert_eq!(status["_skip_reason"], "maxrunning", "{status}");
}

/// `startup_states` are applied once after the start, and told.
#[test]
fn states_are_applied_at_the_start() {
    let remote = Remote::new();
    let state = "one:\n  test.succeed_with_changes\n";
    fs::write(remote.checkout().join("app.sls"), state).expect("a file");
    remote.push("README", "x");
    let mut tree = Tree::with_top(&remote.settings());
    tree.top().call(&["roots", "update", "--wait=30"]);
    let follower = Follower::of(&tree.top(), &["salt/job/*/ret/m1"]);
    tree.new_minion("m1", &["top"], "startup_states: sls\nsls_list: [app]\n");
    tree.settle();
    let event = follower.next();
    assert_eq!(event["data"]["fun"], "state.sls", "{event}");
    assert_eq!(event["data"]["fun_args"], json!([["app"]]));
    assert_eq!(event["data"]["success"], true);
    let records = event["data"]["return"].as_object().expect("records");
    assert_eq!(records.len(), 1);
}
