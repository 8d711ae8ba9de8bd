//! Replacing what matches a regular expression, as `file.replace` does.

use std::fs;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use serde_json::Value;
use sls::python_regex::{self, Flags};

use super::diff;
use super::replace::{self, PUBLIC_MODE};
use super::text::{self, Text};
use crate::failure::Failure;
use crate::python;

/// Steps of going back before a search in a file is given up.
const BACKTRACK_MAX: usize = 1_000_000;

/// What is to be replaced.
pub(crate) struct Substitution<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) flags: Flags,
    /// With `\1` and `\g<name>` for groups.
    pub(crate) replacement: &'a str,
    /// Backslashes of the replacement are themselves.
    pub(crate) is_literal: bool,
    /// Most replacements; 0 for all.
    pub(crate) count: usize,
    /// Where a line goes when nothing matches and the line is not there.
    pub(crate) otherwise: Option<End>,
    /// That line, when it is not the replacement.
    pub(crate) otherwise_line: Option<&'a str>,
}

/// An end of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Last,
}

/// How a file is written.
pub(crate) struct Writing {
    /// Appended to the path for a copy of the old file.
    pub(crate) backup: Option<String>,
    /// Write into the file itself, so that hard links go on sharing it.
    pub(crate) keeps_inode: bool,
    pub(crate) is_test: bool,
}

/// Replaces in a file and answers the difference, empty when there is none.
pub(crate) fn in_file(
    path: &Path,
    wanted: &Substitution,
    writing: &Writing,
) -> Result<String, Failure> {
    let target = checked(path)?;
    let text = Text::read(&target)?;
    let Some((changed, diff)) = substituted(&text, wanted)? else {
        return Ok(String::new());
    };
    if writing.is_test {
        return Ok(diff);
    }
    if let Some(suffix) = &writing.backup {
        text::copy_aside(&target, &suffixed(&target, suffix), false)?;
        link_backup(path, suffix)?;
    }
    let bytes = text.bytes_of(&changed);
    let written = if writing.keeps_inode {
        fs::write(&target, bytes)
    } else {
        replace::replace(&target, &bytes, PUBLIC_MODE)
    };
    written.map_err(|error| Failure::io(&target, error))?;
    Ok(diff)
}

/// Whether a pattern matches anywhere in a file.
pub(crate) fn is_in_file(path: &Path, pattern: &str, flags: Flags) -> Result<bool, Failure> {
    let text = Text::read(&checked(path)?)?;
    let regex = compile(&text.spelled(pattern), ascii(flags))?;
    found(regex.is_match(text.as_str()))
}

/// The file itself behind links. Fails for a missing one and for what is not text.
fn checked(path: &Path) -> Result<PathBuf, Failure> {
    let target = fs::canonicalize(path).map_err(|_| text::not_found(path))?;
    text::refuse_binary(&target)?;
    Ok(target)
}

pub(crate) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The backup of a file that was edited through a link gets a link as well.
fn link_backup(link: &Path, suffix: &str) -> Result<(), Failure> {
    let Ok(target) = fs::read_link(link) else {
        return Ok(());
    };
    let link = suffixed(link, suffix);
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(suffixed(&target, suffix), &link)
        .map_err(|error| Failure::io(&link, error))
}

/// The changed text and the difference; none when nothing changes.
fn substituted(text: &Text, wanted: &Substitution) -> Result<Option<(String, String)>, Failure> {
    let flags = ascii(wanted.flags);
    let regex = compile(&text.spelled(wanted.pattern), flags)?;
    let mut replacement = text.spelled(wanted.replacement);
    if wanted.is_literal {
        replacement = replacement.replace('\\', "\\\\");
    }
    let (changed, count) =
        python_regex::substitute(&regex, &replacement, text.as_str(), wanted.count)
            .map_err(Failure::invocation)?;
    let lines = |text: &str| -> Vec<String> {
        let lines = text::byte_lines(text).into_iter();
        lines.map(str::to_owned).collect()
    };
    let mut new = lines(&changed);
    if let Some(end) = wanted.otherwise.filter(|_| count == 0) {
        let plain = text.spelled(wanted.replacement);
        let line = wanted.otherwise_line.map(|line| text.spelled(line));
        let searched = line.as_ref().filter(|line| !line.is_empty());
        let searched = escaped(searched.unwrap_or(&plain));
        let there = compile(&format!("^{searched}($|(?=\r\n))"), flags)?;
        if !found(there.is_match(text.as_str()))? {
            let line = format!("{}\n", line.unwrap_or(plain));
            if end == End::First {
                new.insert(0, line);
            } else {
                if let Some(last) = new.last_mut().filter(|last| !last.ends_with('\n')) {
                    last.push('\n');
                }
                new.push(line);
            }
        }
    }
    let old = lines(text.as_str());
    if new == old {
        return Ok(None);
    }
    let shown =
        |lines: &[String]| -> Vec<String> { lines.iter().map(|line| text.shown(line)).collect() };
    let diff = diff::of_lines(&shown(&old), &shown(&new), "", "");
    Ok(Some((new.concat(), diff)))
}

/// A text as a pattern that matches it alone, also among ignored blanks.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' && c != '<' && c != '>' {
            match c {
                '\n' => out.push_str("\\n"),
                c => out.extend(['\\', c]),
            }
        } else {
            out.push(c);
        }
        out
    })
}

/// Compiles a pattern of Python.
pub(crate) fn compile(pattern: &str, flags: Flags) -> Result<Regex, Failure> {
    python_regex::compile(pattern, flags, BACKTRACK_MAX).map_err(Failure::invocation)
}

/// The answer of a search that may have been given up.
pub(crate) fn found<T>(searched: Result<T, fancy_regex::Error>) -> Result<T, Failure> {
    searched.map_err(|error| Failure::command(format!("the search was given up: {error}")))
}

fn ascii(flags: Flags) -> Flags {
    Flags {
        ascii: true,
        ..flags
    }
}

/// Flags of Python's `re`: a number, a name, or a list of them.
pub(crate) fn flags(value: &Value) -> Result<Flags, Failure> {
    let bits = flag_bits(value)?;
    Ok(Flags {
        ignore_case: bits & 2 != 0,
        multiline: bits & 8 != 0,
        dot_all: bits & 16 != 0,
        verbose: bits & 64 != 0,
        ascii: bits & 256 != 0,
    })
}

fn flag_bits(value: &Value) -> Result<u64, Failure> {
    let unknown = || Failure::command(format!("Invalid re flag given: {}", python::text(value)));
    match value {
        Value::Array(items) => items
            .iter()
            .try_fold(0, |all, item| Ok(all | flag_bits(item)?)),
        Value::String(name) => match name.to_ascii_uppercase().as_str() {
            "I" | "IGNORECASE" => Ok(2),
            "L" | "LOCALE" => Ok(4),
            "M" | "MULTILINE" => Ok(8),
            "S" | "DOTALL" => Ok(16),
            "X" | "VERBOSE" => Ok(64),
            "A" | "ASCII" => Ok(256),
            _ => Err(unknown()),
        },
        value => value.as_u64().ok_or_else(unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, wanted: &Substitution, expected: Option<&str>) {
        let changed = substituted(&Text::of_bytes(text.into()), wanted).unwrap();
        let changed = changed.as_ref().map(|(changed, _)| changed.as_str());
        assert_eq!(changed, expected, "{text}");
    }

    #[test]
    fn lines_go_to_the_ends_when_nothing_matches() {
        let wanted = |otherwise| Substitution {
            pattern: "^#?Port .*$",
            flags: flags(&json!(8)).unwrap(),
            replacement: "Port 22",
            is_literal: false,
            count: 0,
            otherwise,
            otherwise_line: None,
        };
        check("a\n#Port 1\n", &wanted(None), Some("a\nPort 22\n"));
        check("a\nPort 22\n", &wanted(None), None);
        check("a", &wanted(Some(End::Last)), Some("a\nPort 22\n"));
        check("a", &wanted(Some(End::First)), Some("Port 22\na"));
        let there = Substitution {
            otherwise_line: Some("a.b"),
            ..wanted(Some(End::Last))
        };
        check("x\na.b\n", &there, None);
        check("x\naxb\n", &there, Some("x\naxb\na.b\n"));
    }

    #[test]
    fn flags_have_names_and_numbers() {
        for (value, expected) in [
            (json!(["IGNORECASE", "m"]), Some(10)),
            (json!("dotall"), Some(16)),
            (json!(8), Some(8)),
            (json!("WRONG"), None),
        ] {
            assert_eq!(flag_bits(&value).ok(), expected, "{value}");
        }
    }
}
