//! Jobs whose top-master is gone: another one takes the account over, and the rollout, without a second run.
//!
//! A job has one owner, who settles its returns and gives its turns: the hub that ordered it, until another top-master adopts it.
//! Each adoption has a higher term than what was before, and of two the higher one holds ([`Owner`] is ordered). A hub that hears of
//! one writes it down, gives no turns of any earlier owner from then on, and only then says what it knows of the rollout: so what the
//! new owner hears is all that was given. It gives turns itself when each hub has said so, or when all turns that may have been
//! given out of its sight are surely over. The earlier owner hears of it from the same hubs when it is back, and follows.

use std::collections::{BTreeMap, BTreeSet};

use wire::{
    Down, Halt, IndexSet, Jid, Owner, PlanRecord, ReasonCode, Release, Terms, Uid, UnixMillis, Up,
};

use crate::LinkId;
use crate::bounds;
use crate::dispatch::target_of;
use crate::exchange::HubOutput;
use crate::hub::{Held, Hub, Timer};
use crate::job::{Job, Origin, spans};
use crate::plan::{CLOCK_SKEW_MS, Plan};
use crate::planted::{self, Bug};
use crate::rollout::{PROTOCOL_TERMS, note_rows};
use crate::state::{Source, State};

/// Owners of jobs that are not known here, at most: a hub that hears of one before the job keeps to it.
const OWNERS_MAX: usize = 4_096;

/// What a new owner waits for before it gives turns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handover {
    /// Hubs that have yet to say what turns were given.
    awaiting: BTreeSet<Uid>,
    /// What the others have said.
    told: BTreeMap<Uid, Vec<PlanRecord>>,
    /// By then all turns that an earlier owner gave are over.
    until: UnixMillis,
}

impl Job {
    /// Who settles its returns and gives its turns; None when nobody knows the order.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let origin = self.order.as_ref().map(|order| Owner {
            term: 0,
            hub: order.origin,
        });
        self.owner.or(origin)
    }

    /// Takes in that a top-master has adopted the job.
    pub(crate) fn note_owner(&mut self, owner: Owner) {
        self.owner = Some(owner);
        let was_own = self.origin == Origin::Own;
        if owner.hub == self.me {
            self.origin = Origin::Own;
        } else if was_own {
            self.origin = Origin::Beside;
        }
        // One of an earlier term of this very hub is made anew from what hubs say.
        self.plan = None;
    }

    /// What a hub knows of the rollout: how it is to go, how far it is, and whose turn it was.
    fn rollout(&self) -> Vec<PlanRecord> {
        let mut known = vec![PlanRecord::Terms(self.terms)];
        known.extend(self.known_plan.iter().cloned());
        let mut releases: BTreeMap<(u32, UnixMillis), IndexSet> = BTreeMap::new();
        for (index, lease) in &self.leases {
            let at = releases.entry((lease.round, lease.until));
            at.or_default().insert(*index);
        }
        for ((round, until), who) in releases {
            known.push(PlanRecord::Released(Release { round, until, who }));
        }
        known.extend(self.halts.iter().cloned().map(PlanRecord::Halted));
        known
    }
}

impl Hub {
    /// This top-master owns a job of another one from now on: an operator says so, or all witnesses do.
    pub(crate) fn adopt(&mut self, jid: Jid) {
        let Some(job) = self.jobs.get(&jid) else {
            self.adopting.insert(jid);
            self.outputs.push_back(HubOutput::Recall { jid });
            return;
        };
        let Some(owner) = job.owner().filter(|_| job.origin == Origin::Beside) else {
            return;
        };
        let owner = Owner {
            term: owner.term.saturating_add(1),
            hub: self.config.uid,
        };
        let head = job.head.clone();
        self.record_plan(jid, PlanRecord::Owned(owner));
        // Once more, after the adoption: for job caches outside the job is new here.
        self.saving
            .record(wire::record::Record::Job(Box::new(head)));
        self.begin_handover(jid);
        self.reopen(jid);
        self.unsaved.insert(jid);
        self.state_dirty.insert(jid);
    }

    /// The store has a job that is to be adopted, or does not.
    pub(crate) fn adopt_recalled(&mut self, jid: Jid) {
        if self.adopting.remove(&jid) && self.jobs.contains_key(&jid) {
            self.adopt(jid);
        }
    }

    /// Each hub that may have given the job to somebody is to say so.
    pub(crate) fn begin_handover(&mut self, jid: Jid) {
        let hubs: BTreeSet<Uid> = self.child_hubs().collect();
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        let Some(order) = &job.order else { return };
        let spans = spans(order);
        let longest = spans
            .window_ms
            .saturating_add(spans.run_ms)
            .saturating_add(CLOCK_SKEW_MS);
        let until = now.saturating_add(longest);
        job.handover = Some(Handover {
            awaiting: hubs,
            told: BTreeMap::new(),
            until,
        });
        self.timers.set(Timer::Handover(jid), until);
    }

    /// The adoption is on disk: hubs below hear of it, and returns that are here are settled.
    pub(crate) fn act_as_owner(&mut self, jid: Jid, owner: Owner) {
        let links = self.links_of_newer_hubs();
        if !links.is_empty() {
            self.outputs.push_back(HubOutput::ToChildren {
                links,
                message: Down::Own { jid, owner },
            });
        }
        self.outputs.push_back(HubOutput::JobChanged { jid });
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        job.is_owner_saved = true;
        if job.origin != Origin::Own {
            return;
        }
        let is_return = |(index, state): (u32, &State)| {
            matches!(state, State::Returned { .. }).then_some(index)
        };
        let mut who: IndexSet = job.rows().filter_map(is_return).collect();
        who.subtract(job.disk.unsaved());
        if !who.is_empty() {
            self.settle(jid, &who);
        }
        self.handover_over(jid);
    }

    /// A parent says who owns a job.
    pub(crate) fn owned_above(&mut self, link: LinkId, parent: Uid, jid: Jid, owner: Owner) {
        let Some(job) = self.jobs.get_mut(&jid) else {
            if self.owners.len() >= OWNERS_MAX {
                self.owners.pop_first();
            }
            let known = self.owners.entry(jid).or_insert(owner);
            *known = owner.max(*known);
            let message = Up::Owned {
                jid,
                owner: *known,
                rollout: Vec::new(),
            };
            self.outputs
                .push_back(HubOutput::ToParent { link, message });
            return;
        };
        if job.owner().is_none_or(|known| known < owner) {
            let below_tops = self.config.path.depth() == 1;
            if below_tops {
                // Whom it waits for before it lets go of the job; the earlier one hears of it as history.
                job.head.parents = vec![parent];
            } else if !job.head.parents.contains(&parent) {
                job.head.parents.push(parent);
            }
            let head = job.head.clone();
            if job.order.is_some() {
                self.saving
                    .record(wire::record::Record::Job(Box::new(head)));
            }
            self.record_plan(jid, PlanRecord::Owned(owner));
            self.reopen(jid);
            self.begin_uplinks(jid);
            self.tell_owner_up(jid, Some(link));
        }
        let told = self.owner_told(jid);
        if let Some(message) = told {
            self.saving
                .after(Held::Out(HubOutput::ToParent { link, message }));
        }
    }

    /// Parents hear who owns a job: a top-master that owned it before may give turns otherwise.
    pub(crate) fn tell_owner_up(&mut self, jid: Jid, but: Option<LinkId>) {
        let is_adopted = self.jobs.get(&jid).is_some_and(|job| job.owner.is_some());
        let Some(message) = self.owner_told(jid).filter(|_| is_adopted) else {
            return;
        };
        let links = self.parents.iter().filter(|(link, parent)| {
            parent.welcomed && parent.protocol >= PROTOCOL_TERMS && Some(**link) != but
        });
        let links: Vec<LinkId> = links.map(|(link, _)| *link).collect();
        for link in links {
            let message = message.clone();
            self.saving
                .after(Held::Out(HubOutput::ToParent { link, message }));
        }
    }

    fn owner_told(&self, jid: Jid) -> Option<Up> {
        let job = self.jobs.get(&jid)?;
        Some(Up::Owned {
            jid,
            owner: job.owner()?,
            rollout: job.rollout(),
        })
    }

    /// A session with a parent begins: it hears of the jobs that were adopted, before it hears of their accounts.
    pub(crate) fn tell_owners(&mut self, link: LinkId) {
        let adopted: Vec<Jid> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.owner.is_some())
            .map(|(jid, _)| *jid)
            .collect();
        for jid in adopted {
            if let Some(message) = self.owner_told(jid) {
                self.saving
                    .after(Held::Out(HubOutput::ToParent { link, message }));
            }
        }
    }

    /// A hub below says who owns a job, and what it knows of its rollout.
    pub(crate) fn owned_below(
        &mut self,
        link: LinkId,
        hub: Uid,
        jid: Jid,
        owner: Owner,
        rollout: Vec<PlanRecord>,
    ) {
        let me = self.config.uid;
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        let Some(known) = job.owner() else { return };
        if owner > known {
            if known.hub == me {
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "job {jid} was adopted by another top-master, which owns it now: this one follows"
                )));
            }
            job.handover = None;
            self.timers.clear(Timer::Handover(jid));
            self.timers.clear(Timer::Plan(jid));
            self.record_plan(jid, PlanRecord::Owned(owner));
            self.watch_owner(jid);
            self.unsaved.insert(jid);
            return;
        }
        if owner < known {
            if job.owner.is_some() && job.is_owner_saved {
                let owner = known;
                self.tell_child(link, Down::Own { jid, owner });
            }
            return;
        }
        if let Some(handover) = &mut job.handover {
            handover.awaiting.remove(&hub);
            let terms = rollout.iter().find_map(|entry| match entry {
                PlanRecord::Terms(terms) if !terms.is_plain() => Some(*terms),
                _ => None,
            });
            handover.told.insert(hub, rollout);
            if let Some(terms) = terms.filter(|_| job.terms.is_plain()) {
                self.take_terms(jid, terms);
            }
            self.handover_over(jid);
        }
    }

    /// The terms of an adopted job become known: for sites that are cut off it is kept, if that is what it was ordered to be.
    fn take_terms(&mut self, jid: Jid, terms: Terms) {
        self.record_plan(jid, PlanRecord::Terms(terms));
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        let in_time = job.order.as_ref().is_some_and(|o| self.now < o.start_by);
        if !terms.hold || !in_time || !job.halts.is_empty() {
            return;
        }
        let mut kept = Vec::new();
        for (hub, told) in job.sources.iter().filter(|(_, told)| !told.told) {
            let source = Source::Hub(*hub);
            for index in told.mirrored.iter() {
                if let Some(State::Unreachable(reason)) = job.claim_of(index, source) {
                    kept.push((index, source, State::Held(reason.clone(), 0)));
                }
            }
        }
        for (index, source, state) in kept {
            self.claim(jid, index, source, state);
        }
    }

    /// When everything is known that was given, or is over, this owner goes on.
    pub(crate) fn handover_over(&mut self, jid: Jid) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        let Some(handover) = job.handover.as_ref().filter(|_| job.is_owner_saved) else {
            return;
        };
        // Of the release before: it gives no turns, and can't say so.
        let is_mute = |hub: &Uid| {
            let link = self.child_links.get(hub);
            link.is_some_and(|link| !self.speaks(*link, PROTOCOL_TERMS))
        };
        let is_due = handover.awaiting.iter().all(is_mute) || self.now >= handover.until;
        if !is_due && !planted::is(Bug::TakesOverBlind) {
            return;
        }
        let told = handover.told.clone();
        if let Some(job) = self.jobs.get_mut(&jid) {
            job.handover = None;
        }
        self.timers.clear(Timer::Handover(jid));
        if self.jobs.get(&jid).is_some_and(|job| job.terms.by_release) {
            self.take_plan(jid, &told);
        }
        self.give_to_the_rest(jid);
        self.unsaved.insert(jid);
    }

    /// Makes the plan of what hubs below have said.
    fn take_plan(&mut self, jid: Jid, told: &BTreeMap<Uid, Vec<PlanRecord>>) {
        let all = || told.values().flatten();
        let spec = all().find(|entry| matches!(entry, PlanRecord::Plan(_)));
        let Some(spec) = spec.cloned() else {
            let text = "nobody who is left knows how it was to be rolled out";
            let reason = (*self.reason(ReasonCode::Halted, text)).clone();
            self.record_plan(jid, PlanRecord::Halted(Halt { reason, site: None }));
            return;
        };
        let mut entries = vec![spec];
        let begun = all().filter_map(|entry| match entry {
            PlanRecord::Begun { expected } => Some(*expected),
            _ => None,
        });
        if let Some(expected) = begun.max() {
            entries.push(PlanRecord::Begun { expected });
        }
        let stages = all().filter_map(|entry| match entry {
            PlanRecord::Stage(stage) => Some(*stage),
            _ => None,
        });
        // What hubs below say is taken as far as it can be so.
        let last = match &entries[0] {
            PlanRecord::Plan(spec) => u32::try_from(spec.stages.len()).unwrap_or(u32::MAX),
            _ => 0,
        };
        let stage = stages.max().unwrap_or(0).min(last);
        if stage > 0 {
            entries.push(PlanRecord::Stage(stage));
        }
        let mut releases: BTreeMap<(u32, UnixMillis), IndexSet> = BTreeMap::new();
        for (hub, entries) in told {
            let ours = self.roster.numbers_of(*hub);
            for entry in entries {
                if let PlanRecord::Released(Release { round, until, who }) = entry {
                    let who = who.iter().filter_map(&ours);
                    let at = releases.entry((*round, *until)).or_default();
                    at.extend(&who.collect());
                }
            }
        }
        for ((round, until), who) in releases {
            entries.push(PlanRecord::Released(Release { round, until, who }));
        }
        let over = all().find_map(|entry| match entry {
            PlanRecord::StageOver { stage: over, at } if *over == stage => Some(*at),
            _ => None,
        });
        entries.extend(over.map(|at| PlanRecord::StageOver {
            stage,
            at: at.min(self.now),
        }));
        for entry in all() {
            if let PlanRecord::Halted(halt) = entry {
                let reason = (*bounds::reason(&halt.reason)).clone();
                let site = halt.site.clone();
                entries.push(PlanRecord::Halted(Halt { reason, site }));
            }
        }
        for entry in &entries {
            if let Some(job) = self.jobs.get_mut(&jid) {
                job.note_plan(entry);
            }
            let entry = entry.clone();
            self.saving
                .record(wire::record::Record::JobPlan { jid, entry });
        }
        if let Some(mut job) = self.jobs.remove(&jid) {
            self.replay_plan(&mut job, &entries);
            self.jobs.insert(jid, job);
        }
    }

    /// Brings a plan to where it stood when these entries were written down.
    pub(crate) fn replay_plan(&self, job: &mut Job, entries: &[PlanRecord]) {
        let Some(mut plan) = job.plan.take() else {
            return;
        };
        let rows: IndexSet = job.rows().map(|(index, _)| index).collect();
        note_rows(&mut plan, job, &self.roster, &rows, self.now);
        for entry in entries {
            plan.apply(entry, Some(self.now));
        }
        note_rows(&mut plan, job, &self.roster, &rows, self.now);
        job.plan = Some(plan);
    }

    /// Hubs that the earlier owner did not reach get the job from the new one.
    fn give_to_the_rest(&mut self, jid: Jid) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        let Some(order) = job.order.clone() else {
            return;
        };
        let Ok(target) = target_of(&order) else {
            return;
        };
        if self.now >= order.start_by || !job.halts.is_empty() {
            return;
        }
        let links: Vec<LinkId> = job
            .sources
            .iter()
            .filter(|(_, source)| !source.complete)
            .filter_map(|(hub, _)| self.child_links.get(hub).copied())
            .filter(|link| !self.is_too_old(*link, job.terms, || target.needs_addresses()))
            .collect();
        let told = self.in_their_words(links.clone(), job);
        for link in &links {
            self.work_begins(*link);
        }
        for (links, message) in told {
            let output = HubOutput::ToChildren { links, message };
            self.saving.after(Held::Out(output));
        }
        self.tell_plan(jid);
    }

    /// Tells the hubs right below how a rollout of this hub's own goes on, so that another top-master could.
    pub(crate) fn tell_plan(&mut self, jid: Jid) {
        let links = self.links_of_newer_hubs();
        if let Some(message) = self.plan_told(jid).filter(|_| !links.is_empty()) {
            self.saving
                .after(Held::Out(HubOutput::ToChildren { links, message }));
        }
    }

    /// Whether there are other top-masters: those that come hear of what was begun before.
    pub(crate) fn other_tops(&mut self, are_there: bool) {
        let is_news = are_there && !self.has_other_tops;
        self.has_other_tops = are_there;
        let jids: Vec<Jid> = self.jobs.keys().copied().filter(|_| is_news).collect();
        for jid in jids {
            self.tell_plan(jid);
        }
    }

    pub(crate) fn plan_told(&self, jid: Jid) -> Option<Down> {
        let job = self.jobs.get(&jid).filter(|_| self.has_other_tops)?;
        let plan = job.plan.as_ref().map(Plan::entries)?;
        Some(Down::Plan {
            jid,
            owner: job.owner()?,
            plan,
        })
    }

    /// A top-master says how its rollout goes on.
    pub(crate) fn plan_above(&mut self, jid: Jid, owner: Owner, plan: Vec<PlanRecord>) {
        if !self.is_obeyed(jid, owner) {
            return;
        }
        for entry in plan {
            let is_kept = matches!(
                entry,
                PlanRecord::Plan(_)
                    | PlanRecord::Begun { .. }
                    | PlanRecord::Stage(_)
                    | PlanRecord::StageOver { .. }
            );
            let job = self.jobs.get(&jid).filter(|job| job.terms.by_release);
            if job.is_some_and(|job| is_kept && !job.known_plan.contains(&entry)) {
                self.record_plan(jid, entry);
            }
        }
    }

    /// Whether turns of this owner are given: nobody of a higher term is known.
    pub(crate) fn is_obeyed(&self, jid: Jid, owner: Owner) -> bool {
        let known = self.jobs.get(&jid).and_then(Job::owner);
        known.is_some_and(|known| known <= owner) || planted::is(Bug::ObeysFormerOwner)
    }

    /// The word for a turn: after an adoption it names the owner, for hubs that have yet to hear of it, and against those who
    /// were before.
    pub(crate) fn turn_words(&self, jid: Jid, release: Release) -> Down {
        match self.jobs.get(&jid).and_then(|job| job.owner) {
            Some(owner) => Down::Grant {
                jid,
                owner,
                release,
            },
            None => Down::Release { jid, release },
        }
    }
}
