//! Replacing what a file holds, so that readers see the old text or the new one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use nix::errno::Errno;

/// Mode of a new file for everybody to read.
pub(crate) const PUBLIC_MODE: u32 = 0o644;

/// Replaces the content of a file, or of the file that a link leads to. Owner, group and mode stay; a new file gets `new_mode`. The
/// directory must exist.
pub(crate) fn replace(path: &Path, content: &[u8], new_mode: u32) -> io::Result<()> {
    replace_by(path, new_mode, |file| file.write_all(content))
}

/// The same, by what a function writes. It may be called twice.
pub(crate) fn replace_by(
    path: &Path,
    new_mode: u32,
    write: impl Fn(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    // Not the link itself: it would become a file.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    swap(&target, new_mode, write)
}

/// Puts a file into a place, also into that of a link, with owner, group and mode of what was there.
pub(crate) fn swap(
    target: &Path,
    new_mode: u32,
    write: impl Fn(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let directory = target
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let before = fs::metadata(target).ok();
    let overwrite = || write(&mut OpenOptions::new().write(true).truncate(true).open(target)?);
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        // A device or a pipe takes what is written and is not replaced.
        return overwrite();
    }
    let mut file = tempfile::Builder::new()
        .prefix(".banyan-")
        .tempfile_in(directory)?;
    write(file.as_file_mut())?;
    let mode = match &before {
        Some(before) => {
            fchown(file.as_file(), Some(before.uid()), Some(before.gid()))?;
            before.mode() & 0o7777
        }
        None => new_mode,
    };
    // After the owner: changing that clears the bits of setuid and setgid.
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    // Not synced, as nothing of Salt's is: thousands of files would wait for the disk one by one, and a run that was cut off is repeated.
    match file.persist(target) {
        Ok(_) => Ok(()),
        // A file that is mounted by itself, as /etc/hosts in containers, cannot be replaced, only written.
        Err(error) if error.error.raw_os_error() == Some(Errno::EBUSY as i32) => overwrite(),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_and_mode_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("f"), dir.path().join("link"));
        replace(&path, b"one", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o4755)).unwrap();
        if nix::unistd::Uid::effective().is_root() {
            std::os::unix::fs::chown(&path, Some(12), Some(13)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o4755)).unwrap();
        }
        let before = fs::metadata(&path).unwrap();
        std::os::unix::fs::symlink("f", &link).unwrap();
        replace(&link, b"two", 0o600).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(link.is_symlink());
        assert_eq!(
            (after.mode(), after.uid(), after.gid()),
            (before.mode(), before.uid(), before.gid())
        );
        assert_ne!(after.ino(), before.ino());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(replace(&dir.path().join("none/f"), b"", 0o600).is_err());
    }
}
