//! One state run at a time: those that began before, and waiting for them.

use std::time::Duration;

use serde_json::Value;

use super::COMPILER_ERROR;
use super::Objection;
use crate::context::RunningJob;
use crate::failure::Failure;
use crate::python;
use crate::registry::Env;
use crate::signature::Args;

/// Between two looks at who runs.
const LOOK: Duration = Duration::from_millis(200);

/// What the functions of `state` that change something do about others of their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// They do not run when one runs.
    Refuse,
    /// They wait until those before them have ended.
    Wait,
    /// They wait when fewer than so many run and wait.
    WaitBelow(usize),
    /// They run beside others.
    Concurrent,
}

impl Turn {
    /// Reads `queue` and `concurrent`.
    pub(crate) fn of(args: &Args, env: &Env) -> Turn {
        let queue = match args.value("queue") {
            Value::Null => env.ctx.config("state_queue").unwrap_or_default(),
            said => said.clone(),
        };
        let is_concurrent = args
            .extra_kwargs
            .get("concurrent")
            .is_some_and(python::truthy);
        match queue.as_u64().and_then(|most| usize::try_from(most).ok()) {
            Some(most) if most > 0 => Turn::WaitBelow(most),
            None if python::truthy(&queue) => Turn::Wait,
            _ if is_concurrent => Turn::Concurrent,
            _ => Turn::Refuse,
        }
    }

    /// Waits for the turn of this job. Objects when others run and it is not to wait for them.
    pub(crate) fn take(self, env: &Env) -> Result<Result<(), Objection>, Failure> {
        let refused = || Objection {
            reasons: running(env),
            retcode: COMPILER_ERROR,
        };
        match self {
            Turn::Concurrent => return Ok(Ok(())),
            Turn::Refuse if running(env).is_empty() => return Ok(Ok(())),
            Turn::Refuse => return Ok(Err(refused())),
            Turn::WaitBelow(most) if earlier(env).len() >= most => return Ok(Err(refused())),
            Turn::Wait | Turn::WaitBelow(_) => {}
        }
        while !earlier(env).is_empty() {
            if env.cancel.is_cancelled() {
                return Err(Failure::command("the job was cancelled"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(Ok(()))
    }
}

/// Functions that look, or order other runs about: nobody has to wait for them.
pub(crate) const HARMLESS: &[&str] = &[
    "state.disable",
    "state.enable",
    "state.get_pauses",
    "state.list_disabled",
    "state.pause",
    "state.resume",
    "state.running",
    "state.soft_kill",
];

/// Other state runs, as texts for people.
pub(crate) fn running(env: &Env) -> Vec<String> {
    others(env).iter().map(report).collect()
}

fn others(env: &Env) -> Vec<RunningJob> {
    let mut jobs = env.ctx.running();
    jobs.retain(|job| {
        job.fun.starts_with("state.")
            && !HARMLESS.contains(&job.fun.as_str())
            && Some(job.jid.as_str()) != env.ctx.jid()
    });
    jobs
}

/// Those that were ordered before this one.
fn earlier(env: &Env) -> Vec<RunningJob> {
    let mut jobs = others(env);
    jobs.retain(|job| env.ctx.jid().is_none_or(|own| job.jid.as_str() < own));
    jobs
}

fn report(job: &RunningJob) -> String {
    let started = jiff::Timestamp::try_from(job.started)
        .map(|time| time.strftime("%Y, %b %d %H:%M:%S.%6f").to_string())
        .unwrap_or_default();
    format!(
        "The function \"{}\" is running as PID {} and was started at {started} with jid {}",
        job.fun, job.pid, job.jid
    )
}
