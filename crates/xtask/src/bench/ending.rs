//! From the last return of a job to the end of the command line that waits for it.
//!
//! When the last return reaches the top-master nobody says. The account has two times that enclose it. Before it, the last
//! function had ended, by the clock of its minion; after it, the last commit of the account began, by the clock of the
//! top-master. The first has the way up in it, and the second leaves out a commit that may have been under way.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use wire::control::{Ask, Ledger, Tell};

use super::figures::unix_us;
use super::tree::Tree;
use super::{PATIENCE, Programs, control};

/// The clocks of nodes are told in these.
const MS: u64 = 1_000;

/// One command line over all minions.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// The whole process.
    pub wall: Duration,
    /// From the end of the last function at its minion to the end of the process; up to 2 ms too long.
    pub since_made: Duration,
    /// From when the top-master knows the last outcome to the end of the process; to a millisecond.
    pub since_known: Duration,
}

/// How far a hub's clock is behind that of the system, in microseconds: within these.
#[derive(Debug, Clone, Copy)]
pub struct Lag {
    least: i64,
    most: i64,
}

impl Lag {
    /// Anything.
    pub fn unknown() -> Lag {
        Lag {
            least: i64::MIN,
            most: i64::MAX,
        }
    }

    /// A hub was asked for its time, and told it in whole milliseconds; the system's clock before and after, in microseconds.
    fn narrow(&mut self, before: u64, told_ms: u64, after: u64) -> anyhow::Result<()> {
        let told = (told_ms * MS).cast_signed();
        self.least = self
            .least
            .max(before.cast_signed() - told - MS.cast_signed());
        self.most = self.most.min(after.cast_signed() - told);
        ensure!(
            self.least <= self.most,
            "the clock of this machine was set meanwhile"
        );
        Ok(())
    }

    fn ask(&mut self, socket: &Path) -> anyhow::Result<()> {
        let before = unix_us();
        let told = control::ask(socket, &Ask::Tree { minions: false }, |tell| match tell {
            Tell::Tree(tree) => Some(tree.as_of),
            _ => None,
        })?;
        self.narrow(before, told, unix_us())
    }

    /// The system's time at a hub's millisecond: the middle of what it may be.
    fn of_system(&self, hub_ms: u64) -> u64 {
        let middle = i64::midpoint(self.least, self.most) + MS.cast_signed() / 2;
        (hub_ms * MS).saturating_add_signed(middle)
    }
}

impl Ending {
    /// Runs `top-master run '*' test.ping` over so many minions, and reads the account of its job.
    pub fn measure(
        tree: &Tree,
        programs: &Programs,
        minions: u32,
        lag: &mut Lag,
    ) -> anyhow::Result<Ending> {
        let socket = tree.top_socket();
        lag.ask(&socket)?;
        let wall = tree.command(programs, &["run", "*", "test.ping"])?;
        let ended = unix_us();
        lag.ask(&socket)?;
        let jid = control::ask(&socket, &Ask::Jobs { limit: 1 }, |tell| match tell {
            Tell::Jobs(jobs) => jobs.first().map(|job| job.jid),
            _ => None,
        })?;
        let ledger = control::account(PATIENCE, &socket, &Ask::Show { jid })?;
        let counts = ledger.progress.counts;
        ensure!(
            counts.ok == u64::from(minions) && counts.expected == counts.ok,
            "of {minions} minions: {counts:?}"
        );
        let known = lag.of_system(ledger.finished.context("a job that has not ended")?);
        Ok(Ending {
            wall,
            since_made: micros(ended.saturating_sub(last_made(&ledger)? * MS)),
            since_known: micros(ended.saturating_sub(known)),
        })
    }
}

fn micros(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// When the last function ended, by its minion's clock in milliseconds.
fn last_made(ledger: &Ledger) -> anyhow::Result<u64> {
    let ends = ledger.minions.iter().filter_map(|row| {
        let duration = u64::from(row.duration_ms?);
        Some(row.started? + duration)
    });
    ends.max().context("an account without returns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_gets_narrower_with_each_question() {
        // The hub's clock is 2,700 us behind, and tells whole milliseconds.
        let mut lag = Lag::unknown();
        for (system, told) in [
            (10_000_000, 9_997),
            (20_000_400, 19_997),
            (30_000_700, 29_998),
        ] {
            lag.narrow(system - 10, told, system + 10).unwrap();
        }
        assert_eq!((lag.least, lag.most), (2_390, 2_710));
        assert_eq!(lag.of_system(40_000), 40_000_000 + 2_550 + 500);
    }

    #[test]
    fn a_clock_that_is_set_is_noticed() {
        let mut lag = Lag::unknown();
        lag.narrow(10_000_000, 10_000, 10_000_100).unwrap();
        assert!(lag.narrow(20_005_000, 20_000, 20_005_100).is_err());
    }
}
