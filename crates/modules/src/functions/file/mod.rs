//! `file`: looking at files, and the small changes that operators make by hand.

mod attributes;
mod backups;
mod change;
mod content;
mod extended;
mod find;
mod nodes;
mod open_files;
mod patch;
mod paths;
mod sums;
pub(crate) mod text;

pub(crate) use paths::{expand_glob, expand_user, normal};

use std::path::PathBuf;

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;

/// The tables of `file`, by what they do.
pub(super) const FUNCTIONS: [&[Function]; 12] = [
    attributes::FUNCTIONS,
    backups::FUNCTIONS,
    change::FUNCTIONS,
    content::FUNCTIONS,
    extended::FUNCTIONS,
    find::FUNCTIONS,
    nodes::FUNCTIONS,
    open_files::FUNCTIONS,
    patch::FUNCTIONS,
    paths::FUNCTIONS,
    text::FUNCTIONS,
    sums::FUNCTIONS,
];

/// Most paths that one call finds; a search that goes beyond fails and says so.
const FOUND_MAX: usize = 1_000_000;

/// A parameter as a path, `~` and `~user` expanded.
fn path(args: &Args, name: &str) -> Result<PathBuf, Failure> {
    Ok(paths::expand_user(&args.text(name)?))
}

/// A parameter as an absolute path; `what` names it in the refusal.
fn absolute_path(args: &Args, name: &str, what: &str) -> Result<PathBuf, Failure> {
    let path = path(args, name)?;
    if path.is_absolute() {
        return Ok(path);
    }
    Err(Failure::invocation(format!(
        "{what} must be absolute: {}",
        path.display()
    )))
}

/// Fails when the job was cancelled; loops over many files ask this.
fn check_cancelled(env: &Env) -> Result<(), Failure> {
    if env.cancel.is_cancelled() {
        Err(Failure::command("the job was cancelled"))
    } else {
        Ok(())
    }
}

/// A call of another function with positional arguments.
fn call_of(fun: &str, args: Vec<serde_json::Value>) -> Call {
    Call {
        args,
        ..Call::new(fun)
    }
}

#[cfg(test)]
mod tests;
