//! The end of the oldest jobs in a hub that is at work.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use wire::Jid;
use wire::control::{Ask, Tell};

use super::questions::Hub;
use crate::bench::order::Order;
use crate::bench::{PATIENCE, control};

/// Between two orders.
const PAUSE: Duration = Duration::from_millis(20);

/// How a hub prunes.
#[derive(Debug)]
pub struct Pruning {
    /// From the first job that is gone to the last.
    pub took: Duration,
    /// What orders for a minion that is down took before, from the order to the account of it.
    pub idle: Vec<Duration>,
    /// And those that met the pruning.
    pub busy: Vec<Duration>,
}

impl Pruning {
    /// Starts a hub that is to keep jobs for so long only, and gives orders until the last of these, oldest first, is gone.
    pub fn of(
        hub: &Hub<'_>,
        keep: Duration,
        jobs: &[Jid],
        minion: &str,
    ) -> anyhow::Result<Pruning> {
        let (oldest, newest) = (
            *jobs.first().context("no job to prune")?,
            *jobs.last().context("no job to prune")?,
        );
        hub.keep_jobs(keep)?;
        let (_process, socket, _) = hub.start()?;
        let is_there = |jid| {
            let shown = control::ask(&socket, &Ask::Show { jid }, |tell| {
                matches!(tell, Tell::Ledger(_)).then_some(())
            });
            shown.is_ok()
        };
        ensure!(
            is_there(oldest),
            "job {oldest} is gone before it was pruned"
        );
        let (mut idle, mut busy) = (Vec::new(), Vec::new());
        let started = Instant::now();
        let mut begun = None;
        loop {
            ensure!(started.elapsed() < PATIENCE, "the hub does not prune");
            let before = Instant::now();
            let (wall, _, expected) = Order::new(minion, "test.ping", "[]").run(&socket)?;
            ensure!(expected == 1, "{minion} is not expected");
            if begun.is_none() && !is_there(oldest) {
                begun = Some(before);
            }
            match begun {
                None => idle.push(wall),
                Some(began) => {
                    busy.push(wall);
                    if !is_there(newest) {
                        return Ok(Pruning {
                            took: began.elapsed(),
                            idle,
                            busy,
                        });
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
    }
}
