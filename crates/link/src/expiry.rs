//! Closes each session when its peer's certificate ends, with one task for all sessions of an endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use wire::UnixMillis;

use crate::CloseCode;
use crate::session::Shared;

/// Certificates end by the wall clock, which may be set while we sleep: look at it at least so often.
const LOOK: Duration = Duration::from_secs(30);

/// When a session ends, and a number to tell sessions of one instant apart.
pub(crate) type Ticket = (UnixMillis, u64);

#[derive(Debug, Default)]
pub(crate) struct Expiry {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// As many entries as sessions: a session takes its entry along when it goes.
    sessions: BTreeMap<Ticket, Weak<Shared>>,
    last: u64,
}

/// The wall clock.
pub(crate) fn unix_now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Expiry {
    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ticket(&self, not_after: UnixMillis) -> Ticket {
        let mut table = self.table();
        table.last += 1;
        (not_after, table.last)
    }

    pub fn watch(&self, ticket: Ticket, session: &Arc<Shared>) {
        let mut table = self.table();
        table.sessions.insert(ticket, Arc::downgrade(session));
        if table
            .sessions
            .first_key_value()
            .is_some_and(|(first, _)| *first == ticket)
        {
            drop(table);
            self.changed.notify_one();
        }
    }

    pub fn forget(&self, ticket: Ticket) {
        self.table().sessions.remove(&ticket);
    }

    /// Closes what is over at `now`; returns when to look again.
    fn sweep(&self, now: UnixMillis) -> Option<Duration> {
        loop {
            let mut table = self.table();
            let ((not_after, _), _) = table.sessions.first_key_value()?;
            if *not_after > now {
                return Some(Duration::from_millis(not_after - now).min(LOOK));
            }
            let over = table.sessions.pop_first();
            // A session that is dropped here takes the lock to forget its ticket.
            drop(table);
            if let Some(session) = over.and_then(|(_, session)| session.upgrade()) {
                session.close(CloseCode::Expired, "the peer's certificate has ended");
            }
        }
    }

    /// Runs until it is aborted.
    pub async fn run(self: Arc<Self>) {
        loop {
            match self.sweep(unix_now()) {
                None => self.changed.notified().await,
                Some(pause) => {
                    tokio::select! {
                        () = tokio::time::sleep(pause) => (),
                        () = self.changed.notified() => (),
                    }
                }
            }
        }
    }
}
