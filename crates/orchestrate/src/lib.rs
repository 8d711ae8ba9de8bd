//! The state functions of orchestrations, `salt.*` and those of `test` that touch no host: what each wants done, and what came of it.
//!
//! Pure: [`deed`] reads what a state says, the caller does it, and hands what came out to the judge that stands in the deed. Comments,
//! changes and results are those of Salt's `saltmod`, except where a minion does not return: there it is a failure, with its reason.

mod job;
mod outcome;
mod runner;
mod runners;
mod wait;

use data::signature::{Bound, Signature};
use serde_json::{Map, Value};
use sls::compile::{Chunk, Return, is_for_engine};
use sls::probe::{Ground, PROBES, Probe};

pub use job::{Judge, Order};
pub use runner::{Answer, Client, Invocation, returned_by};
pub use runners::returned_by_all;
pub use wait::Waiting;

/// What a state wants done.
#[derive(Debug)]
pub enum Deed {
    /// Nothing: this is its return.
    None(Return),
    /// A job on minions.
    Order(Box<Order>),
    /// A function of the hub.
    Invoke(Invocation),
    /// Runners beside each other, each with its name in the state.
    InvokeAll(Vec<(String, Invocation)>),
    /// Events are waited for.
    Wait(Waiting),
}

type Read = fn(&State<'_>) -> Result<Deed, String>;

/// The state functions with their parameters in Python's notation.
const STATES: &[(&str, &str, Read)] = &[
    ("salt.state", job::STATE, job::state),
    ("salt.function", job::FUNCTION, job::function),
    ("salt.runner", "name, **kwargs", |state| {
        Ok(runner::invoke(state, Client::Runner))
    }),
    ("salt.wheel", "name, **kwargs", |state| {
        Ok(runner::invoke(state, Client::Wheel))
    }),
    (
        "salt.parallel_runners",
        "name, runners, **kwargs",
        runners::invoke_all,
    ),
    (
        "salt.wait_for_event",
        "name, id_list, event_id='id', timeout=300, node='master'",
        wait::wait,
    ),
];

/// Whether there is a state function of this name.
pub fn has(function: &str) -> bool {
    STATES.iter().any(|(name, ..)| *name == function) || probe_of(function).is_some()
}

fn probe_of(function: &str) -> Option<&'static Probe> {
    PROBES.iter().copied().find(|probe| probe.name == function)
}

/// What a state of `test` returns; None for any other. Its error is what is wrong with its arguments.
pub fn probe(chunk: &Chunk, ground: &dyn Ground) -> Option<Result<Return, String>> {
    let function = format!("{}.{}", chunk.state(), chunk.fun());
    let probe = probe_of(&function)?;
    let signature = Signature::parse(probe.signature).unwrap_or_default();
    let args = signature.bind_state(&function, &chunk.0, is_for_engine);
    let answer = args
        .map_err(|misfit| misfit.to_string())
        .and_then(|args| (probe.run)(&args, ground));
    Some(answer)
}

/// What a state wants done; nothing may change when `is_test`. `failhard` is the setting of the run.
///
/// # Errors
/// What is wrong with its arguments, in Salt's words where Salt has some.
pub fn deed(chunk: &Chunk, is_test: bool, failhard: bool) -> Result<Deed, String> {
    let function = format!("{}.{}", chunk.state(), chunk.fun());
    let Some((_, signature, read)) = STATES.iter().find(|(name, ..)| *name == function) else {
        return Err(format!(
            "State '{function}' was not found in SLS '{}'\nReason: a hub has states of salt and test; others are for minions, which salt.state reaches\n",
            chunk.sls()
        ));
    };
    let signature = Signature::parse(signature).unwrap_or_default();
    let args = signature
        .bind_state(&function, &chunk.0, is_for_engine)
        .map_err(|misfit| misfit.to_string())?;
    if let Some(name) = slot(&chunk.0) {
        return Err(format!(
            "{name} is a slot, and a hub does not fill slots: write the value in Jinja"
        ));
    }
    read(&State {
        args,
        is_test,
        failhard,
    })
}

/// A state as its function sees it.
struct State<'a> {
    args: Bound<'a>,
    is_test: bool,
    failhard: bool,
}

impl State<'_> {
    fn value(&self, name: &str) -> &Value {
        self.args.value(name)
    }

    fn name(&self) -> String {
        data::python::text(self.value("name"))
    }

    fn is_set(&self, name: &str) -> bool {
        data::python::truthy(self.value(name))
    }
}

/// The first argument that asks for a slot.
fn slot(said: &Map<String, Value>) -> Option<&str> {
    let is_slot = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.starts_with("__slot__:"))
    };
    let found = said.iter().find(|(_, value)| is_slot(value));
    found.map(|(name, _)| name.as_str())
}

/// A return without changes.
pub fn returned(result: impl Into<Option<bool>>, comment: impl Into<String>) -> Return {
    Return {
        result: result.into(),
        comment: comment.into(),
        ..Return::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn signatures_are_in_pythons_notation() {
        for (name, signature, _) in STATES {
            assert!(Signature::parse(signature).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_for_minions_is_told_so() {
        let chunk = |said: Value| Chunk(said.as_object().cloned().unwrap());
        let told = |said: Value| deed(&chunk(said), false, false).unwrap_err();
        let pkg =
            json!({"state": "pkg", "fun": "installed", "name": "x", "__id__": "x", "__sls__": "o"});
        assert!(told(pkg).contains("State 'pkg.installed' was not found in SLS 'o'"));
        let slot = json!({"state": "salt", "fun": "runner", "name": "x", "y": "__slot__:salt:test.echo(1)"});
        assert!(told(slot).starts_with("y is a slot"));
        let strange =
            json!({"state": "salt", "fun": "wait_for_event", "name": "x", "id_list": [], "y": 1});
        assert!(told(strange).contains("'y' is an invalid keyword argument"));
        let missing = json!({"state": "salt", "fun": "state", "name": "x"});
        assert_eq!(
            told(missing),
            "Missing parameter tgt for state salt.state\n"
        );
    }
}
