//! `file.prepend`.

use sls::python_regex::Flags;

use super::append::blanks_pattern;
use super::{Args, Return, StateEnv, Stop, changed, difference, name, prepare, returned, texts};
use crate::edit::substitution::is_in_file;
use crate::edit::text::{self, Text};
use crate::functions::file::text::prepend as write_in_front;

pub(super) fn prepend(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let path = name(args, "file.prepend")?;
    prepare(args, env, &path)?;
    let texts = texts(args, env)?;
    let is_header = args.flag("header");
    let old = Text::read(&path)?;
    let mut preface: Vec<String> = Vec::new();
    for chunk in &texts {
        if !is_header && is_in_file(&path, &blanks_pattern(chunk)?, Flags::default())? {
            continue;
        }
        preface.extend(text::bare_lines(chunk).into_iter().map(str::to_owned));
    }
    let head = text::bare_lines(old.as_str());
    let stands = head.len() >= preface.len()
        && head
            .iter()
            .zip(&preface)
            .all(|(line, wanted)| *line == old.spelled(wanted));
    // In test mode Salt does not look whether a header stands already, and foretells a change.
    if preface.is_empty() || (is_header && stands && !env.is_test) {
        let comment = format!("File {} is in correct state", path.display());
        return Ok(returned(true, comment));
    }
    let mut new = String::new();
    for line in &preface {
        new.push_str(&old.spelled(line));
        new.push('\n');
    }
    new.push_str(old.as_str());
    if !env.is_test {
        write_in_front(&path, &preface)?;
    }
    let changes = difference(&path, &old, &new, args.flag("show_changes"));
    let changes = changes.unwrap_or_default();
    Ok(if env.is_test {
        let comment = format!("File {} is set to be updated", path.display());
        changed(None, comment, changes)
    } else {
        changed(true, format!("Prepended {} lines", preface.len()), changes)
    })
}
