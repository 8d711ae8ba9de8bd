//! Output of a process: all of it, or both ends of what is too long, with its true size and hash.

use std::fmt;
use std::io::Read;
use std::ops::Deref;

use serde_json::Value;

use crate::cut::{Cut, Measure, Measured, WHOLE_BYTES_MAX};

/// Bytes that one read takes.
const CHUNK: usize = 64 << 10;

/// What a stream gave so far. All of it is read, so that the process is not blocked, and a bounded part kept.
pub(crate) struct Capture {
    measure: Measure,
    chunk: Box<[u8]>,
}

/// What a stream gave in all. As text it is everything, or the beginning of what was cut; bytes that are no UTF-8 are
/// replacement characters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    text: String,
    cut: Option<Box<Cut>>,
}

impl Capture {
    pub(crate) fn new() -> Capture {
        Capture::with_limit(WHOLE_BYTES_MAX)
    }

    fn with_limit(limit: usize) -> Capture {
        Capture {
            measure: Measure::new(limit),
            chunk: vec![0; CHUNK].into_boxed_slice(),
        }
    }

    /// Reads once; false at the end of the stream. A failed read ends the stream too.
    pub(crate) fn read_from(&mut self, stream: &mut impl Read) -> bool {
        match stream.read(&mut self.chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.measure.take(&self.chunk[..count]);
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
        }
    }

    pub(crate) fn into_output(self) -> Output {
        match self.measure.end() {
            Measured::Whole(bytes) => match String::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(error) => String::from_utf8_lossy(error.as_bytes())
                    .into_owned()
                    .into(),
            },
            Measured::Cut(mut cut) => Output {
                text: std::mem::take(&mut cut.head),
                cut: Some(Box::new(cut)),
            },
        }
    }
}

impl Output {
    /// Whether it was too long.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether this text is in what was kept.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.text.contains(text) || self.cut.as_ref().is_some_and(|cut| cut.tail.contains(text))
    }

    /// Drops white space at the end; a cut output is told as it was.
    pub(crate) fn strip_end(&mut self) {
        if self.cut.is_none() {
            self.text.truncate(self.text.trim_end().len());
        }
    }

    /// The text, or the mark that stands for what was cut.
    pub(crate) fn into_value(self) -> Value {
        match self.cut {
            None => Value::String(self.text),
            Some(cut) => Cut {
                head: self.text,
                ..*cut
            }
            .mark(),
        }
    }
}

impl From<String> for Output {
    fn from(text: String) -> Output {
        Output { text, cut: None }
    }
}

impl Deref for Output {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn output(bytes: &[u8], limit: usize) -> Output {
        let mut capture = Capture::with_limit(limit);
        let mut stream = bytes;
        while capture.read_from(&mut stream) {}
        capture.into_output()
    }

    #[test]
    fn what_fits_is_text() {
        for (bytes, expected) in [(&b"abc"[..], "abc"), (b"a\xffb", "a\u{fffd}b"), (b"", "")] {
            let output = output(bytes, 3);
            assert!(!output.is_cut());
            assert_eq!(output.into_value(), json!(expected));
        }
    }

    #[test]
    fn what_is_too_long_is_marked() {
        let output = output(b"abcdef", 3);
        assert!(output.is_cut() && output.holds("ab") && output.holds("ef") && !output.holds("cd"));
        assert_eq!(
            output.into_value(),
            json!({
                "truncated": true,
                "bytes": 6,
                "sha256": "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721",
                "head": "abc",
                "tail": "def",
            })
        );
    }
}
