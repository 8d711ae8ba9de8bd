//! The mine, as `mine.*` sees it: what this minion gives, and what it may read of others.

use serde_json::{Map, Value};

/// The mine of a running minion. Errors are words for people.
pub trait Mine: Send + Sync {
    /// What this minion gives, by name: each a map of `data`, and where they are set `allow_tgt`, `allow_tgt_type`, `export`.
    fn own(&self) -> Map<String, Value>;

    /// Gives this in the place of all that was given before: writes it down, and tells the hubs.
    ///
    /// # Errors
    /// When it is too much, cannot be written down, or no hub takes it.
    fn give(&self, entries: Map<String, Value>) -> Result<(), String>;

    /// Values by function, and then by minion.
    ///
    /// # Errors
    /// When no hub answers, or the target is none.
    fn get(&self, tgt: &str, tgt_type: &str, funs: &[String])
    -> Result<Map<String, Value>, String>;
}
