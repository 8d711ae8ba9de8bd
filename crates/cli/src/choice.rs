//! What was typed about which of the minions that match are meant.

use clap::{Args, ValueEnum};
use wire::choice::{Choice, LeftIn};
use wire::control::Left;
use wire::{Jid, Presence};

use crate::lowargs::{LeftState, jid};

/// Which of the minions that match are meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct ChoiceArgs {
    /// So many of them, chosen at random
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    subset: Option<u32>,
    /// Only minions that are so by the roster, with commas between
    #[arg(long = "state", value_name = "STATES", value_delimiter = ',')]
    states: Vec<StateWord>,
    /// Only minions that this job left failed, lost, unreachable or not-started, or so: JID:failed,unreachable
    #[arg(long, value_name = "JID[:STATES]", value_parser = left_in, conflicts_with = "failed_in")]
    left_in: Option<LeftIn>,
    /// Only minions on which this job failed; the same as --left-in JID:failed
    #[arg(long, value_name = "JID", value_parser = jid)]
    failed_in: Option<Jid>,
    /// Run nothing when the job is not for exactly so many minions
    #[arg(long, value_name = "NUMBER", conflicts_with = "dry_run")]
    expect: Option<u64>,
    /// Name the minions that the job would be for, and run nothing
    #[arg(long, visible_alias = "preview-target")]
    pub(crate) dry_run: bool,
}

/// How a minion stands by the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateWord {
    /// Connected, and the way to it is whole
    Up,
    /// Not connected to its hub
    Down,
    /// Behind a hub that is cut off
    CutOff,
}

impl ChoiceArgs {
    /// As the daemon is asked.
    pub(crate) fn choice(self) -> Choice {
        let failed_in = self.failed_in.map(|jid| LeftIn {
            jid,
            states: vec![Left::Failed],
        });
        let presence = |state| match state {
            StateWord::Up => Presence::Up,
            StateWord::Down => Presence::Down,
            StateWord::CutOff => Presence::CutOff,
        };
        Choice {
            subset: self.subset,
            presences: self.states.into_iter().map(presence).collect(),
            left_in: self.left_in.or(failed_in),
            expect: self.expect,
        }
    }
}

/// Reads `JID` or `JID:STATE,STATE`.
fn left_in(text: &str) -> Result<LeftIn, String> {
    let (number, states) = match text.split_once(':') {
        Some((number, states)) => (number, Some(states)),
        None => (text, None),
    };
    let states = match states {
        None => Left::ALL.to_vec(),
        Some(states) => states
            .split(',')
            .map(|state| LeftState::from_str(state, false).map(LeftState::left))
            .collect::<Result<_, _>>()
            .map_err(|_| {
                let known = Left::ALL.map(Left::as_str).join(", ");
                format!("the states after the job's id are {known}, with commas between")
            })?,
    };
    Ok(LeftIn {
        jid: jid(number)?,
        states,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_job_and_how_it_left_them() {
        let read = |text: &str| left_in(text).map(|left| (left.jid.to_string(), left.states));
        let number = "20261122231556000001";
        assert_eq!(read(number), Ok((number.to_owned(), Left::ALL.to_vec())));
        assert_eq!(
            read(&format!("{number}:failed,not-started")),
            Ok((number.to_owned(), vec![Left::Failed, Left::NotStarted]))
        );
        for bad in ["", "1:", "x:failed"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for states in ["", "failed,", "ok", "failed;lost"] {
            assert!(read(&format!("{number}:{states}")).is_err(), "{states}");
        }
    }
}
