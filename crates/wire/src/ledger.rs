//! A job's account as it travels: outcomes of minions, folded.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{IndexSet, Jid, Json, UnixMillis};

/// Why a minion has the outcome it has, for outcomes that are no return.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct Reason {
    /// What kind of reason.
    pub code: ReasonCode,
    /// A sentence for people; at most [`crate::limits::MAX_REASON`] characters.
    pub text: String,
    /// Since when this holds.
    pub since: UnixMillis,
}

/// Kinds of reasons. Those from [`ReasonCode::Halted`] on belong to protocol 2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The minion has no connection to its hub.
    MinionDown,
    /// A hub on the way has no connection to its parent.
    SiteCutOff,
    /// The connection ended after the job was sent.
    ConnectionLost,
    /// The minion restarted while it ran the job.
    Interrupted,
    /// The minion's own evaluation of the target, or a check of the order, said no.
    Refused,
    /// Not started by the job's time.
    NotStarted,
    /// A hub was not told of the job.
    NotDelivered,
    /// A hub or a minion had no room.
    Overload,
    /// A key that is no longer accepted.
    Removed,
    /// The rollout stopped before its turn.
    Halted,
    /// An operator cancelled the job before it started.
    Cancelled,
    /// The hub or minion is of an older release, which can't do what the job asks for.
    TooOld,
}

/// How one expected minion stands in a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Outcome {
    /// Named, perhaps sent, not yet started.
    Queued,
    /// The minion journalled the start and runs the function.
    Running,
    /// The minion returned. `ok` says whether that is a success: retcode 0 and no exception.
    Returned {
        /// Exit code in the function's own words.
        retcode: i32,
        /// False when the function raised an error.
        success: bool,
        /// The value.
        value: ValueRef,
    },
    /// No contact; may be amended when the minion is heard again.
    Unreachable(Reason),
    /// Started, and will never return.
    Lost(Reason),
    /// The minion (or its hub) would not run it.
    Refused(Reason),
    /// Not started in time.
    Expired(Reason),
    /// Was named by a hub's mirror, and the site itself says it is not expected.
    Withdrawn,
    /// The hub lacks the data to evaluate the target for this minion; never counted as expected.
    Undecided(Reason),
    /// Down, and the job is kept for it. Counted as queued; told as [`Outcome::Queued`] where protocol 1 is spoken.
    Held {
        /// Since when it is down.
        reason: Reason,
        /// The last release that found it down; 0 for none.
        round: u32,
    },
}

/// A return's value: its bytes, or the number of a value that an earlier delta of this job and link carried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum ValueRef {
    /// JSON text.
    Inline(Json),
    /// JSON text that later deltas of this job on this link may name by its number, starting at 0.
    Define(u32, Json),
    /// A value defined before.
    Known(u32),
}

/// The column of an outcome in a count.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// Returned, retcode 0.
    Ok,
    /// Returned, and failed.
    Failed,
    /// Started.
    Running,
    /// Not started yet.
    Queued,
    /// No contact.
    Unreachable,
    /// Started and gone.
    Lost,
    /// Would not run it.
    Refused,
    /// Not started in time.
    Expired,
}

impl ReasonCode {
    /// The code in words of a protocol.
    pub fn in_protocol(self, protocol: u16) -> ReasonCode {
        match self {
            ReasonCode::Halted | ReasonCode::Cancelled | ReasonCode::TooOld if protocol < 2 => {
                ReasonCode::Refused
            }
            code => code,
        }
    }
}

impl OutcomeKind {
    /// All kinds, in the order people read them.
    pub const ALL: [OutcomeKind; 8] = [
        OutcomeKind::Ok,
        OutcomeKind::Failed,
        OutcomeKind::Running,
        OutcomeKind::Queued,
        OutcomeKind::Unreachable,
        OutcomeKind::Lost,
        OutcomeKind::Refused,
        OutcomeKind::Expired,
    ];

    /// The word that the command line prints and reads.
    pub fn as_str(self) -> &'static str {
        match self {
            OutcomeKind::Ok => "ok",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Running => "running",
            OutcomeKind::Queued => "queued",
            OutcomeKind::Unreachable => "unreachable",
            OutcomeKind::Lost => "lost",
            OutcomeKind::Refused => "refused",
            OutcomeKind::Expired => "expired",
        }
    }

    /// Whether nothing more is awaited of the minion (an unreachable one may still amend its record).
    pub fn is_final(self) -> bool {
        !matches!(self, OutcomeKind::Running | OutcomeKind::Queued)
    }
}

impl Outcome {
    /// The column that counts this outcome; None for those that are not expected.
    pub fn kind(&self) -> Option<OutcomeKind> {
        Some(match self {
            Outcome::Queued | Outcome::Held { .. } => OutcomeKind::Queued,
            Outcome::Running => OutcomeKind::Running,
            Outcome::Returned {
                retcode: 0,
                success: true,
                ..
            } => OutcomeKind::Ok,
            Outcome::Returned { .. } => OutcomeKind::Failed,
            Outcome::Unreachable(_) => OutcomeKind::Unreachable,
            Outcome::Lost(_) => OutcomeKind::Lost,
            Outcome::Refused(_) => OutcomeKind::Refused,
            Outcome::Expired(_) => OutcomeKind::Expired,
            Outcome::Withdrawn | Outcome::Undecided(_) => return None,
        })
    }
}

/// Start and duration of one return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Timing {
    /// When the function started, in milliseconds after the job was issued (0 when the minion's clock is behind).
    pub start_offset_ms: u32,
    /// How long it ran.
    pub duration_ms: u32,
}

/// Minions of one link that share an outcome.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OutcomeGroup {
    /// What they share.
    pub outcome: Outcome,
    /// Who, in the sender's roster numbers.
    pub who: IndexSet,
    /// For returns: one for each of `who`, in rising order; empty for other outcomes.
    pub timings: Vec<Timing>,
}

/// A child hub's news of one job. The first ones are its manifest: they name who is expected.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct LedgerDelta {
    /// Which job.
    pub jid: Jid,
    /// Numbers the deltas of this job in this session, from 1; acknowledged by number once they are on disk.
    pub serial: u32,
    /// The roster delta of this session that has to be known first, since the groups name minions by its numbers.
    /// 0 on disk.
    pub roster: u32,
    /// True from the delta on with which every expected minion below the sender has been named.
    pub complete: bool,
    /// Changes since the delta before.
    pub groups: Vec<OutcomeGroup>,
}

/// How many minions stand where. `expected` is always the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[allow(missing_docs)] // The names are the words of OutcomeKind.
pub struct Counts {
    pub expected: u64,
    pub ok: u64,
    pub failed: u64,
    pub running: u64,
    pub queued: u64,
    pub unreachable: u64,
    pub lost: u64,
    pub refused: u64,
    pub expired: u64,
}

impl Counts {
    /// The column of a kind.
    pub fn of(&self, kind: OutcomeKind) -> u64 {
        match kind {
            OutcomeKind::Ok => self.ok,
            OutcomeKind::Failed => self.failed,
            OutcomeKind::Running => self.running,
            OutcomeKind::Queued => self.queued,
            OutcomeKind::Unreachable => self.unreachable,
            OutcomeKind::Lost => self.lost,
            OutcomeKind::Refused => self.refused,
            OutcomeKind::Expired => self.expired,
        }
    }

    fn column(&mut self, kind: OutcomeKind) -> &mut u64 {
        match kind {
            OutcomeKind::Ok => &mut self.ok,
            OutcomeKind::Failed => &mut self.failed,
            OutcomeKind::Running => &mut self.running,
            OutcomeKind::Queued => &mut self.queued,
            OutcomeKind::Unreachable => &mut self.unreachable,
            OutcomeKind::Lost => &mut self.lost,
            OutcomeKind::Refused => &mut self.refused,
            OutcomeKind::Expired => &mut self.expired,
        }
    }

    /// Counts one more minion of this kind.
    pub fn add(&mut self, kind: OutcomeKind) {
        *self.column(kind) += 1;
        self.expected += 1;
    }

    /// Counts one minion of this kind less.
    pub fn remove(&mut self, kind: OutcomeKind) {
        *self.column(kind) -= 1;
        self.expected -= 1;
    }

    /// Minions whose outcome is known.
    pub fn settled(&self) -> u64 {
        self.expected - self.running - self.queued
    }

    /// Minions that returned, well or not.
    pub fn returned(&self) -> u64 {
        self.ok + self.failed
    }
}
