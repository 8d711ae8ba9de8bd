//! What is said to custom modules and heard of them: one JSON object in each line.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::failure::Failure;
use crate::process::Dialog;
use crate::python;
use crate::registry::Env;
use crate::states::{Shared, StateEnv};

/// The version of what is said, which every request names.
pub(super) const VERSION: u64 = 1;

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Said {
    /// What the function gave.
    pub(super) value: Value,
    /// The return code that it set; 0 when it set none.
    pub(super) retcode: i32,
}

/// A function that failed, as its module tells it.
#[derive(Debug)]
pub(super) struct Fault {
    text: String,
    kind: String,
    traceback: Option<String>,
}

impl Fault {
    /// As an execution function fails.
    pub(super) fn into_failure(self) -> Failure {
        match self.kind.as_str() {
            "CommandExecutionError" | "" => Failure::Command(self.text),
            "CommandNotFoundError" => Failure::MissingProgram(self.text),
            "SaltInvocationError" => Failure::Invocation(self.text),
            "TypeError" => Failure::Arguments(self.text),
            kind => Failure::Traceback(
                self.traceback
                    .unwrap_or_else(|| format!("{kind}: {}", self.text)),
            ),
        }
    }

    /// As a state function or a template fails: with all lines that there are.
    pub(super) fn into_text(self) -> String {
        self.traceback.unwrap_or(self.text)
    }
}

/// Says a request and serves what the module asks back, until it answers. The error is one of the talk: the process is of no use any more.
///
/// `who` is named in errors. Without `env` there is nobody who would serve it.
pub(super) fn converse(
    dialog: &mut Dialog,
    request: &Map<String, Value>,
    who: &str,
    env: Option<&Env>,
    deadline: Option<Instant>,
) -> Result<Result<Said, Fault>, Failure> {
    say(dialog, request);
    loop {
        let line = dialog.hear(deadline).map_err(|error| {
            let text = match error.kind() {
                std::io::ErrorKind::TimedOut => "it does not answer in time".to_owned(),
                _ => error.to_string(),
            };
            Failure::command(format!("{who}: {text}"))
        })?;
        let Some(line) = line else {
            return Err(ended(dialog, who, env));
        };
        let Ok(Value::Object(message)) = serde_json::from_slice(&line) else {
            let line = String::from_utf8_lossy(&line)
                .chars()
                .take(200)
                .collect::<String>();
            return Err(Failure::command(format!(
                "{who}: it has to say JSON objects, one in each line, and says: {line}"
            )));
        };
        if let Some(value) = message.get("return") {
            let retcode = message.get("retcode").and_then(Value::as_i64);
            return Ok(Ok(Said {
                value: value.clone(),
                retcode: retcode
                    .and_then(|code| i32::try_from(code).ok())
                    .unwrap_or(0),
            }));
        }
        if let Some(error) = message.get("error") {
            let text = |key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
            return Ok(Err(Fault {
                text: python::text(error),
                kind: text("kind").unwrap_or_default(),
                traceback: text("traceback"),
            }));
        }
        if let Some(level) = message.get("log").and_then(Value::as_str) {
            log(level, who, message.get("text"));
            continue;
        }
        let answer = match env {
            Some(env) => serve(env, who, &message)?,
            None => Err(Failure::command(
                "no function can be called while grains are collected",
            )),
        };
        let answer = match answer {
            Ok(value) => json!({"return": value}),
            Err(Failure::Exception { kind, text }) => json!({"error": text, "kind": kind}),
            Err(failure) => json!({"error": failure.to_string(), "kind": kind(&failure)}),
        };
        dialog.say(&answer.to_string());
    }
}

fn say(dialog: &mut Dialog, request: &Map<String, Value>) {
    let mut request = request.clone();
    request.insert("version".to_owned(), json!(VERSION));
    dialog.say(&Value::Object(request).to_string());
}

fn ended(dialog: &mut Dialog, who: &str, env: Option<&Env>) -> Failure {
    if env.is_some_and(|env| env.cancel.is_cancelled()) {
        return Failure::command(format!("{who}: it was ended with the job"));
    }
    let told = dialog.told();
    let told = if told.is_empty() {
        told
    } else {
        format!(": {told}")
    };
    Failure::command(format!("{who}: it ended without an answer{told}"))
}

fn log(level: &str, who: &str, text: Option<&Value>) {
    let text = text.map(python::text).unwrap_or_default();
    match level {
        "critical" | "error" => tracing::error!(module = who, "{text}"),
        "warning" => tracing::warn!(module = who, "{text}"),
        "info" => tracing::info!(module = who, "{text}"),
        _ => tracing::debug!(module = who, "{text}"),
    }
}

/// Does what a module asks for. The outer error is that it asks for what there is not.
fn serve(
    env: &Env,
    who: &str,
    message: &Map<String, Value>,
) -> Result<Result<Value, Failure>, Failure> {
    let word = |key: &str| message.get(key).and_then(Value::as_str);
    let args = message.get("args").and_then(Value::as_array).cloned();
    let kwargs = message.get("kwargs").and_then(Value::as_object).cloned();
    let (args, kwargs) = (args.unwrap_or_default(), kwargs.unwrap_or_default());
    let is_state = word("kind").or(word("names")) == Some("states");
    if let Some(fun) = word("call") {
        let call = Call {
            fun: fun.to_owned(),
            args,
            kwargs,
        };
        return Ok(env.call(&call).map(|outcome| outcome.value));
    }
    if let Some(fun) = word("state") {
        let is_test = message.get("test").is_some_and(python::truthy);
        return Ok(call_state(env, fun, args, kwargs, is_test));
    }
    if let Some(fun) = word("has") {
        let has = if is_state {
            env.registry.has_state(fun)
        } else {
            env.has(fun)
        };
        return Ok(Ok(json!(has)));
    }
    if message.contains_key("names") {
        let names = if is_state {
            env.registry.state_names()
        } else {
            env.registry.names()
        };
        return Ok(Ok(json!(names)));
    }
    let words = Value::Object(message.clone())
        .to_string()
        .chars()
        .take(200)
        .collect::<String>();
    Err(Failure::command(format!(
        "{who}: it says what is no part of the protocol: {words}"
    )))
}

/// A state function, called by another one with its own arguments.
fn call_state(
    env: &Env,
    fun: &str,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
    is_test: bool,
) -> Result<Value, Failure> {
    let (state, function) = fun
        .split_once('.')
        .ok_or_else(|| Failure::invocation(format!("'{fun}' is no state function")))?;
    let mut low = env.registry.named_as_state(fun, args)?;
    low.extend(kwargs);
    low.insert("state".to_owned(), json!(state));
    low.insert("fun".to_owned(), json!(function));
    let surroundings = StateEnv {
        env,
        is_test,
        low: &low,
        records: &Map::new(),
        shared: &Shared::default(),
    };
    let returned = env.registry.state(&surroundings);
    let mut answer = returned.others.clone();
    let name = returned.name.map(Value::String);
    let known = [
        (
            "name",
            name.or_else(|| low.get("name").cloned())
                .unwrap_or_default(),
        ),
        ("result", returned.result.map_or(Value::Null, Value::Bool)),
        ("changes", Value::Object(returned.changes)),
        ("comment", json!(returned.comment)),
    ];
    answer.extend(known.map(|(key, value)| (key.to_owned(), value)));
    Ok(Value::Object(answer))
}

/// The exception of Salt that a failure is.
fn kind(failure: &Failure) -> &str {
    match failure {
        Failure::Command(_) | Failure::Traceback(_) => "CommandExecutionError",
        Failure::MissingProgram(_) => "CommandNotFoundError",
        Failure::Invocation(_) => "SaltInvocationError",
        Failure::Arguments(_) => "TypeError",
        Failure::Unknown(_) => "KeyError",
        Failure::Exception { kind, .. } => kind,
    }
}
