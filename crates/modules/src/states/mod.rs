//! State functions, one file for each state module of Salt that is served.

mod alias;
mod alternatives;
mod apache;
mod archive;
mod augeas;
mod blockdev;
mod cmd;
mod cron;
mod debconf;
mod environ;
mod event;
mod file;
mod firewall;
mod firewalld;
mod gem;
mod git;
mod grains;
mod group;
mod host;
mod http;
mod ini;
mod iptables;
mod kmod;
mod locale;
mod logrotate;
mod module;
mod mount;
mod npm;
mod pip;
pub(crate) mod pkg;
mod pkgrepo;
mod postgres;
mod rabbitmq;
mod schedule;
mod selinux;
mod service;
mod ssh_auth;
mod ssh_known_hosts;
mod stateconf;
mod supervisord;
mod sysctl;
mod test;
mod text;
mod timezone;
mod user;
mod virtualenv;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
pub(crate) use sls::compile::Return;

use crate::call::Call;
pub(crate) use crate::failure::Failure;
use crate::registry::Env;
use crate::rendering;
pub(crate) use crate::signature::Args;

/// What a state function gives back. A failure makes the state fail with its text as the comment.
pub(crate) type StateAnswer = Result<Return, Failure>;

/// The tables of all state modules.
pub(crate) const MODULES: &[&[StateFunction]] = &[
    alias::STATES,
    alternatives::STATES,
    apache::STATES,
    archive::STATES,
    augeas::STATES,
    blockdev::STATES,
    cmd::STATES,
    cron::STATES,
    debconf::STATES,
    environ::STATES,
    event::STATES,
    file::STATES,
    firewall::STATES,
    firewalld::STATES,
    gem::STATES,
    git::STATES,
    grains::STATES,
    group::STATES,
    host::STATES,
    http::STATES,
    ini::STATES,
    iptables::STATES,
    kmod::STATES,
    locale::STATES,
    logrotate::STATES,
    module::STATES,
    mount::STATES,
    npm::STATES,
    pip::STATES,
    pkg::STATES,
    pkgrepo::STATES,
    postgres::STATES,
    rabbitmq::STATES,
    schedule::STATES,
    selinux::STATES,
    service::STATES,
    ssh_auth::STATES,
    ssh_known_hosts::STATES,
    stateconf::STATES,
    supervisord::STATES,
    sysctl::STATES,
    test::STATES,
    text::STATES,
    timezone::STATES,
    user::STATES,
    virtualenv::STATES,
];

/// A row of the table of state functions.
pub(crate) struct StateFunction {
    /// Full name, `module.function`.
    pub(crate) name: &'static str,
    /// Parameters in Python's notation; `name` is the first of nearly all.
    pub(crate) signature: &'static str,
    /// What it does, for `sys.state_doc`.
    pub(crate) doc: &'static str,
    /// The function itself.
    pub(crate) run: fn(&Args, &StateEnv) -> StateAnswer,
}

impl StateFunction {
    pub(crate) const fn new(
        name: &'static str,
        signature: &'static str,
        doc: &'static str,
        run: fn(&Args, &StateEnv) -> StateAnswer,
    ) -> StateFunction {
        StateFunction {
            name,
            signature,
            doc,
            run,
        }
    }
}

/// What all states of one run share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    notes: Mutex<BTreeMap<&'static str, Value>>,
}

impl Shared {
    /// What states noted under a name for those after them, such as the texts of `file.accumulated`.
    pub(crate) fn note(&self, name: &'static str) -> Value {
        self.notes().get(name).cloned().unwrap_or(Value::Null)
    }

    /// Changes what stands under a name; it is null at first.
    pub(crate) fn change<R>(&self, name: &'static str, change: impl FnOnce(&mut Value) -> R) -> R {
        change(self.notes().entry(name).or_insert(Value::Null))
    }

    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.notes().clear();
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<&'static str, Value>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The surroundings of one call of a state function.
pub(crate) struct StateEnv<'a> {
    /// What execution functions see too.
    pub(crate) env: &'a Env<'a>,
    /// Whether nothing may change and the function says what it would do.
    pub(crate) is_test: bool,
    /// All that the state says: its arguments, `__id__`, `__sls__`, `__env__`, requisites; for `mod_watch` also `sfun`, the function that
    /// is declared, and `__reqs__`.
    pub(crate) low: &'a Map<String, Value>,
    /// The records of the states that ran before, by tag.
    pub(crate) records: &'a Map<String, Value>,
    /// What all states of the run share.
    pub(crate) shared: &'a Shared,
}

impl StateEnv<'_> {
    /// The environment of files that the state itself comes from.
    pub(crate) fn saltenv(&self) -> String {
        let said = self.low.get("saltenv").or_else(|| self.low.get("__env__"));
        said.and_then(Value::as_str).unwrap_or("base").to_owned()
    }

    /// The id of the state in its SLS.
    pub(crate) fn id(&self) -> &str {
        self.low
            .get("__id__")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The return for a state whose module does not work on this host, in the words of Salt.
    pub(crate) fn not_loaded(&self, fun: &str, reason: &str) -> Return {
        let comment = match self.low.get("__sls__").and_then(Value::as_str) {
            Some(sls) => format!("State '{fun}' was not found in SLS '{sls}'\nReason: {reason}\n"),
            None => format!("Specified state '{fun}' was not found\n"),
        };
        returned(false, comment)
    }

    /// The answer of an execution function; its failure is one of the state.
    pub(crate) fn call(&self, call: &Call) -> Result<Value, Failure> {
        self.env.call(call).map(|outcome| outcome.value)
    }

    /// Calls another state function as a part of this state, with these arguments (`name` in them).
    pub(crate) fn state(&self, fun: &str, said: Map<String, Value>, is_test: bool) -> Return {
        let (state, function) = fun.split_once('.').unwrap_or((fun, ""));
        // Where the state stands in its tree holds for its parts too.
        let mut low: Map<String, Value> = self
            .low
            .iter()
            .filter(|(key, _)| key.starts_with("__"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        low.extend(said);
        low.insert("state".to_owned(), Value::from(state));
        low.insert("fun".to_owned(), Value::from(function));
        self.env.registry.state(&StateEnv {
            env: self.env,
            is_test,
            low: &low,
            records: self.records,
            shared: self.shared,
        })
    }

    /// Renders a template by its engine's name (`jinja`, or renderers such as `py`), as `file.managed` does with `template`. `path` is the source
    /// below the roots of `saltenv`, or on this host; `context` are more names.
    pub(crate) fn template(
        &self,
        engine: &str,
        saltenv: &str,
        path: &str,
        text: &[u8],
        context: Map<String, Value>,
    ) -> Result<String, Failure> {
        let source = sls::render::Source {
            saltenv,
            sls: self
                .low
                .get("__sls__")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            path,
            text,
            context,
        };
        rendering::template(self.env, &source, engine)
    }
}

/// A call that does the work of others of its kind too, where its state knows how: one call of the package manager for many packages. The
/// others find it done when their turn comes.
pub(crate) fn aggregated(mut call: Box<sls::compile::Call>) -> Box<sls::compile::Call> {
    if !call.group.is_empty() && call.chunk.state() == "pkg" {
        let mut group: Vec<_> = call.group.iter().map(|chunk| chunk.0.clone()).collect();
        call.chunk.0 = pkg::aggregate::aggregated(&call.chunk.0, &mut group);
    }
    call
}

/// A return with this result and comment and without changes.
pub(crate) fn returned(result: impl Into<Option<bool>>, comment: impl Into<String>) -> Return {
    Return {
        result: result.into(),
        comment: comment.into(),
        ..Return::default()
    }
}

/// The same with changes.
pub(crate) fn changed(
    result: impl Into<Option<bool>>,
    comment: impl Into<String>,
    changes: impl Into<Changes>,
) -> Return {
    Return {
        changes: changes.into().0,
        ..returned(result, comment)
    }
}

/// Changes as a map.
pub(crate) struct Changes(Map<String, Value>);

impl From<Map<String, Value>> for Changes {
    fn from(map: Map<String, Value>) -> Changes {
        Changes(map)
    }
}

impl From<Value> for Changes {
    /// What `json!({…})` makes; anything but a map is no change.
    fn from(value: Value) -> Changes {
        match value {
            Value::Object(map) => Changes(map),
            _ => Changes(Map::new()),
        }
    }
}
