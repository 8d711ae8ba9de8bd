//! `file`: states that put files, directories and links there and take them away. Those that change lines within files are in `text`.

mod absent;
mod cached;
mod content;
mod copy;
mod decode;
mod directory;
mod encoding;
mod foretell;
mod gather;
mod hardlink;
mod keep;
mod managed;
mod mknod;
mod patch;
mod place;
mod presence;
mod pruned;
mod recurse;
mod rename;
mod retention;
mod serialize;
mod serializer;
mod symlink;
mod tidied;
mod touch;

pub(super) use gather::choose;

use std::path::Path;

use serde_json::Value;

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, returned};
use crate::files::owner;
use crate::functions::expand_user;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    absent::STATE,
    cached::CACHED,
    cached::NOT_CACHED,
    copy::STATE,
    decode::STATE,
    directory::STATE,
    hardlink::STATE,
    managed::STATE,
    mknod::STATE,
    patch::STATE,
    presence::EXISTS,
    presence::MISSING,
    pruned::STATE,
    recurse::STATE,
    rename::STATE,
    retention::STATE,
    serialize::STATE,
    symlink::STATE,
    tidied::STATE,
    touch::STATE,
];

/// The name of a state as a path, `~` and `~user` expanded.
fn name_of(args: &Args) -> Result<String, Failure> {
    Ok(expanded(&args.text("name")?))
}

/// A path with `~` and `~user` expanded.
fn expanded(path: &str) -> String {
    expand_user(path).to_string_lossy().into_owned()
}

/// A return that has succeeded so far and changed nothing.
fn begin(name: &str) -> Return {
    Return {
        name: Some(name.to_owned()),
        ..returned(true, "")
    }
}

/// The same return failed, for a reason.
fn fail(answer: Return, comment: impl Into<String>) -> Return {
    Return {
        result: Some(false),
        comment: comment.into(),
        ..answer
    }
}

/// Adds a warning.
fn warn(answer: &mut Return, text: impl Into<String>) {
    let warnings = answer
        .others
        .entry("warnings")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(warnings) = warnings {
        warnings.push(Value::String(text.into()));
    }
}

/// The user that a state names, also by the word `owner`, which older trees use.
fn user_of(args: &Args) -> Value {
    let user = args.value("user");
    match args.extra_kwargs.get("owner") {
        Some(owner) if !python::truthy(user) => owner.clone(),
        _ => user.clone(),
    }
}

/// Why owners cannot be had; in test mode nothing, as a state before this one may make them.
fn missing_owners(user: &Value, group: &Value, env: &StateEnv) -> String {
    if env.is_test {
        return String::new();
    }
    owner::missing(user, group)
}

/// User and group where none of them means those that the minion itself runs as.
fn own_user(user: Value, env: &StateEnv) -> Value {
    if !user.is_null() {
        return user;
    }
    env.env
        .ctx
        .config("user")
        .unwrap_or_else(|| owner::user_name(nix::unistd::Uid::effective().as_raw()))
}

/// Refuses parameters that are served by no program here, when they are set.
pub(super) fn refuse_signatures(args: &Args) -> Result<(), Failure> {
    const NAMES: [&str; 6] = [
        "signature",
        "source_hash_sig",
        "signed_by_any",
        "signed_by_all",
        "keyring",
        "gnupghome",
    ];
    match NAMES.iter().find(|name| args.flag(name)) {
        Some(name) => Err(Failure::invocation(format!(
            "'{name}' is not served: signatures of sources are not verified here; use source_hash"
        ))),
        None => Ok(()),
    }
}

/// Removes a file, a link, or a directory with all in it.
fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.map_err(|error| {
        Failure::command(format!(
            "Could not remove '{}': {}",
            path.display(),
            crate::failure::python_text(path, &error)
        ))
    })
}

#[cfg(test)]
mod tests;
