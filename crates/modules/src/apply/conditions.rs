//! `onlyif`, `unless`, `creates` and `check_cmd`: what is found on the host.

use std::path::Path;

use serde_json::{Map, Value};
use sls::compile::{Asked, Chunk, Condition, Controls, Creates, Findings};

use super::slots;
use crate::call::Call;
use crate::python;
use crate::registry::Env;

/// Arguments of a state that its conditions' commands are run with.
const COMMAND_OPTIONS: &[&str] = &[
    "cwd",
    "runas",
    "env",
    "prepend_path",
    "umask",
    "timeout",
    "success_retcodes",
    "shell",
];

/// Looks at the conditions of a call, in Salt's order.
pub(super) fn find(env: &Env, chunk: &Chunk, controls: &Controls) -> Findings {
    let options = command_options(chunk);
    let onlyif = &controls.onlyif;
    let unless = &controls.unless;
    Findings {
        onlyif: (!onlyif.is_empty()).then(|| {
            onlyif
                .iter()
                .all(|condition| holds(env, condition, &options).unwrap_or(true))
        }),
        unless: (!unless.is_empty()).then(|| {
            unless
                .iter()
                .all(|condition| holds(env, condition, &options).unwrap_or(false))
        }),
        creates: controls.creates.as_ref().map(|creates| match creates {
            Creates::One(path) => Path::new(path).exists(),
            Creates::All(paths) => paths.iter().all(|path| Path::new(path).exists()),
        }),
    }
}

/// Whether all commands of `check_cmd` succeed; none when there are none.
pub(super) fn check(env: &Env, controls: &Controls) -> Option<bool> {
    let commands = &controls.check_cmd;
    (!commands.is_empty()).then(|| {
        commands
            .iter()
            .all(|command| succeeds(env, command, &Map::new()))
    })
}

/// Whether a condition holds; none for one that is malformed.
fn holds(env: &Env, condition: &Condition, options: &Map<String, Value>) -> Option<bool> {
    match condition {
        Condition::Command(command) => Some(succeeds(env, command, options)),
        Condition::Function(fun, arguments) => Some(answers_truth(env, fun, arguments)),
        Condition::Malformed(what) => {
            tracing::warn!("a condition is neither a command nor a function: {what}");
            None
        }
    }
}

/// Whether a shell command exits with 0; one that cannot be run does not.
fn succeeds(env: &Env, command: &str, options: &Map<String, Value>) -> bool {
    let mut call = Call::new("cmd.retcode")
        .arg(command)
        .kwarg("python_shell", true)
        .kwarg("ignore_retcode", false);
    call.kwargs.extend(options.clone());
    let answer = env.call(&call);
    answer.is_ok_and(|outcome| outcome.value == 0)
}

fn answers_truth(env: &Env, fun: &str, arguments: &Map<String, Value>) -> bool {
    let asked = Asked::of(arguments);
    let mut call = Call {
        fun: fun.to_owned(),
        args: asked.args.clone(),
        kwargs: asked.kwargs.clone(),
    };
    match slots::fill_call(env, &mut call).and_then(|()| env.call(&call)) {
        Ok(outcome) => outcome.retcode == 0 && asked.holds(&outcome.value),
        Err(failure) => {
            tracing::warn!(fun, "the function of a condition failed: {failure}");
            false
        }
    }
}

fn command_options(chunk: &Chunk) -> Map<String, Value> {
    let excluded = match chunk.0.get("cmd_opts_exclude") {
        Some(Value::Array(names)) => names.iter().map(python::text).collect(),
        Some(name) => vec![python::text(name)],
        None => Vec::new(),
    };
    let wanted = COMMAND_OPTIONS
        .iter()
        .filter(|name| !excluded.iter().any(|excluded| excluded == *name));
    wanted
        .filter_map(|name| {
            let value = chunk.0.get(*name).filter(|value| !value.is_null())?;
            Some(((*name).to_owned(), value.clone()))
        })
        .collect()
}
