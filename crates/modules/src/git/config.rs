//! Options of git.

use serde_json::{Map, Value, json};

use super::{Git, GitFailure};

/// Where options are: of a repository, or of the user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// The directory of the repository.
    pub(crate) repo: Option<&'a str>,
    pub(crate) is_global: bool,
}

impl Scope<'_> {
    fn cwd(&self) -> &str {
        self.repo.unwrap_or("/")
    }

    fn args<'b>(&self, more: &[&'b str]) -> Vec<&'b str> {
        // Options of the user do not count as those of a repository.
        let place = if self.is_global {
            "--global"
        } else {
            "--local"
        };
        let mut args = vec!["config", place];
        args.extend(more);
        args
    }
}

impl Git<'_> {
    /// All values of an option; nothing when it is not set.
    pub(crate) fn option_values(&self, scope: Scope, key: &str) -> Option<Vec<String>> {
        let told = self
            .run(scope.cwd(), &scope.args(&["--get-all", key]))
            .ok()?;
        Some(told.lines().map(str::to_owned).collect())
    }

    /// The options whose names match an expression, with values that match another.
    pub(crate) fn options_matching(
        &self,
        scope: Scope,
        key: &str,
        value: Option<&str>,
    ) -> Map<String, Value> {
        let mut more = vec!["--get-regexp", key];
        more.extend(value);
        let told = self
            .run(scope.cwd(), &scope.args(&more))
            .unwrap_or_default();
        let mut found = Map::new();
        for (name, value) in told.lines().filter_map(|line| line.split_once(' ')) {
            let list = found.entry(name.to_owned()).or_insert_with(|| json!([]));
            list.as_array_mut()
                .into_iter()
                .for_each(|list| list.push(json!(value)));
        }
        found
    }

    /// Sets an option to these values; with `is_added` they come to those that it has.
    pub(crate) fn set_option(
        &self,
        scope: Scope,
        key: &str,
        values: &[String],
        is_added: bool,
    ) -> Result<(), GitFailure> {
        for (at, value) in values.iter().enumerate() {
            let how = if at == 0 && !is_added {
                "--replace-all"
            } else {
                "--add"
            };
            self.run(scope.cwd(), &scope.args(&[how, key, value]))?;
        }
        Ok(())
    }

    /// Takes an option away, the only value of it or all.
    pub(crate) fn unset_option(
        &self,
        scope: Scope,
        key: &str,
        value: Option<&str>,
        is_all: bool,
    ) -> Result<(), GitFailure> {
        let mut more = vec![if is_all { "--unset-all" } else { "--unset" }, key];
        more.extend(value);
        self.run(scope.cwd(), &scope.args(&more)).map(drop)
    }
}
