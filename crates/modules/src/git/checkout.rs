//! What a checkout and its remotes tell.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Git, GitFailure, Told, with_credentials};
use crate::failure::Failure;

/// The addresses of a remote.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Remote {
    pub(crate) fetch: String,
    pub(crate) push: String,
}

/// What a fetch brought: Salt's words.
pub(crate) type Fetched = Map<String, Value>;

impl Git<'_> {
    /// The commit that a checkout is at.
    pub(crate) fn revision(&self, cwd: &str) -> Told {
        self.run(cwd, &["rev-parse", "HEAD"])
    }

    /// The branch that a checkout is at; `HEAD` for none.
    pub(crate) fn current_branch(&self, cwd: &str) -> Told {
        self.run(cwd, &["rev-parse", "--abbrev-ref", "HEAD"])
    }

    pub(crate) fn rev_parse(&self, cwd: &str, rev: &str) -> Told {
        self.run(cwd, &["rev-parse", rev])
    }

    fn references(&self, cwd: &str, below: &str) -> Result<Vec<String>, GitFailure> {
        let told = self.run(
            cwd,
            &["for-each-ref", "--format", "%(refname:short)", below],
        )?;
        Ok(told.lines().map(str::to_owned).collect())
    }

    /// The branches of a checkout, or those that it knows of remotes.
    pub(crate) fn branches(&self, cwd: &str, is_remote: bool) -> Result<Vec<String>, GitFailure> {
        self.references(
            cwd,
            if is_remote {
                "refs/remotes/"
            } else {
                "refs/heads/"
            },
        )
    }

    pub(crate) fn tags(&self, cwd: &str) -> Result<Vec<String>, GitFailure> {
        self.references(cwd, "refs/tags/")
    }

    /// The remotes of a checkout, by name, with their credentials.
    pub(crate) fn remotes(&self, cwd: &str) -> Result<BTreeMap<String, Remote>, GitFailure> {
        let mut remotes: BTreeMap<String, Remote> = BTreeMap::new();
        for line in self.run(cwd, &["remote", "--verbose"])?.lines() {
            let Some((name, (url, action))) =
                line.split_once(char::is_whitespace)
                    .and_then(|(name, rest)| {
                        let rest = rest.trim();
                        // A partial clone tells its filter after the action.
                        let end = rest.rfind(" (fetch)").or_else(|| rest.rfind(" (push)"))?;
                        Some((name, rest.split_at(end)))
                    })
            else {
                continue;
            };
            let remote = remotes.entry(name.to_owned()).or_default();
            if action.starts_with(" (fetch)") {
                remote.fetch = url.to_owned();
            } else {
                remote.push = url.to_owned();
            }
        }
        Ok(remotes)
    }

    /// Sets the address of a remote, which need not be there.
    pub(crate) fn set_remote(
        &self,
        cwd: &str,
        remote: &str,
        url: &str,
        credentials: (Option<&str>, Option<&str>),
    ) -> Result<(), GitFailure> {
        let url = with_credentials(url, credentials.0, credentials.1)?;
        if self.remotes(cwd)?.contains_key(remote) {
            self.run(cwd, &["remote", "rm", remote])?;
        }
        self.run(cwd, &["remote", "add", remote, &url])?;
        Ok(())
    }

    /// The references of a remote, name to commit, in its order.
    pub(crate) fn remote_references(
        &self,
        cwd: &str,
        options: &[&str],
        url: &str,
    ) -> Result<Vec<(String, String)>, GitFailure> {
        let args = [&["ls-remote"], options, &["--", url]].concat();
        let told = self.run_remote(cwd, &args)?;
        let is_hash =
            |word: &str| word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let pairs = told
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(hash, _)| is_hash(hash));
        Ok(pairs
            .map(|(hash, name)| (name.to_owned(), hash.to_owned()))
            .collect())
    }

    /// Fetches, and says what came.
    pub(crate) fn fetch(
        &self,
        cwd: &str,
        is_forced: bool,
        options: &[&str],
        remote: &str,
        references: &[String],
    ) -> Result<Fetched, GitFailure> {
        let mut args = vec!["fetch"];
        if is_forced {
            args.push("--force");
        }
        args.extend(options);
        if !remote.is_empty() {
            args.push(remote);
        }
        args.extend(references.iter().map(String::as_str));
        Ok(fetched(&self.run_remote(cwd, &args)?))
    }

    /// Clones into a directory, which is made with what is above it.
    pub(crate) fn clone_to(
        &self,
        target: &str,
        url: &str,
        options: &[&str],
    ) -> Result<(), GitFailure> {
        let path = Path::new(target);
        let above = path.parent().unwrap_or(Path::new("/"));
        if !above.is_dir() {
            fs::create_dir_all(above).map_err(|error| Failure::io(above, error))?;
        }
        let args = [&["clone"], options, &["--", url, target]].concat();
        self.run_remote(&above.to_string_lossy(), &args)?;
        Ok(())
    }

    /// Whether a commit is an ancestor of another.
    pub(crate) fn is_ancestor(&self, cwd: &str, older: &str, newer: &str) -> bool {
        self.run(cwd, &["merge-base", "--is-ancestor", older, newer])
            .is_ok()
    }

    /// Whether a directory is a worktree of a repository elsewhere.
    pub(crate) fn is_worktree(&self, cwd: &str) -> bool {
        let top = if Path::new(cwd).is_dir() {
            self.run(cwd, &["rev-parse", "--show-toplevel"]).ok()
        } else {
            None
        };
        let text = top.and_then(|top| fs::read_to_string(Path::new(&top).join(".git")).ok());
        text.is_some_and(|text| {
            text.strip_prefix("gitdir:")
                .is_some_and(|path| path.trim().starts_with('/'))
        })
    }

    /// Fetches the modules of a checkout.
    pub(crate) fn update_submodules(&self, cwd: &str) -> Result<(), GitFailure> {
        self.run_remote(cwd, &["submodule", "update", "--init", "--recursive"])
            .map(drop)
    }
}

/// Reads what `git fetch` tells.
fn fetched(text: &str) -> Fetched {
    let mut found = Map::new();
    let mut add = |sort: &str, name: &str| {
        let list = found.entry(sort.to_owned()).or_insert_with(|| json!([]));
        list.as_array_mut()
            .into_iter()
            .for_each(|list| list.push(json!(name)));
    };
    let mut updated = Map::new();
    for line in text.lines() {
        let Some((what, names)) = line
            .trim_start_matches([' ', '*', '+', 't'])
            .split_once("->")
            .map(|(what, _)| what)
            .and_then(|what| {
                let what = what.trim();
                match what.strip_prefix('[') {
                    Some(rest) => rest.split_once(']'),
                    None => what.split_once(char::is_whitespace),
                }
            })
        else {
            continue;
        };
        let name = names.trim();
        match what {
            "new tag" => add("new tags", name),
            "new branch" => add("new branches", name),
            "tag update" => add("updated tags", name),
            range => {
                if let Some((old, new)) = range.split_once("..") {
                    updated.insert(
                        name.to_owned(),
                        json!({"old": old, "new": new.trim_start_matches('.')}),
                    );
                }
            }
        }
    }
    if !updated.is_empty() {
        found.insert("updated branches".to_owned(), Value::Object(updated));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_read() {
        let text = "From /srv/x\n   1a2b3c4..5d6e7f8  main       -> origin/main\n * [new branch]      dev        -> origin/dev\n \
             * [new tag]         v1         -> v1\n t [tag update]      v0         -> v0";
        let expected = json!({
            "new branches": ["dev"], "new tags": ["v1"], "updated tags": ["v0"],
            "updated branches": {"main": {"old": "1a2b3c4", "new": "5d6e7f8"}},
        });
        assert_eq!(Value::Object(fetched(text)), expected);
        assert!(fetched("").is_empty());
    }
}
