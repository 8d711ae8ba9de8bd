//! What of an account has been heard: from hubs below, and from the disk.

use std::collections::HashMap;
use std::sync::Arc;

use wire::record::JobHead;
use wire::{IndexSet, JobOrder, LedgerDelta, Outcome, Timing, Uid, ValueRef};

use super::told::Sink;
use super::{Job, Origin};
use crate::bounds;
use crate::planted::{self, Bug};
use crate::state::{Source, State};

/// What a child hub has told of the job.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceState {
    /// Every expected minion below it is named (or it is cut off, and the mirror named them).
    pub complete: bool,
    /// It told of the job in its present session.
    pub told: bool,
    /// Minions that are named by this hub's mirror alone: the child has not had the job.
    pub mirrored: IndexSet,
    /// Minions of which it said something before, and nothing yet in its present session.
    pub silent: IndexSet,
    /// It has told all that it knew when its present session began.
    pub resumed: bool,
    values: HashMap<u32, u32>,
}

impl Job {
    /// Takes in what a child hub tells. `ours` translates its numbers; minions that it may not speak of are
    /// left out.
    pub(crate) fn apply(
        &mut self,
        hub: Uid,
        delta: &LedgerDelta,
        ours: impl Fn(u32) -> Option<u32>,
    ) {
        let source = Source::Hub(hub);
        let was_complete = self.is_complete();
        let told = self.source_from(hub, was_complete);
        if delta.serial == 1 {
            told.values.clear();
        }
        let mut named = IndexSet::new();
        for group in &delta.groups {
            let Some(state) = self.state_of(hub, &group.outcome) else {
                continue;
            };
            for (nth, theirs) in group.who.iter().enumerate() {
                let Some(index) = ours(theirs) else { continue };
                named.insert(index);
                let mut state = state.clone();
                if let State::Returned { timing, .. } = &mut state {
                    *timing = group.timings.get(nth).copied().unwrap_or_default();
                }
                self.claim(index, source, state);
            }
        }
        let told = self.sources.entry(hub).or_default();
        told.silent.subtract(&named);
        told.mirrored.subtract(&named);
        told.told = true;
        told.complete |= delta.complete;
        if delta.complete {
            // The mirror named them, and the site itself does not.
            let absent = std::mem::take(&mut told.mirrored);
            for index in absent.iter() {
                let ends = match self.claim_of(index, source) {
                    Some(State::Held(..)) => true,
                    Some(State::Unreachable(_)) => self.origin == Origin::Beside,
                    _ => false,
                };
                if ends {
                    self.claim(index, source, State::Withdrawn);
                }
            }
        }
    }

    /// What this child hub has told. One that was not asked has nobody to name, so it never makes the account incomplete.
    pub(crate) fn source_from(&mut self, hub: Uid, complete: bool) -> &mut SourceState {
        self.sources.entry(hub).or_insert_with(|| SourceState {
            complete: complete && !planted::is(Bug::UnaskedMustName),
            ..SourceState::default()
        })
    }

    /// A child hub's session begins: it has told nothing yet.
    pub(crate) fn source_returns(&mut self, hub: Uid) {
        if self.sources.contains_key(&hub) {
            let silent = self.claimed_by(Source::Hub(hub)).into_iter().collect();
            let told = self.sources.entry(hub).or_default();
            told.told = false;
            told.resumed = false;
            told.silent = silent;
        }
    }

    fn state_of(&mut self, hub: Uid, outcome: &Outcome) -> Option<State> {
        Some(match outcome {
            Outcome::Queued => State::Queued,
            Outcome::Running => State::Running,
            Outcome::Returned {
                retcode,
                success,
                value,
            } => {
                let value = match value {
                    ValueRef::Inline(json) => self.intern(json.clone()),
                    ValueRef::Define(theirs, json) => {
                        let number = self.intern(json.clone());
                        self.sources
                            .entry(hub)
                            .or_default()
                            .values
                            .insert(*theirs, number);
                        number
                    }
                    ValueRef::Known(theirs) => *self.sources.get(&hub)?.values.get(theirs)?,
                };
                State::Returned {
                    retcode: *retcode,
                    success: *success,
                    value,
                    timing: Timing::default(),
                }
            }
            Outcome::Unreachable(r) => State::Unreachable(bounds::reason(r)),
            Outcome::Lost(r) => State::Lost(bounds::reason(r)),
            Outcome::Refused(r) => State::Refused(bounds::reason(r)),
            Outcome::Expired(r) => State::Expired(bounds::reason(r)),
            Outcome::Withdrawn => State::Withdrawn,
            Outcome::Undecided(r) => State::Undecided(bounds::reason(r)),
            Outcome::Held { reason, round } => State::Held(bounds::reason(reason), *round),
        })
    }

    /// Takes in an account that began before this one was found. Gives the returns that were settled before.
    pub(crate) fn take_in(&mut self, orphan: Job) -> IndexSet {
        self.unacked.extend(orphan.unacked);
        let numbers: Vec<u32> = orphan
            .values
            .iter()
            .map(|v| self.intern(v.clone()))
            .collect();
        let number = |theirs: u32| numbers.get(theirs as usize).copied().unwrap_or(0);
        let mut again = IndexSet::new();
        for (index, row) in orphan.rows {
            let first = (row.from, row.best);
            for (source, mut state) in std::iter::once(first).chain(row.others) {
                if let State::Returned { value, .. } = &mut state {
                    *value = number(*value);
                    if self.settled.contains(index) {
                        again.insert(index);
                    }
                }
                self.claim(index, source, state);
            }
        }
        for (hub, told) in orphan.sources {
            let mine = self.source_from(hub, told.complete);
            mine.told |= told.told;
            mine.complete |= told.complete;
            mine.values = told
                .values
                .into_iter()
                .map(|(theirs, ours)| (theirs, number(ours)))
                .collect();
        }
        again
    }

    /// Builds an account again from the disk. Who said what is not kept there; `source_of` tells whose word it
    /// must have been.
    pub(crate) fn replay_with(
        head: JobHead,
        news: &[LedgerDelta],
        me: Uid,
        source_of: &dyn Fn(u32) -> Source,
    ) -> Self {
        let order = wire::codec::decode::<JobOrder>(&head.envelope.order)
            .ok()
            .map(Arc::new);
        let mut job = Job::new(head, order, me);
        // The disk's numbers of values are defined in its own deltas, under a name that no hub has.
        let disk = Uid([0; 16]);
        for delta in news {
            let mut relabelled = delta.clone();
            relabelled.serial = relabelled.serial.max(2);
            job.apply_as(disk, source_of, &relabelled);
            job.own_complete |= delta.complete;
        }
        job.sources.remove(&disk);
        // The numbers that the disk knows are this replay's own no longer: later deltas define values anew.
        job.disk = Sink::after(news.last().map_or(0, |d| d.serial), job.own_complete);
        job
    }

    fn apply_as(
        &mut self,
        dictionary: Uid,
        source_of: &dyn Fn(u32) -> Source,
        delta: &LedgerDelta,
    ) {
        for group in &delta.groups {
            let Some(state) = self.state_of(dictionary, &group.outcome) else {
                continue;
            };
            for (nth, index) in group.who.iter().enumerate() {
                let mut state = state.clone();
                if let State::Returned { timing, .. } = &mut state {
                    *timing = group.timings.get(nth).copied().unwrap_or_default();
                }
                self.claim(index, source_of(index), state);
            }
        }
    }
}
