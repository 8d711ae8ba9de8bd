//! State runs on this host: from the files of the roots through the compiler to calls of state functions and their records.

mod conditions;
mod pauses;
mod queue;
mod runner;
mod scope;
mod slots;
mod steps;
mod telling;
mod tree;
mod umask;

use std::cell::OnceCell;
use std::rc::Rc;

use serde_json::{Map, Value, json};
use sls::compile::{
    self, Available, Errors, High, Low, Matches, Minion, Options, Run, Settings, Strategy, Top,
    TopSettings,
};
use targeting::Nodegroups;

pub(crate) use self::pauses::{ALL as ALL_STATES, Pauses};
pub(crate) use self::queue::{HARMLESS, Turn, running};
pub(crate) use self::scope::{Scope, Wish};

use self::tree::{Listing, Tree};
use crate::custom;
use crate::failure::Failure;
use crate::python;
use crate::registry::Env;

/// Return codes as Salt has them.
pub(crate) const COMPILER_ERROR: i32 = 1;
pub(crate) const STATE_FAILURE: i32 = 2;
pub(crate) const PILLAR_FAILURE: i32 = 5;

/// States are not run, for these reasons.
pub(crate) struct Objection {
    pub(crate) reasons: Vec<String>,
    pub(crate) retcode: i32,
}

impl From<Errors> for Objection {
    fn from(errors: Errors) -> Objection {
        Objection {
            reasons: errors.0,
            retcode: COMPILER_ERROR,
        }
    }
}

/// One state run, or one look at what it would be.
pub(crate) struct Session<'a> {
    env: &'a Env<'a>,
    wish: &'a Wish,
    options: Value,
    listing: OnceCell<Rc<Listing>>,
}

impl<'a> Session<'a> {
    /// `env` has a [`Scope`] for its context, made of the same wish.
    pub(crate) fn new(env: &'a Env<'a>, wish: &'a Wish) -> Session<'a> {
        let options = (*env.ctx.options()).clone();
        Session {
            env,
            wish,
            options,
            listing: OnceCell::new(),
        }
    }

    /// Fails with the errors of the pillar, unless the wish is to go on in spite of them.
    pub(crate) fn check_pillar(&self) -> Result<(), Objection> {
        let objection = |mut reasons: Vec<String>| {
            reasons.insert(
                0,
                "Pillar failed to render with the following messages:".to_owned(),
            );
            Objection {
                reasons,
                retcode: PILLAR_FAILURE,
            }
        };
        let pillar = self
            .env
            .ctx
            .pillar()
            .map_err(|error| objection(vec![error]))?;
        match pillar.get("_errors").and_then(Value::as_array) {
            Some(errors) if !self.wish.force && !errors.is_empty() => {
                Err(objection(errors.iter().map(python::text).collect()))
            }
            _ => Ok(()),
        }
    }

    /// The SLS that the top files have for this minion, by environment.
    pub(crate) fn top(&self) -> Result<Matches, Objection> {
        let mut tree = self.tree();
        let available = Available::of(&tree);
        let settings = self.top_settings();
        let top = Top::read(&mut tree, &available, &settings)?;
        Errors::none(top.verify())?;
        let matches = top.matches(&available, &settings, &self.minion()?)?;
        Ok(self.whitelisted(matches))
    }

    /// The high data of these SLS.
    pub(crate) fn load(&self, matches: &Matches) -> (High, Vec<String>) {
        custom::autoload(self.env, matches.keys());
        let mut tree = self.tree();
        let available = Available::of(&tree);
        let is_ordered = self
            .options
            .get("state_auto_order")
            .is_none_or(python::truthy);
        let (mut high, errors) = compile::load(&mut tree, &available, matches, is_ordered);
        if !self.wish.exclude.is_empty() {
            compile::add_excludes(&mut high, self.wish.exclude.clone());
        }
        (high, errors)
    }

    /// The high data of SLS that are named, in one environment.
    pub(crate) fn load_named(&self, mods: &[String]) -> Result<High, Objection> {
        let (high, errors) = self.load(&Matches::from_iter([(self.saltenv(), mods.to_vec())]));
        Errors::none(errors)?;
        Ok(high)
    }

    /// The high data of text that is no file of the roots.
    pub(crate) fn load_text(&self, sls: &str, path: &str, text: &[u8]) -> Result<High, Objection> {
        let mut tree = self.tree().with_text(sls, path, text);
        let available = Available::of(&tree);
        let matches = Matches::from_iter([(self.saltenv(), vec![sls.to_owned()])]);
        let (high, errors) = compile::load(&mut tree, &available, &matches, true);
        Errors::none(errors)?;
        Ok(high)
    }

    /// The low chunks of high data.
    pub(crate) fn compile(&self, high: High) -> Result<Low, Objection> {
        Ok(compile::compile(high, &self.settings(), &self.functions())?)
    }

    /// Runs high data, and answers the records with the return code that is theirs.
    pub(crate) fn run(&self, high: High) -> Result<(Map<String, Value>, i32), Objection> {
        let low = self.compile(high.clone())?;
        let results = self.run_low(low);
        let retcode = if compile::is_success(&results, &high) {
            0
        } else {
            STATE_FAILURE
        };
        Ok((results, retcode))
    }

    /// Runs low chunks to their end, and answers the records by tag.
    pub(crate) fn run_low(&self, low: Low) -> Map<String, Value> {
        runner::run(self.env, Run::new(low, self.run_options()), self.is_test())
    }

    /// Runs the chunks of one id of high data, and what they require. None when there is no such id.
    pub(crate) fn run_id(
        &self,
        high: High,
        id: &str,
    ) -> Result<Option<Map<String, Value>>, Objection> {
        let low = compile::compile_for_id(high, &self.settings(), &self.functions())?;
        let run = Run::of_id(low, id, self.run_options());
        Ok(run.map(|run| runner::run(self.env, run, self.is_test())))
    }

    /// Whether nothing may change.
    pub(crate) fn is_test(&self) -> bool {
        self.wish
            .test
            .unwrap_or_else(|| self.options.get("test") == Some(&Value::Bool(true)))
    }

    fn run_options(&self) -> Options {
        let parallel_max = self.options.get("state_max_parallel");
        Options {
            is_test: self.is_test(),
            failhard: self.options.get("failhard").is_some_and(python::truthy),
            parallel_max: parallel_max
                .and_then(Value::as_u64)
                .filter(|max| *max > 0)
                .and_then(|max| usize::try_from(max).ok()),
        }
    }

    fn settings(&self) -> Settings {
        let disabled = self.env.ctx.grains().get("state_runs_disabled").cloned();
        Settings {
            aggregate: self
                .options
                .get("state_aggregate")
                .cloned()
                .unwrap_or_default(),
            disabled_requisites: self.words("disabled_requisites"),
            disabled_functions: words(disabled.as_ref()),
        }
    }

    fn functions(&self) -> impl Fn(&str) -> bool + '_ {
        |fun: &str| self.env.registry.has_state(fun)
    }

    fn tree<'s>(&'s self) -> Tree<'s> {
        let listing = self.listing.get_or_init(|| Rc::new(Listing::of(self.env)));
        let top_file = self.word("state_top");
        Tree::new(
            self.env,
            listing.clone(),
            top_file.unwrap_or_else(|| "top.sls".to_owned()),
        )
    }

    /// The environment of SLS that are named or given.
    fn saltenv(&self) -> String {
        self.wanted_saltenv().unwrap_or_else(|| "base".to_owned())
    }

    fn wanted_saltenv(&self) -> Option<String> {
        self.wish.saltenv.clone().or_else(|| self.word("saltenv"))
    }

    fn top_settings(&self) -> TopSettings {
        let strategy = self.word("top_file_merging_strategy").unwrap_or_default();
        TopSettings {
            strategy: Strategy::of(&strategy),
            default_top: self.word("default_top"),
            env_order: self.words("env_order"),
            saltenv: self.wanted_saltenv(),
            top_env: self.word("state_top_saltenv"),
        }
    }

    fn minion(&self) -> Result<Minion, Objection> {
        let nodegroups = self.options.get("nodegroups").cloned();
        let nodegroups = Nodegroups::from_value(&nodegroups.unwrap_or_else(|| json!({})));
        Ok(Minion {
            id: self.env.ctx.minion_id().to_owned(),
            grains: (*self.env.ctx.grains()).clone(),
            pillar: self
                .env
                .ctx
                .pillar()
                .map(|pillar| (*pillar).clone())
                .unwrap_or_default(),
            nodegroups: nodegroups.map_err(|error| Errors(vec![format!("nodegroups: {error}")]))?,
        })
    }

    /// Those of the SLS that the wish keeps.
    fn whitelisted(&self, matches: Matches) -> Matches {
        if self.wish.whitelist.is_empty() {
            return matches;
        }
        let kept = |names: Vec<String>| {
            let names = names.into_iter();
            names
                .filter(|name| self.wish.whitelist.contains(name))
                .collect()
        };
        matches
            .into_iter()
            .map(|(env, names)| (env, kept(names)))
            .collect()
    }

    fn word(&self, key: &str) -> Option<String> {
        self.options
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    fn words(&self, key: &str) -> Vec<String> {
        words(self.options.get(key))
    }
}

fn words(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.map(python::text).collect()
}

/// Makes an objection the answer of a function, with its return code.
pub(crate) fn objected(env: &Env, objection: Objection) -> Value {
    env.set_retcode(objection.retcode);
    json!(objection.reasons)
}

/// Lends a session in the scope of a wish.
pub(crate) fn with_session<R>(
    env: &Env,
    wish: &Wish,
    work: impl FnOnce(&Session<'_>) -> R,
) -> Result<R, Failure> {
    let scope = Scope::new(env.ctx, wish)?;
    let inner = Env::new(env.fun, &scope, env.cancel, env.registry, env.bridges);
    Ok(work(&Session::new(&inner, wish)))
}
