//! What minions say: starts, returns, grains.

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::{Down, IndexSet, Jid, Json, Reason, ReasonCode, Return, Timing, limits};

use crate::LinkId;
use crate::bounds;
use crate::dispatch::target_of;
use crate::exchange::HubOutput;
use crate::hub::{Held, Hub};
use crate::job::{Job, Origin};
use crate::node::NodeFacts;
use crate::planted::{self, Bug};
use crate::state::{Source, State};

impl Hub {
    /// A minion's session begins: what it says of jobs against what the accounts say.
    pub(super) fn minion_back(
        &mut self,
        link: LinkId,
        index: u32,
        running: &[Jid],
        unsettled: &[Jid],
    ) {
        // As sets: a hostile list of a whole frame costs no more than its reading.
        let running: BTreeSet<&Jid> = running.iter().collect();
        let unsettled: BTreeSet<&Jid> = unsettled.iter().collect();
        let mut settled = Vec::new();
        let mut send = Vec::new();
        let mut turns = Vec::new();
        let mut claims = Vec::new();
        for (jid, job) in &self.jobs {
            if unsettled.contains(jid) && job.settled.contains(index) {
                settled.push(*jid);
            }
            let Some(state) = job.claim_of(index, Source::Own) else {
                // By way of another hub of the site, which it has left.
                if running.contains(jid) && self.is_meant(job, index) {
                    claims.push((*jid, State::Running));
                }
                continue;
            };
            if running.contains(jid) {
                if state.weight() <= State::Running.weight() {
                    claims.push((*jid, State::Running));
                }
                continue;
            }
            if unsettled.contains(jid) {
                continue;
            }
            let in_time = job.order.as_ref().is_some_and(|o| self.now < o.start_by);
            let lease = job.leases.get(&index).filter(|l| self.now <= l.until);
            // It never heard of the job, and there is still time.
            let may_get_it = match job.terms.by_release {
                true => lease.is_some(),
                false => in_time,
            };
            match state {
                State::Running => {
                    let text =
                        "the minion came back and knows nothing of the job that it had started";
                    let reason = self.reason(ReasonCode::Interrupted, text);
                    claims.push((*jid, State::Lost(reason)));
                    continue;
                }
                State::Queued => {}
                State::Held(..) if in_time => claims.push((*jid, State::Queued)),
                // Whether it had got the job was not known: it had not.
                State::Unreachable(_) if in_time && (job.terms.hold || lease.is_some()) => {
                    if let Some(halt) = job
                        .halts
                        .first()
                        .filter(|_| !planted::is(Bug::QueuesHalted))
                    {
                        // And does not get it any more.
                        claims.push((*jid, State::Refused(Arc::new(halt.reason.clone()))));
                        continue;
                    }
                    claims.push((*jid, State::Queued));
                }
                _ => continue,
            }
            match lease {
                _ if !may_get_it => {}
                Some(lease) => turns.push((*jid, lease.until)),
                None => send.push(job.head.envelope.clone()),
            }
        }
        for (jid, state) in claims {
            if matches!(state, State::Running) {
                self.work_begins(link);
            }
            self.claim(jid, index, Source::Own, state);
        }
        for envelope in send {
            self.work_begins(link);
            self.after_the_disk(|hub| hub.tell_child(link, Down::Job(envelope)));
        }
        for (jid, until) in turns {
            self.after_the_disk(|hub| hub.send_turn(jid, until, vec![link]));
        }
        if let Some(child) = self.children.get_mut(&link) {
            child.settled.append(&mut settled);
        }
        self.tell_settled_to(link);
    }

    /// A minion's connection is over: what it has not returned is not known any more.
    pub(super) fn minion_gone(&mut self, index: u32) {
        let reason = self.reason(
            ReasonCode::ConnectionLost,
            "its connection ended before it returned; amended when it is heard again",
        );
        let away = self.reason(ReasonCode::MinionDown, "not connected to its hub");
        let mut states = Vec::new();
        for (jid, job) in &self.jobs {
            let state = match job.claim_of(index, Source::Own) {
                // It waits for its turn, connected or not.
                Some(State::Queued) if job.waits_here(index) => match job.terms.hold {
                    true => State::Held(away.clone(), 0),
                    false => continue,
                },
                // It may not have heard of the job, and gets it then.
                Some(State::Queued) if job.is_kept_for(index) => State::Held(reason.clone(), 0),
                Some(State::Queued | State::Running) => State::Unreachable(reason.clone()),
                _ => continue,
            };
            states.push((*jid, state));
        }
        for (jid, state) in states {
            self.claim(jid, index, Source::Own, state);
        }
    }

    pub(super) fn minion_says(&mut self, link: LinkId, jid: Jid, state: impl Fn(&Job) -> State) {
        let Some(index) = self.children.get(&link).and_then(|c| c.index) else {
            return;
        };
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        // Only one that is expected can have news, here or at another hub of the site, which it has left. A return stays.
        if job.claim_of(index, Source::Own).is_none() && !self.is_meant(job, index) {
            return;
        }
        let state = state(job);
        self.claim(jid, index, Source::Own, state);
    }

    /// Whether a job of a hub above is for this minion, which this hub did not know when it named who is expected.
    fn is_meant(&self, job: &Job, index: u32) -> bool {
        let Some(order) = job.order.as_ref().filter(|_| job.origin == Origin::Above) else {
            return false;
        };
        self.roster.node(index).is_some_and(|node| {
            order.scope.contains(&node.path)
                && target_of(order).is_ok_and(|target| {
                    target.matches(&NodeFacts::of(node)) == targeting::Verdict::Yes
                })
        })
    }

    pub(super) fn returned(&mut self, link: LinkId, ret: Return) {
        let Some(index) = self.children.get(&link).and_then(|c| c.index) else {
            return;
        };
        self.work_ends(link);
        let value = if ret.value.len() > limits::MAX_RETURN {
            self.refused += 1;
            let text = format!(
                "\"a value of {} bytes, over the limit of {}\"",
                ret.value.len(),
                limits::MAX_RETURN
            );
            text.into_bytes().into()
        } else {
            ret.value
        };
        let jid = ret.jid;
        if !self.jobs.contains_key(&jid) {
            // Without room for it the minion keeps its copy, and tells again in its next session.
            self.adopt_orphan(jid);
        }
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        if job.settled.contains(index) {
            let is_counted = !matches!(
                job.claim_of(index, Source::Own),
                Some(State::Queued | State::Running)
            );
            if let Some(child) = self.children.get_mut(&link) {
                child.settled.push(jid);
            }
            self.tell_settled_to(link);
            // The origin may have it by way of another hub before this one does.
            if is_counted || planted::is(Bug::LosesOtherWay) {
                return;
            }
        }
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        if job.has_returned(index) {
            // A second one would change nothing, and yet its value would be kept.
            if !planted::is(Bug::KeepsHeadless) {
                self.settle_known(jid, [index].into_iter().collect());
            }
            return;
        }
        let issued = job.order.as_ref().map_or(ret.started, |o| o.issued);
        let timing = Timing {
            start_offset_ms: ret.started.saturating_sub(issued).min(u64::from(u32::MAX)) as u32,
            duration_ms: ret.duration_ms,
        };
        let value = job.intern(value);
        let state = State::Returned {
            retcode: ret.retcode,
            success: ret.success,
            value,
            timing,
        };
        self.returns += 1;
        self.claim(jid, index, Source::Own, state);
        self.settle_known(jid, [index].into_iter().collect());
    }

    /// Returns that came to their origin: those that it has from an earlier run are settled, the others when they are saved.
    pub(super) fn settle_known(&mut self, jid: Jid, mut who: IndexSet) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        if !job.settles(self.signer) {
            return;
        }
        who.subtract(&job.settled);
        who.subtract(job.disk.unsaved());
        if !who.is_empty() {
            self.saving.after(Held::Settle { jid, who });
        }
    }

    pub(super) fn not_run(&mut self, link: LinkId, jid: Jid, started: bool, reason: Reason) {
        self.work_ends(link);
        let reason = bounds::reason(&reason);
        self.minion_says(link, jid, |_| match (started, reason.code) {
            (true, _) => State::Lost(reason.clone()),
            (false, ReasonCode::NotStarted) => State::Expired(reason.clone()),
            (false, _) => State::Refused(reason.clone()),
        });
        // There is no value to keep at the origin, so the minion may forget at once.
        self.settle_later(link, jid);
    }

    pub(super) fn grains(&mut self, link: LinkId, grains: Json) {
        let Some(index) = self.children.get(&link).and_then(|c| c.index) else {
            return;
        };
        if grains.len() > limits::MAX_GRAINS {
            self.refused += 1;
            let text = format!(
                "grains of {} bytes are over the limit of {}",
                grains.len(),
                limits::MAX_GRAINS
            );
            self.outputs.push_back(HubOutput::Alarm(text));
            return;
        }
        self.roster.set_grains(index, grains);
        self.flush_soon();
    }
}
