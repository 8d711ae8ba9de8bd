//! Jobs that this minion began itself: by its clock, since it started, or as a command on its host asked for. Each has a jid of its own, and what it returns is told as an
//! event, and to a hub for the history.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daemon::clock::Clock;
use daemon::config::LocalRoots;
use modules::Call;
use modules::cut::travelling;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use wire::limits::{MAX_EVENT_DATA, MAX_OWN_VALUE, MAX_OWN_WORDS};
use wire::{Jid, JidClock, JobOptions, Json, NodeId, OwnRun, Return, RunSource, SitePath, Uid};

use crate::caller::Caller;
use crate::executor::{Executor, Task};
use crate::herald::Herald;
use crate::spool::Spool;

/// Jobs of its own that run or wait for a place at once.
const RUNNING_MAX: usize = 256;
/// Bytes of a returned value that go into an event: the rest of it needs some, too.
const VALUE_MAX: usize = MAX_EVENT_DATA / 2;
/// The number that stands at the end of jids that minions give; no hub has it.
const JID_NUMBER: u8 = wire::limits::MINIONS_JID_NUMBER;

/// Bytes of each end of a longer value that its mark has in the history: escaped at worst they fit into [`MAX_OWN_VALUE`].
const END_MAX: usize = 1 << 10;
/// Bytes of names in the history.
const NAME_MAX: usize = 256;

/// A job to begin.
#[derive(Clone)]
pub struct OwnJob {
    /// Its name in the schedule; none when it is not from there.
    pub schedule: Option<String>,
    /// The command that asked for it; none when it is not from there.
    pub caller: Option<Caller>,
    /// What runs.
    pub call: Call,
    /// Whether what it returns is told.
    pub is_told: bool,
    /// Whether it stands in the history.
    pub is_kept: bool,
    /// Goes along with what it returns.
    pub metadata: Option<Map<String, Value>>,
    /// Folders of this host in the place of the hub's roots.
    pub local_roots: Option<LocalRoots>,
}

/// Begins jobs of this minion's own, and tells what came of them.
pub struct OwnJobs {
    id: NodeId,
    executor: Executor,
    herald: Arc<Herald>,
    spool: Arc<Spool>,
    clock: Clock,
    state: Mutex<State>,
    /// How many have not ended.
    count: watch::Sender<usize>,
}

struct State {
    jids: JidClock,
    running: BTreeMap<Jid, OwnJob>,
}

impl OwnJobs {
    /// None run yet.
    pub fn new(
        id: NodeId,
        executor: Executor,
        herald: Arc<Herald>,
        spool: Arc<Spool>,
        clock: Clock,
    ) -> OwnJobs {
        OwnJobs {
            id,
            executor,
            herald,
            spool,
            clock,
            state: Mutex::new(State {
                jids: JidClock::new(JID_NUMBER, 0),
                running: BTreeMap::new(),
            }),
            count: watch::Sender::new(0),
        }
    }

    /// Waits until none runs, and what came of each is told.
    pub async fn idle(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as this does.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many runs of a job of the schedule are not over.
    pub fn running(&self, schedule: &str) -> usize {
        let state = self.state();
        let runs = state.running.values();
        runs.filter(|job| job.schedule.as_deref() == Some(schedule))
            .count()
    }

    /// Begins a job, or lets it wait for a place.
    ///
    /// # Errors
    /// When there are too many.
    pub fn begin(&self, job: OwnJob) -> Result<Jid, String> {
        let jid = {
            let mut state = self.state();
            if state.running.len() >= RUNNING_MAX {
                return Err(format!(
                    "{RUNNING_MAX} jobs of the minion's own run or wait already"
                ));
            }
            let jid = state.jids.next(self.clock.now());
            state.running.insert(jid, job.clone());
            self.count.send_replace(state.running.len());
            jid
        };
        let user = match &job.caller {
            Some(caller) => caller.user.clone(),
            None => "minion".to_owned(),
        };
        let name = job.schedule.as_deref().unwrap_or("none");
        tracing::info!(%jid, fun = %job.call.fun, schedule = name, "a job of the minion's own starts");
        self.executor.begin(Task {
            jid,
            calls: vec![job.call],
            user,
            options: JobOptions::default(),
            is_ordered: false,
            caller: job.caller,
            local_roots: job.local_roots,
        });
        Ok(jid)
    }

    /// Takes what a job returned, and tells it; none when the job is not of this minion's own. Every run that no hub ordered ends here, one
    /// of `salt-call` with its caller.
    pub fn ended(&self, ret: &Return) -> Option<OwnJob> {
        let job = self.state().running.remove(&ret.jid)?;
        let (retcode, ms) = (ret.retcode, ret.duration_ms);
        tracing::info!(jid = %ret.jid, fun = %job.call.fun, retcode, ms, "a job of the minion's own ended");
        if job.is_told {
            let tag = format!("salt/job/{}/ret/{}", ret.jid, self.id);
            if let Err(error) = self.herald.fire(&tag, &told(&job, ret), Some(ret.jid)) {
                tracing::warn!(jid = %ret.jid, "what a job returned can't be told: {error}");
            }
        }
        if job.is_kept
            && let Err(error) = self.spool.put(&self.kept(&job, ret))
        {
            tracing::error!(alarm = true, jid = %ret.jid, "a job of the minion's own will not stand in the history: {error}");
        }
        let state = self.state();
        self.count.send_replace(state.running.len());
        Some(job)
    }
}

impl OwnJobs {
    /// A job as it stands in the history.
    fn kept(&self, job: &OwnJob, ret: &Return) -> OwnRun {
        let value: Value = serde_json::from_slice(&ret.value).unwrap_or_default();
        let source = match (&job.schedule, &job.caller) {
            (Some(_), _) => RunSource::Schedule,
            (None, Some(_)) => RunSource::Call,
            (None, None) => RunSource::Startup,
        };
        let args = match words(&json!(job.call.args)) {
            args if args.first() == Some(&b'[') => args,
            // The mark of what is too long is one argument.
            mark => [b"[", &mark[..], b"]"].concat().into(),
        };
        // As Salt's history has it of what no one ordered.
        let user = job.caller.as_ref().map_or("root", |caller| &caller.user);
        OwnRun {
            // The hub knows who tells it.
            uid: Uid([0; 16]),
            id: self.id.clone(),
            path: SitePath::top(),
            jid: ret.jid,
            source,
            schedule: job.schedule.as_deref().map(name),
            user: name(user),
            fun: name(&job.call.fun),
            args,
            kwargs: words(&job.call.kwargs.clone().into()),
            metadata: words(&job.metadata.clone().unwrap_or_default().into()),
            started: ret.started,
            duration_ms: ret.duration_ms,
            retcode: ret.retcode,
            success: ret.success,
            value: bounded(&value, MAX_OWN_VALUE),
        }
    }
}

fn words(value: &Value) -> Json {
    bounded(value, MAX_OWN_WORDS)
}

/// A value as JSON text: whole, or its mark.
fn bounded(value: &Value, limit: usize) -> Json {
    match serde_json::to_vec(value) {
        Ok(text) if text.len() <= limit => text.into(),
        _ => travelling(value, END_MAX.min(limit / 16)).into(),
    }
}

fn name(text: &str) -> String {
    let end = text.floor_char_boundary(NAME_MAX);
    text[..end].to_owned()
}

/// What an event says of a return, under Salt's names.
fn told(job: &OwnJob, ret: &Return) -> Value {
    let value: Value = serde_json::from_slice(&ret.value).unwrap_or_default();
    let mut arguments = job.call.args.clone();
    if !job.call.kwargs.is_empty() {
        arguments.push(job.call.kwargs.clone().into());
    }
    let bytes = travelling(&value, VALUE_MAX);
    let mut told = json!({
        "fun": job.call.fun,
        "fun_args": arguments,
        "return": serde_json::from_slice::<Value>(&bytes).unwrap_or_default(),
        "retcode": ret.retcode,
        "success": ret.success,
        "pid": std::process::id(),
    });
    if let Some(name) = &job.schedule {
        told["schedule"] = json!(name);
    }
    if let Some(metadata) = &job.metadata {
        let mut metadata = metadata.clone();
        let now = jiff::Zoned::now();
        let mut stamp = |key: &str, form: &str, time: &jiff::Zoned| {
            metadata.insert(key.to_owned(), json!(time.strftime(form).to_string()));
        };
        stamp("_TOS", "%z", &now);
        stamp("_TS", "%a %b %e %H:%M:%S %Y", &now);
        let utc = now.with_time_zone(jiff::tz::TimeZone::UTC);
        stamp("_TT", "%Y %B %d %a %H %m", &utc);
        told["metadata"] = metadata.into();
    }
    told
}
