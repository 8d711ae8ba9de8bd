//! How a job is rolled out: what hubs are told of it beside the order, and what its origin keeps.
//!
//! Minions know nothing of this. An order says what to do; these words say when hubs may hand it on.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{IndexSet, Json, Reason, SitePath, Uid, UnixMillis, Warrant};

/// How hubs hand a job on. The plain terms: at once, to whoever is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Terms {
    /// Minions that are down get it when they are back, as long as its time to start lasts.
    pub hold: bool,
    /// Minions get it when the origin releases them, and not before.
    pub by_release: bool,
}

impl Terms {
    /// Whether a hub of protocol 1, which knows no terms, would do the same.
    pub fn is_plain(self) -> bool {
        self == Terms::default()
    }
}

/// Minions whose turn it is. Each place that a release takes is a lease: it is free again when the minion is known not to
/// run the job (any more), or when it can't, because it has not started by `until` and its run is bounded.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Release {
    /// Numbers the releases of one job, from 1.
    pub round: u32,
    /// Not to be started after this.
    pub until: UnixMillis,
    /// Who, in the receiver's roster numbers.
    pub who: IndexSet,
}

/// So many minions, or such a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// A number of minions.
    Count(u32),
    /// Hundredths of a percent.
    Percent(u32),
}

impl Amount {
    /// All of them, in [`Amount::Percent`].
    pub const WHOLE: u32 = 10_000;

    /// How many of `all` that is: a percentage is rounded down, and is at least one (as Salt's `--batch-size` has it).
    pub fn of(self, all: u64) -> u64 {
        match self {
            Amount::Count(count) => u64::from(count),
            Amount::Percent(part) => {
                let share = u128::from(all) * u128::from(part) / u128::from(Self::WHOLE);
                u64::try_from(share).unwrap_or(u64::MAX).max(1)
            }
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(part) if part % 100 == 0 => write!(f, "{}%", part / 100),
            Amount::Percent(part) => {
                let text = format!("{}.{:02}", part / 100, part % 100);
                write!(f, "{}%", text.trim_end_matches('0'))
            }
        }
    }
}

/// Words that are no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount: a number of minions of 1 or more, or a percentage such as 10%")]
pub struct AmountError(pub String);

impl std::str::FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError(text.to_owned());
        let amount = match text.strip_suffix('%') {
            None => Amount::Count(text.parse().map_err(|_| wrong())?),
            Some(percent) => {
                let (whole, rest) = percent.split_once('.').unwrap_or((percent, ""));
                let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
                if !digits(whole) || !digits(rest) || rest.len() > 2 || whole.is_empty() {
                    return Err(wrong());
                }
                let whole: u32 = whole.parse().map_err(|_| wrong())?;
                let hundredths: u32 = format!("{rest:0<2}").parse().map_err(|_| wrong())?;
                let part = whole.saturating_mul(100).saturating_add(hundredths);
                if part > Amount::WHOLE {
                    return Err(wrong());
                }
                Amount::Percent(part)
            }
        };
        match amount {
            Amount::Count(0) | Amount::Percent(0) => Err(wrong()),
            amount => Ok(amount),
        }
    }
}

/// A rollout in turns, as its operator asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
pub struct BatchPlan {
    /// Minions that run at once, at most, over the whole tree; None: as many as the stage has.
    pub size: Option<Amount>,
    /// Minions that run at once at one site, at most.
    pub per_site: Option<u32>,
    /// A place stays empty for so long after its minion is done, in milliseconds.
    pub wait_ms: u64,
    /// Minions that had their turn at the end of each stage, all in all. The last one is everybody, whether it is named or
    /// not.
    pub stages: Vec<Amount>,
    /// What is between two stages.
    pub between: Between,
    /// What ends the rollout early.
    pub stops: Vec<StopRule>,
}

/// What is between two stages: the next one begins when everyone of the last one is done, and this.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Nothing more.
    #[default]
    Nothing,
    /// So many milliseconds have passed.
    Pause(u64),
    /// An operator has said to go on.
    Confirm,
    /// This function has ended well on every minion of the stages so far that ran the job well.
    Check {
        /// The function.
        fun: String,
        /// A JSON array.
        #[serde(skip)]
        args: Json,
        /// A JSON object.
        #[serde(skip)]
        kwargs: Json,
    },
}

/// No minion begins any more once so many have ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct StopRule {
    /// What counts.
    pub on: StopOn,
    /// So many; a percentage is of those who are expected in the scope.
    pub at: Amount,
    /// Where it is counted, and what stops.
    pub scope: StopScope,
}

/// What a stop rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopOn {
    /// Minions that failed, refused, or started and never returned.
    Failed,
    /// Minions that are unreachable.
    Unreachable,
}

/// Where a stop rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopScope {
    /// Over the whole tree.
    Fleet,
    /// At each site by itself; others go on.
    Site,
}

impl std::fmt::Display for StopRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let on = match self.on {
            StopOn::Failed => "failed",
            StopOn::Unreachable => "unreachable",
        };
        match self.scope {
            StopScope::Fleet => write!(f, "{} {on}", self.at),
            StopScope::Site => write!(f, "{} {on} at one site", self.at),
        }
    }
}

/// One entry of what a hub keeps of a job's rollout; the entries in order make up how it stands. Stored: new kinds go to
/// the end.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PlanRecord {
    /// The job's terms; the first entry.
    Terms(Terms),
    /// The origin: what was asked for.
    Plan(BatchPlan),
    /// The origin: everyone is named, so many are expected.
    Begun {
        /// Over the whole tree.
        expected: u64,
    },
    /// These have their turn.
    Released(Release),
    /// The origin: a stage has begun; the first one is 0.
    Stage(u32),
    /// The origin: everyone of the stage is done.
    StageOver {
        /// Which.
        stage: u32,
        /// When.
        at: UnixMillis,
    },
    /// Nobody begins any more.
    Halted(Halt),
    /// These were down when their turn came: they did not begin, and may have another turn.
    TurnedDown(IndexSet),
    /// What the origin says of who asked.
    Warrant(Warrant),
    /// A top-master owns the job from now on.
    Owned(Owner),
}

/// Who gives the turns of a job and settles its returns. The hub that ordered it does with the term 0; of two statements about one job
/// the greater one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Owner {
    /// How often the job was adopted.
    pub term: u32,
    /// The hub.
    pub hub: Uid,
}

/// Nobody who has not begun begins any more.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Halt {
    /// Why.
    pub reason: Reason,
    /// At this very site; None: everywhere.
    pub site: Option<SitePath>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_salt_reads_them() {
        for (text, all, expected) in [
            ("1", 10, 1),
            ("25", 10, 25),
            ("10%", 19, 1),
            ("10%", 20, 2),
            ("0.5%", 1_000, 5),
            ("0.01%", 3, 1),
            ("100%", 7, 7),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.of(all), expected, "{text} of {all}");
            assert_eq!(amount.to_string(), text);
        }
        for wrong in ["", "0", "0%", "-1", "101%", "1.234%", "%", ".5%", "ten"] {
            assert!(wrong.parse::<Amount>().is_err(), "{wrong}");
        }
    }
}
