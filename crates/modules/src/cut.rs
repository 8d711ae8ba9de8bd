//! Values that are too long to be answered whole: what is told of them instead.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Longest output of a command, and longest value, that is answered whole, in bytes: as much as one return carries.
pub const WHOLE_BYTES_MAX: usize = 4 << 20;
/// Bytes of each end of a longer one that are told. Four of these, escaped as JSON at worst (six bytes for one), still fit
/// into one return: standard output and standard error of a command.
pub const END_BYTES: usize = 64 << 10;

const _: () = assert!(4 * END_BYTES * 6 < WHOLE_BYTES_MAX);

/// Measures bytes that come in pieces, and keeps all of them or, when they are too many, both ends. Its memory is bounded
/// by the limit, however much comes.
pub struct Measure {
    limit: usize,
    /// Everything, as long as that is within the limit; then the head.
    kept: Vec<u8>,
    /// The last bytes of what is too long; at most twice [`END_BYTES`].
    tail: Vec<u8>,
    bytes: u64,
    sum: Sha256,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    /// All bytes.
    Whole(Vec<u8>),
    /// They were too many.
    Cut(Cut),
}

/// What is told of bytes that were too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// How many they were.
    pub bytes: u64,
    /// SHA-256 of all of them, in hexadecimal digits.
    pub sha256: String,
    /// The first ones.
    pub head: String,
    /// The last ones.
    pub tail: String,
}

impl Measure {
    /// Keeps up to `limit` bytes whole.
    pub fn new(limit: usize) -> Measure {
        Measure {
            limit,
            kept: Vec::new(),
            tail: Vec::new(),
            bytes: 0,
            sum: Sha256::new(),
        }
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        self.sum.update(piece);
        let was_cut = self.bytes > self.limit as u64;
        self.bytes += piece.len() as u64;
        if self.bytes <= self.limit as u64 {
            self.kept.extend_from_slice(piece);
            return;
        }
        if !was_cut {
            let end = END_BYTES.min(self.limit);
            let from = self.kept.len().saturating_sub(end);
            self.tail = self.kept[from..].to_vec();
            let missing = end.saturating_sub(self.kept.len()).min(piece.len());
            self.kept.extend_from_slice(&piece[..missing]);
            self.kept.truncate(end);
            self.kept.shrink_to_fit();
        }
        let last = &piece[piece.len().saturating_sub(END_BYTES)..];
        self.tail.extend_from_slice(last);
        if self.tail.len() > 2 * END_BYTES {
            self.tail.drain(..self.tail.len() - END_BYTES);
        }
    }

    /// What came.
    pub fn end(mut self) -> Measured {
        if self.bytes <= self.limit as u64 {
            return Measured::Whole(self.kept);
        }
        let end = END_BYTES.min(self.limit);
        self.tail.drain(..self.tail.len().saturating_sub(end));
        Measured::Cut(Cut {
            bytes: self.bytes,
            sha256: data_encoding::HEXLOWER.encode(&self.sum.finalize()),
            head: head_text(&self.kept),
            tail: tail_text(&self.tail),
        })
    }
}

impl std::io::Write for Measure {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.take(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Cut {
    /// The mark that stands in place of the value.
    pub fn mark(&self) -> Value {
        json!({
            "truncated": true,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "head": self.head,
            "tail": self.tail,
        })
    }
}

/// Text; a character that was cut in two is left out, other bytes that are no UTF-8 become replacement characters.
fn head_text(bytes: &[u8]) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    };
    String::from_utf8_lossy(whole).into_owned()
}

fn tail_text(bytes: &[u8]) -> String {
    // A character has at most three bytes that are not its first.
    let rest = bytes.iter().take(3).take_while(|b| **b & 0xc0 == 0x80);
    String::from_utf8_lossy(&bytes[rest.count()..]).into_owned()
}

/// A value as JSON text: whole, or its mark. Text is measured as it is, so that `sha256sum` on the host agrees; any other
/// value as its JSON text.
pub fn travelling(value: &Value, limit: usize) -> Vec<u8> {
    let mut json = Measure::new(limit);
    // A value has no keys but text and no number that JSON lacks, and a measure takes everything.
    let written = serde_json::to_writer(&mut json, value);
    debug_assert!(written.is_ok(), "{written:?}");
    let cut = match (json.end(), value) {
        (Measured::Whole(json), _) => return json,
        (Measured::Cut(_), Value::String(text)) => {
            // Shorter than its escaped form by at least the quotes, so it may fit as text: both ends are told all the same.
            let mut measure = Measure::new(END_BYTES.min(limit));
            measure.take(text.as_bytes());
            match measure.end() {
                Measured::Cut(cut) => cut,
                Measured::Whole(_) => return serde_json::to_vec(value).unwrap_or_default(),
            }
        }
        (Measured::Cut(cut), _) => cut,
    };
    serde_json::to_vec(&cut.mark()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
    }

    #[test]
    fn pieces_of_any_size_give_the_same_ends_size_and_hash() {
        let bytes: Vec<u8> = (0..3 * END_BYTES).map(|n| b'a' + (n % 23) as u8).collect();
        for size in [1, 7, 4_096, 65_536, bytes.len()] {
            let mut measure = Measure::new(2 * END_BYTES);
            for piece in bytes.chunks(size) {
                measure.take(piece);
                assert!(measure.kept.len() <= 2 * END_BYTES);
                assert!(measure.tail.len() <= 2 * END_BYTES);
            }
            let Measured::Cut(cut) = measure.end() else {
                panic!("{size}: not cut");
            };
            assert_eq!(cut.bytes, bytes.len() as u64, "{size}");
            assert_eq!(cut.sha256, sum(&bytes), "{size}");
            assert_eq!(cut.head.as_bytes(), &bytes[..END_BYTES], "{size}");
            assert_eq!(
                cut.tail.as_bytes(),
                &bytes[bytes.len() - END_BYTES..],
                "{size}"
            );
        }
    }

    #[test]
    fn the_limit_itself_is_whole() {
        for (len, is_whole) in [(0, true), (9, true), (10, true), (11, false)] {
            let mut measure = Measure::new(10);
            measure.take(&vec![b'x'; len]);
            match measure.end() {
                Measured::Whole(bytes) => assert!(is_whole && bytes.len() == len),
                Measured::Cut(cut) => {
                    assert!(!is_whole);
                    assert_eq!((cut.head.len(), cut.tail.len()), (10, 10));
                }
            }
        }
    }

    #[test]
    fn characters_at_the_cut_are_left_out() {
        let euros = "€".repeat(9);
        let mut measure = Measure::new(10);
        measure.take(euros.as_bytes());
        let Measured::Cut(cut) = measure.end() else {
            panic!("not cut");
        };
        assert_eq!((cut.head.as_str(), cut.tail.as_str()), ("€€€", "€€€"));
        assert_eq!(head_text(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn values_are_marked_with_what_they_were() {
        let limit = 8 * END_BYTES;
        let text = "x".repeat(limit + 1);
        for (value, bytes) in [
            (json!(text), text.as_bytes().to_vec()),
            (json!([text]), serde_json::to_vec(&json!([text])).unwrap()),
            // Fits as text, and not as JSON.
            (json!("\u{1}".repeat(limit / 2)), vec![1; limit / 2]),
        ] {
            let mark: Value = serde_json::from_slice(&travelling(&value, limit)).unwrap();
            assert_eq!(mark["truncated"], true);
            assert_eq!(mark["bytes"], bytes.len());
            assert_eq!(mark["sha256"], sum(&bytes));
        }
        assert_eq!(travelling(&json!(true), limit), b"true");
        assert_eq!(travelling(&json!("é"), limit), "\"é\"".as_bytes());
    }
}
