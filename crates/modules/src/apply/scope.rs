//! What one state run sees of the minion: its own pillar, and the configuration as its arguments change it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::beacons::Beacons;
use crate::cancel::CancelKind;
use crate::context::{Context, FileSource, PillarWish, RunningJob};
use crate::failure::Failure;
use crate::mine::Mine;
use crate::python;
use crate::signature::Args;
use crate::timetable::Timetable;

/// The arguments that the functions of `state` share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// Whether nothing may change; none for the minion's configuration.
    pub(crate) test: Option<bool>,
    /// The environment of the files; none for the minion's configuration.
    pub(crate) saltenv: Option<String>,
    /// The environment of the pillar, when the call says something of it: null for all.
    pub(crate) pillarenv: Option<Value>,
    /// Pillar values of the command line.
    pub(crate) pillar: Map<String, Value>,
    /// SLS and ids that are left out.
    pub(crate) exclude: Vec<Value>,
    /// The only SLS of a highstate that are run; empty for all.
    pub(crate) whitelist: Vec<String>,
    /// Whether states run although the pillar has errors.
    pub(crate) force: bool,
    /// Whether the answer leaves out what succeeded without a change.
    pub(crate) terse: bool,
    /// The top file of this run.
    pub(crate) top_file: Option<String>,
    /// The file with more configuration for this run.
    pub(crate) localconfig: Option<String>,
}

/// Words that mean test mode.
fn is_test_word(value: &Value) -> bool {
    match value {
        Value::String(word) => ["true", "1"].contains(&word.to_lowercase().as_str()),
        value => python::truthy(value),
    }
}

impl Wish {
    /// Reads the arguments of a function of `state`, whose signature has all of them as keywords.
    pub(crate) fn of(args: &Args) -> Result<Wish, Failure> {
        let said = |name: &str| match args.value(name) {
            Value::Null => args.extra_kwargs.get(name).filter(|value| !value.is_null()),
            value => Some(value),
        };
        let word = |name: &str| said(name).map(python::text);
        let list = |name: &str| match said(name) {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::String(text)) => text.split(',').map(|item| json!(item.trim())).collect(),
            Some(other) => vec![other.clone()],
            None => Vec::new(),
        };
        let pillar = match said("pillar") {
            None => Map::new(),
            Some(Value::Object(values)) => values.clone(),
            Some(_) => {
                return Err(Failure::invocation(
                    "Pillar data must be formatted as a dictionary, unless pillar_enc is specified.",
                ));
            }
        };
        if said("pillar_enc").is_some() {
            return Err(Failure::invocation(
                "pillar_enc is not served: give the values of pillar as they are",
            ));
        }
        Ok(Wish {
            test: said("test").map(is_test_word),
            saltenv: word("saltenv"),
            pillarenv: args.extra_kwargs.get("pillarenv").cloned(),
            pillar,
            exclude: list("exclude"),
            whitelist: list("whitelist").iter().map(python::text).collect(),
            force: said("force").is_some_and(python::truthy),
            terse: said("terse").is_some_and(python::truthy),
            top_file: None,
            localconfig: word("localconfig"),
        })
    }
}

/// A minion as one state run sees it.
pub(crate) struct Scope<'a> {
    inner: &'a dyn Context,
    options: Arc<Value>,
    wish: PillarWish,
    pillar: Mutex<Result<Arc<Value>, String>>,
}

impl<'a> Scope<'a> {
    /// Makes the pillar for it. Fails when the configuration forbids what the wish says.
    pub(crate) fn new(inner: &'a dyn Context, wish: &Wish) -> Result<Scope<'a>, Failure> {
        let mut options = (*inner.options()).clone();
        if let Some(path) = &wish.localconfig {
            let text = std::fs::read_to_string(path).map_err(|error| Failure::io(path, error))?;
            let more =
                yaml::parse(&text).map_err(|error| Failure::command(format!("{path}: {error}")))?;
            for (key, value) in more.as_object().into_iter().flatten() {
                options[key] = value.clone();
            }
        }
        let locked = options.get("lock_saltenv").is_some_and(python::truthy);
        if let Some(saltenv) = &wish.saltenv {
            if locked && options.get("saltenv").and_then(Value::as_str) != Some(saltenv) {
                return Err(Failure::command(
                    "lock_saltenv is enabled, saltenv cannot be changed",
                ));
            }
            options["saltenv"] = json!(saltenv);
        }
        if let Some(test) = wish.test {
            options["test"] = json!(test);
        }
        if let Some(top_file) = &wish.top_file {
            options["state_top"] = json!(top_file);
        }
        let follows = options
            .get("pillarenv_from_saltenv")
            .is_some_and(python::truthy);
        match (&wish.pillarenv, &wish.saltenv) {
            (Some(pillarenv), _) => options["pillarenv"] = pillarenv.clone(),
            (None, Some(saltenv)) if follows => options["pillarenv"] = json!(saltenv),
            _ => {}
        }
        let word = |key: &str| options.get(key).and_then(Value::as_str).map(str::to_owned);
        let pillar_wish = PillarWish {
            pillarenv: word("pillarenv"),
            saltenv: word("saltenv"),
            values: wish.pillar.clone(),
        };
        Ok(Scope {
            pillar: Mutex::new(inner.refresh_pillar(&pillar_wish)),
            inner,
            options: Arc::new(options),
            wish: pillar_wish,
        })
    }
}

impl Context for Scope<'_> {
    fn minion_id(&self) -> &str {
        self.inner.minion_id()
    }

    fn jid(&self) -> Option<&str> {
        self.inner.jid()
    }

    fn steps(&self, done: usize, total: usize, failed: usize) {
        self.inner.steps(done, total, failed);
    }

    fn fire(&self, tag: &str, data: &Value) -> Result<bool, String> {
        self.inner.fire(tag, data)
    }

    fn is_read_below(&self, prefix: &str) -> bool {
        self.inner.is_read_below(prefix)
    }

    fn grains(&self) -> Arc<Value> {
        self.inner.grains()
    }

    fn refresh_grains(&self) -> Arc<Value> {
        self.inner.refresh_grains()
    }

    fn grains_file(&self) -> &Path {
        self.inner.grains_file()
    }

    fn running(&self) -> Vec<RunningJob> {
        self.inner.running()
    }

    fn signal_job(&self, jid: &str, kind: CancelKind) -> Option<RunningJob> {
        self.inner.signal_job(jid, kind)
    }

    fn files(&self) -> &dyn FileSource {
        self.inner.files()
    }

    fn options(&self) -> Arc<Value> {
        self.options.clone()
    }

    fn pillar(&self) -> Result<Arc<Value>, String> {
        self.pillar
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What a state of the run refreshes is the pillar of the run, with the values of its command line.
    fn refresh_pillar(&self, wish: &PillarWish) -> Result<Arc<Value>, String> {
        let is_plain = wish == &PillarWish::default();
        let made = self
            .inner
            .refresh_pillar(if is_plain { &self.wish } else { wish });
        if is_plain {
            *self.pillar.lock().unwrap_or_else(PoisonError::into_inner) = made.clone();
        }
        made
    }

    /// Values of the command line are of this run alone.
    fn follow_pillar(&self, pillar: &Arc<Value>) {
        let plain = PillarWish::default();
        if self.wish == plain {
            self.inner.follow_pillar(pillar);
        } else if let Ok(pillar) = self.inner.refresh_pillar(&plain) {
            self.inner.follow_pillar(&pillar);
        }
    }

    fn beacons(&self) -> Option<&dyn Beacons> {
        self.inner.beacons()
    }

    fn mine(&self) -> Option<&dyn Mine> {
        self.inner.mine()
    }

    fn timetable(&self) -> Option<&dyn Timetable> {
        self.inner.timetable()
    }

    fn cache_dir(&self) -> &Path {
        self.inner.cache_dir()
    }

    fn version(&self) -> &str {
        self.inner.version()
    }

    fn path(&self) -> &str {
        self.inner.path()
    }
}
