//! Runs functions: each on a thread of its own, so many at a time, each with its bound.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use daemon::config::LocalRoots;
use modules::cut::travelling;
use modules::{Call, Cancel, CancelKind, Context, Outcome, PillarWish, Registry, RunningJob};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use wire::{Called, Jid, JobOptions, JobOrder, KEYWORDS_MARK, Return, limits};

use crate::caller::Caller;
use crate::files::{JobFiles, Sessions};
use crate::herald::Herald;
use crate::orphans::Groups;
use crate::roots::LocalRoots as LocalFolders;
use crate::surroundings::{JobContext, Surroundings, Watched};

/// A function that ran over its time gets TERM; KILL follows after this long.
const KILL_AFTER: Duration = Duration::from_secs(5);
/// The return code of a function that ran over its time, as `timeout(1)` has it.
const TIMED_OUT: i32 = 124;
/// The return code of a job that was cancelled before it began, as a shell has it for TERM.
const CANCELLED: i32 = 143;

// Output that a function keeps whole is not cut once more for its length alone.
const _: () = assert!(modules::cut::WHOLE_BYTES_MAX == limits::MAX_RETURN);

/// One run of a function.
pub struct Task {
    /// Its job.
    pub jid: Jid,
    /// The functions with their arguments, at least one; they run one after the other.
    pub calls: Vec<Call>,
    /// Who ordered it.
    pub user: String,
    /// What else was ordered.
    pub options: JobOptions,
    /// Whether hubs know of the job, and want to hear how far it is.
    pub is_ordered: bool,
    /// The command that waits for it.
    pub caller: Option<Caller>,
    /// Folders of this host in the place of the hub's roots.
    pub local_roots: Option<LocalRoots>,
}

impl Task {
    /// Its function, or several with commas between.
    fn fun(&self) -> String {
        let names: Vec<&str> = self.calls.iter().map(|call| call.fun.as_str()).collect();
        names.join(",")
    }

    /// What a hub ordered.
    fn ordered(order: &JobOrder) -> Task {
        Task {
            jid: order.jid,
            calls: calls(order),
            user: order.user.clone(),
            options: order.options.clone(),
            is_ordered: true,
            caller: None,
            local_roots: None,
        }
    }
}

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
    waiting: VecDeque<Arc<Task>>,
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

    /// Calls a function on this thread, for the minion itself.
    ///
    /// # Errors
    /// What it says when it fails.
    pub fn call(&self, fun: &str, args: Vec<Value>) -> Result<Value, String> {
        let call = Call {
            fun: fun.to_owned(),
            args,
            ..Call::default()
        };
        let context = self.context(None, None);
        let outcome = self.registry.call(&call, &context, &Cancel::new());
        // A service that does not run is no failure of the look at it.
        match outcome.value {
            Value::String(text) if !outcome.success => Err(text),
            value => Ok(value),
        }
    }

    /// Whether states are applied now.
    pub fn applies_states(&self) -> bool {
        self.surroundings.applies_states()
    }

    /// The grains of the minion.
    pub fn grains(&self) -> Arc<Value> {
        self.surroundings.grains()
    }

    /// Runs the order now, or when a place is free. The leaf machine bounds how many there are.
    pub fn start(&self, order: &JobOrder) {
        self.begin(Task::ordered(order));
    }

    /// The same with a task; whoever makes tasks bounds how many there are.
    pub fn begin(&self, task: Task) {
        let order = Arc::new(task);
        // It may be a job itself that waits for this one, so there may be no place before it has ended.
        if order.caller.is_some() {
            self.spawn(order, false);
            return;
        }
        if let [call] = &order.calls[..]
            && self.registry.is_quick(&call.fun)
        {
            self.run(&order);
            return;
        }
        let mut calls = order.calls.iter();
        if calls.all(|call| self.registry.is_control(&call.fun)) {
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
            order.fun()
        );
        let outcome = Outcome {
            retcode: CANCELLED,
            ..Outcome::failed(text)
        };
        self.finish(&order, &outcome, SystemTime::now(), Duration::ZERO);
        true
    }

    /// Runs functions one after the other, as long as the job is not cancelled: their values by name, and the highest return code.
    fn each(&self, calls: &[Call], jid: &str, context: &JobContext, cancel: &Cancel) -> Outcome {
        let mut values = Map::new();
        let (mut retcode, mut success) = (0, true);
        for call in calls {
            if cancel.is_cancelled() {
                break;
            }
            self.surroundings.turn_to(jid, call);
            let outcome = self.registry.call(call, context, cancel);
            if retcode == 0 || outcome.retcode > retcode {
                retcode = outcome.retcode;
            }
            success &= outcome.success;
            values.insert(call.fun.clone(), outcome.value);
        }
        Outcome {
            value: Value::Object(values),
            retcode,
            success,
        }
    }

    /// Tells what came of a task.
    fn finish(&self, task: &Task, outcome: &Outcome, started: SystemTime, took: Duration) {
        if let Some(caller) = &task.caller {
            caller.ended(outcome, started);
        }
        let ret = Return {
            jid: task.jid,
            retcode: outcome.retcode,
            success: outcome.success,
            value: travelling(&outcome.value, limits::MAX_RETURN).into(),
            started: unix_millis(started),
            duration_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        };
        // The loop is there as long as the process is.
        let _ = self.finished.send(ret);
    }

    /// Ends a job that runs, as `saltutil.term_job` does. False when none of that jid runs.
    pub fn end(&self, jid: Jid, by: &str) -> bool {
        let ended = self
            .surroundings
            .signal(&jid.to_string(), CancelKind::Term, by);
        ended.is_some()
    }

    fn spawn(&self, order: Arc<Task>, in_place: bool) {
        let executor = self.clone();
        let name = format!("job-{}", order.jid);
        let awaited = order.caller.is_some().then(|| order.clone());
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
            // Somebody waits for it.
            if let Some(task) = awaited {
                let outcome = Outcome::failed(format!("no thread for {}: {error}", task.fun()));
                self.finish(&task, &outcome, SystemTime::now(), Duration::ZERO);
            }
        }
    }

    /// Makes the pillar for everybody, on this thread.
    ///
    /// # Errors
    /// Words for people.
    pub fn make_pillar(&self, local_roots: Option<&LocalRoots>) -> Result<Arc<Value>, String> {
        let context = self.context(local_roots, None);
        context.refresh_pillar(&PillarWish::default())
    }

    /// The minion around a function that nobody ordered.
    fn context(&self, local_roots: Option<&LocalRoots>, roots: Option<String>) -> JobContext {
        JobContext {
            surroundings: self.surroundings.clone(),
            registry: self.registry.clone(),
            roots: match local_roots {
                Some(local) => Box::new(LocalFolders::new(local)),
                None => Box::new(JobFiles {
                    sessions: self.sessions.clone(),
                    runtime: self.runtime.clone(),
                    cache: self.cache.clone(),
                    roots,
                }),
            },
            cache: self.cache.clone(),
            jid: None,
            watched: None,
            herald: Some(self.herald.clone()),
            user: String::new(),
            is_making_pillar: AtomicBool::new(false),
        }
    }

    fn run(&self, order: &Task) {
        let began = Instant::now();
        let started = SystemTime::now();
        let jid = order.jid.to_string();
        let fun = order.fun();
        let cancel = Cancel::watched(self.groups.of_job(&jid));
        let first = order.calls.first().cloned().unwrap_or_default();
        let job = RunningJob {
            jid: jid.clone(),
            fun: first.fun,
            args: first.args,
            pid: std::process::id(),
            started,
            user: order.user.clone(),
        };
        self.surroundings.begin(job, cancel.clone());
        let mut context = self.context(order.local_roots.as_ref(), order.options.roots.clone());
        context.jid = Some((order.jid, jid.clone()));
        context.watched = match &order.caller {
            Some(caller) => Some(Watched::Caller(caller.clone())),
            None if order.is_ordered => Some(Watched::Hubs(self.sessions.clone())),
            None => None,
        };
        context.user.clone_from(&order.user);
        let watch = order
            .options
            .run_ms_max
            .map(|ms| Watchdog::start(Duration::from_millis(ms), cancel.clone()));
        let mut outcome = match &order.calls[..] {
            [call] => self.registry.call(call, &context, &cancel),
            calls => self.each(calls, &jid, &context, &cancel),
        };
        if let Some(limit) = watch.and_then(Watchdog::stop) {
            let words = format!(
                "{fun} did not end within {} s and was ended",
                limit.as_secs_f64()
            );
            outcome = Outcome {
                value: ended(words, outcome.value),
                retcode: TIMED_OUT,
                success: false,
            };
        }
        if let Some(by) = self.surroundings.end(&jid) {
            let words = format!("{fun} was cancelled by {by}");
            outcome.value = ended(words, outcome.value);
            outcome.success = false;
        }
        self.finish(order, &outcome, started, began.elapsed());
    }
}

/// The functions of an order, with their arguments.
fn calls(order: &JobOrder) -> Vec<Call> {
    let args: Vec<Value> = serde_json::from_slice(&order.args).unwrap_or_default();
    let kwargs: Map<String, Value> = serde_json::from_slice(&order.kwargs).unwrap_or_default();
    let called = Called {
        fun: &order.fun,
        args: &args,
        kwargs: &kwargs,
    };
    let each = called.each();
    let is_one = each.len() == 1;
    let call = |one: Called<'_>| {
        let mut kwargs = one.kwargs.clone();
        if !is_one {
            kwargs.remove(KEYWORDS_MARK);
        }
        Call {
            fun: one.fun.to_owned(),
            args: one.args.to_vec(),
            kwargs,
        }
    };
    each.into_iter().map(call).collect()
}

/// A time of the host's clock as it travels.
pub fn unix_millis(time: SystemTime) -> u64 {
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
    use serde_json::json;

    #[test]
    fn an_order_of_several_functions_has_a_call_for_each() {
        let order = |fun: &str, args: Value, kwargs: Value| JobOrder {
            tree: wire::TreeId([0; 32]),
            jid: "20261122223700000001".parse().unwrap(),
            origin: wire::Uid([0; 16]),
            origin_id: "top".parse().unwrap(),
            scope: wire::SitePath::default(),
            user: "root".to_owned(),
            target: wire::RunTarget {
                compound: "*".to_owned(),
                typed: "*".to_owned(),
            },
            fun: fun.to_owned(),
            args: args.to_string().into_bytes().into(),
            kwargs: kwargs.to_string().into_bytes().into(),
            issued: 0,
            start_by: 0,
            options: JobOptions::default(),
        };
        let one = calls(&order("a.b", json!([[1]]), json!({"x": 1})));
        assert_eq!(one, [Call::new("a.b").arg(json!([1])).kwarg("x", 1)]);
        let args = json!([[], [1, {"__kwarg__": true, "x": 2}], [{"x": 3}]]);
        let several = calls(&order("a.b,c.d,e.f", args, json!({})));
        let expected = [
            Call::new("a.b"),
            Call::new("c.d").arg(1).kwarg("x", 2),
            Call::new("e.f").arg(json!({"x": 3})),
        ];
        assert_eq!(several, expected);
    }

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
