//! Calls the state functions that a run asks for, on this thread and on others, and hands it what came out.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Zoned;
use serde_json::{Map, Value};
use sls::compile::{Answer, Call, CallNumber, Chunk, Controls, Return, Run, Step};

use super::conditions;
use super::pauses::Pauses;
use super::slots;
use super::steps::Steps;
use super::telling::Telling;
use super::umask::Umask;
use crate::context::PillarWish;
use crate::mask::masked;
use crate::python;
use crate::random;
use crate::registry::{self, Env};
use crate::states::{self, Shared, StateEnv};

/// A wait between two tries looks this often whether the job was cancelled.
const LOOK: Duration = Duration::from_millis(200);

/// What the calls of one run have in common.
#[derive(Clone, Copy)]
struct Around<'a> {
    env: &'a Env<'a>,
    shared: &'a Shared,
    pauses: Option<&'a Pauses>,
}

/// Runs to the end and answers the records by tag. A cancelled job ends before its next state.
pub(super) fn run(env: &Env, run: Run, is_test: bool) -> Map<String, Value> {
    tracing::info!(is_test, states = run.len(), "a state run begins");
    let tell = |done, total, failed| env.ctx.steps(done, total, failed);
    Steps::told(run.len(), tell, |steps| run_counted(env, run, steps))
}

fn run_counted(env: &Env, mut run: Run, steps: &Steps) -> Map<String, Value> {
    let shared = Shared::default();
    let pauses = env
        .ctx
        .jid()
        .and_then(|jid| Pauses::of(env.ctx.cache_dir(), jid).ok());
    let around = Around {
        env,
        shared: &shared,
        pauses: pauses.as_ref(),
    };
    let telling = Telling::new(env, &run);
    let (answers, answered) = mpsc::channel::<(CallNumber, Answer)>();
    thread::scope(|scope| {
        loop {
            while let Ok((number, answer)) = answered.try_recv() {
                hear(&mut run, steps, telling.as_ref(), number, answer);
            }
            if env.cancel.is_cancelled() {
                run.stop();
            }
            let call = match run.next(&time_of_day()) {
                Step::Finished => break,
                Step::Wait => {
                    // Someone is under way, and each says how it ended.
                    if let Ok((number, answer)) = answered.recv() {
                        hear(&mut run, steps, telling.as_ref(), number, answer);
                    }
                    continue;
                }
                Step::Call(call) => call,
            };
            let may_run = around
                .pauses
                .is_none_or(|pauses| pauses.may_run(env, &call.chunk.id()));
            if !may_run {
                hear(&mut run, steps, telling.as_ref(), call.number, killed());
                run.stop();
                continue;
            }
            let call = states::aggregated(call);
            let records = records_for(&run, &call);
            if !call.is_parallel {
                let answer = answer(around.env, around.shared, &call, &records);
                hear(&mut run, steps, telling.as_ref(), call.number, answer);
                continue;
            }
            let answers = answers.clone();
            let (ctx, cancel, registry, bridges, shared) = (
                env.ctx,
                env.cancel,
                env.registry,
                env.bridges,
                around.shared,
            );
            let fun = env.fun;
            scope.spawn(move || {
                let own = Env::new(fun, ctx, cancel, registry, bridges);
                let answer = answer(&own, shared, &call, &records);
                // The run hears until all have ended.
                let _ = answers.send((call.number, answer));
            });
        }
    });
    if let Some(pauses) = &pauses {
        pauses.forget();
    }
    run.into_results()
}

fn hear(
    run: &mut Run,
    steps: &Steps,
    telling: Option<&Telling<'_>>,
    number: CallNumber,
    answer: Answer,
) {
    if let Err(error) = run.done(number, answer) {
        tracing::error!("{error}");
    }
    for tag in run.take_news() {
        let record = run.record(&tag);
        let result = record.and_then(|record| record.get("result"));
        tracing::debug!(tag, result = ?result, "a state ended");
        steps.ended(result == Some(&Value::Bool(false)));
        if let (Some(telling), Some(record)) = (telling, record) {
            telling.ended(&tag, record);
        }
    }
}

/// The records that the function looks at: `mod_watch` at those of its requisites, and what cleans a directory at those of the
/// states that it requires, which it keeps the files of.
fn records_for(run: &Run, call: &Call) -> Map<String, Value> {
    let named: BTreeSet<&str> = call
        .chunk
        .0
        .get("require")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|requisite| requisite.values().filter_map(Value::as_str))
        .collect();
    // A tag's second and third parts are the id and the name.
    let is_named = |tag: &&str| {
        let mut parts = tag.split("_|-").skip(1).take(2);
        parts.any(|part| named.contains(part))
    };
    let required = run.tags().filter(is_named).map(str::to_owned);
    call.requisites()
        .chain(required)
        .filter_map(|tag| {
            let record = run.record(&tag)?.clone();
            Some((tag, Value::Object(record)))
        })
        .collect()
}

fn killed() -> Answer {
    Answer {
        returned: states::returned(
            false,
            "The state run was ended before this state (state.soft_kill)",
        ),
        start_time: time_of_day(),
        ..Answer::default()
    }
}

/// Makes a call: its wait, its conditions, the function, its check, and the refreshes that it asks for.
fn answer(env: &Env, shared: &Shared, call: &Call, records: &Map<String, Value>) -> Answer {
    let waited_s = call.pause.map_or(0, |pause| {
        let chance = random::below(pause.splay_s.saturating_add(1)).unwrap_or(0);
        let seconds = pause.seconds.saturating_add(chance);
        wait(env, Duration::from_secs(seconds));
        seconds
    });
    let start_time = time_of_day();
    let began = Instant::now();
    let (returned, check_cmd) = match Controls::of(&call.chunk) {
        Ok(controls) => called(env, shared, call, &controls, records),
        Err(error) => (states::returned(false, error), None),
    };
    Answer {
        returned,
        check_cmd,
        start_time,
        duration_ms: (began.elapsed().as_micros() as f64) / 1_000.0,
        waited_s,
    }
}

fn called(
    env: &Env,
    shared: &Shared,
    call: &Call,
    controls: &Controls,
    records: &Map<String, Value>,
) -> (Return, Option<bool>) {
    let surroundings = StateEnv {
        env,
        is_test: call.is_test,
        low: &call.chunk.0,
        records,
        shared,
    };
    if let Some(refused) = env.registry.state_refused(&surroundings) {
        return (refused, None);
    }
    let findings = conditions::find(env, &call.chunk, controls);
    let returned = controls
        .skip(&findings)
        .unwrap_or_else(|| under_umask(controls.umask, || with_slots(&surroundings)));
    let has_own_check = env.registry.state_takes(
        &format!("{}.{}", call.chunk.state(), call.chunk.fun()),
        "check_cmd",
    );
    let check = if has_own_check {
        None
    } else {
        conditions::check(env, controls)
    };
    if !call.is_test {
        refresh(env, controls, &returned);
    }
    if controls.no_log {
        return (unseen(returned, &call.chunk), check);
    }
    (returned, check)
}

/// The function, with what its slots stand for.
fn with_slots(surroundings: &StateEnv<'_>) -> Return {
    let registry = surroundings.env.registry;
    match slots::filled(surroundings.env, surroundings.low) {
        Ok(None) => registry.state(surroundings),
        Ok(Some(low)) => registry.state(&StateEnv {
            low: &low,
            ..*surroundings
        }),
        Err(failure) => registry::broken(&failure),
    }
}

fn under_umask(umask: Option<u32>, call: impl FnOnce() -> Return) -> Return {
    // Held until the call is over.
    match umask.map(Umask::set).transpose() {
        Ok(_held) => call(),
        Err(failure) => states::returned(false, failure.to_string()),
    }
}

/// `no_log`: nothing that a secret could stand in.
fn unseen(mut returned: Return, chunk: &Chunk) -> Return {
    let text = |value: Value| python::text(&masked(value));
    let name = returned.name.take().unwrap_or_else(|| chunk.name());
    returned.name = Some(text(name.into()));
    returned.comment = text(returned.comment.into());
    let changes = returned.changes.into_iter();
    returned.changes = changes.map(|(key, value)| (key, masked(value))).collect();
    returned
}

fn refresh(env: &Env, controls: &Controls, returned: &Return) {
    if controls.reload_grains {
        env.ctx.refresh_grains();
    }
    if controls.reload_pillar
        && let Err(error) = env.ctx.refresh_pillar(&PillarWish::default())
    {
        tracing::warn!("reload_pillar: {error}");
    }
    if controls.reload_modules && !returned.changes.is_empty() {
        tracing::debug!(
            "reload_modules has nothing to do: functions look at the host at each call"
        );
    }
}

fn wait(env: &Env, time: Duration) {
    let end = Instant::now() + time;
    while !env.cancel.is_cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(LOOK));
    }
}

/// The local time of day, as `10:20:30.123456`.
fn time_of_day() -> String {
    Zoned::now().strftime("%H:%M:%S%.6f").to_string()
}
