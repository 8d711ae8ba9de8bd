//! The files that a pillar is made of, and how they are rendered.

use serde_json::{Map, Value};
use sls::compile::{Render, Rendered, sls_paths};
use sls::render::{Data, Files, Renderer, Source};

/// The environment that is always there.
const BASE: &str = "base";

/// The files of the pillar roots.
#[derive(Clone, Copy)]
pub struct Roots<'a> {
    /// Their content.
    pub files: &'a dyn Files,
    /// The paths of all files by environment, in the order of the configuration.
    pub environments: &'a [(String, Vec<String>)],
}

/// The roots with what renders them.
pub(crate) struct RenderedRoots<'a> {
    pub(crate) roots: Roots<'a>,
    pub(crate) renderer: &'a Renderer<'a>,
    /// What a file goes through whose first line says nothing.
    pub(crate) pipeline: &'a str,
    /// The path of the top file.
    pub(crate) top: &'a str,
}

impl RenderedRoots<'_> {
    /// Whether the configuration has the environment, and files in it.
    pub(crate) fn has_files(&self, env: &str) -> bool {
        let mut environments = self.roots.environments.iter();
        environments.any(|(name, paths)| name == env && !paths.is_empty())
    }

    /// Renders an SLS with more names for its templates. None when there is no such file.
    pub(crate) fn sls(
        &self,
        env: &str,
        sls: &str,
        context: &Map<String, Value>,
    ) -> Result<Option<Rendered>, String> {
        for path in sls_paths(sls) {
            if let Some(data) = self.file(env, sls, &path, context)? {
                return Ok(Some(Rendered { data, source: path }));
            }
        }
        Ok(None)
    }

    fn file(
        &self,
        env: &str,
        sls: &str,
        path: &str,
        context: &Map<String, Value>,
    ) -> Result<Option<Value>, String> {
        let Some(text) = self.roots.files.read(env, path)? else {
            return Ok(None);
        };
        let source = Source {
            saltenv: env,
            sls,
            path,
            text: &text,
            context: context.clone(),
        };
        match self.renderer.render(&source, self.pipeline) {
            Ok(Data::Tree(tree)) => Ok(Some(tree)),
            Ok(Data::Text(_)) => Err(format!(
                "the renderers of {path} give text, and a pillar file has to give a tree: end its first line with |yaml or |json"
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Render for RenderedRoots<'_> {
    fn environments(&self) -> Vec<String> {
        let names = self.roots.environments.iter().map(|(name, _)| name.clone());
        let mut all = vec![BASE.to_owned()];
        all.extend(names.filter(|name| name != BASE));
        all
    }

    fn files(&self, env: &str) -> Vec<String> {
        let mut environments = self.roots.environments.iter();
        let found = environments.find(|(name, _)| name == env);
        found.map_or_else(Vec::new, |(_, paths)| paths.clone())
    }

    fn render(&mut self, env: &str, sls: &str) -> Result<Option<Rendered>, String> {
        self.sls(env, sls, &Map::new())
    }

    fn top(&mut self, env: &str) -> Result<Option<Value>, String> {
        self.file(env, "", self.top, &Map::new())
    }
}
