//! Devices and pipes.

use std::fs::Metadata;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::failure::{Failure, python_text};

/// A kind of node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Character,
    Block,
    Pipe,
}

impl Kind {
    /// The kind of this letter: c, b or p.
    pub(crate) fn of_letter(letter: &str) -> Option<Kind> {
        Some(match letter {
            "c" => Kind::Character,
            "b" => Kind::Block,
            "p" => Kind::Pipe,
            _ => return None,
        })
    }

    /// Its name at the beginning of a sentence.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Kind::Character => "Character device",
            Kind::Block => "Block device",
            Kind::Pipe => "Fifo pipe",
        }
    }

    /// Whether a file is one.
    pub(crate) fn is_of(self, found: &Metadata) -> bool {
        let kind = found.file_type();
        match self {
            Kind::Character => kind.is_char_device(),
            Kind::Block => kind.is_block_device(),
            Kind::Pipe => kind.is_fifo(),
        }
    }
}

/// Makes a node of this mode, less the mask of the process; false when something has the name already. `device` is major and minor, and has
/// no meaning for a pipe.
pub(crate) fn make(
    path: &Path,
    kind: Kind,
    bits: u32,
    device: (u64, u64),
) -> Result<bool, Failure> {
    let (flag, number) = match kind {
        Kind::Character => (SFlag::S_IFCHR, makedev(device.0, device.1)),
        Kind::Block => (SFlag::S_IFBLK, makedev(device.0, device.1)),
        Kind::Pipe => (SFlag::S_IFIFO, 0),
    };
    match mknod(path, flag, Mode::from_bits_truncate(bits), number) {
        Ok(()) => Ok(true),
        Err(nix::errno::Errno::EEXIST) => Ok(false),
        Err(errno) => Err(Failure::exception(
            "OSError",
            python_text(path, &errno.into()),
        )),
    }
}
