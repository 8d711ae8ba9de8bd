//! What functions see of the minion: grains, running jobs, files, configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use modules::{Cancel, CancelKind, Context, FileSource, PillarWish, RunningJob};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::files::JobFiles;

/// A job that was told to end by TERM is ended by KILL after this long.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// News for the loop that come from functions.
#[derive(Debug)]
pub enum News {
    /// The grains changed.
    Grains(Arc<Value>),
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
    running: Mutex<BTreeMap<String, Running>>,
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
            running: Mutex::default(),
            news,
        };
        let grains = Arc::new(surroundings.collect());
        *surroundings
            .grains
            .write()
            .unwrap_or_else(PoisonError::into_inner) = grains;
        surroundings
    }

    /// The host's grains, then those of the configuration, then those of the file.
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

/// The minion around one job.
pub struct JobContext {
    /// What all jobs share.
    pub surroundings: Arc<Surroundings>,
    /// The files that this job reads.
    pub files: JobFiles,
    /// Who ordered it.
    pub user: String,
}

impl Context for JobContext {
    fn minion_id(&self) -> &str {
        &self.surroundings.id
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
        let mut running = self
            .surroundings
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(found) = running.get_mut(jid) else {
            let _ = self.surroundings.news.send(News::CancelUnseen {
                jid: jid.to_owned(),
                by: self.user.clone(),
            });
            return None;
        };
        found.cancel.cancel(kind);
        if found.cancel.is_cancelled() {
            found.cancelled_by.get_or_insert_with(|| self.user.clone());
        }
        if kind == CancelKind::Term {
            let surroundings = self.surroundings.clone();
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

    fn files(&self) -> &dyn FileSource {
        &self.files
    }

    fn options(&self) -> Arc<Value> {
        self.surroundings.config.clone()
    }

    fn pillar(&self) -> Result<Arc<Value>, String> {
        Ok(Arc::new(Value::Object(Map::new())))
    }

    fn refresh_pillar(&self, wish: &PillarWish) -> Result<Arc<Value>, String> {
        Ok(Arc::new(Value::Object(wish.values.clone())))
    }

    fn cache_dir(&self) -> &Path {
        &self.files.cache
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn path(&self) -> &str {
        &self.surroundings.path
    }
}
