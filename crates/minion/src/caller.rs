//! Who waits for a run, in another process or in this one.

use std::time::SystemTime;

use modules::Outcome;
use modules::cut::travelling;
use tokio::sync::mpsc;
use wire::Steps;
use wire::call::{CallEnd, MAX_VALUE};

use crate::executor::unix_millis;

/// What whoever waits hears.
#[derive(Debug)]
pub enum CallNews {
    /// How far the function is.
    Steps(Steps),
    /// It ended, with this value (JSON text).
    Ended(Vec<u8>, CallEnd),
}

/// A command that waits for what its function returns.
#[derive(Clone)]
pub struct Caller {
    /// Who gave it.
    pub user: String,
    /// What it hears: one message for each state at most, and the end.
    pub news: mpsc::UnboundedSender<CallNews>,
}

impl Caller {
    /// Tells how far the function is. Nobody misses what a command that has gone does not hear.
    pub fn steps(&self, steps: Steps) {
        let _ = self.news.send(CallNews::Steps(steps));
    }

    /// Tells how it ended: whole, where a return that travels is cut.
    pub fn ended(&self, outcome: &Outcome, started: SystemTime) {
        let end = CallEnd {
            retcode: outcome.retcode,
            success: outcome.success,
            started: unix_millis(started),
        };
        let value = travelling(&outcome.value, MAX_VALUE);
        let _ = self.news.send(CallNews::Ended(value, end));
    }
}
