//! Jobs while everything around them breaks: whatever happens, the accounts tell in the end what was really done.
//!
//! The faults follow from a seed, which a failure prints; `BANYAN_SEED` sets another one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use integration::{Ledger, Tree, wait_for};
use nix::sys::signal::Signal;

const MINIONS: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];
const NODES: [&str; 8] = [
    "top", "eu-hub", "ams-hub", "fra-hub", "ams-web1", "ams-web2", "fra-db1", "fra-db2",
];
const CABLES: [&str; 3] = ["eu-wan", "ams-wan", "fra-wan"];
/// Faults, each with a job that is under way.
const ROUNDS: usize = 12;
/// A fault lasts up to this long: some go unnoticed, some outlast the silence after which a link is dead.
const FAULT_MAX: Duration = Duration::from_millis(4_500);

/// Plain random numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below a usize")
    }

    fn one_of<'a>(&mut self, names: &[&'a str]) -> &'a str {
        names[self.below(names.len())]
    }

    fn pause(&mut self, most: Duration) {
        let millis = self.below(usize::try_from(most.as_millis()).expect("seconds"));
        std::thread::sleep(Duration::from_millis(millis as u64));
    }
}

/// One fault, from its beginning to its end.
fn strike(tree: &mut Tree, dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => {
            let id = dice.one_of(&NODES);
            tree.node_mut(id).kill();
            dice.pause(FAULT_MAX);
            tree.node_mut(id).start();
            format!("{id} died")
        }
        1 => {
            let id = dice.one_of(&NODES);
            tree.node_mut(id).kill();
            tree.node_mut(id).start();
            format!("{id} was replaced")
        }
        2 => {
            let id = dice.one_of(&NODES);
            tree.node(id).signal(Signal::SIGSTOP);
            dice.pause(FAULT_MAX);
            tree.node(id).signal(Signal::SIGCONT);
            format!("{id} hung")
        }
        way => {
            let name = dice.one_of(&CABLES);
            let cable = tree.wire(name);
            match (way, dice.below(2)) {
                (3, _) => cable.cut(),
                (_, 0) => cable.cut_upwards(),
                _ => cable.cut_downwards(),
            }
            dice.pause(FAULT_MAX);
            tree.wire(name).heal();
            format!("{name} was cut")
        }
    }
}

/// How often each minion began.
fn begun(deeds: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(deeds).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// What the account says of a minion, beside what it did.
fn is_true(ledger: &Ledger, begun: &BTreeMap<String, usize>) -> bool {
    ledger.is_finished()
        && MINIONS.iter().all(|id| {
            let has_begun = begun.contains_key(*id);
            match ledger.outcome(id) {
                "ok" => has_begun,
                // It died over the job, perhaps before the command began.
                "lost" => true,
                "unreachable" | "expired" => !has_begun,
                _ => false,
            }
        })
}

/// P1 to P5, over faults of every kind: each minion runs a job at most once; when the faults are over, every account is
/// finished, and says of each minion what it did.
#[test]
fn accounts_tell_the_truth_whatever_happened() {
    let seed = std::env::var("BANYAN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(20_261_122);
    let mut dice = Dice(seed | 1);
    let mut tree = Tree::of_two_sites();
    let top = tree.top();
    let mut story = format!("seed {seed}\n");
    let mut jobs = Vec::new();
    for round in 0..ROUNDS {
        let deeds = tree.directory().join(format!("deeds-{round}"));
        let work = format!("echo $NODE >> {}; sleep 0.5", deeds.display());
        let order = [
            "run",
            "--async",
            "--start-within",
            "3",
            "*",
            "cmd.run",
            &work,
        ];
        tree.answers("top");
        let said = top.expect(0, &order);
        let jid = said.out.trim().to_owned();
        dice.pause(Duration::from_millis(800));
        let fault = strike(&mut tree, &mut dice);
        story.push_str(&format!("{jid}: {fault}\n"));
        jobs.push((jid, deeds));
    }
    // Shown when the test fails.
    println!("{story}");
    tree.answers("top");
    tree.heals();
    for (jid, deeds) in &jobs {
        let ledger = top.job_becomes(jid, "the account is true", |ledger| {
            is_true(ledger, &begun(deeds))
        });
        assert_eq!(ledger.count("expected"), MINIONS.len(), "{ledger:#?}");
        let begun = begun(deeds);
        assert!(begun.values().all(|times| *times == 1), "{jid}: {begun:?}");
    }
    // The last fault may have been too short to be noticed at once.
    wait_for("everyone answers", || {
        (top.call(&["run", "*", "test.ping"]).code == Some(0)).then_some(())
    });
    top.run(0, &["*", "test.ping"]).all_ok(&MINIONS);
}
