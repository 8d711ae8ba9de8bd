//! `clean`: what is removed from a directory that a state owns, and what stays because other states need it there.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Failure, StateEnv, remove};
use crate::pattern::Selection;

/// The name under which `file.recurse` notes what it put into each directory.
const RECURSED: &str = "file.recurse";

/// Most directories and files that a state walks over.
const FOUND_MAX: usize = 1_000_000;

/// A directory with the names in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) root: String,
    pub(super) dirs: Vec<String>,
    pub(super) files: Vec<String>,
}

impl Level {
    /// The path of a name in it.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.root.trim_end_matches('/'))
    }
}

/// All directories below one and itself, the upper ones first; as many levels as `max_depth` says. Links are not followed.
pub(super) fn walk(
    top: &str,
    max_depth: Option<usize>,
    env: &StateEnv,
) -> Result<Vec<Level>, Failure> {
    let mut levels = Vec::new();
    let mut waiting = vec![(top.to_owned(), 0)];
    let mut count = 0;
    while let Some((root, depth)) = waiting.pop() {
        if env.env.cancel.is_cancelled() {
            return Err(Failure::command("the job was cancelled"));
        }
        if max_depth.is_some_and(|max| depth >= max) {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&root) else {
            continue;
        };
        let mut level = Level {
            root,
            dirs: Vec::new(),
            files: Vec::new(),
        };
        let mut below = Vec::new();
        for entry in entries.flatten() {
            count += 1;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.path().is_dir() {
                level.files.push(name);
                continue;
            }
            if !entry.path().is_symlink() {
                below.push((level.path(&name), depth + 1));
            }
            level.dirs.push(name);
        }
        if count > FOUND_MAX {
            return Err(Failure::command(format!(
                "more than {FOUND_MAX} files below '{top}'"
            )));
        }
        level.dirs.sort();
        level.files.sort();
        below.sort_by(|a, b| b.cmp(a));
        waiting.extend(below);
        levels.push(level);
    }
    Ok(levels)
}

/// Notes what a `file.recurse` put into a directory, for a state that cleans a directory above.
pub(super) fn note(directory: &str, kept: &BTreeSet<String>, env: &StateEnv) {
    env.shared.change(RECURSED, |notes| {
        if !notes.is_object() {
            *notes = Value::Object(Map::new());
        }
        notes[directory] = json!(kept);
    });
}

/// The paths below a directory that states which this one requires have put there.
pub(super) fn required(
    directory: &str,
    require: &Value,
    env: &StateEnv,
) -> Result<BTreeSet<String>, Failure> {
    let recursed = env.shared.note(RECURSED);
    let mut kept = BTreeSet::new();
    for (name, fun) in required_states(require, env.records) {
        if !Path::new(&name).is_dir() {
            kept.insert(name);
            continue;
        }
        if !is_below(&name, directory) {
            continue;
        }
        let noted = recursed.get(&name).and_then(Value::as_array);
        match noted.filter(|_| fun == "recurse") {
            Some(noted) => kept.extend(noted.iter().filter_map(Value::as_str).map(str::to_owned)),
            None => {
                for level in walk(&name, None, env)? {
                    let names = level.dirs.iter().chain(&level.files);
                    kept.extend(names.map(|name| level.path(name)));
                    kept.insert(level.root);
                }
            }
        }
    }
    Ok(kept)
}

/// Names and functions of the states whose id or name a `require` of files gives, of those that have run: a required state has.
fn required_states(require: &Value, records: &Map<String, Value>) -> Vec<(String, String)> {
    let wanted: BTreeSet<&str> = require
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|requisite| requisite.get("file")?.as_str())
        .collect();
    let tags = records.keys().filter_map(|tag| {
        let mut parts = tag.split("_|-").skip(1);
        Some((parts.next()?, parts.next()?, parts.next()?))
    });
    tags.filter(|(id, name, _)| wanted.contains(id) || wanted.contains(name))
        .map(|(_, name, fun)| (name.to_owned(), fun.to_owned()))
        .collect()
}

fn is_below(path: &str, directory: &str) -> bool {
    Path::new(path).starts_with(directory)
}

/// Removes all below a directory that is not kept, or above something that is, and that the pattern does not exclude; answers what it removed or,
/// in test mode, would.
pub(super) fn clean(
    root: &str,
    kept: &BTreeSet<String>,
    selection: &Selection,
    env: &StateEnv,
) -> Result<Vec<String>, Failure> {
    let with_parents: BTreeSet<&Path> = kept
        .iter()
        .filter(|path| path.starts_with('/'))
        .flat_map(|path| Path::new(path).ancestors())
        .collect();
    let mut removed = Vec::new();
    for level in walk(root, None, env)? {
        for name in level.dirs.iter().chain(&level.files) {
            let path = level.path(name);
            let below = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .trim_start_matches('/');
            let is_gone = !env.is_test && Path::new(&path).symlink_metadata().is_err();
            if is_gone || with_parents.contains(Path::new(&path)) || !selection.takes(below) {
                continue;
            }
            if !env.is_test {
                remove(Path::new(&path))?;
            }
            removed.push(path);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_states_are_found_by_id_and_name() {
        let records = Map::from_iter([
            ("file_|-conf_|-/etc/x/a_|-managed".to_owned(), json!({})),
            ("file_|-other_|-/etc/x/b_|-recurse".to_owned(), json!({})),
            ("pkg_|-vim_|-vim_|-installed".to_owned(), json!({})),
        ]);
        let check = |require: Value, expected: &[(&str, &str)]| {
            let found = required_states(&require, &records);
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .collect();
            assert_eq!(found, expected, "{require}");
        };
        check(json!([{"file": "conf"}]), &[("/etc/x/a", "managed")]);
        check(
            json!([{"file": "/etc/x/b"}, {"pkg": "conf"}]),
            &[("/etc/x/b", "recurse")],
        );
        check(json!(["conf"]), &[]);
        check(Value::Null, &[]);
    }
}
