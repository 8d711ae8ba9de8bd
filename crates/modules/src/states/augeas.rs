//! `augeas`: edits of configuration files through the tree that Augeas makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::edit::diff;
use crate::functions::augeas::{Edit, execute, parsed};
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "augeas.change",
    "name, context=None, changes=None, lens=None, load_path=None, **kwargs",
    "Run commands of Augeas (set, setm, mv, ins, rm) on a file.",
    change,
)];

/// The part of a path that is a file.
fn file_in(path: &str) -> Option<PathBuf> {
    let files = Path::new(path).ancestors().map(Path::to_owned);
    files.into_iter().find(|path| path.is_file())
}

/// The file that commands without a context are about; the error is a comment.
fn only_file(commands: &[String]) -> Result<Option<PathBuf>, String> {
    let mut only: Option<String> = None;
    for command in commands {
        let (method, words) = parsed(command)?;
        let at = if method == "insert" { 2 } else { 0 };
        let path = words.get(at).map(String::as_str).unwrap_or_default();
        let Some(path) = path.strip_prefix("/files") else {
            return Err(format!(
                "Changes should be prefixed with /files if no context is provided, change: {command}"
            ));
        };
        let path = path.trim_end_matches('/').to_owned();
        let file = |path: &str| file_in(path);
        if let Some(known) = only.as_ref().filter(|known| file(known) != file(&path)) {
            return Err(format!(
                "Changes should be made to one file at a time, detected changes to {known} and {path}"
            ));
        }
        only = Some(path);
    }
    Ok(only.and_then(|path| file_in(&path)))
}

fn change(args: &Args, env: &StateEnv) -> StateAnswer {
    if which("augtool").is_none() {
        let reason = "'augeas' __virtual__ returned False: augeas module could not be loaded";
        return Ok(env.not_loaded("augeas.change", reason));
    }
    let Value::Array(changes) = args.value("changes") else {
        return Ok(returned(false, "'changes' must be specified as a list"));
    };
    if !matches!(args.value("load_path"), Value::Null | Value::Array(_)) {
        return Ok(returned(false, "'load_path' must be specified as a list"));
    }
    let edit = Edit::of(args, "changes")?;
    let file = match &edit.context {
        Some(context) => {
            let path = context.strip_prefix("/files").unwrap_or(context);
            Some(PathBuf::from(path.strip_suffix('/').unwrap_or(path)))
        }
        None => match only_file(&edit.commands) {
            Ok(file) => file,
            Err(error) => return Ok(returned(false, format!("Error: {error}"))),
        },
    };
    if env.is_test {
        let place = edit
            .context
            .as_ref()
            .map(|context| format!(" in file \"{context}\":\n"));
        let comment = format!(
            "Executing commands{}{}",
            place.unwrap_or_default(),
            edit.commands.join("\n")
        );
        return Ok(returned(true, comment));
    }
    let read = || {
        file.as_ref()
            .and_then(|file| fs::read(file).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let old = read();
    let answer = execute(env.env, &edit)?;
    if answer["retval"] != json!(true) {
        let error = python::text(&answer["error"]);
        return Ok(returned(false, format!("Error: {error}")));
    }
    Ok(match read() {
        Some(new) => {
            let diff = diff::bare(&old.unwrap_or_default(), &new);
            if diff.is_empty() {
                returned(true, "No changes made")
            } else {
                changed(true, "Changes have been saved", json!({"diff": diff}))
            }
        }
        None => changed(true, "Changes have been saved", json!({"updates": changes})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked};

    #[test]
    fn files_are_changed() {
        let host = Host::new();
        let _root = host.lend_root();
        let path = host.write("conf", "a = 1\n");
        // It sets what the script sets, and knows one broken value.
        host.program(
            "augtool",
            &format!(
                "while [ $# -gt 1 ]; do shift; done\ngrep -q broken $1 && {{ echo 'saving failed' >&2; exit 1; }}\n\
                 v=$(sed -n 's/^set .* \"\\(.*\\)\"$/\\1/p' $1); echo \"a = $v\" >{path}"
            ),
        );
        let check = |changes: Value, is_test: bool, result: Option<bool>, comment: String| {
            let args = json!({"name": "x", "context": format!("/files{path}"), "changes": changes, "lens": "Simple.lns"});
            Value::Object(
                checked(host.state("augeas.change", args, is_test), result, comment).changes,
            )
        };
        let comment = format!("Executing commands in file \"/files{path}\":\nset a 2");
        check(json!(["set a 2"]), true, Some(true), comment);
        let changes = check(
            json!(["set a 2"]),
            false,
            Some(true),
            "Changes have been saved".to_owned(),
        );
        assert_eq!(
            changes["diff"],
            json!("--- \n+++ \n@@ -1 +1 @@\n-a = 1\n+a = 2\n")
        );
        check(
            json!(["set a 2"]),
            false,
            Some(true),
            "No changes made".to_owned(),
        );
        check(
            json!(["set a broken"]),
            false,
            Some(false),
            "Error: saving failed".to_owned(),
        );
        check(
            json!("set a 2"),
            false,
            Some(false),
            "'changes' must be specified as a list".to_owned(),
        );
        let args = json!({"name": "x", "changes": ["set a 2"]});
        let done = host.state("augeas.change", args, false);
        assert!(
            done.comment
                .starts_with("Error: Changes should be prefixed with /files"),
            "{done:?}"
        );
    }
}
