//! What hubs below say: their rosters, their accounts, and that they are gone.

use wire::{
    Down, IndexSet, Jid, LedgerDelta, ReasonCode, RefusalCode, Revocation, RosterDelta, Uid,
};

use crate::LinkId;
use crate::arrivals::{Arrivals, Ready, TooMany};
use crate::dispatch::{is_newer, target_of};
use crate::exchange::HubOutput;
use crate::gate::Peer;
use crate::hub::{EXPIRY_SLACK_MS, Held, Hub};
use crate::planted::{self, Bug};
use crate::rollout::PROTOCOL_TERMS;
use crate::state::{Source, State};

impl Hub {
    /// A child hub is gone: everything that only it can tell is unknown from now on.
    pub(super) fn hub_cut_off(&mut self, peer: &Peer) {
        self.roster.cut_off(peer.uid, self.now);
        let Some(node) = self.roster.by_uid(peer.uid) else {
            return;
        };
        let reason = self.cut_reason(node);
        let source = Source::Hub(peer.uid);
        let jids: Vec<Jid> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.sources.contains_key(&peer.uid))
            .map(|(jid, _)| *jid)
            .collect();
        for jid in jids {
            if planted::is(Bug::IgnoresCuts) {
                break;
            }
            let job = &self.jobs[&jid];
            let named = job.sources.get(&peer.uid).is_some_and(|s| s.complete);
            let order = job.order.as_ref();
            let is_late = order.is_some_and(|o| self.now >= o.start_by + EXPIRY_SLACK_MS);
            let open: Vec<u32> = job
                .claimed_by(source)
                .into_iter()
                .filter(|index| match job.claim_of(*index, source) {
                    Some(State::Queued | State::Running) => true,
                    // That its time is over was on its way.
                    Some(State::Held(..)) => is_late,
                    _ => false,
                })
                .collect();
            for index in open {
                let job = &self.jobs[&jid];
                let waits = matches!(job.claim_of(index, source), Some(State::Queued))
                    && job.is_kept_for(index)
                    && (!is_late || planted::is(Bug::KeepsHeldOfCut));
                let state = match waits {
                    true => State::Held(reason.clone(), 0),
                    false => State::Unreachable(reason.clone()),
                };
                self.claim(jid, index, source, state);
            }
            if !named {
                self.fall_back_to_mirror(jid, peer.uid);
            }
        }
        self.forget_searches(peer.uid);
    }

    /// Something of a syndic that has its place in an order: applies what that makes ready.
    pub(super) fn arrived(
        &mut self,
        link: LinkId,
        peer: &Peer,
        arrive: impl FnOnce(&mut Arrivals) -> Result<(), TooMany>,
    ) {
        let Some(child) = self.children.get_mut(&link) else {
            return;
        };
        if arrive(&mut child.arrivals) == Err(TooMany) {
            self.refused += 1;
            self.refuse_child(link, RefusalCode::Malformed, "too many frames out of order");
            return;
        }
        while let Some(ready) = self.children.get_mut(&link).and_then(|c| c.arrivals.next()) {
            match ready {
                Ready::Roster(delta) => self.child_roster(peer, delta),
                Ready::Ledger(delta) => self.child_ledger(link, peer, &delta),
                Ready::Resumed => self.child_resumed(link, peer),
            }
        }
    }

    pub(super) fn child_roster(&mut self, peer: &Peer, delta: RosterDelta) {
        let applied = self.roster.apply(peer.uid, delta);
        self.gone_from(peer.uid, &applied.gone);
        if !applied.conflicts.is_empty() {
            for (_, id) in &applied.conflicts {
                let text = format!(
                    "site {} has accepted a second key for the id {id}; it is denied",
                    peer.path
                );
                self.outputs.push_back(HubOutput::Alarm(text));
            }
            let uids = applied.conflicts.into_iter().map(|(uid, _)| uid).collect();
            if let Some(link) = self.child_links.get(&peer.uid).copied() {
                self.tell_child(
                    link,
                    Down::Keys {
                        uids,
                        decision: wire::KeyDecision::Deny,
                    },
                );
            }
        }
        self.flush_soon();
    }

    /// A child hub vouches for these nodes no longer: what it said of them last can't change any more.
    pub(crate) fn gone_from(&mut self, hub: Uid, gone: &[u32]) {
        if gone.is_empty() || planted::is(Bug::KeepsRemoved) {
            return;
        }
        let source = Source::Hub(hub);
        let reason = self.reason(
            ReasonCode::Removed,
            "its key was removed while the job was open",
        );
        let mut open = Vec::new();
        for (jid, job) in &self.jobs {
            for index in gone {
                let claim = job.claim_of(*index, source);
                if matches!(claim, Some(State::Held(..))) && planted::is(Bug::KeepsHeldOfRemoved) {
                    continue;
                }
                if let Some(State::Queued | State::Running | State::Held(..)) = claim {
                    open.push((*jid, *index));
                }
            }
        }
        for (jid, index) in open {
            self.claim(jid, index, source, State::Unreachable(reason.clone()));
        }
    }

    pub(super) fn child_ledger(&mut self, link: LinkId, peer: &Peer, delta: &LedgerDelta) {
        let jid = delta.jid;
        if !self.jobs.contains_key(&jid) {
            // Without room for it nothing is acknowledged, and the next session tells it again.
            self.adopt_orphan(jid);
        }
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        let before = job.counts().returned();
        let was_complete = job.sources.get(&peer.uid).is_some_and(|s| s.complete);
        let ours = self.roster.numbers_of(peer.uid);
        job.apply(peer.uid, delta, ours);
        job.unacked.insert(link, delta.serial);
        self.unsaved.insert(jid);
        let job = &self.jobs[&jid];
        self.returns += job.counts().returned().saturating_sub(before);
        let mut returned = IndexSet::new();
        // Copies that come again of returns that are settled: the child may free them.
        let mut again = IndexSet::new();
        let returns = delta.groups.iter();
        let returns = returns.filter(|g| matches!(g.outcome, wire::Outcome::Returned { .. }));
        for theirs in returns.flat_map(|group| group.who.iter()) {
            if let Some(index) = ours(theirs) {
                returned.insert(index);
                if job.settled.contains(index) {
                    again.insert(theirs);
                }
            }
        }
        // Of a job of another top-master this hub asked nobody.
        let was_asked = !was_complete && !job.keeps_history();
        if was_asked && job.sources.get(&peer.uid).is_some_and(|s| s.complete) {
            self.work_ends(link);
        }
        let told = self.jobs[&jid].sources.get(&peer.uid);
        if told.is_some_and(|s| s.complete && s.resumed && !s.silent.is_empty()) {
            self.end_silent(peer, jid);
        }
        self.reopen(jid);
        let recall = self.jobs.get(&jid).and_then(|job| job.recall.as_ref());
        if recall.is_some_and(|recall| recall.asked) && self.speaks(link, PROTOCOL_TERMS) {
            self.tell_child(link, Down::Recall { jid });
        }
        if !again.is_empty() {
            self.tell_child(link, Down::SettledBy { jid, who: again });
        }
        self.note_turned_down(peer.uid, delta);
        self.settle_known(jid, returned);
    }

    /// The child hub has told all that it knows: what it did not mention, it does not have.
    pub(super) fn child_resumed(&mut self, link: LinkId, peer: &Peer) {
        for job in self.jobs.values_mut() {
            if let Some(source) = job.sources.get_mut(&peer.uid) {
                source.resumed = true;
            }
        }
        let jids: Vec<Jid> = self
            .jobs
            .iter()
            .filter(|(_, job)| {
                let source = job.sources.get(&peer.uid);
                source.is_some_and(|s| {
                    !s.told || !s.complete || !s.mirrored.is_empty() || !s.silent.is_empty()
                })
            })
            .map(|(jid, _)| *jid)
            .collect();
        for jid in jids {
            let job = &self.jobs[&jid];
            let Some(order) = job.order.clone() else {
                continue;
            };
            let state_of = job.sources.get(&peer.uid);
            let named = state_of.is_some_and(|s| s.complete);
            // Kept for a site that was cut off when the job was given, or that lost its disk since.
            let source = Source::Hub(peer.uid);
            let is_held = |index| {
                matches!(job.claim_of(index, source), Some(State::Held(..)))
                    && !planted::is(Bug::ForgetsHeldOfWiped)
            };
            let kept = state_of.is_some_and(|s| {
                !s.told && (!s.mirrored.is_empty() || s.silent.iter().any(is_held))
            }) && job.terms.hold
                && job.halts.is_empty();
            let old = self.is_too_old(link, job.terms, || {
                target_of(&order).is_ok_and(|target| is_newer(&target))
            });
            let is_theirs = job.keeps_history();
            if (!named || kept) && self.now < order.start_by && !old && !is_theirs {
                let told = self.in_their_words(vec![link], job);
                if let Some(source) = self
                    .jobs
                    .get_mut(&jid)
                    .and_then(|job| job.sources.get_mut(&peer.uid))
                {
                    source.complete = false;
                }
                self.work_begins(link);
                for (links, message) in told {
                    let output = HubOutput::ToChildren { links, message };
                    self.saving.after(Held::Out(output));
                }
                continue;
            }
            self.end_silent(peer, jid);
            if !named {
                self.fall_back_to_mirror(jid, peer.uid);
            }
        }
        let rolled: Vec<Jid> = self
            .jobs
            .iter()
            .filter(|(_, job)| {
                let is_in = job.sources.contains_key(&peer.uid);
                let is_steered = job.terms.by_release || !job.halts.is_empty();
                job.handover.is_some() || is_in && (is_steered || job.owner.is_some())
            })
            .map(|(jid, _)| *jid)
            .collect();
        for jid in rolled {
            self.after_the_disk(|hub| hub.retell_rollout(link, peer.uid, jid));
        }
    }

    /// What the child hub said before and does not mention now that it has told all: it has no record of that.
    pub(super) fn end_silent(&mut self, peer: &Peer, jid: Jid) {
        let told = self
            .jobs
            .get_mut(&jid)
            .and_then(|job| job.sources.get_mut(&peer.uid));
        let silent = told
            .filter(|told| !told.told || !planted::is(Bug::KeepsSilent))
            .map(|told| {
                let mut silent = std::mem::take(&mut told.silent);
                // Of these it never knew: what is kept for them ends with the job's time.
                silent.subtract(&told.mirrored);
                silent
            })
            .unwrap_or_default();
        let source = Source::Hub(peer.uid);
        let text = format!("hub {} has no record of the job", peer.id);
        let reason = self.reason(ReasonCode::NotDelivered, text);
        for index in silent.iter() {
            let state = self
                .jobs
                .get(&jid)
                .and_then(|job| job.claim_of(index, source));
            let ends = match state {
                Some(State::Queued | State::Running) => true,
                Some(State::Held(..)) => !planted::is(Bug::ForgetsHeldOfWiped),
                _ => false,
            };
            if ends {
                self.claim(jid, index, source, State::Unreachable(reason.clone()));
            }
        }
    }

    pub(super) fn child_revoked(&mut self, link: LinkId, peer: &Peer, news: Vec<Revocation>) {
        // What is known already came by another way before.
        let is_news = |r: &Revocation| {
            let known = self.revocations.get(&r.uid);
            known.is_none_or(|known| known.at < r.at)
        };
        let news = news.into_iter().filter(is_news);
        let (own, foreign): (Vec<_>, Vec<_>) = news.partition(|r| {
            self.roster.by_uid(r.uid).is_none_or(|node| {
                node.via.contains_key(&peer.uid) || peer.path.contains(&node.path)
            })
        });
        if !foreign.is_empty() {
            self.refused += foreign.len() as u64;
            let text = format!(
                "syndic {} tried to revoke {} keys outside of its site",
                peer.id,
                foreign.len()
            );
            self.outputs.push_back(HubOutput::Alarm(text));
        }
        self.spread_revocations(own, Some(link));
    }
}
