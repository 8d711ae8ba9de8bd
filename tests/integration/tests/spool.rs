//! Returns that wait for their origin: bounded, and nothing of them is silently absent.

use std::fs;
use std::process::Command;

use integration::{Ledger, Tree, wait_for};

/// Six of them are more than the spool takes, four are not.
const VALUE_BYTES: u64 = 3_900_000;
const SPOOL_BYTES: u64 = 16 << 20;
const JOBS: usize = 6;
const WHOLE: usize = 4;

fn sha256_of_output(count: u64) -> String {
    let script = format!("head -c {count} /dev/zero | tr '\\0' x | sha256sum");
    let output = Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().next().expect("a sum").to_owned()
}

/// P3, P9: the origin is away; what its minion has finished waits within a bound; what goes beyond is told by size and hash.
#[test]
fn a_spool_that_is_full_refuses_jobs_and_tells_what_it_could_not_keep() {
    let mut tree = Tree::new();
    tree.syndic("hub", "eu", &["top"]);
    tree.new_minion("m1", &["hub"], &format!("spool_bytes_max: {SPOOL_BYTES}\n"));
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
    let jids: Vec<_> = (0..JOBS)
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
