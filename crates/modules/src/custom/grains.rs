//! Grains that custom modules give.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::bridge::{Bridge, Sight};
use super::call::ask_program;
use super::catalog::{Catalog, Entry};
use super::talk::Fault;
use crate::cancel::Cancel;
use crate::failure::Failure;

/// How long all of them may take together: the minion waits for its grains.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The grains of the custom modules that lie in the cache, each over those before it; none where the configuration does not let them run.
/// A function that fails gives none and is logged.
pub fn grains(options: &Value, cache_dir: &Path, host: &Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    if !super::are_on(options) {
        return found;
    }
    let catalog = Arc::new(Catalog::of_minion(cache_dir));
    let mut run = Run {
        options: Arc::new(options.clone()),
        catalog: catalog.clone(),
        bridge: None,
        cancel: Cancel::new(),
        deadline: Instant::now() + TIME_MAX,
    };
    for entry in catalog.grains().values() {
        let mut known = host.clone();
        known.extend(found.clone());
        match run.ask(entry, known) {
            Ok(Value::Object(more)) => found.extend(more),
            Ok(_) => {}
            Err(text) => tracing::error!(function = entry.name, "grains are missing: {text}"),
        }
    }
    found
}

struct Run {
    options: Arc<Value>,
    catalog: Arc<Catalog>,
    bridge: Option<Bridge>,
    cancel: Cancel,
    deadline: Instant,
}

impl Run {
    fn ask(&mut self, entry: &Entry, known: Map<String, Value>) -> Result<Value, String> {
        let sight = Sight {
            opts: self.options.clone(),
            grains: Arc::new(Value::Object(known)),
            pillar: Arc::new(json!({})),
        };
        let request = Map::from_iter([
            ("kind".to_owned(), json!("grains")),
            ("call".to_owned(), json!(entry.name)),
        ]);
        let deadline = Some(self.deadline);
        let answer = if entry.is_python {
            self.ask_python(&sight, entry, request)
        } else {
            ask_program(entry, &sight, request, None, &self.cancel, deadline)
        };
        let said = answer.map_err(|failure| failure.to_string())?;
        said.map(|said| said.value).map_err(Fault::into_text)
    }

    fn ask_python(
        &mut self,
        sight: &Sight,
        entry: &Entry,
        request: Map<String, Value>,
    ) -> Result<Result<super::talk::Said, Fault>, Failure> {
        let mut bridge = match self.bridge.take() {
            Some(bridge) => bridge,
            None => Bridge::start(&self.options, self.catalog.clone(), &self.cancel)?,
        };
        let answer = bridge.ask(sight, &entry.source, request, None, Some(self.deadline))?;
        self.bridge = Some(bridge);
        Ok(answer)
    }
}
