//! The state files of the roots, rendered for this minion.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sls::compile::{Render, Rendered, sls_paths};
use sls::render::{Held, Source};

use crate::registry::Env;
use crate::rendering::with_renderer_of;

/// Text that stands in for a file of the roots.
struct Stray<'a> {
    sls: &'a str,
    path: &'a str,
    text: &'a [u8],
}

/// The files that a run compiles.
pub(super) struct Tree<'a> {
    env: &'a Env<'a>,
    top_file: String,
    environments: Vec<String>,
    files: BTreeMap<String, Vec<String>>,
    stray: Option<Stray<'a>>,
    held: RefCell<Held>,
}

impl<'a> Tree<'a> {
    /// All files of the roots. Environments whose files cannot be listed have none.
    pub(super) fn new(env: &'a Env<'a>, top_file: String) -> Tree<'a> {
        let files = env.ctx.files();
        let mut environments = files.envs().unwrap_or_else(|error| {
            tracing::warn!("the environments of the roots are not known: {error}");
            Vec::new()
        });
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
        Tree {
            files: listed.collect(),
            env,
            top_file,
            environments,
            stray: None,
            held: RefCell::default(),
        }
    }

    /// The same, with one more SLS that is text.
    pub(super) fn with_text(
        env: &'a Env<'a>,
        sls: &'a str,
        path: &'a str,
        text: &'a [u8],
    ) -> Tree<'a> {
        let mut tree = Tree::new(env, String::new());
        if tree.environments.is_empty() {
            tree.environments.push("base".to_owned());
        }
        tree.stray = Some(Stray { sls, path, text });
        tree
    }

    /// The environment of the text.
    pub(super) fn saltenv(&self) -> String {
        let configured = self.env.ctx.config("saltenv");
        configured
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_else(|| "base".to_owned())
    }

    fn has(&self, saltenv: &str, path: &str) -> bool {
        self.files.get(saltenv).is_some_and(|files| {
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
        self.environments.clone()
    }

    fn files(&self, env: &str) -> Vec<String> {
        self.files.get(env).cloned().unwrap_or_default()
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
