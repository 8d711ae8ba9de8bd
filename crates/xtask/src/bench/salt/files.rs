//! Files that every side serves: a git remote for ours, and its checkout as `file_roots` for Salt.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::super::states::write_tree;

/// Bytes of each file.
const BYTES: u64 = 10_000_000;

/// States of the highstate of every minion.
pub const STATES: u32 = 200;

/// One new file for each round, so that nobody has it already, and the states.
pub struct Files {
    work: PathBuf,
}

impl Files {
    /// Makes files of random bytes for rounds from 0 to `rounds` and a tree of states, and commits them.
    pub fn make(work: &Path, rounds: u32) -> anyhow::Result<Files> {
        let files = Files {
            work: work.to_owned(),
        };
        let checkout = files.checkout();
        std::fs::create_dir_all(&checkout)?;
        for round in 0..=rounds {
            let mut random = File::open("/dev/urandom")?.take(BYTES);
            let mut file = File::create(checkout.join(Files::name(round)))?;
            std::io::copy(&mut random, &mut file)?;
        }
        write_tree(&checkout, STATES)?;
        commit(&checkout, &files.remote())?;
        Ok(files)
    }

    /// Where Salt's masters read them.
    pub fn checkout(&self) -> PathBuf {
        self.work.join("files")
    }

    /// Where our hubs fetch them.
    pub fn remote(&self) -> PathBuf {
        self.work.join("files.git")
    }

    /// What an order calls the file of a round.
    pub fn url(round: u32) -> String {
        format!("salt://{}", Files::name(round))
    }

    fn name(round: u32) -> String {
        format!("big-{round}.bin")
    }

    /// Whether a minion's copy is that of the round; the copy is removed, since many minions share this disk.
    pub fn take(&self, copy: &str, round: u32) -> anyhow::Result<bool> {
        // What it says may be no path.
        let Ok(bytes) = std::fs::read(copy) else {
            return Ok(false);
        };
        std::fs::remove_file(copy)?;
        Ok(bytes == std::fs::read(self.checkout().join(Files::name(round)))?)
    }
}

/// Commits all files of a directory into a new repository, which stands elsewhere: Salt would serve it.
pub fn commit(checkout: &Path, remote: &Path) -> anyhow::Result<()> {
    let separate = format!("--separate-git-dir={}", remote.display());
    for arguments in [
        &["init", "-q", &separate][..],
        &["add", "."],
        &["commit", "-q", "-m", "Files to serve"],
    ] {
        let status = Command::new("git")
            .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"])
            .args(arguments)
            .current_dir(checkout)
            .status()
            .context("can't start git")?;
        ensure!(status.success(), "git {arguments:?} failed");
    }
    Ok(())
}
