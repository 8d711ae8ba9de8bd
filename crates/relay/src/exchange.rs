//! What goes into the hub machine, and what comes out.

use std::sync::Arc;

use wire::record::{JobHead, NodeRecord, Record};
use wire::{
    BatchPlan, Down, Finding, IndexSet, Jid, JobEnvelope, JobOrder, Json, KeyDecision, LedgerDelta,
    NodeId, PlanRecord, Reason, Refusal, Revocation, RootsReport, RosterMark, SitePath, Standing,
    Uid, UnixMillis, Up, Warrant,
};

use crate::LinkId;
use crate::gate::Peer;
use crate::question::Answer;
use crate::roster::Decision;

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
    /// How many parents it is to have: what it did on its own is told to so many.
    pub parents: usize,
    /// Bytes of values in one batch for the store: [`SAVE_BYTES_MAX`](crate::SAVE_BYTES_MAX), less in tests.
    pub save_bytes_max: usize,
    /// How long news of an account waits for more, in milliseconds: [`GATHER_MS`](crate::GATHER_MS), or not at all.
    pub gather_ms: u64,
    /// Its site has rules about orders from above: each is a question to the shell.
    pub judges: bool,
    /// How long the owner of a job has to be away from every hub that has a part in it, until this top-master adopts the job by itself,
    /// in milliseconds; 0: never.
    pub adopt_after_ms: u64,
    /// Outcomes of open jobs that may be awaited: [`AWAITED_MAX`](crate::AWAITED_MAX), less in tests.
    pub awaited_max: u64,
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
    pub jobs: Vec<RecoveredJob>,
    /// Jobs of this hub's own that are over, and of which a parent has yet to hear.
    pub untold: Vec<Jid>,
    /// Decisions about keys that wait for hubs that are cut off: the hub, the key.
    pub undelivered: Vec<(Uid, Uid, KeyDecision)>,
    /// Revoked and restored keys.
    pub revocations: Vec<Revocation>,
    /// The trust bundle in force and its version.
    pub trust: Option<(Json, u64)>,
}

/// A job as the store has it.
#[derive(Debug, Clone)]
pub struct RecoveredJob {
    /// Its head.
    pub head: JobHead,
    /// Its account, in order.
    pub news: Vec<LedgerDelta>,
    /// How it is rolled out, in order.
    pub plan: Vec<PlanRecord>,
    /// When its last outcome became known.
    pub finished: Option<UnixMillis>,
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
        /// Keep it for minions that are down, until its time to start is over.
        hold: bool,
        /// Roll it out in turns.
        plan: Option<Box<BatchPlan>>,
        /// What this hub says of who asked.
        warrant: Option<Box<Warrant>>,
    },
    /// Nobody who has not begun this job of the hub's own begins it any more.
    Halt {
        /// Which.
        jid: Jid,
        /// Why, and who said so.
        reason: Reason,
    },
    /// The rollout of a job of this hub's own may go on after a stage.
    GoOn {
        /// Which.
        jid: Jid,
        /// The stage that is over.
        stage: u32,
    },
    /// The answer to [`HubOutput::Recall`].
    Recalled {
        /// Which.
        jid: Jid,
        /// What the store has of it.
        job: Option<Box<RecoveredJob>>,
    },
    /// The answer to [`HubOutput::JobOffered`]: the order, when its signature was good when it was issued.
    Vouched {
        /// Which.
        jid: Jid,
        /// As it was signed.
        envelope: JobEnvelope,
        /// The same, decoded.
        order: Option<Arc<JobOrder>>,
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
    /// Whether the trust bundle has other top-masters. Told as [`HubInput::Signs`] is.
    OtherTops(bool),
    /// This top-master owns a job of another one from now on: it settles its returns and gives its turns.
    Adopt {
        /// Which.
        jid: Jid,
    },
    /// The roots that this hub serves.
    Roots(RootsReport),
    /// An operator asks all sites to fetch their roots.
    FetchRoots,
    /// The answer to [`HubOutput::Ask`], or a part of it.
    Answered {
        /// Which job.
        jid: Jid,
        /// By this hub's numbers.
        answers: Vec<(u32, Answer)>,
    },
    /// How would this order fare, which nobody is to run? The answer is [`HubOutput::Inquired`].
    Inquire {
        /// Signed as an inquiry.
        envelope: JobEnvelope,
        /// The same, decoded.
        order: Arc<JobOrder>,
        /// What this hub says of who asks.
        warrant: Option<Box<Warrant>>,
    },
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
    /// A stage of a rollout is over, and a function is to be run that looks whether it may go on: answer with
    /// [`HubInput::GoOn`] or [`HubInput::Halt`].
    CheckStage {
        /// Which job.
        jid: Jid,
        /// The stage that is over.
        stage: u32,
    },
    /// Read this job from the store, then say [`HubInput::Recalled`].
    Recall {
        /// Which.
        jid: Jid,
    },
    /// A child tells the order of a job that is not known here: verify it, then say [`HubInput::Vouched`].
    JobOffered {
        /// Which.
        jid: Jid,
        /// As it was signed.
        envelope: JobEnvelope,
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
    /// This top-master adopts a job by itself: whoever has a part in it has been without its owner for too long.
    Adopting {
        /// Which.
        jid: Jid,
        /// The owner until now.
        owner: Uid,
    },
    /// Something that an operator should see at once.
    Alarm(String),
    /// Whom this job means of these minions, all of them children of this very hub, is decided by their pillars, or by rules of
    /// the site: find out, and answer with [`HubInput::Answered`], as often as wanted. Nobody of them runs it before.
    Ask {
        /// Which job, or inquiry.
        jid: Jid,
        /// By this hub's numbers.
        who: IndexSet,
    },
    /// What came of an inquiry of this hub's own.
    Inquired {
        /// Its id.
        jid: Jid,
        /// By this hub's numbers, each minion once.
        findings: Vec<Finding>,
    },
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
