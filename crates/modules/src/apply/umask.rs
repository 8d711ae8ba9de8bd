//! `umask`: the mask for files that a call makes, also for those that its programs make.

use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};

use crate::failure::Failure;

/// The mask of this thread until this is dropped.
pub(super) struct Umask(Mode);

impl Umask {
    /// Sets the mask. It belongs to the process; this thread gets one of its own first, for others make files at the same time.
    pub(super) fn set(mask: u32) -> Result<Umask, Failure> {
        unshare(CloneFlags::CLONE_FS)
            .map_err(|error| Failure::command(format!("umask cannot be set: {}", error.desc())))?;
        Ok(Umask(umask(Mode::from_bits_truncate(mask))))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        umask(self.0);
    }
}
