//! `file.rename`: a file is moved when it is still at its old place.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, begin, expanded, fail, remove};
use crate::call::Call;
use crate::files::directories;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.rename",
    "name, source, force=False, makedirs=False, **kwargs",
    "Move a file or directory from source to name, if it is still there. force: replace what has the name. makedirs: \
     make missing directories.",
    rename,
);

fn rename(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = with_variables(&expanded(&args.text("name")?));
    let source = with_variables(&expanded(&args.text("source")?));
    let mut answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.rename"));
    }
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    let (from, to) = (Path::new(&source), Path::new(&name));
    if from.symlink_metadata().is_err() {
        answer.comment = format!("Source file \"{source}\" has already been moved out of place");
        return Ok(answer);
    }
    if to.symlink_metadata().is_ok() {
        if !args.flag("force") {
            answer.comment =
                format!("The target file \"{name}\" exists and will not be overwritten");
            return Ok(answer);
        }
        if !env.is_test && remove(to).is_err() {
            let comment = format!("Failed to delete \"{name}\" in preparation for forced move");
            return Ok(fail(answer, comment));
        }
    }
    if env.is_test {
        answer.result = None;
        answer.comment = format!("File \"{source}\" is set to be moved to \"{name}\"");
        return Ok(answer);
    }
    let directory = directories::above(&name);
    if !Path::new(directory).is_dir() {
        if !args.flag("makedirs") {
            let comment = format!("The target directory {directory} is not present");
            return Ok(fail(answer, comment));
        }
        directories::make(Path::new(directory), &Value::Null, &Value::Null, None)?;
    }
    if move_there(from, to, env).is_err() {
        return Ok(fail(
            answer,
            format!("Failed to move \"{source}\" to \"{name}\""),
        ));
    }
    answer.comment = format!("Moved \"{source}\" to \"{name}\"");
    answer.changes = Map::from_iter([(name, json!(source))]);
    Ok(answer)
}

/// Moves a file, over file systems too.
fn move_there(from: &Path, to: &Path, env: &StateEnv) -> Result<(), Failure> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    let copy = Call::new("file.copy")
        .arg(from.to_string_lossy().as_ref())
        .arg(to.to_string_lossy().as_ref())
        .kwarg("recurse", true);
    env.call(&copy)?;
    remove(from)
}

/// `$NAME` and `${NAME}` replaced by variables of the environment; those that are not set stay.
fn with_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, length) = match after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
        {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|c: char| !is_word(c)).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match std::env::var(name).ok().filter(|_| !name.is_empty()) {
            Some(value) => {
                out.push_str(&value);
                rest = &after[length..];
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(
            with_variables("/a/$PATH/${PATH}b"),
            format!("/a/{path}/{path}b")
        );
        assert_eq!(with_variables("/a/$nosuch_/${x}$"), "/a/$nosuch_/${x}$");
    }
}
