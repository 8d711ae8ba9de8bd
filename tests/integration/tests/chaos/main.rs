//! Chaos: jobs with deeds on the minions' disks while everything around them breaks. Whatever happens, the accounts tell in
//! the end what was really done, and nothing was done twice.
//!
//! The faults follow from a seed, which a failure prints with the story; `BANYAN_SEED` sets another one, `BANYAN_MINUTES`
//! how long the faults go on. As root every site has a network of its own, and cables with bad weather between them;
//! without root the cables are the same, on one loopback address.

mod faults;
mod judge;
mod load;
mod site;

use std::time::{Duration, Instant};

use integration::Dice;

use faults::Storm;
use load::Load;

/// As the seed of a run that nobody has asked for.
const SEED: u64 = 20_261_127;
/// Faults of a short run.
const STRIKES: usize = 15;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// P1 to P5, over faults of every kind, several at a time: each minion runs a job at most once; when the faults are over,
/// every account is finished, and says of each minion what it did.
#[test]
fn accounts_tell_the_truth_whatever_happened() {
    let seed = setting("BANYAN_SEED").unwrap_or(SEED);
    let time: Option<u64> = setting("BANYAN_MINUTES");
    let time = time.map(|minutes| Duration::from_secs(minutes * 60));
    // Shown when the test fails, and in long runs.
    println!("seed {seed}");
    let mut tree = site::plant(seed);
    let load = Load::start(&tree, seed);
    let mut storm = Storm::new(Dice::new(seed), time.is_some());
    let begin = Instant::now();
    let mut strikes = 0;
    while time.map_or(strikes < STRIKES, |time| begin.elapsed() < time) {
        storm.strike(&mut tree);
        strikes += 1;
        if strikes.is_multiple_of(STRIKES) && time.is_some() {
            // A long run judges on the way, or a defect would be found among thousands of jobs.
            storm.calm(&tree);
            let done = load.so_far();
            judge::accounts(&tree, &done);
            println!("{:?}: {} jobs are true", begin.elapsed(), done.len());
        }
    }
    let jobs = load.end();
    storm.calm(&tree);
    println!(
        "{strikes} strikes over {} jobs in {:?}",
        jobs.len(),
        begin.elapsed()
    );
    judge::accounts(&tree, &jobs);
    judge::rest(&tree, &jobs);
}
