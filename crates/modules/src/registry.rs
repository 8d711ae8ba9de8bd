//! The table of all functions.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use sls::compile::{Chunk, Return};

use crate::call::{Call, Outcome};
use crate::cancel::Cancel;
use crate::context::Context;
use crate::environment;
use crate::failure::Failure;
use crate::functions;
use crate::pattern;
use crate::python;
use crate::signature::{Args, Signature};
use crate::states::{self, StateEnv, StateFunction};

/// A name this similar (0 to 1, Jaro-Winkler) is offered instead of an unknown one.
const SIMILAR_ENOUGH: f64 = 0.85;

/// A row of the table of functions.
pub(crate) struct Function {
    /// Full name, `module.function`.
    pub(crate) name: &'static str,
    /// Parameters in Python's notation.
    pub(crate) signature: &'static str,
    /// What it does, for `sys.doc`.
    pub(crate) doc: &'static str,
    /// A call, as an operator types it after the target.
    pub(crate) example: &'static str,
    /// Answers from memory, within microseconds.
    pub(crate) quick: bool,
    /// The function itself.
    pub(crate) run: fn(&Args, &Env) -> Result<Value, Failure>,
}

impl Function {
    pub(crate) const fn new(
        name: &'static str,
        signature: &'static str,
        doc: &'static str,
        example: &'static str,
        run: fn(&Args, &Env) -> Result<Value, Failure>,
    ) -> Function {
        Function {
            name,
            signature,
            doc,
            example,
            quick: false,
            run,
        }
    }

    /// The same, marked as one that answers from memory.
    pub(crate) const fn quick(mut self) -> Function {
        self.quick = true;
        self
    }

    pub(crate) fn text(&self) -> String {
        format!(
            "{}\n\nCLI Example:\n\n    run '*' {}\n",
            self.doc, self.example
        )
    }
}

/// The surroundings of one running function.
pub(crate) struct Env<'a> {
    pub(crate) fun: &'a str,
    pub(crate) ctx: &'a dyn Context,
    pub(crate) cancel: &'a Cancel,
    pub(crate) registry: &'a Registry,
    retcode: Cell<i32>,
}

impl<'a> Env<'a> {
    pub(crate) fn new(
        fun: &'a str,
        ctx: &'a dyn Context,
        cancel: &'a Cancel,
        registry: &'a Registry,
    ) -> Env<'a> {
        Env {
            fun,
            ctx,
            cancel,
            registry,
            retcode: Cell::new(0),
        }
    }

    /// Sets the return code of the call, for functions that answer a value and yet report a failure.
    pub(crate) fn set_retcode(&self, retcode: i32) {
        self.retcode.set(retcode);
    }

    /// Calls another function under the same cancel.
    pub(crate) fn call(&self, call: &Call) -> Result<Outcome, Failure> {
        self.registry.invoke(call, self.ctx, self.cancel)
    }
}

/// All functions of a minion, by name.
pub struct Registry {
    functions: BTreeMap<&'static str, Entry>,
    states: BTreeMap<&'static str, StateEntry>,
}

struct StateEntry {
    function: &'static StateFunction,
    signature: Signature,
}

struct Entry {
    function: &'static Function,
    signature: Signature,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// The table with every function that this crate has.
    pub fn new() -> Registry {
        let functions = functions::MODULES
            .iter()
            .flat_map(|module| module.iter())
            .filter_map(|function| {
                // A test proves that every signature parses; a broken one would leave its function out.
                let signature = Signature::parse(function.signature)?;
                Some((
                    function.name,
                    Entry {
                        function,
                        signature,
                    },
                ))
            })
            .collect();
        let states = states::MODULES
            .iter()
            .flat_map(|module| module.iter())
            .filter_map(|function| {
                let signature = Signature::parse(function.signature)?;
                Some((
                    function.name,
                    StateEntry {
                        function,
                        signature,
                    },
                ))
            })
            .collect();
        Registry { functions, states }
    }

    /// Whether there is an execution function of this name.
    pub(crate) fn has(&self, fun: &str) -> bool {
        self.functions.contains_key(canonical(fun))
    }

    /// The signature of an execution function.
    pub(crate) fn signature(&self, fun: &str) -> Option<&Signature> {
        self.functions
            .get(canonical(fun))
            .map(|entry| &entry.signature)
    }

    /// Whether there is a state function of this name, `file.managed`.
    pub(crate) fn has_state(&self, fun: &str) -> bool {
        self.states.contains_key(fun)
    }

    /// Whether a state function has a parameter of this name.
    pub(crate) fn state_takes(&self, fun: &str, parameter: &str) -> bool {
        self.states
            .get(fun)
            .is_some_and(|entry| entry.signature.has(parameter))
    }

    /// Why a chunk cannot be called at all, as Salt looks for it before anything else: its name, its function, its parameters.
    pub(crate) fn state_refused(&self, surroundings: &StateEnv<'_>) -> Option<Return> {
        let low = surroundings.low;
        let name = low.get("name").unwrap_or(&Value::Null);
        if python::truthy(name) && !name.is_string() {
            let sls = low.get("__sls__").map(python::text);
            let place = sls.map_or(String::new(), |sls| format!("in SLS '{sls}' "));
            let (id, class) = (python::text(name), python::type_name(name));
            let kind = class.trim_start_matches("<class '").trim_end_matches("'>");
            let text = format!("ID '{id}' {place}is not formed as a string, but is a {kind}\n");
            return Some(states::returned(false, text));
        }
        let chunk = Chunk(low.clone());
        let fun = format!("{}.{}", chunk.state(), chunk.fun());
        let Some(entry) = self.states.get(fun.as_str()) else {
            return Some(surroundings.not_loaded(&fun, &format!("'{fun}' is not available.")));
        };
        let missing = entry.signature.missing_in_state(&fun, low)?;
        Some(states::returned(false, missing))
    }

    /// Calls the state function of a chunk on this thread. Whatever goes wrong is a failed state: a panic, an error, arguments that do not fit.
    pub(crate) fn state(&self, surroundings: &StateEnv<'_>) -> Return {
        let chunk = Chunk(surroundings.low.clone());
        let fun = format!("{}.{}", chunk.state(), chunk.fun());
        let Some(entry) = self.states.get(fun.as_str()) else {
            return surroundings.not_loaded(&fun, &format!("'{fun}' is not available."));
        };
        let args = match entry
            .signature
            .bind_state(&fun, &chunk.0, sls::compile::is_for_engine)
        {
            Ok(args) => args,
            Err(failure) => return broken(&failure),
        };
        let run = AssertUnwindSafe(|| (entry.function.run)(&args, surroundings));
        let answer = catch_unwind(run).unwrap_or_else(|panic| {
            let text = panic_text(panic.as_ref());
            tracing::error!(fun, "a state function broke: {text}");
            Err(Failure::exception("panic", text))
        });
        answer.unwrap_or_else(|failure| broken(&failure))
    }

    /// Runs a function to its end on this thread. Never panics: a panic of a function becomes a failed outcome.
    pub fn call(&self, call: &Call, ctx: &dyn Context, cancel: &Cancel) -> Outcome {
        let _scope = environment::scope();
        self.invoke(call, ctx, cancel).unwrap_or_else(|failure| {
            let doc = self
                .functions
                .get(canonical(&call.fun))
                .map(|entry| entry.function.text());
            Outcome::failed(failure.render(&call.fun, &doc.unwrap_or_default()))
        })
    }

    fn invoke(&self, call: &Call, ctx: &dyn Context, cancel: &Cancel) -> Result<Outcome, Failure> {
        let Some(entry) = self.functions.get(canonical(&call.fun)) else {
            return Err(Failure::Unknown(self.unknown(&call.fun)));
        };
        let env = Env::new(entry.function.name, ctx, cancel, self);
        let args = entry.signature.bind(call)?;
        let run = AssertUnwindSafe(|| (entry.function.run)(&args, &env));
        let value = catch_unwind(run).unwrap_or_else(|panic| {
            let text = panic_text(panic.as_ref());
            tracing::error!(fun = entry.function.name, "a function broke: {text}");
            Err(Failure::exception("panic", text))
        })?;
        let retcode = match env.retcode.get() {
            0 if reports_failure(&value) => Outcome::GENERIC_FAILURE,
            retcode => retcode,
        };
        Ok(Outcome {
            value,
            retcode,
            success: retcode == 0,
        })
    }

    /// The names of all functions, in order.
    pub fn functions(&self) -> impl Iterator<Item = &'static str> {
        self.functions.keys().copied()
    }

    /// Documentation by function name: of one function, of a module (`test`), of names that match a pattern
    /// (`test.*`), or of all for the empty name.
    pub fn doc(&self, name_or_module: &str) -> BTreeMap<String, String> {
        self.select(name_or_module)
            .map(|(name, entry)| (name.to_owned(), entry.function.text()))
            .collect()
    }

    /// Whether a function answers from memory within microseconds, so that the caller may run it inline.
    pub fn is_quick(&self, fun: &str) -> bool {
        self.functions
            .get(canonical(fun))
            .is_some_and(|entry| entry.function.quick)
    }

    /// Whether a function looks at or orders about other jobs: it has to get through when all places are taken.
    pub fn is_control(&self, fun: &str) -> bool {
        fun.starts_with("saltutil.") || crate::apply::HARMLESS.contains(&fun)
    }

    /// Arguments and defaults by function name; selected as [`Registry::doc`] does.
    pub(crate) fn argspec(&self, name_or_module: &str) -> BTreeMap<String, Value> {
        self.select(name_or_module)
            .map(|(name, entry)| (name.to_owned(), entry.signature.report()))
            .collect()
    }

    /// The names of all state functions, in order.
    pub(crate) fn states(&self) -> impl Iterator<Item = &'static str> {
        self.states.keys().copied()
    }

    /// Documentation of a state function.
    pub(crate) fn state_doc(&self, fun: &str) -> Option<&'static str> {
        self.states.get(fun).map(|entry| entry.function.doc)
    }

    /// Arguments and defaults of a state function.
    pub(crate) fn state_argspec(&self, fun: &str) -> Option<Value> {
        self.states.get(fun).map(|entry| entry.signature.report())
    }

    fn select<'a>(&'a self, wanted: &str) -> impl Iterator<Item = (&'static str, &'a Entry)> {
        let exact = canonical(wanted).to_owned();
        // "sys" and "sys." mean the module sys, never sysctl.
        let prefix = if wanted.is_empty() || wanted.ends_with('.') {
            wanted.to_owned()
        } else {
            format!("{wanted}.")
        };
        let glob = wanted.contains('*').then(|| pattern::glob(wanted, false));
        self.functions
            .iter()
            .map(|(name, entry)| (*name, entry))
            .filter(move |(name, _)| match &glob {
                Some(glob) => glob.as_ref().is_some_and(|glob| glob.is_match(name)),
                None => *name == exact || name.starts_with(&prefix),
            })
    }

    fn unknown(&self, fun: &str) -> String {
        let mut text = format!("'{fun}' is not available.");
        let similarity = |name: &&str| strsim::jaro_winkler(name, fun);
        let nearest = self
            .functions()
            .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        if let Some(nearest) = nearest.filter(|nearest| similarity(nearest) >= SIMILAR_ENOUGH) {
            text.push_str(&format!(" Did you mean '{nearest}'?"));
        }
        text
    }
}

/// Salt accepts the Python names of functions whose names are words of Python: `test.true_`.
fn canonical(fun: &str) -> &str {
    fun.strip_suffix('_').unwrap_or(fun)
}

/// A dictionary that says of itself that it failed (`result` or `success` is false) is a failure.
fn reports_failure(value: &Value) -> bool {
    let false_at = |key| value.get(key).is_some_and(|value| !python::truthy(value));
    value.is_object() && (false_at("result") || false_at("success"))
}

/// A state whose function broke off.
fn broken(failure: &Failure) -> Return {
    states::returned(
        false,
        format!("An exception occurred in this state: {failure}"),
    )
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "unknown reason".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn every_row_is_whole() {
        let mut names = std::collections::BTreeSet::new();
        for function in functions::MODULES.iter().flat_map(|module| module.iter()) {
            let name = function.name;
            assert!(names.insert(name), "{name} stands twice in the tables");
            assert!(
                Signature::parse(function.signature).is_some(),
                "{name}: {}",
                function.signature
            );
            assert!(
                function.doc.ends_with('.'),
                "{name} has no documentation in whole sentences"
            );
            assert!(
                function.example.starts_with(name),
                "{name}: {}",
                function.example
            );
            assert!(!name.ends_with('_'), "{name}");
        }
        assert_eq!(Registry::new().functions().count(), names.len());
    }

    #[test]
    fn every_state_is_whole() {
        let mut names = std::collections::BTreeSet::new();
        for function in states::MODULES.iter().flat_map(|module| module.iter()) {
            let name = function.name;
            assert!(names.insert(name), "{name} stands twice in the tables");
            assert!(
                Signature::parse(function.signature).is_some(),
                "{name}: {}",
                function.signature
            );
            assert!(
                function.doc.ends_with('.'),
                "{name} has no documentation in whole sentences"
            );
        }
    }

    #[test]
    fn unknown_functions_are_named() {
        let host = Host::new();
        let check = |fun: &str, expected: &str| {
            let outcome = host.call(Call::new(fun));
            assert_eq!(
                (outcome.value, outcome.retcode, outcome.success),
                (json!(expected), 1, false)
            );
        };
        check(
            "tets.ping",
            "'tets.ping' is not available. Did you mean 'test.ping'?",
        );
        check("zzz", "'zzz' is not available.");
        check("", "'' is not available.");
    }

    #[test]
    fn documentation_is_selected() {
        let registry = Registry::new();
        let check =
            |wanted: &str, count: usize| assert_eq!(registry.doc(wanted).len(), count, "{wanted}");
        check("test.ping", 1);
        check("test.true_", 1);
        check(
            "test.t*",
            registry
                .functions()
                .filter(|name| name.starts_with("test.t"))
                .count(),
        );
        check("", registry.functions().count());
        check("tes", 0);
        assert!(registry.doc("test")["test.ping"].contains("run '*' test.ping"));
        assert!(
            registry.is_quick("test.ping")
                && !registry.is_quick("cmd.run")
                && !registry.is_quick("nope")
        );
    }

    #[test]
    fn failures_use_the_words_of_salt() {
        let host = Host::new();
        let check = |call: Call, expected: &str| {
            let outcome = host.call(call);
            let text = outcome.value.as_str().unwrap().to_owned();
            assert!(
                text.starts_with(expected) && !outcome.success && outcome.retcode == 1,
                "{text}"
            );
        };
        check(
            Call::new("test.echo"),
            "Passed invalid arguments to test.echo: echo() missing 1 required positional argument: 'text'\n",
        );
        check(
            Call::new("test.ping").kwarg("x", 1),
            "ERROR executing 'test.ping': The following keyword arguments are not valid: x=1",
        );
        check(
            Call::new("test.exception").arg("no"),
            "The minion function caused an exception: Exception: no",
        );
    }

    #[test]
    fn a_panic_stays_inside() {
        static BROKEN: Function =
            Function::new("test.broken", "", "Breaks.", "test.broken", |_, _| {
                panic!("on {}", "purpose")
            });
        let entry = Entry {
            function: &BROKEN,
            signature: Signature::default(),
        };
        let registry = Registry {
            functions: [(BROKEN.name, entry)].into_iter().collect(),
            states: BTreeMap::new(),
        };
        let outcome = registry.call(&Call::new("test.broken"), &Host::new(), &Cancel::new());
        assert_eq!(
            outcome,
            Outcome::failed("The minion function caused an exception: panic: on purpose")
        );
    }
}
