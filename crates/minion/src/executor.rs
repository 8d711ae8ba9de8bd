//! Runs functions: each on a thread of its own, so many at a time, each with its bound.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use modules::cut::travelling;
use modules::{Call, Cancel, CancelKind, Outcome, Registry, RunningJob};
use serde_json::Value;
use tokio::sync::mpsc;
use wire::{Jid, JobOrder, Return, limits};

use crate::files::{JobFiles, Sessions};
use crate::herald::Herald;
use crate::orphans::Groups;
use crate::surroundings::{JobContext, Surroundings};

/// A function that ran over its time gets TERM; KILL follows after this long.
const KILL_AFTER: Duration = Duration::from_secs(5);
/// The return code of a function that ran over its time, as `timeout(1)` has it.
const TIMED_OUT: i32 = 124;
/// The return code of a job that was cancelled before it began, as a shell has it for TERM.
const CANCELLED: i32 = 143;

// Output that a function keeps whole is not cut once more for its length alone.
const _: () = assert!(modules::cut::WHOLE_BYTES_MAX == limits::MAX_RETURN);

/// Runs functions.
#[derive(Clone)]
pub struct Executor {
    registry: Arc<Registry>,
    surroundings: Arc<Surroundings>,
    sessions: Arc<Sessions>,
    herald: Arc<Herald>,
    runtime: tokio::runtime::Handle,
    cache: std::path::PathBuf,
    groups: Groups,
    finished: mpsc::UnboundedSender<Return>,
    queue: Arc<Mutex<Queue>>,
}

struct Queue {
    free: usize,
    waiting: VecDeque<Arc<JobOrder>>,
}

impl Executor {
    #[allow(clippy::too_many_arguments)]
    /// An executor with so many places; returns go to `finished`.
    pub fn new(
        places: usize,
        surroundings: Arc<Surroundings>,
        sessions: Arc<Sessions>,
        herald: Arc<Herald>,
        runtime: tokio::runtime::Handle,
        cache: std::path::PathBuf,
        groups: Groups,
        finished: mpsc::UnboundedSender<Return>,
    ) -> Self {
        Executor {
            registry: Arc::new(Registry::of_minion(surroundings.options(), &cache)),
            surroundings,
            sessions,
            herald,
            runtime,
            cache,
            groups,
            finished,
            queue: Arc::new(Mutex::new(Queue {
                free: places,
                waiting: VecDeque::new(),
            })),
        }
    }

    /// Runs the order now, or when a place is free. The leaf machine bounds how many there are.
    pub fn start(&self, order: Arc<JobOrder>) {
        if self.registry.is_quick(&order.fun) {
            self.run(&order);
            return;
        }
        if self.registry.is_control(&order.fun) {
            self.spawn(order, false);
            return;
        }
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.free == 0 {
                queue.waiting.push_back(order);
                return;
            }
            queue.free -= 1;
        }
        self.spawn(order, true);
    }

    /// Ends a job that still waits for a place: it never begins, and its return says so. False when none of that jid waits.
    pub fn cancel_waiting(&self, jid: Jid, by: &str) -> bool {
        let order = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let place = queue.waiting.iter().position(|order| order.jid == jid);
            place.and_then(|place| queue.waiting.remove(place))
        };
        let Some(order) = order else { return false };
        let text = format!(
            "{} was cancelled by {by} while it waited for a place",
            order.fun
        );
        let _ = self.finished.send(Return {
            jid,
            retcode: CANCELLED,
            success: false,
            value: travelling(&text.into(), limits::MAX_RETURN).into(),
            started: unix_millis(SystemTime::now()),
            duration_ms: 0,
        });
        true
    }

    fn spawn(&self, order: Arc<JobOrder>, in_place: bool) {
        let executor = self.clone();
        let name = format!("job-{}", order.jid);
        let spawned = std::thread::Builder::new().name(name).spawn(move || {
            let mut next = Some(order);
            while let Some(order) = next.take() {
                executor.run(&order);
                if !in_place {
                    return;
                }
                let mut queue = executor
                    .queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                next = queue.waiting.pop_front();
                if next.is_none() {
                    queue.free += 1;
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a job");
        }
    }

    fn run(&self, order: &JobOrder) {
        let began = Instant::now();
        let started = SystemTime::now();
        let jid = order.jid.to_string();
        let call = Call {
            fun: order.fun.clone(),
            args: serde_json::from_slice(&order.args).unwrap_or_default(),
            kwargs: serde_json::from_slice(&order.kwargs).unwrap_or_default(),
        };
        let cancel = Cancel::watched(self.groups.of_job(&jid));
        let job = RunningJob {
            jid: jid.clone(),
            fun: order.fun.clone(),
            args: call.args.clone(),
            pid: std::process::id(),
            started,
            user: order.user.clone(),
        };
        self.surroundings.begin(job, cancel.clone());
        let context = JobContext {
            surroundings: self.surroundings.clone(),
            registry: self.registry.clone(),
            roots: Box::new(JobFiles {
                sessions: self.sessions.clone(),
                runtime: self.runtime.clone(),
                cache: self.cache.clone(),
                roots: order.options.roots.clone(),
            }),
            cache: self.cache.clone(),
            jid: Some(jid.clone()),
            watched: Some((order.jid, self.sessions.clone())),
            herald: Some(self.herald.clone()),
            user: order.user.clone(),
            is_making_pillar: AtomicBool::new(false),
        };
        let watch = order
            .options
            .run_ms_max
            .map(|ms| Watchdog::start(Duration::from_millis(ms), cancel.clone()));
        let mut outcome = self.registry.call(&call, &context, &cancel);
        if let Some(limit) = watch.and_then(Watchdog::stop) {
            let words = format!(
                "{} did not end within {} s and was ended",
                order.fun,
                limit.as_secs_f64()
            );
            outcome = Outcome {
                value: ended(words, outcome.value),
                retcode: TIMED_OUT,
                success: false,
            };
        }
        if let Some(by) = self.surroundings.end(&jid) {
            let words = format!("{} was cancelled by {by}", order.fun);
            outcome.value = ended(words, outcome.value);
            outcome.success = false;
        }
        let ret = Return {
            jid: order.jid,
            retcode: outcome.retcode,
            success: outcome.success,
            value: travelling(&outcome.value, limits::MAX_RETURN).into(),
            started: unix_millis(started),
            duration_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
        };
        // The loop is there as long as the process is.
        let _ = self.finished.send(ret);
    }
}

fn unix_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

/// What a function that was ended answers: that it was, and what it had answered. A mark of long output stays a mark.
fn ended(words: String, value: Value) -> Value {
    match value {
        Value::Object(mut mark) if mark.get("truncated") == Some(&Value::Bool(true)) => {
            mark.insert("ended".to_owned(), words.into());
            Value::Object(mark)
        }
        value => format!("{words}; it had answered: {value}").into(),
    }
}

/// Ends a function that runs over its time.
struct Watchdog {
    done: std_mpsc::Sender<()>,
    thread: std::thread::JoinHandle<Option<Duration>>,
}

impl Watchdog {
    fn start(limit: Duration, cancel: Cancel) -> Watchdog {
        let (done, ended) = std_mpsc::channel();
        let thread = std::thread::spawn(move || {
            if ended.recv_timeout(limit) != Err(std_mpsc::RecvTimeoutError::Timeout) {
                return None;
            }
            cancel.cancel(CancelKind::Term);
            if ended.recv_timeout(KILL_AFTER) == Err(std_mpsc::RecvTimeoutError::Timeout) {
                cancel.cancel(CancelKind::Kill);
            }
            Some(limit)
        });
        Watchdog { done, thread }
    }

    /// The function ended. Gives the limit when it was over.
    fn stop(self) -> Option<Duration> {
        drop(self.done);
        self.thread.join().ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ended_says_so_and_keeps_its_mark() {
        let words = "cmd.run did not end within 2 s and was ended";
        assert_eq!(
            ended(words.to_owned(), "x".into()),
            format!("{words}; it had answered: \"x\"")
        );
        let mark = serde_json::json!({"truncated": true, "bytes": 9});
        let expected = serde_json::json!({"truncated": true, "bytes": 9, "ended": words});
        assert_eq!(ended(words.to_owned(), mark), expected);
    }

    #[test]
    fn a_watchdog_tells_whether_it_bit() {
        let cancel = Cancel::new();
        assert_eq!(
            Watchdog::start(Duration::from_secs(3_600), cancel.clone()).stop(),
            None
        );
        assert!(!cancel.is_cancelled());
        let limit = Duration::from_millis(1);
        let dog = Watchdog::start(limit, cancel.clone());
        while !cancel.is_cancelled() {
            std::thread::yield_now();
        }
        assert_eq!(dog.stop(), Some(limit));
    }
}
