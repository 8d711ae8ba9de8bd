//! `file.directory`: a directory with this owner and mode, and all below it when wanted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::keep::{self, Level};
use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, fail, missing_owners,
    name_of, remove, user_of,
};
use crate::files::permissions::{self, Wanted};
use crate::files::{directories, mode, owner};
use crate::pattern::Selection;
use crate::python;

const SIGNATURE: &str = "name, user=None, group=None, recurse=None, max_depth=None, dir_mode=None, \
     file_mode=None, makedirs=False, clean=False, require=None, exclude_pat=None, follow_symlinks=False, force=False, \
     backupname=None, allow_symlink=True, children_only=False, win_owner=None, win_perms=None, win_deny_perms=None, \
     win_inheritance=True, win_perms_reset=False, **kwargs";

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.directory",
    SIGNATURE,
    "Make a directory with owner and mode. recurse: of user, group, mode, ignore_files, ignore_dirs, silent, what is \
     applied to all below, max_depth levels deep. clean: remove what no required state has put there, but for what \
     exclude_pat matches. force, backupname: make way for it. The win_ parameters have no meaning here.",
    directory,
);

/// What `recurse` may list.
const RECURSE_TYPES: [&str; 6] = [
    "user",
    "group",
    "mode",
    "ignore_files",
    "ignore_dirs",
    "silent",
];

/// A directory that is wanted.
struct Directory<'a> {
    name: &'a str,
    user: Value,
    group: Value,
    dir_mode: Option<String>,
    file_mode: Option<String>,
    recurse: Value,
    is_cleaned: bool,
    require: &'a Value,
    selection: Selection,
    max_depth: Option<usize>,
    follows: bool,
    children_only: bool,
}

fn directory(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut name = name_of(args)?;
    let answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.directory"));
    }
    if name.ends_with('/') && name != "/" {
        name.pop();
    }
    let max_depth = args.optional_integer("max_depth")?;
    if max_depth.is_some() && args.flag("clean") {
        return Ok(fail(answer, "Cannot specify both max_depth and clean"));
    }
    let mut dir_mode = args.value("dir_mode");
    if let Some(mode) = args
        .extra_kwargs
        .get("mode")
        .filter(|_| !python::truthy(dir_mode))
    {
        dir_mode = mode;
    }
    let file_mode = Some(args.value("file_mode")).filter(|mode| python::truthy(mode));
    let wanted = Directory {
        name: &name,
        user: user_of(args),
        group: args.value("group").clone(),
        dir_mode: mode::normalized(dir_mode),
        file_mode: mode::normalized(file_mode.unwrap_or(dir_mode)),
        recurse: args.value("recurse").clone(),
        is_cleaned: args.flag("clean"),
        require: args.value("require"),
        selection: Selection::new(&Value::Null, args.value("exclude_pat"))?,
        max_depth: max_depth.map(|depth| usize::try_from(depth).unwrap_or(0)),
        follows: args.flag("follow_symlinks"),
        children_only: args.flag("children_only"),
    };
    let missing = missing_owners(&wanted.user, &wanted.group, env);
    if !missing.is_empty() {
        return Ok(fail(answer, missing));
    }
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    let mut answer = answer;
    match make_way(&name, &mut answer, args, env)? {
        Way::Free => {}
        Way::Foretold => return Ok(answer),
        Way::Blocked(comment) => return Ok(fail(answer, comment)),
    }
    let (result, comment, changes) = match wanted.foretell(env)? {
        Ok(foretold) => foretold,
        Err(comment) => (Some(false), comment, Map::new()),
    };
    answer.changes.extend(changes);
    if env.is_test || answer.changes.is_empty() {
        answer.result = result;
        answer.comment = comment;
        return Ok(answer);
    }
    if !Path::new(&name).is_dir() {
        return wanted.create(answer, args.flag("makedirs"));
    }
    wanted.apply(answer, env)
}

/// Whether the place of the directory is free.
enum Way {
    Free,
    /// It would be made free, and nothing more can be said before.
    Foretold,
    Blocked(String),
}

/// Moves or removes a file or link that stands where the directory shall be.
fn make_way(name: &str, answer: &mut Return, args: &Args, env: &StateEnv) -> Result<Way, Failure> {
    let path = Path::new(name);
    let (is_file, is_link) = (path.is_file(), path.is_symlink());
    let is_forced = args.flag("force");
    let is_in_the_way = is_file || (is_link && (is_forced || !args.flag("allow_symlink")));
    if !is_in_the_way {
        return Ok(Way::Free);
    }
    if let Some(backup) = args.optional_text("backupname")? {
        if Path::new(&backup).symlink_metadata().is_ok() {
            if !is_forced {
                let comment = format!("File exists where the backup target {backup} should go");
                return Ok(Way::Blocked(comment));
            }
            if env.is_test {
                let text = format!("Existing file at backup path {backup} would be removed");
                answer.changes.insert("forced".to_owned(), json!(text));
            } else {
                remove(Path::new(&backup))?;
            }
        }
        if env.is_test {
            let text = format!("{name} would be renamed to {backup}");
            answer.changes.insert("backup".to_owned(), json!(text));
            answer
                .changes
                .insert(name.to_owned(), json!({"directory": "new"}));
            answer.comment = format!("{name} would be backed up and replaced with a new directory");
            answer.result = None;
            return Ok(Way::Foretold);
        }
        fs::rename(path, &backup).map_err(|error| Failure::io(path, error))?;
        return Ok(Way::Free);
    }
    let noun = if is_file { "file" } else { "symlink" };
    if !is_forced {
        let comment = format!("Specified location {name} exists and is a {noun}");
        return Ok(Way::Blocked(comment));
    }
    let title = if is_file { "File" } else { "Symlink" };
    let verb = if env.is_test { "would be" } else { "was" };
    if !env.is_test {
        remove(path)?;
    }
    let text = format!("{title} {verb} forcibly replaced");
    answer.changes.insert("forced".to_owned(), json!(text));
    Ok(Way::Free)
}

/// Result, comment and changes.
type Foretold = (Option<bool>, String, Map<String, Value>);

impl Directory<'_> {
    /// The words of `recurse`, or why they are none.
    fn recurse_set(&self) -> Result<BTreeSet<&str>, String> {
        if !python::truthy(&self.recurse) {
            return Ok(BTreeSet::new());
        }
        let Value::Array(items) = &self.recurse else {
            return Err("\"recurse\" must be formed as a list of strings".to_owned());
        };
        let words: BTreeSet<&str> = items.iter().filter_map(Value::as_str).collect();
        let is_known = |word: &&str| RECURSE_TYPES.contains(word);
        if !items.iter().all(Value::is_string) || !words.iter().all(is_known) {
            let types = RECURSE_TYPES.map(|word| format!("\"{word}\"")).join(", ");
            return Err(format!("Types for \"recurse\" limited to {types}."));
        }
        if words.contains("ignore_files") && words.contains("ignore_dirs") {
            let text = "Must not specify \"recurse\" options \"ignore_files\" and \"ignore_dirs\" at the same time.";
            return Err(text.to_owned());
        }
        Ok(words)
    }

    fn levels(&self, env: &StateEnv) -> Result<Vec<Level>, Failure> {
        if python::truthy(&self.recurse) || self.is_cleaned {
            keep::walk(self.name, self.max_depth, env)
        } else {
            Ok(Vec::new())
        }
    }

    /// What files and directories below shall have, those that are not governed having nothing.
    fn below(&self, words: &BTreeSet<&str>, is_dir: bool) -> Wanted {
        let if_named = |word: &str, value: &Value| match words.contains(word) {
            true => value.clone(),
            false => Value::Null,
        };
        let mode = if is_dir {
            &self.dir_mode
        } else {
            &self.file_mode
        };
        Wanted {
            user: if_named("user", &self.user),
            group: if_named("group", &self.group),
            mode: mode.clone().filter(|_| words.contains("mode")),
            attrs: None,
        }
    }

    /// What the directory itself shall have.
    fn itself(&self) -> Wanted {
        Wanted {
            user: self.user.clone(),
            group: self.group.clone(),
            mode: self.dir_mode.clone(),
            attrs: None,
        }
    }

    fn differences(&self, path: &str, wanted: &Wanted) -> Map<String, Value> {
        let Ok(found) = permissions::found(Path::new(path), self.follows) else {
            return Map::from_iter([("directory".to_owned(), json!("new"))]);
        };
        permissions::differences(&found, wanted, found.is_link && !self.follows)
    }

    fn foretell(&self, env: &StateEnv) -> Result<Result<Foretold, String>, Failure> {
        let mut changes = Map::new();
        let words = match self.recurse_set() {
            Ok(words) => words,
            Err(comment) => return Ok(Err(comment)),
        };
        let levels = self.levels(env)?;
        let mut itself = self.itself();
        if python::truthy(&self.recurse) {
            let (file, dir) = (self.below(&words, false), self.below(&words, true));
            let (with_files, with_dirs) = (
                !words.contains("ignore_files"),
                !words.contains("ignore_dirs"),
            );
            for level in &levels {
                let files = level
                    .files
                    .iter()
                    .filter(|_| with_files)
                    .map(|name| (name, &file));
                let dirs = level
                    .dirs
                    .iter()
                    .filter(|_| with_dirs)
                    .map(|name| (name, &dir));
                for (name, wanted) in files.chain(dirs) {
                    let path = level.path(name);
                    let differences = self.differences(&path, wanted);
                    if !differences.is_empty() {
                        changes.insert(path, Value::Object(differences));
                    }
                }
            }
            // What is not governed below is not looked at above either, as in Salt.
            itself = dir;
        }
        if !self.children_only {
            let differences = self.differences(self.name, &itself);
            if !differences.is_empty() {
                changes.insert(self.name.to_owned(), Value::Object(differences));
            }
        }
        if self.is_cleaned {
            let kept = keep::required(self.name, self.require, env)?;
            for level in &levels {
                for name in level.files.iter().chain(&level.dirs) {
                    let path = level.path(name);
                    let below = path[self.name.len()..].trim_start_matches('/');
                    let is_kept = kept.iter().any(|kept| kept.contains(&path));
                    if !is_kept && self.selection.takes(below) {
                        changes.insert(path, json!({"removed": "Removed due to clean"}));
                    }
                }
            }
        }
        if !Path::new(self.name).is_dir() {
            changes.insert(self.name.to_owned(), json!({"directory": "new"}));
        }
        if changes.is_empty() {
            let comment = format!("The directory {} is in the correct state", self.name);
            return Ok(Ok((Some(true), comment, changes)));
        }
        let mut comment = "The following files will be changed:\n".to_owned();
        for (path, change) in &changes {
            for (key, value) in change.as_object().into_iter().flatten() {
                comment += &format!("{path}: {key} - {}\n", python::text(value));
            }
        }
        Ok(Ok((None, comment, changes)))
    }

    fn create(&self, mut answer: Return, makedirs: bool) -> StateAnswer {
        let name = self.name;
        if !Path::new(directories::above(name)).is_dir() && !makedirs {
            return Ok(fail(answer, format!("No directory to create {name} in")));
        }
        let mode = self.dir_mode.as_deref();
        directories::make(Path::new(name), &self.user, &self.group, mode)?;
        answer
            .changes
            .insert(name.to_owned(), json!({"directory": "new"}));
        Ok(answer)
    }

    fn apply(&self, mut answer: Return, env: &StateEnv) -> StateAnswer {
        let path = Path::new(self.name);
        if !self.children_only {
            permissions::settle(
                path,
                &mut answer,
                &self.itself(),
                self.follows,
                false,
                env.env,
            )?;
        }
        let levels = self.levels(env)?;
        let words = self.recurse_set().unwrap_or_default();
        let mut errors = Vec::new();
        if !words.is_empty() {
            self.refuse_missing_owners(&words, &mut answer);
            if words.contains("silent") {
                let silenced = json!("Changes silenced");
                answer.changes = Map::from_iter([("recursion".to_owned(), silenced)]);
            }
            let (file, dir) = (self.below(&words, false), self.below(&words, true));
            for level in &levels {
                let files = level
                    .files
                    .iter()
                    .filter(|_| !words.contains("ignore_files"));
                let dirs = level.dirs.iter().filter(|_| !words.contains("ignore_dirs"));
                let all = files
                    .map(|name| (name, &file))
                    .chain(dirs.map(|name| (name, &dir)));
                for (name, wanted) in all {
                    let below = level.path(name);
                    let below = Path::new(&below);
                    let settled = permissions::settle(
                        below,
                        &mut answer,
                        wanted,
                        self.follows,
                        false,
                        env.env,
                    );
                    if let Err(failure) = settled {
                        errors.push(failure.to_string());
                    }
                }
            }
        }
        // Files may go while others look at them.
        errors.retain(|error| !error.starts_with("Path not found"));
        if self.is_cleaned {
            let kept = keep::required(self.name, self.require, env)?;
            let removed = keep::clean(self.name, &kept, &self.selection, env)?;
            if !removed.is_empty() {
                answer.changes.insert("removed".to_owned(), json!(removed));
                answer.comment = format!("Files cleaned from directory {}", self.name);
            }
        }
        if answer.comment.is_empty() {
            let what = if self.children_only { "/*" } else { "" };
            answer.comment = format!("Directory {}{what} updated", self.name);
        }
        if !errors.is_empty() {
            answer.result = Some(false);
            answer.comment += "\n\nThe following errors were encountered:\n";
            for error in errors {
                answer.comment += &format!("\n- {error}");
            }
        }
        Ok(answer)
    }

    fn refuse_missing_owners(&self, words: &BTreeSet<&str>, answer: &mut Return) {
        let mut refuse = |comment: String| {
            answer.result = Some(false);
            answer.comment = comment;
        };
        if words.contains("user") {
            if !owner::is_wanted(&self.user) && !self.user.is_number() {
                refuse(
                    "user not specified, but configured as a target for recursive ownership management".to_owned(),
                );
            } else if owner::user_id(&self.user).is_none() {
                let user = python::text(&self.user);
                refuse(format!(
                    "Failed to enforce ownership for user {user} (user does not exist)"
                ));
            }
        }
        if words.contains("group") {
            if !owner::is_wanted(&self.group) && !self.group.is_number() {
                refuse(
                    "group not specified, but configured as a target for recursive ownership management".to_owned(),
                );
            } else if owner::group_id(&self.group).is_none() {
                let group = python::text(&self.group);
                refuse(format!(
                    "Failed to enforce group ownership for group {group}"
                ));
            }
        }
    }
}
