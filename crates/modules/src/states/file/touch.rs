//! `file.touch`: a file is there, with these times.

use std::path::Path;

use serde_json::{Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, begin, fail, name_of};
use crate::call::Call;
use crate::files::directories;
use crate::python;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.touch",
    "name, atime=None, mtime=None, makedirs=False",
    "Make a file if it is missing and set its times, in seconds since 1970, by default to now: a state that always \
     changes something. makedirs: make missing directories.",
    touch,
);

fn touch(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.touch"));
    }
    if !name.starts_with('/') {
        let comment = format!("Specified file {name} is not an absolute path");
        return Ok(fail(answer, comment));
    }
    let path = Path::new(&name);
    let was_there = path.exists();
    if env.is_test {
        if !was_there {
            answer.result = None;
            answer.comment = format!("File {name} is set to be created");
            answer.changes.insert("new".to_owned(), json!(name));
        } else if has_other_times(&name, args, env)? {
            answer.result = None;
            answer.comment = format!("Times set to be updated on file {name}");
            answer.changes.insert("touched".to_owned(), json!(name));
        } else {
            // Salt says so of a file whose times it would set to now.
            answer.comment = format!("File {name} exists and has the correct times");
            answer.changes.insert("new".to_owned(), json!(name));
        }
        return Ok(answer);
    }
    if args.flag("makedirs") {
        directories::make_parents(path, &Value::Null, &Value::Null, None)?;
    }
    if !Path::new(directories::above(&name)).is_dir() {
        let comment = format!("Directory not present to touch file {name}");
        return Ok(fail(answer, comment));
    }
    let call = Call::new("file.touch")
        .arg(name.as_str())
        .arg(args.value("atime").clone())
        .arg(args.value("mtime").clone());
    env.call(&call)?;
    if was_there {
        let noun = if path.is_dir() { "directory" } else { "file" };
        answer.comment = format!("Updated times on {noun} {name}");
        answer.changes.insert("touched".to_owned(), json!(name));
    } else {
        answer.comment = format!("Created empty file {name}");
        answer.changes.insert("new".to_owned(), json!(name));
    }
    Ok(answer)
}

/// Whether a file has other times than those that are wanted. Salt compares texts, so a whole number is never a file's time, which has a fraction.
fn has_other_times(name: &str, args: &Args, env: &StateEnv) -> Result<bool, super::Failure> {
    let call = Call::new("file.stats")
        .arg(name)
        .kwarg("follow_symlinks", false);
    let stats = env.call(&call)?;
    let differs = |time: &str| {
        let wanted = args.value(time);
        !wanted.is_null() && python::text(wanted) != python::text(&stats[time])
    };
    Ok(differs("atime") || differs("mtime"))
}
