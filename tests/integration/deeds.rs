//! What was really done, whoever says what of it.

use std::fs;
use std::path::PathBuf;

use crate::{Tree, wait_for};

/// A file to which each run of a command adds a line.
#[derive(Debug)]
pub struct Deeds(PathBuf);

impl Deeds {
    /// None yet, under a name that the tree has once.
    pub fn new(tree: &Tree, name: &str) -> Deeds {
        Deeds(tree.directory().join(format!("deeds-{name}")))
    }

    /// A command that says when it begins, works for so many seconds, and says when it ends.
    pub fn work(&self, seconds: u32) -> String {
        let file = self.0.display();
        format!("echo begin $NODE >> {file}; sleep {seconds}; echo end $NODE >> {file}")
    }

    /// Who has begun, or ended, in order of id; a minion stands here as often as it did.
    pub fn of(&self, word: &str) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let mut ids: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(word))
            .map(|id| id.trim().to_owned())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Waits until each of these has begun, or ended.
    #[track_caller]
    pub fn all(&self, word: &str, ids: &[&str]) {
        wait_for(&format!("all minions {word}"), || {
            (self.of(word).len() >= ids.len()).then_some(())
        });
    }
}
