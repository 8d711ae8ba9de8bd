//! Returns that wait for their origin: bounded, and nothing of them is silently absent.

use std::fs;
use std::process::Command;

use integration::{Ledger, Tree, wait_for};

/// Six of them are more than the spool takes, four are not.
const VALUE_BYTES: u64 = 3_900_000;
const SPOOL_BYTES: u64 = 16 << 20;
const JOBS: usize = 6;
const WHOLE: usize = 4;

/// The most memory of a minion that starts with a spool of several times as much: itself, a session's outbox, and one return
/// on its way from the disk.
const PEAK_KIB: u64 = 64 << 10;
const LONG_SPOOL_BYTES: u64 = 128 << 20;
const LONG_JOBS: usize = 32;

fn sha256_of_output(count: u64) -> String {
    let script = format!("head -c {count} /dev/zero | tr '\\0' x | sha256sum");
    let output = Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().next().expect("a sum").to_owned()
}

/// A site with the minion m1, which has returned from so many jobs of a top-master that is down.
fn full_spool(spool_bytes: u64, jobs: usize) -> (Tree, Vec<String>) {
    let mut tree = Tree::new();
    tree.syndic("hub", "eu", &["top"]);
    tree.new_minion("m1", &["hub"], &format!("spool_bytes_max: {spool_bytes}\n"));
    tree.settle();
    let (top, hub) = (tree.top(), tree.cli("hub"));
    top.expect(
        0,
        &["delegate", "hub", "--functions", "test.ping", "--ttl", "1h"],
    );
    wait_for("the delegation arrives", || {
        (hub.json(&["identity"])["job_scope"] == "eu").then_some(())
    });

    let flag = tree.directory().join("flag");
    let command = format!(
        "until [ -e {} ]; do sleep 0.05; done; head -c {VALUE_BYTES} /dev/zero | tr '\\0' x",
        flag.display()
    );
    let jids: Vec<_> = (0..jobs)
        .map(|_| top.submit(&["m1", "cmd.run", &command]))
        .collect();
    for jid in &jids {
        top.job_becomes(jid, "it runs", |ledger| ledger.count("running") == 1);
    }
    tree.node_mut("top").kill();
    fs::write(&flag, "").expect("a file");
    for jid in &jids {
        hub.job_becomes(jid, "the site has the return", |ledger| {
            ledger.count("ok") == 1
        });
    }
    (tree, jids)
}

/// P3, P9: the origin is away; what its minion has finished waits within a bound; what goes beyond is told by size and hash.
#[test]
fn a_spool_that_is_full_refuses_jobs_and_tells_what_it_could_not_keep() {
    let (mut tree, jids) = full_spool(SPOOL_BYTES, JOBS);
    let (top, hub) = (tree.top(), tree.cli("hub"));
    let ledger = hub.run(4, &["m1", "test.ping"]);
    assert_eq!(ledger.minion("m1")["reason_code"], "overload");
    let reason = ledger.minion("m1")["reason"].as_str().expect("a reason");
    assert!(reason.contains("spool_bytes_max"), "{reason}");

    tree.node_mut("top").start();
    tree.answers("top");
    let ledgers: Vec<_> = jids
        .iter()
        .map(|jid| top.job_becomes(jid, "the return arrives", |l| l.count("ok") == 1))
        .collect();
    let sum = sha256_of_output(VALUE_BYTES);
    let mut whole = 0;
    for ledger in &ledgers {
        let value = ledger.returned("m1");
        assert_eq!(ledger.minion("m1")["retcode"], 0);
        match value.as_str() {
            Some(text) => {
                assert_eq!(text.len() as u64, VALUE_BYTES);
                whole += 1;
            }
            None => {
                assert_eq!(value["truncated"], true, "{value}");
                assert!(
                    value["overflow"]
                        .as_str()
                        .expect("words")
                        .contains("spool_bytes_max")
                );
                assert_eq!(value["bytes"], VALUE_BYTES);
                assert_eq!(value["sha256"], sum.as_str());
            }
        }
    }
    assert_eq!(whole, WHOLE);
    // The origin has them all, so the spool is free again.
    wait_for("jobs are taken again", || {
        let said = hub.call(&["run", "m1", "test.ping", "--out", "ledger"]);
        (said.code == Some(0)).then(|| Ledger::parse(&said.out).all_ok(&["m1"]))
    });
}

/// P9: returns that wait are on the disk, and not in memory as well.
#[test]
fn a_minion_with_a_long_spool_stays_small() {
    let (mut tree, jids) = full_spool(LONG_SPOOL_BYTES, LONG_JOBS);
    // Those that ran side by side needed room; whoever keeps their returns does not.
    tree.node_mut("m1").kill();
    tree.node_mut("m1").start();
    wait_for("the minion works again", || {
        let said = tree.cli("hub").call(&["run", "m1", "test.ping"]);
        (said.code == Some(0)).then_some(())
    });
    tree.node_mut("top").start();
    tree.answers("top");
    for jid in &jids {
        let ledger = tree
            .top()
            .job_becomes(jid, "the return arrives", |l| l.count("ok") == 1);
        let text = ledger.returned("m1").as_str().expect("whole output");
        assert_eq!(text.len() as u64, VALUE_BYTES);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", tree.node("m1").pid()));
    let status = status.expect("the minion runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let kib = kib.expect("the system says");
    println!("{LONG_JOBS} returns of {VALUE_BYTES} bytes, {kib} KiB of memory at most");
    assert!(kib < PEAK_KIB, "{kib} KiB");
}
