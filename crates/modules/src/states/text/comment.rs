//! `file.comment`.

use std::path::Path;

use serde_json::json;
use sls::python_regex::{self, Flags};

use super::{Args, Failure, Return, StateEnv, Stop, changed, difference, existing, returned};
use crate::edit::comment::Comment;
use crate::edit::substitution::{compile, is_in_file};
use crate::edit::text::Text;
use crate::python;

pub(super) fn comment(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let path = existing(args, "file.comment")?;
    let (regex, mark) = (args.text("regex")?, args.text("char")?);
    let bare = unanchored(&regex)?;
    let commented = format!("{mark}{bare}");
    if !search(&path, &format!(r"^(?!\s*{mark})\s*{bare}"))? {
        return Ok(if search(&path, &commented)? {
            returned(true, "Pattern already commented")
        } else if args.flag("ignore_missing") {
            returned(true, "Pattern not found and ignore_missing set to True")
        } else {
            returned(false, format!("{bare}: Pattern not found"))
        });
    }
    let comment = Comment {
        regex: &regex,
        mark: &mark,
        is_out: true,
    };
    apply(args, env, &path, &comment, &commented)
}

/// Changes the lines, then looks whether `expected` matches.
pub(super) fn apply(
    args: &Args,
    env: &StateEnv,
    path: &Path,
    comment: &Comment,
    expected: &str,
) -> Result<Return, Stop> {
    if env.is_test {
        let text = format!("File {} is set to be updated", path.display());
        let changes = json!({path.to_string_lossy(): "updated"});
        return Ok(changed(None, text, changes));
    }
    let old = Text::read(path)?;
    let backup = args.value("backup");
    let backup = python::truthy(backup).then(|| python::text(backup));
    comment.in_file(path, backup.as_deref())?;
    let new = Text::read(path)?;
    let changes = difference(path, &old, new.as_str(), true).unwrap_or_default();
    let (success, failure) = if comment.is_out {
        (
            "Commented lines successfully",
            "Expected commented lines not found",
        )
    } else {
        (
            "Uncommented lines successfully",
            "Expected uncommented lines not found",
        )
    };
    let is_found = search(path, expected)?;
    Ok(changed(
        is_found,
        if is_found { success } else { failure },
        changes,
    ))
}

pub(super) fn search(path: &Path, pattern: &str) -> Result<bool, Failure> {
    let flags = Flags {
        multiline: true,
        ..Flags::default()
    };
    is_in_file(path, pattern, flags)
}

/// A pattern without inline flags and anchors.
fn unanchored(regex: &str) -> Result<String, Failure> {
    let anchors = compile(r"^(\(\?[iLmsux]\))?\^?(.*?)\$?$", Flags::default())?;
    let (bare, _) =
        python_regex::substitute(&anchors, r"\2", regex, 0).map_err(Failure::invocation)?;
    Ok(bare)
}
