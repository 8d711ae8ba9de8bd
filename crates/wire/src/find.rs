//! Which jobs of a history are looked for.

use bincode::{Decode, Encode};

use crate::control::JobSummary;
use crate::{Counts, Jid, RunSource, UnixMillis};

/// Jobs of one list, at most.
pub const LISTED_MAX: u32 = 10_000;

/// Jobs that fit everything that is said here; nothing said: all.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct JobFilter {
    /// Globs over functions, of which one has to match.
    pub functions: Vec<String>,
    /// Globs over what was typed as the target, of which one has to match.
    pub targets: Vec<String>,
    /// Who asked.
    pub user: Option<String>,
    /// Accepted then or later.
    pub since: Option<UnixMillis>,
    /// Accepted then or before.
    pub until: Option<UnixMillis>,
    /// How they stand, of which one has to be so.
    pub states: Vec<JobState>,
    /// The id of a minion that they were for.
    pub minion: Option<String>,
    /// Older than this one.
    pub before: Option<Jid>,
    /// At most so many, the newest ones.
    pub limit: u32,
    /// What began them, of which one has to match.
    pub sources: Vec<JobSource>,
}

impl JobFilter {
    /// Whether jobs that this began are looked for.
    pub fn wants(&self, source: JobSource) -> bool {
        self.sources.is_empty() || self.sources.contains(&source)
    }
}

/// What began a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum JobSource {
    /// The order of a hub.
    Order,
    /// A hub itself: an orchestration.
    Orchestration,
    /// A minion itself.
    Minion(RunSource),
}

/// How a job stands. What a job left counts once it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum JobState {
    /// Not every outcome is known.
    Running,
    /// Every outcome is known.
    Done,
    /// It is done, and ended well everywhere.
    Ok,
    /// It is done, and some minion returned a failure.
    Failed,
    /// It is done, and some minion started and will never return.
    Lost,
    /// It is done, and there was no contact with some minion.
    Unreachable,
    /// It is done, and some minion is known not to have begun.
    NotStarted,
}

/// All that [`JobState`] tells apart, in a few bits, so that a list need not look into accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateBits(pub u8);

impl StateBits {
    /// Every outcome is known.
    pub const DONE: u8 = 1;
    /// Some minion returned a failure.
    pub const FAILED: u8 = 1 << 1;
    /// Some minion will never return.
    pub const LOST: u8 = 1 << 2;
    /// There was no contact with some minion.
    pub const UNREACHABLE: u8 = 1 << 3;
    /// Some minion has not begun.
    pub const NOT_STARTED: u8 = 1 << 4;

    /// Of a job in one line.
    pub fn of(summary: &JobSummary) -> StateBits {
        let Counts {
            failed,
            lost,
            unreachable,
            refused,
            expired,
            ..
        } = summary.counts;
        let bits = [
            (summary.finished.is_some(), Self::DONE),
            (failed > 0, Self::FAILED),
            (lost > 0, Self::LOST),
            (unreachable > 0, Self::UNREACHABLE),
            (refused + expired > 0, Self::NOT_STARTED),
        ];
        let set = bits.iter().filter(|(is_set, _)| *is_set);
        StateBits(set.map(|(_, bit)| bit).sum())
    }
}

impl JobState {
    /// The bits that count, and how they have to stand.
    pub fn mask(self) -> (u8, u8) {
        let left = |bit| (StateBits::DONE | bit, StateBits::DONE | bit);
        match self {
            JobState::Running => (StateBits::DONE, 0),
            JobState::Done => (StateBits::DONE, StateBits::DONE),
            JobState::Ok => (u8::MAX, StateBits::DONE),
            JobState::Failed => left(StateBits::FAILED),
            JobState::Lost => left(StateBits::LOST),
            JobState::Unreachable => left(StateBits::UNREACHABLE),
            JobState::NotStarted => left(StateBits::NOT_STARTED),
        }
    }

    /// Whether a job stands so.
    pub fn is_of(self, bits: StateBits) -> bool {
        let (mask, wanted) = self.mask();
        bits.0 & mask == wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_left_counts_once_it_is_done() {
        let summary = |finished, counts| JobSummary {
            jid: "20261122223719123007".parse().unwrap(),
            fun: String::new(),
            target: String::new(),
            user: String::new(),
            origin: String::new(),
            issued: 0,
            finished,
            counts,
        };
        let failed = Counts {
            expected: 2,
            ok: 1,
            failed: 1,
            ..Counts::default()
        };
        let all = [
            JobState::Running,
            JobState::Done,
            JobState::Ok,
            JobState::Failed,
            JobState::Lost,
            JobState::Unreachable,
            JobState::NotStarted,
        ];
        let states = |finished, counts| {
            let bits = StateBits::of(&summary(finished, counts));
            let of = all.into_iter().filter(move |state| state.is_of(bits));
            of.collect::<Vec<_>>()
        };
        assert_eq!(states(None, failed), [JobState::Running]);
        assert_eq!(states(Some(1), failed), [JobState::Done, JobState::Failed]);
        let well = Counts::default();
        assert_eq!(states(Some(1), well), [JobState::Done, JobState::Ok]);
        let left = Counts {
            lost: 1,
            unreachable: 1,
            expired: 1,
            ..well
        };
        let expected = [
            JobState::Done,
            JobState::Lost,
            JobState::Unreachable,
            JobState::NotStarted,
        ];
        assert_eq!(states(Some(1), left), expected);
    }
}
