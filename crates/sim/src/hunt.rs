//! Looks for a failure over seeds and plans.

use std::ops::Range;

use crate::plan::Plan;
use crate::scenario::{Failure, Scenario};

/// What was found.
#[derive(Debug)]
pub struct Catch {
    /// Worlds until then, this one included.
    pub seeds: u64,
    /// The one that failed.
    pub scenario: Scenario,
    /// How.
    pub failure: Failure,
}

/// The plans that are tried in turn; the one of days takes a hundred times as long as another.
const PLANS: [Plan; 6] = [
    Plan::CHAOS,
    Plan::FAULTS,
    Plan::RESTORES,
    Plan::CLOCKS,
    Plan::PARTS,
    Plan::CALM,
];

/// The first failure among these seeds, each with another plan than the one before.
pub fn hunt(seeds: Range<u64>) -> Option<Catch> {
    let first = seeds.start;
    seeds.into_iter().find_map(|seed| {
        let scenario = Scenario::new(PLANS[(seed % PLANS.len() as u64) as usize], seed);
        let failure = scenario.run().err()?;
        Some(Catch {
            seeds: seed - first + 1,
            scenario,
            failure,
        })
    })
}
