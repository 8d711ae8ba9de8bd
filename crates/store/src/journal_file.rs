//! Bytes of the journal: frames that tell whether they are whole.
//!
//! A frame is a mark, the body's length (four bytes, little endian), sixteen bytes of BLAKE3 over length and body, and the
//! body. The mark is no UTF-8, so it does not occur in JSON text, and the next frame can be found after damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use wire::limits::MAX_FRAME;

/// First line of each journal; its number is the version of the form.
pub(crate) const HEADER: &[u8] = b"banyan-journal 1\n";
/// What the first line begins with in every version.
pub(crate) const HEADER_NAME: &[u8] = b"banyan-journal ";

const MARK: [u8; 4] = [0xf5, 0xb1, 0xff, 0x0a];
const SUM: usize = 16;
const BODY_AT: usize = MARK.len() + 4 + SUM;

/// Bytes that are looked through at a time for the next mark.
const WINDOW: usize = 64 << 10;

/// Where a frame lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) at: u64,
    pub(crate) len: u64,
}

impl Span {
    pub(crate) fn end(self) -> u64 {
        self.at + self.len
    }
}

/// Appends the frame of a body; the body's length is bounded by `encode`.
pub(crate) fn push_frame(bytes: &mut Vec<u8>, body: &[u8]) {
    let len = (body.len() as u32).to_le_bytes();
    bytes.extend_from_slice(&MARK);
    bytes.extend_from_slice(&len);
    bytes.extend_from_slice(&sum(len, body));
    bytes.extend_from_slice(body);
}

fn sum(len: [u8; 4], body: &[u8]) -> [u8; SUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&len).update(body);
    let mut sum = [0; SUM];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..SUM]);
    sum
}

/// Reads the frame at `at` into `body`; None when there is no whole frame.
pub(crate) fn frame_at(
    file: &File,
    at: u64,
    file_len: u64,
    body: &mut Vec<u8>,
) -> io::Result<Option<Span>> {
    let room = file_len.saturating_sub(at);
    if room < BODY_AT as u64 {
        return Ok(None);
    }
    let mut head = [0; BODY_AT];
    file.read_exact_at(&mut head, at)?;
    let (mark, rest) = head.split_at(MARK.len());
    let (len, expected) = rest.split_at(4);
    let len = [len[0], len[1], len[2], len[3]];
    let body_len = u32::from_le_bytes(len) as usize;
    if mark != MARK || body_len > MAX_FRAME || (room as usize) < BODY_AT + body_len {
        return Ok(None);
    }
    body.resize(body_len, 0);
    file.read_exact_at(body, at + BODY_AT as u64)?;
    Ok((sum(len, body) == expected).then_some(Span {
        at,
        len: (BODY_AT + body_len) as u64,
    }))
}

/// The first whole frame at or after `from`.
pub(crate) fn next_frame(
    file: &File,
    from: u64,
    file_len: u64,
    body: &mut Vec<u8>,
) -> io::Result<Option<Span>> {
    let mut window = vec![0; WINDOW];
    let mut at = from;
    while at + (BODY_AT as u64) <= file_len {
        let len = WINDOW.min((file_len - at) as usize);
        file.read_exact_at(&mut window[..len], at)?;
        for found in window[..len]
            .windows(MARK.len())
            .enumerate()
            .filter_map(|(i, bytes)| (bytes == MARK).then_some(at + i as u64))
        {
            if let Some(span) = frame_at(file, found, file_len, body)? {
                return Ok(Some(span));
            }
        }
        // The windows overlap, so that a mark across their border is seen.
        at += (len - (MARK.len() - 1)) as u64;
    }
    Ok(None)
}
