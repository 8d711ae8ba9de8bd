//! States of `file` that edit texts: lines, blocks, comments and what matches a regular expression.

mod accumulated;
mod append;
mod blockreplace;
mod comment;
mod keyvalue;
mod line;
mod prepend;
mod replace;
mod source;
mod uncomment;

use std::path::{Path, PathBuf};

pub(super) use accumulated::charged;

use serde_json::{Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::edit::diff;
use crate::edit::text::{self, Text};
use crate::functions::file::expand_user;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "file.accumulated",
        "name, filename, text, **kwargs",
        "Collect texts for a file that a later state manages.",
        |args, env| answer(accumulated::accumulated(args, env)),
    ),
    StateFunction::new(
        "file.append",
        "name, text=None, makedirs=False, source=None, source_hash=None, template='jinja', sources=None, source_hashes=None, defaults=None, \
         context=None, ignore_whitespace=True, show_changes=True",
        "Append texts that are not in a file.",
        |args, env| answer(append::append(args, env)),
    ),
    StateFunction::new(
        "file.blockreplace",
        "name, marker_start='#-- start managed zone --', marker_end='#-- end managed zone --', source=None, source_hash=None, template='jinja', \
         sources=None, source_hashes=None, defaults=None, context=None, content='', append_if_not_found=False, prepend_if_not_found=False, \
         backup='.bak', show_changes=True, append_newline=None, insert_before_match=None, insert_after_match=None",
        "Keep the text between two marker lines.",
        |args, env| answer(blockreplace::blockreplace(args, env)),
    ),
    StateFunction::new(
        "file.comment",
        "name, regex, char='#', backup='.bak', ignore_missing=False",
        "Comment lines out.",
        |args, env| answer(comment::comment(args, env)),
    ),
    StateFunction::new(
        "file.keyvalue",
        "name, key=None, value=None, key_values=None, separator='=', append_if_not_found=False, prepend_if_not_found=False, search_only=False, \
         show_changes=True, ignore_if_missing=False, count=1, uncomment=None, key_ignore_case=False, value_ignore_case=False, \
         create_if_missing=False, prune=False",
        "Keep lines of keys and values.",
        |args, env| answer(keyvalue::keyvalue(args, env)),
    ),
    StateFunction::new(
        "file.line",
        "name, content=None, match=None, mode=None, location=None, before=None, after=None, show_changes=True, backup=False, quiet=False, \
         indent=True, create=False, user=None, group=None, file_mode=None",
        "Insert, ensure, delete or replace a line.",
        |args, env| answer(line::line(args, env)),
    ),
    StateFunction::new(
        "file.prepend",
        "name, text=None, makedirs=False, source=None, source_hash=None, template='jinja', sources=None, source_hashes=None, defaults=None, \
         context=None, header=None, show_changes=True",
        "Put texts that are not in a file in front of it.",
        |args, env| answer(prepend::prepend(args, env)),
    ),
    StateFunction::new(
        "file.replace",
        "name, pattern, repl, count=0, flags=8, bufsize=1, append_if_not_found=False, prepend_if_not_found=False, not_found_content=None, \
         backup='.bak', show_changes=True, ignore_if_missing=False, backslash_literal=False, encoding=None",
        "Replace what matches a regular expression.",
        |args, env| answer(replace::replace(args, env)),
    ),
    StateFunction::new(
        "file.uncomment",
        "name, regex, char='#', backup='.bak'",
        "Comment lines in.",
        |args, env| answer(uncomment::uncomment(args, env)),
    ),
];

/// Why a state ends early.
enum Stop {
    Return(Box<Return>),
    Failure(Failure),
}

impl From<Return> for Stop {
    fn from(returned: Return) -> Stop {
        Stop::Return(Box::new(returned))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failure(failure)
    }
}

fn answer(ended: Result<Return, Stop>) -> StateAnswer {
    match ended {
        Ok(returned) => Ok(returned),
        Err(Stop::Return(returned)) => Ok(*returned),
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

/// The file of a state that must exist.
fn existing(args: &Args, fun: &str) -> Result<PathBuf, Stop> {
    let path = name(args, fun)?;
    match missing(&path) {
        Some(comment) => Err(returned(false, comment).into()),
        None => Ok(path),
    }
}

/// The file of a state.
fn name(args: &Args, fun: &str) -> Result<PathBuf, Stop> {
    let name = args.text("name")?;
    if name.is_empty() {
        return Err(returned(false, format!("Must provide name to {fun}")).into());
    }
    Ok(expand_user(&name))
}

/// Why a path cannot be edited, if it cannot.
fn missing(path: &Path) -> Option<String> {
    if !path.is_absolute() {
        return Some(format!(
            "Specified file {} is not an absolute path",
            path.display()
        ));
    }
    (!path.exists()).then(|| format!("{}: file not found", path.display()))
}

/// The return of an edit whose answer is a difference, or whether there was one.
fn edited(changes: Value, is_test: bool, foretold: &str) -> Return {
    if !python::truthy(&changes) {
        return returned(true, "No changes needed to be made");
    }
    let (result, comment) = if is_test {
        (None, foretold)
    } else {
        (Some(true), "Changes were made")
    };
    changed(result, comment, json!({"diff": changes}))
}

/// The change of a file from one text to another, unless there is none.
fn difference(path: &Path, old: &Text, new: &str, shows: bool) -> Option<Value> {
    if old.as_str() == new {
        return None;
    }
    Some(json!({"diff": diff_text(path, shows, || {
        let lines = |content: &str| -> Vec<String> {
            text::lines(content).into_iter().map(|line| old.shown(line)).collect()
        };
        diff::of_lines(&lines(old.as_str()), &lines(new), "", "")
    })}))
}

/// The text of a difference, where it is to be shown and the file is one of text.
fn diff_text(path: &Path, shows: bool, diff: impl FnOnce() -> String) -> String {
    if !text::is_text_file(path) {
        "Replace binary file".to_owned()
    } else if shows {
        diff()
    } else {
        "<show_changes=False>".to_owned()
    }
}

/// Makes the file of `file.append` or `file.prepend` when it is missing, and its directory when that is wished.
fn prepare(args: &Args, env: &StateEnv, path: &Path) -> Result<(), Stop> {
    let Some(comment) = missing(path) else {
        return Ok(());
    };
    if !path.is_absolute() {
        return Err(returned(false, comment).into());
    }
    if env.is_test {
        let comment = format!("File {} is set to be created", path.display());
        let changes = json!({"new": path.to_string_lossy()});
        return Err(changed(None, comment, changes).into());
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    if args.flag("makedirs") {
        std::fs::create_dir_all(parent).map_err(|error| Failure::io(parent, error))?;
    }
    if !parent.is_dir() {
        return Err(returned(false, comment).into());
    }
    std::fs::write(path, "").map_err(|error| Failure::io(path, error))?;
    Ok(())
}

/// The texts of `text`, or of the sources where there are some.
fn texts(args: &Args, env: &StateEnv) -> Result<Vec<String>, Stop> {
    let sources = source::listed(args)?;
    if !sources.is_empty() {
        return source::rendered(args, env, &sources);
    }
    match args.value("text") {
        Value::Null => {
            let comment = "No text found to append. Nothing appended";
            Err(returned(false, comment).into())
        }
        Value::Array(items) => Ok(items.iter().map(python::text).collect()),
        one => Ok(vec![python::text(one)]),
    }
}

#[cfg(test)]
mod tests;
