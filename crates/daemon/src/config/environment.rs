//! What a process sees around it, behind a trait, so that a test passes a map.

use std::collections::BTreeMap;

/// The surroundings of a process.
pub trait Environment {
    /// The value of a variable; None when it is not set or not Unicode.
    fn variable(&self, name: &str) -> Option<String>;

    /// The host's name.
    fn hostname(&self) -> String;
}

/// The real one.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn hostname(&self) -> String {
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_default()
    }
}

/// Variables by name; the host's name is `HOSTNAME`.
impl Environment for BTreeMap<String, String> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }

    fn hostname(&self) -> String {
        self.get("HOSTNAME").cloned().unwrap_or_default()
    }
}
