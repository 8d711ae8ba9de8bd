//! The hub machine: top-masters and syndics are the same, a syndic has parents too.
//!
//! [`Hub::handle_input`] and [`Hub::handle_timeout`] change the state; [`Hub::poll_output`] hands out what is to
//! be done; [`Hub::poll_timeout`] says when the machine wants to be woken, and why. The parts: `child` holds the
//! sessions of children, `uplink` those of parents, `job` one account, `roster` the subtree.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use wire::record::Record;
use wire::{
    Counts, Down, IndexSet, Jid, Json, PlanRecord, Presence, Reason, ReasonCode, Revocation,
    RootsReport, Uid, UnixMillis, Up,
};

use crate::LinkId;
use crate::account::JobView;
use crate::bounds;
use crate::child::Child;
use crate::exchange::{HubConfig, HubInput, HubOutput, HubRecovered, HubStats};
use crate::inquiry::Inquiry;
use crate::job::Job;
use crate::node::RosterView;
use crate::planted::{self, Bug};
use crate::probe::Timers;
use crate::rollout::PROTOCOL_TERMS;
use crate::roster::Roster;
use crate::saving::Saving;
use crate::state::{Source, State};
use crate::steps::Counted;
use crate::unsaved::Unsaved;
use crate::uplink::Parent;
use crate::witness::{Parted, Witnesses};

/// Jobs that are open at once, at most: a job is open until its last return is with its origin. Above it new jobs
/// are refused. At 10,000 minions an open job takes a few hundred KiB.
pub const OPEN_JOBS_MAX: usize = 4_096;
/// Outcomes of open jobs that are awaited, at most, or four of each minion when that is more. Above it new jobs are refused: a
/// tree that is asked for more than it can do would lose sight of minions that have no time to answer.
pub const AWAITED_MAX: u64 = 250_000;
/// Closed jobs that stay in memory for watchers that ask late.
pub(crate) const CLOSED_KEPT: usize = 64;
/// And bytes of their values, unless the last one alone has more.
pub(crate) const CLOSED_BYTES_KEPT: usize = 64 << 20;
/// After a restart children have this long to come back before what they ran counts as unreachable.
pub(crate) const RECOVERY_MS: u64 = 30_000;
/// A minion refuses an order after `start_by`; the hub gives it this much longer to say so.
pub(crate) const EXPIRY_SLACK_MS: u64 = 2_000;
/// Settled returns are told to minions with their next job, or after this long.
pub(crate) const SETTLE_MS: u64 = 10_000;

/// What waits for the disk.
#[derive(Debug)]
pub(crate) enum Held {
    Out(HubOutput),
    /// The origin has these returns.
    Settle {
        jid: Jid,
        who: IndexSet,
    },
    /// An entry of a rollout may be acted upon.
    Act {
        jid: Jid,
        entry: PlanRecord,
    },
    /// A child hub's deltas up to this serial are safe.
    Ack {
        link: LinkId,
        jid: Jid,
        serial: u32,
    },
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Probe(LinkId),
    Expiry(Jid),
    /// A lease runs out, a place is free again, a pause is over.
    Plan(Jid),
    Recovery,
    Settle,
    /// News has waited long enough for more.
    Gathered,
    /// Who watches a job hears how far it is.
    Steps(Jid),
    /// The time of a job is over in which minions have to be decided about.
    Asked(Jid),
    /// Turns that were given out of sight of a new owner are over.
    Handover(Jid),
    /// Hubs below are asked whether owners of jobs are gone.
    Witness,
    /// The time for answers to an inquiry is over.
    Inquiry(Jid),
}

/// The hub machine.
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: HubConfig,
    pub(crate) now: UnixMillis,
    pub(crate) roster: Roster,
    pub(crate) children: BTreeMap<LinkId, Child>,
    pub(crate) child_links: HashMap<Uid, LinkId>,
    /// Children with work under way.
    pub(crate) working: usize,
    pub(crate) parents: BTreeMap<LinkId, Parent>,
    pub(crate) jobs: BTreeMap<Jid, Job>,
    pub(crate) inquiries: BTreeMap<Jid, Inquiry>,
    pub(crate) unsaved: Unsaved,
    pub(crate) counted: Counted,
    pub(crate) state_dirty: BTreeSet<Jid>,
    pub(crate) closed: VecDeque<Jid>,
    pub(crate) revocations: BTreeMap<Uid, Revocation>,
    /// Those that came from above, about keys of other sites: this hub has nothing to say of them.
    pub(crate) revoked_above: BTreeSet<Uid>,
    /// Jobs of this hub's own that are over, and of which a parent has yet to hear.
    /// With those that have heard since the start.
    pub(crate) untold: BTreeMap<Jid, BTreeSet<Uid>>,
    /// Those of them that are being told now.
    pub(crate) telling: BTreeSet<Jid>,
    /// Jobs that are being looked for to be adopted.
    pub(crate) adopting: BTreeSet<Jid>,
    /// Who adopted jobs that are not known here.
    pub(crate) owners: BTreeMap<Jid, wire::Owner>,
    pub(crate) witnesses: Witnesses,
    pub(crate) parted: Parted,
    /// Decisions for hubs that are cut off: the hub, the key.
    pub(crate) undelivered: BTreeMap<(Uid, Uid), wire::KeyDecision>,
    pub(crate) trust: Option<(Json, u64)>,
    pub(crate) roots: RootsReport,
    /// Since when someone waits for fresh roots.
    fetch_asked: Option<UnixMillis>,
    /// Whether the tree has other top-masters, which could go on with this one's rollouts.
    pub(crate) has_other_tops: bool,
    /// The last two digits of this hub's own jids, once they are known.
    pub(crate) signer: Option<u8>,
    pub(crate) saving: Saving<Record, Held>,
    /// The roster's revision when the last batch was gathered.
    pub(crate) gathered: u64,
    pub(crate) outputs: VecDeque<HubOutput>,
    pub(crate) timers: Timers<Timer>,
    /// When this hub last found that it had not had its time.
    pub(crate) held_up: UnixMillis,
    pub(crate) settle_due: bool,
    pub(crate) recovering: bool,
    pub(crate) refused: u64,
    pub(crate) returns: u64,
}

impl Hub {
    /// A hub with what its store had.
    pub fn new(config: HubConfig, recovered: HubRecovered, now: UnixMillis) -> Self {
        let mut saving = Saving::default();
        let epoch = recovered.epoch.unwrap_or(config.fresh_epoch);
        if recovered.epoch.is_none() {
            saving.record(Record::Epoch(epoch));
        }
        // Revisions are not saved with each change; this is above all that were told before the restart, as a hub's roster
        // does not change a thousand times in each millisecond of its life.
        let roster = Roster::restore(
            epoch,
            now.saturating_mul(1_000),
            recovered.next_index,
            recovered.nodes,
            recovered.marks,
            now,
        );
        let mut hub = Hub {
            config,
            now,
            roster,
            children: BTreeMap::new(),
            child_links: HashMap::new(),
            working: 0,
            parents: BTreeMap::new(),
            jobs: BTreeMap::new(),
            inquiries: BTreeMap::new(),
            unsaved: Unsaved::default(),
            counted: Counted::default(),
            state_dirty: BTreeSet::new(),
            closed: VecDeque::new(),
            revocations: recovered
                .revocations
                .into_iter()
                .map(|r| (r.uid, r))
                .collect(),
            revoked_above: BTreeSet::new(),
            untold: recovered
                .untold
                .into_iter()
                .map(|jid| (jid, BTreeSet::new()))
                .collect(),
            telling: BTreeSet::new(),
            adopting: BTreeSet::new(),
            owners: BTreeMap::new(),
            witnesses: Witnesses::default(),
            parted: Parted::new(now),
            undelivered: recovered
                .undelivered
                .into_iter()
                .map(|(hub, uid, decision)| ((hub, uid), decision))
                .collect(),
            trust: recovered.trust,
            roots: RootsReport::default(),
            fetch_asked: None,
            signer: None,
            has_other_tops: false,
            gathered: 0,
            saving,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            held_up: 0,
            settle_due: false,
            recovering: false,
            refused: 0,
            returns: 0,
        };
        for job in recovered.jobs {
            hub.restore_job(job);
        }
        if !hub.jobs.is_empty() {
            hub.recovering = true;
            hub.timers.set(Timer::Recovery, now + RECOVERY_MS);
        }
        hub
    }

    /// Accepted hubs that are children of this very hub.
    pub(crate) fn child_hubs(&self) -> impl Iterator<Item = Uid> + '_ {
        self.roster
            .nodes()
            .filter(|n| n.role.is_hub() && n.is_accepted() && n.direct.is_some())
            .map(|n| n.uid)
    }

    /// Takes an input in.
    pub fn handle_input(&mut self, now: UnixMillis, input: HubInput) {
        self.now = self.now.max(now);
        match input {
            HubInput::ChildConnected { link, peer } => self.child_connected(link, peer),
            HubInput::ChildMessage { link, message } => self.child_message(link, message),
            HubInput::ChildClosed { link } => self.child_closed(link),
            HubInput::ParentConnected { link, peer } => self.parent_connected(link, peer),
            HubInput::ParentMessage { link, message } => self.parent_message(link, message),
            HubInput::ParentClosed { link } => self.parent_closed(link),
            HubInput::Saved { token } => self.saved(token),
            HubInput::Submit {
                envelope,
                order,
                hold,
                plan,
                warrant,
            } => self.submit(
                envelope,
                order,
                hold,
                plan.map(|plan| *plan),
                warrant.map(|warrant| *warrant),
            ),
            HubInput::Halt { jid, reason } => self.halt(jid, reason),
            HubInput::GoOn { jid, stage } => self.go_on(jid, stage),
            HubInput::Recalled { jid, job } => self.recalled(jid, job),
            HubInput::Vouched {
                jid,
                envelope,
                order,
            } => self.vouched(jid, envelope, order),
            HubInput::Enrolling { peer, software } => {
                let standing = self
                    .roster
                    .enrolling(&peer, &bounds::software(&software), self.now);
                self.saving.after(Held::Out(HubOutput::Enrolled {
                    uid: peer.uid,
                    standing,
                }));
            }
            HubInput::Decide { uids, decision } => self.decide(&uids, decision),
            HubInput::Trust { bundle, version } => self.trust_changed(bundle, version),
            HubInput::OtherTops(are_there) => self.other_tops(are_there),
            HubInput::Adopt { jid } => self.adopt(jid),
            HubInput::Signs(number) => self.signer = Some(number),
            HubInput::Roots(report) => self.roots_reported(report),
            HubInput::FetchRoots => self.fetch_roots(),
            HubInput::Answered { jid, answers } => self.answered(jid, answers),
            HubInput::Inquire {
                envelope,
                order,
                warrant,
            } => self.inquired_here(envelope, order, warrant.map(|warrant| *warrant)),
        }
        self.pump_when_idle();
    }

    /// Acts on what is due.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        self.now = self.now.max(now);
        while let Some((at, timer)) = self.timers.pop_due(self.now) {
            self.notice_hold_up(at);
            match timer {
                Timer::Probe(link) => self.probe_due(link),
                Timer::Expiry(jid) => self.expire(jid),
                Timer::Plan(jid) => {
                    self.unsaved.insert(jid);
                }
                Timer::Recovery => self.recovery_over(),
                Timer::Settle => self.tell_settled(),
                // What waited goes with the next batch.
                Timer::Gathered => (),
                Timer::Steps(jid) => self.steps_due(jid),
                Timer::Asked(jid) => self.end_questions(jid),
                Timer::Handover(jid) => self.handover_over(jid),
                Timer::Witness => self.ask_witnesses(),
                Timer::Inquiry(jid) => self.inquiry_late(jid),
            }
        }
        self.pump_when_idle();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<HubOutput> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.saving.is_saving() || self.gathers() {
            return None;
        }
        self.collect_records();
        let (token, records) = self.saving.next_batch()?;
        if records.is_empty() {
            self.saved(token);
            return self.outputs.pop_front();
        }
        Some(HubOutput::Save { token, records })
    }

    /// When to call [`Hub::handle_timeout`], and what for.
    pub fn poll_timeout(&self) -> Option<(UnixMillis, &'static str)> {
        self.timers.next().map(|(at, timer)| {
            let why = match timer {
                Timer::Probe(_) => "probe a link with work under way",
                Timer::Expiry(_) => "expire a job's queued minions",
                Timer::Plan(_) => "look after a rollout",
                Timer::Recovery => "end the recovery after a restart",
                Timer::Settle => "tell minions what is settled",
                Timer::Gathered => "save what waited for more",
                Timer::Steps(_) => "tell how far a job is",
                Timer::Asked(_) => "end the questions about a job's minions",
                Timer::Handover(_) => "go on with an adopted rollout",
                Timer::Witness => "ask whether owners of jobs are gone",
                Timer::Inquiry(_) => "end an inquiry",
            };
            (at, why)
        })
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> HubStats {
        HubStats {
            children: self.children.len(),
            parents: self.parents.len(),
            jobs_open: self.jobs.len() - self.closed.len(),
            backlog: self
                .jobs
                .values()
                .map(|j| j.counts().returned().saturating_sub(j.settled.len() as u64))
                .sum(),
            refused: self.refused,
            returns: self.returns,
        }
    }

    /// A job in memory: open, or closed a little while ago.
    pub fn job(&self, jid: Jid) -> Option<JobView<'_>> {
        self.jobs.get(&jid).map(JobView)
    }

    /// Jobs in memory.
    pub fn jobs(&self) -> impl Iterator<Item = JobView<'_>> {
        self.jobs.values().map(JobView)
    }

    /// Changes with each change of the roster.
    pub fn roster_mark(&self) -> wire::RosterMark {
        self.roster.mark()
    }

    /// The roster.
    pub fn nodes(&self) -> impl Iterator<Item = RosterView<'_>> {
        self.roster.nodes().map(RosterView)
    }

    /// A node by this hub's number.
    pub fn node(&self, index: u32) -> Option<RosterView<'_>> {
        self.roster.node(index).map(RosterView)
    }

    /// A node by its key.
    pub fn node_by_uid(&self, uid: Uid) -> Option<RosterView<'_>> {
        self.roster.by_uid(uid).map(RosterView)
    }

    /// Whether this key is revoked.
    pub fn is_revoked(&self, uid: Uid) -> bool {
        self.revocations.get(&uid).is_some_and(|r| r.revoked)
    }

    /// Who this hub is.
    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    /// Roots that this hub serves.
    pub fn roots(&self) -> &RootsReport {
        &self.roots
    }

    /// Since when every way to a site is cut; None when one is whole, or when it has no hub but this one.
    pub fn cut_since(&self, path: &str) -> Option<UnixMillis> {
        let mut cut: Option<UnixMillis> = None;
        for node in self
            .roster
            .nodes()
            .filter(|n| n.role.is_hub() && n.is_accepted() && n.path.as_str() == path)
        {
            if node.link.presence == Presence::Up {
                return None;
            }
            cut = Some(cut.map_or(node.link.since, |c| c.max(node.link.since)));
        }
        cut
    }

    pub(crate) fn reason(&self, code: ReasonCode, text: impl Into<String>) -> Arc<Reason> {
        Arc::new(Reason {
            code,
            text: bounds::cut(text.into(), wire::limits::MAX_REASON),
            since: self.now,
        })
    }

    pub(crate) fn tell_child(&mut self, link: LinkId, message: Down) {
        self.outputs.push_back(HubOutput::ToChildren {
            links: vec![link],
            message,
        });
    }

    pub(crate) fn links_of_hubs(&self) -> Vec<LinkId> {
        self.children
            .iter()
            .filter(|(_, c)| c.is_up() && c.peer.role.is_hub())
            .map(|(link, _)| *link)
            .collect()
    }

    /// Those of hubs that know terms, adoptions, and what else came with protocol 2.
    pub(crate) fn links_of_newer_hubs(&self) -> Vec<LinkId> {
        let mut links = self.links_of_hubs();
        links.retain(|link| self.speaks(*link, PROTOCOL_TERMS));
        links
    }

    /// Parents that may be told something.
    pub(crate) fn welcomed_parents(&self) -> Vec<LinkId> {
        self.parents
            .iter()
            .filter(|(_, p)| p.welcomed)
            .map(|(link, _)| *link)
            .collect()
    }

    fn tell_parents(&mut self, message: Up) {
        for link in self.welcomed_parents() {
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: message.clone(),
            });
        }
    }

    /// Someone asks for fresh roots: this hub fetches first, and the hubs below after it, since they may have no other
    /// remote than this hub.
    pub(crate) fn fetch_roots(&mut self) {
        self.fetch_asked = Some(self.now);
        self.outputs.push_back(HubOutput::FetchRoots);
    }

    fn roots_reported(&mut self, report: RootsReport) {
        let moved = report.commit != self.roots.commit;
        let asked = self.fetch_asked.is_some_and(|at| report.checked >= at);
        if asked {
            self.fetch_asked = None;
        }
        self.roots = report.clone();
        self.tell_parents(Up::Roots(report));
        let links = self.links_of_hubs();
        if (moved || asked) && !links.is_empty() {
            let message = Down::FetchRoots;
            self.outputs
                .push_back(HubOutput::ToChildren { links, message });
        }
    }

    fn saved(&mut self, token: u64) {
        for held in self.saving.saved(token) {
            match held {
                Held::Out(output) => self.outputs.push_back(output),
                Held::Settle { jid, who } => self.settle(jid, &who),
                Held::Act { jid, entry } => self.act(jid, entry),
                Held::Ack { link, jid, serial } => {
                    if self.children.contains_key(&link) {
                        self.tell_child(link, Down::LedgerAck { jid, serial });
                    }
                }
            }
        }
        let unsaved = planted::is(Bug::TellsUnsavedRoster).then_some(self.roster.mark().revision);
        self.pump_uplinks(unsaved.unwrap_or(self.gathered));
        self.close_jobs();
    }

    fn pump_when_idle(&mut self) {
        if !self.saving.is_saving() && self.unsaved.is_empty() && !self.saving.has_next() {
            self.pump_uplinks(self.roster.mark().revision);
        }
    }

    /// A source says how a minion stands.
    pub(crate) fn claim(&mut self, jid: Jid, index: u32, source: Source, state: State) {
        if let Some(job) = self.jobs.get_mut(&jid)
            && job.claim(index, source, state)
        {
            self.unsaved.insert(jid);
            self.reopen(jid);
            if planted::is(Bug::SettlesUnsaved) && self.jobs[&jid].is_own(self.signer) {
                self.settle(jid, &[index].into_iter().collect());
            }
        }
    }

    /// Counts over a job in memory.
    pub fn counts(&self, jid: Jid) -> Option<Counts> {
        self.jobs.get(&jid).map(Job::counts)
    }
}
