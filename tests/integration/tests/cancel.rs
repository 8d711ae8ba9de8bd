//! Jobs that are ended: by an operator, by Ctrl-C, by a bound. No process of theirs stays.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use integration::{Ledger, Tree, wait_for};
use nix::sys::signal::Signal;

const BOTH: [&str; 2] = ["m1", "m2"];

/// A command that starts several processes, which no other test starts.
struct Sleepers {
    time: String,
}

impl Sleepers {
    fn new() -> Sleepers {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Sleepers {
            time: format!("300.{:07}{number:02}", std::process::id()),
        }
    }

    fn command(&self) -> String {
        format!("sleep {0} & sleep {0}", self.time)
    }

    /// How many of its `sleep` processes there are on this machine.
    fn count(&self) -> usize {
        fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
            .filter(|line| *line == format!("sleep\0{}\0", self.time).into_bytes())
            .count()
    }

    #[track_caller]
    fn wait_for(&self, count: usize) {
        wait_for(&format!("{count} processes of the job"), || {
            (self.count() == count).then_some(())
        });
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} processes are left", self.count());
        }
    }
}

#[test]
fn a_cancelled_job_leaves_no_process() {
    let tree = Tree::of_minions(&BOTH);
    let sleepers = Sleepers::new();
    let jid = tree.top().submit(&["*", "cmd.run", &sleepers.command()]);
    sleepers.wait_for(4);
    let cancel = ["jobs", "cancel", &jid, "--out", "ledger"];
    let said = tree.top().expect(0, &cancel);
    Ledger::parse(&said.out).all_ok(&BOTH);
    sleepers.wait_for(0);
    let ledger = tree
        .top()
        .job_becomes(&jid, "the job ends", Ledger::is_finished);
    assert_eq!(ledger.ids("failed"), BOTH, "{ledger:#?}");
    // What is over can't be cancelled, and what never was neither.
    tree.top()
        .expect(4, &["jobs", "cancel", &jid])
        .complains("has ended already");
    tree.top()
        .expect(2, &["jobs", "cancel", "20010101000000000000"]);
}

#[test]
fn control_c_cancels_the_job_on_all_minions() {
    let tree = Tree::of_minions(&BOTH);
    let sleepers = Sleepers::new();
    let command = sleepers.command();
    let running = tree
        .top()
        .start(&["run", "*", "cmd.run", &command, "--out", "ledger"]);
    sleepers.wait_for(4);
    running.signal(Signal::SIGINT);
    let said = running.finish();
    assert_eq!(said.code, Some(1), "{said:#?}");
    said.complains("Cancelling job");
    assert_eq!(Ledger::parse(&said.out).ids("failed"), BOTH);
    sleepers.wait_for(0);
}

#[test]
fn a_job_over_its_time_leaves_no_process() {
    let tree = Tree::of_minions(&["m1"]);
    for (limit, option) in [("timeout=1", ""), ("", "--time-limit=1")] {
        let sleepers = Sleepers::new();
        let command = sleepers.command();
        let typed = ["m1", "cmd.run", &command, limit, option];
        let typed: Vec<_> = typed.into_iter().filter(|word| !word.is_empty()).collect();
        let ledger = tree.top().run(1, &typed);
        assert_eq!(ledger.ids("failed"), ["m1"], "{typed:?}: {ledger:#?}");
        sleepers.wait_for(0);
    }
}
