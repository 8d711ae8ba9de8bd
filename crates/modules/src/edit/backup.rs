//! Copies of files as they were before a change: `backup: minion`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use jiff::Zoned;

/// Copies a file below `file_backup` of the cache directory, where `file.list_backups` looks for it: under its own path, with the local
/// time behind its name. Owner and mode are kept.
pub(crate) fn keep(cache_dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let copy = place(cache_dir, path, &Zoned::now());
    if let Some(directory) = copy.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::copy(path, &copy)?;
    let metadata = fs::metadata(path)?;
    chown(&copy, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(&copy, metadata.permissions())?;
    Ok(copy)
}

/// Where the backups of a host begin.
pub(crate) fn root(cache_dir: &Path) -> PathBuf {
    cache_dir.join("file_backup")
}

fn place(cache_dir: &Path, path: &Path, now: &Zoned) -> PathBuf {
    let below = path.strip_prefix("/").unwrap_or(path);
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(now.strftime("_%a_%b_%d_%H:%M:%S_%6f_%Y").to_string());
    root(cache_dir).join(below).with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn backups_are_named_by_path_and_time() {
        let now: Zoned = "2026-11-28T02:03:04.005006[UTC]".parse().unwrap();
        assert_eq!(
            place(Path::new("/cache"), Path::new("/etc/ssh/sshd_config"), &now),
            Path::new("/cache/file_backup/etc/ssh/sshd_config_Sat_Nov_28_02:03:04_005006_2026")
        );
    }

    #[test]
    fn backups_keep_modes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let copy = keep(&dir.path().join("cache"), &path).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"x");
        assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o640);
    }
}
