//! Other names of a program: links in a directory along PATH.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Why a name is not made.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// Something else is there.
    #[error("{} is there already, and is no link to {}: --force replaces it", path.display(), program.display())]
    Taken {
        /// Where the link would be.
        path: PathBuf,
        /// Where it would lead.
        program: PathBuf,
    },
    /// The system does not do it.
    #[error("{}: {source}", path.display())]
    Link {
        /// Where the link would be.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Makes links to a program in a directory, or none when one of the names is taken by something else and `force` is not given.
/// Gives the links.
///
/// # Errors
/// [`NameError`].
pub fn install(
    program: &Path,
    directory: &Path,
    names: &[&str],
    force: bool,
) -> Result<Vec<PathBuf>, NameError> {
    let links: Vec<PathBuf> = names.iter().map(|name| directory.join(name)).collect();
    let is_ours = |link: &PathBuf| fs::read_link(link).is_ok_and(|leads| leads == program);
    for link in links.iter().filter(|link| !force && !is_ours(link)) {
        if fs::symlink_metadata(link).is_ok() {
            return Err(NameError::Taken {
                path: link.clone(),
                program: program.to_owned(),
            });
        }
    }
    for link in links.iter().filter(|link| !is_ours(link)) {
        let failure = |source| NameError::Link {
            path: link.clone(),
            source,
        };
        match fs::remove_file(link) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failure(error)),
            _ => {}
        }
        symlink(program, link).map_err(failure)?;
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_links_are_replaced_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new("/usr/bin/top-master");
        let make = |force| install(program, dir.path(), &["salt", "salt-run"], force);
        assert_eq!(make(false).unwrap().len(), 2);
        // Again does no harm.
        assert_eq!(make(false).unwrap().len(), 2);
        fs::remove_file(dir.path().join("salt")).unwrap();
        fs::remove_file(dir.path().join("salt-run")).unwrap();
        fs::write(dir.path().join("salt-run"), "another program").unwrap();
        assert!(matches!(make(false), Err(NameError::Taken { .. })));
        assert!(!dir.path().join("salt").exists(), "all or none");
        make(true).unwrap();
        assert_eq!(fs::read_link(dir.path().join("salt-run")).unwrap(), program);
    }
}
