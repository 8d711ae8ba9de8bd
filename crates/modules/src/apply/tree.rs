//! The state files of the roots, rendered for this minion.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};
use sls::compile::{Render, Rendered, sls_paths};
use sls::render::{Held, Source};

use crate::registry::Env;
use crate::rendering::with_renderer_of;

/// The environment of folders for all that have none of their own.
const ANY_ENV: &str = "__env__";

/// Text that stands in for a file of the roots.
struct Stray<'a> {
    sls: &'a str,
    path: &'a str,
    text: &'a [u8],
}

/// What files the roots have. Asking for that goes to the hub, so a run does it once.
#[derive(Clone)]
pub(super) struct Listing {
    environments: Vec<String>,
    files: BTreeMap<String, Vec<String>>,
}

impl Listing {
    /// All files of the roots. Environments whose files cannot be listed have none.
    pub(super) fn of(env: &Env) -> Listing {
        let files = env.ctx.files();
        let mut environments = files.envs().unwrap_or_else(|error| {
            tracing::warn!("the environments of the roots are not known: {error}");
            Vec::new()
        });
        // Folders for any environment are those of the one that the run is about.
        let options = env.ctx.options();
        let wanted = options.get("saltenv").and_then(Value::as_str);
        let is_any = environments.iter().any(|name| name == ANY_ENV);
        if let Some(wanted) = wanted.filter(|_| is_any)
            && !environments.iter().any(|name| name == wanted)
        {
            environments.push(wanted.to_owned());
        }
        // As the configuration of the roots has it, with `base` first.
        environments.sort_by_key(|name| name != "base");
        let listed = environments.iter().map(|name| {
            let files = files.list(name, "").unwrap_or_else(|error| {
                tracing::warn!(
                    saltenv = name,
                    "the files of the roots are not known: {error}"
                );
                Vec::new()
            });
            (name.clone(), files)
        });
        Listing {
            files: listed.collect(),
            environments,
        }
    }
}

/// The files that a run compiles.
pub(super) struct Tree<'a> {
    env: &'a Env<'a>,
    top_file: String,
    listing: Rc<Listing>,
    stray: Option<Stray<'a>>,
    held: RefCell<Held>,
}

impl<'a> Tree<'a> {
    /// The files of the roots.
    pub(super) fn new(env: &'a Env<'a>, listing: Rc<Listing>, top_file: String) -> Tree<'a> {
        Tree {
            env,
            top_file,
            listing,
            stray: None,
            held: RefCell::default(),
        }
    }

    /// The same, with one more SLS that is text.
    pub(super) fn with_text(mut self, sls: &'a str, path: &'a str, text: &'a [u8]) -> Tree<'a> {
        if self.listing.environments.is_empty() {
            Rc::make_mut(&mut self.listing)
                .environments
                .push("base".to_owned());
        }
        self.stray = Some(Stray { sls, path, text });
        self
    }

    fn has(&self, saltenv: &str, path: &str) -> bool {
        self.listing.files.get(saltenv).is_some_and(|files| {
            files
                .binary_search_by(|file| file.as_str().cmp(path))
                .is_ok()
        })
    }

    fn data(&self, saltenv: &str, sls: &str, path: &str, text: &[u8]) -> Result<Value, String> {
        let source = Source {
            saltenv,
            sls,
            path,
            text,
            context: Map::new(),
        };
        with_renderer_of(self.env, &self.held, |renderer| renderer.sls(&source))
            .map_err(|failure| failure.to_string())?
            .map_err(|mut error| {
                // The loader says which SLS it is.
                error.sls.clear();
                error.to_string()
            })
    }

    fn file(&self, saltenv: &str, sls: &str, path: &str) -> Result<Option<Value>, String> {
        if !self.has(saltenv, path) {
            return Ok(None);
        }
        match self.env.ctx.files().read(path, saltenv)? {
            Some(text) => self.data(saltenv, sls, path, &text).map(Some),
            None => Ok(None),
        }
    }
}

impl Render for Tree<'_> {
    fn environments(&self) -> Vec<String> {
        self.listing.environments.clone()
    }

    fn files(&self, env: &str) -> Vec<String> {
        self.listing.files.get(env).cloned().unwrap_or_default()
    }

    fn render(&mut self, env: &str, sls: &str) -> Result<Option<Rendered>, String> {
        if let Some(stray) = self.stray.as_ref().filter(|stray| stray.sls == sls) {
            let data = self.data(env, sls, stray.path, stray.text)?;
            let source = stray.path.to_owned();
            return Ok(Some(Rendered { data, source }));
        }
        for source in sls_paths(sls) {
            if let Some(data) = self.file(env, sls, &source)? {
                return Ok(Some(Rendered { data, source }));
            }
        }
        Ok(None)
    }

    fn top(&mut self, env: &str) -> Result<Option<Value>, String> {
        self.file(env, "", &self.top_file)
    }
}
