//! Jobs of an operator: who is meant, what comes back in which form, how it ends.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration::{Ledger, Tree};
use serde_json::{Value, json};

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];
const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// P1, P2: exactly the minions that are meant, by id; what is wrong with a target is said, with its place.
#[test]
fn targets_mean_exactly_the_minions_they_name() {
    let groups = "nodegroups:\n  webs: 'G@role:web'\n  both: 'N@webs or fra-db1'\n";
    let tree = Tree::of_two_sites_with(groups);
    let check = |target: &[&str], expected: &[&str]| {
        let arguments = [target, &["test.ping"]].concat();
        let ledger = tree.top().run(0, &arguments);
        ledger.all_ok(expected);
        assert!(ledger.is_finished());
        assert!(expected.iter().all(|id| ledger.returned(id) == true));
    };
    check(&["*"], &ALL);
    check(&["ams-*"], &AMS);
    check(&["*[12]"], &ALL);
    check(&["fra-db2"], &["fra-db2"]);
    check(&["eu/ams/*"], &AMS);
    check(&["eu/*/*1"], &["ams-web1", "fra-db1"]);
    check(&["*", "--site", "eu/fra"], &["fra-db1", "fra-db2"]);
    check(&["*1", "--site", "eu"], &["ams-web1", "fra-db1"]);
    check(&["-E", "(ams|fra)-[a-z]+1"], &["ams-web1", "fra-db1"]);
    check(&["-L", "fra-db1,ams-web2"], &["ams-web2", "fra-db1"]);
    check(&["-G", "role:db"], &["fra-db1", "fra-db2"]);
    check(&["-P", "role:(web|none)"], &AMS);
    check(
        &["-C", "G@role:web and not *2 or L@fra-db2"],
        &["ams-web1", "fra-db2"],
    );
    check(&["-N", "webs"], &AMS);
    check(&["-N", "both"], &["ams-web1", "ams-web2", "fra-db1"]);

    // Ids that nobody has are named; those that are there run.
    let ledger = tree
        .top()
        .run(3, &["-L", "ams-web1,ghost,wraith", "test.ping"]);
    ledger.all_ok(&["ams-web1"]);
    assert_eq!(ledger.field("unknown"), &json!(["ghost", "wraith"]));

    let none = tree.top().expect(2, &["run", "nobody*", "test.ping"]);
    none.complains("No minion matches the target.");
    for (target, place) in [
        (vec!["-C", "web* and Q@x"], "         ^"),
        (vec!["-C", "( web*"], "^"),
        (vec!["-E", "web["], "^"),
        (vec!["-N", "nogroup"], "nogroup"),
    ] {
        let said = tree
            .top()
            .expect(64, &[&["run"], &target[..], &["test.ping"]].concat());
        said.complains(place);
        said.complains(target[1]);
    }
}

/// P2: the exit code tells failed, nothing matched, unreachable and all is well apart.
#[test]
fn exit_codes_tell_outcomes_apart() {
    let mut tree = Tree::of_minions(&["m1", "m2"]);
    tree.top().expect(0, &["run", "*", "test.ping"]);
    let ledger = tree.top().run(1, &["*", "cmd.run", "test $NODE = m1"]);
    assert_eq!(
        (ledger.outcome("m1"), ledger.outcome("m2")),
        ("ok", "failed")
    );
    assert_eq!(ledger.minion("m2")["retcode"], 1);
    let said = tree.top().expect(1, &["run", "*", "nobody.knows_this"]);
    assert!(said.out.contains("is not available"), "{said:#?}");
    let said = tree.top().expect(1, &["run", "m1", "test.pingg"]);
    assert!(said.out.contains("Did you mean 'test.ping'?"), "{said:#?}");
    tree.top().expect(64, &["run", "*", "noFunction"]);
    tree.top().expect(2, &["run", "m9", "test.ping"]);

    // A minion that is gone is named at once, with its reason.
    tree.node_mut("m2").kill();
    tree.minion_is("m2", "down");
    let ledger = tree.top().run(3, &["*", "test.ping"]);
    assert_eq!(ledger.ids("ok"), ["m1"]);
    assert_eq!(ledger.outcome("m2"), "unreachable");
    assert_eq!(ledger.minion("m2")["reason_code"], "minion-down");
    assert!(ledger.minion("m2")["since"].is_string());
    let said = tree.top().expect(3, &["run", "*", "test.ping"]);
    assert!(said.out.contains("Not connected"), "{said:#?}");
    // Failed counts for more than unreachable.
    tree.top().expect(1, &["run", "*", "cmd.run", "false"]);
}

/// Arguments are read as Salt's command line reads them, and results are printed in every form that is promised.
#[test]
fn arguments_and_results_have_the_forms_of_salt() {
    let tree = Tree::of_minions(&["m1", "m2"]);
    let typed = [
        "m1", "test.arg", "1", "two", "3.5", "true", "[a, b]", "'{k: v}'", "null", "n=7",
        "m={a: 1}", "u=a=b",
    ];
    let ledger = tree.top().run(0, &typed);
    assert_eq!(
        ledger.returned("m1"),
        &json!({
            "args": [1, "two", 3.5, true, ["a", "b"], "{k: v}", null],
            "kwargs": {"n": 7, "m": {"a": 1}, "u": "a=b"},
        })
    );
    let ledger = tree.top().run(0, &["m1", "test.arg", "--", "-x", "--out"]);
    assert_eq!(ledger.returned("m1")["args"], json!(["-x", "--out"]));

    let print = |form: &[&str]| {
        let arguments = [&["run", "*", "test.echo", "{a: b}"], form].concat();
        tree.top().expect(0, &arguments).out
    };
    let documents = |text: &str| -> Vec<Value> {
        serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let echoed = json!({"a": "b"});
    assert_eq!(
        documents(&print(&["--out", "json"])),
        [json!({"m1": echoed}), json!({"m2": echoed})]
    );
    assert_eq!(
        documents(&print(&["--out", "json", "--static"])),
        [json!({"m1": echoed, "m2": echoed})]
    );
    assert_eq!(
        print(&["--out", "yaml", "--static"]),
        "m1:\n  a: b\nm2:\n  a: b\n"
    );
    assert_eq!(print(&["--out", "txt"]), "m1: {'a': 'b'}\nm2: {'a': 'b'}\n");
    assert_eq!(
        print(&["--out", "raw"]),
        "{'m1': {'a': 'b'}}\n{'m2': {'a': 'b'}}\n"
    );
    assert_eq!(print(&["--out", "quiet"]), "");
    assert!(print(&["--group"]).contains("2 minions"));
    assert!(print(&["--summary"]).contains("# of minions targeted: 2"));
    for form in ["nested", "json", "yaml", "txt", "raw"] {
        let out = print(&["--out", form]);
        assert!(out.contains("m1") && out.contains("m2"), "{form}: {out}");
    }
}

/// A job goes on without the command that started it, and can be found, shown and followed.
#[test]
fn a_job_can_be_left_and_followed() {
    let tree = Tree::of_minions(&["m1", "m2"]);
    let top = tree.top();
    let jid = top.submit(&["*", "test.sleep", "2"]);
    assert_eq!(jid.len(), 20, "{jid}");
    let listed = top.json(&["jobs", "list"]);
    assert_eq!(listed[0]["jid"], jid.as_str());
    assert_eq!(listed[0]["fun"], "test.sleep");
    assert!(!top.show(&jid).is_finished());
    let watched = top.expect(0, &["jobs", "watch", &jid, "--out", "json", "-s"]);
    assert_eq!(watched.json(), json!({"m1": true, "m2": true}));
    let ledger = top.show(&jid);
    ledger.all_ok(&["m1", "m2"]);
    assert!(ledger.is_finished());

    // The wait is over before the job: what is known is shown, and the rest comes later.
    let said = top.expect(
        3,
        &["run", "*", "test.sleep", "3", "-t", "1", "--out", "ledger"],
    );
    let left = Ledger::parse(&said.out);
    assert_eq!(left.ids("running"), ["m1", "m2"], "{left:#?}");
    said.complains(&format!("jobs watch {}", left.jid()));
    let end = top.job_becomes(
        left.jid(),
        "the job that was left ends",
        Ledger::is_finished,
    );
    end.all_ok(&["m1", "m2"]);
    top.expect(2, &["jobs", "show", "20010101000000000000"]);
}

/// P6: the command ends when the slowest minion has returned, and not at the next tick of some poll.
#[test]
fn a_command_ends_with_the_last_return() {
    let tree = Tree::of_two_sites();
    let end = tree.directory().join("end");
    let work = format!(
        "if test $NODE = fra-db2; then sleep 2; date +%s%3N > {}; fi",
        end.display()
    );
    let said = tree.top().expect(0, &["run", "*", "cmd.run", &work]);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let ended: u64 = fs::read_to_string(&end)
        .expect("the slowest minion has written")
        .trim()
        .parse()
        .expect("milliseconds");
    let after = now.saturating_sub(Duration::from_millis(ended));
    assert!(
        after < Duration::from_secs(1),
        "{after:?} after the last return: {said:#?}"
    );
}

/// P9: a value that is too long to travel arrives cut, and says so; a burst of jobs is worked off.
#[test]
fn long_values_are_cut_and_bursts_are_worked_off() {
    let tree = Tree::of_minions(&["m1", "m2"]);
    let top = tree.top();
    let long = "head -c 20000000 /dev/zero | tr '\\0' x";
    let ledger = top.run(0, &["m1", "cmd.run", long]);
    let value = ledger.returned("m1");
    assert_eq!(value["truncated"], true);
    assert!(
        value["bytes"].as_u64() >= Some(20_000_000),
        "{}",
        value["bytes"]
    );
    assert!(
        value["head"]
            .as_str()
            .is_some_and(|head| head.starts_with("xxx"))
    );

    let jids: Vec<_> = (0..40)
        .map(|number| top.submit(&["*", "cmd.run", &format!("echo {number}")]))
        .collect();
    for (number, jid) in jids.iter().enumerate() {
        let ledger = top.job_becomes(jid, "the job ends", Ledger::is_finished);
        ledger.all_ok(&["m1", "m2"]);
        assert_eq!(ledger.returned("m2"), number.to_string().as_str());
    }
    let mut distinct = jids.clone();
    distinct.dedup();
    assert_eq!(distinct, jids, "each job has an id of its own, in order");
    let listed = top.json(&["jobs", "list", "--limit", "1000"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(41));
}
