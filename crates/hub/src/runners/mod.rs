//! Runners and wheel functions: what the hub itself answers, over the whole tree, by the names in Salt.
//!
//! A module is a file here with a table of its functions, and a line in [`MODULES`]. What is said of a function there is what
//! `doc.runner`, `runner --list` and the generated page show.

mod cache;
mod call;
mod config;
mod desk;
mod doc;
mod fileserver;
mod jobs;
mod key;
mod manage;
mod matching;
mod minions;
mod pillar;
mod salt;
mod saltutil;
mod state;
mod survey;
mod test;

use access::Area;
use data::signature::Signature;
use events::Event;
use serde_json::{Map, Value, json};
use wire::control::{FailureKind, RunnerAsk, Tell};
use wire::{Jid, Json, limits};

pub(crate) use self::call::Call;
use self::call::{Answer, Answering, Trouble};
pub use self::desk::RunnerDesk;
use crate::caller::Caller;
use crate::control::failed;
use crate::report;
use crate::service::Service;

/// All modules.
const MODULES: &[(Kind, &[Runner])] = &[
    (Kind::Runner, cache::RUNNERS),
    (Kind::Runner, doc::RUNNERS),
    (Kind::Runner, fileserver::RUNNERS),
    (Kind::Runner, jobs::RUNNERS),
    (Kind::Runner, manage::RUNNERS),
    (Kind::Runner, matching::RUNNERS),
    (Kind::Runner, pillar::RUNNERS),
    (Kind::Runner, salt::RUNNERS),
    (Kind::Runner, saltutil::RUNNERS),
    (Kind::Runner, state::RUNNERS),
    (Kind::Runner, survey::RUNNERS),
    (Kind::Runner, test::RUNNERS),
    (Kind::Wheel, config::RUNNERS),
    (Kind::Wheel, key::RUNNERS),
    (Kind::Wheel, minions::RUNNERS),
];

/// Where Salt has a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Called as it is named.
    Runner,
    /// Called as it is named, or with `wheel.` before its name.
    Wheel,
}

/// One function.
pub struct Runner {
    /// Its name: module.function.
    pub name: &'static str,
    /// Its arguments, in Python's notation.
    pub signature: &'static str,
    /// What it does: a sentence that begins a line of a table, and what else there is to know.
    pub doc: &'static str,
    call: for<'a> fn(Call<'a>) -> Answering<'a>,
}

/// A row of a module's table.
macro_rules! runner {
    ($name:literal, $signature:literal, $call:path, $doc:expr $(,)?) => {
        $crate::runners::Runner {
            name: $name,
            signature: $signature,
            doc: $doc,
            call: |call| Box::pin($call(call)),
        }
    };
}
use runner;

/// All functions, as they are to be shown: with `wheel.` where Salt has them in wheel modules, sorted.
pub fn all() -> Vec<(String, &'static Runner)> {
    let mut all: Vec<_> = MODULES
        .iter()
        .flat_map(|(kind, runners)| runners.iter().map(|runner| (*kind, runner)))
        .map(|(kind, runner)| match kind {
            Kind::Runner => (runner.name.to_owned(), runner),
            Kind::Wheel => (format!("wheel.{}", runner.name), runner),
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn find(fun: &str) -> Option<(Kind, &'static Runner)> {
    let (name, wheel_alone) = match fun.strip_prefix("wheel.") {
        Some(name) => (name, true),
        None => (fun, false),
    };
    MODULES
        .iter()
        .filter(|(kind, _)| *kind == Kind::Wheel || !wheel_alone)
        .flat_map(|(kind, runners)| runners.iter().map(|runner| (*kind, runner)))
        .find(|(_, runner)| runner.name == name)
}

/// The arguments of a function; None when there is none of this name.
pub(crate) fn signature(fun: &str) -> Option<Signature> {
    find(fun).and_then(|(_, runner)| Signature::parse(runner.signature))
}

/// Whether there is a function of this name.
pub(crate) fn is_known(fun: &str) -> bool {
    find(fun).is_some()
}

/// What a user of this host needs who is not the hub's own to call a function.
pub(crate) fn area(fun: &str) -> Area {
    match find(fun) {
        Some((Kind::Wheel, _)) => Area::Wheel,
        // Secrets are in pillars.
        Some((_, runner)) if runner.name.starts_with("pillar.") => Area::Wheel,
        Some((_, runner)) if runner.name.starts_with("jobs.") => Area::Jobs,
        _ => Area::Runner,
    }
}

impl Service {
    /// Calls a runner with the rights of `caller`, and says its answer or why there is none.
    pub(crate) async fn runner(&self, caller: &Caller, ask: &RunnerAsk) -> anyhow::Result<Tell> {
        let (args, kwargs) = match arguments(ask) {
            Ok(arguments) => arguments,
            Err(text) => return Ok(failed(FailureKind::Usage, text)),
        };
        let Some((kind, runner)) = find(&ask.fun) else {
            return Ok(failed(FailureKind::NotFound, unknown(&ask.fun)));
        };
        let signature = Signature::parse(runner.signature).unwrap_or_default();
        let bound = match signature.bind(runner.name, &args, &kwargs) {
            Ok(bound) => bound,
            Err(misfit) => {
                let text = format!("{misfit}. It is {}({})", runner.name, runner.signature);
                return Ok(failed(FailureKind::Usage, text));
            }
        };
        let now = self.engine.clock().now();
        let jid = self.jobs.next_jid(now);
        let jid = jid.unwrap_or_else(|| self.runners.next_jid(now));
        tracing::info!(%jid, user = ask.user, fun = ask.fun, "a runner is called");
        let words = json!({
            "fun": format!("{}.{}", kind.word(), runner.name),
            "fun_args": report::listed(args, kwargs),
            "jid": jid.to_string(),
            "user": ask.user,
        });
        let Some(_entered) = self.runners.enter(jid, words.clone()) else {
            let text = "too many runners are under way at this hub; try again";
            return Ok(failed(FailureKind::Refused, text));
        };
        self.announce(kind, jid, "new", || words.clone());
        let call = Call {
            service: self,
            caller,
            user: &ask.user,
            jid,
            kind,
            fun: runner.name,
            args: bound,
        };
        let answered = (runner.call)(call).await;
        let answered = match answered {
            Ok(answer) => fitting(answer),
            failed => failed,
        };
        self.announce(kind, jid, "ret", || returned(&words, &answered));
        match answered {
            Ok(Answer { value, retcode }) => Ok(Tell::Value {
                value: value.to_string().into_bytes().into(),
                retcode,
            }),
            Err(Trouble::Failure(failure)) => Ok(Tell::Failed(failure)),
            Err(Trouble::Broken(error)) => Err(error),
        }
    }

    /// Makes an event of a call, where it is read.
    fn announce(&self, kind: Kind, jid: Jid, what: &str, data: impl FnOnce() -> Value) {
        let tag = format!("salt/{}/{jid}/{what}", kind.tag());
        if self.bus.is_read(&tag)
            && let Value::Object(data) = data()
        {
            let now = self.engine.clock().now();
            self.bus.publish(&Event::of_hub(tag, data, now));
        }
    }
}

impl Kind {
    /// The word before a function's name.
    fn word(self) -> &'static str {
        match self {
            Kind::Runner => "runner",
            Kind::Wheel => "wheel",
        }
    }

    /// The word in the tags of events.
    fn tag(self) -> &'static str {
        match self {
            Kind::Runner => "run",
            Kind::Wheel => "wheel",
        }
    }
}

/// An answer that fits into a frame, or why it does not.
fn fitting(answer: Answer) -> Result<Answer, Trouble> {
    let bytes = answer.value.to_string().len();
    match bytes <= limits::MAX_RETURN {
        true => Ok(answer),
        false => Err(Trouble::refused(format!(
            "the answer has {bytes} bytes, and at most {} travel: ask for less of it",
            limits::MAX_RETURN
        ))),
    }
}

/// The event of what came out, in Salt's shape.
fn returned(words: &Value, answered: &Result<Answer, Trouble>) -> Value {
    let (value, success) = match answered {
        Ok(answer) => (answer.value.clone(), answer.retcode == 0),
        Err(Trouble::Failure(failure)) => (failure.text.as_str().into(), false),
        Err(Trouble::Broken(error)) => (format!("{error:#}").into(), false),
    };
    let mut data = words.clone();
    data["return"] = value;
    data["success"] = success.into();
    data
}

/// Positional and named arguments.
pub(crate) fn arguments(ask: &RunnerAsk) -> Result<(Vec<Value>, Map<String, Value>), String> {
    let read = |json: &Json| -> Result<Value, String> {
        serde_json::from_slice(json).map_err(|error| format!("the arguments are no JSON: {error}"))
    };
    match (read(&ask.args)?, read(&ask.kwargs)?) {
        (Value::Array(args), Value::Object(kwargs)) => Ok((args, kwargs)),
        _ => Err("arguments are a list and a map".to_owned()),
    }
}

/// Words for a name that nothing has: those of the same module, or the modules.
fn unknown(fun: &str) -> String {
    let bare = fun.strip_prefix("wheel.").unwrap_or(fun);
    let module = bare.split('.').next().unwrap_or(bare);
    let of = |name: &'static str| name.split('.').next().unwrap_or(name);
    let all = MODULES.iter().flat_map(|(_, runners)| runners.iter());
    let near: Vec<&str> = all
        .clone()
        .map(|runner| runner.name)
        .filter(|name| of(name) == module)
        .collect();
    if near.is_empty() {
        let mut modules: Vec<&str> = all.map(|runner| of(runner.name)).collect();
        modules.sort_unstable();
        modules.dedup();
        format!(
            "there is no runner {fun}; there are those of {}",
            modules.join(", ")
        )
    } else {
        format!(
            "there is no runner {fun}; near ones are {}",
            near.join(", ")
        )
    }
}

#[cfg(test)]
mod tests;
