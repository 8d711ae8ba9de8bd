//! The file that stands in for standard output.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens it before anything is done whose results it is for: emptied, or to add to what it has.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = File::options();
    options.create(true);
    if append {
        options.append(true);
    } else {
        options.write(true).truncate(true);
    }
    options.open(path)
}
