//! How far functions with many steps are, such as state runs: told upwards while they run, summed at each hub, and never kept.

use std::collections::BTreeMap;

use wire::{Jid, PROTOCOL_STATES, Steps, Up};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{Hub, Timer};

/// Sums go up, and to who watches, at most so often for each job.
const TELL_MS: u64 = 1_000;
/// Jobs whose steps are counted at a time; of further ones nothing is shown.
const JOBS_MAX: usize = 1_000;

/// What the children of a hub said last, by job.
#[derive(Debug, Default)]
pub(crate) struct Counted(BTreeMap<Jid, BTreeMap<LinkId, Steps>>);

impl Counted {
    /// The sum over all children; none when nobody said anything.
    pub(crate) fn sum(&self, jid: Jid) -> Option<Steps> {
        let told = self.0.get(&jid)?;
        Some(told.values().fold(Steps::default(), |sum, steps| Steps {
            done: sum.done.saturating_add(steps.done),
            total: sum.total.saturating_add(steps.total),
            failed: sum.failed.saturating_add(steps.failed),
        }))
    }

    /// The job is over.
    pub(crate) fn forget(&mut self, jid: Jid) {
        self.0.remove(&jid);
    }
}

impl Hub {
    /// A child says how far it is with a job.
    pub(crate) fn steps_told(&mut self, link: LinkId, jid: Jid, steps: Steps) {
        let is_open = self.jobs.get(&jid).is_some_and(|job| !job.has_ended());
        let has_room = self.counted.0.len() < JOBS_MAX || self.counted.0.contains_key(&jid);
        if !is_open || !has_room {
            return;
        }
        self.counted.0.entry(jid).or_default().insert(link, steps);
        if !self.timers.is_set(Timer::Steps(jid)) {
            self.timers.set(Timer::Steps(jid), self.now + TELL_MS);
        }
    }

    /// Tells the sum to parents and to who watches.
    pub(crate) fn steps_due(&mut self, jid: Jid) {
        let Some(steps) = self.counted.sum(jid) else {
            return;
        };
        for link in self.welcomed_parents() {
            if self
                .parents
                .get(&link)
                .is_some_and(|parent| parent.protocol >= PROTOCOL_STATES)
            {
                self.outputs.push_back(HubOutput::ToParent {
                    link,
                    message: Up::Steps { jid, steps },
                });
            }
        }
        self.outputs.push_back(HubOutput::JobChanged { jid });
    }

    /// How far a job's functions are, where they say so.
    pub fn steps(&self, jid: Jid) -> Option<Steps> {
        self.counted.sum(jid)
    }
}
