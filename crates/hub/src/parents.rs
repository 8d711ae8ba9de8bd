//! Sessions with parents that are up, for requests beside the relay.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use relay::LinkId;

/// The sessions.
#[derive(Default)]
pub struct Parents {
    /// Configured parents; a top-master has none.
    configured: usize,
    sessions: Mutex<BTreeMap<LinkId, Parent>>,
    refused: AtomicBool,
}

/// A session with a parent.
#[derive(Clone)]
pub struct Parent {
    /// The way to it.
    pub sender: link::Sender,
    /// The protocol in which it welcomed this hub; 0 before that.
    pub protocol: u16,
}

impl Parents {
    /// For a hub with so many configured parents.
    pub fn new(configured: usize) -> Self {
        Parents {
            configured,
            ..Parents::default()
        }
    }

    /// Whether this hub has no parents at all.
    pub fn is_empty(&self) -> bool {
        self.configured == 0
    }

    /// A parent no longer accepts this hub's key.
    pub fn set_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether a parent refused this hub since the last call.
    pub fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }

    /// A session began.
    pub fn add(&self, link: LinkId, sender: link::Sender) {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(
                link,
                Parent {
                    sender,
                    protocol: 0,
                },
            );
    }

    /// The parent welcomed this hub.
    pub fn welcomed(&self, link: LinkId, protocol: u16) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parent) = sessions.get_mut(&link) {
            parent.protocol = protocol;
        }
    }

    /// A session ended.
    pub fn remove(&self, link: LinkId) {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link);
    }

    /// One that has welcomed this hub; the oldest, so that requests stay where they began.
    pub fn any(&self) -> Option<Parent> {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .find(|parent| parent.protocol > 0)
            .cloned()
    }
}
