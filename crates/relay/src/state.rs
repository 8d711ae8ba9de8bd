//! How one minion stands in a job, and who says so.

use std::sync::Arc;

use wire::{OutcomeKind, Reason, ReasonCode, Timing, Uid};

use crate::planted::{self, Bug};

/// Who says how a minion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// This hub, of its own children.
    Own,
    /// A child hub.
    Hub(Uid),
}

/// How a minion stands, with values by number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    Queued,
    Running,
    Returned {
        retcode: i32,
        success: bool,
        value: u32,
        timing: Timing,
    },
    Unreachable(Arc<Reason>),
    Lost(Arc<Reason>),
    Refused(Arc<Reason>),
    Expired(Arc<Reason>),
    Withdrawn,
    Undecided(Arc<Reason>),
    /// Down, and the job is kept for it; with the last release that found it down.
    Held(Arc<Reason>, u32),
}

impl State {
    pub(crate) fn kind(&self) -> Option<OutcomeKind> {
        Some(match self {
            State::Queued | State::Held(..) => OutcomeKind::Queued,
            State::Running => OutcomeKind::Running,
            State::Returned {
                retcode: 0,
                success: true,
                ..
            } => OutcomeKind::Ok,
            State::Returned { .. } => OutcomeKind::Failed,
            State::Unreachable(_) => OutcomeKind::Unreachable,
            State::Lost(_) => OutcomeKind::Lost,
            State::Refused(_) => OutcomeKind::Refused,
            State::Expired(_) => OutcomeKind::Expired,
            State::Withdrawn | State::Undecided(_) => return None,
        })
    }

    pub(crate) fn reason(&self) -> Option<&Arc<Reason>> {
        match self {
            State::Unreachable(r)
            | State::Lost(r)
            | State::Refused(r)
            | State::Expired(r)
            | State::Held(r, _)
            | State::Undecided(r) => Some(r),
            _ => None,
        }
    }

    /// Whether the minion may still start the job, or run it, by what this source says after the release of a round.
    ///
    /// A hub that says that a minion was down when its turn came has not handed the job on. That a connection ended, or that
    /// time ran out at the hub, proves nothing.
    pub(crate) fn may_run(&self, round: u32) -> bool {
        match self {
            State::Queued | State::Running | State::Expired(_) => true,
            State::Unreachable(_) if planted::is(Bug::FreesOnCut) => false,
            State::Unreachable(reason) => reason.code != ReasonCode::MinionDown,
            State::Held(_, declined) => *declined < round,
            State::Returned { .. }
            | State::Lost(_)
            | State::Refused(_)
            | State::Withdrawn
            | State::Undecided(_) => false,
        }
    }

    /// Of two sources the one that knows more wins: a return is proof, a run is news. That one hub withheld the job, or saw
    /// nothing of the minion, says little where another one gave the job to it and lost sight of it.
    pub(crate) fn weight(&self) -> u8 {
        let hides_runs = planted::is(Bug::HidesRuns);
        match self {
            State::Returned { .. } => 9,
            State::Running => 8,
            State::Queued => 7,
            State::Lost(_) => 6,
            State::Refused(reason) if is_withheld(reason) && !hides_runs => 2,
            State::Refused(_) | State::Expired(_) => 5,
            State::Held(..) => 4,
            State::Unreachable(reason) if reason.code == ReasonCode::MinionDown => 1,
            State::Unreachable(_) => 3,
            State::Undecided(_) | State::Withdrawn => 0,
        }
    }
}

/// Whether hubs never gave the job to the minion, for their own reasons.
pub(crate) fn is_withheld(reason: &Reason) -> bool {
    matches!(
        reason.code,
        ReasonCode::Halted | ReasonCode::Cancelled | ReasonCode::TooOld
    )
}
