//! What functions see of the minion: grains, running jobs, files, configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use daemon::config::MinionConfig;
use modules::beacons::Beacons;
use modules::{
    Call, Cancel, CancelKind, Context, FileSource, Mine, PillarWish, Registry, RunningJob,
    Timetable,
};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use wire::{Jid, Steps};

use crate::caller::Caller;
use crate::files::Sessions;
use crate::herald::Herald;
use crate::roots::{Asked, Roots};

/// What functions and templates see of the configuration.
pub fn options(config: &MinionConfig) -> Map<String, Value> {
    // Salt's has it always, and templates ask for it.
    let mut options = Map::from_iter([("test".to_owned(), Value::Bool(false))]);
    options.extend(config.options.clone());
    let text = |path: PathBuf| Value::String(path.display().to_string());
    let client = if config.local_roots.is_some() {
        "local"
    } else {
        "remote"
    };
    let known = [
        ("id", Value::String(config.id.to_string())),
        ("file_client", client.into()),
        ("cachedir", text(config.paths.cache_dir())),
        ("conf_file", text(config.paths.config_file())),
        ("root_dir", text(config.paths.root().to_owned())),
    ];
    options.extend(known.map(|(name, value)| (name.to_owned(), value)));
    options
}

/// A job that was told to end by TERM is ended by KILL after this long.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// News for the loop that come from functions.
#[derive(Debug)]
pub enum News {
    /// The grains changed.
    Grains(Arc<Value>),
    /// The pillar was made anew, and what follows it has to.
    Pillar(Arc<Value>),
    /// An order came to end a job that is not running here.
    CancelUnseen {
        /// Which.
        jid: String,
        /// Who ordered that.
        by: String,
    },
}

/// A job that runs.
struct Running {
    job: RunningJob,
    cancel: Cancel,
    /// Who told it to end.
    cancelled_by: Option<String>,
}

/// The minion around all its functions.
pub struct Surroundings {
    id: String,
    path: String,
    config: Arc<Value>,
    configured_grains: Map<String, Value>,
    grains_file: PathBuf,
    master: Value,
    grains: RwLock<Arc<Value>>,
    /// The pillar as it was made last for everybody, and of which state of the roots.
    pillar: RwLock<Option<(Option<String>, Arc<Value>)>>,
    running: Mutex<BTreeMap<String, Running>>,
    timetable: OnceLock<Arc<dyn Timetable>>,
    mine: OnceLock<Arc<dyn Mine>>,
    beacons: OnceLock<Arc<dyn Beacons>>,
    news: mpsc::UnboundedSender<News>,
}

impl Surroundings {
    /// Collects the grains once.
    pub fn new(
        id: String,
        path: String,
        master: Value,
        configured_grains: Map<String, Value>,
        config: Map<String, Value>,
        grains_file: PathBuf,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        let surroundings = Surroundings {
            id,
            path,
            config: Arc::new(Value::Object(config)),
            configured_grains,
            grains_file,
            master,
            grains: RwLock::new(Arc::new(Value::Null)),
            pillar: RwLock::default(),
            running: Mutex::default(),
            timetable: OnceLock::new(),
            mine: OnceLock::new(),
            beacons: OnceLock::new(),
            news,
        };
        let grains = Arc::new(surroundings.collect());
        *surroundings
            .grains
            .write()
            .unwrap_or_else(PoisonError::into_inner) = grains;
        surroundings
    }

    /// The host's grains, then those of custom modules, then those of the configuration, then those of the file.
    fn collect(&self) -> Value {
        let facts = modules::grains::Facts {
            id: &self.id,
            version: env!("CARGO_PKG_VERSION"),
            master: &self.master,
        };
        let mut grains = match modules::grains::collect(&facts) {
            Value::Object(grains) => grains,
            _ => Map::new(),
        };
        let cache = self.config.get("cachedir").and_then(Value::as_str);
        if let Some(cache) = cache {
            let custom = modules::custom_grains(&self.config, Path::new(cache), &grains);
            grains.extend(custom);
        }
        grains.extend(self.configured_grains.clone());
        match modules::grains::read_static(&self.grains_file) {
            Ok(file) => grains.extend(file),
            Err(error) => tracing::warn!("{error}"),
        }
        Value::Object(grains)
    }

    /// The grains.
    pub fn grains(&self) -> Arc<Value> {
        self.grains
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The configuration, as functions and templates see it.
    pub fn options(&self) -> &Arc<Value> {
        &self.config
    }

    /// Shows the jobs by the clock, the mine and the beacons to functions.
    pub fn show(
        &self,
        timetable: Arc<dyn Timetable>,
        mine: Arc<dyn Mine>,
        beacons: Arc<dyn Beacons>,
    ) {
        // They are made once.
        let _ = self.timetable.set(timetable);
        let _ = self.mine.set(mine);
        let _ = self.beacons.set(beacons);
    }

    /// Whether states are applied now.
    pub fn applies_states(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = running.values();
        running.any(|running| running.job.fun.starts_with("state."))
    }

    /// A job begins.
    pub fn begin(&self, job: RunningJob, cancel: Cancel) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(
                job.jid.clone(),
                Running {
                    job,
                    cancel,
                    cancelled_by: None,
                },
            );
    }

    /// Signals a job that runs, and gives it; none when none of that jid runs.
    pub fn signal(self: &Arc<Self>, jid: &str, kind: CancelKind, by: &str) -> Option<RunningJob> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let found = running.get_mut(jid)?;
        found.cancel.cancel(kind);
        if found.cancel.is_cancelled() {
            found.cancelled_by.get_or_insert_with(|| by.to_owned());
        }
        if kind == CancelKind::Term {
            let surroundings = self.clone();
            let jid = jid.to_owned();
            std::thread::spawn(move || {
                std::thread::sleep(KILL_AFTER);
                let running = surroundings
                    .running
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = running.get(&jid) {
                    found.cancel.cancel(CancelKind::Kill);
                }
            });
        }
        Some(found.job.clone())
    }

    /// A job of several functions runs this one now.
    pub fn turn_to(&self, jid: &str, call: &Call) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = running.get_mut(jid) {
            found.job.fun.clone_from(&call.fun);
            found.job.args.clone_from(&call.args);
        }
    }

    /// A job ended. Gives who told it to, if anybody did.
    pub fn end(&self, jid: &str) -> Option<String> {
        let ended = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(jid);
        ended.and_then(|running| running.cancelled_by)
    }
}

/// Who hears how far a job is.
pub enum Watched {
    /// Hubs, which know of it.
    Hubs(Arc<Sessions>),
    /// The command that waits for it.
    Caller(Caller),
}

/// The minion around one job.
pub struct JobContext {
    /// What all jobs share.
    pub surroundings: Arc<Surroundings>,
    /// The functions of this host.
    pub registry: Arc<Registry>,
    /// Where the files and the pillar of the job come from.
    pub roots: Box<dyn Roots>,
    /// Where copies are kept.
    pub cache: PathBuf,
    /// Its id, and that as text; none for a call without a hub.
    pub jid: Option<(Jid, String)>,
    /// Who hears how far it is.
    pub watched: Option<Watched>,
    /// Sends its events; none for a call without a hub.
    pub herald: Option<Arc<Herald>>,
    /// Who ordered it.
    pub user: String,
    /// Whether its pillar is being made: what asks for it then is a template of that pillar.
    pub is_making_pillar: AtomicBool,
}

impl JobContext {
    fn make_pillar(&self, wish: &PillarWish) -> Result<Arc<Value>, String> {
        self.is_making_pillar.store(true, Ordering::Relaxed);
        let made = self.registry.lend(self, |functions, renderers| {
            self.roots.pillar(&Asked {
                id: &self.surroundings.id,
                grains: &self.grains(),
                options: &self.options(),
                wish,
                functions,
                renderers,
            })
        });
        self.is_making_pillar.store(false, Ordering::Relaxed);
        made.map(Arc::new)
    }
}

impl Context for JobContext {
    fn minion_id(&self) -> &str {
        &self.surroundings.id
    }

    fn jid(&self) -> Option<&str> {
        self.jid.as_ref().map(|(_, text)| text.as_str())
    }

    fn steps(&self, done: usize, total: usize, failed: usize) {
        let steps = Steps {
            done: done as u64,
            total: total as u64,
            failed: failed as u64,
        };
        match (&self.jid, &self.watched) {
            (Some((jid, _)), Some(Watched::Hubs(sessions))) => sessions.tell_steps(*jid, steps),
            (Some(_), Some(Watched::Caller(caller))) => caller.steps(steps),
            (None, _) | (_, None) => {}
        }
    }

    fn fire(&self, tag: &str, data: &Value) -> Result<bool, String> {
        let Some(herald) = &self.herald else {
            tracing::warn!(tag, "there is no hub, so nobody hears of this event");
            return Ok(false);
        };
        let jid = self.jid.as_ref().map(|(jid, _)| *jid);
        herald.reach();
        herald.fire(tag, data, jid)?;
        Ok(true)
    }

    fn is_read_below(&self, prefix: &str) -> bool {
        let herald = self.herald.as_ref();
        herald.is_some_and(|herald| herald.is_read_below(prefix))
    }

    fn grains(&self) -> Arc<Value> {
        self.surroundings.grains()
    }

    fn refresh_grains(&self) -> Arc<Value> {
        let grains = Arc::new(self.surroundings.collect());
        *self
            .surroundings
            .grains
            .write()
            .unwrap_or_else(PoisonError::into_inner) = grains.clone();
        // The loop is there as long as jobs run.
        let _ = self.surroundings.news.send(News::Grains(grains.clone()));
        grains
    }

    fn grains_file(&self) -> &Path {
        &self.surroundings.grains_file
    }

    fn running(&self) -> Vec<RunningJob> {
        let running = self
            .surroundings
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running
            .values()
            .map(|running| running.job.clone())
            .collect()
    }

    fn signal_job(&self, jid: &str, kind: CancelKind) -> Option<RunningJob> {
        let found = self.surroundings.signal(jid, kind, &self.user);
        if found.is_none() {
            // The loop is there as long as jobs run.
            let _ = self.surroundings.news.send(News::CancelUnseen {
                jid: jid.to_owned(),
                by: self.user.clone(),
            });
        }
        found
    }

    fn files(&self) -> &dyn FileSource {
        self.roots.files()
    }

    fn options(&self) -> Arc<Value> {
        self.surroundings.config.clone()
    }

    fn pillar(&self) -> Result<Arc<Value>, String> {
        if self.is_making_pillar.load(Ordering::Relaxed) {
            return Ok(Arc::new(Value::Object(Map::new())));
        }
        let known = self
            .surroundings
            .pillar
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match known {
            Some((state, pillar)) if state.as_deref() == self.roots.state() => Ok(pillar),
            _ => self.refresh_pillar(&PillarWish::default()),
        }
    }

    fn refresh_pillar(&self, wish: &PillarWish) -> Result<Arc<Value>, String> {
        let pillar = self.make_pillar(wish)?;
        if wish == &PillarWish::default() {
            *self
                .surroundings
                .pillar
                .write()
                .unwrap_or_else(PoisonError::into_inner) =
                Some((self.roots.state().map(str::to_owned), pillar.clone()));
        }
        Ok(pillar)
    }

    fn follow_pillar(&self, pillar: &Arc<Value>) {
        // The loop is there as long as jobs run.
        let _ = self.surroundings.news.send(News::Pillar(pillar.clone()));
    }

    fn beacons(&self) -> Option<&dyn Beacons> {
        self.surroundings.beacons.get().map(|beacons| &**beacons)
    }

    fn mine(&self) -> Option<&dyn Mine> {
        self.surroundings.mine.get().map(|mine| &**mine)
    }

    fn timetable(&self) -> Option<&dyn Timetable> {
        self.surroundings.timetable.get().map(|table| &**table)
    }

    fn cache_dir(&self) -> &Path {
        &self.cache
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn path(&self) -> &str {
        &self.surroundings.path
    }
}
