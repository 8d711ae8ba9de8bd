//! The hub machine: top-masters and syndics are the same, a syndic has parents too.
//!
//! [`Hub::handle_input`] and [`Hub::handle_timeout`] change the state; [`Hub::poll_output`] hands out what is to
//! be done; [`Hub::poll_timeout`] says when the machine wants to be woken, and why. The parts: `child` holds the
//! sessions of children, `uplink` those of parents, `job` one account, `roster` the subtree.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use wire::record::{JobHead, NodeRecord, Record};
use wire::{
    Counts, Down, IndexSet, Jid, JobEnvelope, JobOrder, Json, KeyDecision, LedgerDelta, NodeId,
    Presence, Reason, ReasonCode, Refusal, Revocation, Role, RootsReport, RosterMark, SitePath,
    Standing, Uid, UnixMillis, Up,
};

use crate::LinkId;
use crate::child::Child;
use crate::gate::Peer;
use crate::job::{Job, JobView, Source, State, signer_of};
use crate::probe::Timers;
use crate::roster::{Decision, Roster, RosterView};
use crate::saving::Saving;
use crate::uplink::Parent;

/// Jobs that are open at once, at most: a job is open until its last return is with its origin. Above it new jobs
/// are refused. At 10,000 minions an open job takes a few hundred KiB.
pub const OPEN_JOBS_MAX: usize = 4_096;
/// Closed jobs that stay in memory for watchers that ask late.
const CLOSED_KEPT: usize = 64;
/// After a restart children have this long to come back before what they ran counts as unreachable.
const RECOVERY_MS: u64 = 30_000;
/// A minion refuses an order after `start_by`; the hub gives it this much longer to say so.
const EXPIRY_SLACK_MS: u64 = 2_000;
/// Settled returns are told to minions with their next job, or after this long.
pub(crate) const SETTLE_MS: u64 = 10_000;

/// Who this hub is.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Its key.
    pub uid: Uid,
    /// Its label.
    pub id: NodeId,
    /// The site that it serves; the top's is empty.
    pub path: SitePath,
    /// Its program's version.
    pub software: String,
    /// Draws the roster's epoch when the store has none: random, so that a wiped disk is noticed.
    pub fresh_epoch: u64,
    /// Its public job key, told to parents.
    pub job_key: Option<[u8; 32]>,
}

/// What the store had.
#[derive(Debug, Default)]
pub struct HubRecovered {
    /// The roster's epoch; None for a new store.
    pub epoch: Option<u64>,
    /// One above every roster number that was ever given.
    pub next_index: u32,
    /// The roster.
    pub nodes: Vec<NodeRecord>,
    /// How far the rosters of child hubs are known.
    pub marks: Vec<(Uid, RosterMark)>,
    /// Jobs that were open.
    pub jobs: Vec<(JobHead, Vec<LedgerDelta>, Option<UnixMillis>)>,
    /// Revoked and restored keys.
    pub revocations: Vec<Revocation>,
    /// The trust bundle in force and its version.
    pub trust: Option<(Json, u64)>,
}

/// What happens to a hub.
#[derive(Debug)]
pub enum HubInput {
    /// A certified child's connection stands; its hello has not come yet.
    ChildConnected {
        /// The session.
        link: LinkId,
        /// Who, as its certificate says.
        peer: Peer,
    },
    /// A child speaks.
    ChildMessage {
        /// The session.
        link: LinkId,
        /// What.
        message: Up,
    },
    /// A child's connection ended.
    ChildClosed {
        /// The session.
        link: LinkId,
    },
    /// A connection to a parent stands.
    ParentConnected {
        /// The session.
        link: LinkId,
        /// Who, as its certificate says.
        peer: Peer,
    },
    /// A parent speaks.
    ParentMessage {
        /// The session.
        link: LinkId,
        /// What.
        message: Down,
    },
    /// A connection to a parent ended.
    ParentClosed {
        /// The session.
        link: LinkId,
    },
    /// The records of this batch are on disk.
    Saved {
        /// Which batch.
        token: u64,
    },
    /// A job of this hub's own, checked and signed.
    Submit {
        /// The signed order.
        envelope: JobEnvelope,
        /// The same, decoded.
        order: Arc<JobOrder>,
    },
    /// A key asks to be let in; what it says of itself is not proven beyond its key.
    Enrolling {
        /// Who it wants to be.
        peer: Peer,
        /// Its program's version.
        software: String,
    },
    /// An operator's decision about keys anywhere below.
    Decide {
        /// Whose.
        uids: Vec<Uid>,
        /// What.
        decision: KeyDecision,
    },
    /// A newer trust bundle, verified.
    Trust {
        /// Encoded and signed.
        bundle: Json,
        /// Its version.
        version: u64,
    },
    /// The number of this hub's job key in the trust bundle: its own jids end with it, and it settles their returns. Told at
    /// the start and when a bundle changes it.
    Signs(u8),
    /// The roots that this hub serves.
    Roots(RootsReport),
    /// An operator asks all sites to fetch their roots.
    FetchRoots,
}

/// What a hub wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum HubOutput {
    /// Save these, then say [`HubInput::Saved`]. On a failure the process must stop.
    Save {
        /// Names the batch.
        token: u64,
        /// In order.
        records: Vec<Record>,
    },
    /// Tell children; the same bytes to each.
    ToChildren {
        /// Their sessions.
        links: Vec<LinkId>,
        /// What.
        message: Down,
    },
    /// Tell a parent.
    ToParent {
        /// The session.
        link: LinkId,
        /// What.
        message: Up,
    },
    /// Tell a child why, and end its session.
    CloseChild {
        /// The session.
        link: LinkId,
        /// Why.
        refusal: Refusal,
    },
    /// End a session with a parent.
    CloseParent {
        /// The session.
        link: LinkId,
        /// Why, in words for the log.
        reason: String,
        /// Whether to dial again soon.
        retry: bool,
    },
    /// An own job is on disk.
    JobAccepted {
        /// Which.
        jid: Jid,
    },
    /// An own job was not accepted.
    JobRefused {
        /// Which.
        jid: Jid,
        /// Why.
        reason: String,
    },
    /// A job's account changed, and is on disk.
    JobChanged {
        /// Which.
        jid: Jid,
    },
    /// A job's last outcome became known, and is on disk.
    JobFinished {
        /// Which.
        jid: Jid,
    },
    /// A job's account that is no longer in memory got a late return, on disk now; its summary wants to be made again.
    JobAmended {
        /// Which.
        jid: Jid,
    },
    /// How a key that asked to be let in stands; None: no room, ask later.
    Enrolled {
        /// Whose.
        uid: Uid,
        /// Accepted or not.
        standing: Option<Standing>,
    },
    /// A decision about a child's key is in force, or was refused.
    Decided(Decision),
    /// A parent sent a trust bundle: verify it, and answer with [`HubInput::Trust`] if it is newer.
    TrustOffered(Json),
    /// Fetch the roots now.
    FetchRoots,
    /// Something that an operator should see at once.
    Alarm(String),
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HubStats {
    /// Children with a session.
    pub children: usize,
    /// Parents with a session.
    pub parents: usize,
    /// Open jobs.
    pub jobs_open: usize,
    /// Returns that parents or the origin have not acknowledged.
    pub backlog: u64,
    /// Messages that the gate refused.
    pub refused: u64,
    /// Returns counted since the start.
    pub returns: u64,
}

/// What waits for the disk.
#[derive(Debug)]
pub(crate) enum Held {
    Out(HubOutput),
    /// The origin has these returns.
    Settle {
        jid: Jid,
        who: IndexSet,
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
    Recovery,
    Settle,
}

/// The hub machine.
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: HubConfig,
    pub(crate) now: UnixMillis,
    pub(crate) roster: Roster,
    pub(crate) children: BTreeMap<LinkId, Child>,
    pub(crate) child_links: HashMap<Uid, LinkId>,
    pub(crate) parents: BTreeMap<LinkId, Parent>,
    pub(crate) jobs: BTreeMap<Jid, Job>,
    pub(crate) dirty_jobs: BTreeSet<Jid>,
    state_dirty: BTreeSet<Jid>,
    closed: VecDeque<Jid>,
    pub(crate) revocations: BTreeMap<Uid, Revocation>,
    pub(crate) trust: Option<(Json, u64)>,
    pub(crate) roots: RootsReport,
    /// Since when someone waits for fresh roots.
    fetch_asked: Option<UnixMillis>,
    /// The last two digits of this hub's own jids, once they are known.
    pub(crate) signer: Option<u8>,
    pub(crate) saving: Saving<Record, Held>,
    /// The roster's revision when the last batch was gathered.
    gathered: u64,
    pub(crate) outputs: VecDeque<HubOutput>,
    pub(crate) timers: Timers<Timer>,
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
            parents: BTreeMap::new(),
            jobs: BTreeMap::new(),
            dirty_jobs: BTreeSet::new(),
            state_dirty: BTreeSet::new(),
            closed: VecDeque::new(),
            revocations: recovered
                .revocations
                .into_iter()
                .map(|r| (r.uid, r))
                .collect(),
            trust: recovered.trust,
            roots: RootsReport::default(),
            fetch_asked: None,
            signer: None,
            gathered: 0,
            saving,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            settle_due: false,
            recovering: false,
            refused: 0,
            returns: 0,
        };
        for (head, news, finished) in recovered.jobs {
            hub.restore_job(head, &news, finished);
        }
        if !hub.jobs.is_empty() {
            hub.recovering = true;
            hub.timers.set(Timer::Recovery, now + RECOVERY_MS);
        }
        hub
    }

    fn restore_job(&mut self, head: JobHead, news: &[LedgerDelta], finished: Option<UnixMillis>) {
        let jid = head.jid;
        let roster = &self.roster;
        let source_of = |index: u32| match roster.node(index) {
            Some(node) if node.direct.is_none() => node
                .via
                .keys()
                .next()
                .map_or(Source::Own, |hub| Source::Hub(*hub)),
            _ => Source::Own,
        };
        let mut job = Job::replay_with(head, news, &source_of);
        job.finished = finished;
        if job.order.is_some() && job.head.parents.is_empty() {
            self.signer = Some(signer_of(jid));
        }
        if job.is_own(self.signer) {
            // What is on the origin's disk is settled; children that still keep copies will ask.
            job.settled = job
                .rows()
                .filter(|(_, s)| matches!(s, State::Returned { .. }))
                .map(|(i, _)| i)
                .collect();
        }
        // Those that told of it before are to tell again, so that nothing hangs on what a hub no longer knows.
        let complete = job.is_complete();
        let tellers: BTreeSet<Uid> = job
            .rows()
            .filter_map(|(index, _)| match job.source(index) {
                Some(Source::Hub(hub)) => Some(hub),
                _ => None,
            })
            .collect();
        for hub in tellers {
            job.source_from(hub, complete);
        }
        if !complete && job.order.is_some() {
            for hub in self.child_hubs() {
                job.source_from(hub, false);
            }
            job.named_own();
        }
        if let Some(order) = &job.order {
            self.timers
                .set(Timer::Expiry(jid), order.start_by + EXPIRY_SLACK_MS);
        }
        self.jobs.insert(jid, job);
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
            HubInput::Submit { envelope, order } => self.submit(envelope, order),
            HubInput::Enrolling { peer, software } => {
                let standing = self.roster.enrolling(&peer, &software, self.now);
                self.saving.after(Held::Out(HubOutput::Enrolled {
                    uid: peer.uid,
                    standing,
                }));
            }
            HubInput::Decide { uids, decision } => self.decide(&uids, decision),
            HubInput::Trust { bundle, version } => self.trust_changed(bundle, version),
            HubInput::Signs(number) => self.signer = Some(number),
            HubInput::Roots(report) => self.roots_reported(report),
            HubInput::FetchRoots => self.fetch_roots(),
        }
        self.pump_when_idle();
    }

    /// Acts on what is due.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        self.now = self.now.max(now);
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Probe(link) => self.probe_due(link),
                Timer::Expiry(jid) => self.expire(jid),
                Timer::Recovery => self.recovery_over(),
                Timer::Settle => self.tell_settled(),
            }
        }
        self.pump_when_idle();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<HubOutput> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.saving.is_saving() {
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
                Timer::Recovery => "end the recovery after a restart",
                Timer::Settle => "tell minions what is settled",
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
        let mut text = text.into();
        if text.len() > wire::limits::MAX_REASON {
            let mut end = wire::limits::MAX_REASON;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        Arc::new(Reason {
            code,
            text,
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

    fn tell_parents(&mut self, message: Up) {
        let links: Vec<LinkId> = self
            .parents
            .iter()
            .filter(|(_, p)| p.welcomed)
            .map(|(link, _)| *link)
            .collect();
        for link in links {
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

    fn trust_changed(&mut self, bundle: Json, version: u64) {
        if self
            .trust
            .as_ref()
            .is_some_and(|(_, have)| *have >= version)
        {
            return;
        }
        self.trust = Some((bundle.clone(), version));
        self.saving.record(Record::Trust(bundle.clone()));
        let links: Vec<LinkId> = self
            .children
            .iter()
            .filter(|(_, c)| c.is_up())
            .map(|(link, _)| *link)
            .collect();
        if !links.is_empty() {
            let message = Down::Trust(bundle);
            self.saving
                .after(Held::Out(HubOutput::ToChildren { links, message }));
        }
    }

    /// Decides about children of this hub, and passes on what concerns nodes further down.
    pub(crate) fn decide(&mut self, uids: &[Uid], decision: KeyDecision) {
        let mut below: BTreeMap<LinkId, Vec<Uid>> = BTreeMap::new();
        for &uid in uids {
            let Some(node) = self.roster.by_uid(uid) else {
                continue;
            };
            for hub in node.via.keys() {
                if let Some(&link) = self.child_links.get(hub) {
                    below.entry(link).or_default().push(uid);
                }
            }
            if node.direct.is_none() {
                continue;
            }
            let Some(decided) = self.roster.decide(uid, decision) else {
                continue;
            };
            if decided.refused.is_none() {
                self.revoke_or_restore(uid, decision);
            }
            self.saving.after(Held::Out(HubOutput::Decided(decided)));
        }
        for (link, uids) in below {
            self.tell_child(link, Down::Keys { uids, decision });
        }
    }

    fn revoke_or_restore(&mut self, uid: Uid, decision: KeyDecision) {
        let revoked = decision != KeyDecision::Accept;
        if revoked == self.is_revoked(uid) {
            return;
        }
        // Later than what it replaces, even when that came from a clock ahead of ours.
        let known = self.revocations.get(&uid).map_or(0, |known| known.at + 1);
        let revocation = Revocation {
            uid,
            at: self.now.max(known),
            revoked,
        };
        self.spread_revocations(vec![revocation], None);
    }

    /// Takes revocations in, acts on them and tells the whole neighbourhood but the side they came from.
    pub(crate) fn spread_revocations(&mut self, news: Vec<Revocation>, from: Option<LinkId>) {
        let mut fresh = Vec::new();
        for revocation in news {
            let known = self.revocations.get(&revocation.uid);
            if known.is_some_and(|k| k.at >= revocation.at) {
                continue;
            }
            self.revocations.insert(revocation.uid, revocation);
            self.saving.record(Record::Revoked(revocation));
            fresh.push(revocation);
            self.roster.revoked(revocation.uid, revocation.revoked);
            if !revocation.revoked {
                continue;
            }
            let gone = self.roster.forget_child(revocation.uid);
            self.gone_from(revocation.uid, &gone);
            if let Some(&link) = self.child_links.get(&revocation.uid) {
                self.refuse_child(
                    link,
                    wire::RefusalCode::Key,
                    "the key is no longer accepted",
                );
            }
        }
        if fresh.is_empty() {
            return;
        }
        let links: Vec<LinkId> = self
            .links_of_hubs()
            .into_iter()
            .filter(|l| Some(*l) != from)
            .collect();
        if !links.is_empty() {
            self.outputs.push_back(HubOutput::ToChildren {
                links,
                message: Down::Revoked(fresh.clone()),
            });
        }
        let parents: Vec<LinkId> = self
            .parents
            .iter()
            .filter(|(l, p)| p.welcomed && Some(**l) != from)
            .map(|(l, _)| *l)
            .collect();
        for link in parents {
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Revoked(fresh.clone()),
            });
        }
    }

    fn saved(&mut self, token: u64) {
        for held in self.saving.saved(token) {
            match held {
                Held::Out(output) => self.outputs.push_back(output),
                Held::Settle { jid, who } => self.settle(jid, &who),
                Held::Ack { link, jid, serial } => {
                    if self.children.contains_key(&link) {
                        self.tell_child(link, Down::LedgerAck { jid, serial });
                    }
                }
            }
        }
        self.pump_uplinks(self.gathered);
        self.close_jobs();
    }

    fn pump_when_idle(&mut self) {
        if !self.saving.is_saving() && self.dirty_jobs.is_empty() && !self.saving.has_next() {
            self.pump_uplinks(self.roster.mark().revision);
        }
    }

    /// Gathers the records of everything that changed since the last batch.
    fn collect_records(&mut self) {
        for record in self.roster.take_records() {
            self.saving.record(record);
        }
        self.gathered = self.roster.mark().revision;
        for jid in std::mem::take(&mut self.dirty_jobs) {
            let Some(job) = self.jobs.get_mut(&jid) else {
                continue;
            };
            let origin = job.is_own(self.signer);
            let mut news = IndexSet::new();
            while let Some(delta) = job.disk_delta() {
                if origin {
                    for group in &delta.groups {
                        if matches!(group.outcome, wire::Outcome::Returned { .. }) {
                            news.extend(&group.who);
                        }
                    }
                }
                self.saving.record(Record::JobNews(delta));
            }
            if !news.is_empty() {
                self.saving.after(Held::Settle { jid, who: news });
            }
            if job.finished.is_none() && job.order.is_some() && job.is_finished() {
                job.finished = Some(self.now);
                self.state_dirty.insert(jid);
                self.saving.after(Held::Out(HubOutput::JobFinished { jid }));
            } else if job.order.is_none() {
                self.saving.after(Held::Out(HubOutput::JobAmended { jid }));
            } else {
                if job.finished.is_some() {
                    self.state_dirty.insert(jid);
                }
                self.saving.after(Held::Out(HubOutput::JobChanged { jid }));
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

    /// Lets go of jobs of which nothing more is awaited.
    fn close_jobs(&mut self) {
        let done: Vec<Jid> = self
            .jobs
            .iter()
            .filter(|(jid, job)| {
                !self.dirty_jobs.contains(jid)
                    && !self.closed.contains(jid)
                    && job.is_over(self.signer)
            })
            .map(|(jid, _)| *jid)
            .collect();
        for jid in done {
            self.timers.clear(Timer::Expiry(jid));
            self.state_dirty.insert(jid);
            self.closed.push_back(jid);
        }
        while self.closed.len() > CLOSED_KEPT {
            if let Some(jid) = self.closed.pop_front() {
                self.jobs.remove(&jid);
            }
        }
    }

    /// A closed job is heard of again.
    pub(crate) fn reopen(&mut self, jid: Jid) {
        self.closed.retain(|closed| *closed != jid);
    }

    fn submit(&mut self, envelope: JobEnvelope, order: Arc<JobOrder>) {
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
        let target = targeting::Target::parse(
            targeting::Kind::Compound,
            &order.target.compound,
            &targeting::Nodegroups::default(),
            ':',
        );
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
            self.saving.after(Held::Out(HubOutput::ToChildren {
                links,
                message: Down::Job(envelope),
            }));
        }
    }

    /// Names the minions that are children of this very hub.
    fn resolve_own(
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
    fn resolve_below(
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

    pub(crate) fn cut_reason(&self, hub: &crate::roster::Node) -> Arc<Reason> {
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

    fn down_reason(&self, node: &crate::roster::Node) -> Arc<Reason> {
        let mut reason = (*self.reason(ReasonCode::MinionDown, "not connected to its hub")).clone();
        reason.since = node.link.since;
        Arc::new(reason)
    }

    /// The origin has these returns on disk: let everyone below free theirs.
    pub(crate) fn settle(&mut self, jid: Jid, who: &IndexSet) {
        if let Some(job) = self.jobs.get_mut(&jid) {
            job.settled.extend(who);
        }
        let mut below: BTreeMap<LinkId, IndexSet> = BTreeMap::new();
        for index in who.iter() {
            let Some(node) = self.roster.node(index) else {
                continue;
            };
            for (hub, (theirs, _)) in &node.via {
                if let Some(link) = self.child_links.get(hub) {
                    below.entry(*link).or_default().insert(*theirs);
                }
            }
            if node.direct.is_some()
                && let Some(link) = self.child_links.get(&node.uid)
                && let Some(child) = self.children.get_mut(link)
            {
                child.settled.push(jid);
                if !self.settle_due {
                    self.settle_due = true;
                    self.timers.set(Timer::Settle, self.now + SETTLE_MS);
                }
            }
        }
        for (link, who) in below {
            self.tell_child(link, Down::SettledBy { jid, who });
        }
    }

    fn tell_settled(&mut self) {
        self.settle_due = false;
        let links: Vec<LinkId> = self
            .children
            .iter()
            .filter(|(_, c)| !c.settled.is_empty())
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.tell_settled_to(link);
        }
    }

    pub(crate) fn tell_settled_to(&mut self, link: LinkId) {
        if let Some(child) = self.children.get_mut(&link)
            && !child.settled.is_empty()
        {
            let jids = std::mem::take(&mut child.settled);
            self.tell_child(link, Down::Settled(jids));
        }
    }

    /// Own minions that were sent the job and have not started in its time.
    fn expire(&mut self, jid: Jid) {
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
            && let Ok(target) = targeting::Target::parse(
                targeting::Kind::Compound,
                &order.target.compound,
                &targeting::Nodegroups::default(),
                ':',
            )
        {
            self.name_by_mirror(&mut job, &order, &target, hub);
        }
        job.sources.entry(hub).or_default().complete = true;
        self.jobs.insert(jid, job);
        self.dirty_jobs.insert(jid);
    }

    /// The time for children to come back after a restart is over.
    fn recovery_over(&mut self) {
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

    /// A source says how a minion stands.
    pub(crate) fn claim(&mut self, jid: Jid, index: u32, source: Source, state: State) {
        if let Some(job) = self.jobs.get_mut(&jid)
            && job.claim(index, source, state)
        {
            self.dirty_jobs.insert(jid);
            self.reopen(jid);
        }
    }

    /// Counts over a job in memory.
    pub fn counts(&self, jid: Jid) -> Option<Counts> {
        self.jobs.get(&jid).map(Job::counts)
    }
}

/// A roster node as the target sees it; grains are parsed when a matcher asks for them.
pub(crate) struct Facts<'a> {
    node: &'a crate::roster::Node,
    grains: std::cell::OnceCell<Option<serde_json::Value>>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(node: &'a crate::roster::Node) -> Self {
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
