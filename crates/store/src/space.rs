//! Room on a file system.

use std::io;
use std::path::Path;

/// Bytes that an unprivileged process may still write on the file system of this file or directory.
///
/// # Errors
/// When the system does not say.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Whether a write failed for want of room, and nothing else is wrong with the disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_bytes_are_those_of_the_file_system() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).unwrap() > 0);
        // A file system without a device has no room at all.
        assert_eq!(free_bytes(Path::new("/proc")).unwrap(), 0);
        assert!(free_bytes(&dir.path().join("none")).is_err());
    }
}
