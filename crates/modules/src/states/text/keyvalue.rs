//! `file.keyvalue`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateEnv, Stop, changed, name, returned};
use crate::edit::replace::{self, PUBLIC_MODE};
use crate::edit::text::{self, Text};
use crate::python;

/// What a file shall say, and how its lines are read.
struct Wanted<'a> {
    values: &'a Map<String, Value>,
    separator: String,
    /// Characters in front of a key that do not count; none for blanks.
    uncomment: Option<String>,
    ignores_case_of_keys: bool,
    ignores_case_of_values: bool,
    /// How often a key may stand; negative for any number.
    count: i64,
    appends: bool,
    prepends: bool,
    prunes: bool,
}

/// A line that has a wanted key.
struct Found<'l> {
    key: &'l str,
    value: &'l str,
    /// Something stood in front of the key.
    was_comment: bool,
}

/// The edited lines, the lines of the difference, and how many lines changed and went.
#[derive(Debug, Default)]
struct Edit {
    content: Vec<String>,
    diff: Vec<String>,
    changed: usize,
    deleted: Vec<String>,
}

pub(super) fn keyvalue(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let path = name(args, "file.keyvalue")?;
    if args.flag("search_only") {
        let text = "search_only is not served: run the state with test=True";
        return Err(Failure::invocation(text).into());
    }
    let (key, value) = (args.value("key"), args.value("value"));
    let single;
    let values = match args.value("key_values") {
        given if !key.is_null() && !value.is_null() => {
            if given.is_object() {
                let comment = "file.keyvalue can not combine key_values with key and value";
                return Ok(returned(false, comment));
            }
            single = Map::from_iter([(python::text(key), value.clone())]);
            &single
        }
        Value::Object(values) if !values.is_empty() => values,
        given => {
            let what = if python::truthy(given) {
                "is not a dictionary"
            } else {
                "is empty"
            };
            let comment = format!("file.keyvalue key and value not supplied and key_values {what}");
            return Ok(returned(false, comment));
        }
    };
    let Some((old, is_new)) = read(args, &path) else {
        let comment = format!("unable to open {}", path.display());
        return Ok(returned(args.flag("ignore_if_missing"), comment));
    };
    let wanted = Wanted {
        values,
        separator: args.text("separator")?,
        uncomment: args.optional_text("uncomment")?,
        ignores_case_of_keys: args.flag("key_ignore_case"),
        ignores_case_of_values: args.flag("value_ignore_case"),
        count: args.integer("count")?,
        appends: args.flag("append_if_not_found") || is_new,
        prepends: args.flag("prepend_if_not_found"),
        prunes: args.flag("prune"),
    };
    let edit = wanted.edit(old.as_str());
    if edit.changed == 0 && edit.deleted.is_empty() {
        return Ok(returned(true, ""));
    }
    let shown: Vec<String> = edit.diff.iter().map(|line| old.shown(line)).collect();
    let changes = if args.flag("show_changes") {
        json!({"diff": shown.concat()})
    } else {
        json!({})
    };
    let (count, deleted) = (edit.changed, edit.deleted.len());
    if env.is_test {
        let mut comment = format!(
            "File {} is set to be changed ({count} lines modified, {deleted} deleted)",
            path.display()
        );
        if args.flag("show_changes") {
            comment.push_str("\nPredicted diff:\n\r\t\t");
            comment.push_str(&shown.join("\r\t\t"));
        }
        return Ok(changed(None, comment, changes));
    }
    let bytes = old.bytes_of(&edit.content.concat());
    if replace::replace(&path, &bytes, PUBLIC_MODE).is_err() {
        let comment = format!("{} not writable", path.display());
        return Ok(changed(false, comment, changes));
    }
    let comment = format!("Changed {count}, deleted {deleted} lines");
    Ok(changed(true, comment, changes))
}

/// The file and whether it is a new one; none when it cannot be read.
fn read(args: &Args, path: &Path) -> Option<(Text, bool)> {
    if !path.exists() && args.flag("create_if_missing") {
        return Some((Text::of_bytes(Vec::new()), true));
    }
    Text::read(path).ok().map(|text| (text, false))
}

impl Wanted<'_> {
    fn key(&self, key: &str) -> String {
        if self.ignores_case_of_keys {
            key.to_lowercase()
        } else {
            key.to_owned()
        }
    }

    /// A line without what stands in front of its key.
    fn stripped<'l>(&self, line: &'l str) -> &'l str {
        match &self.uncomment {
            Some(marks) => line.trim_start_matches(|c| marks.contains(c)),
            None => line.trim_start(),
        }
    }

    fn line(&self, key: &str, value: &Value) -> String {
        format!("{key}{}{}\n", self.separator, python::text(value))
    }

    fn edit(&self, text: &str) -> Edit {
        let mut edit = Edit::default();
        // How often each key may still be written.
        let mut left: Vec<i64> = vec![self.count; self.values.len()];
        for line in text::byte_lines(text) {
            let stripped = self.stripped(line);
            let test_line = self.key(stripped);
            let is_any = || {
                self.values
                    .keys()
                    .any(|key| test_line.starts_with(&self.key(key)))
            };
            if self.prunes && !is_any() {
                edit.deleted.push(line.to_owned());
                continue;
            }
            let mut kept = line.to_owned();
            for ((key, value), left) in self.values.iter().zip(&mut left) {
                let key = self.key(key);
                let Some((line_key, line_value)) = stripped.split_once(&self.separator) else {
                    continue;
                };
                if test_line.starts_with(&key) && self.key(line_key) == key {
                    let found = Found {
                        key: line_key,
                        value: line_value,
                        was_comment: stripped.len() < line.len(),
                    };
                    self.settle(&mut edit, &mut kept, &found, value, left);
                }
            }
            edit.content.push(kept);
        }
        self.add_missing(&mut edit, &left);
        if self.prunes {
            for line in &edit.deleted {
                let at = edit.diff.len().min(1);
                edit.diff.insert(at, format!("- {line}"));
            }
        }
        edit
    }

    /// Replaces, drops or keeps a line that has a wanted key.
    fn settle(
        &self,
        edit: &mut Edit,
        line: &mut String,
        found: &Found,
        value: &Value,
        left: &mut i64,
    ) {
        let (mut is, mut wanted) = (
            found.value.trim().to_owned(),
            python::text(value).trim().to_owned(),
        );
        if self.ignores_case_of_values {
            (is, wanted) = (is.to_lowercase(), wanted.to_lowercase());
        }
        let needs_change = if found.was_comment {
            // A comment becomes a line while lines are wanted; else it stays, whatever it says.
            *left > 0
        } else {
            *left == 0 || is != wanted
        };
        if needs_change {
            edit.diff.push(format!("- {line}"));
            line.clear();
            if *left != 0 {
                *line = self.line(found.key, value);
                edit.diff.push(if value.is_string() {
                    format!("+ {line}")
                } else {
                    let kind = python::type_name(value);
                    let kind = kind.trim_start_matches("<class '").trim_end_matches("'>");
                    format!("+ {} (from {kind} type)\n", line.trim_end())
                });
            }
            edit.changed += 1;
        }
        if *left > 0 {
            *left -= 1;
        }
    }

    fn add_missing(&self, edit: &mut Edit, left: &[i64]) {
        let missing = self.values.iter().zip(left).filter(|(_, left)| **left > 0);
        let lines: Vec<String> = missing
            .map(|((key, value), _)| self.line(key, value))
            .collect();
        if lines.is_empty() {
            return;
        }
        if self.appends {
            edit.changed += lines.len();
            edit.diff.push("- <EOF>\n".to_owned());
            edit.diff
                .extend(lines.iter().map(|line| format!("+ {line}")));
            edit.diff.push("+ <EOF>\n".to_owned());
            edit.content.extend(lines);
        } else if self.prepends {
            edit.changed += lines.len();
            edit.diff.insert(0, "  <SOF>\n".to_owned());
            for line in lines {
                edit.diff.insert(1, format!("+ {line}"));
                edit.content.insert(0, line);
            }
        }
    }
}
