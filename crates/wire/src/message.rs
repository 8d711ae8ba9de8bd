//! The messages of a link. A message names no sender: who speaks is known from the connection's certificate.

use bincode::{Decode, Encode};

use crate::{
    Events, Finding, Halt, IndexSet, Jid, JobEnvelope, Json, LedgerDelta, Owner, PlanRecord,
    Reason, Release, RootsReport, RosterDelta, RosterMark, Terms, Uid, UnixMillis, Warrant,
};

/// The protocols that a build speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ProtocolRange {
    /// Oldest.
    pub min: u16,
    /// Newest.
    pub max: u16,
}

impl ProtocolRange {
    /// What this build speaks.
    pub const OURS: ProtocolRange = ProtocolRange {
        min: crate::PROTOCOL_OLDEST,
        max: crate::PROTOCOL,
    };

    /// Whether a protocol is one of these.
    pub fn contains(self, protocol: u16) -> bool {
        (self.min..=self.max).contains(&protocol)
    }

    /// The newest protocol that both speak.
    pub fn common(self, other: ProtocolRange) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// The first message of a child. The link is up when the parent answers with [`Down::Welcome`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Hello {
    /// Protocols that the child speaks.
    pub protocol: ProtocolRange,
    /// The version of its program.
    pub software: String,
    /// Version of the trust bundle that it holds; 0 for none.
    pub trust_version: u64,
    /// What depends on the role.
    pub body: HelloBody,
}

/// The part of a hello that depends on the role.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum HelloBody {
    /// From a minion.
    Minion {
        /// Its grains as JSON text.
        grains: Json,
        /// Jobs that it runs now.
        running: Vec<Jid>,
        /// Jobs whose return it keeps since the origin has not acknowledged it yet; it sends these next.
        unsettled: Vec<Jid>,
    },
    /// From a syndic.
    Syndic {
        /// The present mark of its roster.
        roster: RosterMark,
        /// Its public job key, for a delegation.
        job_key: Option<[u8; 32]>,
    },
}

/// The parent's answer to a hello.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Welcome {
    /// The protocol of this session.
    pub protocol: u16,
    /// The version of the parent's program.
    pub software: String,
    /// The parent's clock, for a report of skew.
    pub time: UnixMillis,
    /// How far the parent knows the child's roster; the child sends what is newer.
    pub roster: RosterMark,
}

/// Why a parent closes a link.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Refusal {
    /// What kind.
    pub code: RefusalCode,
    /// A sentence for people.
    pub text: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum RefusalCode {
    /// No common protocol.
    Protocol,
    /// The key is not accepted (any more).
    Key,
    /// Another key holds this id.
    DuplicateId,
    /// The same key is connected from elsewhere, and that connection is newer.
    Superseded,
    /// A message that this role may not send.
    Forbidden,
    /// A message that makes no sense.
    Malformed,
    /// The hub has no room.
    Overload,
    /// The hub stops; come back later.
    Stopping,
}

impl RefusalCode {
    /// Whether dialling again soon may help.
    pub fn retry_helps(self) -> bool {
        matches!(
            self,
            RefusalCode::Overload
                | RefusalCode::Stopping
                | RefusalCode::Malformed
                | RefusalCode::Superseded
        )
    }
}

/// What one minion answers to one job.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Return {
    /// Which job.
    pub jid: Jid,
    /// Exit code in the function's own words.
    pub retcode: i32,
    /// False when the function raised an error.
    pub success: bool,
    /// JSON text.
    pub value: Json,
    /// When the function started, by the minion's clock.
    pub started: UnixMillis,
    /// How long it ran.
    pub duration_ms: u32,
}

/// How far functions with many steps are, such as state runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, serde::Serialize, serde::Deserialize,
)]
pub struct Steps {
    /// Steps that are done, failed ones included.
    pub done: u64,
    /// All of them, as far as is known.
    pub total: u64,
    /// Steps that failed.
    pub failed: u64,
}

/// From a child to its parent.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Up {
    /// First message.
    Hello(Hello),
    /// Answer to [`Down::Ping`].
    Pong {
        /// The ping's number.
        nonce: u64,
    },
    /// Minion: the start of a job is in the journal.
    Started {
        /// Which job.
        jid: Jid,
    },
    /// Minion: the job's return is in the journal.
    Return(Return),
    /// Minion: it will not run (or never finished) this job, for this reason.
    NotRun {
        /// Which job.
        jid: Jid,
        /// True when it had started: the run was interrupted and its outcome is lost.
        started: bool,
        /// Why.
        reason: Reason,
    },
    /// Minion: its grains changed.
    Grains(Json),
    /// Syndic: its roster changed.
    Roster(RosterDelta),
    /// Syndic: news of a job.
    Ledger(LedgerDelta),
    /// Syndic: every unsettled job of this parent has been told in this session; what was not told is unknown here.
    Resumed {
        /// How many ledger deltas that took; the last ones may arrive later than this.
        ledgers: u64,
    },
    /// Syndic: keys of its subtree were revoked, or restored.
    Revoked(Vec<Revocation>),
    /// Syndic: the roots that it serves.
    Roots(RootsReport),
    /// Syndic: the answer to [`Down::Recall`]; the whole account follows. Protocol 2.
    Recalled {
        /// Which job.
        jid: Jid,
        /// Its order; None: it has returns of it alone.
        envelope: Option<JobEnvelope>,
    },
    /// How far a job that runs is: of a minion, or the sum of a syndic's. For who watches; it is never kept. Protocol 2.
    Steps {
        /// Which job.
        jid: Jid,
        /// How far.
        steps: Steps,
    },
    /// Events that somebody above subscribed to: of a minion its own, of a syndic those of its site. They are never kept. Protocol 2.
    Events(Events),
    /// Syndic: who owns a job, and what is known of its rollout, in the numbers of this syndic's roster: the answer to [`Down::Own`],
    /// and told to other parents. Protocol 2.
    Owned {
        /// Which job.
        jid: Jid,
        /// Who.
        owner: Owner,
        /// How it is to go, how far it is, whose turn it was.
        rollout: Vec<PlanRecord>,
    },
    /// Syndic: the answer to [`Down::Witness`]. Protocol 2.
    Witness {
        /// About which top-master.
        top: Uid,
        /// How long there has been no session with it, in milliseconds; None: there is one.
        away_ms: Option<u64>,
        /// All top-masters with which there is one, at most [`MAX_PARENTS`](crate::limits::MAX_PARENTS).
        tops: Vec<Uid>,
    },
    /// Syndic: the answer to [`Down::Inquire`], whole. Protocol 2.
    Inquired {
        /// The id of the inquiry.
        jid: Jid,
        /// What its site, and those below it, would do with the order.
        findings: Vec<Finding>,
    },
}

/// From a parent to its child.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Down {
    /// The link is up.
    Welcome(Welcome),
    /// The link is closed.
    Refuse(Refusal),
    /// Are you there?
    Ping {
        /// Comes back in the pong.
        nonce: u64,
    },
    /// A job.
    Job(JobEnvelope),
    /// To a minion: the origin has the returns of these jobs on disk; drop your copies.
    Settled(Vec<Jid>),
    /// To a syndic: the origin has the returns of these minions on disk.
    SettledBy {
        /// Which job.
        jid: Jid,
        /// Who, in the child's roster numbers.
        who: IndexSet,
    },
    /// To a syndic: the ledger deltas of this job up to this serial are on disk.
    LedgerAck {
        /// Which job.
        jid: Jid,
        /// Up to which delta.
        serial: u32,
    },
    /// A newer trust bundle, encoded and signed ([`crate::trust::SignedBundle`]).
    Trust(Json),
    /// Keys were revoked in the whole tree, or restored.
    Revoked(Vec<Revocation>),
    /// To a syndic: an operator's decision about keys of its subtree.
    Keys {
        /// Whose.
        uids: Vec<Uid>,
        /// What.
        decision: KeyDecision,
    },
    /// To a syndic: fetch the roots now, and pass this on.
    FetchRoots,
    /// To a syndic: a job on terms that are not the plain ones. Protocol 2.
    Assign {
        /// The order.
        envelope: JobEnvelope,
        /// How to hand it on.
        terms: Terms,
    },
    /// To a syndic: these minions have their turn in a job that goes by release. Protocol 2.
    Release {
        /// Which job.
        jid: Jid,
        /// Who, and until when.
        release: Release,
    },
    /// To a syndic: nobody begins this job any more. Protocol 2.
    Halt {
        /// Which job.
        jid: Jid,
        /// Where, and why.
        halt: Halt,
    },
    /// To a syndic: tell the order of this job, of which you tell and which is not known here. Protocol 2.
    Recall {
        /// Which job.
        jid: Jid,
    },
    /// To a minion: a job whose turn ends before the order's own time to start. Protocol 2.
    Turn {
        /// The order.
        envelope: JobEnvelope,
        /// Not to be started after this.
        until: UnixMillis,
    },
    /// Whoever is above reads events whose tags match one of these globs, and no others. Protocol 2.
    EventFilters(Vec<String>),
    /// To a syndic: a job with what its origin says of who asked, on any terms. Protocol 2.
    Warranted {
        /// The order.
        envelope: JobEnvelope,
        /// How to hand it on.
        terms: Terms,
        /// Apart, so that the messages of every day are not as large as this one.
        warrant: Box<Warrant>,
    },
    /// To a syndic: a top-master owns this job from now on; turns that an earlier owner gives count no longer. Protocol 2.
    Own {
        /// Which job.
        jid: Jid,
        /// Who.
        owner: Owner,
    },
    /// To a syndic: how the rollout of a job goes, so that another top-master could take it over. Protocol 2.
    Plan {
        /// Which job.
        jid: Jid,
        /// Who says so.
        owner: Owner,
        /// All entries but turns.
        plan: Vec<PlanRecord>,
    },
    /// To a syndic: as [`Down::Release`], of a job that was adopted. Protocol 2.
    Grant {
        /// Which job.
        jid: Jid,
        /// Whose word it is.
        owner: Owner,
        /// Who, and until when.
        release: Release,
    },
    /// To a syndic: since when has there been no session with this top-master, which owns jobs? Protocol 2.
    Witness {
        /// Which.
        top: Uid,
    },
    /// To a syndic: would minions of yours get this order? Nobody runs it. Protocol 2.
    Inquire {
        /// The order, with a signature that is good for this alone.
        envelope: JobEnvelope,
        /// What the hub that asks says of who asked it.
        warrant: Option<Box<Warrant>>,
        /// How long the answer may take, in milliseconds.
        within_ms: u32,
    },
}

/// An operator's decision about a key.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDecision {
    /// Let it into the tree.
    Accept,
    /// Turn it away, and remember that.
    Reject,
    /// Forget it: cut it off, and treat it as new when it comes again.
    Delete,
    /// Turn it away since another key holds the id; decided by a hub that sees both.
    Deny,
}

/// Whether a key is revoked; of two statements about one key the later one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Revocation {
    /// Whose key.
    pub uid: Uid,
    /// When this was decided.
    pub at: UnixMillis,
    /// False: it was restored.
    pub revoked: bool,
}
