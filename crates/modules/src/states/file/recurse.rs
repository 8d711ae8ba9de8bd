//! `file.recurse`: a directory with all that a directory of the hub's files has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, fail, keep, missing_owners,
    name_of, remove, user_of,
};
use crate::files::{directories, mode};
use crate::pattern::Selection;
use crate::python;
use crate::source::Source;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.recurse",
    "name, source, keep_source=True, clean=False, require=None, user=None, group=None, dir_mode=None, file_mode=None, \
     sym_mode=None, template=None, context=None, replace=True, defaults=None, include_empty=False, backup='', \
     include_pat=None, exclude_pat=None, maxdepth=None, keep_symlinks=False, force_symlinks=False, win_owner=None, \
     win_perms=None, win_deny_perms=None, win_inheritance=True, merge=False, **kwargs",
    "Make a directory with the files of a directory of the hub (salt://; of a list the first that is there, or with \
     merge all of them, the first ones winning), each as file.managed does. include_pat, exclude_pat: shell patterns of \
     paths below, or regular expressions behind E@. clean: remove what does not belong there. The hub serves what links \
     lead to, so keep_symlinks is not served. The win_ parameters have no meaning here.",
    recurse,
);

/// What belongs into the directory.
#[derive(Debug, Default)]
struct Plan {
    /// Files by path, with their sources.
    files: BTreeMap<String, String>,
    /// Directories that hold files.
    directories: BTreeSet<String>,
    /// Everything that is known and stays when the directory is cleaned.
    kept: BTreeSet<String>,
    /// Directories at any level, which no file of a later source may replace.
    occupied: BTreeSet<String>,
}

fn recurse(args: &Args, env: &StateEnv) -> StateAnswer {
    let shown = name_of(args)?;
    let name = shown.strip_suffix('/').filter(|name| !name.is_empty());
    let name = name.unwrap_or(&shown);
    let mut answer = begin(&shown);
    if args.extra_kwargs.contains_key("mode") {
        let text =
            "'mode' is not allowed in 'file.recurse'. Please use 'file_mode' and 'dir_mode'.";
        return Ok(fail(answer, text));
    }
    if args.flag("keep_symlinks") {
        return Err(Failure::invocation(
            "'keep_symlinks' is not served: the hub serves what links lead to; use file.symlink",
        ));
    }
    let (user, group) = (user_of(args), args.value("group"));
    let missing = missing_owners(&user, group, env);
    if !missing.is_empty() {
        return Ok(fail(answer, missing));
    }
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    let sources = match sources(args.value("source"), env)? {
        Ok(sources) => sources,
        Err(text) => return Ok(fail(answer, format!("Recurse failed: {text}"))),
    };
    let path = Path::new(name);
    if !path.is_dir() {
        if path.exists() {
            let comment = format!("The path {name} exists and is not a directory");
            return Ok(fail(answer, comment));
        }
        if !env.is_test {
            let mode = mode::normalized(args.value("dir_mode"));
            directories::make(path, &user, group, mode.as_deref())?;
        }
    }
    let mut plan = plan(name, &sources, args, env)?;
    let mut gathered = Gathering {
        comments: BTreeMap::new(),
        answer: &mut answer,
    };
    for directory in &plan.directories {
        manage_directory(directory, &user, args, env, &mut gathered)?;
    }
    let said = common(args, &user);
    for (file, source) in &plan.files {
        if env.env.cancel.is_cancelled() {
            return Err(Failure::command("the job was cancelled"));
        }
        manage_file(file, source, said.clone(), args, env, &mut gathered)?;
    }
    keep::note(name, &plan.kept, env);
    if args.flag("clean") {
        plan.kept
            .extend(keep::required(name, args.value("require"), env)?);
        let excluded = Selection::new(&Value::Null, args.value("exclude_pat"))?;
        let removed = keep::clean(name, &plan.kept, &excluded, env)?;
        gathered.removed(removed, env);
    }
    let comments = gathered.comments;
    let parts = comments
        .iter()
        .map(|(path, texts)| format!("\n#### {path} ####\n{}", texts.join("\n")));
    answer.comment = parts.collect::<Vec<_>>().join("\n").trim().to_owned();
    if answer.comment.is_empty() {
        answer.comment = format!("Recursively updated {shown}");
    }
    if answer.changes.is_empty() && answer.result == Some(true) {
        answer.comment = format!("The directory {shown} is in the correct state");
    }
    Ok(answer)
}

/// The directories of the hub that are there, as path and environment.
fn sources(said: &Value, env: &StateEnv) -> Result<Result<Vec<(String, String)>, String>, Failure> {
    let texts: Vec<String> = match said {
        Value::Array(items) => items.iter().map(python::text).collect(),
        one => vec![python::text(one)],
    };
    let mut found = Vec::new();
    for text in &texts {
        if !text.starts_with("salt://") {
            let text = text.trim_end_matches('/');
            return Ok(Err(format!(
                "Invalid source '{text}' (must be a salt:// URI)"
            )));
        }
    }
    for text in texts {
        let Source::Hub { path, env: named } = Source::parse(text.trim_end_matches('/'))? else {
            continue;
        };
        let saltenv = named.unwrap_or_else(|| env.saltenv());
        let listed = list(&path, &saltenv, env)?;
        if !listed.is_empty() {
            found.push((path, saltenv));
        }
    }
    if found.is_empty() {
        return Ok(Err("none of the specified sources were found".to_owned()));
    }
    Ok(Ok(found))
}

/// The files below a directory of the hub, by their paths below it.
fn list(path: &str, saltenv: &str, env: &StateEnv) -> Result<Vec<String>, Failure> {
    let prefix = match path.trim_end_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let files = env.env.ctx.files().list(saltenv, &prefix);
    let files = files.map_err(Failure::Command)?;
    Ok(files
        .iter()
        .filter_map(|file| file.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect())
}

fn plan(
    name: &str,
    sources: &[(String, String)],
    args: &Args,
    env: &StateEnv,
) -> Result<Plan, Failure> {
    let selection = Selection::new(args.value("include_pat"), args.value("exclude_pat"))?;
    let max_depth = args
        .optional_integer("maxdepth")?
        .map(|depth| usize::try_from(depth).unwrap_or(0));
    let takes = |below: &str| {
        max_depth.is_none_or(|max| below.matches('/').count() <= max) && selection.takes(below)
    };
    let count = if args.flag("merge") { sources.len() } else { 1 };
    let mut plan = Plan::default();
    for (path, saltenv) in sources.iter().take(count) {
        let listed = list(path, saltenv, env)?;
        for below in listed.iter().filter(|below| takes(below)) {
            let whole = format!("{}/{below}", path.trim_end_matches('/'));
            let source = format!("salt://{}?saltenv={saltenv}", whole.trim_start_matches('/'));
            plan.add(name, below, source);
        }
        if args.flag("include_empty") {
            let parents = listed
                .iter()
                .flat_map(|file| Path::new(file).ancestors().skip(1));
            let parents: BTreeSet<&str> = parents
                .filter_map(Path::to_str)
                .filter(|below| !below.is_empty() && takes(below))
                .collect();
            for below in parents {
                plan.add_directory(format!("{name}/{below}"));
            }
        }
    }
    Ok(plan)
}

impl Plan {
    fn is_occupied(&self, path: &str) -> bool {
        let is_file = |path: &Path| {
            path.to_str()
                .is_some_and(|path| self.files.contains_key(path))
        };
        self.occupied.contains(path) || Path::new(path).ancestors().any(is_file)
    }

    fn add(&mut self, name: &str, below: &str, source: String) {
        let path = format!("{name}/{below}");
        if self.is_occupied(&path) {
            return;
        }
        let parents = Path::new(&path).ancestors().skip(1);
        let parents: Vec<&str> = parents.filter_map(Path::to_str).collect();
        self.directories
            .extend(parents.first().map(|parent| (*parent).to_owned()));
        self.occupied.extend(parents.into_iter().map(str::to_owned));
        self.kept.insert(path.clone());
        self.files.insert(path, source);
    }

    fn add_directory(&mut self, path: String) {
        let is_file = |path: &Path| {
            path.to_str()
                .is_some_and(|path| self.files.contains_key(path))
        };
        if Path::new(&path).ancestors().any(is_file) {
            return;
        }
        self.directories.insert(path.clone());
        self.occupied.insert(path.clone());
        self.kept.insert(path);
    }
}

/// The return of the whole, as the returns of its parts come in.
struct Gathering<'a> {
    comments: BTreeMap<String, Vec<String>>,
    answer: &'a mut Return,
}

impl Gathering<'_> {
    fn merge(&mut self, path: &str, part: Return) {
        if part.result == Some(false) || self.answer.result == Some(true) {
            self.answer.result = part.result;
        }
        if part.result != Some(true) && !part.comment.is_empty() {
            let comments = self.comments.entry(path.to_owned()).or_default();
            comments.push(part.comment);
        }
        if !part.changes.is_empty() {
            let changes = Value::Object(part.changes);
            self.answer.changes.insert(path.to_owned(), changes);
        }
    }

    /// Something of another kind stands in the place of a path: it goes, or in test mode would.
    fn replace(
        &mut self,
        path: &str,
        foretold: String,
        done: &str,
        env: &StateEnv,
    ) -> Result<(), Failure> {
        let mut part = begin(path);
        if env.is_test {
            part.result = None;
            part.comment = foretold;
        } else {
            remove(Path::new(path))?;
            part.changes.insert("diff".to_owned(), json!(done));
        }
        self.merge(path, part);
        Ok(())
    }

    fn removed(&mut self, removed: Vec<String>, env: &StateEnv) {
        if removed.is_empty() {
            return;
        }
        if env.is_test {
            if self.answer.result == Some(true) {
                self.answer.result = None;
            }
            let comments = self.comments.entry("removed".to_owned()).or_default();
            comments.extend(removed);
        } else {
            self.answer
                .changes
                .insert("removed".to_owned(), json!(removed));
        }
    }
}

/// What all files of the directory have in common.
fn common(args: &Args, user: &Value) -> Map<String, Value> {
    let mut said = args.extra_kwargs.clone();
    for name in [
        "keep_source",
        "group",
        "template",
        "replace",
        "context",
        "defaults",
        "backup",
    ] {
        said.insert(name.to_owned(), args.value(name).clone());
    }
    said.insert("user".to_owned(), user.clone());
    said.insert("mode".to_owned(), args.value("file_mode").clone());
    said.insert("makedirs".to_owned(), json!(true));
    said
}

fn manage_file(
    path: &str,
    source: &str,
    mut said: Map<String, Value>,
    args: &Args,
    env: &StateEnv,
    gathered: &mut Gathering<'_>,
) -> Result<(), Failure> {
    if args.flag("clean") && Path::new(path).is_dir() && args.flag("replace") {
        let foretold = format!("Replacing directory {path} with a file");
        gathered.replace(path, foretold, "Replaced directory with a new file", env)?;
        if env.is_test {
            return Ok(());
        }
    }
    said.insert("name".to_owned(), json!(path));
    said.insert("source".to_owned(), json!(source));
    gathered.merge(path, env.state("file.managed", said, env.is_test));
    Ok(())
}

fn manage_directory(
    path: &str,
    user: &Value,
    args: &Args,
    env: &StateEnv,
    gathered: &mut Gathering<'_>,
) -> Result<(), Failure> {
    let place = Path::new(path);
    if args.flag("clean") && place.exists() && !place.is_dir() {
        let foretold = format!("Replacing {path} with a directory");
        gathered.replace(path, foretold, "Replaced file with a directory", env)?;
        if env.is_test {
            return Ok(());
        }
    }
    let said = [
        ("name", json!(path)),
        ("user", user.clone()),
        ("group", args.value("group").clone()),
        ("dir_mode", args.value("dir_mode").clone()),
        ("makedirs", json!(true)),
    ];
    let said = said.map(|(name, value)| (name.to_owned(), value));
    let part = env.state("file.directory", Map::from_iter(said), env.is_test);
    gathered.merge(path, part);
    Ok(())
}
