//! The variables of the minion's environment, as functions change them: for later functions and for the programs that they start.
//!
//! The process itself keeps the environment that it was started with, for other threads read it at any time.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What functions set, and what they took away.
static CHANGED: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());

/// Most variables that functions may set or take away.
const CHANGED_MAX: usize = 10_000;

fn changed() -> MutexGuard<'static, BTreeMap<String, Option<String>>> {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A variable.
pub(crate) fn get(name: &str) -> Option<String> {
    match changed().get(name) {
        Some(changed) => changed.clone(),
        None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
    }
}

/// All variables.
pub(crate) fn all() -> BTreeMap<String, String> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    let own = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let mut all: BTreeMap<String, String> = own.collect();
    for (name, value) in &*changed() {
        match value {
            Some(value) => all.insert(name.clone(), value.clone()),
            None => all.remove(name),
        };
    }
    all
}

/// Sets a variable, or takes it away; false for a name or value that no environment can hold, and when there are too many.
pub(crate) fn set(name: &str, value: Option<&str>) -> bool {
    let is_name = !name.is_empty() && !name.contains(['=', '\0']);
    let mut changed = changed();
    let has_room = changed.len() < CHANGED_MAX || changed.contains_key(name);
    if !is_name || !has_room || value.is_some_and(|value| value.contains('\0')) {
        return false;
    }
    changed.insert(name.to_owned(), value.map(str::to_owned));
    true
}

/// Gives a program what functions changed.
pub(crate) fn apply(command: &mut Command) {
    for (name, value) in &*changed() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_seen() {
        let name = "ENVIRONMENT_TEST_VARIABLE";
        assert!(set(name, Some("x")));
        assert_eq!(get(name).as_deref(), Some("x"));
        assert_eq!(all().get(name).map(String::as_str), Some("x"));
        let mut command = Command::new("true");
        apply(&mut command);
        assert!(
            command
                .get_envs()
                .any(|(key, value)| key == name && value.is_some_and(|value| value == "x"))
        );
        assert!(set(name, None));
        assert_eq!(get(name), None);
        assert!(!all().contains_key(name));
        for broken in ["", "a=b", "a\0"] {
            assert!(!set(broken, Some("x")), "{broken:?}");
        }
    }
}
