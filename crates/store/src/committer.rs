//! The thread that writes, so that many small batches share one sync.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wire::record::Record;

use crate::{HubStore, StoreError};

/// Batches that may wait for the writer; above, [`Committer::commit`] blocks.
pub const QUEUE_BATCHES_MAX: usize = 4_096;
/// A transaction takes no further batch once it has this many records: bounds how long the first one waits.
pub const GROUP_RECORDS_MAX: usize = 10_000;

/// One group that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Batches that shared the transaction.
    pub batches: usize,
    /// Their records.
    pub records: usize,
    /// How long the transaction took, its sync included.
    pub took: Duration,
}

/// The writer has ended; nothing that is sent to it is saved any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the writer of the store has ended")]
pub struct CommitterGone;

/// Called on the writer's thread; must not block. The error is shared by all batches that it hit.
type Done = Box<dyn FnOnce(Result<(), Arc<StoreError>>) + Send>;
type Work = Box<dyn FnOnce(&mut HubStore) + Send>;

enum Order {
    Commit(Vec<Record>, Done),
    Work(Work),
}

/// Owns the [`HubStore`] on a thread of its own. Whatever is queued when the writer is free becomes one transaction;
/// results are called back in the order of the batches. Dropping it saves what is queued, then closes the store.
pub struct Committer {
    sender: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread. `observe` hears of each transaction that is on disk.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        store: HubStore,
        observe: impl FnMut(Committed) + Send + 'static,
    ) -> Result<Committer, StoreError> {
        let path = store.path.clone();
        let (sender, receiver) = sync_channel(QUEUE_BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(store, &receiver, observe))
            .map_err(StoreError::io(&path))?;
        Ok(Committer {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Queues a batch; `done` is called once it is durable, or has failed. An error there means: stop the process.
    ///
    /// Blocks while [`QUEUE_BATCHES_MAX`] batches wait.
    ///
    /// # Errors
    /// [`CommitterGone`] when the writer has ended; `done` is dropped.
    pub fn commit(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<(), Arc<StoreError>>) + Send + 'static,
    ) -> Result<(), CommitterGone> {
        self.send(Order::Commit(records, Box::new(done)))
    }

    /// Queues work on the store itself, behind the batches before it: pruning, tokens, requests. Blocks as
    /// [`Committer::commit`].
    ///
    /// # Errors
    /// [`CommitterGone`] when the writer has ended; `work` is dropped.
    pub fn work(
        &self,
        work: impl FnOnce(&mut HubStore) + Send + 'static,
    ) -> Result<(), CommitterGone> {
        self.send(Order::Work(Box::new(work)))
    }

    fn send(&self, order: Order) -> Result<(), CommitterGone> {
        match &self.sender {
            Some(sender) => sender.send(order).map_err(|_| CommitterGone),
            None => Err(CommitterGone),
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // The thread ends when it has emptied the queue and nobody can fill it any more.
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the store panicked");
        }
    }
}

fn run(mut store: HubStore, receiver: &Receiver<Order>, mut observe: impl FnMut(Committed)) {
    let mut next = receiver.recv().ok();
    while let Some(order) = next {
        next = match order {
            Order::Work(work) => {
                work(&mut store);
                receiver.recv().ok()
            }
            Order::Commit(records, done) => {
                let mut group = Group::new(records, done);
                let after = group.fill(receiver);
                group.commit(&mut store, &mut observe);
                after.or_else(|| receiver.recv().ok())
            }
        };
    }
}

/// Batches that share a transaction.
struct Group {
    records: Vec<Record>,
    waiting: Vec<Done>,
}

impl Group {
    fn new(records: Vec<Record>, done: Done) -> Group {
        Group {
            records,
            waiting: vec![done],
        }
    }

    /// Takes what is queued already; gives back the first order that does not belong into the group.
    fn fill(&mut self, receiver: &Receiver<Order>) -> Option<Order> {
        while self.records.len() < GROUP_RECORDS_MAX {
            match receiver.try_recv().ok()? {
                Order::Commit(records, done) => {
                    self.records.extend(records);
                    self.waiting.push(done);
                }
                work @ Order::Work(_) => return Some(work),
            }
        }
        None
    }

    fn commit(self, store: &mut HubStore, observe: &mut impl FnMut(Committed)) {
        let begun = Instant::now();
        let result = store.commit(&self.records).map_err(Arc::new);
        if result.is_ok() {
            observe(Committed {
                batches: self.waiting.len(),
                records: self.records.len(),
                took: begun.elapsed(),
            });
        }
        for done in self.waiting {
            done(result.clone());
        }
    }
}
