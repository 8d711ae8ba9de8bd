//! Makes a failing scenario small: leaves out acts and nodes while it still fails in the same way.

use crate::scenario::{Failure, Scenario};

/// Runs that a search for a smaller scenario may take: each is a fraction of a second.
const RUNS_MAX: usize = 600;
/// Acts that are looked at; no plan has more in practice.
const ACTS_MAX: u64 = 2_000;

/// The smallest scenario that was found which fails as this one does, and how it fails.
pub fn shrink(scenario: &Scenario, failure: &Failure) -> (Scenario, Failure) {
    let mut search = Search {
        best: (all_acts_named(scenario), failure.clone()),
        kind: failure.kind(),
        runs: 0,
    };
    let world = scenario.world(false);
    let nodes: Vec<usize> = (1..world.nodes.len()).rev().collect();
    search.leave_out(&search.acts(), leave_acts_out);
    search.leave_out(&nodes, |scenario, part| scenario.without.extend(part));
    search.leave_out(&search.acts(), leave_acts_out);
    search.best
}

fn leave_acts_out(scenario: &mut Scenario, part: &[u32]) {
    if let Some(only) = &mut scenario.only {
        only.retain(|act| !part.contains(act));
    }
}

/// The same scenario with its acts by number: as many as the plan has time for.
fn all_acts_named(scenario: &Scenario) -> Scenario {
    let acts = scenario.plan.active_ms / scenario.plan.act_ms.0.max(1);
    let all = || (0..acts.min(ACTS_MAX) as u32).collect();
    Scenario {
        only: Some(scenario.only.clone().unwrap_or_else(all)),
        ..scenario.clone()
    }
}

struct Search {
    best: (Scenario, Failure),
    kind: String,
    runs: usize,
}

impl Search {
    /// What is left of the acts; the last ones first, which often follow from the fault and do not lead to it.
    fn acts(&self) -> Vec<u32> {
        self.best.0.only.iter().flatten().rev().copied().collect()
    }

    /// Halves first, then ever smaller parts, down to single ones.
    fn leave_out<T: Copy>(&mut self, all: &[T], without: impl Fn(&mut Scenario, &[T])) {
        let mut size = all.len().div_ceil(2);
        while size > 0 {
            for part in all.chunks(size) {
                let mut smaller = self.best.0.clone();
                without(&mut smaller, part);
                if smaller != self.best.0 {
                    self.attempt(smaller);
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn attempt(&mut self, smaller: Scenario) {
        if self.runs >= RUNS_MAX {
            return;
        }
        self.runs += 1;
        if let Err(failure) = smaller.run()
            && failure.kind() == self.kind
        {
            self.best = (smaller, failure);
        }
    }
}
