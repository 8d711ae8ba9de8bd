//! The leaf machine: a minion takes jobs from its hubs, runs each at most once, and keeps each return until the
//! job's origin has it.

mod exchange;
mod owed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use wire::record::JournalRecord;
use wire::{
    Down, Hello, HelloBody, Jid, JobEnvelope, JobOrder, Json, ProtocolRange, Reason, ReasonCode,
    Return, UnixMillis, Up,
};

pub use exchange::{LeafConfig, LeafInput, LeafOutput, LeafRecovered, Verify};

use crate::LinkId;
use crate::bounds;
use crate::dispatch::target_of;
use crate::gate::Peer;
use crate::planted::{self, Bug};
use crate::probe::Timers;
use crate::saving::Saving;
use crate::spool::Spool;

/// A return that comes within this time after the start stands for both: one packet less for each short job.
const START_ACK_DELAY_MS: u64 = 5;
/// Jobs that run or wait for a place at once; further ones are refused.
const RUNNING_MAX: usize = 1_024;
/// Returns that wait for their origin, at most; further jobs are refused, since a finished return is never dropped.
const UNSETTLED_MAX: usize = 4_096;
/// Orders that act on other jobs of the minion may begin beyond the bounds above, so many of them: an operator has to be able
/// to end what fills them.
const CONTROL_EXTRA: usize = 64;
/// Values up to this many bytes stay in memory until their origin has them; longer ones are read from the journal again.
const VALUE_IN_MEMORY_MAX: usize = 4 << 10;
/// A journalled start is forgotten this long after its order's time is over: clocks may differ by that much.
const FORGET_SLACK_MS: u64 = 600_000;

/// How a job stands at this minion.
#[derive(Debug)]
enum Work {
    /// The start is on its way to the journal.
    Starting,
    /// The function runs; whether the hubs were told.
    Running { told: bool },
    /// The return waits for its origin.
    Returned(Return),
    /// The same, and the journal alone has it.
    Journalled { bytes: u64 },
    /// It did not run, or not to its end.
    NotRun { started: bool, reason: Reason },
}

impl Work {
    /// Whether nothing more comes of it, and its origin has yet to hear.
    fn is_over(&self) -> bool {
        matches!(
            self,
            Work::Returned(_) | Work::Journalled { .. } | Work::NotRun { .. }
        )
    }
}

/// What is told of a job.
#[derive(Debug, Clone)]
enum News {
    Say(Up),
    /// The return that the journal has.
    Kept {
        jid: Jid,
        bytes: u64,
    },
}

impl News {
    fn to(self, link: LinkId) -> LeafOutput {
        match self {
            News::Say(message) => LeafOutput::Send { link, message },
            News::Kept { jid, bytes } => LeafOutput::SendKept { link, jid, bytes },
        }
    }
}

#[derive(Debug)]
struct Session {
    peer: Peer,
    welcomed: bool,
}

#[derive(Debug)]
enum Held {
    /// Run it, unless it is later than this.
    Start(Arc<JobOrder>, UnixMillis),
    /// Tell every hub how this job stands.
    Tell(Jid),
}

/// The leaf machine.
pub struct Leaf<V> {
    config: LeafConfig,
    verify: V,
    now: UnixMillis,
    grains: Json,
    /// The grains, parsed when a target first asks for them.
    facts: Option<serde_json::Value>,
    trust_version: u64,
    sessions: BTreeMap<LinkId, Session>,
    work: BTreeMap<Jid, Work>,
    /// Jobs whose return is on its way to the journal: for the hubs they run until it is there.
    unsaved: BTreeSet<Jid>,
    /// Jobs that were started once, with the time after which their orders are too old anyway: never again.
    done: BTreeMap<Jid, UnixMillis>,
    saving: Saving<JournalRecord, Held>,
    outputs: VecDeque<LeafOutput>,
    timers: Timers<Jid>,
    cancelled: BTreeSet<Jid>,
    /// Settled while a hub has not been told of them yet that was promised to hear.
    settled_early: BTreeSet<Jid>,
    owed: owed::Owed,
    spool: Spool,
    /// Why the journal has no room for further jobs.
    no_room: Option<String>,
}

impl<V> fmt::Debug for Leaf<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("id", &self.config.id)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

impl<V: Verify> Leaf<V> {
    /// A minion with what its journal had. What it had started and not finished is lost: it says so.
    pub fn new(
        config: LeafConfig,
        verify: V,
        grains: Json,
        recovered: LeafRecovered,
        now: UnixMillis,
    ) -> Self {
        let mut leaf = Leaf {
            spool: Spool::new(config.spool_bytes_max),
            no_room: None,
            config,
            verify,
            now,
            grains,
            facts: None,
            trust_version: recovered.trust_version,
            sessions: BTreeMap::new(),
            work: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            done: match planted::is(Bug::RestartForgetsStarts) {
                true => BTreeMap::new(),
                false => recovered.started,
            },
            saving: Saving::default(),
            outputs: VecDeque::new(),
            timers: Timers::default(),
            cancelled: BTreeSet::new(),
            settled_early: BTreeSet::new(),
            owed: owed::Owed::default(),
        };
        for ret in recovered.returned {
            leaf.spool.restore(ret.value.len() as u64);
            leaf.work.insert(ret.jid, Work::Returned(ret));
        }
        for (jid, bytes) in recovered.kept {
            leaf.spool.restore(bytes);
            leaf.work.insert(jid, Work::Journalled { bytes });
        }
        for (jid, reason) in recovered.not_run {
            leaf.work.insert(
                jid,
                Work::NotRun {
                    started: true,
                    reason,
                },
            );
        }
        for jid in recovered.interrupted {
            let mut text = "the minion restarted while the job ran".to_owned();
            if let Some(aftermath) = recovered.aftermath.get(&jid) {
                text.push_str("; ");
                text.push_str(aftermath);
            }
            let reason = Reason {
                code: ReasonCode::Interrupted,
                text,
                since: now,
            };
            leaf.saving.record(JournalRecord::NotRun {
                jid,
                reason: reason.clone(),
            });
            leaf.work.insert(
                jid,
                Work::NotRun {
                    started: true,
                    reason,
                },
            );
        }
        leaf
    }

    /// Takes an input in.
    pub fn handle_input(&mut self, now: UnixMillis, input: LeafInput) {
        self.now = self.now.max(now);
        match input {
            LeafInput::Connected { link, peer } => self.connected(link, peer),
            LeafInput::Message { link, message } => self.message(link, message),
            LeafInput::Closed { link } => {
                self.sessions.remove(&link);
                self.settle_early();
            }
            LeafInput::Saved { token } => self.saved(token),
            LeafInput::Finished(ret) => self.finished(ret),
            LeafInput::Grains(grains) => {
                self.facts = None;
                if self.grains != grains {
                    self.grains = grains.clone();
                    self.tell_all(Up::Grains(grains));
                }
            }
            LeafInput::Trust(version) => self.trust_version = self.trust_version.max(version),
            LeafInput::NoRoom(reason) => self.no_room = reason,
        }
    }

    /// Acts on what is due.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        self.now = self.now.max(now);
        while let Some((_, jid)) = self.timers.pop_due(self.now) {
            if let Some(Work::Running { told }) = self.work.get_mut(&jid) {
                *told = true;
                self.tell_all(Up::Started { jid });
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<LeafOutput> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let (token, records) = self.saving.next_batch()?;
        if records.is_empty() {
            self.saved(token);
            return self.outputs.pop_front();
        }
        Some(LeafOutput::Save { token, records })
    }

    /// When to call [`Leaf::handle_timeout`], and what for.
    pub fn poll_timeout(&self) -> Option<(UnixMillis, &'static str)> {
        self.timers
            .next()
            .map(|(at, _)| (at, "tell that a job runs"))
    }

    /// Who this minion is.
    pub fn config(&self) -> &LeafConfig {
        &self.config
    }

    /// Jobs that run now.
    pub fn running(&self) -> impl Iterator<Item = Jid> + '_ {
        self.work
            .iter()
            .filter(|(_, w)| matches!(w, Work::Starting | Work::Running { .. }))
            .map(|(jid, _)| *jid)
    }

    /// Returns that wait for their origin.
    pub fn unsettled(&self) -> usize {
        self.work.values().filter(|w| w.is_over()).count()
    }

    /// Hubs with a session.
    pub fn hubs(&self) -> usize {
        self.sessions.values().filter(|s| s.welcomed).count()
    }

    /// An order to end a job came before the job did: it will not start.
    pub fn cancel_unseen(&mut self, jid: Jid) {
        if !self.work.contains_key(&jid) && !self.done.contains_key(&jid) {
            if self.cancelled.len() >= UNSETTLED_MAX {
                self.cancelled.pop_first();
            }
            self.cancelled.insert(jid);
        }
    }

    fn connected(&mut self, link: LinkId, peer: Peer) {
        let older: Vec<LinkId> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.peer.uid == peer.uid)
            .map(|(link, _)| *link)
            .collect();
        for link in older {
            self.sessions.remove(&link);
            let reason = "a newer session with the same hub".to_owned();
            self.outputs.push_back(LeafOutput::Close {
                link,
                reason,
                retry: true,
            });
        }
        self.sessions.insert(
            link,
            Session {
                peer,
                welcomed: false,
            },
        );
        let unsettled = self
            .work
            .iter()
            .filter(|(_, w)| w.is_over())
            .map(|(jid, _)| *jid)
            .collect();
        let message = Up::Hello(Hello {
            protocol: ProtocolRange::OURS,
            software: self.config.software.clone(),
            trust_version: self.trust_version,
            body: HelloBody::Minion {
                grains: self.grains.clone(),
                running: self.running().collect(),
                unsettled,
            },
        });
        self.outputs.push_back(LeafOutput::Send { link, message });
    }

    fn message(&mut self, link: LinkId, message: Down) {
        let Some(session) = self.sessions.get_mut(&link) else {
            return;
        };
        match (message, session.welcomed) {
            (Down::Welcome(welcome), false) => {
                if let Some(reason) = bounds::objection(&welcome) {
                    self.sessions.remove(&link);
                    self.settle_early();
                    self.outputs.push_back(LeafOutput::Close {
                        link,
                        reason,
                        retry: true,
                    });
                    return;
                }
                session.welcomed = true;
                // What is at hand is told again: the hub may have lost it, or never had it.
                let jids: Vec<Jid> = self.work.keys().copied().collect();
                for jid in jids {
                    let news = self.news_of(jid);
                    self.outputs.extend(news.map(|news| news.to(link)));
                }
                self.settle_early();
            }
            (Down::Refuse(refusal), _) => {
                self.sessions.remove(&link);
                self.settle_early();
                let retry = refusal.code.retry_helps();
                self.outputs.push_back(LeafOutput::Close {
                    link,
                    reason: refusal.text,
                    retry,
                });
            }
            (Down::Ping { nonce }, _) => self.outputs.push_back(LeafOutput::Send {
                link,
                message: Up::Pong { nonce },
            }),
            (Down::Job(envelope), true) => self.job(link, &envelope, None),
            (Down::Turn { envelope, until }, true) => self.job(link, &envelope, Some(until)),
            (Down::Settled(jids), true) => {
                let by = session.peer.uid;
                self.settled_by(by, jids);
            }
            (Down::Trust(bundle), true) => self.outputs.push_back(LeafOutput::TrustOffered(bundle)),
            // The shell reads them beside the machine: they change nothing here.
            (Down::EventFilters(_), true) => {}
            (
                Down::Welcome(_)
                | Down::SettledBy { .. }
                | Down::LedgerAck { .. }
                | Down::Revoked(_)
                | Down::Keys { .. }
                | Down::FetchRoots
                | Down::Assign { .. }
                | Down::Warranted { .. }
                | Down::Release { .. }
                | Down::Halt { .. }
                | Down::Recall { .. }
                | Down::Own { .. }
                | Down::Plan { .. }
                | Down::Grant { .. }
                | Down::Witness { .. }
                | Down::Inquire { .. },
                _,
            )
            | (_, false) => {
                self.sessions.remove(&link);
                let reason = "the hub sent a message out of place".to_owned();
                self.outputs.push_back(LeafOutput::Close {
                    link,
                    reason,
                    retry: true,
                });
            }
        }
    }

    /// What a hub is told of a job; None while it only starts.
    fn news_of(&self, jid: Jid) -> Option<News> {
        Some(News::Say(match self.work.get(&jid)? {
            Work::Starting => return None,
            Work::Running { .. } => Up::Started { jid },
            _ if self.unsaved.contains(&jid) => Up::Started { jid },
            Work::Returned(ret) => Up::Return(ret.clone()),
            Work::Journalled { bytes } => return Some(News::Kept { jid, bytes: *bytes }),
            Work::NotRun { started, reason } => Up::NotRun {
                jid,
                started: *started,
                reason: reason.clone(),
            },
        }))
    }

    fn tell_all(&mut self, message: Up) {
        self.tell_all_news(&News::Say(message));
    }

    fn tell_all_news(&mut self, news: &News) {
        let links: Vec<LinkId> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.welcomed)
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.outputs.push_back(news.clone().to(link));
        }
    }

    /// A hub hands on a job; in a rollout the minion's turn ends at `until`.
    fn job(&mut self, link: LinkId, envelope: &JobEnvelope, until: Option<UnixMillis>) {
        let order = match self.verify.verify(envelope, self.now) {
            Ok(order) => order,
            Err(_) if planted::is(Bug::ObeysUnsigned) => match wire::codec::decode(&envelope.order)
            {
                Ok(order) => Arc::new(order),
                Err(_) => return,
            },
            Err(text) => {
                // The jid is the sender's word, good enough to say no to it.
                if let Ok(order) = wire::codec::decode::<JobOrder>(&envelope.order) {
                    self.refuse(link, order.jid, ReasonCode::Refused, text);
                }
                return;
            }
        };
        let jid = order.jid;
        if self.work.contains_key(&jid) {
            let news = self.news_of(jid);
            self.outputs.extend(news.map(|news| news.to(link)));
            return;
        }
        if self.done.contains_key(&jid) && !planted::is(Bug::ForgetsStarts) {
            let text = "it ran this job before, and its return was settled".to_owned();
            self.refuse(link, jid, ReasonCode::Refused, text);
            return;
        }
        let until = until.filter(|_| !planted::is(Bug::IgnoresTurnEnd));
        let until = until.unwrap_or(order.start_by).min(order.start_by);
        if let Some((code, text)) = self.objection(&order, until) {
            self.refuse(link, jid, code, text);
            return;
        }
        let forget_after = order.start_by.saturating_add(FORGET_SLACK_MS);
        self.work.insert(jid, Work::Starting);
        let by = self.sessions.get(&link).map(|session| session.peer.uid);
        if by == Some(order.origin) {
            self.owed.ordered(jid, order.origin);
        }
        self.done.insert(jid, forget_after);
        self.saving
            .record(JournalRecord::Started { jid, forget_after });
        if planted::is(Bug::StartsUnjournalled) {
            self.work.insert(jid, Work::Running { told: false });
            self.outputs.push_back(LeafOutput::Start(order));
            return;
        }
        self.saving.after(Held::Start(order, until));
    }

    /// Why this minion will not run an order that is signed well.
    fn objection(&mut self, order: &JobOrder, until: UnixMillis) -> Option<(ReasonCode, String)> {
        if self.is_late(until) {
            let late = self.now - until;
            return Some((
                ReasonCode::NotStarted,
                format!("the order came {late} ms after its time"),
            ));
        }
        if self.cancelled.remove(&order.jid) {
            return Some((
                ReasonCode::Refused,
                "the job was cancelled before it started".to_owned(),
            ));
        }
        if !order.scope.contains(&self.config.path) {
            return Some((
                ReasonCode::Refused,
                format!("the order is for site {}", order.scope),
            ));
        }
        match self.is_meant(order) {
            Ok(true) => {}
            Ok(false) => {
                return Some((
                    ReasonCode::Refused,
                    "the target does not match this minion".to_owned(),
                ));
            }
            Err(text) => return Some((ReasonCode::Refused, text)),
        }
        let text = self.overload(order)?;
        Some((ReasonCode::Overload, text))
    }

    /// Why there is no room for one more job.
    fn overload(&mut self, order: &JobOrder) -> Option<String> {
        if self.unsettled() >= UNSETTLED_MAX || self.spool.objection().is_some() {
            self.settled(&self.owed.all());
        }
        let is_control = order.is_control();
        let extra = if is_control { CONTROL_EXTRA } else { 0 };
        if self.running().count() >= RUNNING_MAX + extra {
            return Some(format!("{RUNNING_MAX} jobs run already"));
        }
        if self.unsettled() >= UNSETTLED_MAX + extra {
            return Some(format!("{UNSETTLED_MAX} returns wait for their origin"));
        }
        if is_control {
            return None;
        }
        self.spool.objection().or_else(|| self.no_room.clone())
    }

    fn is_late(&self, until: UnixMillis) -> bool {
        self.now > until && !planted::is(Bug::StartsLate)
    }

    /// Whether the target matches this minion; what can't be decided does not. What is left to its pillar its hub has decided,
    /// which makes the pillar.
    fn is_meant(&mut self, order: &JobOrder) -> Result<bool, String> {
        let target = target_of(order).map_err(|errors| {
            let shown = errors.render(&order.target.compound);
            format!("the target does not parse here: {shown}")
        })?;
        if target.needs_grains() && self.facts.is_none() {
            self.facts = serde_json::from_slice(&self.grains).ok();
        }
        let facts = OwnFacts {
            config: &self.config,
            grains: self.facts.as_ref(),
        };
        Ok(match target.matches(&facts) {
            targeting::Verdict::Yes => true,
            targeting::Verdict::No => false,
            targeting::Verdict::Unknown => target.needs_pillar(),
        })
    }

    fn refuse(&mut self, link: LinkId, jid: Jid, code: ReasonCode, text: String) {
        let reason = Reason {
            code,
            text: bounds::cut(text, wire::limits::MAX_REASON),
            since: self.now,
        };
        self.outputs.push_back(LeafOutput::Send {
            link,
            message: Up::NotRun {
                jid,
                started: false,
                reason,
            },
        });
    }

    fn finished(&mut self, ret: Return) {
        let jid = ret.jid;
        if !matches!(
            self.work.get(&jid),
            Some(Work::Running { .. } | Work::Starting)
        ) {
            return;
        }
        self.timers.clear(jid);
        let ret = self.spool.keep(ret);
        self.saving.record(JournalRecord::Returned(ret.clone()));
        if planted::is(Bug::ReturnsUnjournalled) {
            self.tell_all(Up::Return(ret.clone()));
        }
        self.work.insert(jid, Work::Returned(ret));
        self.unsaved.insert(jid);
        self.saving.after(Held::Tell(jid));
    }

    fn saved(&mut self, token: u64) {
        for held in self.saving.saved(token) {
            match held {
                // It may have been a long time at the disk.
                Held::Start(order, until) if self.is_late(until) => self.too_late(order.jid),
                Held::Start(order, _) => {
                    if let Some(work @ Work::Starting) = self.work.get_mut(&order.jid) {
                        *work = Work::Running { told: false };
                        self.timers.set(order.jid, self.now + START_ACK_DELAY_MS);
                        self.outputs.push_back(LeafOutput::Start(order));
                    }
                }
                Held::Tell(jid) => {
                    self.unsaved.remove(&jid);
                    self.drop_long_value(jid);
                    if let Some(news) = self.news_of(jid) {
                        self.tell_all_news(&news);
                    }
                }
            }
        }
    }

    /// A return is in the journal: a long value need not be in memory as well.
    fn drop_long_value(&mut self, jid: Jid) {
        if let Some(work) = self.work.get_mut(&jid)
            && let Work::Returned(ret) = work
            && ret.value.len() > VALUE_IN_MEMORY_MAX
        {
            let bytes = ret.value.len() as u64;
            *work = Work::Journalled { bytes };
        }
    }

    /// Its start is in the journal and its time is over: it does not run.
    fn too_late(&mut self, jid: Jid) {
        let reason = Reason {
            code: ReasonCode::NotStarted,
            text: "the journal took longer than the order had time".to_owned(),
            since: self.now,
        };
        let started = false;
        self.saving.record(JournalRecord::NotRun {
            jid,
            reason: reason.clone(),
        });
        self.work.insert(jid, Work::NotRun { started, reason });
        self.saving.after(Held::Tell(jid));
    }

    /// A hub says that returns are settled. Those that are owed to another one stay for a while.
    fn settled_by(&mut self, by: wire::Uid, mut jids: Vec<Jid>) {
        let now = self.now;
        jids.retain(|jid| {
            let is_return = matches!(
                self.work.get(jid),
                Some(Work::Returned(_) | Work::Journalled { .. })
            );
            !(is_return && self.owed.keeps(*jid, by, now) && !planted::is(Bug::ForgetsWhatIsOwed))
        });
        jids.extend(self.owed.over(now));
        self.settled(&jids);
    }

    fn settle_early(&mut self) {
        let jids: Vec<Jid> = std::mem::take(&mut self.settled_early)
            .into_iter()
            .collect();
        if !jids.is_empty() {
            self.settled(&jids);
        }
    }

    fn settled(&mut self, jids: &[Jid]) {
        // A hello named what is kept; a hub that read it waits for that until its welcome is answered.
        if self.sessions.values().any(|s| !s.welcomed) && !planted::is(Bug::SettlesEarly) {
            let kept = jids.iter().filter(|jid| self.work.contains_key(jid));
            self.settled_early.extend(kept);
            return;
        }
        for jid in jids {
            match self.work.get(jid) {
                Some(Work::Returned(ret)) => self.spool.settle(ret.value.len() as u64),
                Some(Work::Journalled { bytes }) => self.spool.settle(*bytes),
                Some(Work::NotRun { .. }) => {}
                _ => continue,
            }
            self.work.remove(jid);
            self.owed.forget(*jid);
            self.saving.record(JournalRecord::Settled { jid: *jid });
        }
        let now = self.now;
        self.done.retain(|_, forget_after| *forget_after > now);
    }
}

struct OwnFacts<'a> {
    config: &'a LeafConfig,
    grains: Option<&'a serde_json::Value>,
}

impl targeting::Facts for OwnFacts<'_> {
    fn id(&self) -> &str {
        self.config.id.as_str()
    }
    fn path(&self) -> &str {
        self.config.path.as_str()
    }
    fn grains(&self) -> Option<&serde_json::Value> {
        self.grains
    }
}
