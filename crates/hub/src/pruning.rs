//! The end of old jobs in the store.

use std::sync::Arc;
use std::time::Duration;

use daemon::clock::Clock;
use daemon::metrics::{Counter, DiskMetrics};
use store::{Committer, CommitterGone, HubStore};
use wire::UnixMillis;

use crate::disk::as_gauge;
use crate::store_work::on_store;

/// How often the store is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What is to stay.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Jobs that were received in so many milliseconds before now.
    pub keep_ms: u64,
    /// And of those the newest that fit into so many bytes.
    pub bytes_max: u64,
}

/// Prunes at an interval, until the store's writer ends.
pub async fn run(
    committer: Arc<Committer>,
    clock: Clock,
    retention: Retention,
    metrics: DiskMetrics,
    skipped: Counter,
) {
    loop {
        tokio::time::sleep(PRUNE_EVERY).await;
        if prune(&committer, clock.now(), retention, &skipped)
            .await
            .is_err()
        {
            return;
        }
        let live = metrics.store_bytes.with_label_values(&["live"]);
        let told = committer.work(move |store| {
            live.set(as_gauge(store.live_bytes().unwrap_or_default()));
        });
        if told.is_err() {
            return;
        }
    }
}

/// Removes everything that is to go, in bounded steps. What others commit meanwhile is done between two of them.
async fn prune(
    committer: &Committer,
    now: UnixMillis,
    retention: Retention,
    skipped: &Counter,
) -> Result<(), CommitterGone> {
    loop {
        let skipped = skipped.clone();
        let step = move |store: &mut HubStore| step(store, now, retention, &skipped);
        if !on_store(committer, step).await? {
            return Ok(());
        }
    }
}

/// Whether there is more to do.
fn step(store: &mut HubStore, now: UnixMillis, retention: Retention, skipped: &Counter) -> bool {
    match store.prune(now, retention.keep_ms, retention.bytes_max) {
        Ok(pruned) => {
            tracing::debug!(jobs = pruned.jobs.len(), "job store pruned");
            if pruned.unexported > 0 {
                skipped.inc_by(pruned.unexported);
                tracing::error!(
                    jobs = pruned.unexported,
                    "the store was full of jobs that the job cache does not take: the oldest are gone, and it never gets them"
                );
            }
            pruned.more
        }
        Err(error) => {
            tracing::error!(%error, "the job store can't be pruned");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use store::PRUNE_ROWS_MAX;
    use wire::control::JobSummary;
    use wire::record::{JobHead, Record};
    use wire::{Counts, JidClock, JobEnvelope, Uid};

    use super::*;

    /// A job that is over.
    fn job(clock: &mut JidClock, received: UnixMillis) -> [Record; 2] {
        let jid = clock.next(received);
        let head = JobHead {
            jid,
            envelope: JobEnvelope {
                order: (*b"").into(),
                signer: Uid([0; 16]),
                signature: [0; 64],
            },
            parents: Vec::new(),
            received,
        };
        let summary = JobSummary {
            jid,
            fun: "test.ping".to_owned(),
            target: "*".to_owned(),
            user: "root".to_owned(),
            origin: "top".to_owned(),
            issued: received,
            finished: Some(received),
            counts: Counts::default(),
        };
        let state = Record::JobState {
            summary: Box::new(summary),
            open: false,
        };
        [Record::Job(Box::new(head)), state]
    }

    #[tokio::test]
    async fn others_have_their_turn_while_much_is_pruned() {
        const OLD: UnixMillis = 1_000_000_000_000;
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = HubStore::open(&dir.path().join("hub.sqlite")).unwrap();
        let mut clock = JidClock::new(0, 0);
        // One row too many for a single step, since each job counts as four at least.
        let jobs = PRUNE_ROWS_MAX / 4 + 1;
        let records: Vec<Record> = (0..jobs).flat_map(|_| job(&mut clock, OLD)).collect();
        store.commit(&records).unwrap();
        let committer = Arc::new(Committer::start(store, |_| {}).unwrap());
        let count = || {
            on_store(&committer, |store| {
                store.jobs(u32::MAX, None).unwrap().len()
            })
        };

        let pruning = tokio::spawn({
            let committer = committer.clone();
            let retention = Retention {
                keep_ms: 1,
                bytes_max: u64::MAX,
            };
            let skipped = Counter::new("skipped", "skipped").unwrap();
            async move { prune(&committer, OLD + 2, retention, &skipped).await }
        });
        // The first step is in the queue once the task waits, and the next one comes only when it runs again.
        tokio::task::yield_now().await;
        assert_eq!(count().await.unwrap(), 1, "in the middle");
        pruning.await.unwrap().unwrap();
        assert_eq!(count().await.unwrap(), 0);
    }
}
