//! What is to be done to install packages.

use super::{PackageManager, Packages};

/// Packages by what the program has to do with them; each word is as the program reads it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) targets: Vec<String>,
    pub(super) downgrades: Vec<String>,
    /// Each with the name of the package in front of the word.
    pub(super) reinstalls: Vec<(String, String)>,
    pub(super) errors: Vec<String>,
}

impl Plan {
    /// Adds a package whose version does not matter.
    pub(super) fn add_any(&mut self, name: &str, installed: &Packages, is_reinstall: bool) {
        if is_reinstall && installed.contains_key(name) {
            self.reinstalls.push((name.to_owned(), name.to_owned()));
        } else {
            self.targets.push(name.to_owned());
        }
    }

    /// Adds a package at a version, which `word` asks for.
    pub(super) fn add(
        &mut self,
        manager: &dyn PackageManager,
        name: &str,
        word: String,
        version: &str,
        installed: &Packages,
        is_reinstall: bool,
    ) {
        let current = installed.get(name).and_then(|versions| versions.last());
        match current.map(|current| manager.compare(version, current)) {
            Some(order) if is_reinstall && order.is_eq() => {
                self.reinstalls.push((name.to_owned(), word));
            }
            Some(order) if order.is_lt() => self.downgrades.push(word),
            _ => self.targets.push(word),
        }
    }

    /// The names of the packages that are installed again.
    pub(super) fn reinstalled(&self) -> impl Iterator<Item = &String> {
        self.reinstalls.iter().map(|(name, _)| name)
    }

    /// The words for the packages that are installed again.
    pub(super) fn reinstall_words(&self) -> Vec<String> {
        self.reinstalls
            .iter()
            .map(|(_, word)| word.clone())
            .collect()
    }
}
