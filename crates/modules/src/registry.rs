//! The table of all functions.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value};
use sls::compile::{Chunk, Return};
use sls::render::{Foreign, Functions};

use crate::call::{Call, Outcome};
use crate::cancel::Cancel;
use crate::context::Context;
use crate::custom::{self, Bridges, Catalog};
use crate::environment;
use crate::extensions;
use crate::failure::Failure;
use crate::fallback::{self, Salt};
use crate::functions;
use crate::pattern;
use crate::python;
use crate::rendering::Around;
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
    pub(crate) bridges: &'a Bridges,
    retcode: Cell<i32>,
}

impl<'a> Env<'a> {
    pub(crate) fn new(
        fun: &'a str,
        ctx: &'a dyn Context,
        cancel: &'a Cancel,
        registry: &'a Registry,
        bridges: &'a Bridges,
    ) -> Env<'a> {
        Env {
            fun,
            ctx,
            cancel,
            registry,
            bridges,
            retcode: Cell::new(0),
        }
    }

    /// Sets the return code of the call, for functions that answer a value and yet report a failure.
    pub(crate) fn set_retcode(&self, retcode: i32) {
        self.retcode.set(retcode);
    }

    /// Whether there is an execution function of this name: built in, custom, or of the Salt of this host.
    pub(crate) fn has(&self, fun: &str) -> bool {
        self.registry.has(fun) || Salt::of(self).is_some_and(|salt| salt.has(fun))
    }

    /// Calls another function under the same cancel.
    pub(crate) fn call(&self, call: &Call) -> Result<Outcome, Failure> {
        self.registry
            .invoke(call, self.ctx, self.cancel, self.bridges)
    }
}

/// A signature that is read when it is needed first: of a thousand functions a minion calls a few.
struct Lazy {
    text: &'static str,
    read: OnceLock<Signature>,
}

impl Lazy {
    fn of(text: &'static str) -> Lazy {
        Lazy {
            text,
            read: OnceLock::new(),
        }
    }
}

impl Deref for Lazy {
    type Target = Signature;

    fn deref(&self) -> &Signature {
        // A test proves that every signature parses.
        self.read
            .get_or_init(|| Signature::parse(self.text).unwrap_or_default())
    }
}

/// All functions of a minion, by name.
pub struct Registry {
    functions: BTreeMap<&'static str, Entry<Function>>,
    states: BTreeMap<&'static str, Entry<StateFunction>>,
    /// What custom modules offer; none before the first call that may use them.
    custom: Mutex<Option<Arc<Catalog>>>,
    /// What the Salt of this host has.
    pub(crate) salt: fallback::Known,
}

/// A row of a table, with its signature.
struct Entry<F: 'static> {
    function: &'static F,
    signature: Lazy,
}

/// The rows of all modules by their names; `words` are a row's name and signature.
fn table<F>(
    modules: &[&'static [F]],
    words: impl Fn(&F) -> (&'static str, &'static str),
) -> BTreeMap<&'static str, Entry<F>> {
    let rows = modules.iter().flat_map(|module| module.iter());
    rows.map(|function| {
        let (name, signature) = words(function);
        let signature = Lazy::of(signature);
        let entry = Entry {
            function,
            signature,
        };
        (name, entry)
    })
    .collect()
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// The table with every function that this crate has.
    pub fn new() -> Registry {
        let functions = table(functions::MODULES, |function| {
            (function.name, function.signature)
        });
        let states = table(states::MODULES, |function| {
            (function.name, function.signature)
        });
        Registry {
            functions,
            states,
            custom: Mutex::default(),
            salt: fallback::Known::default(),
        }
    }

    /// The table of a minion, with what its custom modules offer where its configuration lets them run.
    pub fn of_minion(options: &Value, cache_dir: &Path) -> Registry {
        let registry = Registry::new();
        if custom::are_on(options) {
            registry.set_catalog(Catalog::of_minion(cache_dir));
        }
        registry
    }

    /// What custom modules offer on this minion: nothing where its configuration does not let them run.
    pub(crate) fn catalog(&self, ctx: &dyn Context) -> Arc<Catalog> {
        if !custom::are_on(&ctx.options()) {
            return Arc::default();
        }
        let mut known = self.lock();
        known
            .get_or_insert_with(|| Arc::new(Catalog::of_minion(ctx.cache_dir())))
            .clone()
    }

    /// Replaces what custom modules offer.
    pub(crate) fn set_catalog(&self, catalog: Catalog) {
        *self.lock() = Some(Arc::new(catalog));
    }

    /// What custom modules offer as far as it was asked for.
    pub(crate) fn known(&self) -> Arc<Catalog> {
        self.lock().clone().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Catalog>>> {
        self.custom.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is an execution function of this name, built in or custom.
    pub(crate) fn has(&self, fun: &str) -> bool {
        self.functions.contains_key(canonical(fun)) || self.known().functions().contains_key(fun)
    }

    /// The names of all execution functions, built in and custom.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let custom = self.known();
        let built_in = self.functions().map(str::to_owned);
        built_in.chain(custom.functions().keys().cloned()).collect()
    }

    /// The names of all state functions, built in and custom.
    pub(crate) fn state_names(&self) -> BTreeSet<String> {
        let custom = self.known();
        let built_in = self.states().map(str::to_owned);
        built_in.chain(custom.states().keys().cloned()).collect()
    }

    /// Lends the signature of a state function, built in or custom.
    fn with_state_signature<R>(&self, fun: &str, work: impl FnOnce(&Signature) -> R) -> Option<R> {
        let custom = self.known();
        let signature = custom.states().get(fun).map(|entry| &entry.signature);
        let built_in = || self.states.get(fun).map(|entry| &*entry.signature);
        signature.or_else(built_in).map(work)
    }

    /// The signature of an execution function.
    pub(crate) fn signature(&self, fun: &str) -> Option<&Signature> {
        self.functions
            .get(canonical(fun))
            .map(|entry| &*entry.signature)
    }

    /// Whether there is a state function of this name, `file.managed`.
    pub(crate) fn has_state(&self, fun: &str) -> bool {
        self.states.contains_key(fun) || self.known().states().contains_key(fun)
    }

    /// Whether a state function has a parameter of this name.
    pub(crate) fn state_takes(&self, fun: &str, parameter: &str) -> bool {
        self.with_state_signature(fun, |signature| signature.has(parameter))
            .unwrap_or(false)
    }

    /// Arguments of a state function that are given by their places, under their names.
    pub(crate) fn named_as_state(
        &self,
        fun: &str,
        args: Vec<Value>,
    ) -> Result<Map<String, Value>, Failure> {
        let named = self.with_state_signature(fun, |signature| {
            let names = signature.parameters().map(|(name, _)| name.to_owned());
            if args.len() > names.size_hint().0 {
                let text = format!("{fun} does not take so many arguments");
                return Err(Failure::Arguments(text));
            }
            Ok(names.zip(args).collect())
        });
        named.unwrap_or_else(|| Err(Failure::Unknown(format!("'{fun}' is not available."))))
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
        let missing =
            self.with_state_signature(&fun, |signature| signature.missing_in_state(&fun, low));
        match missing {
            Some(missing) => Some(states::returned(false, missing?)),
            // The Salt of the host may have it.
            None if Salt::of(surroundings.env).is_some() => None,
            None => Some(self.unknown_state(&fun, surroundings)),
        }
    }

    /// Calls the state function of a chunk on this thread. Whatever goes wrong is a failed state: a panic, an error, arguments that do not fit.
    pub(crate) fn state(&self, surroundings: &StateEnv<'_>) -> Return {
        let chunk = Chunk(surroundings.low.clone());
        let fun = format!("{}.{}", chunk.state(), chunk.fun());
        let custom = self.catalog(surroundings.env.ctx);
        if let Some(entry) = custom.states().get(&fun) {
            return custom::state(entry, surroundings).unwrap_or_else(|failure| broken(&failure));
        }
        let Some(entry) = self.states.get(fun.as_str()) else {
            let handed_on = Salt::of(surroundings.env).and_then(|salt| salt.state(surroundings));
            return match handed_on {
                Some(answer) => answer.unwrap_or_else(|failure| broken(&failure)),
                None => self.unknown_state(&fun, surroundings),
            };
        };
        let is_engine = sls::compile::is_for_engine;
        let args = match Args::of_state(&entry.signature, &fun, &chunk.0, is_engine) {
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
        let bridges = Bridges::default();
        self.invoke(call, ctx, cancel, &bridges)
            .unwrap_or_else(|failure| {
                let mut doc = self.doc(&call.fun);
                let doc = doc.remove(canonical(&call.fun)).unwrap_or_default();
                Outcome::failed(failure.render(&call.fun, &doc))
            })
    }

    fn invoke(
        &self,
        call: &Call,
        ctx: &dyn Context,
        cancel: &Cancel,
        bridges: &Bridges,
    ) -> Result<Outcome, Failure> {
        let custom = self.catalog(ctx);
        if let Some(entry) = custom.functions().get(&call.fun) {
            let env = Env::new(&entry.name, ctx, cancel, self, bridges);
            return custom::function(entry, call, &env);
        }
        let Some(entry) = self.functions.get(canonical(&call.fun)) else {
            let env = Env::new(&call.fun, ctx, cancel, self, bridges);
            if let Some(answer) = Salt::of(&env).and_then(|salt| salt.function(call)) {
                return answer;
            }
            let reason = custom.why_not("modules", &call.fun).map(str::to_owned);
            let text = reason.unwrap_or_else(|| self.unknown(&call.fun));
            return Err(Failure::Unknown(text));
        };
        let env = Env::new(entry.function.name, ctx, cancel, self, bridges);
        let args = Args::of_call(&entry.signature, call)?;
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

    /// Lends functions and renderers to templates that no function renders, such as those of a pillar. They see them as state files do.
    pub fn lend<R>(
        &self,
        ctx: &dyn Context,
        work: impl FnOnce(&dyn Functions, &dyn Foreign) -> R,
    ) -> R {
        let (cancel, bridges) = (Cancel::new(), Bridges::default());
        let env = Env::new("slsutil.renderer", ctx, &cancel, self, &bridges);
        let around = Around(&env);
        work(&around, &around)
    }

    /// The names of all functions that are built in, in order.
    pub fn functions(&self) -> impl Iterator<Item = &'static str> {
        self.functions.keys().copied()
    }

    /// Documentation by function name: of one function, of a module (`test`), of names that match a pattern
    /// (`test.*`), or of all for the empty name.
    pub fn doc(&self, name_or_module: &str) -> BTreeMap<String, String> {
        let is_wanted = selection(name_or_module);
        let built_in = self.functions.iter().filter(|(name, _)| is_wanted(name));
        let mut docs: BTreeMap<String, String> = built_in
            .map(|(name, entry)| ((*name).to_owned(), entry.function.text()))
            .collect();
        for (name, entry) in self.known().functions() {
            if is_wanted(name) {
                let is_over = self.functions.contains_key(name.as_str());
                docs.insert(name.clone(), entry.text(is_over));
            }
        }
        docs
    }

    /// Whether a function answers from memory within microseconds, so that the caller may run it inline.
    pub fn is_quick(&self, fun: &str) -> bool {
        self.functions
            .get(canonical(fun))
            .is_some_and(|entry| entry.function.quick)
            && !self.known().functions().contains_key(fun)
    }

    /// Whether a function looks at or orders about other jobs: it has to get through when all places are taken.
    pub fn is_control(&self, fun: &str) -> bool {
        fun.starts_with("saltutil.") || crate::apply::HARMLESS.contains(&fun)
    }

    /// Arguments and defaults by function name; selected as [`Registry::doc`] does.
    pub(crate) fn argspec(&self, name_or_module: &str) -> BTreeMap<String, Value> {
        let is_wanted = selection(name_or_module);
        let built_in = self.functions.iter().filter(|(name, _)| is_wanted(name));
        let mut specs: BTreeMap<String, Value> = built_in
            .map(|(name, entry)| ((*name).to_owned(), entry.signature.report()))
            .collect();
        let custom = self.known();
        let custom = custom.functions().iter();
        let custom = custom.filter(|(name, _)| is_wanted(name));
        specs.extend(custom.map(|(name, entry)| (name.clone(), entry.signature.report())));
        specs
    }

    /// The names of all state functions that are built in, in order.
    pub fn states(&self) -> impl Iterator<Item = &'static str> {
        self.states.keys().copied()
    }

    /// Documentation of a state function.
    pub fn state_doc(&self, fun: &str) -> Option<String> {
        let custom = self.known();
        if let Some(entry) = custom.states().get(fun) {
            return Some(entry.text(self.states.contains_key(fun)));
        }
        self.states
            .get(fun)
            .map(|entry| entry.function.doc.to_owned())
    }

    /// Arguments and defaults of a state function.
    pub(crate) fn state_argspec(&self, fun: &str) -> Option<Value> {
        self.with_state_signature(fun, Signature::report)
    }

    /// The return for a state function that there is not, in Salt's words, and where it would be found.
    fn unknown_state(&self, fun: &str, surroundings: &StateEnv<'_>) -> Return {
        let custom = self.catalog(surroundings.env.ctx);
        let reason = match (custom.why_not("states", fun), extensions::of_state(fun)) {
            (Some(reason), _) => reason.to_owned(),
            (None, Some(extension)) => {
                format!("'{fun}' is not available: it is part of the Salt extension {extension}.")
            }
            (None, None) => format!("'{fun}' is not available."),
        };
        surroundings.not_loaded(fun, &reason)
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

/// Tells the functions that are meant by one name, by a module, by a pattern, or by nothing.
fn selection(wanted: &str) -> impl Fn(&str) -> bool {
    let exact = canonical(wanted).to_owned();
    // "sys" and "sys." mean the module sys, never sysctl.
    let prefix = if wanted.is_empty() || wanted.ends_with('.') {
        wanted.to_owned()
    } else {
        format!("{wanted}.")
    };
    let glob = wanted.contains('*').then(|| pattern::glob(wanted, false));
    move |name: &str| match &glob {
        Some(glob) => glob.as_ref().is_some_and(|glob| glob.is_match(name)),
        None => name == exact || name.starts_with(&prefix),
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
pub(crate) fn broken(failure: &Failure) -> Return {
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

    /// What holds for each row of each table.
    fn check_row(
        names: &mut BTreeSet<&'static str>,
        name: &'static str,
        signature: &'static str,
        doc: &str,
    ) {
        assert!(names.insert(name), "{name} stands twice in the tables");
        assert!(Signature::parse(signature).is_some(), "{name}: {signature}");
        assert!(
            doc.ends_with('.'),
            "{name} has no documentation in whole sentences"
        );
    }

    #[test]
    fn every_row_is_whole() {
        let mut names = BTreeSet::new();
        for function in functions::MODULES.iter().flat_map(|module| module.iter()) {
            let name = function.name;
            check_row(&mut names, name, function.signature, function.doc);
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
        let mut names = BTreeSet::new();
        for function in states::MODULES.iter().flat_map(|module| module.iter()) {
            check_row(&mut names, function.name, function.signature, function.doc);
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
            signature: Lazy::of(""),
        };
        let registry = Registry {
            functions: [(BROKEN.name, entry)].into_iter().collect(),
            states: BTreeMap::new(),
            custom: Mutex::default(),
            salt: fallback::Known::default(),
        };
        let outcome = registry.call(&Call::new("test.broken"), &Host::new(), &Cancel::new());
        assert_eq!(
            outcome,
            Outcome::failed("The minion function caused an exception: panic: on purpose")
        );
    }
}
