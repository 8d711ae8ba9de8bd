//! `file.hardlink`: a second name of a file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use super::{
    Args, Return, StateAnswer, StateEnv, StateFunction, begin, expanded, fail, name_of, own_user,
    remove, user_of,
};
use crate::failure::python_text;
use crate::files::{directories, mode, owner};
use crate::python;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.hardlink",
    "name, target, force=False, makedirs=False, user=None, group=None, dir_mode=None, **kwargs",
    "Make a second name of a file. force: replace another file of that name. makedirs: make missing directories, with \
     user, group and dir_mode.",
    hardlink,
);

/// How many names a file has, itself and its device; none when it is not there.
fn names(path: &Path) -> Option<(u64, (u64, u64))> {
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.nlink(), (metadata.dev(), metadata.ino())))
}

fn has_others(path: &Path) -> bool {
    names(path).is_some_and(|(count, _)| count > 1)
}

fn is_same(path: &Path, target: &Path) -> bool {
    let id = |path| names(path).map(|(_, id)| id);
    id(path).is_some() && id(path) == id(target)
}

fn hardlink(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let target = expanded(&args.text("target")?);
    let answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.hardlink"));
    }
    let user = own_user(user_of(args), env);
    let group = match args.value("group") {
        group if group.is_null() => owner::main_group(&user),
        group => group.clone(),
    };
    let mut errors = Vec::new();
    if owner::user_id(&user).is_none() {
        errors.push(format!("User {} does not exist", python::text(&user)));
    }
    if owner::group_id(&group).is_none() {
        errors.push(format!("Group {} does not exist", python::text(&group)));
    }
    for (what, path) in [("file", &name), ("target", &target)] {
        if !path.starts_with('/') {
            errors.push(format!("Specified {what} {path} is not an absolute path"));
        }
    }
    if !errors.is_empty() {
        let end = if errors.len() > 1 { "." } else { "" };
        return Ok(fail(answer, format!("{}{end}", errors.join(". "))));
    }
    let (path, to) = (Path::new(&name), Path::new(&target));
    if env.is_test {
        return Ok(foretell(answer, path, to, args.flag("force")));
    }
    for (direction, item) in [("to", path), ("from", to)] {
        if item.is_dir() {
            let comment = format!(
                "Unable to hard link {direction} directory {}",
                item.display()
            );
            return Ok(fail(answer, comment));
        }
    }
    if !to.exists() {
        let comment = format!("Target {target} for hard link does not exist");
        return Ok(fail(answer, comment));
    }
    let directory = directories::above(&name);
    if !Path::new(directory).is_dir() {
        if !args.flag("makedirs") {
            let comment = format!("Directory {directory} for hard link is not present");
            return Ok(fail(answer, comment));
        }
        let mode = mode::normalized(args.value("dir_mode"));
        directories::make(Path::new(directory), &user, &group, mode.as_deref())?;
    }
    let mut answer = answer;
    if path.is_file() && !has_others(path) {
        if !args.flag("force") {
            let comment = format!("File exists where the hard link {name} should be");
            return Ok(fail(answer, comment));
        }
        remove(path)?;
        let forced = json!("File for hard link was forcibly replaced");
        answer.changes.insert("forced".to_owned(), forced);
    }
    let is_replaced = has_others(path);
    if is_replaced && is_same(path, to) {
        answer.comment = format!("Target of hard link {name} is already pointing to {target}");
        return Ok(answer);
    }
    if is_replaced {
        remove(path)?;
    }
    if let Err(error) = fs::hard_link(to, path) {
        let verb = if is_replaced {
            "set target of"
        } else {
            "create new"
        };
        let error = python_text(to, &error);
        let comment = format!(
            "Unable to {verb} hard link {name} -> {target}: Could not create '{name}': {error}"
        );
        return Ok(fail(answer, comment));
    }
    answer.comment = if is_replaced {
        format!("Set target of hard link {name} -> {target}")
    } else {
        format!("Created new hard link {name} -> {target}")
    };
    answer.changes.insert("new".to_owned(), json!(name));
    Ok(answer)
}

fn foretell(mut answer: Return, path: &Path, target: &Path, is_forced: bool) -> Return {
    let (name, to) = (path.display().to_string(), target.display());
    let refusal = if !target.exists() {
        Some(format!("Target {to} for hard link does not exist"))
    } else if target.is_dir() {
        Some(format!("Unable to hard link from directory {to}"))
    } else if path.is_dir() {
        Some(format!("Unable to hard link to directory {name}"))
    } else {
        None
    };
    if let Some(comment) = refusal {
        return fail(answer, comment);
    }
    answer.result = None;
    if !path.exists() {
        answer.comment = format!("Hard link {name} to {to} is set for creation");
        answer.changes.insert("new".to_owned(), json!(name));
    } else if has_others(path) && is_same(path, target) {
        answer.result = Some(true);
        answer.comment = format!("The hard link {name} is presently targetting {to}");
    } else if has_others(path) {
        answer.comment = format!("Link {name} target is set to be changed to {to}");
        answer.changes.insert("change".to_owned(), json!(name));
    } else if is_forced {
        answer.comment = format!(
            "The file or directory {name} is set for removal to make way for a new hard link targeting {to}"
        );
    } else {
        answer.result = Some(false);
        answer.comment = format!(
            "File or directory exists where the hard link {name} should be. Did you mean to use force?"
        );
    }
    answer
}
