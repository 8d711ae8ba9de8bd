//! A git remote on this disk, for the roots of a tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use cable::Dice;

/// Whoever commits; what the machine's own configuration says is of no interest.
const IDENTITY: [&str; 4] = [
    "-c",
    "user.name=bench",
    "-c",
    "user.email=bench@example.org",
];

/// A bare repository, and the checkout from which it is filled.
#[derive(Debug)]
pub struct Remote {
    bare: PathBuf,
    checkout: PathBuf,
}

impl Remote {
    /// An empty one.
    pub fn new(work: &Path) -> anyhow::Result<Remote> {
        std::fs::create_dir_all(work)?;
        let (bare, checkout) = (work.join("roots.git"), work.join("checkout"));
        git(work, &["init", "-q", "--bare", "-b", "main", "roots.git"])?;
        git(work, &["init", "-q", "-b", "main", "checkout"])?;
        git(&checkout, &["remote", "add", "origin", "../roots.git"])?;
        Ok(Remote { bare, checkout })
    }

    /// Lines of a hub's configuration that name it.
    pub fn settings(&self) -> String {
        format!("roots:\n  remote: file://{}\n", self.bare.display())
    }

    /// Puts a file into the checkout; folders are made.
    pub fn write(&self, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let place = self.checkout.join(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&place, bytes).with_context(|| place.display().to_string())
    }

    /// Commits everything that changed.
    pub fn commit(&self) -> anyhow::Result<()> {
        git(&self.checkout, &["add", "."])?;
        git(&self.checkout, &["commit", "-q", "-m", "Change"])
    }

    /// Pushes what was committed.
    pub fn push(&self) -> anyhow::Result<()> {
        git(&self.checkout, &["push", "-q", "origin", "HEAD:main"])
    }
}

fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .args(IDENTITY)
        .args(arguments)
        .current_dir(directory)
        .output()
        .context("git does not start: install it")?;
    ensure!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Bytes that no compression makes shorter.
pub fn noise(bytes: usize, dice: &mut Dice) -> Vec<u8> {
    let words = (0..bytes.div_ceil(8)).flat_map(|_| dice.throw().to_le_bytes());
    words.take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_as_long_as_wanted_and_differs() {
        let mut dice = Dice::new(1);
        for bytes in [0, 1, 8, 1_001] {
            assert_eq!(noise(bytes, &mut dice).len(), bytes);
        }
        assert_ne!(noise(100, &mut dice), noise(100, &mut dice));
    }

    #[test]
    fn what_is_pushed_is_in_the_remote() {
        let dir = tempfile::tempdir().unwrap();
        let remote = Remote::new(dir.path()).unwrap();
        remote.write("a/b", b"text\n").unwrap();
        remote.commit().unwrap();
        remote.push().unwrap();
        let shown = Command::new("git")
            .args(["show", "main:a/b"])
            .current_dir(&remote.bare)
            .output()
            .unwrap();
        assert_eq!(shown.stdout, b"text\n");
        // Nothing has changed.
        let error = remote.commit().unwrap_err();
        assert!(error.to_string().starts_with("git "), "{error}");
    }
}
