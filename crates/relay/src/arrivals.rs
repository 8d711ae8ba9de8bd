//! Puts what a child hub says back in order.
//!
//! Long frames travel on streams of their own, so that a big return never delays a small one; a later short frame
//! may overtake them. Three rules restore what matters and nothing more: roster deltas apply in order, the ledger
//! deltas of one job apply in order and after the roster that they name, and the end of a resumption comes after
//! all ledger deltas that it counts. One job's long delta holds up no other job.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use wire::{Jid, LedgerDelta, RosterDelta};

use crate::planted::{self, Bug};

/// Frames of one session that wait for an earlier one, at most. A child sends no more than its window of each job.
const HELD_MAX: usize = 8_192;

/// Jobs of which one session may tell; the child ends it before that.
const JOBS_MAX: usize = (1 << 20) + (1 << 10);

/// Something that may be applied now.
#[derive(Debug, PartialEq)]
pub(crate) enum Ready {
    Roster(RosterDelta),
    Ledger(LedgerDelta),
    Resumed,
}

/// A child sent more out of order than its windows allow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// What came in one session.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Serial of the last roster delta that was applied.
    roster: u32,
    rosters: BTreeMap<u32, RosterDelta>,
    /// Serial of the last ledger delta of each job that was applied.
    jobs: BTreeMap<Jid, u32>,
    ledgers: BTreeMap<(Jid, u32), LedgerDelta>,
    /// Ledger deltas that were applied.
    applied: u64,
    resumed: Option<u64>,
    ready: VecDeque<Ready>,
}

impl Arrivals {
    pub(crate) fn roster(&mut self, delta: RosterDelta) -> Result<(), TooMany> {
        self.rosters.insert(delta.serial, delta);
        self.sort()
    }

    pub(crate) fn ledger(&mut self, delta: LedgerDelta) -> Result<(), TooMany> {
        self.ledgers.insert((delta.jid, delta.serial), delta);
        self.sort()
    }

    pub(crate) fn resumed(&mut self, ledgers: u64) -> Result<(), TooMany> {
        self.resumed = Some(ledgers);
        self.sort()
    }

    /// The next thing to apply.
    pub(crate) fn next(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    fn sort(&mut self) -> Result<(), TooMany> {
        while let Some(delta) = self.rosters.remove(&(self.roster + 1)) {
            self.roster += 1;
            self.ready.push_back(Ready::Roster(delta));
        }
        let mut from = self.ledgers.keys().next().copied();
        while let Some(key) = from {
            let (jid, serial) = key;
            let is_next = self.jobs.get(&jid).copied().unwrap_or(0) + 1 == serial
                || planted::is(Bug::SkipsSerial);
            let fits = |delta: &LedgerDelta| {
                delta.roster <= self.roster || planted::is(Bug::IgnoresRosterSerial)
            };
            if is_next && self.ledgers.get(&key).is_some_and(fits) {
                if let Some(delta) = self.ledgers.remove(&key) {
                    self.jobs.insert(jid, serial);
                    self.applied += 1;
                    self.ready.push_back(Ready::Ledger(delta));
                }
                from = self
                    .ledgers
                    .range((jid, serial)..)
                    .next()
                    .map(|(key, _)| *key);
            } else {
                // The rest of this job waits; on to the next one.
                let rest = (Bound::Excluded((jid, u32::MAX)), Bound::Unbounded);
                from = self.ledgers.range(rest).next().map(|(key, _)| *key);
            }
        }
        let early = u64::from(planted::is(Bug::ResumesTooSoon));
        if self
            .resumed
            .is_some_and(|ledgers| self.applied + early >= ledgers)
        {
            self.resumed = None;
            self.ready.push_back(Ready::Resumed);
        }
        if self.rosters.len() + self.ledgers.len() > HELD_MAX || self.jobs.len() > JOBS_MAX {
            return Err(TooMany);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::RosterMark;

    fn roster(serial: u32) -> RosterDelta {
        RosterDelta {
            serial,
            mark: RosterMark::default(),
            snapshot: false,
            done: true,
            entries: Vec::new(),
            links: Vec::new(),
        }
    }

    fn ledger(job: u8, serial: u32, roster: u32) -> LedgerDelta {
        LedgerDelta {
            jid: format!("202601010000000000{job:02}").parse().unwrap(),
            serial,
            roster,
            complete: false,
            groups: Vec::new(),
        }
    }

    fn drain(arrivals: &mut Arrivals) -> Vec<Ready> {
        std::iter::from_fn(|| arrivals.next()).collect()
    }

    #[test]
    fn a_late_long_frame_holds_up_its_own_job_alone() {
        let mut arrivals = Arrivals::default();
        arrivals.ledger(ledger(1, 2, 0)).unwrap();
        arrivals.ledger(ledger(2, 1, 0)).unwrap();
        assert_eq!(drain(&mut arrivals), [Ready::Ledger(ledger(2, 1, 0))]);
        arrivals.ledger(ledger(1, 1, 0)).unwrap();
        assert_eq!(
            drain(&mut arrivals),
            [
                Ready::Ledger(ledger(1, 1, 0)),
                Ready::Ledger(ledger(1, 2, 0))
            ]
        );
    }

    #[test]
    fn accounts_wait_for_the_roster_that_they_name() {
        let mut arrivals = Arrivals::default();
        arrivals.ledger(ledger(1, 1, 2)).unwrap();
        arrivals.roster(roster(2)).unwrap();
        assert!(drain(&mut arrivals).is_empty());
        arrivals.roster(roster(1)).unwrap();
        assert_eq!(
            drain(&mut arrivals),
            [
                Ready::Roster(roster(1)),
                Ready::Roster(roster(2)),
                Ready::Ledger(ledger(1, 1, 2))
            ]
        );
    }

    #[test]
    fn a_resumption_ends_after_what_it_counts() {
        let mut arrivals = Arrivals::default();
        arrivals.resumed(1).unwrap();
        assert!(drain(&mut arrivals).is_empty());
        arrivals.ledger(ledger(1, 1, 0)).unwrap();
        assert_eq!(
            drain(&mut arrivals),
            [Ready::Ledger(ledger(1, 1, 0)), Ready::Resumed]
        );
        arrivals.ledger(ledger(1, 2, 0)).unwrap();
        assert_eq!(drain(&mut arrivals), [Ready::Ledger(ledger(1, 2, 0))]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut arrivals = Arrivals::default();
        let outcome = (2..)
            .map(|serial| arrivals.ledger(ledger(1, serial, 0)))
            .find(Result::is_err);
        assert_eq!(outcome, Some(Err(TooMany)));
    }
}
