//! Where state files come from: what the caller has to provide.

use indexmap::IndexMap;
use serde_json::Value;

/// A state file after its renderers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// What it says; null for an empty one.
    pub data: Value,
    /// The file, as a path in its environment: relative includes count from there.
    pub source: String,
}

/// Reads and renders state files.
pub trait Render {
    /// The environments, in the order of the configuration, `base` first.
    fn environments(&self) -> Vec<String>;

    /// The paths of all files of an environment.
    fn files(&self, env: &str) -> Vec<String>;

    /// Renders one SLS: the first of the files of [`sls_paths`] that exists. None when there is none; the error is the renderers' text.
    fn render(&mut self, env: &str, sls: &str) -> Result<Option<Rendered>, String>;

    /// Renders the top file of an environment. None when it has none.
    fn top(&mut self, env: &str) -> Result<Option<Value>, String>;
}

/// The state functions that exist on this minion, as `file.managed`.
pub trait Functions {
    /// Whether there is one of this name.
    fn has(&self, function: &str) -> bool;
}

impl<F: Fn(&str) -> bool> Functions for F {
    fn has(&self, function: &str) -> bool {
        self(function)
    }
}

/// The files that may hold an SLS, the preferred one first. A name that ends with a dot, as the include `.` makes it, is a folder.
pub fn sls_paths(sls: &str) -> [String; 2] {
    let path = sls.replace('.', "/");
    let folder = format!("{}/init.sls", path.trim_end_matches('/'));
    [
        format!("{path}.sls"),
        folder.trim_start_matches('/').to_owned(),
    ]
}

/// The names of SLS files by environment: what globs and includes choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Available(IndexMap<String, Vec<String>>);

impl Available {
    /// Asks a source for all its files.
    pub fn of(source: &dyn Render) -> Available {
        let environments = source.environments();
        Available(
            environments
                .into_iter()
                .map(|env| {
                    let names = sls_names(&source.files(&env));
                    (env, names)
                })
                .collect(),
        )
    }

    /// Whether there is such an environment.
    pub fn has(&self, env: &str) -> bool {
        self.0.contains_key(env)
    }

    /// The names in an environment, sorted.
    pub fn names(&self, env: &str) -> &[String] {
        self.0.get(env).map_or(&[], Vec::as_slice)
    }

    /// The names in an environment that fit a glob, sorted.
    pub fn matching(&self, env: &str, glob: &str) -> Vec<String> {
        let pattern = targeting::Glob::new(glob);
        let names = self.names(env).iter();
        names
            .filter(|name| pattern.matches(name))
            .cloned()
            .collect()
    }
}

/// The names of the SLS among some paths, sorted and each once.
fn sls_names(paths: &[String]) -> Vec<String> {
    let mut names: Vec<String> = paths
        .iter()
        .filter_map(|path| {
            let path = path.strip_suffix(".sls")?;
            Some(path.strip_suffix("/init").unwrap_or(path).replace('/', "."))
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::{sls_names, sls_paths};

    #[test]
    fn names_of_paths() {
        let paths = [
            "b/init.sls",
            "init.sls",
            "a/c.sls",
            "a.sls",
            "b.sls",
            "x.txt",
        ];
        let paths: Vec<String> = paths.map(str::to_owned).to_vec();
        assert_eq!(sls_names(&paths), ["a", "a.c", "b", "init"]);
    }

    #[test]
    fn paths_of_names() {
        assert_eq!(sls_paths("a.b"), ["a/b.sls", "a/b/init.sls"]);
        assert_eq!(sls_paths("a."), ["a/.sls", "a/init.sls"]);
        assert_eq!(sls_paths(""), [".sls", "init.sls"]);
    }
}
