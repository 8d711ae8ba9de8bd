//! Packages that are kept at their version.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// How a package is kept at its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// The version that is held, where the package manager knows one.
    pub(crate) version: Option<String>,
}

/// What is said behind the name of a package that is let go, and of one that is held.
pub(super) struct Words {
    /// It is so already.
    pub(super) is_so: [&'static str; 2],
    /// It would be changed.
    pub(super) would_be: [&'static str; 2],
    /// It was changed.
    pub(super) is_done: [&'static str; 2],
    /// It could not be changed.
    pub(super) has_failed: [&'static str; 2],
}

/// Holds packages or lets them go by `set`, which answers whether it could: by name `{name, changes, result, comment}`.
pub(super) fn hold(
    names: &[String],
    is_held: bool,
    is_test: bool,
    locks: &BTreeMap<String, Lock>,
    words: &Words,
    set: impl Fn(&str) -> Result<bool, Failure>,
) -> Result<Map<String, Value>, Failure> {
    let hold = |name: &String| {
        let mut changes = json!({});
        let (result, words) = if locks.contains_key(name) == is_held {
            (Some(true), words.is_so)
        } else if is_test {
            (None, words.would_be)
        } else if set(name)? {
            let (old, new) = if is_held { ("", "hold") } else { ("hold", "") };
            changes = json!({"old": old, "new": new});
            (Some(true), words.is_done)
        } else {
            (Some(false), words.has_failed)
        };
        let comment = format!("Package {name} {}.", words[usize::from(is_held)]);
        let answer =
            json!({"name": name, "changes": changes, "result": result, "comment": comment});
        Ok((name.clone(), answer))
    };
    names.iter().map(hold).collect()
}
