//! What of an account has been told to whom: the disk, and each parent in its session.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use wire::{IndexSet, LedgerDelta, Outcome, OutcomeGroup, Reason, Uid, ValueRef, limits};

use super::{Job, Origin};
use crate::planted::{self, Bug};
use crate::rollout::PROTOCOL_TERMS;
use crate::state::State;

/// Values up to this many bytes travel with every group; longer ones are defined once a session and named by
/// number after that. A number costs up to five bytes and a table entry at both ends.
const INLINE_MAX: usize = 32;

/// Bytes of values in one delta, after which the rest waits for the next one: small enough to keep
/// a link's other messages moving.
const DELTA_BYTES_MAX: usize = 1 << 20;

/// What one reader of the account (the disk, or a parent in one session) has been told.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    /// In words of this protocol.
    protocol: u16,
    serial: u32,
    acked: u32,
    complete_told: bool,
    /// Numbers of values that it knows.
    defined: IndexSet,
    dirty: IndexSet,
}

impl Default for Sink {
    fn default() -> Self {
        Sink {
            protocol: wire::PROTOCOL,
            serial: 0,
            acked: 0,
            complete_told: false,
            defined: IndexSet::new(),
            dirty: IndexSet::new(),
        }
    }
}

impl Sink {
    /// A disk that has an account up to a serial.
    pub(super) fn after(serial: u32, complete_told: bool) -> Sink {
        Sink {
            serial,
            complete_told,
            ..Sink::default()
        }
    }

    /// Deltas that were told and not acknowledged.
    pub(crate) fn in_flight(&self) -> u32 {
        self.serial - self.acked
    }

    /// Minions of which it has yet to hear.
    pub(crate) fn unsaved(&self) -> &IndexSet {
        &self.dirty
    }

    /// A row is not any more as it was told.
    pub(super) fn changed(&mut self, index: u32) {
        self.dirty.insert(index);
    }

    /// Whether it takes bytes to tell it this.
    fn has_to_define(&self, state: &State) -> bool {
        matches!(state, State::Returned { value, .. } if !self.defined.contains(*value))
    }

    pub(crate) fn acked(&mut self, serial: u32) {
        self.acked = self.acked.max(serial.min(self.serial));
    }
}

impl Job {
    /// A parent is told everything again: its session begins, or it asked. Serials count on within a session, also
    /// from an account of the same job that was let go: `told` is the last one.
    pub(crate) fn begin_uplink(&mut self, parent: Uid, protocol: u16, told: u32) {
        let sink = self.uplinks.entry(parent).or_insert_with(|| Sink {
            serial: told,
            acked: told,
            ..Sink::default()
        });
        *sink = Sink {
            protocol,
            serial: sink.serial,
            acked: sink.acked,
            dirty: self.rows.keys().copied().collect(),
            ..Sink::default()
        };
    }

    /// Whether this parent has something to hear.
    pub(crate) fn has_news(&self, sink: &Sink) -> bool {
        !sink.dirty.is_empty() || (self.is_complete() && !sink.complete_told)
    }

    /// Whether the disk has something to hear.
    pub(crate) fn has_unsaved(&self) -> bool {
        self.recall.is_none() && self.has_news(&self.disk)
    }

    /// What the disk has to hear, up to so many bytes of values, and how many it has of them; None when nothing changed.
    pub(crate) fn disk_delta(&mut self, bytes_max: usize) -> Option<(LedgerDelta, usize)> {
        let mut sink = std::mem::take(&mut self.disk);
        let delta = self.delta(&mut sink, true, bytes_max.min(DELTA_BYTES_MAX));
        sink.acked = sink.serial;
        self.disk = sink;
        delta
    }

    /// The next news for a parent; None when it knows everything that is on disk. What changed since the last batch
    /// is not, and waits for the next one.
    pub(crate) fn uplink_delta(&mut self, parent: Uid) -> Option<LedgerDelta> {
        let mut sink = self.uplinks.remove(&parent)?;
        let mut unsaved = match planted::is(Bug::TellsUnsaved) {
            true => IndexSet::new(),
            false => self.disk.dirty.intersection(&sink.dirty),
        };
        sink.dirty.subtract(&unsaved);
        let named = !self.is_complete() || self.disk.complete_told;
        let is_all = named && unsaved.is_empty();
        let delta = match sink.dirty.is_empty() && !is_all {
            true => None,
            false => self.delta(
                &mut sink,
                is_all || planted::is(Bug::CompleteTooSoon),
                DELTA_BYTES_MAX,
            ),
        };
        if planted::is(Bug::LosesUnsaved) {
            unsaved = IndexSet::new();
        }
        sink.dirty.extend(&unsaved);
        self.uplinks.insert(parent, sink);
        delta.map(|(delta, _)| delta)
    }

    /// The next delta and the bytes of its values. Once it has `bytes_max` of them, returns with other values wait for the
    /// next one; whatever else there is does not. `is_all`: what `sink` has is all that there is, so that it may hear that the
    /// account is complete.
    fn delta(
        &self,
        sink: &mut Sink,
        is_all: bool,
        bytes_max: usize,
    ) -> Option<(LedgerDelta, usize)> {
        if !self.has_news(sink) {
            return None;
        }
        let mut groups: BTreeMap<GroupKey, usize> = BTreeMap::new();
        let mut out: Vec<OutcomeGroup> = Vec::new();
        let mut bytes = 0;
        let mut told = IndexSet::new();
        for index in sink.dirty.iter() {
            if told.len() >= limits::LEDGER_ROWS_PER_FRAME {
                break;
            }
            let Some(row) = self.rows.get(&index) else {
                told.insert(index);
                continue;
            };
            let state = row.summary();
            if self.order.is_none() && !matches!(*state, State::Returned { .. }) {
                // Without the order nobody here would ever say how that goes on.
                told.insert(index);
                continue;
            }
            let at = match groups.entry(GroupKey::of(&state)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(_) if bytes >= bytes_max && sink.has_to_define(&state) => continue,
                Entry::Vacant(new) => {
                    let (protocol, defined) = (sink.protocol, &mut sink.defined);
                    out.push(OutcomeGroup {
                        outcome: self.outcome(&state, protocol, defined, &mut bytes),
                        who: IndexSet::new(),
                        timings: Vec::new(),
                    });
                    *new.insert(out.len() - 1)
                }
            };
            told.insert(index);
            out[at].who.insert(index);
            if let State::Returned { timing, .. } = row.best {
                out[at].timings.push(timing);
            }
        }
        sink.dirty.subtract(&told);
        let complete = is_all && self.is_complete() && sink.dirty.is_empty();
        if told.is_empty() && !complete {
            return None;
        }
        sink.complete_told |= complete;
        sink.serial += 1;
        let delta = LedgerDelta {
            jid: self.jid(),
            serial: sink.serial,
            roster: 0,
            complete,
            groups: out,
        };
        Some((delta, bytes))
    }

    fn outcome(
        &self,
        state: &State,
        protocol: u16,
        defined: &mut IndexSet,
        bytes: &mut usize,
    ) -> Outcome {
        let reason = |reason: &Reason| Reason {
            code: reason.code.in_protocol(protocol),
            ..reason.clone()
        };
        match state {
            State::Queued => Outcome::Queued,
            State::Running => Outcome::Running,
            State::Returned {
                retcode,
                success,
                value,
                ..
            } => {
                let json = self
                    .values
                    .get(*value as usize)
                    .cloned()
                    .unwrap_or_else(|| b"null".as_slice().into());
                let value = if json.len() <= INLINE_MAX {
                    *bytes += json.len();
                    ValueRef::Inline(json)
                } else if defined.insert(*value) {
                    *bytes += json.len();
                    ValueRef::Define(*value, json)
                } else {
                    ValueRef::Known(*value)
                };
                Outcome::Returned {
                    retcode: *retcode,
                    success: *success,
                    value,
                }
            }
            State::Unreachable(r) => Outcome::Unreachable(reason(r)),
            State::Lost(r) => Outcome::Lost(reason(r)),
            State::Refused(r) => Outcome::Refused(reason(r)),
            State::Expired(r) => Outcome::Expired(reason(r)),
            State::Withdrawn => Outcome::Withdrawn,
            State::Undecided(r) => Outcome::Undecided(reason(r)),
            State::Held(..) if protocol < 2 => Outcome::Queued,
            State::Held(r, round) => Outcome::Held {
                reason: reason(r),
                round: *round,
            },
        }
    }

    /// Whether parents hear of it without having asked: what a site ordered by itself is told as history, in protocol 1 to
    /// nobody; returns without an order are told, for someone above may know it. `beside`: the parents are top-masters, and what
    /// one of them ordered is history for the others.
    pub(crate) fn is_told_to(&self, protocol: u16, signer: Option<u8>, beside: bool) -> bool {
        let own = self.is_own(signer);
        self.recall.is_none()
            && match self.order {
                Some(_) => (beside || self.origin != Origin::Above) && protocol >= PROTOCOL_TERMS,
                None => !own || protocol >= PROTOCOL_TERMS,
            }
    }
}

/// What makes outcomes equal enough to fold.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum GroupKey {
    Plain(u8),
    Returned(i32, bool, u32),
    Reasoned(u8, Arc<Reason>),
    Held(Arc<Reason>, u32),
}

impl GroupKey {
    fn of(state: &State) -> GroupKey {
        match state {
            State::Returned {
                retcode,
                success,
                value,
                ..
            } => GroupKey::Returned(*retcode, *success, *value),
            State::Queued => GroupKey::Plain(0),
            State::Running => GroupKey::Plain(1),
            State::Withdrawn => GroupKey::Plain(2),
            State::Unreachable(r) => GroupKey::Reasoned(0, r.clone()),
            State::Lost(r) => GroupKey::Reasoned(1, r.clone()),
            State::Refused(r) => GroupKey::Reasoned(2, r.clone()),
            State::Expired(r) => GroupKey::Reasoned(3, r.clone()),
            State::Undecided(r) => GroupKey::Reasoned(4, r.clone()),
            State::Held(r, round) => GroupKey::Held(r.clone(), *round),
        }
    }
}
