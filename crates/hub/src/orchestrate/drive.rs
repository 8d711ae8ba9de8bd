//! Runs states of the hub to their end: the machine of `sls` says which is next, and each is carried out in a task of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Zoned;
use serde_json::{Map, Value};
use sls::compile::{
    Answer, Asked, Call, CallNumber, Condition, Controls, Findings, Return, Run, Step,
};
use sls::probe::Ground;
use sls::render::Functions;
use tokio::task::JoinSet;
use wire::{Jid, Steps};

use super::Orchestration;

/// What one call has done so far, for when it is given up.
pub(super) type Ordered = Arc<Mutex<Vec<Jid>>>;

/// `fire_event` by the states' tags.
type Wishes = BTreeMap<String, Value>;

/// Calls of one run that are under way.
#[derive(Default)]
struct Calls {
    tasks: JoinSet<(CallNumber, Answer)>,
    open: BTreeMap<CallNumber, Ordered>,
}

/// The records of all states, by tag.
pub(super) async fn drive(of: &Arc<Orchestration>, mut run: Run) -> Map<String, Value> {
    let mut calls = Calls::default();
    let mut stop = of.live.stop.subscribe();
    let total = run.len() as u64;
    let wishes = run.chunks().iter().filter_map(|chunk| {
        let wish = chunk
            .0
            .get("fire_event")
            .filter(|wish| data::python::truthy(wish))?;
        Some((chunk.tag(), wish.clone()))
    });
    let wishes: Wishes = wishes.collect();
    of.live.stage.send_modify(|stage| stage.steps.total = total);
    loop {
        while let Some(Ok((number, answer))) = calls.tasks.try_join_next() {
            calls.open.remove(&number);
            hear(of, &wishes, &mut run, number, answer);
        }
        let why = stop.borrow_and_update().clone();
        if let Some(why) = why {
            run.stop();
            give_up(of, &wishes, &mut run, &mut calls, &why);
        }
        match run.next(&time_of_day()) {
            Step::Finished => return run.into_results(),
            Step::Call(call) => {
                let ordered = Ordered::default();
                calls.open.insert(call.number, ordered.clone());
                let watched = watched(&run, &call);
                calls
                    .tasks
                    .spawn(answer(of.clone(), *call, watched, ordered));
            }
            Step::Wait => {
                tokio::select! {
                    joined = calls.tasks.join_next() => match joined {
                        Some(Ok((number, answer))) => {
                            calls.open.remove(&number);
                            hear(of, &wishes, &mut run, number, answer);
                        }
                        // A task that panicked, or none where one has to be: the states that wait for it never come.
                        Some(Err(_)) | None => of.live.interrupt("a state was given up: see the log"),
                    },
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

/// Calls that are under way are answered for: what they have ordered goes on.
fn give_up(of: &Orchestration, wishes: &Wishes, run: &mut Run, calls: &mut Calls, why: &str) {
    calls.tasks.abort_all();
    for (number, ordered) in std::mem::take(&mut calls.open) {
        let jobs = ordered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut comment = format!("The orchestration was interrupted: {why}.");
        for jid in jobs.iter() {
            comment.push_str(&format!(" Job {jid} goes on."));
        }
        let answer = Answer {
            returned: orchestrate::returned(false, comment),
            start_time: time_of_day(),
            ..Answer::default()
        };
        hear(of, wishes, run, number, answer);
    }
}

fn hear(of: &Orchestration, wishes: &Wishes, run: &mut Run, number: CallNumber, answer: Answer) {
    if let Err(error) = run.done(number, answer) {
        tracing::error!("{error}");
    }
    for tag in run.take_news() {
        let record = run.record(&tag);
        let result = record.and_then(|record| record.get("result"));
        let has_failed = result == Some(&Value::Bool(false));
        tracing::info!(jid = %of.live.jid, tag, result = ?result, "a state of an orchestration ended");
        if let (Some(wish), Some(record)) = (wishes.get(&tag), record) {
            of.fire(wish, record);
        }
        of.live.stage.send_modify(|stage| {
            let Steps {
                done,
                failed,
                total,
            } = stage.steps;
            stage.steps = Steps {
                done: done + 1,
                // States that listen come beside those that were counted.
                total: total.max(done + 1),
                failed: failed + u64::from(has_failed),
            };
        });
    }
}

/// The records of the states that a call watches.
fn watched(run: &Run, call: &Call) -> Map<String, Value> {
    let records = call.requisites().filter_map(|tag| {
        let record = run.record(&tag)?.clone();
        Some((tag, Value::Object(record)))
    });
    records.collect()
}

async fn answer(
    of: Arc<Orchestration>,
    call: Call,
    watched: Map<String, Value>,
    ordered: Ordered,
) -> (CallNumber, Answer) {
    let waited_s = match call.pause {
        None => 0,
        Some(pause) => {
            let seconds = pause.seconds.saturating_add(chance(pause.splay_s));
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        }
    };
    let start_time = time_of_day();
    let began = Instant::now();
    let returned = called(&of, &call, &watched, &ordered).await;
    let answer = Answer {
        returned: returned.unwrap_or_else(|text| orchestrate::returned(false, text)),
        check_cmd: None,
        start_time,
        duration_ms: (began.elapsed().as_micros() as f64) / 1_000.0,
        waited_s,
    };
    (call.number, answer)
}

/// Up to so many, by chance; 0 where there are no random numbers.
fn chance(max: u64) -> u64 {
    let mut die = [0; 8];
    match getrandom::fill(&mut die) {
        Ok(()) => u64::from_le_bytes(die) % max.saturating_add(1).max(1),
        Err(_) => 0,
    }
}

async fn called(
    of: &Arc<Orchestration>,
    call: &Call,
    watched: &Map<String, Value>,
    ordered: &Ordered,
) -> Result<Return, String> {
    let controls = Controls::of(&call.chunk)?;
    refuse_commands(&controls)?;
    let findings = findings(of, &controls).await?;
    if let Some(skipped) = controls.skip(&findings) {
        return Ok(skipped);
    }
    let ground = Here {
        of,
        call,
        records: watched,
    };
    if let Some(answer) = orchestrate::probe(&call.chunk, &ground) {
        return answer;
    }
    let deed = orchestrate::deed(&call.chunk, call.is_test, of.around.is_failhard())?;
    super::carry::carry(of, &call.chunk.id(), deed, ordered).await
}

/// The hub, as states of `test` see it.
struct Here<'a> {
    of: &'a Orchestration,
    call: &'a Call,
    records: &'a Map<String, Value>,
}

impl Ground for Here<'_> {
    fn is_test(&self) -> bool {
        self.call.is_test
    }

    fn low(&self) -> &Map<String, Value> {
        &self.call.chunk.0
    }

    fn record(&self, tag: &str) -> Option<&Value> {
        self.records.get(tag)
    }

    fn pillar(&self, key: &str) -> Result<Value, String> {
        let pillar = &self.of.around.pillar;
        let found = data::traverse(pillar, key, data::DEFAULT_DELIMITER);
        Ok(found.cloned().unwrap_or_default())
    }

    fn coin(&self) -> Result<bool, String> {
        Ok(chance(1) == 1)
    }
}

/// What would need a program or a disk of this host.
fn refuse_commands(controls: &Controls) -> Result<(), String> {
    let conditions = || controls.onlyif.iter().chain(&controls.unless);
    let is_command = |condition: &Condition| matches!(condition, Condition::Command(_));
    let refused = if conditions().any(is_command) {
        "a command in onlyif or unless"
    } else if !controls.check_cmd.is_empty() {
        "check_cmd"
    } else if controls.creates.is_some() {
        "creates"
    } else {
        return Ok(());
    };
    Err(format!(
        "{refused} is not served in an orchestration: a hub starts no programs and looks at no files of its host. Conditions may call \
         functions, as in `- fun: pillar.get`; salt.function runs a command on a minion"
    ))
}

async fn findings(of: &Arc<Orchestration>, controls: &Controls) -> Result<Findings, String> {
    if controls.onlyif.is_empty() && controls.unless.is_empty() {
        return Ok(Findings::default());
    }
    let (around, onlyif, unless) = (
        of.around.clone(),
        controls.onlyif.clone(),
        controls.unless.clone(),
    );
    let look = move || -> Result<Findings, String> {
        let functions = around.functions();
        let all = |conditions: &[Condition], if_malformed: bool| -> Result<Option<bool>, String> {
            if conditions.is_empty() {
                return Ok(None);
            }
            for condition in conditions {
                if !holds(&functions, condition)?.unwrap_or(if_malformed) {
                    return Ok(Some(false));
                }
            }
            Ok(Some(true))
        };
        Ok(Findings {
            onlyif: all(&onlyif, true)?,
            unless: all(&unless, false)?,
            creates: None,
        })
    };
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|error| error.to_string())?
}

/// Whether a condition holds; none for one that is malformed.
fn holds(functions: &impl Functions, condition: &Condition) -> Result<Option<bool>, String> {
    let Condition::Function(fun, arguments) = condition else {
        return Ok(None);
    };
    let asked = Asked::of(arguments);
    let answer = functions.call(fun, &asked.args, &asked.kwargs)?;
    Ok(Some(asked.holds(&answer)))
}

/// The local time of day, as `10:20:30.123456`.
fn time_of_day() -> String {
    Zoned::now().strftime("%H:%M:%S%.6f").to_string()
}
