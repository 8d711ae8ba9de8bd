//! `git`: checkouts that are to be there, at a revision, and their configuration.

mod cloned;
mod config;
mod detached;
mod latest;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::git::{Git, GitFailure};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "git.cloned",
        "name, target=None, branch=None, user=None, password=None, identity=None, https_user=None, https_pass=None, output_encoding=None",
        "Clone a repository where it is not yet, and check a branch out.",
        cloned::cloned,
    ),
    StateFunction::new(
        "git.config_set",
        "name, value=None, multivar=None, repo=None, user=None, password=None, output_encoding=None, **kwargs",
        "Set an option of git, of a repository or with global of a user.",
        config::set,
    ),
    StateFunction::new(
        "git.config_unset",
        "name, value_regex=None, repo=None, user=None, password=None, output_encoding=None, **kwargs",
        "Take an option of git away. all: every value of it.",
        config::unset,
    ),
    StateFunction::new(
        "git.detached",
        "name, rev, target, remote='origin', user=None, password=None, force_clone=False, force_checkout=False, fetch_remote=True, \
         hard_reset=False, submodules=False, identity=None, https_user=None, https_pass=None, output_encoding=None",
        "Have a checkout at a commit, without a branch.",
        detached::detached,
    ),
    StateFunction::new(
        "git.latest",
        latest::SIGNATURE,
        "Have a checkout at the newest commit of a branch, tag or remote HEAD.",
        latest::latest,
    ),
    StateFunction::new(
        "git.mod_watch",
        latest::WATCH,
        "Look at a checkout again when what the state watches has changed.",
        |args, env| match args.text("sfun")?.as_str() {
            "latest" | "watch" => latest::latest(args, env),
            fun => Ok(returned(
                false,
                format!("git.{fun} does not work with the watch requisite"),
            )),
        },
    ),
    StateFunction::new(
        "git.present",
        "name, force=False, bare=True, template=None, separate_git_dir=None, shared=None, user=None, password=None, output_encoding=None",
        "Have a repository, made where it is not. force: in the place of what is there.",
        cloned::present,
    ),
];

/// A state on its way: what was done so far.
#[derive(Default)]
struct Progress {
    comments: Vec<String>,
    changes: Map<String, Value>,
    warnings: Vec<String>,
}

/// Sentences of comments as one text.
fn sentences(comments: &[String]) -> String {
    let text = comments.join(". ");
    if comments.len() > 1 {
        format!("{text}.")
    } else {
        text
    }
}

impl Progress {
    fn say(&mut self, comment: impl Into<String>) {
        self.comments.push(comment.into());
    }

    fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.changes.insert(name.to_owned(), value.into());
    }

    fn answer(self, result: Option<bool>, comment: impl Into<String>) -> Return {
        let mut answer = changed(result, comment, self.changes);
        if !self.warnings.is_empty() {
            answer
                .others
                .insert("warnings".to_owned(), json!(self.warnings));
        }
        answer
    }

    fn fail(self, message: impl Into<String>) -> Return {
        let mut message = message.into();
        if !self.comments.is_empty() {
            message += &format!("\n\nChanges already made: {}", sentences(&self.comments));
        }
        self.answer(Some(false), message)
    }

    fn would(self, comment: impl Into<String>) -> Return {
        self.answer(None, comment)
    }

    fn done(self) -> Return {
        let comment = sentences(&self.comments);
        self.answer(Some(true), comment)
    }
}

/// The first letters of a commit.
fn short(hash: &str) -> &str {
    hash.get(..7).unwrap_or(hash)
}

/// Git as a state asks for it.
fn git<'a>(args: &Args, env: &'a StateEnv<'a>) -> Result<Git<'a>, Failure> {
    let keys = match args.value("identity") {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(python::text).collect(),
        key => vec![python::text(key)],
    };
    let is_relative = |key: &&String| !key.starts_with("salt://") && !key.starts_with(['/', '~']);
    if let Some(key) = keys.iter().find(is_relative) {
        return Err(Failure::command(format!(
            "identity '{key}' is not an absolute path"
        )));
    }
    Git::new(
        env.env,
        args.optional_text("user")?.as_deref(),
        &keys,
        &env.saltenv(),
    )
}

/// User and password for HTTPS.
struct Credentials(Option<String>, Option<String>);

impl Credentials {
    fn of(args: &Args) -> Result<Credentials, Failure> {
        Ok(Credentials(
            args.optional_text("https_user")?,
            args.optional_text("https_pass")?,
        ))
    }

    fn pair(&self) -> (Option<&str>, Option<&str>) {
        (self.0.as_deref(), self.1.as_deref())
    }
}

/// Makes room for a clone: an answer where that is not to be, or only foretold.
fn make_room(
    target: &str,
    name: &str,
    is_forced: bool,
    is_test: bool,
    progress: &mut Progress,
) -> Result<Option<String>, String> {
    let Ok(entries) = fs::read_dir(target) else {
        return Ok(None);
    };
    let entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    if is_forced {
        if is_test {
            return Ok(Some(format!(
                "Target directory {target} exists. Since force_clone=True, the contents of {target} would be deleted, and {name} would be \
                 cloned into this directory."
            )));
        }
        let mut errors = Vec::new();
        for path in entries {
            let removed = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            if let Err(error) = removed {
                errors.push(format!("  {}\n    {error}", path.display()));
            }
        }
        if !errors.is_empty() {
            return Err(format!("Unable to remove\n{}", errors.join("\n")));
        }
        progress.note("forced clone", true);
    } else if !entries.is_empty() {
        return Err(format!(
            "Target '{target}' exists, is non-empty and is not a git repository. Set the 'force_clone' option to True to remove this \
             directory's contents and proceed with cloning the remote repository"
        ));
    }
    Ok(None)
}

/// Whether there is a checkout, or with `is_bare` a bare repository.
fn is_checkout(git: &Git, target: &str, is_bare: bool) -> bool {
    Path::new(target)
        .join(if is_bare { "refs" } else { ".git" })
        .is_dir()
        || git.is_worktree(target)
}

/// A hash, or the beginning of one, in small letters.
fn as_hash(rev: &str) -> Option<String> {
    (rev.len() <= 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| rev.to_lowercase())
}

fn said(failure: GitFailure) -> String {
    failure.said()
}
