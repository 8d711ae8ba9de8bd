//! Output of a process, kept up to a limit.

use std::io::Read;

/// Most bytes that are kept of one output stream. What comes later is read and dropped, so that the process is not
/// blocked, and its length is reported.
pub(crate) const MAX_OUTPUT: usize = 64 << 20;

/// Bytes that one read takes.
const CHUNK: usize = 64 << 10;

/// What a stream gave so far.
pub(crate) struct Capture {
    kept: Vec<u8>,
    dropped: u64,
    limit: usize,
    chunk: Box<[u8]>,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Capture {
        Capture {
            kept: Vec::new(),
            dropped: 0,
            limit,
            chunk: vec![0; CHUNK].into_boxed_slice(),
        }
    }

    /// Reads once; false at the end of the stream. A failed read ends the stream too.
    pub(crate) fn read_from(&mut self, stream: &mut impl Read) -> bool {
        match stream.read(&mut self.chunk) {
            Ok(0) => false,
            Ok(count) => {
                let room = self.limit.saturating_sub(self.kept.len()).min(count);
                self.kept.extend_from_slice(&self.chunk[..room]);
                self.dropped += (count - room) as u64;
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
        }
    }

    /// The text; bytes that are not UTF-8 become replacement characters. A cut is marked at its end.
    pub(crate) fn into_text(self) -> String {
        let mut text = match String::from_utf8(self.kept) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        if self.dropped > 0 {
            text.push_str(&format!("\n[output cut: {} more bytes]", self.dropped));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_and_decoded() {
        let check = |bytes: &[u8], limit: usize, expected: &str| {
            let mut capture = Capture::new(limit);
            let mut stream = bytes;
            while capture.read_from(&mut stream) {}
            assert_eq!(capture.into_text(), expected);
        };
        check(b"abc", 3, "abc");
        check(b"abcdef", 3, "abc\n[output cut: 3 more bytes]");
        check(b"a\xffb", 9, "a\u{fffd}b");
        check(b"", 9, "");
    }
}
