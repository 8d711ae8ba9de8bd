//! Variables of the environment as one job sees them: those of this program, and what the job set for the programs that it starts.
//!
//! The environment of the program itself is never changed: other threads read it. A change is seen by the thread of the job alone, and ends
//! with the job.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::Command;

thread_local! {
    /// What the job of this thread set, or with nothing unset.
    static CHANGES: RefCell<BTreeMap<String, Option<String>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Forgets the changes of a job when it is dropped.
pub(crate) struct Scope(());

impl Drop for Scope {
    fn drop(&mut self) {
        CHANGES.with_borrow_mut(BTreeMap::clear);
    }
}

/// Begins a job on this thread.
pub(crate) fn scope() -> Scope {
    CHANGES.with_borrow_mut(BTreeMap::clear);
    Scope(())
}

/// Sets a variable, or unsets it.
pub(crate) fn set(name: &str, value: Option<&str>) {
    let value = value.map(str::to_owned);
    CHANGES.with_borrow_mut(|changes| changes.insert(name.to_owned(), value));
}

/// A variable.
pub(crate) fn get(name: &str) -> Option<String> {
    let changed = CHANGES.with_borrow(|changes| changes.get(name).cloned());
    changed.unwrap_or_else(|| std::env::var(name).ok())
}

/// All variables; what is no UTF-8 has replacement characters.
pub(crate) fn all() -> BTreeMap<String, String> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    let mut all: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    CHANGES.with_borrow(|changes| {
        for (name, value) in changes {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
    });
    all
}

/// Gives a program that inherits the environment the changes of this job.
pub(crate) fn apply(command: &mut Command) {
    CHANGES.with_borrow(|changes| {
        for (name, value) in changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_end_with_the_job() {
        let path = get("PATH");
        {
            let _scope = scope();
            set("PATH", None);
            set("ONLY_HERE", Some("x"));
            assert_eq!(
                (get("PATH"), get("ONLY_HERE").as_deref()),
                (None, Some("x"))
            );
            assert!(all().contains_key("ONLY_HERE") && !all().contains_key("PATH"));
            let mut command = Command::new("true");
            apply(&mut command);
            assert_eq!(command.get_envs().count(), 2);
        }
        assert_eq!((get("PATH"), get("ONLY_HERE")), (path, None));
    }
}
