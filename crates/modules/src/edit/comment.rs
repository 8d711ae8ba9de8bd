//! Commenting lines out and in, as `file.comment_line` does.

use std::fs;
use std::path::Path;

use sls::python_regex::Flags;

use super::substitution::{compile, found, suffixed};
use super::text::{self, Text};
use super::{diff, replace};
use crate::failure::Failure;

/// Which lines become comments, or stop being some.
pub(crate) struct Comment<'a> {
    pub(crate) regex: &'a str,
    /// What begins a comment.
    pub(crate) mark: &'a str,
    /// Comment out, not in.
    pub(crate) is_out: bool,
}

impl Comment<'_> {
    fn pattern(&self) -> String {
        let bare = self.regex.trim_start_matches('^').trim_end_matches('$');
        let end = if self.regex.ends_with('$') { "$" } else { "" };
        if self.is_out {
            let start = if self.regex.starts_with('^') { "^" } else { "" };
            format!("{start}({bare}){end}")
        } else {
            format!("^{}\\s*({bare}){end}", self.mark)
        }
    }

    /// The changed text, and the difference of the lines that match; none when no line does.
    fn apply(&self, text: &Text) -> Result<Option<(String, String)>, Failure> {
        let regex = compile(&text.spelled(&self.pattern()), Flags::default())?;
        let mark = text.spelled(self.mark);
        let (mut changed, mut before, mut after) = (String::new(), Vec::new(), Vec::new());
        for line in text.as_str().split_inclusive('\n') {
            // The leftmost match is at the start if there is any at the start.
            let is_match = found(regex.find(line))?.is_some_and(|found| found.start() == 0);
            if !is_match {
                changed.push_str(line);
                continue;
            }
            let new = if self.is_out {
                format!("{mark}{line}")
            } else {
                line.trim_start_matches(|c| mark.contains(c)).to_owned()
            };
            changed.push_str(&new);
            before.push(text.shown(line));
            after.push(text.shown(&new));
        }
        if before.is_empty() {
            return Ok(None);
        }
        Ok(Some((changed, diff::of_lines(&before, &after, "", ""))))
    }

    /// Changes a file and answers the difference of the lines that match; none when no line does. `backup` is appended to the path for
    /// the old file.
    pub(crate) fn in_file(
        &self,
        path: &Path,
        backup: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let target = fs::canonicalize(path)
            .ok()
            .filter(|target| target.is_file());
        let target = target.ok_or_else(|| text::not_found(path))?;
        text::refuse_binary(&target)?;
        let text = Text::read(&target)?;
        let Some((changed, diff)) = self.apply(&text)? else {
            return Ok(None);
        };
        if let Some(suffix) = backup {
            text::copy_aside(&target, &suffixed(&target, suffix), true)?;
        }
        replace::replace(&target, &text.bytes_of(&changed), replace::PUBLIC_MODE)
            .map_err(|error| Failure::io(&target, error))?;
        Ok(Some(diff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commented() {
        let check = |regex: &str, is_out: bool, text: &str, expected: Option<&str>| {
            let comment = Comment {
                regex,
                mark: "#",
                is_out,
            };
            let changed = comment.apply(&Text::of_bytes(text.into())).unwrap();
            assert_eq!(changed.as_ref().map(|(text, _)| text.as_str()), expected);
        };
        check("^a", true, "a\nb\n", Some("#a\nb\n"));
        check("^a$", true, "ab\na\n", Some("ab\n#a\n"));
        check("a", true, "ba\n", None);
        check("^a|b", true, "b\na", Some("#b\n#a"));
        check("^a", false, "#a\n## a\n# b\n", Some("a\n## a\n# b\n"));
        check("^#a", false, "##a\n", Some("a\n"));
        check("^a", false, "a\n", None);
    }
}
