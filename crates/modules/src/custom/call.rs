//! Calls of functions that custom modules offer.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sls::compile::Return;

use super::bridge::Sight;
use super::catalog::Entry;
use super::talk::{self, Fault, Said};
use crate::call::{Call, Outcome};
use crate::cancel::Cancel;
use crate::failure::{Failure, os_text};
use crate::process::{Dialog, Spec};
use crate::python;
use crate::registry::Env;
use crate::states::{self, StateEnv};

/// How long a program may go on after its answer.
const END_GRACE: Duration = Duration::from_secs(2);

/// Calls an execution function.
pub(crate) fn function(entry: &Entry, call: &Call, env: &Env) -> Result<Outcome, Failure> {
    // Python itself says how other arguments do not fit.
    entry.signature.refuse_strange_keywords(&call.kwargs)?;
    if !entry.is_python {
        entry.signature.bind(&call.fun, &call.args, &call.kwargs)?;
    }
    let mut kwargs = call.kwargs.clone();
    kwargs.retain(|name, _| !name.starts_with("__"));
    let is_test = env.ctx.config("test") == Some(Value::Bool(true));
    let said = ask(
        entry,
        env,
        [
            ("kind", json!("modules")),
            ("call", json!(entry.name)),
            ("args", json!(call.args)),
            ("kwargs", Value::Object(kwargs)),
            ("test", json!(is_test)),
        ],
    )?
    .map_err(Fault::into_failure)?;
    Ok(Outcome {
        value: said.value,
        retcode: said.retcode,
        success: said.retcode == 0,
    })
}

/// Calls a state function with what its chunk says.
pub(crate) fn state(entry: &Entry, surroundings: &StateEnv<'_>) -> Result<Return, Failure> {
    let low = surroundings.low;
    let is_engine = sls::compile::is_for_engine;
    entry.signature.bind_state(&entry.name, low, is_engine)?;
    let mut kwargs = low.clone();
    // `mod_watch` hears of the requisites that called it.
    let is_for_function = |name: &str| !is_engine(name) || name == "__reqs__";
    let takes_others = entry.signature.extras().1.is_some();
    kwargs.retain(|name, _| entry.signature.has(name) || takes_others && is_for_function(name));
    let said = ask(
        entry,
        surroundings.env,
        [
            ("kind", json!("states")),
            ("call", json!(entry.name)),
            ("args", json!([])),
            ("kwargs", Value::Object(kwargs)),
            ("test", json!(surroundings.is_test)),
            ("low", Value::Object(low.clone())),
            ("saltenv", json!(surroundings.saltenv())),
        ],
    )?;
    match said {
        Ok(said) => Ok(returned(said.value)),
        Err(fault) => Err(Failure::Traceback(fault.into_text())),
    }
}

/// What a state function gave, with Salt's words for what is no return.
pub(crate) fn returned(value: Value) -> Return {
    let Value::Object(mut map) = value else {
        return states::returned(false, "Malformed state return, return must be a dict");
    };
    let missing: Vec<&str> = ["name", "result", "changes", "comment"]
        .into_iter()
        .filter(|key| !map.contains_key(*key))
        .collect();
    if !missing.is_empty() {
        return states::returned(
            false,
            format!(
                "The following keys were not present in the state return: {}",
                missing.join(",")
            ),
        );
    }
    let mut take = |key: &str| map.shift_remove(key).unwrap_or_default();
    let (name, result, changes) = (take("name"), take("result"), take("changes"));
    let comment = match take("comment") {
        Value::Array(lines) => {
            let lines: Vec<String> = lines.iter().map(python::text).collect();
            lines.join("\n")
        }
        comment => python::text(&comment),
    };
    let Value::Object(changes) = changes else {
        return states::returned(
            false,
            "An exception occurred in this state: 'Changes' should be a dictionary.",
        );
    };
    let result = (!result.is_null()).then(|| python::truthy(&result));
    Return {
        name: name.as_str().map(str::to_owned),
        result,
        changes,
        comment,
        others: map,
    }
}

fn ask<const N: usize>(
    entry: &Entry,
    env: &Env,
    request: [(&str, Value); N],
) -> Result<Result<Said, Fault>, Failure> {
    let request = Map::from_iter(request.map(|(name, value)| (name.to_owned(), value)));
    if entry.is_python {
        return env.bridges.ask(env, &entry.source, request);
    }
    let _place = env.bridges.enter()?;
    ask_program(entry, &Sight::of(env), request, Some(env), env.cancel, None)
}

/// Runs a program for one request.
pub(super) fn ask_program(
    entry: &Entry,
    sight: &Sight,
    mut request: Map<String, Value>,
    env: Option<&Env>,
    cancel: &Cancel,
    deadline: Option<Instant>,
) -> Result<Result<Said, Fault>, Failure> {
    for (name, value) in sight.parts() {
        request.insert(name.to_owned(), (**value).clone());
    }
    let mut dialog = start(&entry.path.to_string_lossy(), &entry.source, cancel)?;
    let answer = talk::converse(&mut dialog, &request, &entry.source, env, deadline)?;
    dialog.end(END_GRACE);
    Ok(answer)
}

/// Starts a program.
pub(super) fn start(path: &str, source: &str, cancel: &Cancel) -> Result<Dialog, Failure> {
    Dialog::start(&Spec::new(&[path]), cancel)
        .map_err(|error| Failure::command(format!("{source}: {}", os_text(&error))))
}
