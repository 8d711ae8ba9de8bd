//! What may wait goes last: one frame at a time, each when nothing else waits, and so many a second.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{SendError, Sender};

/// Between two frames at least; what comes meanwhile shares the next one.
const PAUSE: Duration = Duration::from_millis(20);

/// Sends what `next` gives until the session is over; `more` wakes it when there may be something again.
pub async fn trickle(sender: Sender, more: Arc<Notify>, mut next: impl FnMut() -> Option<Bytes>) {
    loop {
        tokio::select! {
            () = more.notified() => {}
            _ = sender.closed() => return,
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            sender.drained().await;
            let Some(frame) = next() else { break };
            if sender.send(frame) == Err(SendError::Closed) {
                return;
            }
        }
    }
}
