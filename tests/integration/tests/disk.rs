//! Disks that are full or lose their power: nothing that was acknowledged is lost, and nothing needs a hand to heal.

use std::fs;
use std::path::{Path, PathBuf};

use integration::{Disk, Ledger, Tree, wait_for};

/// Small enough to be filled at once, large enough for the log of the file system.
const DISK_MIB: u64 = 64;
/// In the configuration of nodes on such a disk.
const RESERVE: u64 = 16 << 20;
/// Below the reserve, and enough to work on.
const LITTLE: u64 = 12 << 20;

fn reserve() -> String {
    format!("disk_reserve_bytes: {RESERVE}\n")
}

/// A tree with the minions m1 and m2, one of whose nodes lies on a disk of its own. None where that can't be.
fn tree_with_disk_under(id: &str) -> Option<Tree> {
    let mut tree = Tree::with_top(&reserve());
    let disk = Disk::new(&tree.directory().join("disk"), DISK_MIB)?;
    for minion in ["m1", "m2"] {
        tree.new_minion(minion, &["top"], &reserve());
    }
    tree.settle();
    tree.node_mut(id).kill();
    if id != "top" {
        // Else a job could still go into the session that died.
        tree.minion_is(id, "down");
    }
    tree.node_mut(id).put_on(disk);
    tree.node_mut(id).start();
    tree.answers("top");
    tree.heals();
    Some(tree)
}

/// Something that jobs wait for.
struct Flag(PathBuf);

impl Flag {
    fn new(tree: &Tree, name: &str) -> Flag {
        Flag(tree.directory().join(name))
    }

    /// A command that waits for the flag, and then does this.
    fn then(&self, what: &str) -> String {
        format!(
            "until [ -e {} ]; do sleep 0.05; done; {what}",
            self.0.display()
        )
    }

    fn raise(&self) {
        fs::write(&self.0, "").expect("a file");
    }
}

/// A command that prints so many bytes.
fn bytes(count: u64) -> String {
    format!("head -c {count} /dev/zero | tr '\\0' x")
}

fn text_len(ledger: &Ledger, id: &str) -> usize {
    ledger.returned(id).as_str().expect("whole output").len()
}

/// P3, P9: own jobs are refused while there is still room for what runs; a disk that is really full stops the hub loudly, and
/// it waits for room by itself; returns are where they were.
#[test]
fn a_hub_with_a_full_disk_refuses_jobs_loses_no_return_and_heals() {
    let Some(mut tree) = tree_with_disk_under("top") else {
        return;
    };
    let top = tree.top();
    let early = Flag::new(&tree, "early");
    let late = Flag::new(&tree, "late");
    let one = top.submit(&["*", "cmd.run", &early.then("echo early")]);
    let many: Vec<_> = (0..4)
        .map(|_| top.submit(&["*", "cmd.run", &late.then(&bytes(3_000_000))]))
        .collect();
    let endless = top.submit(&["*", "cmd.run", "sleep 300"]);
    for jid in many.iter().chain([&one, &endless]) {
        top.job_becomes(jid, "it runs", |ledger| ledger.count("running") == 2);
    }

    tree.node("top").fill(LITTLE);
    let refused = top.expect(4, &["run", "*", "test.ping"]);
    for words in ["bytes free", "disk_reserve_bytes", "hub.sqlite"] {
        refused.complains(words);
    }
    // What runs goes on, and can be ended.
    early.raise();
    let ledger = top.job_becomes(&one, "its returns are taken", Ledger::is_finished);
    ledger.all_ok(&["m1", "m2"]);
    top.expect(0, &["jobs", "cancel", &endless]);
    top.job_becomes(&endless, "it was ended", |ledger| {
        ledger.count("failed") == 2
    });

    tree.node("top").fill(0);
    late.raise();
    let ended = tree.node_mut("top").ended();
    assert_eq!(ended.code(), Some(70));
    let log = tree.node("top").log();
    assert!(log.contains("the disk is full"), "{log}");
    tree.node_mut("top").start();
    wait_for("it says what it waits for", || {
        let log = tree.node("top").log();
        log.contains("the hub does not start yet").then_some(())
    });
    top.expect(69, &["tree"]);

    tree.node("top").empty();
    tree.answers("top");
    for jid in &many {
        let ledger = top.job_becomes(jid, "the returns arrive", |ledger| ledger.count("ok") == 2);
        assert_eq!(
            [text_len(&ledger, "m1"), text_len(&ledger, "m2")],
            [3_000_000; 2]
        );
    }
    tree.heals();
    top.run(0, &["*", "test.ping"]).all_ok(&["m1", "m2"]);
}

/// P1, P2, P3: a site whose hub has a full disk is named as cut off, with its minions; what it has done is told later.
#[test]
fn a_site_with_a_full_disk_is_named_and_loses_no_return() {
    let mut tree = Tree::new();
    let Some(disk) = Disk::new(&tree.directory().join("disk"), DISK_MIB) else {
        return;
    };
    tree.new_syndic("hub", "eu", &["top"], &reserve());
    tree.accept("hub");
    tree.answers("hub");
    tree.new_minion("m1", &["hub"], "");
    tree.settle();
    tree.node_mut("hub").kill();
    tree.minion_is("m1", "cut-off");
    tree.node_mut("hub").put_on(disk);
    tree.node_mut("hub").start();
    tree.heals();
    let top = tree.top();
    let flag = Flag::new(&tree, "flag");
    let many: Vec<_> = (0..4)
        .map(|_| top.submit(&["m1", "cmd.run", &flag.then(&bytes(3_000_000))]))
        .collect();
    for jid in &many {
        top.job_becomes(jid, "it runs", |ledger| ledger.count("running") == 1);
    }
    // Jobs of the parent are taken below the reserve.
    tree.node("hub").fill(LITTLE);
    top.run(0, &["*", "test.ping"]).all_ok(&["m1"]);

    tree.node("hub").fill(0);
    flag.raise();
    let ended = tree.node_mut("hub").ended();
    assert_eq!(ended.code(), Some(70), "{}", tree.node("hub").log());
    tree.node_mut("hub").start();
    tree.minion_is("m1", "cut-off");
    let ledger = top.run(3, &["*", "test.ping"]);
    assert_eq!(ledger.minion("m1")["reason_code"], "site-cut-off");

    tree.node("hub").empty();
    for jid in &many {
        let ledger = top.job_becomes(jid, "the return arrives", |l| l.count("ok") == 1);
        assert_eq!(text_len(&ledger, "m1"), 3_000_000);
    }
    tree.heals();
    top.run(0, &["*", "test.ping"]).all_ok(&["m1"]);
}

/// P3, P9: a minion whose journal has no room refuses jobs with the reason, keeps what was finished, and tells it later.
#[test]
fn a_minion_with_a_full_disk_refuses_jobs_loses_no_return_and_heals() {
    let Some(mut tree) = tree_with_disk_under("m1") else {
        return;
    };
    let top = tree.top();
    let flag = Flag::new(&tree, "flag");
    let jid = top.submit(&["*", "cmd.run", &flag.then(&bytes(3_000_000))]);
    top.job_becomes(&jid, "it runs", |ledger| ledger.count("running") == 2);

    tree.node("m1").fill(LITTLE);
    let ledger = top.run(4, &["*", "test.ping"]);
    assert_eq!(ledger.ids("ok"), ["m2"]);
    assert_eq!(ledger.outcome("m1"), "refused");
    assert_eq!(ledger.minion("m1")["reason_code"], "overload");
    let reason = ledger.minion("m1")["reason"].as_str().expect("a reason");
    assert!(reason.contains("disk_reserve_bytes"), "{reason}");

    tree.node("m1").fill(0);
    flag.raise();
    wait_for("the minion says that it waits", || {
        let log = tree.node("m1").log();
        log.contains("outcomes of jobs wait in memory")
            .then_some(())
    });
    let ledger = top.job_becomes(&jid, "the other one is done", |l| l.count("ok") == 1);
    assert_eq!(
        ledger.outcome("m1"),
        "running",
        "nobody is told what is not on disk"
    );

    tree.node("m1").empty();
    let ledger = top.job_becomes(&jid, "the return arrives", |l| l.count("ok") == 2);
    assert_eq!(text_len(&ledger, "m1"), 3_000_000);
    top.run(0, &["*", "test.ping"]).all_ok(&["m1", "m2"]);

    // One that starts without room refuses as well, and needs no hand when there is some.
    tree.node("m1").fill(0);
    tree.node_mut("m1").kill();
    tree.minion_is("m1", "down");
    tree.node_mut("m1").start();
    tree.heals();
    assert_eq!(top.run(4, &["*", "test.ping"]).ids("refused"), ["m1"]);
    tree.node("m1").empty();
    top.run(0, &["*", "test.ping"]).all_ok(&["m1", "m2"]);
}

/// Each run of a job adds a line.
fn deeds(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// P3, P4: what a hub acknowledged before its power went is there, with its end; no job runs twice.
#[test]
fn a_hub_keeps_what_it_acknowledged_over_a_power_cut() {
    let Some(mut tree) = tree_with_disk_under("top") else {
        return;
    };
    let top = tree.top();
    let file = tree.directory().join("deeds");
    let job = |number: usize| {
        let deed = format!("echo $NODE-{number} >> {}", file.display());
        top.call(&["run", "--async", "*", "cmd.run", &deed])
    };
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for number in 0..10 {
            let said = job(10 * round + number);
            if number == 7 {
                tree.node("top").cut_power();
            }
            if said.code == Some(0) {
                acknowledged.push(said.out.trim().to_owned());
            }
        }
        let ended = tree.node_mut("top").ended();
        assert_eq!(ended.code(), Some(70), "{}", tree.node("top").log());
        tree.node_mut("top").start();
        tree.answers("top");
        tree.heals();
    }
    assert!(acknowledged.len() >= 24, "{acknowledged:?}");
    for jid in &acknowledged {
        let ledger = top.job_becomes(jid, "it ends", Ledger::is_finished);
        assert_eq!(ledger.count("expected"), 2, "{ledger:#?}");
        top.job_becomes(jid, "its end is the truth", |l| l.count("ok") == 2);
    }
    let done = deeds(&file);
    let mut once = done.clone();
    once.dedup();
    assert_eq!(done, once);
}

/// P3, P4: what a minion acknowledged before its power went counts once, and what it had begun does not run again.
#[test]
fn a_minion_keeps_what_it_acknowledged_over_a_power_cut() {
    let Some(mut tree) = tree_with_disk_under("m1") else {
        return;
    };
    let top = tree.top();
    let file = tree.directory().join("deeds");
    let deed = |number: usize| format!("echo {number} >> {}", file.display());
    let mut jids = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let ledger = top.run(0, &["m1", "cmd.run", &deed(10 * round + number)]);
            jids.push(ledger.jid().to_owned());
        }
        let flag = Flag::new(&tree, &format!("flag-{round}"));
        let begun = top.submit(&["m1", "cmd.run", &flag.then(&deed(10 * round + 9))]);
        top.job_becomes(&begun, "it runs", |ledger| ledger.count("running") == 1);
        tree.node("m1").cut_power();
        flag.raise();
        // The return can't be written: it is told to nobody, and the minion stops.
        let ended = tree.node_mut("m1").ended();
        assert_eq!(ended.code(), Some(70), "{}", tree.node("m1").log());
        tree.node_mut("m1").start();
        let ledger = top.job_becomes(&begun, "the interruption is told", |ledger| {
            ledger.outcome("m1") == "lost"
        });
        assert_eq!(ledger.minion("m1")["reason_code"], "interrupted");
        tree.heals();
    }
    for jid in &jids {
        top.show(jid).all_ok(&["m1"]);
    }
    let done = deeds(&file);
    let mut once = done.clone();
    once.dedup();
    assert_eq!(done, once);
    assert_eq!(done.len(), 18);
}
