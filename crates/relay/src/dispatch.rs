//! A job's way in: who is expected is named, and once that is on disk they are told.

use std::sync::Arc;

use wire::record::{JobHead, Record};
use wire::{
    BatchPlan, Down, IndexSet, Jid, JobEnvelope, JobOrder, PROTOCOL_TARGETS, PlanRecord, Reason,
    ReasonCode, Role, Terms, Uid, Warrant,
};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{EXPIRY_SLACK_MS, Held, Hub, OPEN_JOBS_MAX, Timer};
use crate::job::{Job, Origin};
use crate::node::{Node, NodeFacts};
use crate::planted::{self, Bug};
use crate::rollout::PROTOCOL_TERMS;
use crate::state::{Source, State};

/// The target of an order: self-contained compound text, as its origin wrote it.
pub(crate) fn target_of(order: &JobOrder) -> Result<targeting::Target, targeting::Errors> {
    targeting::Target::parse(
        targeting::Kind::Compound,
        &order.target.compound,
        &targeting::Nodegroups::default(),
        ':',
    )
}

/// Whether hubs of protocol 1 can't read a target.
pub(crate) fn is_newer(target: &targeting::Target) -> bool {
    target.needs_addresses() || target.needs_pillar()
}

impl Hub {
    pub(crate) fn submit(
        &mut self,
        envelope: JobEnvelope,
        order: Arc<JobOrder>,
        hold: bool,
        plan: Option<BatchPlan>,
        warrant: Option<Warrant>,
    ) {
        let jid = order.jid;
        if let Some(reason) = self.overload() {
            self.outputs
                .push_back(HubOutput::JobRefused { jid, reason });
            return;
        }
        let head = JobHead {
            jid,
            envelope,
            parents: Vec::new(),
            received: self.now,
        };
        self.signer = Some(jid.number());
        let terms = Terms {
            hold,
            by_release: plan.is_some(),
        };
        let rollout = plan.map(PlanRecord::Plan);
        let warrant = warrant.map(PlanRecord::Warrant);
        self.take_job(head, order, terms, rollout.into_iter().chain(warrant));
        if planted::is(Bug::AcceptsUnsaved) {
            self.outputs.push_back(HubOutput::JobAccepted { jid });
            return;
        }
        self.saving.after(Held::Out(HubOutput::JobAccepted { jid }));
    }

    /// Why no more jobs are taken now.
    fn overload(&self) -> Option<String> {
        if self.jobs.len() - self.closed.len() >= OPEN_JOBS_MAX {
            return Some(format!(
                "{OPEN_JOBS_MAX} jobs are open; wait for some to end"
            ));
        }
        let counts = self.jobs.values().map(Job::counts);
        let awaited: u64 = counts.map(|c| c.queued + c.running).sum();
        if awaited < self.config.awaited_max {
            return None;
        }
        let minions = self.roster.nodes().filter(|n| n.role == Role::Minion);
        (awaited >= 4 * minions.count() as u64).then(|| {
            format!("open jobs await {awaited} outcomes of minions; wait for some of them to end")
        })
    }

    /// Saves a new job, names who is expected, and once that is on disk dispatches it.
    pub(crate) fn take_job(
        &mut self,
        head: JobHead,
        order: Arc<JobOrder>,
        terms: Terms,
        entries: impl IntoIterator<Item = PlanRecord>,
    ) {
        let jid = head.jid;
        self.saving.record(Record::Job(Box::new(head.clone())));
        let mut job = Job::new(head, Some(order.clone()), self.config.uid);
        let plain = terms.is_plain();
        let terms = (!plain).then_some(PlanRecord::Terms(terms));
        for entry in terms.into_iter().chain(entries) {
            job.note_plan(&entry);
            self.saving.record(Record::JobPlan { jid, entry });
        }
        let target = target_of(&order);
        let mut links = Vec::new();
        match target {
            Err(errors) => {
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "job {jid}: its target does not parse here: {}",
                    errors.render(&order.target.compound)
                )));
            }
            Ok(target) => {
                self.resolve_own(&mut job, &order, &target, &mut links);
                self.resolve_below(&mut job, &order, &target, &mut links);
            }
        }
        if job.asked.is_empty() {
            job.named_own();
        }
        self.jobs.insert(jid, job);
        self.begin_uplinks(jid);
        self.unsaved.insert(jid);
        self.state_dirty.insert(jid);
        self.expires(&order);
        self.hand_on(jid, links);
        self.ask(jid);
    }

    /// Hands a job on to these children once what is known of it is on disk.
    pub(crate) fn hand_on(&mut self, jid: Jid, links: Vec<LinkId>) {
        if links.is_empty() {
            return;
        }
        for link in &links {
            self.work_begins(*link);
        }
        // In one packet with the job, where both are small.
        for settled in self.take_settled(&links) {
            self.saving.after(Held::Out(settled));
        }
        let job = self.jobs.get(&jid);
        let told = job.map(|job| self.in_their_words(links, job));
        for (links, message) in told.into_iter().flatten() {
            self.saving
                .after(Held::Out(HubOutput::ToChildren { links, message }));
        }
        self.tell_plan(jid);
    }

    /// A job's order for these children. Minions get it plain; so do hubs of protocol 1, which hold nothing and judge nothing.
    pub(crate) fn in_their_words(&self, links: Vec<LinkId>, job: &Job) -> Vec<(Vec<LinkId>, Down)> {
        let (envelope, terms) = (job.head.envelope.clone(), job.terms);
        let is_plain = terms.is_plain() && job.warrant.is_none();
        let is_told = |link: &LinkId| {
            let hub = self
                .children
                .get(link)
                .is_some_and(|c| c.peer.role.is_hub());
            !is_plain && hub && self.speaks(*link, PROTOCOL_TERMS)
        };
        let (told, plain): (Vec<LinkId>, Vec<LinkId>) = links.into_iter().partition(is_told);
        let assign = match job.warrant.clone() {
            None => Down::Assign {
                envelope: envelope.clone(),
                terms,
            },
            Some(warrant) => Down::Warranted {
                envelope: envelope.clone(),
                terms,
                warrant: Box::new(warrant),
            },
        };
        let both = [(plain, Down::Job(envelope)), (told, assign)];
        both.into_iter()
            .filter(|(links, _)| !links.is_empty())
            .collect()
    }

    /// Names the minions that are children of this very hub.
    pub(crate) fn resolve_own(
        &self,
        job: &mut Job,
        order: &JobOrder,
        target: &targeting::Target,
        links: &mut Vec<LinkId>,
    ) {
        for node in self
            .roster
            .nodes()
            .filter(|n| n.is_own_minion() && order.scope.contains(&n.path))
        {
            let verdict = target.matches(&NodeFacts::of(node));
            if self.is_in_question(job, node, target, verdict) {
                job.asked.insert(node.index);
                continue;
            }
            let state = match verdict {
                targeting::Verdict::No => continue,
                targeting::Verdict::Unknown => State::Undecided(self.reason(
                    ReasonCode::MinionDown,
                    "its grains were never heard here, so the target cannot be decided",
                )),
                targeting::Verdict::Yes => self.named(job, node, links),
            };
            job.claim(node.index, Source::Own, state);
        }
    }

    /// How a minion of this very hub stands that is meant, before anything is heard of it; with the links to whom the job goes.
    pub(crate) fn named(&self, job: &Job, node: &Node, links: &mut Vec<LinkId>) -> State {
        match self.child_links.get(&node.uid) {
            Some(_) if job.terms.by_release => State::Queued,
            Some(link) => {
                links.push(*link);
                State::Queued
            }
            None if job.terms.hold => State::Held(self.down_reason(node), 0),
            None => State::Unreachable(self.down_reason(node)),
        }
    }

    /// Asks the hubs below; for those that are cut off the mirrored roster speaks.
    pub(crate) fn resolve_below(
        &self,
        job: &mut Job,
        order: &JobOrder,
        target: &targeting::Target,
        links: &mut Vec<LinkId>,
    ) {
        for (hub, node) in self.hubs_meant(order, target) {
            match self.child_links.get(&hub) {
                Some(link) if self.is_too_old(*link, job.terms, || is_newer(target)) => {
                    let reason = self.too_old(node, job.terms);
                    self.name_by_mirror(job, order, target, hub, &|| {
                        State::Refused(reason.clone())
                    });
                }
                Some(link) => {
                    links.push(*link);
                    job.sources.entry(hub).or_default();
                }
                None => self.name_as_cut_off(job, order, target, hub),
            }
        }
    }

    /// Child hubs below which an order may mean someone.
    pub(crate) fn hubs_meant<'a>(
        &'a self,
        order: &'a JobOrder,
        target: &'a targeting::Target,
    ) -> impl Iterator<Item = (Uid, &'a Node)> {
        let hubs = self.child_hubs();
        hubs.filter_map(|hub| Some((hub, self.roster.by_uid(hub)?)))
            .filter(|(_, node)| {
                order.scope.contains(&node.path) || node.path.contains(&order.scope)
            })
            .filter(|(_, node)| target.may_match_below(node.path.as_str()))
    }

    /// Minions behind a hub within the scope of an order, as they were last known.
    pub(crate) fn mirrored(&self, order: &JobOrder, hub: Uid) -> impl Iterator<Item = &Node> {
        self.roster.nodes().filter(move |n| {
            !planted::is(Bug::ForgetsMirror)
                && n.role == Role::Minion
                && n.is_accepted()
                && n.via.contains_key(&hub)
                && order.scope.contains(&n.path)
        })
    }

    /// Names the minions behind a hub that is cut off, by what was last known of them.
    fn name_as_cut_off(
        &self,
        job: &mut Job,
        order: &JobOrder,
        target: &targeting::Target,
        hub: Uid,
    ) {
        let Some(node) = self.roster.by_uid(hub) else {
            return;
        };
        let reason = self.cut_reason(node);
        let hold = job.terms.hold && job.halts.is_empty() && self.now < order.start_by;
        self.name_by_mirror(job, order, target, hub, &|| match hold {
            true => State::Held(reason.clone(), 0),
            false => State::Unreachable(reason.clone()),
        });
    }

    /// Names the minions behind a hub that tells nothing of a job of another top-master.
    pub(crate) fn name_as_untold(
        &self,
        job: &mut Job,
        order: &JobOrder,
        target: &targeting::Target,
        hub: Uid,
    ) {
        let Some(node) = self.roster.by_uid(hub) else {
            return;
        };
        let text = format!(
            "hub {} has not told of the job: {} did not reach it, or it runs an older release",
            node.id, order.origin_id
        );
        let reason = self.reason(ReasonCode::NotDelivered, text);
        self.name_by_mirror(job, order, target, hub, &|| {
            State::Unreachable(reason.clone())
        });
    }

    /// Names the minions behind a hub by what was last known of them; whatever the hub told before stands.
    fn name_by_mirror(
        &self,
        job: &mut Job,
        order: &JobOrder,
        target: &targeting::Target,
        hub: Uid,
        state: &dyn Fn() -> State,
    ) {
        let mut named = IndexSet::new();
        for node in self.mirrored(order, hub) {
            if job.claim_of(node.index, Source::Hub(hub)).is_some() {
                continue;
            }
            let state = state();
            let state = match (target.matches(&NodeFacts::of(node)), state.reason()) {
                (targeting::Verdict::No, _) => continue,
                (targeting::Verdict::Unknown, Some(reason)) => State::Undecided(reason.clone()),
                (_, _) => state,
            };
            job.claim(node.index, Source::Hub(hub), state);
            named.insert(node.index);
        }
        let source = job.sources.entry(hub).or_default();
        source.complete = true;
        source.mirrored.extend(&named);
    }

    /// Whether a child hub can't do what an order asks of it.
    pub(crate) fn is_too_old(
        &self,
        link: LinkId,
        terms: Terms,
        is_newer: impl FnOnce() -> bool,
    ) -> bool {
        terms.by_release && !self.speaks(link, PROTOCOL_TERMS)
            || !self.speaks(link, PROTOCOL_TARGETS) && is_newer()
    }

    fn too_old(&self, hub: &crate::node::Node, terms: Terms) -> Arc<Reason> {
        let lack = match terms.by_release {
            true => "can't give turns in a rollout",
            false => "knows no targets by address or pillar",
        };
        self.reason(
            ReasonCode::TooOld,
            format!(
                "hub {} runs {}, which {lack}: upgrade it first",
                hub.id, hub.software
            ),
        )
    }

    pub(crate) fn cut_reason(&self, hub: &crate::node::Node) -> Arc<Reason> {
        let mut reason = (*self.reason(
            ReasonCode::SiteCutOff,
            format!(
                "site {} is cut off: no connection to its hub {}",
                hub.path, hub.id
            ),
        ))
        .clone();
        reason.since = hub.link.since;
        Arc::new(reason)
    }

    pub(crate) fn down_reason(&self, node: &crate::node::Node) -> Arc<Reason> {
        let mut reason = (*self.reason(ReasonCode::MinionDown, "not connected to its hub")).clone();
        reason.since = node.link.since;
        Arc::new(reason)
    }

    /// The job's time to start ends: minions have a little longer to say that they refuse.
    pub(crate) fn expires(&mut self, order: &JobOrder) {
        let at = order.start_by.saturating_add(EXPIRY_SLACK_MS);
        self.timers.set(Timer::Expiry(order.jid), at);
    }

    /// Own minions that were sent the job and have not started in its time.
    pub(crate) fn expire(&mut self, jid: Jid) {
        if planted::is(Bug::NeverExpires) {
            return;
        }
        let sent = self.reason(ReasonCode::NotStarted, "not started within the job's time");
        let text = "its turn did not come within the job's time";
        let waited = self.reason(ReasonCode::NotStarted, text);
        let text = "kept for it until the job's time was over, and it was not back";
        let held = self.reason(ReasonCode::NotStarted, text);
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        let mut late: Vec<(u32, Source)> = job
            .claimed_by(Source::Own)
            .into_iter()
            .map(|index| (index, Source::Own))
            .collect();
        for (hub, source) in &job.sources {
            // One that is there says so itself.
            let is_there = self.child_links.contains_key(hub) || planted::is(Bug::KeepsHeldOfCut);
            let hub = Source::Hub(*hub);
            let out_of_reach = match is_there {
                true => Vec::new(),
                false => job.claimed_by(hub),
            };
            late.extend(source.mirrored.iter().map(|index| (index, hub)));
            late.extend(out_of_reach.into_iter().map(|index| (index, hub)));
        }
        for (index, source) in late {
            let reason = match job.claim_of(index, source) {
                Some(State::Held(..)) => &held,
                Some(State::Queued) if job.waits_here(index) => &waited,
                Some(State::Queued) => &sent,
                _ => continue,
            };
            job.claim(index, source, State::Expired(reason.clone()));
        }
        // A hub that never named its minions has had its time too.
        let silent: Vec<Uid> = job
            .sources
            .iter()
            .filter(|(_, s)| !s.complete)
            .map(|(hub, _)| *hub)
            .collect();
        self.unsaved.insert(jid);
        for hub in silent {
            self.fall_back_to_mirror(jid, hub);
        }
    }

    /// Names a silent hub's minions by the mirror; whatever it told before stands.
    pub(crate) fn fall_back_to_mirror(&mut self, jid: Jid, hub: Uid) {
        let Some(mut job) = self.jobs.remove(&jid) else {
            return;
        };
        if job.origin != Origin::Below
            && let Some(order) = job.order.clone()
            && let Ok(target) = target_of(&order)
        {
            match job.origin == Origin::Beside && self.child_links.contains_key(&hub) {
                true => self.name_as_untold(&mut job, &order, &target, hub),
                false => self.name_as_cut_off(&mut job, &order, &target, hub),
            }
        }
        job.sources.entry(hub).or_default().complete = true;
        self.jobs.insert(jid, job);
        self.unsaved.insert(jid);
    }

    /// The time for children to come back after a restart is over.
    pub(crate) fn recovery_over(&mut self) {
        self.recovering = false;
        if planted::is(Bug::NeverRecovers) {
            return;
        }
        let jids: Vec<Jid> = self.jobs.keys().copied().collect();
        for jid in jids {
            let silent: Vec<Uid> = self.jobs[&jid]
                .sources
                .iter()
                .filter(|(hub, s)| !s.complete && !self.child_links.contains_key(hub))
                .map(|(hub, _)| *hub)
                .collect();
            for hub in silent {
                self.fall_back_to_mirror(jid, hub);
            }
            let open: Vec<(u32, Source)> = {
                let job = &self.jobs[&jid];
                job.rows()
                    .filter(|(_, s)| matches!(s, State::Queued | State::Running))
                    .filter_map(|(index, _)| job.source(index).map(|source| (index, source)))
                    .collect()
            };
            for (index, source) in open {
                // Nobody has been given it yet: it waits as before.
                if source == Source::Own && self.jobs[&jid].waits_here(index) {
                    continue;
                }
                let gone = match source {
                    Source::Own => self
                        .roster
                        .node(index)
                        .is_none_or(|n| !self.child_links.contains_key(&n.uid)),
                    Source::Hub(hub) => !self.child_links.contains_key(&hub),
                };
                if gone {
                    let text = "no contact since the hub restarted; amended when it is heard again";
                    let reason = self.reason(ReasonCode::ConnectionLost, text);
                    let job = &self.jobs[&jid];
                    let queued = matches!(job.claim_of(index, source), Some(State::Queued));
                    let state = match queued && job.is_kept_for(index) {
                        true => State::Held(reason, 0),
                        false => State::Unreachable(reason),
                    };
                    self.claim(jid, index, source, state);
                }
            }
        }
    }
}
