//! What goes to the disk next: so much of each account at once that a job with much to say holds up nobody.
//!
//! Only returns may wait for a later batch. That a minion is expected, was given the job, or runs it goes with the next one,
//! since what is sent with that batch's end rests on it.

use std::collections::BTreeMap;

use wire::record::Record;
use wire::{IndexSet, Jid, Outcome, UnixMillis};

use crate::account::JobView;
use crate::exchange::HubOutput;
use crate::hub::{Held, Hub, Timer};
use crate::job::Job;
use crate::planted::{self, Bug};

/// Bytes of values in one batch, unless the first value alone has more. A batch of this size is on disk within some
/// milliseconds (`cargo xtask bench urgent` shows what a ping waits), and larger ones save hardly any time for each byte.
pub const SAVE_BYTES_MAX: usize = 256 << 10;
/// News of an account that has more to come waits so long for it, in milliseconds: each batch costs a sync here and a frame and
/// a sync at each hub above. The last outcome waits for nothing, and before it nobody sees the difference.
pub const GATHER_MS: u64 = 20;
/// A job that begins to say something is given this part of a batch, whatever others have to say.
const FIRST_PART: usize = 16;

/// Jobs of which the disk has yet to hear, with their place in the queue: nought for those that had nothing to say when the
/// last batch began, else the later they had a turn the higher.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    places: BTreeMap<Jid, u64>,
    turns: u64,
    /// Since when news waits for more.
    gathering: Option<UnixMillis>,
}

impl Unsaved {
    pub(crate) fn insert(&mut self, jid: Jid) {
        self.places.entry(jid).or_default();
    }

    pub(crate) fn contains(&self, jid: Jid) -> bool {
        self.places.contains_key(&jid)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn is_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    /// All of them, as they are served.
    fn take(&mut self) -> Vec<(u64, Jid)> {
        self.gathering = None;
        let mut queue: Vec<(u64, Jid)> = std::mem::take(&mut self.places)
            .into_iter()
            .map(|(jid, place)| (place, jid))
            .collect();
        queue.sort_unstable();
        queue
    }

    /// It has more to say: at the end of the queue, or where it was if it had no turn.
    fn requeue(&mut self, jid: Jid, place: Option<u64>) {
        self.turns += 1;
        self.places.insert(jid, place.unwrap_or(self.turns));
    }
}

impl Hub {
    /// Whether all that could be saved now is part of accounts that have more to come soon.
    pub(crate) fn gathers(&mut self) -> bool {
        let patient = |jid| self.jobs.get(jid).is_some_and(Job::has_more_to_come);
        let gathers = !self.unsaved.is_empty()
            && !self.saving.has_next()
            && !self.roster.has_records()
            && self.state_dirty.is_empty()
            && self.unsaved.places.keys().all(patient)
            && self.unsaved_bytes() < self.config.save_bytes_max;
        if !gathers {
            return false;
        }
        let since = self.unsaved.gathering;
        let until = since.unwrap_or(self.now) + self.config.gather_ms;
        if since.is_none() && self.now < until {
            self.unsaved.gathering = Some(self.now);
            if !planted::is(Bug::GathersForEver) {
                self.timers.set(Timer::Gathered, until);
            }
        }
        self.now < until
    }

    fn unsaved_bytes(&self) -> usize {
        let jobs = self.unsaved.places.keys();
        let jobs = jobs.filter_map(|jid| self.jobs.get(jid));
        jobs.map(|job| job.fresh_bytes).sum()
    }

    /// Gathers the records of what changed since the last batch, as far as one batch takes it.
    pub(crate) fn collect_records(&mut self) {
        for record in self.roster.take_records() {
            self.saving.record(record);
        }
        self.gathered = self.roster.mark().revision;
        let mut room = self.config.save_bytes_max.max(1);
        let first_part = room.div_ceil(FIRST_PART);
        for (place, jid) in self.unsaved.take() {
            let share = if place == 0 { first_part } else { room };
            let bytes = self.collect_news(jid, share);
            room = room.saturating_sub(bytes);
            let more = self.jobs.get(&jid).is_some_and(|job| job.has_unsaved());
            if more {
                self.unsaved.requeue(jid, (share == 0).then_some(place));
                self.saving.after(Held::Out(HubOutput::JobChanged { jid }));
            }
            if !more || planted::is(Bug::AcksUnsavedParts) {
                self.all_collected(jid);
            }
        }
        for jid in std::mem::take(&mut self.state_dirty) {
            if let Some(job) = self.jobs.get(&jid).filter(|j| j.order.is_some()) {
                let open = !self.closed.contains(&jid);
                self.saving.record(Record::JobState {
                    summary: Box::new(JobView(job).summary()),
                    open,
                });
            }
        }
    }

    /// Gathers news of one account until its values have so many bytes. Gives the bytes.
    fn collect_news(&mut self, jid: Jid, share: usize) -> usize {
        let Some(job) = self.jobs.get_mut(&jid).filter(|job| job.recall.is_none()) else {
            return 0;
        };
        job.fresh_bytes = 0;
        let origin = job.is_own(self.signer) || planted::is(Bug::SettlesForOthers);
        let settles = origin || job.settles(self.signer);
        let mut bytes = 0;
        let mut returned = IndexSet::new();
        while let Some((delta, more)) = job.disk_delta(share.saturating_sub(bytes)) {
            bytes += more;
            if settles {
                for group in &delta.groups {
                    if matches!(group.outcome, Outcome::Returned { .. }) {
                        returned.extend(&group.who);
                    }
                }
            }
            // What is only handed on has no head on this disk; its minions keep it for their origin.
            if origin || job.order.is_some() {
                self.saving.record(Record::JobNews(delta));
            }
        }
        if !returned.is_empty() {
            let who = returned;
            self.saving.after(Held::Settle { jid, who });
        }
        bytes
    }

    /// With this batch the disk has all of an account. What rests on the whole of it may follow.
    fn all_collected(&mut self, jid: Jid) {
        self.roll_out(jid);
        let Some(job) = self.jobs.get_mut(&jid).filter(|job| job.recall.is_none()) else {
            return;
        };
        for (link, serial) in std::mem::take(&mut job.unacked) {
            self.saving.after(Held::Ack { link, jid, serial });
        }
        if job.finished.is_none() && job.order.is_some() && job.is_finished() {
            job.finished = Some(self.now);
            self.state_dirty.insert(jid);
            self.saving.after(Held::Out(HubOutput::JobFinished { jid }));
            self.end_rollout(jid);
        } else {
            if job.finished.is_some() {
                self.state_dirty.insert(jid);
            }
            self.saving.after(Held::Out(HubOutput::JobChanged { jid }));
        }
    }
}
