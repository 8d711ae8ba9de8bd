//! Runners and wheel functions: what the hub itself answers, over the whole tree, by the names in Salt.
//!
//! A module is a file here with a table of its functions, and a line in `MODULES`. What is said of a function there is what
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
mod mine;
mod minions;
mod pillar;
mod salt;
mod saltutil;
mod state;
mod survey;
mod test;

use std::sync::Arc;

use access::Area;
use data::signature::Signature;
use events::Event;
use serde_json::{Map, Value, json};
use wire::control::{Failure, FailureKind, RunnerAsk, Tell};
use wire::{Jid, Json, limits};

pub(crate) use self::call::Call;
use self::call::{Answer, Answering, Trouble};
pub use self::desk::RunnerDesk;
use crate::caller::Caller;
use crate::control::failed;
use crate::report;
use crate::service::Service;
use crate::store_work::on_store;

/// All modules.
const MODULES: &[(Kind, &[Runner])] = &[
    (Kind::Runner, cache::RUNNERS),
    (Kind::Runner, doc::RUNNERS),
    (Kind::Runner, fileserver::RUNNERS),
    (Kind::Runner, jobs::RUNNERS),
    (Kind::Runner, manage::RUNNERS),
    (Kind::Runner, matching::RUNNERS),
    (Kind::Runner, mine::RUNNERS),
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

impl Runner {
    /// Its arguments; a test reads all of them.
    fn parsed(&self) -> Signature {
        Signature::parse(self.signature).unwrap_or_default()
    }
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

/// A call whose arguments fit.
struct Prepared {
    kind: Kind,
    runner: &'static Runner,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
    jid: Jid,
}

impl Service {
    /// Calls a runner with the rights of `caller`, and says its answer or why there is none.
    pub(crate) async fn runner(&self, caller: &Caller, ask: &RunnerAsk) -> anyhow::Result<Tell> {
        match self.prepared(ask) {
            Ok(prepared) => self.carry_out(caller, ask, prepared).await,
            Err(failure) => Ok(Tell::Failed(failure)),
        }
    }

    /// As [`Service::runner`], beside who asks: says the id under which the answer will be found.
    pub(crate) fn detach_runner(self: &Arc<Self>, caller: Caller, ask: RunnerAsk) -> Tell {
        let prepared = match self.prepared(&ask) {
            Ok(prepared) => prepared,
            Err(failure) => return Tell::Failed(failure),
        };
        let (service, jid) = (self.clone(), prepared.jid);
        tokio::spawn(async move {
            match service.carry_out(&caller, &ask, prepared).await {
                Ok(Tell::Failed(failure)) => {
                    tracing::warn!(%jid, fun = ask.fun, "a runner failed: {}", failure.text);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%jid, fun = ask.fun, "a runner broke: {error:#}"),
            }
        });
        Tell::Accepted { jid, wait_ms: None }
    }

    /// Finds the function, looks whether the arguments fit, and gives the call its id.
    fn prepared(&self, ask: &RunnerAsk) -> Result<Prepared, Failure> {
        let usage = |text: String| Failure::new(FailureKind::Usage, text);
        let (args, kwargs) = arguments(ask).map_err(usage)?;
        let Some((kind, runner)) = find(&ask.fun) else {
            return Err(Failure::new(FailureKind::NotFound, unknown(&ask.fun)));
        };
        let signature = runner.parsed();
        signature
            .bind(runner.name, &args, &kwargs)
            .map_err(|misfit| {
                usage(format!(
                    "{misfit}. It is {}({})",
                    runner.name, runner.signature
                ))
            })?;
        let now = self.engine.clock().now();
        let jid = self.jobs.next_jid(now);
        Ok(Prepared {
            kind,
            runner,
            args,
            kwargs,
            jid: jid.unwrap_or_else(|| self.runners.next_jid(now)),
        })
    }

    async fn carry_out(
        &self,
        caller: &Caller,
        ask: &RunnerAsk,
        prepared: Prepared,
    ) -> anyhow::Result<Tell> {
        let Prepared {
            kind,
            runner,
            args,
            kwargs,
            jid,
        } = prepared;
        tracing::info!(%jid, user = ask.user, fun = ask.fun, "a runner is called");
        let words = json!({
            "fun": format!("{}.{}", kind.word(), runner.name),
            "fun_args": report::listed(args.clone(), kwargs.clone()),
            "jid": jid.to_string(),
            "user": ask.user,
        });
        let Some(_entered) = self.runners.enter(jid, words.clone()) else {
            let text = "too many runners are under way at this hub; try again";
            return Ok(failed(FailureKind::Refused, text));
        };
        self.announce(kind, jid, "new", words.clone());
        let signature = runner.parsed();
        let call = Call {
            service: self,
            caller,
            user: &ask.user,
            jid,
            kind,
            fun: runner.name,
            args: signature.bind(runner.name, &args, &kwargs)?,
        };
        let answered = match (runner.call)(call).await {
            Ok(answer) => fitting(answer),
            failed => failed,
        };
        let returned = returned(words, &answered);
        // Who hears of the end finds the answer.
        self.keep_call(jid, &returned).await?;
        self.announce(kind, jid, "ret", returned);
        match answered {
            Ok(Answer { value, retcode }) => Ok(Tell::Value {
                value: value.to_string().into_bytes().into(),
                retcode,
            }),
            Err(Trouble::Failure(failure)) => Ok(Tell::Failed(failure)),
            Err(Trouble::Broken(error)) => Err(error),
        }
    }

    async fn keep_call(&self, jid: Jid, returned: &Value) -> anyhow::Result<()> {
        let text = returned.to_string().into_bytes();
        Ok(on_store(&self.committer, move |store| store.keep_call(jid, &text)).await??)
    }

    /// What came of a call, as its event told it.
    async fn kept_call(&self, jid: Jid) -> anyhow::Result<Option<Value>> {
        let text = self.read(move |reader| reader.call(jid)).await?;
        Ok(text.map(|text| serde_json::from_slice(&text)).transpose()?)
    }

    /// Makes an event of a call, where it is read.
    fn announce(&self, kind: Kind, jid: Jid, what: &str, data: Value) {
        let tag = format!("salt/{}/{jid}/{what}", kind.tag());
        if self.bus.is_read(&tag)
            && let Value::Object(data) = data
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

/// What came out, in Salt's shape.
fn returned(mut data: Value, answered: &Result<Answer, Trouble>) -> Value {
    let (value, success) = match answered {
        Ok(answer) => (answer.value.clone(), answer.retcode == 0),
        Err(Trouble::Failure(failure)) => (failure.text.as_str().into(), false),
        Err(Trouble::Broken(error)) => (format!("{error:#}").into(), false),
    };
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
