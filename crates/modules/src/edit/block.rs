//! The text between two marked lines, as `file.blockreplace` keeps it.

use super::substitution::{compile, found};
use super::text::byte_lines;
use crate::failure::Failure;
use sls::python_regex::Flags;

const NOT_FOUND: &str = "Cannot edit marked block. Markers were not found in file.";

/// What shall stand between which lines.
pub(crate) struct Block<'a> {
    pub(crate) marker_start: &'a str,
    pub(crate) marker_end: &'a str,
    pub(crate) content: &'a str,
    /// The end marker stands on a line of its own even when the content ends without a line feed.
    pub(crate) appends_newline: bool,
    pub(crate) otherwise: Otherwise<'a>,
}

/// Where a block goes that is not there.
#[derive(Clone, Copy)]
pub(crate) enum Otherwise<'a> {
    Fail,
    Append,
    Prepend,
    /// In front of the first line that matches a regular expression.
    Before(&'a str),
    /// Behind it.
    After(&'a str),
}

impl Block<'_> {
    /// The lines of a text with the block in it.
    pub(crate) fn put_into(&self, text: &str) -> Result<Vec<String>, Failure> {
        let lines = byte_lines(text);
        let line_end = match lines.first() {
            Some(first) if first.ends_with("\r\n") => "\r\n",
            _ => "\n",
        };
        let mut out: Vec<String> = Vec::with_capacity(lines.len());
        let (mut is_inside, mut is_found) = (false, false);
        for line in &lines {
            if line.contains(self.marker_start) {
                is_inside = true;
            } else if is_inside {
                if let Some(at) = line.find(self.marker_end) {
                    (is_inside, is_found) = (false, true);
                    self.write_content(&line[at..], line_end, &mut out);
                }
                continue;
            }
            out.push((*line).to_owned());
        }
        if is_inside {
            return Err(Failure::command(
                "Unterminated marked block. End of file reached before marker_end.",
            ));
        }
        if is_found {
            return Ok(out);
        }
        let mut block = vec![format!("{}{line_end}", self.marker_start)];
        self.write_content(self.marker_end, line_end, &mut block);
        let at = match self.otherwise {
            Otherwise::Fail => return Err(Failure::command(NOT_FOUND)),
            Otherwise::Prepend => 0,
            Otherwise::Append => {
                if let Some(last) = out.last_mut().filter(|last| !last.ends_with(line_end)) {
                    last.push_str(line_end);
                }
                out.len()
            }
            Otherwise::Before(pattern) => first_match(&lines, pattern)?,
            Otherwise::After(pattern) => first_match(&lines, pattern)? + 1,
        };
        out.splice(at..at, block);
        Ok(out)
    }

    fn write_content(&self, end: &str, line_end: &str, out: &mut Vec<String>) {
        let end = format!("{}{line_end}", end.trim_end_matches(['\r', '\n']));
        let content = self.content.replace("\r\n", "\n");
        let mut lines: Vec<&str> = content.split('\n').collect();
        let last = lines.pop().unwrap_or_default();
        out.extend(lines.iter().map(|line| format!("{line}{line_end}")));
        if self.appends_newline {
            out.push(format!("{last}{line_end}"));
            out.push(end);
        } else {
            out.push(format!("{last}{end}"));
        }
    }
}

fn first_match(lines: &[&str], pattern: &str) -> Result<usize, Failure> {
    let regex = compile(pattern, Flags::default())?;
    for (at, line) in lines.iter().enumerate() {
        if found(regex.is_match(line))? {
            return Ok(at);
        }
    }
    Err(Failure::command(NOT_FOUND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_put_in() {
        let check = |text: &str, content: &str, otherwise, expected: &str| {
            let block = Block {
                marker_start: "# S",
                marker_end: "# E",
                content,
                appends_newline: !content.ends_with('\n'),
                otherwise,
            };
            let put = block.put_into(text).map(|lines| lines.concat());
            assert_eq!(put.unwrap_or_else(|failure| failure.to_string()), expected);
        };
        let fail = Otherwise::Fail;
        check(
            "a\n# S\nold\n# E\nb\n",
            "x\ny",
            fail,
            "a\n# S\nx\ny\n# E\nb\n",
        );
        check("a\n# S\n# E", "x\n", fail, "a\n# S\nx\n# E\n");
        check(
            "# S 1\r\n-- # E x\r\n",
            "x",
            fail,
            "# S 1\r\nx\r\n# E x\r\n",
        );
        check(
            "a\n# S\nold\n",
            "x",
            fail,
            "Unterminated marked block. End of file reached before marker_end.",
        );
        check("a", "x", fail, NOT_FOUND);
        check("a", "x", Otherwise::Append, "a\n# S\nx\n# E\n");
        check("a", "x", Otherwise::Prepend, "# S\nx\n# E\na");
        check(
            "a\nb\n",
            "x",
            Otherwise::Before("^b$"),
            "a\n# S\nx\n# E\nb\n",
        );
        check("a\nb\n", "x", Otherwise::After("^a"), "a\n# S\nx\n# E\nb\n");
        check("a\nb\n", "x", Otherwise::After("^c"), NOT_FOUND);
        check("", "", Otherwise::Append, "# S\n\n# E\n");
    }
}
