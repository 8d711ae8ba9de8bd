//! Which of the minions that match are meant, who would be, and how many the operator has to say.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use integration::{Cli, Deeds, Ledger, Tree, directory, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];
const FRA: [&str; 2] = ["fra-db1", "fra-db2"];
const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// Addresses and networks of both families, alone, in compounds and nodegroups, at any depth.
#[test]
fn addresses_mean_the_minions_that_have_them() {
    let groups = "nodegroups:\n  lan: 'S@10.7.0.0/16'\n  far: ['N@lan', 'and', 'not', 'near']\n";
    let mut tree = Tree::of_two_sites_with(groups);
    let net =
        |v4: &str, v6: &str| format!("grains:\n  ipv4: [127.0.0.1, {v4}]\n  ipv6: ['{v6}']\n");
    tree.new_minion("near", &["top"], &net("10.7.1.1", "fd00:7::1"));
    tree.new_minion("far", &["ams-hub"], &net("10.7.2.1", "fd00:8::1"));
    tree.settle();
    let check = |target: &[&str], expected: &[&str]| {
        let arguments = [target, &["test.ping"]].concat();
        tree.top().run(0, &arguments).all_ok(expected);
    };
    check(&["-S", "10.7.2.1"], &["far"]);
    check(&["-S", "10.7.0.0/16"], &["far", "near"]);
    check(&["-S", "10.7.0.0/16", "--site", "eu"], &["far"]);
    check(&["--ipcidr", "fd00:7::/32"], &["near"]);
    check(
        &["-C", "S@10.7.0.0/255.255.0.0 and not S@fd00:8::1"],
        &["near"],
    );
    check(&["-N", "lan"], &["far", "near"]);
    check(&["-N", "far"], &["far"]);
    tree.top()
        .expect(2, &["run", "-S", "10.8.0.0/16", "test.ping"]);
    let said = tree
        .top()
        .expect(64, &["run", "-S", "10.7.1.1/16", "test.ping"]);
    said.complains("bits of an address beyond its network");
}

/// Chance chooses so many, by id and once; what the roster says and what an earlier job left narrow any target.
#[test]
fn the_choice_is_exact_and_made_once() {
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let mut seen = BTreeSet::new();
    for number in [1, 3, 9] {
        let ledger = top.run(0, &["*", "--subset", &number.to_string(), "test.ping"]);
        assert_eq!(ledger.count("expected"), number.min(4), "{ledger:#?}");
        assert_eq!(ledger.ids("ok").len(), number.min(4));
        // The account says who was chosen, then and later.
        assert_eq!(top.show(ledger.jid()).ids("ok"), ledger.ids("ok"));
        seen.extend(ledger.ids("ok").iter().map(|id| (*id).to_owned()));
    }
    assert_eq!(seen, ALL.map(str::to_owned).into());
    let ledger = top.run(
        0,
        &[
            "-G",
            "role:db",
            "--site",
            "eu/fra",
            "--subset",
            "1",
            "test.ping",
        ],
    );
    assert!(FRA.contains(&ledger.ids("ok")[0]), "{ledger:#?}");
    top.expect(64, &["run", "*", "--subset", "0", "test.ping"]);

    // What a job left, in any state that a retry knows.
    let failed = top.run(1, &["*", "cmd.run", "test $NODE != fra-db1"]);
    let jid = failed.jid();
    top.run(0, &["*", "--failed-in", jid, "test.ping"])
        .all_ok(&["fra-db1"]);
    top.run(0, &["*", "--left-in", jid, "test.ping"])
        .all_ok(&["fra-db1"]);
    let said = top.expect(2, &["run", "ams-*", "--failed-in", jid, "test.ping"]);
    said.complains("the target matches 2 minions, and none of them is left failed");
    let said = top.expect(
        2,
        &["run", "*", "--left-in", &format!("{jid}:lost"), "test.ping"],
    );
    said.complains("left lost");
    let said = top.expect(
        2,
        &[
            "run",
            "*",
            "--failed-in",
            "20200101000000000000",
            "test.ping",
        ],
    );
    said.complains("there is no job 20200101000000000000");

    // How the roster has it.
    tree.node_mut("ams-web1").kill();
    tree.minion_is("ams-web1", "down");
    tree.wire("fra-wan").cut();
    tree.minion_is("fra-db1", "cut-off");
    let top = tree.top();
    top.run(0, &["*", "--state", "up", "test.ping"])
        .all_ok(&["ams-web2"]);
    let ledger = top.run(3, &["*", "--state", "down", "test.ping"]);
    assert_eq!(ledger.ids("unreachable"), ["ams-web1"]);
    let ledger = top.run(3, &["*1", "--state", "down,cut-off", "test.ping"]);
    assert_eq!(ledger.ids("unreachable"), ["ams-web1", "fra-db1"]);
    let ledger = top.run(
        3,
        &["*", "--state", "cut-off", "--subset", "1", "test.ping"],
    );
    assert_eq!(ledger.count("expected"), 1);
    top.expect(2, &["run", "fra-*", "--state", "up", "test.ping"]);
    let left = top.run(3, &["*", "test.ping"]);
    let unreachable = format!("{}:unreachable", left.jid());
    let ledger = top.run(
        3,
        &[
            "*",
            "--left-in",
            &unreachable,
            "--state",
            "cut-off",
            "test.ping",
        ],
    );
    assert_eq!(ledger.ids("unreachable"), FRA);
}

/// A preview names by site who would be hit and how they stand, also behind a cut, and runs nothing.
#[test]
fn a_preview_names_everyone_and_runs_nothing() {
    let mut tree = Tree::of_two_sites();
    let deeds = Deeds::new(&tree, "preview");
    let jobs = tree.top().json(&["jobs", "list"]);
    let work = deeds.work(0);
    let preview = |cli: Cli, target: &[&str]| {
        let arguments = [&["run"], target, &["cmd.run", &work, "--dry-run"]].concat();
        cli.json(&arguments)
    };
    let ids = |preview: &Value| -> Vec<String> {
        let rows = preview["minions"].as_array().expect("rows");
        let id = |row: &Value| row["id"].as_str().expect("an id").to_owned();
        rows.iter().map(id).collect()
    };
    let said = preview(tree.top(), &["*"]);
    assert_eq!(ids(&said), ALL);
    assert_eq!(
        (&said["counts"]["meant"], &said["counts"]["up"]),
        (&4.into(), &4.into())
    );
    assert_eq!(ids(&preview(tree.top(), &["-G", "role:web"])), AMS);
    assert_eq!(
        ids(&preview(tree.top(), &["*1", "--site", "eu/fra"])),
        ["fra-db1"]
    );
    assert_eq!(ids(&preview(tree.top(), &["*", "--subset", "3"])).len(), 3);
    // A syndic that may order in its site previews that.
    tree.top().expect(
        0,
        &["delegate", "ams-hub", "--functions", "*", "--ttl", "1h"],
    );
    wait_for("the right arrives", || {
        let said = tree.cli("ams-hub").call(&["run", "*", "--dry-run"]);
        (said.code == Some(0)).then_some(())
    });
    assert_eq!(ids(&preview(tree.cli("ams-hub"), &["*"])), AMS);

    tree.node_mut("ams-web1").kill();
    tree.minion_is("ams-web1", "down");
    tree.wire("fra-wan").cut();
    tree.minion_is("fra-db1", "cut-off");
    // Without a function too, as Salt's word for it has it.
    let said = tree.top().expect(0, &["run", "*", "--preview-target"]);
    said.complains("Nothing was run.");
    for line in [
        "ams-web1  eu/ams  down",
        "ams-web2  eu/ams  up",
        "fra-db2   eu/fra  cut off",
    ] {
        assert!(said.out.contains(line), "{line}: {said:#?}");
    }
    let said = preview(tree.top(), &["*"]);
    assert_eq!(said["counts"]["cut_off"], 2, "{said:#}");
    assert_eq!(said["counts"]["down"], 1, "{said:#}");
    assert_eq!(said["sites"][1]["path"], "eu/fra");
    assert!(said["sites"][1]["cut_since"].is_string(), "{said:#}");
    // Nobody, with the code of a job for nobody; a wrong target with that of a wrong target.
    tree.top()
        .expect(2, &["run", "nobody*", "test.ping", "--dry-run"]);
    tree.top()
        .expect(2, &["run", "fra-*", "--state", "up", "--dry-run"]);
    tree.top().expect(64, &["run", "-E", "(", "--dry-run"]);
    let said = tree
        .top()
        .expect(0, &["run", "-L", "ams-web1,ghost", "--dry-run"]);
    said.complains("Nobody has the id ghost.");

    assert_eq!(tree.top().json(&["jobs", "list"]), jobs);
    assert!(deeds.of("begin").is_empty());
}

/// The hub decides how many are too many; a count that is not right is refused, and nothing runs.
#[test]
fn a_job_for_many_is_taken_with_their_count_alone() {
    let tree = Tree::of_two_sites_with("confirm_above: 2\n");
    let deeds = Deeds::new(&tree, "confirm");
    let work = deeds.work(0);
    let top = tree.top();
    top.run(0, &["ams-*", "test.ping"]).all_ok(&AMS);
    let said = top.expect(4, &["run", "*", "cmd.run", &work]);
    said.complains("The job is for 4 minions, more than the 2 of confirm_above.");
    said.complains("--expect 4");
    let said = top.expect(4, &["run", "*", "--expect", "5", "cmd.run", &work]);
    said.complains("the job is for 4 minions and not for 5; nothing runs");
    // Below the limit too, where a count is given.
    top.expect(4, &["run", "ams-*", "--expect", "1", "cmd.run", &work]);
    top.expect(
        4,
        &[
            "run", "*", "--expect", "4", "--subset", "3", "cmd.run", &work,
        ],
    );
    let said = top.expect(0, &["run", "*", "--dry-run"]);
    said.complains("More than the 2 of confirm_above");
    assert!(deeds.of("begin").is_empty());
    top.run(0, &["*", "--subset", "2", "test.ping"]);
    let ledger = top.run(1, &["*", "--expect", "4", "cmd.run", "false"]);
    assert_eq!(ledger.ids("failed"), ALL);
    // Also what is run again; what ends a job is never asked about.
    let said = top.expect(4, &["jobs", "retry", ledger.jid()]);
    said.complains("--expect 4");
    top.expect(1, &["jobs", "retry", ledger.jid(), "--expect", "4"]);
    let jid = top.submit(&["*", "--expect", "4", "cmd.run", "sleep 600"]);
    top.job_becomes(&jid, "all run", |ledger| ledger.ids("running").len() == 4);
    let said = top.call(&["jobs", "cancel", &jid]);
    assert!(!said.err.contains("confirm_above"), "{said:#?}");
    top.job_becomes(&jid, "it ends", Ledger::is_finished);
}

/// On a terminal the count is asked for; another number runs nothing.
#[test]
fn a_terminal_is_asked_for_the_count() {
    let tree = Tree::of_two_sites_with("confirm_above: 2\n");
    let root = tree.node("top").root().to_owned();
    let typed = |answer: Option<&str>| -> (Option<i32>, String, String) {
        let ends = nix::pty::openpty(None, None).expect("a terminal");
        let mut command = Command::new(directory().join("top-master"));
        command.arg("--root-dir").arg(&root);
        command.args(["run", "*", "test.ping", "--out", "ledger"]);
        command
            .stdin(ends.slave)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        drop(command);
        let mut terminal = File::from(ends.master);
        let mut err = String::new();
        let mut stream = child.stderr.take().expect("a pipe");
        while !err.contains("to go on:") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).expect("a pipe"), 1, "{err}");
            err.push(char::from(byte[0]));
        }
        assert!(err.contains("Type 4 to go on:"), "{err}");
        match answer {
            Some(answer) => terminal.write_all(answer.as_bytes()).expect("a terminal"),
            None => kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs"),
        }
        stream.read_to_string(&mut err).expect("text");
        let output = child.wait_with_output().expect("it ends");
        let out = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), out, err)
    };
    let (code, out, err) = typed(Some("4\n"));
    assert_eq!(code, Some(0), "{out} {err}");
    Ledger::parse(&out).all_ok(&ALL);
    for answer in ["5\n", "\n", "y\n"] {
        let (code, out, err) = typed(Some(answer));
        assert_eq!((code, out.as_str()), (Some(4), ""), "{answer:?}: {err}");
        assert!(err.contains("Nothing runs."), "{err}");
    }
    // Ctrl-C at the question ends the command as it ends others: by the signal.
    let (code, out, err) = typed(None);
    assert_eq!((code, out.as_str()), (None, ""), "{err}");
    let jobs = tree.top().json(&["jobs", "list"]);
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs:#}");
}
