//! What nodes keep on disk, as words. The relay machines ask for these to be saved; the store keeps them.

use bincode::{Decode, Encode};

use crate::control::JobSummary;
use crate::{
    Jid, JobEnvelope, Json, KeyDecision, LedgerDelta, Link, NodeId, PlanRecord, Reason, Return,
    Revocation, Role, RootsReport, RosterMark, SitePath, Standing, Uid, UnixMillis,
};

/// One change of a hub's durable state. Saved in order, all of a batch or nothing.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Record {
    /// The roster's epoch; the first record of a new store.
    Epoch(u64),
    /// A node of the roster, new or changed; replaces the record with the same index.
    Node(Box<NodeRecord>),
    /// A node left the roster; its index is not given again.
    NodeGone {
        /// Its number.
        index: u32,
    },
    /// A job was accepted or received; comes before any `JobNews` of it.
    Job(Box<JobHead>),
    /// More of a job's account, in this hub's roster numbers; appended to what is there.
    JobNews(LedgerDelta),
    /// How the job stands; replaces the record of the same jid.
    JobState {
        /// For lists.
        summary: Box<JobSummary>,
        /// False once nothing more can come: every return is settled, or the job's retention is over.
        open: bool,
    },
    /// A key was revoked, or restored.
    Revoked(Revocation),
    /// How far the roster of a child hub is known.
    ChildMark {
        /// The child hub.
        hub: Uid,
        /// Up to where.
        mark: RosterMark,
    },
    /// The trust bundle in force (encoded and signed).
    Trust(Json),
    /// More of a job's rollout; appended to what is there.
    JobPlan {
        /// Which job.
        jid: Jid,
        /// What.
        entry: PlanRecord,
    },
    /// Whether a parent has yet to hear of a job of this hub's own that is over.
    JobUntold {
        /// Which job.
        jid: Jid,
        /// True until every parent has it.
        untold: bool,
    },
    /// A decision about a key waits for a hub that is cut off; None: it waits no longer.
    Undelivered {
        /// For which hub.
        hub: Uid,
        /// Whose key.
        uid: Uid,
        /// What.
        decision: Option<KeyDecision>,
    },
}

/// A node of a hub's roster on disk.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct NodeRecord {
    /// This hub's number for the node; never given again within the roster's epoch.
    pub index: u32,
    /// Its key.
    pub uid: Uid,
    /// Its label.
    pub id: NodeId,
    /// Minion or syndic.
    pub role: Role,
    /// Its site.
    pub path: SitePath,
    /// SHA-256 of its public key.
    pub fingerprint: [u8; 32],
    /// Accepted or not.
    pub standing: Standing,
    /// Whether it is (also) a child of this very hub.
    pub direct: bool,
    /// Child hubs that vouch for it, with the number that each gave it.
    pub via: Vec<(Uid, u32)>,
    /// Last known connection.
    pub link: Link,
    /// Program version.
    pub software: String,
    /// A minion's grains (JSON text).
    pub grains: Option<Json>,
    /// A syndic's roots.
    pub roots: Option<RootsReport>,
    /// A syndic's public job key.
    pub job_key: Option<[u8; 32]>,
}

/// The head of a job on disk.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct JobHead {
    /// Its id.
    pub jid: Jid,
    /// The order as signed.
    pub envelope: JobEnvelope,
    /// Parents that sent it; empty for a job of this hub's own, this hub itself for the history of a site below, this hub and the
    /// origin for that of another top-master.
    pub parents: Vec<Uid>,
    /// When it reached this hub.
    pub received: UnixMillis,
}

/// An orchestration on disk: states that the hub itself ran.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RunRecord {
    /// For lists; its one minion is the hub.
    pub summary: JobSummary,
    /// JSON array.
    pub args: Json,
    /// JSON object.
    pub kwargs: Json,
    /// The roots state that it and its jobs read.
    pub roots: Option<String>,
    /// Jobs that it ordered, each with the id of the state.
    pub jobs: Vec<(String, Jid)>,
    /// What it came to.
    pub outcome: Option<RunOutcome>,
}

/// What an orchestration came to.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum RunOutcome {
    /// It ended.
    Returned {
        /// 0 when all is well.
        retcode: i32,
        /// The records of its states, or why there are none.
        value: Json,
    },
    /// It will never end.
    Lost(Reason),
}

/// One change of a minion's durable state.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum JournalRecord {
    /// The minion is about to run this job. Saved before it runs: the jid will never run again.
    Started {
        /// Which job.
        jid: Jid,
        /// After this time (and some slack for clocks) the order is refused anyway, so the record may go.
        forget_after: UnixMillis,
    },
    /// The job's return, kept until it is settled.
    Returned(Return),
    /// The job was started and did not finish, or was refused after it was journalled; kept until it is settled.
    NotRun {
        /// Which job.
        jid: Jid,
        /// Why.
        reason: Reason,
    },
    /// The origin has the return; the copy may go.
    Settled {
        /// Which job.
        jid: Jid,
    },
}
