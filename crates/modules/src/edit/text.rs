//! Files as texts.
//!
//! What is no UTF-8 is read byte by byte, each as the character of its number, so that an edit keeps what it does not touch.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::failure::{Failure, os_text};

/// Largest file that is edited.
const BYTES_MAX: u64 = 64 << 20;

/// How many bytes tell whether a file is text.
const PROBE: usize = 512;

/// The content of a file.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    text: String,
    is_utf8: bool,
}

impl Text {
    /// Reads a file. Fails for one that is missing or larger than 64 MiB.
    pub(crate) fn read(path: &Path) -> Result<Text, Failure> {
        let unread = |error: std::io::Error| {
            Failure::command(format!(
                "Unable to open file '{}'. Exception: {}",
                path.display(),
                os_text(&error)
            ))
        };
        let file = File::open(path).map_err(unread)?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(Failure::command(format!(
                "'{}' is larger than {BYTES_MAX} bytes",
                path.display()
            )));
        }
        Ok(Text::of_bytes(bytes))
    }

    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Text {
        match String::from_utf8(bytes) {
            Ok(text) => Text {
                text,
                is_utf8: true,
            },
            Err(error) => Text {
                text: one_by_one(error.as_bytes()),
                is_utf8: false,
            },
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// How a text of the caller stands in this file.
    pub(crate) fn spelled(&self, words: &str) -> String {
        if self.is_utf8 {
            words.to_owned()
        } else {
            one_by_one(words.as_bytes())
        }
    }

    /// A changed text as bytes for the file.
    pub(crate) fn bytes_of(&self, changed: &str) -> Vec<u8> {
        if self.is_utf8 {
            return changed.as_bytes().to_vec();
        }
        changed
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect()
    }

    /// A line of the file for people.
    pub(crate) fn shown(&self, line: &str) -> String {
        if self.is_utf8 {
            return line.to_owned();
        }
        String::from_utf8(self.bytes_of(line)).unwrap_or_else(|_| line.to_owned())
    }
}

fn one_by_one(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Whether a file looks like text by its first bytes; one that cannot be read does not.
pub(crate) fn is_text_file(path: &Path) -> bool {
    let mut probe = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PROBE as u64).read_to_end(&mut probe));
    read.is_ok() && is_text(&probe)
}

/// That a file to be edited is not there.
pub(crate) fn not_found(path: &Path) -> Failure {
    Failure::invocation(format!("File not found: {}", path.display()))
}

/// Fails for a file that does not look like text.
pub(crate) fn refuse_binary(path: &Path) -> Result<(), Failure> {
    if is_text_file(path) {
        return Ok(());
    }
    Err(Failure::invocation(format!(
        "Cannot perform string replacements on a binary file: {}",
        path.display()
    )))
}

/// Whether bytes look like text: no zero, and at most 30 % of control characters, or of others when it is no UTF-8.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    if bytes.contains(&0) {
        return false;
    }
    let is_utf8 =
        std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    let is_odd = |byte: &&u8| match **byte {
        32..=126 | b'\n' | b'\r' | b'\t' | 0x0c | 0x08 => false,
        128..=254 => !is_utf8,
        _ => true,
    };
    bytes.iter().filter(is_odd).count() * 10 <= bytes.len() * 3
}

/// Lines with their ends, as Python's `bytes.splitlines(True)`: ends are line feed, carriage return, or both.
pub(crate) fn byte_lines(text: &str) -> Vec<&str> {
    lines_at(text, |c| matches!(c, '\n' | '\r'))
}

/// Lines with their ends, as Python's `str.splitlines(True)`.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    lines_at(text, is_line_end)
}

/// Lines without their ends, as Python's `str.splitlines()`.
pub(crate) fn bare_lines(text: &str) -> Vec<&str> {
    let bare = |line: &'_ str| {
        let end = line.strip_suffix("\r\n").map(str::len);
        end.unwrap_or_else(|| line.strip_suffix(is_line_end).map_or(line.len(), str::len))
    };
    let lines = lines(text).into_iter();
    lines.map(|line| &line[..bare(line)]).collect()
}

fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn lines_at(text: &str, is_end: impl Fn(char) -> bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !is_end(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        if c == '\r' && chars.next_if(|(_, next)| *next == '\n').is_some() {
            end += 1;
        }
        lines.push(&text[start..end]);
        start = end;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

/// Copies a file beside itself under another name, with its mode and times, and with its owner if that is wished.
pub(crate) fn copy_aside(path: &Path, copy: &Path, keeps_owner: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::command(format!(
            "Unable to create the backup file '{}'. Exception: {}",
            copy.display(),
            os_text(&error)
        ))
    };
    let before = fs::metadata(path).map_err(failed)?;
    // What stands there may be a link, or be read-only.
    match fs::remove_file(copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::copy(path, copy).map_err(failed)?;
    if keeps_owner {
        use std::os::unix::fs::{MetadataExt, chown};
        chown(copy, Some(before.uid()), Some(before.gid())).map_err(failed)?;
        fs::set_permissions(copy, before.permissions()).map_err(failed)?;
    }
    let mut times = fs::FileTimes::new();
    if let (Ok(accessed), Ok(modified)) = (before.accessed(), before.modified()) {
        times = times.set_accessed(accessed).set_modified(modified);
    }
    File::open(copy)
        .and_then(|file| file.set_times(times))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_survives() {
        let bytes = b"a\xff\xc3\xa9\n".to_vec();
        let text = Text::of_bytes(bytes.clone());
        assert_eq!(text.bytes_of(text.as_str()), bytes);
        let changed = text.as_str().replace('a', &text.spelled("é"));
        assert_eq!(text.bytes_of(&changed), b"\xc3\xa9\xff\xc3\xa9\n");
        assert_eq!(text.shown(&text.spelled("é")), "é");
    }

    #[test]
    fn texts_are_told_from_other_files() {
        for (bytes, expected) in [
            (&b""[..], true),
            (b"plain\ttext\n", true),
            (b"a\0b", false),
            ("äöü".as_bytes(), true),
            (b"\xff\xfe\xfd abc", false),
            (b"\x01\x02abcdefgh", true),
            (b"\x01\x02\x03\x04abcdef", false),
        ] {
            assert_eq!(is_text(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn lines_end_as_in_python() {
        assert_eq!(
            lines("a\r\nb\rc\x0bd\n\ne"),
            ["a\r\n", "b\r", "c\x0b", "d\n", "\n", "e"]
        );
        assert_eq!(bare_lines("a\r\nb\n\nc"), ["a", "b", "", "c"]);
        assert_eq!(byte_lines("a\x0bb\rc"), ["a\x0bb\r", "c"]);
        assert!(lines("").is_empty());
    }
}
