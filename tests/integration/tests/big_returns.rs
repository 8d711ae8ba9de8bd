//! Big returns beside small ones: the small ones do not wait, no process grows with what a command prints, and what was cut
//! says so, with its true size and hash.

use std::fs;
use std::process::Command;

use integration::{Ledger, Tree, wait_for};
use serde_json::Value;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What each minion prints. Longer output than 4 MiB, less what JSON needs, does not travel whole.
const SIZES: [(&str, u64); 5] = [
    ("m1", 1),
    ("m2", 100 * KIB),
    ("m3", 4 * MIB - 100),
    ("m4", 64 * MIB),
    ("m5", 1_024 * MIB),
];
const WHOLE_MAX: u64 = 4 * MIB - 2;

/// A minion needs so much at most, whatever its commands print: itself, one whole output with the copies that are made of it
/// on its way, and room for another allocator.
const MINION_PEAK_KIB: u64 = 64 * KIB;

fn printing(count: u64) -> String {
    format!("head -c {count} /dev/zero | tr '\\0' x")
}

fn sha256_of_output(count: u64) -> String {
    let script = format!("{} | sha256sum", printing(count));
    let output = Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().next().expect("a sum").to_owned()
}

/// The most memory that the process of a node ever had, in KiB.
fn peak_kib(tree: &Tree, id: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", tree.node(id).pid()));
    let status = status.expect("the node runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    kib.expect("the system says")
}

#[track_caller]
fn check_value(value: &Value, count: u64) {
    if count <= WHOLE_MAX {
        assert_eq!(value.as_str().expect("whole output").len() as u64, count);
        return;
    }
    assert_eq!(value["truncated"], true);
    assert_eq!(value["bytes"], count);
    assert_eq!(value["sha256"], sha256_of_output(count).as_str());
    for end in ["head", "tail"] {
        let text = value[end].as_str().expect("text");
        assert!(!text.is_empty() && text.bytes().all(|byte| byte == b'x'));
    }
}

#[test]
fn returns_of_every_size_arrive_while_pings_get_through() {
    let ids: Vec<_> = SIZES.iter().map(|(id, _)| *id).collect();
    let tree = Tree::of_minions(&ids);
    let top = tree.top();
    let cases: String = SIZES
        .iter()
        .map(|(id, count)| format!("{id}) {};; ", printing(*count)))
        .collect();
    let jid = top.submit(&["*", "cmd.run", &format!("case $NODE in {cases}esac")]);
    // All minions answer pings as long as one of them still prints.
    let mut rounds = 0;
    let ledger = wait_for("the job ends", || {
        top.run(0, &["*", "test.ping"]).all_ok(&ids);
        rounds += 1;
        Some(top.show(&jid)).filter(Ledger::is_finished)
    });
    ledger.all_ok(&ids);
    for (id, count) in SIZES {
        check_value(ledger.returned(id), count);
    }
    println!("{rounds} rounds of pings");
    println!("top: {} KiB at most", peak_kib(&tree, "top"));
    for id in &ids {
        let peak = peak_kib(&tree, id);
        println!("{id}: {peak} KiB at most");
        assert!(peak < MINION_PEAK_KIB, "{id}: {peak} KiB");
    }
}

#[test]
fn both_streams_and_endless_output_are_measured() {
    let tree = Tree::of_minions(&["m1"]);
    let top = tree.top();
    let command = format!("{}; {} >&2", printing(5 * MIB), printing(6 * MIB));
    let ledger = top.run(0, &["m1", "cmd.run_all", &command]);
    let all = ledger.returned("m1");
    check_value(&all["stdout"], 5 * MIB);
    check_value(&all["stderr"], 6 * MIB);

    let ledger = top.run(1, &["m1", "cmd.run", "yes x", "--time-limit=3"]);
    let value = ledger.returned("m1");
    assert_eq!(value["truncated"], true);
    assert!(value["bytes"].as_u64().expect("a number") > 4 * MIB);
    assert!(
        value["ended"]
            .as_str()
            .expect("words")
            .contains("did not end within 3 s")
    );
    let peak = peak_kib(&tree, "m1");
    assert!(peak < MINION_PEAK_KIB, "{peak} KiB");
}

/// More big returns at one minion than its session takes at a time: all of them arrive.
#[test]
fn many_big_returns_of_one_minion_arrive() {
    let tree = Tree::of_minions(&["m1"]);
    let top = tree.top();
    let flag = tree.directory().join("flag");
    let command = format!(
        "until [ -e {} ]; do sleep 0.05; done; {}",
        flag.display(),
        printing(WHOLE_MAX)
    );
    let jids: Vec<_> = (0..12)
        .map(|_| top.submit(&["m1", "cmd.run", &command]))
        .collect();
    for jid in &jids {
        top.job_becomes(jid, "it runs", |ledger| ledger.count("running") == 1);
    }
    fs::write(&flag, "").expect("a file");
    for jid in &jids {
        let ledger = top.job_becomes(jid, "its return arrives", Ledger::is_finished);
        check_value(ledger.returned("m1"), WHOLE_MAX);
    }
}
