//! Sessions of children: minions and syndics that are connected to this very hub.

use std::collections::BTreeSet;

use wire::{
    Down, Hello, HelloBody, IndexSet, Jid, Json, LedgerDelta, ProtocolRange, Reason, ReasonCode,
    Refusal, RefusalCode, Return, Revocation, Role, RosterDelta, Timing, Uid, UnixMillis, Up,
    Welcome, limits,
};

use crate::LinkId;
use crate::arrivals::{Arrivals, Ready, TooMany};
use crate::bounds;
use crate::exchange::HubOutput;
use crate::gate::{Peer, authorize};
use crate::hub::{EXPIRY_SLACK_MS, Held, Hub, Timer};
use crate::job::{Job, Origin};
use crate::planted::{self, Bug};
use crate::probe::Probe;
use crate::rollout::PROTOCOL_TERMS;
use crate::roster::ConnectError;
use crate::state::{Source, State};

/// One session.
#[derive(Debug)]
pub(crate) struct Child {
    pub peer: Peer,
    /// This hub's number for it; None until its hello was answered.
    pub index: Option<u32>,
    /// What the session is in; 0 until its hello was answered.
    pub protocol: u16,
    pub heard: UnixMillis,
    pub probe: Option<Probe>,
    /// Jobs that were sent and whose outcome is open.
    pub outstanding: u32,
    /// Settled jobs that a minion has not been told of yet.
    pub settled: Vec<Jid>,
    /// A syndic's long frames, put back in order.
    pub arrivals: Arrivals,
}

impl Child {
    pub(crate) fn is_up(&self) -> bool {
        self.index.is_some()
    }
}

impl Hub {
    pub(crate) fn child_connected(&mut self, link: LinkId, peer: Peer) {
        let child = Child {
            peer,
            index: None,
            protocol: 0,
            heard: self.now,
            probe: None,
            outstanding: 0,
            settled: Vec::new(),
            arrivals: Arrivals::default(),
        };
        self.children.insert(link, child);
    }

    /// Tells a child why and ends its session; the shell's word that it is closed follows.
    pub(crate) fn refuse_child(&mut self, link: LinkId, code: RefusalCode, text: &str) {
        let refusal = Refusal {
            code,
            text: text.to_owned(),
        };
        self.outputs
            .push_back(HubOutput::CloseChild { link, refusal });
    }

    pub(crate) fn child_message(&mut self, link: LinkId, message: Up) {
        let Some(child) = self.children.get(&link) else {
            return;
        };
        let up = child.is_up();
        let peer = child.peer.clone();
        self.heard(link);
        let message = match authorize(&peer, message) {
            Ok(message) => message.into_inner(),
            Err(violation) => {
                self.refused += 1;
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "{} {}: {violation}",
                    peer.role, peer.id
                )));
                self.refuse_child(link, RefusalCode::Forbidden, &violation.to_string());
                return;
            }
        };
        match (message, up) {
            (Up::Hello(hello), false) => self.hello(link, &peer, hello),
            (Up::Hello(_), true) | (_, false) => {
                self.refused += 1;
                self.refuse_child(
                    link,
                    RefusalCode::Malformed,
                    "a session begins with one hello",
                );
            }
            (Up::Pong { .. }, true) => {}
            (Up::Started { jid }, true) => self.minion_says(link, jid, |_| State::Running),
            (Up::Return(ret), true) => self.returned(link, ret),
            (
                Up::NotRun {
                    jid,
                    started,
                    reason,
                },
                true,
            ) => self.not_run(link, jid, started, reason),
            (Up::Grains(grains), true) => self.grains(link, grains),
            (Up::Roster(delta), true) => self.arrived(link, &peer, |a| a.roster(delta)),
            (Up::Ledger(delta), true) => self.arrived(link, &peer, |a| a.ledger(delta)),
            (Up::Resumed { ledgers }, true) => self.arrived(link, &peer, |a| a.resumed(ledgers)),
            (Up::Revoked(news), true) => self.child_revoked(link, &peer, news),
            (Up::Roots(report), true) => {
                self.roster.set_roots(peer.uid, bounds::roots(report));
                self.flush_soon();
            }
            (Up::Recalled { jid, envelope }, true) => self.order_told(jid, envelope),
        }
    }

    fn hello(&mut self, link: LinkId, peer: &Peer, mut hello: Hello) {
        hello.software = bounds::software(&hello.software);
        let Some(protocol) = ProtocolRange::OURS.common(hello.protocol) else {
            let text = format!(
                "this hub ({}) speaks protocols {} to {}, you ({}) speak {} to {}",
                self.config.software,
                ProtocolRange::OURS.min,
                ProtocolRange::OURS.max,
                hello.software,
                hello.protocol.min,
                hello.protocol.max
            );
            self.refuse_child(link, RefusalCode::Protocol, &text);
            return;
        };
        if self.is_revoked(peer.uid) {
            self.refuse_child(link, RefusalCode::Key, "the key is not accepted");
            return;
        }
        let own = &self.config.path;
        let belongs = match peer.role {
            Role::Minion => peer.path == *own,
            Role::Syndic => peer.path != *own && own.contains(&peer.path),
            Role::TopMaster => false,
        };
        if !belongs {
            // What it would say of itself could not pass this hub's own parent. Enrolling here gives it a new
            // certificate, if an operator agrees.
            let text = format!("its certificate is for another site than this one, {own:?}");
            self.refuse_child(link, RefusalCode::Key, &text);
            return;
        }
        if let Some(older) = self.child_links.get(&peer.uid).copied() {
            self.refuse_child(
                older,
                RefusalCode::Superseded,
                "the same key connected again",
            );
            self.child_closed(older);
        }
        let index = match self.roster.connected(peer, &hello.software, self.now) {
            Ok(index) => index,
            Err(ConnectError::IdTaken) => {
                let text = format!("another key holds the id {}", peer.id);
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "{} {}: {text}",
                    peer.role, peer.id
                )));
                self.refuse_child(link, RefusalCode::DuplicateId, &text);
                return;
            }
            Err(ConnectError::NotAccepted) => {
                self.refuse_child(link, RefusalCode::Key, "the key is not accepted");
                return;
            }
        };
        if let Some(child) = self.children.get_mut(&link) {
            child.index = Some(index);
            child.protocol = protocol;
        }
        self.child_links.insert(peer.uid, link);
        self.tell_child(
            link,
            Down::Welcome(Welcome {
                protocol,
                software: self.config.software.clone(),
                time: self.now,
                roster: self.roster.child_mark(peer.uid),
            }),
        );
        if let Some((bundle, version)) = self.trust.clone()
            && hello.trust_version < version
        {
            self.tell_child(link, Down::Trust(bundle));
        }
        match hello.body {
            HelloBody::Minion {
                grains,
                running,
                unsettled,
            } => {
                self.grains(link, grains);
                self.minion_back(link, index, &running, &unsettled);
            }
            HelloBody::Syndic { job_key, .. } => {
                self.roster.set_job_key(index, job_key);
                let revocations: Vec<Revocation> = self.revocations.values().copied().collect();
                if !revocations.is_empty() {
                    self.tell_child(link, Down::Revoked(revocations));
                }
                self.deliver_decisions(peer.uid, link);
                for job in self.jobs.values_mut() {
                    job.source_returns(peer.uid);
                }
            }
        }
        self.flush_soon();
    }

    /// What this sends waits for the disk: a job or a turn that came a moment ago may not be there yet.
    pub(crate) fn after_the_disk(&mut self, send: impl FnOnce(&mut Self)) {
        let before = self.outputs.len();
        send(self);
        for output in self.outputs.split_off(before) {
            self.saving.after(Held::Out(output));
        }
    }

    /// Makes sure that a batch begins even if nothing but the roster changed.
    pub(crate) fn flush_soon(&mut self) {
        for record in self.roster.take_records() {
            self.saving.record(record);
        }
    }

    /// A minion's session begins: what it says of jobs against what the accounts say.
    fn minion_back(&mut self, link: LinkId, index: u32, running: &[Jid], unsettled: &[Jid]) {
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

    pub(crate) fn child_closed(&mut self, link: LinkId) {
        self.timers.clear(Timer::Probe(link));
        let Some(child) = self.children.remove(&link) else {
            return;
        };
        let Some(index) = child.index else { return };
        if self.child_links.get(&child.peer.uid) != Some(&link) {
            return;
        }
        self.child_links.remove(&child.peer.uid);
        self.roster.disconnected(child.peer.uid, self.now);
        if child.peer.role == Role::Minion {
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
        } else {
            self.hub_cut_off(&child.peer);
        }
        self.flush_soon();
    }

    /// A child hub is gone: everything that only it can tell is unknown from now on.
    fn hub_cut_off(&mut self, peer: &Peer) {
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
                    && job.is_kept_for(index);
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

    fn minion_says(&mut self, link: LinkId, jid: Jid, state: impl Fn(&Job) -> State) {
        let Some(index) = self.children.get(&link).and_then(|c| c.index) else {
            return;
        };
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        // Only one that is expected here can have news, and a return stays.
        if job.claim_of(index, Source::Own).is_none() {
            return;
        }
        let state = state(job);
        self.claim(jid, index, Source::Own, state);
    }

    fn returned(&mut self, link: LinkId, ret: Return) {
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
            if is_counted {
                return;
            }
        }
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        if job.has_returned(index) {
            // A second one would change nothing, and yet its value would be kept.
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
    fn settle_known(&mut self, jid: Jid, mut who: IndexSet) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        if !job.is_own(self.signer) {
            return;
        }
        for index in job.settled.iter().chain(job.disk.unsaved()) {
            who.remove(index);
        }
        if !who.is_empty() {
            self.saving.after(Held::Settle { jid, who });
        }
    }

    fn not_run(&mut self, link: LinkId, jid: Jid, started: bool, reason: Reason) {
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

    fn grains(&mut self, link: LinkId, grains: Json) {
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

    /// Something of a syndic that has its place in an order: applies what that makes ready.
    fn arrived(
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

    fn child_roster(&mut self, peer: &Peer, delta: RosterDelta) {
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
                if let Some(State::Queued | State::Running | State::Held(..)) =
                    job.claim_of(*index, source)
                {
                    open.push((*jid, *index));
                }
            }
        }
        for (jid, index) in open {
            self.claim(jid, index, source, State::Unreachable(reason.clone()));
        }
    }

    fn child_ledger(&mut self, link: LinkId, peer: &Peer, delta: &LedgerDelta) {
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
        let roster = &self.roster;
        if job.apply(peer.uid, delta, |theirs| roster.ours(peer.uid, theirs)) {
            self.dirty_jobs.insert(jid);
        }
        let job = &self.jobs[&jid];
        self.returns += job.counts().returned().saturating_sub(before);
        let returns = delta.groups.iter();
        let returns = returns.filter(|g| matches!(g.outcome, wire::Outcome::Returned { .. }));
        let returned: IndexSet = returns
            .flat_map(|g| g.who.iter())
            .filter_map(|theirs| roster.ours(peer.uid, theirs))
            .collect();
        // Copies that come again of returns that are settled: the child may free them.
        let again: IndexSet = delta
            .groups
            .iter()
            .filter(|g| matches!(g.outcome, wire::Outcome::Returned { .. }))
            .flat_map(|g| g.who.iter())
            .filter(|theirs| {
                roster
                    .ours(peer.uid, *theirs)
                    .is_some_and(|ours| job.settled.contains(ours))
            })
            .collect();
        if !was_complete && job.sources.get(&peer.uid).is_some_and(|s| s.complete) {
            self.work_ends(link);
        }
        let told = self.jobs[&jid].sources.get(&peer.uid);
        if told.is_some_and(|s| s.complete && s.resumed && !s.silent.is_empty()) {
            self.end_silent(peer, jid);
        }
        self.reopen(jid);
        let serial = delta.serial;
        let searched = self.jobs.get_mut(&jid).and_then(|job| job.recall.as_mut());
        match searched {
            None => self.saving.after(Held::Ack { link, jid, serial }),
            Some(recall) => {
                recall.unacked.push((link, serial));
                if recall.asked && self.speaks(link, PROTOCOL_TERMS) {
                    self.tell_child(link, Down::Recall { jid });
                }
            }
        }
        if !again.is_empty() {
            self.tell_child(link, Down::SettledBy { jid, who: again });
        }
        self.settle_known(jid, returned);
    }

    /// The child hub has told all that it knows: what it did not mention, it does not have.
    fn child_resumed(&mut self, link: LinkId, peer: &Peer) {
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
            // Kept for a site that was cut off when the job was given.
            let kept = state_of.is_some_and(|s| !s.mirrored.is_empty() && !s.told)
                && job.terms.hold
                && job.halts.is_empty();
            let old = job.terms.by_release && !self.speaks(link, PROTOCOL_TERMS);
            let is_theirs = job.origin == Origin::Below;
            if (!named || kept) && self.now < order.start_by && !old && !is_theirs {
                let envelope = job.head.envelope.clone();
                let terms = job.terms;
                if let Some(source) = self
                    .jobs
                    .get_mut(&jid)
                    .and_then(|job| job.sources.get_mut(&peer.uid))
                {
                    source.complete = false;
                }
                self.work_begins(link);
                for (links, message) in self.in_their_words(vec![link], envelope, terms) {
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
            .filter(|(_, job)| job.sources.contains_key(&peer.uid))
            .filter(|(_, job)| job.terms.by_release || !job.halts.is_empty())
            .map(|(jid, _)| *jid)
            .collect();
        for jid in rolled {
            self.after_the_disk(|hub| hub.retell_rollout(link, peer.uid, jid));
        }
    }

    /// What the child hub said before and does not mention now that it has told all: it has no record of that.
    fn end_silent(&mut self, peer: &Peer, jid: Jid) {
        let told = self
            .jobs
            .get_mut(&jid)
            .and_then(|job| job.sources.get_mut(&peer.uid));
        let silent = told
            .map(|told| std::mem::take(&mut told.silent))
            .unwrap_or_default();
        let source = Source::Hub(peer.uid);
        let text = format!("hub {} has no record of the job", peer.id);
        let reason = self.reason(ReasonCode::NotDelivered, text);
        for index in silent.iter() {
            let state = self
                .jobs
                .get(&jid)
                .and_then(|job| job.claim_of(index, source));
            if let Some(State::Queued | State::Running) = state {
                self.claim(jid, index, source, State::Unreachable(reason.clone()));
            }
        }
    }

    fn child_revoked(&mut self, link: LinkId, peer: &Peer, news: Vec<Revocation>) {
        let (own, foreign): (Vec<_>, Vec<_>) = news.into_iter().partition(|r| {
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
