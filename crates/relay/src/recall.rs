//! Jobs that are not in memory: those of an earlier run, those that were let go, and those that a hub below ordered while it
//! was cut off.
//!
//! An account may begin with news: a late return of a job that is closed, or the history of a site that was on its own. The
//! order is looked for in the store first; what is not there is asked for from the child that tells of it. Until then the
//! news stay in memory and nothing is acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::record::{JobHead, Record};
use wire::{Down, Halt, Jid, JobEnvelope, JobOrder, Json, PlanRecord, ReasonCode, Uid};

use crate::LinkId;
use crate::dispatch::target_of;
use crate::exchange::{HubOutput, RecoveredJob};
use crate::hub::{Held, Hub, OPEN_JOBS_MAX};
use crate::job::{Job, Origin, Recall};
use crate::planted::{self, Bug};
use crate::rollout::PROTOCOL_TERMS;
use crate::state::{Source, State};

/// Old jobs that are told to parents at once.
const TELLING_MAX: usize = 8;

impl Hub {
    /// Puts a job of the store into memory again.
    pub(crate) fn restore_job(&mut self, stored: RecoveredJob) {
        let jid = stored.head.jid;
        let roster = &self.roster;
        let source_of = |index: u32| match roster.node(index) {
            Some(node) if node.direct.is_none() => node
                .via
                .keys()
                .next()
                .map_or(Source::Own, |hub| Source::Hub(*hub)),
            _ => Source::Own,
        };
        let mut job = Job::replay_with(stored.head, &stored.news, self.config.uid, &source_of);
        job.finished = stored.finished;
        if job.origin == Origin::Own {
            self.signer = Some(jid.number());
        }
        let owned = |entry: &PlanRecord| matches!(entry, PlanRecord::Owned(_));
        let adoption = stored.plan.iter().rposition(owned);
        if let Some(PlanRecord::Owned(owner)) = adoption.map(|at| &stored.plan[at]) {
            job.note_owner(*owner);
            job.is_owner_saved = true;
        }
        if job.settles(self.signer) && !planted::is(Bug::RestartForgetsSettled) {
            // What is on the origin's disk is settled; children that still keep copies will ask.
            job.settled = job
                .rows()
                .filter(|(_, s)| matches!(s, State::Returned { .. }))
                .map(|(i, _)| i)
                .collect();
        }
        let is_known = |entry: &&PlanRecord| {
            !matches!(entry, PlanRecord::Released(_)) || !planted::is(Bug::RestartForgetsTurns)
        };
        for entry in stored.plan.iter().filter(is_known) {
            job.note_plan(entry);
        }
        self.suspect_other_ways(&mut job);
        // What an earlier owner gave, this one has written down again.
        let since = adoption.unwrap_or(0);
        let entries: Vec<PlanRecord> = stored.plan[since..]
            .iter()
            .filter(is_known)
            .cloned()
            .collect();
        if job.plan.is_some() {
            self.replay_plan(&mut job, &entries);
            self.unsaved.insert(jid);
        }
        let is_adopted = job.owner.is_some() && job.origin == Origin::Own;
        let goes_on = job.plan.is_none() && job.finished.is_none();
        // Those that told of it before are to tell again, so that nothing hangs on what a hub no longer knows.
        let complete = job.is_complete();
        let tellers: Vec<(u32, Uid)> = job
            .rows()
            .filter_map(|(index, _)| match job.source(index) {
                Some(Source::Hub(hub)) => Some((index, hub)),
                _ => None,
            })
            .collect();
        for (index, hub) in tellers {
            let is_held = matches!(job.claim_of(index, Source::Hub(hub)), Some(State::Held(..)));
            let source = job.source_from(hub, complete);
            if is_held {
                // By the mirror, perhaps: if the child has had the job it says so.
                source.mirrored.insert(index);
            }
        }
        if !complete && job.order.is_some() && job.origin != Origin::Below {
            for hub in self.child_hubs() {
                job.source_from(hub, false);
            }
            if let Some(order) = job.order.clone() {
                self.ask_again(&mut job, &order);
            }
            if job.asked.is_empty() {
                job.named_own();
            }
        }
        if let Some(order) = &job.order {
            self.expires(order);
        }
        self.jobs.insert(jid, job);
        self.watch_owner(jid);
        self.ask(jid);
        if is_adopted && goes_on {
            self.begin_handover(jid);
        }
    }

    /// Of what several hubs said of a minion the disk has one word. Whoever had its turn may have got it by another way, until
    /// the hub there has told again.
    fn suspect_other_ways(&self, job: &mut Job) {
        if planted::is(Bug::RestartForgetsWays) {
            return;
        }
        let is_open = |index: &u32| !job.has_returned(*index);
        let leased: Vec<u32> = job.leases.keys().copied().filter(is_open).collect();
        for index in leased {
            let ways = self.roster.node(index).into_iter();
            for hub in ways.flat_map(|node| node.via.keys()) {
                let source = Source::Hub(*hub);
                if job.claim_of(index, source).is_none()
                    && let Some(way) = self.roster.by_uid(*hub)
                {
                    job.claim(index, source, State::Unreachable(self.cut_reason(way)));
                }
            }
        }
    }

    /// An account that begins with news. False when there is no room for it.
    pub(crate) fn adopt_orphan(&mut self, jid: Jid) -> bool {
        if self.jobs.len() >= 2 * OPEN_JOBS_MAX {
            return false;
        }
        let envelope = JobEnvelope {
            order: Json::from(&[][..]),
            signer: Uid([0; 16]),
            signature: [0; 64],
        };
        let head = JobHead {
            jid,
            envelope,
            parents: Vec::new(),
            received: self.now,
        };
        let mut job = Job::new(head, None, self.config.uid);
        job.recall = Some(Recall::default());
        if planted::is(Bug::ReturnIsManifest) {
            job.named_own();
        }
        self.jobs.insert(jid, job);
        self.outputs.push_back(HubOutput::Recall { jid });
        true
    }

    /// What the store has of a job.
    pub(crate) fn recalled(&mut self, jid: Jid, stored: Option<Box<RecoveredJob>>) {
        self.recall_over(jid, stored);
        self.adopt_recalled(jid);
    }

    fn recall_over(&mut self, jid: Jid, stored: Option<Box<RecoveredJob>>) {
        if self.telling.contains(&jid) && stored.is_none() {
            // Its retention is over before a parent could hear of it.
            self.keep_untold(jid, None);
            return;
        }
        let is_searched = |job: &Job| job.recall.is_some();
        match (self.jobs.get(&jid).is_some_and(is_searched), stored) {
            (true, Some(stored)) => {
                let Some(orphan) = self.jobs.remove(&jid) else {
                    return;
                };
                self.restore_job(*stored);
                self.join(jid, orphan);
            }
            (true, None) => self.ask_below(jid),
            (false, Some(stored)) if !self.jobs.contains_key(&jid) => {
                self.restore_job(*stored);
                if let Some(job) = self.jobs.get_mut(&jid) {
                    job.is_history = job.finished.is_some();
                }
                self.tell_owner_up(jid, None);
                self.begin_uplinks(jid);
            }
            (false, _) => {}
        }
    }

    /// What came before the order goes into the account, and can be acknowledged with it.
    pub(crate) fn join(&mut self, jid: Jid, orphan: Job) {
        if let Some(job) = self.jobs.get_mut(&jid) {
            let again = job.take_in(orphan);
            self.unsaved.insert(jid);
            if !again.is_empty() {
                self.settle(jid, &again);
            }
        }
        self.begin_uplinks(jid);
        let told: Vec<(LinkId, Uid)> = self.jobs.get(&jid).map_or_else(Vec::new, |job| {
            job.sources
                .keys()
                .filter_map(|hub| Some((*self.child_links.get(hub)?, *hub)))
                .collect()
        });
        for (link, hub) in told {
            self.after_the_disk(|me| me.retell_rollout(link, hub, jid));
        }
    }

    /// The store does not have it: the children that tell of it may.
    fn ask_below(&mut self, jid: Jid) {
        let links = self.tellers(jid);
        if links.is_empty() {
            self.keep_orphan(jid);
            return;
        }
        if let Some(recall) = self.jobs.get_mut(&jid).and_then(|job| job.recall.as_mut()) {
            recall.asked = true;
        }
        self.outputs.push_back(HubOutput::ToChildren {
            links,
            message: Down::Recall { jid },
        });
    }

    /// A child hub is gone that was asked: what it alone told of a job, it tells again when it is back.
    pub(crate) fn forget_searches(&mut self, hub: Uid) {
        let hopeless = |job: &Job| {
            job.recall.as_ref().is_some_and(|recall| recall.asked)
                && job.sources.keys().all(|source| *source == hub)
                && job.claimed_by(Source::Own).is_empty()
        };
        self.jobs.retain(|_, job| !hopeless(job));
    }

    /// A parent asks what a job is.
    pub(crate) fn tell_order(&mut self, link: LinkId, jid: Jid) {
        let order = self.jobs.get(&jid).filter(|job| job.order.is_some());
        let envelope = order.map(|job| job.head.envelope.clone());
        self.outputs.push_back(HubOutput::ToParent {
            link,
            message: wire::Up::Recalled { jid, envelope },
        });
    }

    /// A child says what a job is.
    pub(crate) fn order_told(&mut self, hub: Uid, jid: Jid, envelope: Option<JobEnvelope>) {
        let search = self.jobs.get_mut(&jid).and_then(|job| job.recall.as_mut());
        let Some(search) = search.filter(|search| search.asked) else {
            return;
        };
        if let Some(envelope) = envelope {
            self.outputs
                .push_back(HubOutput::JobOffered { jid, envelope });
            return;
        }
        search.without.insert(hub);
        let without = search.without.clone();
        // Another one that tells of it may know.
        let is_asked = |hub: &Uid| {
            let link = self.child_links.get(hub);
            let knows_how = link.is_some_and(|link| self.speaks(*link, PROTOCOL_TERMS));
            knows_how && !without.contains(hub)
        };
        let job = self.jobs.get(&jid);
        if !job.is_some_and(|job| job.sources.keys().any(is_asked)) {
            self.keep_orphan(jid);
        }
    }

    /// The order that a child told was signed well, or not.
    pub(crate) fn vouched(
        &mut self,
        jid: Jid,
        envelope: JobEnvelope,
        order: Option<Arc<JobOrder>>,
    ) {
        let is_searched = |job: &Job| job.recall.is_some();
        if !self.jobs.get(&jid).is_some_and(is_searched) {
            return;
        }
        let Some(order) = order.filter(|order| order.jid == jid) else {
            self.refused += 1;
            self.jobs.remove(&jid);
            self.outputs.push_back(HubOutput::Alarm(format!(
                "a hub below tells of job {jid}, and its order is not signed well; it is not kept"
            )));
            return;
        };
        let is_below = self.roster.by_uid(order.origin).is_some();
        let is_other = !is_below && order.origin != self.config.uid;
        let is_beside = is_other && self.config.path.is_top();
        let is_above = is_other && !is_beside;
        if is_above && !planted::is(Bug::RecallIsManifest) {
            // From above, where there is another way to the child. Whom it means here nobody has asked yet: an account with
            // its order would pass for the answer.
            self.keep_orphan(jid);
            return;
        }
        let Some(orphan) = self.jobs.remove(&jid) else {
            return;
        };
        let parents = match (is_below, is_beside) {
            (true, _) => vec![self.config.uid],
            (_, true) => vec![self.config.uid, order.origin],
            _ => Vec::new(),
        };
        let head = JobHead {
            jid,
            envelope,
            parents,
            received: self.now,
        };
        self.saving.record(Record::Job(Box::new(head.clone())));
        let mut job = Job::new(head, Some(order.clone()), self.config.uid);
        if is_beside && self.now < order.start_by {
            self.await_sites(&mut job, &order);
        }
        job.named_own();
        self.expires(&order);
        let is_own = job.origin == Origin::Own;
        self.jobs.insert(jid, job);
        self.watch_owner(jid);
        self.state_dirty.insert(jid);
        if is_own {
            // How it was to be rolled out is lost with the disk that had it.
            let text = "its origin lost the rollout with its disk";
            let reason = (*self.reason(ReasonCode::Halted, text)).clone();
            self.record_plan(jid, PlanRecord::Halted(Halt { reason, site: None }));
        }
        self.join(jid, orphan);
    }

    /// A job of another top-master: the sites whom it concerns tell of it here as well, and until then the account is not whole.
    fn await_sites(&self, job: &mut Job, order: &JobOrder) {
        let Ok(target) = target_of(order) else {
            return;
        };
        self.resolve_below(job, order, &target, &mut Vec::new());
        let mute: Vec<Uid> = job
            .sources
            .keys()
            .filter(|hub| {
                let link = self.child_links.get(hub);
                link.is_some_and(|link| !self.speaks(*link, PROTOCOL_TERMS))
            })
            .copied()
            .collect();
        for hub in mute {
            self.name_as_untold(job, order, &target, hub);
        }
    }

    /// Whether this hub's parents are top-masters: what one of them orders, all of them hear of.
    pub(crate) fn is_below_tops(&self) -> bool {
        self.config.path.depth() == 1
    }

    /// Nobody knows the order. The origin keeps the returns all the same; any other hub hands them on.
    fn keep_orphan(&mut self, jid: Jid) {
        let own = self.signer == Some(jid.number());
        let is_top = self.config.path.is_top();
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        if job.recall.take().is_none() {
            return;
        }
        if own {
            self.saving.record(Record::Job(Box::new(job.head.clone())));
        }
        if !own && is_top {
            // Of another top-master, which will hear of it by its own links.
            let heard = self.jobs.remove(&jid).map(|job| job.unacked);
            for (link, serial) in heard.into_iter().flatten() {
                self.saving.after(Held::Ack { link, jid, serial });
            }
        } else {
            self.unsaved.insert(jid);
            self.begin_uplinks(jid);
        }
    }

    /// Every parent that is to hear of a job begins to.
    pub(crate) fn begin_uplinks(&mut self, jid: Jid) {
        let (signer, beside) = (self.signer, self.is_below_tops());
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        for parent in self.parents.values().filter(|p| p.welcomed) {
            let is_asking = job.head.parents.contains(&parent.peer.uid);
            if is_asking || job.is_told_to(parent.protocol, signer, beside) {
                let told = parent.serials.get(&jid).copied().unwrap_or(0);
                job.begin_uplink(parent.peer.uid, parent.protocol, told);
            }
        }
    }

    /// A job is over: whether every parent has heard of it is written down.
    pub(crate) fn told_or_not(&mut self, jid: Jid) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        let is_told = job.origin != Origin::Above || self.is_below_tops();
        if self.config.path.is_top() || job.order.is_none() || !is_told {
            return;
        }
        let mut have = self.untold.get(&jid).cloned().unwrap_or_default();
        have.extend(job.uplinks.keys());
        let untold = (have.len() < self.config.parents).then_some(have);
        self.keep_untold(jid, untold);
    }

    /// Keeps in mind that some parents have yet to hear of a job, and which have; None: all have.
    fn keep_untold(&mut self, jid: Jid, have: Option<BTreeSet<Uid>>) {
        self.telling.remove(&jid);
        let untold = have.is_some();
        let before = match have {
            Some(have) => self.untold.insert(jid, have),
            None => self.untold.remove(&jid),
        };
        if untold != before.is_some() {
            self.saving.record(Record::JobUntold { jid, untold });
        }
        self.tell_old_jobs();
    }

    /// Fetches jobs of which parents have yet to hear, a few at a time.
    pub(crate) fn tell_old_jobs(&mut self) {
        let hear: Vec<Uid> = self
            .parents
            .values()
            .filter(|parent| parent.welcomed && parent.protocol >= PROTOCOL_TERMS)
            .map(|parent| parent.peer.uid)
            .collect();
        let room = TELLING_MAX.saturating_sub(self.telling.len());
        let next: Vec<Jid> = self
            .untold
            .iter()
            .filter(|(jid, have)| {
                !self.telling.contains(*jid) && hear.iter().any(|parent| !have.contains(parent))
            })
            .map(|(jid, _)| *jid)
            .take(room)
            .collect();
        for jid in next {
            self.telling.insert(jid);
            match self.jobs.contains_key(&jid) {
                true => self.reopen(jid),
                false => self.outputs.push_back(HubOutput::Recall { jid }),
            }
        }
    }
}
