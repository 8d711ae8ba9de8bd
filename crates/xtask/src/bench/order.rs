//! An order to a hub's daemon, and what comes back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use wire::control::{Ask, Ledger, RunAsk, Tell};
use wire::{Counts, Jid};

use super::{PATIENCE, control};

/// Minions begin a job within this time, or not at all.
const START_WITHIN: Duration = Duration::from_secs(60);
/// A hub that says nothing of a job for longer, half as long again, will say nothing more.
pub const SILENCE_MAX: Duration = Duration::from_secs(90);

/// A job.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    target: &'a str,
    fun: &'a str,
    args: &'a str,
    start_within: Duration,
    detach: bool,
}

/// What a hub says to an order.
#[derive(Debug)]
pub struct Answer {
    /// The job's id, once it is accepted.
    pub jid: Option<Jid>,
    /// The counts of its account; None when it is not waited for. Else why there is none.
    pub counts: anyhow::Result<Option<Counts>>,
}

impl<'a> Order<'a> {
    /// A function on the minions of a glob; its arguments are a JSON list.
    pub fn new(target: &'a str, fun: &'a str, args: &'a str) -> Order<'a> {
        Order {
            target,
            fun,
            args,
            start_within: START_WITHIN,
            detach: false,
        }
    }

    /// For minions that begin within this time.
    pub fn within(self, start_within: Duration) -> Order<'a> {
        Order {
            start_within,
            ..self
        }
    }

    /// For an operator who waits until the job is accepted, and no longer.
    pub fn detached(self) -> Order<'a> {
        Order {
            detach: true,
            ..self
        }
    }

    /// Gives it to a hub that is never silent for longer, and waits for what is to be waited for.
    pub fn give(self, silence_max: Duration, socket: &Path) -> Answer {
        let mut accepted = None;
        let counts = control::ask_within(silence_max, socket, &self.ask(), |tell| match tell {
            Tell::Accepted { jid, .. } => {
                accepted = Some(jid);
                self.detach.then_some(None)
            }
            Tell::Ledger(ledger) => Some(Some(ledger.progress.counts)),
            _ => None,
        });
        Answer {
            jid: accepted,
            counts,
        }
    }

    /// Gives it to a hub, and waits for the whole account, row by row.
    pub fn account(self, socket: &Path) -> anyhow::Result<Ledger> {
        control::account(PATIENCE, socket, &self.ask())
    }

    /// Gives it to a hub, and waits for the account: how long that took, how many are ok, of how many.
    pub fn run(self, socket: &Path) -> anyhow::Result<(Duration, u64, u64)> {
        let began = Instant::now();
        let answer = self.give(PATIENCE, socket);
        let counts = answer.counts?.context("it is not waited for")?;
        Ok((began.elapsed(), counts.ok, counts.expected))
    }

    /// Gives it to a hub, and cancels it as soon as some minion runs it: how long it takes until the account of that is whole.
    pub fn cancel(self, socket: &Path) -> anyhow::Result<Duration> {
        let mut took = None;
        let ended = control::ask(socket, &self.ask(), |tell| match tell {
            Tell::Progress(progress) if progress.counts.running > 0 && took.is_none() => {
                let cancel = Ask::Cancel {
                    jid: progress.jid,
                    user: "bench".to_owned(),
                };
                let began = Instant::now();
                let whole = control::ask(socket, &cancel, |tell| {
                    matches!(tell, Tell::Ledger(_)).then_some(())
                });
                took = Some(whole.map(|()| began.elapsed()));
                None
            }
            Tell::Ledger(ledger) => Some(ledger.progress.counts),
            _ => None,
        });
        let ended = ended?;
        took.with_context(|| format!("the job ended before it could be cancelled: {ended:?}"))?
    }

    fn ask(self) -> Ask {
        Ask::Run(Box::new(RunAsk {
            target_kind: "glob".to_owned(),
            target: self.target.to_owned(),
            fun: self.fun.to_owned(),
            args: self.args.as_bytes().into(),
            start_within_ms: self.start_within.as_millis() as u64,
            detach: self.detach,
            ..RunAsk::of("bench".to_owned())
        }))
    }
}
