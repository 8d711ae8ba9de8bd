//! A small tree of pillar files from one case.

use std::rc::Rc;

use pillar::functions::Hub;
use pillar::{External, NoExternal, Pillar, Request, Roots, compile};
use serde_json::{Map, Value, json};
use sls::render::{Files, Foreign, Functions, NoForeign};

/// Files by environment.
pub struct Tree(Vec<(String, Map<String, Value>)>);

impl Tree {
    /// The `files` of a case, whose paths begin with the environment.
    pub fn of(case: &Value) -> Tree {
        let mut environments: Vec<(String, Map<String, Value>)> = Vec::new();
        for (path, text) in case["files"].as_object().unwrap() {
            let (env, path) = path.split_once('/').unwrap();
            if !environments.iter().any(|(name, _)| name == env) {
                environments.push((env.to_owned(), Map::new()));
            }
            let (_, files) = environments
                .iter_mut()
                .find(|(name, _)| name == env)
                .unwrap();
            files.insert(path.to_owned(), text.clone());
        }
        Tree(environments)
    }

    /// The paths by environment.
    pub fn paths(&self) -> Vec<(String, Vec<String>)> {
        let paths = |(env, files): &(String, Map<String, Value>)| {
            (env.clone(), files.keys().cloned().collect())
        };
        self.0.iter().map(paths).collect()
    }
}

impl Files for Tree {
    fn read(&self, saltenv: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let found = self.0.iter().find(|(env, _)| env == saltenv);
        let text = found.and_then(|(_, files)| files.get(path)?.as_str());
        Ok(text.map(|text| text.as_bytes().to_vec()))
    }
}

/// What stands around a case.
pub struct Outside<'a> {
    /// Renderers.
    pub foreign: &'a dyn Foreign,
    /// Sources of values.
    pub external: &'a dyn External,
}

/// The pillar of a case with nothing around it.
pub fn pillar_of(case: &Value) -> Pillar {
    let outside = Outside {
        foreign: &NoForeign,
        external: &NoExternal,
    };
    pillar_within(case, &outside)
}

/// The pillar of a case.
pub fn pillar_within(case: &Value, outside: &Outside<'_>) -> Pillar {
    let tree = Tree::of(case);
    let mut grains =
        json!({"id": "minion", "kernel": "Linux", "os": "Debian", "os_family": "Debian"});
    for (key, value) in case["grains"].as_object().into_iter().flatten() {
        grains[key] = value.clone();
    }
    let options = case.get("options").cloned().unwrap_or_else(|| json!({}));
    let values = case["values"].as_object().cloned().unwrap_or_default();
    compile(&Request {
        roots: Roots {
            files: &tree,
            environments: &tree.paths(),
        },
        functions: &|pillar: Rc<Value>| -> Box<dyn Functions> {
            Box::new(Hub::new("minion", &grains, &options, pillar))
        },
        foreign: outside.foreign,
        external: outside.external,
        id: "minion",
        grains: &grains,
        options: &options,
        saltenv: case["saltenv"].as_str(),
        values: &values,
    })
}
