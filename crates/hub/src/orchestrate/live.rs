//! Orchestrations that run now: how far they are, and the word that ends them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wire::record::RunOutcome;
use wire::{Jid, Steps};

/// Orchestrations that run at a time at one hub, at most: those that others call count, too.
const LIVE_MAX: usize = 64;

/// All that run.
#[derive(Default)]
pub struct Desk {
    live: Mutex<BTreeMap<Jid, Arc<Live>>>,
}

impl Desk {
    fn live(&self) -> MutexGuard<'_, BTreeMap<Jid, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more; None when too many run.
    pub(super) fn enter(&self, jid: Jid) -> Option<Arc<Live>> {
        let mut all = self.live();
        if all.len() >= LIVE_MAX {
            return None;
        }
        let live = Arc::new(Live {
            jid,
            stage: watch::Sender::new(Stage::default()),
            stop: watch::Sender::new(None),
        });
        all.insert(jid, live.clone());
        Some(live)
    }

    /// It is over, and its record on disk.
    pub(super) fn leave(&self, live: &Live, outcome: RunOutcome) {
        self.live().remove(&live.jid);
        live.stage
            .send_modify(|stage| stage.outcome = Some(Arc::new(outcome)));
    }

    /// The one of this id.
    pub(super) fn get(&self, jid: Jid) -> Option<Arc<Live>> {
        self.live().get(&jid).cloned()
    }
}

/// One that runs.
pub(super) struct Live {
    pub(super) jid: Jid,
    pub(super) stage: watch::Sender<Stage>,
    /// Why it is to end, once it is.
    pub(super) stop: watch::Sender<Option<String>>,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage {
    pub(super) steps: Steps,
    pub(super) outcome: Option<Arc<RunOutcome>>,
}

impl Live {
    /// Starts no further state, and gives up those that run; the first reason counts.
    pub(super) fn interrupt(&self, why: &str) {
        self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert_with(|| why.to_owned());
            is_first
        });
    }

    /// Its outcome, once it has one.
    pub(super) async fn ended(&self) -> Option<Arc<RunOutcome>> {
        let mut stage = self.stage.subscribe();
        let ended = stage.wait_for(|stage| stage.outcome.is_some()).await;
        ended.ok().and_then(|stage| stage.outcome.clone())
    }
}

/// Interrupts it when it is dropped: whoever called it is gone.
pub(super) struct Owned(pub(super) Arc<Live>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.interrupt("whoever called it has gone");
    }
}
