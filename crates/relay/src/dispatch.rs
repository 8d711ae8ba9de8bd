//! A job's way in: who is expected is named, and once that is on disk they are told.

use std::sync::Arc;

use wire::record::{JobHead, Record};
use wire::{Down, Jid, JobEnvelope, JobOrder, Reason, ReasonCode, Role, Uid};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{EXPIRY_SLACK_MS, Held, Hub, OPEN_JOBS_MAX, Timer};
use crate::job::{Job, signer_of};
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

impl Hub {
    pub(crate) fn submit(&mut self, envelope: JobEnvelope, order: Arc<JobOrder>) {
        let jid = order.jid;
        if self.jobs.len() - self.closed.len() >= OPEN_JOBS_MAX {
            let reason = format!("{OPEN_JOBS_MAX} jobs are open; wait for some to end");
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
        self.signer = Some(signer_of(jid));
        self.take_job(head, order);
        self.saving.after(Held::Out(HubOutput::JobAccepted { jid }));
    }

    /// Saves a new job, names who is expected, and once that is on disk dispatches it.
    pub(crate) fn take_job(&mut self, head: JobHead, order: Arc<JobOrder>) {
        let jid = head.jid;
        let envelope = head.envelope.clone();
        self.saving.record(Record::Job(Box::new(head.clone())));
        let mut job = Job::new(head, Some(order.clone()));
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
        job.named_own();
        for parent in self.parents.values().filter(|p| p.welcomed) {
            if job.head.parents.contains(&parent.peer.uid) {
                let told = parent.serials.get(&jid).copied().unwrap_or(0);
                job.begin_uplink(parent.peer.uid, told);
            }
        }
        self.jobs.insert(jid, job);
        self.dirty_jobs.insert(jid);
        self.state_dirty.insert(jid);
        self.timers
            .set(Timer::Expiry(jid), order.start_by + EXPIRY_SLACK_MS);
        if !links.is_empty() {
            for link in &links {
                self.work_begins(*link);
            }
            // In one packet with the job, where both are small.
            for settled in self.take_settled(&links) {
                self.saving.after(Held::Out(settled));
            }
            self.saving.after(Held::Out(HubOutput::ToChildren {
                links,
                message: Down::Job(envelope),
            }));
        }
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
            let state = match target.matches(&Facts::of(node)) {
                targeting::Verdict::No => continue,
                targeting::Verdict::Unknown => State::Undecided(self.reason(
                    ReasonCode::MinionDown,
                    "its grains were never heard here, so the target cannot be decided",
                )),
                targeting::Verdict::Yes => match self.child_links.get(&node.uid) {
                    Some(link) => {
                        links.push(*link);
                        State::Queued
                    }
                    None => State::Unreachable(self.down_reason(node)),
                },
            };
            job.claim(node.index, Source::Own, state);
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
        for hub in self.child_hubs() {
            let Some(node) = self.roster.by_uid(hub) else {
                continue;
            };
            if !order.scope.contains(&node.path) && !node.path.contains(&order.scope) {
                continue;
            }
            if !target.may_match_below(node.path.as_str()) {
                continue;
            }
            match self.child_links.get(&hub) {
                Some(link) => {
                    links.push(*link);
                    job.sources.entry(hub).or_default();
                }
                None => self.name_by_mirror(job, order, target, hub),
            }
        }
    }

    /// Names the minions behind a hub that is cut off, by what was last known of them.
    pub(crate) fn name_by_mirror(
        &self,
        job: &mut Job,
        order: &JobOrder,
        target: &targeting::Target,
        hub: Uid,
    ) {
        let Some(hub_node) = self.roster.by_uid(hub) else {
            return;
        };
        let reason = self.cut_reason(hub_node);
        for node in self.roster.nodes().filter(|n| {
            n.role == Role::Minion
                && n.is_accepted()
                && n.via.contains_key(&hub)
                && order.scope.contains(&n.path)
        }) {
            if job.claim_of(node.index, Source::Hub(hub)).is_some() {
                continue;
            }
            let state = match target.matches(&Facts::of(node)) {
                targeting::Verdict::No => continue,
                targeting::Verdict::Yes => State::Unreachable(reason.clone()),
                targeting::Verdict::Unknown => State::Undecided(reason.clone()),
            };
            job.claim(node.index, Source::Hub(hub), state);
        }
        job.sources.entry(hub).or_default().complete = true;
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

    /// Own minions that were sent the job and have not started in its time.
    pub(crate) fn expire(&mut self, jid: Jid) {
        let reason = self.reason(ReasonCode::NotStarted, "not started within the job's time");
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        let late: Vec<u32> = job
            .claimed_by(Source::Own)
            .into_iter()
            .filter(|i| matches!(job.claim_of(*i, Source::Own), Some(State::Queued)))
            .collect();
        for index in late {
            job.claim(index, Source::Own, State::Expired(reason.clone()));
        }
        // A hub that never named its minions has had its time too.
        let silent: Vec<Uid> = job
            .sources
            .iter()
            .filter(|(_, s)| !s.complete)
            .map(|(hub, _)| *hub)
            .collect();
        self.dirty_jobs.insert(jid);
        for hub in silent {
            self.fall_back_to_mirror(jid, hub);
        }
    }

    /// Names a silent hub's minions by the mirror; whatever it told before stands.
    pub(crate) fn fall_back_to_mirror(&mut self, jid: Jid, hub: Uid) {
        let Some(mut job) = self.jobs.remove(&jid) else {
            return;
        };
        if let Some(order) = job.order.clone()
            && let Ok(target) = target_of(&order)
        {
            self.name_by_mirror(&mut job, &order, &target, hub);
        }
        job.sources.entry(hub).or_default().complete = true;
        self.jobs.insert(jid, job);
        self.dirty_jobs.insert(jid);
    }

    /// The time for children to come back after a restart is over.
    pub(crate) fn recovery_over(&mut self) {
        self.recovering = false;
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
                    self.claim(jid, index, source, State::Unreachable(reason));
                }
            }
        }
    }
}

/// A roster node as the target sees it; grains are parsed when a matcher asks for them.
pub(crate) struct Facts<'a> {
    node: &'a crate::node::Node,
    grains: std::cell::OnceCell<Option<serde_json::Value>>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(node: &'a crate::node::Node) -> Self {
        Facts {
            node,
            grains: std::cell::OnceCell::new(),
        }
    }
}

impl targeting::Facts for Facts<'_> {
    fn id(&self) -> &str {
        self.node.id.as_str()
    }
    fn path(&self) -> &str {
        self.node.path.as_str()
    }
    fn grains(&self) -> Option<&serde_json::Value> {
        self.grains
            .get_or_init(|| {
                self.node
                    .grains
                    .as_ref()
                    .and_then(|json| serde_json::from_slice(json).ok())
            })
            .as_ref()
    }
}
