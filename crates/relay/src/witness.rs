//! Whether a top-master is gone, so that another one adopts its jobs by itself.
//!
//! A top-master that hears nothing of another one can't tell whether that one is dead, or cut off from it alone: they have no link with
//! each other. The hubs right below both can, and so they are asked: since when has the owner of this job been away? A job is adopted
//! when every hub that has a part in it answers, and each has been without the owner for long enough. Whoever can't answer, since it
//! is away itself, may still do what the owner says: then it is an operator who decides. Of several top-masters that are left the one
//! with the lowest key comes first, as those hubs see them; and should two come at once, terms decide ([`crate::adoption`]).

use std::collections::{BTreeMap, BTreeSet};

use wire::limits::MAX_PARENTS;
use wire::{Down, Jid, Uid, UnixMillis, Up};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{Hub, Timer};
use crate::job::{Job, Origin};
use crate::planted::{self, Bug};

/// Questions are asked so often while an owner is away, at least and at most.
const ROUND_MS: (u64, u64) = (1_000, 30_000);

/// What hubs below said in this round, of each top-master that owns jobs.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    said: BTreeMap<Uid, BTreeMap<Uid, Testimony>>,
}

/// What one hub said of one top-master.
#[derive(Debug, Clone, Copy)]
struct Testimony {
    /// Since when it has had no session with it; None: it has one.
    away_since: Option<UnixMillis>,
    /// How many top-masters that it has sessions with come before this one.
    before: u64,
}

/// When sessions with parents ended: what a hub can say of them.
#[derive(Debug)]
pub(crate) struct Parted {
    /// Nothing is known of what was before.
    start: UnixMillis,
    last: BTreeMap<Uid, UnixMillis>,
}

impl Parted {
    pub(crate) fn new(start: UnixMillis) -> Parted {
        Parted {
            start,
            last: BTreeMap::new(),
        }
    }

    /// A session with a parent is over.
    pub(crate) fn note(&mut self, parent: Uid, now: UnixMillis) {
        self.last.insert(parent, now);
        if self.last.len() > MAX_PARENTS {
            let oldest = self.last.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(uid, _)| *uid) {
                self.last.remove(&oldest);
            }
        }
    }

    fn since(&self, parent: Uid) -> UnixMillis {
        self.last.get(&parent).copied().unwrap_or(self.start)
    }
}

impl Hub {
    /// A job of another top-master is open here: from now on it is looked after.
    pub(crate) fn watch_owner(&mut self, jid: Jid) {
        let is_beside = self.jobs.get(&jid).is_some_and(is_open_beside);
        if is_beside && self.config.adopt_after_ms > 0 && !self.timers.is_set(Timer::Witness) {
            self.timers
                .set(Timer::Witness, self.now.saturating_add(self.round_ms()));
        }
    }

    /// Asks the hubs below about the owners of jobs that have been open for long enough.
    pub(crate) fn ask_witnesses(&mut self) {
        let jobs = self.jobs.values().filter(|job| is_open_beside(job));
        let mut is_watching = false;
        let mut owners = BTreeSet::new();
        for job in jobs {
            is_watching = true;
            let is_old = self.now.saturating_sub(job.head.received) >= self.config.adopt_after_ms;
            owners.extend(job.owner().filter(|_| is_old).map(|owner| owner.hub));
        }
        self.witnesses.said.clear();
        if !is_watching {
            return;
        }
        self.timers
            .set(Timer::Witness, self.now.saturating_add(self.round_ms()));
        let links = self.links_of_newer_hubs();
        for top in owners {
            self.witnesses.said.insert(top, BTreeMap::new());
            if !links.is_empty() {
                self.outputs.push_back(HubOutput::ToChildren {
                    links: links.clone(),
                    message: Down::Witness { top },
                });
            }
        }
    }

    /// A parent asks about another one.
    pub(crate) fn bear_witness(&mut self, link: LinkId, top: Uid) {
        let here = self.parents.values().filter(|parent| parent.welcomed);
        let tops: Vec<Uid> = here
            .map(|parent| parent.peer.uid)
            .take(MAX_PARENTS)
            .collect();
        let away_ms = match tops.contains(&top) {
            true => None,
            false => Some(self.now.saturating_sub(self.parted.since(top))),
        };
        self.outputs.push_back(HubOutput::ToParent {
            link,
            message: Up::Witness { top, away_ms, tops },
        });
    }

    /// A hub below says since when it has been without a top-master, and which ones it has.
    pub(crate) fn witness_heard(&mut self, hub: Uid, top: Uid, away_ms: Option<u64>, tops: &[Uid]) {
        let me = self.config.uid;
        let now = self.now;
        let Some(said) = self.witnesses.said.get_mut(&top) else {
            return;
        };
        let tops = tops.iter().take(MAX_PARENTS);
        let before = tops.filter(|uid| **uid < me && **uid != top).count() as u64;
        said.insert(
            hub,
            Testimony {
                away_since: away_ms.map(|ms| now.saturating_sub(ms)),
                before,
            },
        );
        let jobs = self.jobs.iter();
        let abandoned: Vec<Jid> = jobs
            .filter(|(_, job)| self.is_abandoned(job, top))
            .map(|(jid, _)| *jid)
            .collect();
        for jid in abandoned {
            self.outputs
                .push_back(HubOutput::Adopting { jid, owner: top });
            self.adopt(jid);
        }
    }

    /// Whether everyone who has a part in a job has been without its owner for long enough.
    fn is_abandoned(&self, job: &Job, top: Uid) -> bool {
        let owner = job.owner().map(|owner| owner.hub);
        if owner != Some(top) || !is_open_beside(job) {
            return false;
        }
        let Some(said) = self.witnesses.said.get(&top) else {
            return false;
        };
        let after = self.config.adopt_after_ms;
        let is_old = |since: UnixMillis, testimony: &Testimony| {
            let turn = testimony.before.saturating_mul(2 * self.round_ms());
            self.now.saturating_sub(since) >= after.saturating_add(turn)
        };
        let says_so = |hub: &Uid| {
            let testimony = said.get(hub);
            testimony.is_some_and(|t| t.away_since.is_some_and(|since| is_old(since, t)))
        };
        if planted::is(Bug::AdoptsOnOneWord) {
            return self.child_hubs().any(|hub| says_so(&hub));
        }
        let mut parts = self
            .child_hubs()
            .filter(|hub| job.sources.contains_key(hub));
        let Some(first) = parts.next() else {
            return false;
        };
        says_so(&first) && parts.all(|hub| says_so(&hub))
    }

    fn round_ms(&self) -> u64 {
        (self.config.adopt_after_ms / 4).clamp(ROUND_MS.0, ROUND_MS.1)
    }
}

/// Whether another top-master is to bring a job to its end.
fn is_open_beside(job: &Job) -> bool {
    job.origin == Origin::Beside && job.finished.is_none() && job.order.is_some()
}
