//! Work on the store, from tasks that wait for what comes of it.

use store::{Committer, CommitterGone, HubStore};
use tokio::sync::oneshot;

/// Queues work behind what was queued before, at once; what this gives ends when it is done.
///
/// # Errors
/// When the writer of the store has ended.
pub(crate) fn on_store<T, F>(
    committer: &Committer,
    work: F,
) -> impl Future<Output = Result<T, CommitterGone>> + Send + use<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut HubStore) -> T + Send + 'static,
{
    let (done, came) = oneshot::channel();
    let queued = committer.work(move |store| {
        // Nobody listens when whoever wanted it has gone, or the hub stops.
        let _ = done.send(work(store));
    });
    async move {
        queued?;
        came.await.map_err(|_| CommitterGone)
    }
}
