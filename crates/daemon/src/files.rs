//! Files that are whole at any moment, and files for results.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file in the place of an older one, and makes its folder where that is missing: after a crash it is the old one or the
/// new one, and once this returns the new one.
///
/// # Errors
/// What the system says.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Opens the file that stands in for standard output, before anything is done whose results it is for: emptied, or to add to what it has.
///
/// # Errors
/// What the system says.
pub fn for_results(path: &Path, append: bool) -> io::Result<File> {
    let mut options = File::options();
    options.create(true);
    if append {
        options.append(true);
    } else {
        options.write(true).truncate(true);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_one_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    }
}
