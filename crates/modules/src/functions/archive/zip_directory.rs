//! The directory of a zip archive: what is in it, as written at the end of the file (PKWARE's APPNOTE, 4.3).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The record at the end without its comment, and the longest comment.
const END_SIZE: u64 = 22;
const COMMENT_MAX: u64 = 0xffff;

/// A larger directory is none that anybody has packed.
const DIRECTORY_MAX: u64 = 256 << 20;

const END_MARK: &[u8] = b"PK\x05\x06";
const END64_MARK: &[u8] = b"PK\x06\x06";
const LOCATOR64_MARK: &[u8] = b"PK\x06\x07";
const ENTRY_MARK: &[u8] = b"PK\x01\x02";

/// Length of an entry without name, extra field and comment.
const ENTRY_SIZE: usize = 46;

/// A member of an archive.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Type and permissions as Unix has them; 0 from systems without.
    pub(super) mode: u32,
    pub(super) is_encrypted: bool,
}

impl Entry {
    pub(super) fn is_link(&self) -> bool {
        self.mode & 0o170000 == 0o120000
    }

    pub(super) fn is_dir(&self) -> bool {
        self.mode & 0o170000 == 0o040000
    }
}

/// Reads the directory; `None` when the file is no zip archive.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<Entry>>> {
    let mut file = File::open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    let tail_size = size.min(END_SIZE + COMMENT_MAX);
    let tail = read_at(&mut file, size - tail_size, tail_size)?;
    let Some(at) = tail
        .windows(END_MARK.len())
        .rposition(|window| window == END_MARK)
        .filter(|at| tail.len() - at >= END_SIZE as usize)
    else {
        return Ok(None);
    };
    let end = &tail[at..];
    let mut length = u64::from(u32_at(end, 12));
    let mut start = u64::from(u32_at(end, 16));
    let end_at = size - tail_size + at as u64;
    if start == u64::from(u32::MAX) || length == u64::from(u32::MAX) {
        let Some((length64, start64)) = large(&mut file, end_at)? else {
            return Ok(None);
        };
        (length, start) = (length64, start64);
    }
    // What stands before the archive, as in programs that unpack themselves, shifts all offsets.
    if start.checked_add(length).is_none_or(|end| end > end_at) || length > DIRECTORY_MAX {
        return Ok(None);
    }
    let shifted = if start == u64::from(u32_at(end, 16)) {
        end_at - length
    } else {
        start
    };
    let directory = read_at(&mut file, shifted, length)?;
    Ok(entries(&directory))
}

/// Length and start of the directory where they need 64 bits.
fn large(file: &mut File, end_at: u64) -> io::Result<Option<(u64, u64)>> {
    let Some(locator_at) = end_at.checked_sub(20) else {
        return Ok(None);
    };
    let locator = read_at(file, locator_at, 20)?;
    if !locator.starts_with(LOCATOR64_MARK) {
        return Ok(None);
    }
    let end = read_at(file, u64_at(&locator, 8), 56)?;
    Ok(end
        .starts_with(END64_MARK)
        .then(|| (u64_at(&end, 40), u64_at(&end, 48))))
}

fn entries(mut rest: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        if !rest.starts_with(ENTRY_MARK) || rest.len() < ENTRY_SIZE {
            return None;
        }
        let flags = u16_at(rest, 8);
        let name_end = ENTRY_SIZE + usize::from(u16_at(rest, 28));
        let end = name_end + usize::from(u16_at(rest, 30)) + usize::from(u16_at(rest, 32));
        let name = rest.get(ENTRY_SIZE..name_end)?;
        entries.push(Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            mode: u32_at(rest, 38) >> 16,
            is_encrypted: flags & 1 != 0,
        });
        rest = rest.get(end..)?;
    }
    Some(entries)
}

fn read_at(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A number of the little-endian bytes at an offset; what is missing counts as 0.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let part = bytes.get(at..at + size).unwrap_or_default();
    part.iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    number(bytes, at, 2) as u16
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    number(bytes, at, 4) as u32
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    number(bytes, at, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_no_archives() {
        let dir = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], count: Option<usize>| {
            let path = dir.path().join("f");
            std::fs::write(&path, bytes).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.map(|entries| entries.len()), count);
        };
        let mut empty = b"PK\x05\x06".to_vec();
        empty.resize(22, 0);
        check(&empty, Some(0));
        check(b"", None);
        check(b"PK\x05\x06", None);
        let mut wrong = empty.clone();
        wrong[12] = 9;
        check(&wrong, None);
        wrong[12..20].fill(0xff);
        check(&wrong, None);
    }
}
