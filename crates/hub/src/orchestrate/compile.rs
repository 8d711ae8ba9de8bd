//! From the files of the roots to states in their order. Blocks: it has a thread of its own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ciphers::Ciphers;
use gitsync::Snapshot;
use serde_json::{Map, Value, json};
use sls::compile::{
    self, Available, Errors, High, Low, Matches, Render, Rendered, Settings, sls_paths,
};
use sls::render::{Data, Foreign, Held, Renderer, Source as File, Step};

use super::functions::TemplateFunctions;
use super::wish::{Source, Wish};
use crate::pillars::{RootsFiles, environments};

/// What states of one orchestration see of the hub.
pub(super) struct Around {
    /// The hub as a minion of its own: Salt's `ID_master`.
    pub(super) id: String,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) grains: Value,
    pub(super) options: Value,
    pub(super) pillar: Value,
    /// Calls runners, for templates that ask for their answers.
    pub(super) runners: super::functions::Runners,
}

impl Around {
    /// Whether the settings want the first failure to end a run.
    pub(super) fn is_failhard(&self) -> bool {
        let setting = self.options.get("failhard");
        setting.is_some_and(data::python::truthy)
    }

    /// The execution functions that there are at a hub.
    pub(super) fn functions(&self) -> TemplateFunctions<'_> {
        TemplateFunctions::new(self)
    }
}

/// The high data that is wanted.
pub(super) fn high(around: &Arc<Around>, wish: &Wish) -> Result<High, Errors> {
    if let Some(errors) = around.pillar.get("_errors").and_then(Value::as_array) {
        let first = "Pillar failed to render with the following messages:".to_owned();
        let errors = errors.iter().map(data::python::text);
        return Err(Errors(std::iter::once(first).chain(errors).collect()));
    }
    let mut high = match &wish.source {
        Source::High(high) => high.clone(),
        Source::Single(_) => High::new(),
        Source::Sls(names) => {
            let mut tree = Tree::new(around)?;
            let available = Available::of(&tree);
            let matches = Matches::from_iter([(wish.saltenv.clone(), names.clone())]);
            let (high, errors) = compile::load(&mut tree, &available, &matches, true);
            Errors::none(errors)?;
            high
        }
    };
    if !wish.exclude.is_empty() {
        compile::add_excludes(&mut high, wish.exclude.clone());
    }
    Ok(high)
}

/// The states in their order, beside the high data that they come from.
pub(super) fn low(around: &Arc<Around>, wish: &Wish) -> Result<(High, Low), Errors> {
    let high = high(around, wish)?;
    let low = match &wish.source {
        Source::Single(chunk) => Low::of_chunks(vec![(**chunk).clone()]),
        _ => compile::compile(high.clone(), &Settings::default(), &has_state)?,
    };
    Ok((high, low))
}

fn has_state(function: &str) -> bool {
    orchestrate::has(function)
}

/// The files of the state of the roots that the orchestration reads.
struct Tree<'a> {
    around: &'a Around,
    files: Vec<(String, Vec<String>)>,
    held: RefCell<Held>,
}

impl<'a> Tree<'a> {
    fn new(around: &'a Arc<Around>) -> Result<Tree<'a>, Errors> {
        let Some(snapshot) = &around.snapshot else {
            return Err(Errors(vec![
                "this hub has no roots in service, so there is no SLS to be run: see `roots status`"
                    .to_owned(),
            ]));
        };
        let mut files = environments(snapshot).map_err(|error| Errors(vec![error]))?;
        for (_, paths) in &mut files {
            paths.sort_unstable();
        }
        Ok(Tree {
            around,
            files,
            held: RefCell::default(),
        })
    }

    fn file(&self, env: &str, sls: &str, path: &str) -> Result<Option<Value>, String> {
        let has = |paths: &Vec<String>| {
            paths
                .binary_search_by(|file| file.as_str().cmp(path))
                .is_ok()
        };
        if !self
            .files
            .iter()
            .any(|(name, paths)| name == env && has(paths))
        {
            return Ok(None);
        }
        let roots = RootsFiles(self.around.snapshot.as_ref());
        let Some(text) = sls::render::Files::read(&roots, env, path)? else {
            return Ok(None);
        };
        let functions = self.around.functions();
        let source = File {
            saltenv: env,
            sls,
            path,
            text: &text,
            context: Map::new(),
        };
        let renderer = Renderer {
            files: &roots,
            functions: &functions,
            foreign: &Sealed(Ciphers::new(&self.around.options), &self.held),
            grains: &self.around.grains,
            pillar: &self.around.pillar,
            opts: &self.around.options,
        };
        renderer.sls(&source).map(Some).map_err(|mut error| {
            // The loader says which SLS it is.
            error.sls.clear();
            error.to_string()
        })
    }
}

impl Render for Tree<'_> {
    fn environments(&self) -> Vec<String> {
        self.files.iter().map(|(env, _)| env.clone()).collect()
    }

    fn files(&self, env: &str) -> Vec<String> {
        let of_env = self.files.iter().find(|(name, _)| name == env);
        of_env.map(|(_, paths)| paths.clone()).unwrap_or_default()
    }

    fn render(&mut self, env: &str, sls: &str) -> Result<Option<Rendered>, String> {
        for source in sls_paths(sls) {
            if let Some(data) = self.file(env, sls, &source)? {
                return Ok(Some(Rendered { data, source }));
            }
        }
        Ok(None)
    }

    /// An orchestration names its SLS.
    fn top(&mut self, _: &str) -> Result<Option<Value>, String> {
        Ok(None)
    }
}

/// Sealed values, and what files of `stateconf` hold for each other.
struct Sealed<'a>(Ciphers, &'a RefCell<Held>);

impl Foreign for Sealed<'_> {
    fn render(&self, step: &Step, source: &File<'_>, input: &Data) -> Option<Result<Data, String>> {
        self.0.render(step, source, input)
    }

    fn held(&self) -> Option<&RefCell<Held>> {
        Some(self.1)
    }
}

/// The pillar as execution functions see it.
pub(super) fn shared(pillar: &Value) -> Rc<Value> {
    Rc::new(pillar.clone())
}

/// The grains of a hub: what its templates may ask for.
pub(super) fn grains(id: &str) -> Value {
    let host = nix::unistd::gethostname().ok();
    let host = host
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default();
    let short = host.split('.').next().unwrap_or_default();
    json!({"id": id, "nodename": host, "host": short, "kernel": "Linux"})
}
