//! How one minion stands in a job, and who says so.

use std::sync::Arc;

use wire::{OutcomeKind, Reason, Timing, Uid};

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
}

impl State {
    pub(crate) fn kind(&self) -> Option<OutcomeKind> {
        Some(match self {
            State::Queued => OutcomeKind::Queued,
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
            | State::Undecided(r) => Some(r),
            _ => None,
        }
    }

    /// Of two sources the one that knows more wins: a return is proof, a run is news, no contact is the least.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            State::Returned { .. } => 6,
            State::Running => 5,
            State::Queued => 4,
            State::Lost(_) => 3,
            State::Refused(_) | State::Expired(_) => 2,
            State::Unreachable(_) => 1,
            State::Undecided(_) | State::Withdrawn => 0,
        }
    }
}
