//! A small tree of state files from one case file.

use indexmap::IndexMap;
use serde_json::Value;
use sls::compile::{Minion, Render, Rendered, Strategy, TopSettings, sls_paths};
use targeting::Nodegroups;

/// Files without templates, by path below their environment.
pub struct Tree {
    files: IndexMap<String, IndexMap<String, String>>,
}

impl Tree {
    /// Reads the `files` of a case, whose paths begin with the environment.
    pub fn of(case: &Value) -> Tree {
        let mut files: IndexMap<String, IndexMap<String, String>> = IndexMap::new();
        files.insert("base".to_owned(), IndexMap::new());
        for (path, text) in case["files"].as_object().expect("files is a map") {
            let (env, path) = path
                .split_once('/')
                .expect("a path begins with its environment");
            let text = text.as_str().expect("a file is a text");
            files
                .entry(env.to_owned())
                .or_default()
                .insert(path.to_owned(), text.to_owned());
        }
        files.sort_keys();
        Tree { files }
    }

    fn read(&self, env: &str, path: &str) -> Result<Option<Value>, String> {
        match self.files.get(env).and_then(|files| files.get(path)) {
            Some(text) => yaml::parse(text)
                .map(Some)
                .map_err(|error| error.to_string()),
            None => Ok(None),
        }
    }
}

impl Render for Tree {
    fn environments(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn files(&self, env: &str) -> Vec<String> {
        self.files
            .get(env)
            .into_iter()
            .flat_map(|files| files.keys().cloned())
            .collect()
    }

    fn render(&mut self, env: &str, sls: &str) -> Result<Option<Rendered>, String> {
        for source in sls_paths(sls) {
            if let Some(data) = self.read(env, &source)? {
                return Ok(Some(Rendered { data, source }));
            }
        }
        Ok(None)
    }

    fn top(&mut self, env: &str) -> Result<Option<Value>, String> {
        self.read(env, "top.sls")
    }
}

/// The minion of a case.
pub fn minion(case: &Value) -> Minion {
    Minion {
        id: "minion".to_owned(),
        grains: case["grains"].clone(),
        pillar: case["pillar"].clone(),
        nodegroups: Nodegroups::from_value(&case["options"]["nodegroups"])
            .expect("nodegroups can be read"),
    }
}

/// The options of a case that are about top files.
pub fn top_settings(case: &Value) -> TopSettings {
    let options = &case["options"];
    let word = |key: &str| options[key].as_str().map(str::to_owned);
    TopSettings {
        strategy: Strategy::of(
            options["top_file_merging_strategy"]
                .as_str()
                .unwrap_or("merge"),
        ),
        default_top: word("default_top"),
        env_order: words(&options["env_order"]),
        saltenv: word("saltenv"),
        top_env: word("state_top_saltenv"),
    }
}

/// The texts of a list.
pub fn words(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
