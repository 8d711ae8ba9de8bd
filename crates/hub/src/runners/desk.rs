//! What runners need beside the service: ids of calls, and which of them run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use wire::{Jid, JidClock, UnixMillis};

use crate::pillars::Pillars;

/// Ends the ids of calls at a hub that may order no jobs: no signer has this number.
const NO_SIGNER: u8 = 99;
/// Calls that run at a time, at most; a further one is refused.
const RUNNING_MAX: usize = 256;

/// What runners share.
pub struct RunnerDesk {
    /// The settings, without their secrets.
    pub(super) settings: Map<String, Value>,
    /// Makes pillars.
    pub(crate) pillars: Arc<Pillars>,
    /// The git remote of the roots, as it may be shown.
    pub(super) remote: Option<String>,
    jids: Mutex<JidClock>,
    running: Mutex<BTreeMap<Jid, Value>>,
}

impl RunnerDesk {
    /// Nothing runs yet.
    pub fn new(
        settings: Map<String, Value>,
        pillars: Arc<Pillars>,
        remote: Option<String>,
    ) -> RunnerDesk {
        RunnerDesk {
            settings,
            pillars,
            remote,
            jids: Mutex::new(JidClock::new(NO_SIGNER, 0)),
            running: Mutex::new(BTreeMap::new()),
        }
    }

    /// An id for a call at a hub that gives none to jobs.
    pub(super) fn next_jid(&self, now: UnixMillis) -> Jid {
        lock(&self.jids).next(now)
    }

    /// Counts a call as running until what this gives is dropped; None when too many run.
    pub(super) fn enter(&self, jid: Jid, words: Value) -> Option<Entered<'_>> {
        let mut running = lock(&self.running);
        if running.len() >= RUNNING_MAX {
            return None;
        }
        running.insert(jid, words);
        Some(Entered { desk: self, jid })
    }

    /// The calls that run, in order of their ids, but for this one.
    pub(super) fn running(&self, but: Jid) -> Vec<Value> {
        let running = lock(&self.running);
        let others = running.iter().filter(|(jid, _)| **jid != but);
        others.map(|(_, words)| words.clone()).collect()
    }
}

/// A call that runs.
pub(super) struct Entered<'a> {
    desk: &'a RunnerDesk,
    jid: Jid,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        lock(&self.desk.running).remove(&self.jid);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
