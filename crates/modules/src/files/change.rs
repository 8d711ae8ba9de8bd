//! What an operator is shown of a change of a file's content.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::edit::diff;
use crate::failure::Failure;
use crate::python;

/// Bytes at the beginning of a file that tell text from other data.
const PROBE: usize = 512;

/// Larger files are not compared line by line.
const COMPARED_MAX: usize = 64 << 20;

/// What is not a difference that others hear of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ignored {
    pub(crate) ordering: bool,
    pub(crate) whitespace: bool,
    /// What begins a comment.
    pub(crate) comments: Vec<String>,
}

impl Ignored {
    /// Reads `ignore_ordering`, `ignore_whitespace` and `ignore_comment_characters`.
    pub(crate) fn new(ordering: &Value, whitespace: &Value, comments: &Value) -> Ignored {
        Ignored {
            ordering: python::truthy(ordering),
            whitespace: python::truthy(whitespace),
            comments: match comments {
                Value::String(one) if !one.is_empty() => vec![one.clone()],
                Value::Array(many) => many.iter().map(python::text).collect(),
                _ => Vec::new(),
            },
        }
    }

    /// Whether anything is ignored.
    pub(crate) fn is_any(&self) -> bool {
        self.ordering || self.whitespace || !self.comments.is_empty()
    }

    /// Whether a unified difference holds more than what is ignored.
    pub(crate) fn leaves_any(&self, diff: &str) -> bool {
        if !self.is_any() {
            return !diff.is_empty();
        }
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for line in diff.lines() {
            if line.starts_with("+++") || line.starts_with("---") {
                continue;
            }
            let (sign, text) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
            let mut text = text;
            for mark in &self.comments {
                text = text
                    .split_once(mark.as_str())
                    .map_or(text, |(kept, _)| kept);
            }
            if self.whitespace {
                text = text.trim();
            }
            match sign {
                "+" if !text.is_empty() => added.push(text),
                "-" if !text.is_empty() => removed.push(text),
                _ => {}
            }
        }
        added.sort_unstable();
        removed.sort_unstable();
        added != removed
    }
}

/// The difference of two contents in Salt's words; empty when they are equal, but for such as [`read`] has cut: their rest is not known here.
/// `names` stand in the head of a unified difference.
pub(crate) fn of(old: &[u8], new: &[u8], names: (&str, &str)) -> String {
    if old == new && old.len() <= COMPARED_MAX {
        return String::new();
    }
    let probe = |bytes: &[u8]| is_binary(&bytes[..bytes.len().min(PROBE)]);
    match (probe(old), probe(new)) {
        (true, true) => return "Replace binary file".to_owned(),
        (true, false) => return "Replace binary file with text file".to_owned(),
        (false, true) => return "Replace text file with binary file".to_owned(),
        (false, false) => {}
    }
    if old.len().max(new.len()) > COMPARED_MAX {
        return "Replace large file".to_owned();
    }
    let (old, new) = (lines(old), lines(new));
    let old: Vec<&str> = old.iter().map(|line| &**line).collect();
    let new: Vec<&str> = new.iter().map(|line| &**line).collect();
    diff::of_lines(&old, &new, names.0, names.1)
}

/// Lines with their ends. What is not UTF-8 is taken for Latin-1, as Salt does.
fn lines(bytes: &[u8]) -> Vec<Cow<'_, str>> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| match std::str::from_utf8(line) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(line.iter().map(|byte| char::from(*byte)).collect()),
        })
        .collect()
}

/// Whether the beginning of a file is no text: it holds a zero byte, or too many bytes that texts lack.
pub(crate) fn is_binary(probe: &[u8]) -> bool {
    if probe.contains(&0) {
        return true;
    }
    let is_utf8 = match std::str::from_utf8(probe) {
        Ok(_) => true,
        // A character that is cut off at the end is none that is wrong.
        Err(error) => error.error_len().is_none(),
    };
    let is_text = |byte: u8| {
        (32..127).contains(&byte)
            || b"\n\r\t\x0c\x08".contains(&byte)
            || (is_utf8 && (128..255).contains(&byte))
    };
    let others = probe.iter().filter(|byte| !is_text(**byte)).count();
    // More than 30 of 100.
    others * 10 > probe.len() * 3
}

/// The content of a file for a comparison, cut where it is too large for one.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::io(path, error);
    let mut bytes = Vec::new();
    // One byte more than is compared: enough to know that it is too much.
    File::open(path)
        .map_err(failed)?
        .take(COMPARED_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn contents_are_compared() {
        let check =
            |old: &[u8], new: &[u8], expected: &str| assert_eq!(of(old, new, ("", "")), expected);
        check(b"a\n", b"a\n", "");
        check(b"a\n", b"", "--- \n+++ \n@@ -1 +0,0 @@\n-a\n");
        check(b"\0\0", b"\0", "Replace binary file");
        check(b"\0\0", b"a", "Replace binary file with text file");
        check(b"a", b"\0", "Replace text file with binary file");
        // Both are read as the same text.
        check(b"abc\xe9\n", "abcé\n".as_bytes(), "");
        assert!(!is_binary("ä".as_bytes().split_last().unwrap().1));
        assert!(is_binary(b"\x01\x02\x03abc"));
    }

    #[test]
    fn some_differences_are_ignored() {
        let check = |old: &str, new: &str, ignored: &Ignored, expected: bool| {
            let diff = of(old.as_bytes(), new.as_bytes(), ("", ""));
            assert_eq!(ignored.leaves_any(&diff), expected, "{diff}");
        };
        let ordering = Ignored::new(&json!(true), &json!(false), &Value::Null);
        check("a\nb\n", "b\na\n", &ordering, false);
        check("a\nb\n", "b\nc\n", &ordering, true);
        let spaces = Ignored::new(&json!(false), &json!(true), &Value::Null);
        check("a \n", "a\n", &spaces, false);
        let comments = Ignored::new(&json!(false), &json!(false), &json!("#"));
        check("a# x\n", "a# y\n", &comments, false);
        check("a\n", "b\n", &Ignored::default(), true);
    }
}
