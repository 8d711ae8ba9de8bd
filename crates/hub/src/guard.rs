//! The look at how many minions a job is for, at the moment in which it is taken.

use relay::Hub;
use targeting::Verdict;
use wire::Presence;
use wire::choice::Confirm;
use wire::control::{Failure, FailureKind, Tell};

use crate::submit::Aim;

/// How many minions a job may be for.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Whom it is for.
    pub aim: Aim,
    /// It is for exactly so many, as the operator said.
    pub expect: Option<u64>,
    /// Above so many the operator has to say how many.
    pub confirm_above: Option<u64>,
}

/// Why a job was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// It can't be.
    Failed(Failure),
    /// The operator has to say how many minions are meant.
    Confirm(Confirm),
}

impl NotTaken {
    /// A refusal with its reason.
    pub fn refused(text: impl Into<String>) -> NotTaken {
        NotTaken::Failed(Failure::new(FailureKind::Refused, text))
    }

    /// As the command line hears it.
    pub fn tell(self) -> Tell {
        match self {
            NotTaken::Failed(failure) => Tell::Failed(failure),
            NotTaken::Confirm(confirm) => Tell::Confirm(confirm),
        }
    }
}

/// For those who cannot be asked.
impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotTaken::Failed(failure) => f.write_str(&failure.text),
            NotTaken::Confirm(confirm) => write!(
                f,
                "it is for {} minions, and nobody says that so many are meant",
                confirm.count
            ),
        }
    }
}

impl Guard {
    /// Counts by the roster as it is now: what is counted here and submitted before the next input of the machine is what the
    /// job names. Minions that only a hub below can decide are counted as meant, so that nobody is hit who was not counted.
    pub(crate) fn objection(&self, hub: &Hub) -> Option<NotTaken> {
        if self.expect.is_none() && self.confirm_above.is_none() {
            return None;
        }
        let (mut count, mut undecided) = (0, 0);
        for (node, verdict) in self.aim.meant(hub) {
            match verdict {
                Verdict::Yes => count += 1,
                Verdict::Unknown if may_be_decided_below(node) => undecided += 1,
                Verdict::Unknown | Verdict::No => {}
            }
        }
        self.judge(count, undecided)
    }

    fn judge(&self, decided: u64, undecided: u64) -> Option<NotTaken> {
        let count = decided + undecided;
        match (self.expect, self.confirm_above) {
            (Some(expected), _) if expected != count => {
                let doubt = match undecided {
                    0 => String::new(),
                    _ => format!(" ({undecided} of them undecided here: their own hub decides)"),
                };
                Some(NotTaken::refused(format!(
                    "the job is for {count} minions{doubt} and not for {expected}; nothing runs"
                )))
            }
            (None, Some(above)) if count > above => {
                Some(NotTaken::Confirm(Confirm { count, above }))
            }
            _ => None,
        }
    }
}

/// Whether another hub is asked about this minion. What this very hub can't decide for its own minions is no part of a job, and
/// for a site that is cut off nobody else is asked.
fn may_be_decided_below(node: relay::RosterView<'_>) -> bool {
    node.is_vouched_for() && node.link().presence != Presence::CutOff
}

#[cfg(test)]
mod tests {
    use targeting::{Kind, Nodegroups, Target};
    use wire::choice::Confirm;

    use super::{Guard, NotTaken};
    use crate::submit::Aim;
    use crate::undecided::Decided;

    fn judge(
        expect: Option<u64>,
        confirm_above: Option<u64>,
        decided: u64,
        undecided: u64,
    ) -> Option<NotTaken> {
        let target = Target::parse(Kind::Glob, "*", &Nodegroups::default(), ':');
        let guard = Guard {
            aim: Aim {
                target: target.expect("a target"),
                scope: "".parse().expect("a site"),
                decided: Decided::default(),
            },
            expect,
            confirm_above,
        };
        guard.judge(decided, undecided)
    }

    #[test]
    fn a_count_that_was_said_has_to_be_right_and_is_enough() {
        assert_eq!(judge(Some(5), None, 5, 0), None);
        assert_eq!(judge(Some(5), Some(1), 5, 0), None);
        assert_eq!(judge(Some(0), None, 0, 0), None);
        for (decided, undecided) in [(4, 0), (6, 0), (5, 1), (0, 0)] {
            let refused = judge(Some(5), Some(100), decided, undecided);
            assert!(matches!(refused, Some(NotTaken::Failed(_))), "{decided}");
        }
        assert_eq!(judge(Some(5), None, 4, 1), None);
    }

    #[test]
    fn more_than_the_setting_is_asked_about() {
        assert_eq!(judge(None, None, 1_000_000, 9), None);
        assert_eq!(judge(None, Some(5), 5, 0), None);
        let asked = |count| Some(NotTaken::Confirm(Confirm { count, above: 5 }));
        assert_eq!(judge(None, Some(5), 6, 0), asked(6));
        assert_eq!(judge(None, Some(5), 4, 2), asked(6));
    }
}
