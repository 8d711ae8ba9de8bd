//! Sends events of this minion to the hubs that read them: so many a second, and no others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use daemon::clock::Clock;
use daemon::metrics::MinionMetrics;
use events::{MINION_PER_SECOND, Rate};
use serde_json::Value;
use wire::limits::MAX_EVENT_DATA;
use wire::{Event, Jid, NodeId, SitePath};

use crate::files::Sessions;

/// Sends events.
pub struct Herald {
    id: NodeId,
    path: SitePath,
    sessions: Arc<Sessions>,
    rate: Mutex<Rate>,
    /// Of the next event; begins at a random one, as the minion before a restart had others.
    number: AtomicU64,
    clock: Clock,
    metrics: Arc<MinionMetrics>,
}

impl Herald {
    /// For the minion with this id at this site.
    pub fn new(
        id: NodeId,
        path: SitePath,
        sessions: Arc<Sessions>,
        first: u64,
        clock: Clock,
        metrics: Arc<MinionMetrics>,
    ) -> Herald {
        Herald {
            id,
            path,
            sessions,
            // Half of what the hub lets pass, so that no honest minion is slowed down there.
            rate: Mutex::new(Rate::new(MINION_PER_SECOND / 2, clock.now())),
            number: AtomicU64::new(first),
            clock,
            metrics,
        }
    }

    /// Whether somebody above may read events whose tags begin so.
    pub fn is_read_below(&self, prefix: &str) -> bool {
        self.sessions.is_read_below(prefix)
    }

    /// Has a hub dialled where that is left until an event is to be sent.
    pub fn reach(&self) {
        self.sessions.reach(true);
    }

    /// Sends an event to whoever reads its tag.
    ///
    /// # Errors
    /// Words for people: a tag or data that no event may have.
    pub fn fire(&self, tag: &str, data: &Value, jid: Option<Jid>) -> Result<(), String> {
        events::tag::check(tag, self.id.as_str()).map_err(|error| error.to_string())?;
        let text = data.to_string().into_bytes();
        if text.len() > MAX_EVENT_DATA {
            return Err(format!(
                "the event's data have {} bytes, and at most {MAX_EVENT_DATA} travel",
                text.len()
            ));
        }
        let now = self.clock.now();
        let passes = self
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(now);
        let dropped = if passes {
            self.sessions.tell_event(&Event {
                id: self.id.clone(),
                path: self.path.clone(),
                number: self.number.fetch_add(1, Ordering::Relaxed),
                stamp: now,
                jid,
                tag: tag.to_owned(),
                data: text.into(),
            })
        } else {
            self.sessions.miss_event(tag)
        };
        self.metrics.events.count("dropped", dropped);
        Ok(())
    }
}
