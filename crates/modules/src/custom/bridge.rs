//! Processes that run Python modules of the roots, each for one request at a time, kept as long as the job that started them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::talk::{self, Fault, Said};
use crate::cancel::Cancel;
use crate::failure::{Failure, os_text};
use crate::process::{Dialog, Spec, which};
use crate::python;
use crate::registry::Env;

/// What the process runs.
const TEXT: &str = include_str!("bridge.py");
/// Reads that text from the first line that it hears, so that no file of it lies about.
const LOADER: &str = "import json,os;pipe=os.fdopen(os.dup(0),'rb');exec(compile(json.loads(pipe.readline().decode()),'<bridge>','exec'))";
/// The program that runs it where the configuration names none.
const PYTHON: &str = "python3";
/// Most custom modules of one job that are under way at a time: those that call one another wait for one another.
const DEPTH_MAX: usize = 32;

/// What modules see of the minion.
pub(super) struct Sight {
    pub(super) opts: Arc<Value>,
    pub(super) grains: Arc<Value>,
    pub(super) pillar: Arc<Value>,
}

impl Sight {
    /// Of a job. A pillar that cannot be made is one with errors, as Salt has it.
    pub(super) fn of(env: &Env) -> Sight {
        let pillar = env.ctx.pillar();
        Sight {
            opts: env.ctx.options(),
            grains: env.ctx.grains(),
            pillar: pillar.unwrap_or_else(|error| Arc::new(json!({"_errors": [error]}))),
        }
    }

    pub(super) fn parts(&self) -> [(&'static str, &Arc<Value>); 3] {
        [
            ("opts", &self.opts),
            ("grains", &self.grains),
            ("pillar", &self.pillar),
        ]
    }
}

/// The processes of one job. Those that wait for the next request end with it.
#[derive(Default)]
pub(crate) struct Bridges {
    idle: Mutex<Vec<Bridge>>,
    busy: AtomicUsize,
}

/// One of the custom modules that are under way.
pub(super) struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bridges {
    /// Fails when too many are under way.
    pub(super) fn enter(&self) -> Result<Place<'_>, Failure> {
        let place = Place(&self.busy);
        if self.busy.fetch_add(1, Ordering::Relaxed) >= DEPTH_MAX {
            return Err(Failure::command(format!(
                "{DEPTH_MAX} custom modules of this job are under way: do they call one another in a circle?"
            )));
        }
        Ok(place)
    }

    fn take(&self, catalog: &Arc<Catalog>) -> Option<Bridge> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|bridge| Arc::ptr_eq(&bridge.catalog, catalog));
        idle.pop()
    }

    /// Asks a process that waits, or a new one.
    pub(super) fn ask(
        &self,
        env: &Env,
        who: &str,
        request: Map<String, Value>,
    ) -> Result<Result<Said, Fault>, Failure> {
        let _place = self.enter()?;
        let catalog = env.registry.catalog(env.ctx);
        let sight = Sight::of(env);
        let mut bridge = match self.take(&catalog) {
            Some(bridge) => bridge,
            None => Bridge::start(&sight.opts, catalog, env.cancel)?,
        };
        let answer = bridge.ask(&sight, who, request, Some(env), None)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(bridge);
        Ok(answer)
    }
}

/// One process.
pub(super) struct Bridge {
    dialog: Dialog,
    catalog: Arc<Catalog>,
    /// What it was told of the minion last, by name.
    told: Vec<(&'static str, Arc<Value>)>,
    is_introduced: bool,
}

impl Bridge {
    /// Starts one that finds these modules.
    pub(super) fn start(
        opts: &Value,
        catalog: Arc<Catalog>,
        cancel: &Cancel,
    ) -> Result<Bridge, Failure> {
        let program = opts
            .get("python_executable")
            .filter(|name| python::truthy(name));
        let program = program.map_or_else(|| PYTHON.to_owned(), python::text);
        let Some(found) = which(&program) else {
            return Err(Failure::command(format!(
                "Python is needed for this, and there is no program '{program}' on this host: install Python 3, or set python_executable \
                 in the minion's configuration"
            )));
        };
        let mut spec = Spec::new(&["", "-c", LOADER]);
        spec.argv[0] = found.to_string_lossy().into_owned();
        let mut dialog = Dialog::start(&spec, cancel).map_err(|error| {
            Failure::command(format!("{}: {}", found.display(), os_text(&error)))
        })?;
        dialog.say(&json!(TEXT).to_string());
        Ok(Bridge {
            dialog,
            catalog,
            told: Vec::new(),
            is_introduced: false,
        })
    }

    /// Asks it. The outer error is one of the process, which must not be asked again.
    pub(super) fn ask(
        &mut self,
        sight: &Sight,
        who: &str,
        mut request: Map<String, Value>,
        env: Option<&Env>,
        deadline: Option<Instant>,
    ) -> Result<Result<Said, Fault>, Failure> {
        if !self.is_introduced {
            for (name, value) in self.catalog.introduction() {
                request.entry(name).or_insert(value);
            }
            self.is_introduced = true;
        }
        for (name, value) in sight.parts() {
            let known = self.told.iter().find(|(told, _)| *told == name);
            if known.is_some_and(|(_, told)| Arc::ptr_eq(told, value) || told == value) {
                continue;
            }
            request.insert(name.to_owned(), (**value).clone());
            self.told.retain(|(told, _)| *told != name);
            self.told.push((name, value.clone()));
        }
        talk::converse(&mut self.dialog, &request, who, env, deadline)
    }
}
