//! Pillars, made here for the minions of this hub: from the roots at the job's commit, with functions that touch no host.

use std::sync::Arc;

use ciphers::Ciphers;
use gitsync::Snapshot;
use pillar::functions::Hub;
use pillar::{NoExternal, Pillar, Roots};
use serde_json::{Map, Value};
use sls::render::Files;
use tokio::sync::Semaphore;
use wire::{Json, NodeId};

/// Pillars that are made at a time for each processor; further ones wait.
const FOR_EACH_PROCESSOR: usize = 1;

/// Makes pillars, a few at a time: each takes a thread until it is done. Cheap to clone.
#[derive(Clone)]
pub struct Pillars {
    options: Arc<Value>,
    places: Arc<Semaphore>,
}

/// What a minion says of the pillar that it asks for.
pub struct Asked {
    /// Its grains, a JSON object.
    pub grains: Json,
    /// The only environment that counts; empty for all.
    pub pillarenv: String,
    /// The environment of the states that it is for; empty for none.
    pub saltenv: String,
    /// Values over those of the files, a JSON object.
    pub values: Json,
}

impl Pillars {
    /// `options` are what templates see as `opts`, and the ways of merging.
    pub fn new(options: Map<String, Value>) -> Pillars {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Pillars {
            options: Arc::new(Value::Object(options)),
            places: Arc::new(Semaphore::new(processors * FOR_EACH_PROCESSOR)),
        }
    }

    /// What templates see as `opts`.
    pub(crate) fn options(&self) -> &Value {
        &self.options
    }

    /// The pillar of a minion; without a snapshot only the values that it has itself. Its id is what its certificate says, whatever its grains are.
    ///
    /// # Errors
    /// Words for people.
    pub async fn make(
        &self,
        snapshot: Option<Snapshot>,
        id: &NodeId,
        asked: Asked,
    ) -> Result<Json, String> {
        let pillar = self.compile(snapshot, id.to_string(), asked).await?;
        let text = serde_json::to_vec(&pillar.values).map_err(|e| e.to_string())?;
        if text.len() > wire::limits::MAX_RETURN {
            return Err(format!(
                "the pillar has {} bytes, and at most {} travel",
                text.len(),
                wire::limits::MAX_RETURN
            ));
        }
        Ok(text.into())
    }

    /// As [`Pillars::make`], with all that is known of it, however long it is.
    ///
    /// # Errors
    /// Words for people.
    pub async fn compile(
        &self,
        snapshot: Option<Snapshot>,
        id: String,
        asked: Asked,
    ) -> Result<Pillar, String> {
        let place = self.places.clone().acquire_owned().await;
        let options = self.options.clone();
        let made = tokio::task::spawn_blocking(move || {
            let made = compile(snapshot.as_ref(), &options, &id, &asked);
            drop(place);
            made
        });
        made.await.map_err(|e| e.to_string())?
    }
}

fn compile(
    snapshot: Option<&Snapshot>,
    options: &Value,
    id: &str,
    asked: &Asked,
) -> Result<Pillar, String> {
    let object = |json: &Json, what: &str| -> Result<Map<String, Value>, String> {
        serde_json::from_slice(json).map_err(|_| format!("{what} are no JSON object"))
    };
    let mut grains = object(&asked.grains, "the grains")?;
    grains.insert("id".to_owned(), id.into());
    let grains = Value::Object(grains);
    let values = object(&asked.values, "the values")?;
    let mut options = options.clone();
    if !asked.pillarenv.is_empty() {
        options["pillarenv"] = asked.pillarenv.as_str().into();
    }
    let environments = match snapshot {
        None => Vec::new(),
        Some(snapshot) => environments(snapshot)?,
    };
    let files = RootsFiles(snapshot);
    let functions = |pillar| -> Box<dyn sls::render::Functions> {
        Box::new(Hub::new(id, &grains, &options, pillar))
    };
    let made = pillar::compile(&pillar::Request {
        roots: Roots {
            files: &files,
            environments: &environments,
        },
        functions: &functions,
        foreign: &Ciphers::new(&options),
        external: &NoExternal,
        id,
        grains: &grains,
        options: &options,
        saltenv: Some(asked.saltenv.as_str()).filter(|env| !env.is_empty()),
        values: &values,
    });
    for detail in &made.details {
        tracing::warn!(id, "pillar: {detail}");
    }
    Ok(made)
}

/// The paths of all files by environment, `base` first.
pub(crate) fn environments(snapshot: &Snapshot) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut all = Vec::new();
    for (env, _) in snapshot.environments() {
        let files = snapshot.list(env).map_err(|e| e.to_string())?;
        let paths = files.iter().map(|file| file.path.clone()).collect();
        all.push((env.to_owned(), paths));
    }
    all.sort_by_key(|(env, _)| env != "base");
    Ok(all)
}

/// Files of a state of the roots; there are none without roots.
pub(crate) struct RootsFiles<'a>(pub(crate) Option<&'a Snapshot>);

impl Files for RootsFiles<'_> {
    fn read(&self, saltenv: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(snapshot) = self.0 else {
            return Ok(None);
        };
        let file = snapshot.read(saltenv, path).map_err(|e| e.to_string())?;
        Ok(file.map(|file| file.bytes))
    }
}
