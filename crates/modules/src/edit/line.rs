//! Keeping one line of a file, as `file.line` does, with its rules on where the line goes.

use sls::python_regex::Flags;

use super::substitution::{compile, found};
use super::text::byte_lines;
use crate::failure::Failure;

/// What is done with the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Insert,
    Ensure,
    Delete,
    Replace,
}

impl Mode {
    /// Reads a mode in lower case.
    pub(crate) fn named(name: Option<&str>) -> Result<Mode, Failure> {
        match name {
            Some("insert") => Ok(Mode::Insert),
            Some("ensure") => Ok(Mode::Ensure),
            Some("delete") => Ok(Mode::Delete),
            Some("replace") => Ok(Mode::Replace),
            None => Err(Failure::command(
                "Mode was not defined. How to process the file?",
            )),
            Some(other) => Err(Failure::command(format!("Unknown mode: \"{other}\""))),
        }
    }
}

/// The line and where it goes. `matching`, `before` and `after` are regular expressions, or pieces of lines.
pub(crate) struct Line<'a> {
    pub(crate) content: Option<&'a str>,
    pub(crate) matching: Option<&'a str>,
    pub(crate) mode: Mode,
    /// `start` or `end`, for lines that are inserted.
    pub(crate) location: Option<&'a str>,
    pub(crate) before: Option<&'a str>,
    pub(crate) after: Option<&'a str>,
    /// The line gets the indentation of the line that it goes to.
    pub(crate) is_indented: bool,
}

impl Line<'_> {
    /// The lines of a text with the change. An element may hold more than one line.
    pub(crate) fn apply(&self, text: &str) -> Result<Vec<String>, Failure> {
        let lines = byte_lines(text).into_iter();
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        if lines.last().is_some_and(|last| !line_end(last).is_empty()) {
            lines.push(String::new());
        }
        let mut lines = self.placed(lines)?;
        for at in 0..lines.len().saturating_sub(1) {
            if line_end(&lines[at]).is_empty() {
                // The second line is the model of the first two, as Salt has it.
                let model = if at < 2 { 1 } else { at - 1 };
                lines[at] = ended_as(&lines[model], &lines[at]);
            }
        }
        if lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        Ok(lines)
    }

    fn placed(&self, mut lines: Vec<String>) -> Result<Vec<String>, Failure> {
        let content = match self.content {
            Some(content) => content,
            None if self.mode == Mode::Delete => "",
            None => {
                return Err(Failure::command(
                    "Content can only be empty if mode is \"delete\"",
                ));
            }
        };
        let is_unplaced = self.before.is_none() && self.after.is_none();
        let matching = self.matching.filter(|matching| !matching.is_empty());
        let matching = matching.or(self.content.filter(|_| is_unplaced));
        let after = matches(&lines, self.after)?;
        let before = matches(&lines, self.before)?;
        let matching = matches(&lines, matching)?.unwrap_or_default();
        match self.mode {
            Mode::Delete => {
                if let Some(first) = matching.first() {
                    lines.retain(|line| line != first);
                }
            }
            Mode::Replace => {
                if let Some(at) = position(&lines, &matching) {
                    lines[at] = self.indented(&lines[at], content);
                }
            }
            Mode::Insert => match self.location {
                None if before.is_none() && after.is_none() => {
                    return Err(Failure::command(
                        "On insert either \"location\" or \"before/after\" conditions are required.",
                    ));
                }
                Some("end") => {
                    let line = lines
                        .last()
                        .map_or_else(|| content.to_owned(), |last| self.indented(last, content));
                    lines.push(line);
                }
                Some("start") => {
                    let line = match lines.first() {
                        Some(first) => ended_as(first, content),
                        None => format!("{content}\n"),
                    };
                    lines.insert(0, line);
                }
                Some(location) if !location.is_empty() => {}
                _ => self.insert(
                    &mut lines,
                    content,
                    &before.unwrap_or_default(),
                    &after.unwrap_or_default(),
                )?,
            },
            Mode::Ensure => {
                self.ensure(
                    &mut lines,
                    content,
                    &before.unwrap_or_default(),
                    &after.unwrap_or_default(),
                )?;
            }
        }
        Ok(lines)
    }

    fn insert(
        &self,
        lines: &mut Vec<String>,
        content: &str,
        before: &[String],
        after: &[String],
    ) -> Result<(), Failure> {
        match (position(lines, before), position(lines, after)) {
            (Some(last), Some(_)) => {
                assert_one(before, "before")?;
                assert_one(after, "after")?;
                lines.insert(last, self.indented(&lines[last], content));
            }
            (None, Some(at)) => {
                assert_one(after, "after")?;
                self.insert_behind(lines, at, content);
            }
            (Some(at), None) => {
                assert_one(before, "before")?;
                // In front of the first line stands, as Python counts, the last.
                let previous = at.checked_sub(1).unwrap_or(lines.len() - 1);
                if bare(&lines[previous]) != bare(content) {
                    lines.insert(at, self.indented(&lines[at], content));
                }
            }
            (None, None) => {
                return Err(Failure::command(
                    "Neither before or after was found in file",
                ));
            }
        }
        Ok(())
    }

    fn ensure(
        &self,
        lines: &mut Vec<String>,
        content: &str,
        before: &[String],
        after: &[String],
    ) -> Result<(), Failure> {
        match (position(lines, before), position(lines, after)) {
            (Some(end), Some(start)) => {
                assert_one(after, "after")?;
                assert_one(before, "before")?;
                if lines.iter().any(|line| line.trim_start() == content) {
                    return Ok(());
                }
                let line = self.indented(&lines[start], content);
                if start + 1 == end {
                    lines.insert(end, line);
                } else if start + 2 == end {
                    lines[start + 1] = line;
                } else {
                    return Err(Failure::command(
                        "Found more than one line between boundaries \"before\" and \"after\".",
                    ));
                }
            }
            (Some(at), None) => {
                assert_one(before, "before")?;
                if at == 0 || bare(&lines[at - 1]) != bare(content) {
                    let model = at.checked_sub(1).unwrap_or(lines.len() - 1);
                    lines.insert(at, self.indented(&lines[model], content));
                }
            }
            (None, Some(at)) => {
                assert_one(after, "after")?;
                self.insert_behind(lines, at, content);
            }
            (None, None) => {
                return Err(Failure::command(
                    "Wrong conditions? Unable to ensure line without knowing where to put it before and/or after.",
                ));
            }
        }
        Ok(())
    }

    fn insert_behind(&self, lines: &mut Vec<String>, at: usize, content: &str) {
        let next = lines.get(at + 1);
        if next.is_none_or(|next| bare(next) != bare(content)) {
            lines.insert(at + 1, self.indented(&lines[at], content));
        }
    }

    /// The content with the indentation of another line.
    fn indented(&self, model: &str, content: &str) -> String {
        if !self.is_indented {
            return content.to_owned();
        }
        let indentation = model.len() - model.trim_start_matches([' ', '\t']).len();
        format!("{}{}", &model[..indentation], content.trim_start())
    }
}

/// The end of a line: line feed, carriage return, both or none.
fn line_end(line: &str) -> &str {
    let ends = ["\r\n", "\n", "\r"];
    ends.into_iter()
        .find(|end| line.ends_with(end))
        .unwrap_or_default()
}

/// A line without blanks at its end, ended as another line is.
fn ended_as(model: &str, line: &str) -> String {
    let end = Some(line_end(model)).filter(|end| !end.is_empty());
    format!("{}{}", line.trim_end(), end.unwrap_or("\n"))
}

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn position(lines: &[String], matching: &[String]) -> Option<usize> {
    let first = matching.first()?;
    lines.iter().position(|line| line == first)
}

/// The lines that match; none without lines or without a pattern.
fn matches(lines: &[String], pattern: Option<&str>) -> Result<Option<Vec<String>>, Failure> {
    let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty() && !lines.is_empty()) else {
        return Ok(None);
    };
    let flags = Flags {
        dot_all: true,
        ..Flags::default()
    };
    let regex = compile(pattern, flags)?;
    let mut matching = Vec::new();
    for line in lines {
        if found(regex.is_match(line))? || line.contains(pattern) {
            matching.push(line.clone());
        }
    }
    Ok(Some(matching))
}

fn assert_one(matching: &[String], what: &str) -> Result<(), Failure> {
    if matching.len() == 1 {
        return Ok(());
    }
    Err(Failure::command(format!(
        "Found more than expected occurrences in \"{what}\" expression"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Each case is a text, the arguments, and the lines that Salt makes of it, or null where it fails.
    #[test]
    fn lines_go_where_salt_puts_them() {
        let cases: Vec<(String, Value, Option<Vec<String>>)> =
            serde_json::from_str(include_str!("testdata/line.json")).unwrap();
        assert!(cases.len() > 100);
        for (text, args, expected) in cases {
            let text_of = |name: &str| args[name].as_str();
            let line = Line {
                content: text_of("content"),
                matching: text_of("match"),
                mode: Mode::named(text_of("mode")).unwrap(),
                location: text_of("location"),
                before: text_of("before"),
                after: text_of("after"),
                is_indented: args["indent"].as_bool().unwrap_or(true),
            };
            assert_eq!(line.apply(&text).ok(), expected, "{text:?} {args}");
        }
    }
}
