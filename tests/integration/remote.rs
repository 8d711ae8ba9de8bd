//! A git remote on this disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A bare remote and a checkout of it.
#[derive(Debug)]
pub struct Remote {
    directory: TempDir,
}

impl Remote {
    /// An empty remote.
    ///
    /// # Panics
    /// When git does not make it.
    pub fn new() -> Remote {
        let remote = Remote {
            directory: tempfile::tempdir().expect("a directory"),
        };
        git(
            remote.directory.path(),
            &["init", "-q", "--bare", "-b", "main", "roots.git"],
        );
        git(
            remote.directory.path(),
            &["init", "-q", "-b", "main", "checkout"],
        );
        let url = remote.bare().display().to_string();
        git(&remote.checkout(), &["remote", "add", "origin", &url]);
        remote
    }

    /// The directory in which both are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The remote.
    pub fn bare(&self) -> PathBuf {
        self.directory.path().join("roots.git")
    }

    /// The checkout.
    pub fn checkout(&self) -> PathBuf {
        self.directory.path().join("checkout")
    }

    /// The line of a hub's configuration that names it.
    pub fn settings(&self) -> String {
        format!("roots:\n  remote: file://{}\n", self.bare().display())
    }

    /// Commits a file and pushes it; gives the commit.
    ///
    /// # Panics
    /// When git does not.
    pub fn push(&self, path: &str, text: &str) -> String {
        fs::write(self.checkout().join(path), text).expect("a file");
        git(&self.checkout(), &["add", "."]);
        git(&self.checkout(), &["commit", "-q", "-m", text]);
        git(
            &self.checkout(),
            &["push", "-q", "--force", "origin", "HEAD:main"],
        );
        git(&self.checkout(), &["rev-parse", "HEAD"])
    }
}

impl Default for Remote {
    fn default() -> Self {
        Remote::new()
    }
}

/// Runs git, and gives what it says.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    let output = Command::new("git")
        .args(identity)
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
