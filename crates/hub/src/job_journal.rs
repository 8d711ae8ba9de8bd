//! The journal of jobs: a line of JSON for each job that this hub orders, for each that it refuses, and for each end. It is for
//! people who ask later who did what; the store is what promises stand on.
//!
//! A thread of its own writes the lines and waits until they are on disk; no job waits for it. What can't be written waits in
//! memory, and is tried again until it can; what is over the bound is lost, and a line says how many were.

mod file;
mod reader;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use anyhow::Context as _;
use daemon::metrics::JobJournalMetrics;
use relay::JobView;
use serde_json::{Map, Value, json};
use wire::control::RunAsk;
use wire::{Counts, JobOrder, Json, OutcomeKind, UnixMillis};

use crate::submit::typed;
use file::File;

pub use reader::{Wanted, print};

/// Lines on their way to the thread, at most.
const QUEUED_MAX: usize = 4_096;
/// Lines that are written at once.
const AT_ONCE: usize = 256;
/// How often what waits is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A hub that stops waits so long for its last lines.
const FLUSH_MAX: Duration = Duration::from_secs(2);

enum Message {
    Line(String),
    /// Everything before is written, or has been tried.
    Flush(mpsc::Sender<()>),
}

/// A way to the journal. Cheap to clone; without a file it takes nothing.
#[derive(Clone, Default)]
pub struct Journal(Option<Inner>);

#[derive(Clone)]
struct Inner {
    messages: SyncSender<Message>,
    /// Lines that did not get as far as the thread.
    lost: Arc<AtomicU64>,
    metrics: JobJournalMetrics,
}

/// A job that was taken.
pub struct Accepted<'a> {
    /// Its order.
    pub order: &'a JobOrder,
    /// How many minions the target meant by the roster when it was taken.
    pub minions: u64,
    /// And for how many it could not be decided.
    pub undecided: u64,
    /// Why rules may be passed over, and those of this hub that were.
    pub overridden: Option<(&'a [String], &'a str)>,
    /// In turns.
    pub in_turns: bool,
    /// Kept for who is down.
    pub held: bool,
}

/// An order that was not taken, or not everywhere.
pub struct Refused<'a> {
    /// When.
    pub at: UnixMillis,
    /// Who asked.
    pub user: &'a str,
    /// The function.
    pub fun: &'a str,
    /// As people read it.
    pub target: String,
    /// Why.
    pub reason: String,
    /// Of an order from above that this site refuses for some of its minions.
    pub from_above: Option<(&'a JobOrder, u64)>,
}

impl<'a> Refused<'a> {
    /// What somebody asked of this very hub.
    pub fn of(ask: &'a RunAsk, at: UnixMillis, reason: String) -> Refused<'a> {
        Refused {
            at,
            user: &ask.user,
            fun: &ask.fun,
            target: typed(ask),
            reason,
            from_above: None,
        }
    }
}

impl Journal {
    /// Begins to write to a file, or to nowhere.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn open(path: Option<&Path>, metrics: JobJournalMetrics) -> anyhow::Result<Journal> {
        let Some(path) = path else {
            return Ok(Journal::default());
        };
        let file = File::open(path).with_context(|| format!("journal_file: {}", path.display()))?;
        let (messages, received) = mpsc::sync_channel(QUEUED_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let inner = Inner {
            messages,
            lost: lost.clone(),
            metrics: metrics.clone(),
        };
        std::thread::Builder::new()
            .name("job-journal".to_owned())
            .spawn(move || write(file, &received, &lost, &metrics))?;
        Ok(Journal(Some(inner)))
    }

    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A job was taken, and is on disk.
    pub fn accepted(&self, job: &Accepted<'_>) {
        let order = job.order;
        let (rules, reason) = job.overridden.unzip();
        self.line(json!({
            "time": time(order.issued),
            "event": "accepted",
            "jid": order.jid.to_string(),
            "user": order.user,
            "origin": order.origin_id.as_str(),
            "fun": order.fun,
            "args": count(&order.args),
            "kwargs": names(&order.kwargs),
            "target": order.target.typed,
            "minions": job.minions,
            "undecided": job.undecided,
            "roots": order.options.roots,
            "start_by": time(order.start_by),
            "held": job.held,
            "in_turns": job.in_turns,
            "override": reason,
            "passed_over": rules.unwrap_or_default(),
        }));
    }

    /// An order was refused.
    pub fn refused(&self, refused: &Refused<'_>) {
        let above = refused.from_above;
        self.line(json!({
            "time": time(refused.at),
            "event": "refused",
            "jid": above.map(|(order, _)| order.jid.to_string()),
            "origin": above.map(|(order, _)| order.origin_id.as_str()),
            "user": refused.user,
            "fun": refused.fun,
            "target": refused.target,
            "minions": above.map(|(_, minions)| minions),
            "reason": refused.reason,
        }));
    }

    /// An order from above passes over rules of this site, which lets it.
    pub fn overridden(&self, order: &JobOrder, reason: &str, minions: u64, at: UnixMillis) {
        self.line(json!({
            "time": time(at),
            "event": "overridden",
            "jid": order.jid.to_string(),
            "origin": order.origin_id.as_str(),
            "user": order.user,
            "fun": order.fun,
            "target": order.target.typed,
            "minions": minions,
            "reason": reason,
        }));
    }

    /// The last outcome of a job of this hub's own is known; again when one is amended later.
    pub fn finished(&self, job: JobView<'_>, counts: &Counts, at: UnixMillis) {
        let Some(order) = job.order().filter(|_| job.is_own()) else {
            return;
        };
        let outcomes = OutcomeKind::ALL
            .into_iter()
            .filter(|kind| counts.of(*kind) > 0)
            .map(|kind| (kind.as_str().to_owned(), counts.of(kind).into()));
        self.line(json!({
            "time": time(at),
            "event": "finished",
            "jid": order.jid.to_string(),
            "user": order.user,
            "fun": order.fun,
            "target": order.target.typed,
            "expected": counts.expected,
            "outcomes": outcomes.collect::<Map<String, Value>>(),
            "undecided": job.undecided(),
            "took_ms": at.saturating_sub(order.issued),
        }));
    }

    /// Waits a little until what was said is written.
    pub fn flush(&self) {
        let Some(inner) = &self.0 else { return };
        let (done, is_done) = mpsc::channel();
        if inner.messages.try_send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(FLUSH_MAX);
        }
    }

    fn line(&self, entry: Value) {
        let Some(inner) = &self.0 else { return };
        match inner.messages.try_send(Message::Line(format!("{entry}\n"))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                inner.lost.fetch_add(1, Ordering::Relaxed);
                inner.metrics.lost.inc();
            }
        }
    }
}

/// Writes until nobody is there any more who says anything.
fn write(
    mut file: File,
    messages: &mpsc::Receiver<Message>,
    lost: &AtomicU64,
    metrics: &JobJournalMetrics,
) {
    loop {
        let first = match messages.recv_timeout(RETRY_EVERY) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) if file.waiting() == 0 => continue,
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut flushed = Vec::new();
        for message in first.into_iter().chain(messages.try_iter().take(AT_ONCE)) {
            match message {
                Message::Line(line) => metrics.lost.inc_by(file.take(line)),
                Message::Flush(done) => flushed.push(done),
            }
        }
        file.note_lost(lost.swap(0, Ordering::Relaxed));
        file.write();
        metrics
            .waiting
            .set(i64::try_from(file.waiting()).unwrap_or(i64::MAX));
        for done in flushed {
            let _ = done.send(());
        }
    }
}

/// A time as people and programs read it.
fn time(at: UnixMillis) -> String {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// How many arguments: what they are may be secret, and stands in the account of the job.
fn count(args: &Json) -> usize {
    serde_json::from_slice::<Vec<Value>>(args).map_or(0, |args| args.len())
}

/// The names of named arguments.
fn names(kwargs: &Json) -> Vec<String> {
    let kwargs = serde_json::from_slice::<Map<String, Value>>(kwargs).unwrap_or_default();
    kwargs.into_iter().map(|(name, _)| name).collect()
}
