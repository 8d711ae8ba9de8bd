//! Turns on their way: the origin gives them as its plan says, hubs hand them on, and to minions that are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::record::Record;
use wire::{
    Down, Halt, IndexSet, Jid, LedgerDelta, Outcome, PlanRecord, Reason, ReasonCode, Release,
    UnixMillis,
};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{Held, Hub, Timer};
use crate::job::{Job, Lease, Origin};
use crate::plan::{ENTRIES_MAX, Plan};
use crate::planted::{self, Bug};
use crate::state::{Source, State};

/// The first protocol that knows terms, releases and recalls.
pub(crate) const PROTOCOL_TERMS: u16 = 2;

impl Hub {
    /// Lets the plan of a job of this hub's own see what changed, and writes down what it decides.
    pub(crate) fn roll_out(&mut self, jid: Jid) {
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        let Some(mut plan) = job.plan.take() else {
            return;
        };
        let dirty = std::mem::take(&mut job.plan_dirty);
        note_rows(&mut plan, job, &self.roster, &dirty, self.now);
        let is_complete = job.is_complete();
        let entries = match job.finished {
            None => plan.decide(self.now, is_complete),
            Some(_) => Vec::new(),
        };
        match plan.wake().filter(|_| job.finished.is_none()) {
            Some(at) => self.timers.set(Timer::Plan(jid), at),
            None => self.timers.clear(Timer::Plan(jid)),
        }
        let wants_check = plan.wants_check();
        let stage = plan.stage();
        job.plan = Some(plan);
        if entries.len() == ENTRIES_MAX {
            self.unsaved.insert(jid);
        }
        for entry in entries {
            self.record_plan(jid, entry);
        }
        if wants_check {
            self.saving
                .after(Held::Out(HubOutput::CheckStage { jid, stage }));
        }
    }

    /// Writes down an entry of a rollout; it is acted upon when it is on disk.
    pub(crate) fn record_plan(&mut self, jid: Jid, entry: PlanRecord) {
        let Some(job) = self.jobs.get_mut(&jid) else {
            return;
        };
        job.note_plan(&entry);
        if let (Some(plan), PlanRecord::Halted(_)) = (&mut job.plan, &entry) {
            // Not always by its own rules.
            plan.apply(&entry, None);
        }
        let record = Record::JobPlan {
            jid,
            entry: entry.clone(),
        };
        self.saving.record(record);
        match entry {
            PlanRecord::Released(_) if planted::is(Bug::GivesUnsaved) => self.act(jid, entry),
            PlanRecord::Released(_)
            | PlanRecord::Halted(_)
            | PlanRecord::Owned(_)
            | PlanRecord::Begun { .. }
            | PlanRecord::Stage(_)
            | PlanRecord::StageOver { .. } => {
                self.saving.after(Held::Act { jid, entry });
            }
            _ => self.saving.after(Held::Out(HubOutput::JobChanged { jid })),
        }
    }

    /// An entry of a rollout is on disk.
    pub(crate) fn act(&mut self, jid: Jid, entry: PlanRecord) {
        match entry {
            PlanRecord::Released(release) => self.hand_out(jid, &release),
            PlanRecord::Halted(halt) => {
                self.tell_halt(jid, &halt);
                self.halt_here(jid, &halt);
            }
            PlanRecord::Owned(owner) => self.act_as_owner(jid, owner),
            PlanRecord::Begun { .. } | PlanRecord::Stage(_) | PlanRecord::StageOver { .. } => {
                self.outputs.push_back(HubOutput::JobChanged { jid });
                self.tell_plan(jid);
            }
            _ => {}
        }
    }

    /// A parent says whose turn it is.
    pub(crate) fn released(&mut self, jid: Jid, release: Release) {
        let Some(job) = self.jobs.get(&jid).filter(|job| job.terms.by_release) else {
            return;
        };
        let may_have_it = |index: &u32| !job.has_declined(*index, release.round);
        let who: IndexSet = release.who.iter().filter(may_have_it).collect();
        if who.is_empty() {
            return;
        }
        let release = Release { who, ..release };
        // Told again, by another parent or in another session: what is not handed out yet may be now.
        let known = |index: u32| {
            job.leases
                .get(&index)
                .is_some_and(|lease| lease.round >= release.round)
        };
        if release.who.iter().all(known) {
            // Own minions have had it, or get it when they are back.
            self.pass_on(jid, &release);
        } else {
            self.record_plan(jid, PlanRecord::Released(release));
        }
    }

    /// Gives turns to own minions, and passes on those of minions below.
    fn hand_out(&mut self, jid: Jid, release: &Release) {
        let is_own = |index: &u32| {
            let node = self.roster.node(*index);
            node.is_some_and(|node| node.direct.is_some())
        };
        let own: Vec<u32> = release.who.iter().filter(is_own).collect();
        self.give_turns(jid, &own);
        self.pass_on(jid, release);
    }

    /// Passes on turns of minions below.
    fn pass_on(&mut self, jid: Jid, release: &Release) {
        let mut below: BTreeMap<LinkId, IndexSet> = BTreeMap::new();
        for index in release.who.iter() {
            let Some(node) = self.roster.node(index) else {
                continue;
            };
            for (hub, (theirs, _)) in &node.via {
                if let Some(link) = self.child_links.get(hub) {
                    below.entry(*link).or_default().insert(*theirs);
                }
            }
        }
        for (link, who) in below {
            if self.speaks(link, PROTOCOL_TERMS) {
                let release = Release {
                    who,
                    ..release.clone()
                };
                let message = self.turn_words(jid, release);
                self.tell_child(link, message);
            }
        }
    }

    /// It is the turn of these own minions: those that are there get the job.
    fn give_turns(&mut self, jid: Jid, own: &[u32]) {
        let mut turned_down = IndexSet::new();
        let mut links: BTreeMap<UnixMillis, Vec<LinkId>> = BTreeMap::new();
        for &index in own {
            let Some(job) = self.jobs.get(&jid) else {
                return;
            };
            let Some(lease) = job.leases.get(&index).copied() else {
                continue;
            };
            let link = self
                .roster
                .node(index)
                .and_then(|node| self.child_links.get(&node.uid).copied());
            match (job.claim_of(index, Source::Own), link) {
                (Some(State::Queued), Some(link)) if self.now <= lease.until => {
                    links.entry(lease.until).or_default().push(link);
                }
                // Its turn was over before it could be given. The plan gives it another one when the lease has run out.
                (Some(State::Queued), Some(_)) => {
                    turned_down.insert(index);
                }
                (Some(State::Queued | State::Held(..)), _) => {
                    turned_down.insert(index);
                    self.turn_down(jid, index, lease);
                }
                _ => {}
            }
        }
        if !turned_down.is_empty() {
            self.record_plan(jid, PlanRecord::TurnedDown(turned_down));
        }
        for (until, links) in links {
            self.send_turn(jid, until, links);
        }
    }

    /// Sends the order to minions whose turn it is.
    pub(crate) fn send_turn(&mut self, jid: Jid, until: UnixMillis, links: Vec<LinkId>) {
        let Some(envelope) = self.jobs.get(&jid).map(|job| job.head.envelope.clone()) else {
            return;
        };
        for link in &links {
            self.work_begins(*link);
        }
        let (new, old): (Vec<LinkId>, Vec<LinkId>) = links
            .into_iter()
            .partition(|link| self.speaks(*link, PROTOCOL_TERMS));
        if !new.is_empty() {
            self.outputs.push_back(HubOutput::ToChildren {
                links: new,
                message: Down::Turn {
                    envelope: envelope.clone(),
                    until,
                },
            });
        }
        if !old.is_empty() {
            self.outputs.push_back(HubOutput::ToChildren {
                links: old,
                message: Down::Job(envelope),
            });
        }
    }

    /// A minion is not there when its turn comes: the hub has not handed the job on, and does not.
    fn turn_down(&mut self, jid: Jid, index: u32, lease: Lease) {
        let hold = self.jobs.get(&jid).is_some_and(|job| job.terms.hold);
        let reason = self.reason(ReasonCode::MinionDown, "not connected when its turn came");
        let state = match hold {
            true => State::Held(reason, lease.round),
            false => State::Unreachable(reason),
        };
        self.claim(jid, index, Source::Own, state);
    }

    /// A hub below tells of turns that it has turned down: they are over here too, and not told again.
    pub(crate) fn note_turned_down(&mut self, hub: wire::Uid, delta: &LedgerDelta) {
        let jid = delta.jid;
        let Some(job) = self.jobs.get(&jid).filter(|job| !job.leases.is_empty()) else {
            return;
        };
        // The origin's plan says it itself.
        if job.plan.is_some() || planted::is(Bug::ForgetsDeclined) {
            return;
        }
        let is_turned_down = |outcome: &Outcome| match outcome {
            Outcome::Held { round, .. } => *round > 0,
            Outcome::Unreachable(reason) => {
                reason.code == ReasonCode::MinionDown && !planted::is(Bug::KeepsTurnOfAbsent)
            }
            _ => false,
        };
        let groups = delta.groups.iter();
        let turned_down = groups.filter(|group| is_turned_down(&group.outcome));
        let who: IndexSet = turned_down
            .flat_map(|group| group.who.iter())
            .filter_map(self.roster.numbers_of(hub))
            .collect();
        let who = job.turned_down(&who);
        if !who.is_empty() {
            self.record_plan(jid, PlanRecord::TurnedDown(who));
        }
    }

    /// A parent says that nobody begins any more.
    pub(crate) fn halted(&mut self, jid: Jid, halt: Halt) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        if !job.halts.iter().any(|known| known.site == halt.site) {
            self.record_plan(jid, PlanRecord::Halted(halt));
        }
    }

    /// An operator says that nobody begins any more in a job of this hub's own, or of a site below.
    pub(crate) fn halt(&mut self, jid: Jid, reason: Reason) {
        let is_open = |job: &&Job| job.origin != Origin::Above && job.finished.is_none();
        let Some(job) = self.jobs.get(&jid).filter(is_open) else {
            return;
        };
        if job.halts.iter().any(|known| known.site.is_none()) {
            return;
        }
        self.record_plan(jid, PlanRecord::Halted(Halt { reason, site: None }));
    }

    /// A rollout's last outcome is known. Whoever comes back later has had no turn, and gets none: that was reported.
    pub(crate) fn end_rollout(&mut self, jid: Jid) {
        let reason = self.reason(
            ReasonCode::Halted,
            "the rollout was over before it was back",
        );
        let Some(job) = self.jobs.get(&jid).filter(|job| job.plan.is_some()) else {
            return;
        };
        if job.halts.iter().all(|halt| halt.site.is_some()) {
            let reason = (*reason).clone();
            self.record_plan(jid, PlanRecord::Halted(Halt { reason, site: None }));
        }
    }

    /// The rollout goes on after a stage.
    pub(crate) fn go_on(&mut self, jid: Jid, stage: u32) {
        let Some(plan) = self.jobs.get_mut(&jid).and_then(|job| job.plan.as_mut()) else {
            return;
        };
        if let Some(entry) = plan.go_on(stage) {
            plan.apply(&entry, None);
            self.record_plan(jid, entry);
            self.unsaved.insert(jid);
        }
    }

    /// Own minions that have not begun, and those behind hubs that never had the job, are not going to.
    fn halt_here(&mut self, jid: Jid, halt: &Halt) {
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        let reason = Arc::new(halt.reason.clone());
        let is_there = |index: u32| {
            let node = self.roster.node(index);
            halt.site
                .as_ref()
                .is_none_or(|site| node.is_some_and(|node| node.path == *site))
        };
        let mut ended: Vec<(u32, Source)> = job
            .claimed_by(Source::Own)
            .into_iter()
            .filter(|index| job.waits_here(*index))
            .map(|index| (index, Source::Own))
            .collect();
        for (hub, source) in &job.sources {
            ended.extend(
                source
                    .mirrored
                    .iter()
                    .map(|index| (index, Source::Hub(*hub))),
            );
        }
        ended.retain(|(index, source)| {
            is_there(*index)
                && matches!(
                    job.claim_of(*index, *source),
                    Some(State::Queued | State::Held(..))
                )
        });
        for (index, source) in ended {
            self.claim(jid, index, source, State::Refused(reason.clone()));
        }
    }

    /// Tells the hubs that have the job.
    fn tell_halt(&mut self, jid: Jid, halt: &Halt) {
        if planted::is(Bug::HaltsOwnAlone) {
            return;
        }
        let links = self.tellers(jid);
        if !links.is_empty() {
            self.outputs.push_back(HubOutput::ToChildren {
                links,
                message: Down::Halt {
                    jid,
                    halt: halt.clone(),
                },
            });
        }
    }

    /// A child hub is back and has told how a job stands there: it hears whose turn it is, and where nobody begins any more.
    pub(crate) fn retell_rollout(&mut self, link: LinkId, hub: wire::Uid, jid: Jid) {
        if !self.speaks(link, PROTOCOL_TERMS) {
            return;
        }
        let Some(job) = self.jobs.get(&jid) else {
            return;
        };
        let mut releases: BTreeMap<(u32, UnixMillis), IndexSet> = BTreeMap::new();
        let is_given = |index: u32, lease: &Lease| {
            let plan = job.plan.as_ref();
            plan.is_none_or(|plan| plan.holds(index, lease.round))
                || planted::is(Bug::RestartForgetsWays)
                || planted::is(Bug::ForgetsDeclined)
        };
        for (index, lease) in &job.leases {
            let open = is_given(*index, lease)
                && job.claims(*index).is_some_and(|(best, mut claims)| {
                    !matches!(best, State::Returned { .. })
                        && claims.any(|claim| claim.may_run(lease.round))
                });
            let theirs = self
                .roster
                .node(*index)
                .and_then(|node| node.via.get(&hub))
                .map(|(theirs, _)| *theirs);
            if let Some(theirs) = theirs.filter(|_| open && self.now <= lease.until) {
                releases
                    .entry((lease.round, lease.until))
                    .or_default()
                    .insert(theirs);
            }
        }
        let halts = job.halts.clone();
        if let Some(owner) = job.owner.filter(|_| job.is_owner_saved) {
            self.tell_child(link, Down::Own { jid, owner });
        }
        if let Some(plan) = self.plan_told(jid) {
            self.tell_child(link, plan);
        }
        for ((round, until), who) in releases {
            let release = Release { round, until, who };
            let message = self.turn_words(jid, release);
            self.tell_child(link, message);
        }
        for halt in halts {
            self.tell_child(link, Down::Halt { jid, halt });
        }
    }

    /// Connected hubs below that tell of a job, as far as they know terms.
    pub(crate) fn tellers(&self, jid: Jid) -> Vec<LinkId> {
        let hubs = self
            .jobs
            .get(&jid)
            .into_iter()
            .flat_map(|job| job.sources.keys());
        hubs.filter_map(|hub| self.child_links.get(hub).copied())
            .filter(|link| self.speaks(*link, PROTOCOL_TERMS))
            .collect()
    }

    /// Whether a child's session is in this protocol or a newer one.
    pub(crate) fn speaks(&self, link: LinkId, protocol: u16) -> bool {
        self.children
            .get(&link)
            .is_some_and(|child| child.protocol >= protocol)
    }
}

/// Shows rows to a plan.
pub(crate) fn note_rows(
    plan: &mut Plan,
    job: &Job,
    roster: &crate::roster::Roster,
    rows: &IndexSet,
    now: UnixMillis,
) {
    let nowhere = wire::SitePath::top();
    for index in rows.iter() {
        if let Some((best, claims)) = job.claims(index) {
            let site = roster.node(index).map_or(&nowhere, |node| &node.path);
            plan.note(now, index, site, best, claims);
        }
    }
}
