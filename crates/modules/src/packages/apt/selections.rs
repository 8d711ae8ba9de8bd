//! What dpkg is told to do with packages: install, hold, deinstall, purge.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Apt;
use crate::failure::Failure;
use crate::tools::Way;

/// Names by selection, of the packages that match a pattern.
pub(super) fn of(apt: &Apt, pattern: &str) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut by_state: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in apt
        .tools
        .output(&["dpkg", "--get-selections", pattern])?
        .lines()
    {
        if let Some((name, state)) = line.split_once(char::is_whitespace) {
            by_state
                .entry(state.trim().to_owned())
                .or_default()
                .push(name.to_owned());
        }
    }
    Ok(by_state)
}

/// Sets the selection of a package; false when dpkg refuses.
pub(super) fn set(apt: &Apt, name: &str, state: &str) -> Result<bool, Failure> {
    let way = Way {
        stdin: Some(format!("{name} {state}\n")),
        ..Way::default()
    };
    Ok(apt.tools.run(&["dpkg", "--set-selections"], &way)?.retcode == 0)
}

/// Holds a package or lets it go.
pub(super) fn hold(apt: &Apt, name: &str, is_held: bool, is_test: bool) -> Result<Value, Failure> {
    let states = of(apt, name)?;
    let was_held = states.contains_key("hold");
    let old = states.keys().next().cloned();
    let told = |result: Option<bool>, changes: Map<String, Value>, comment: String| json!({"name": name, "changes": changes, "result": result, "comment": format!("Package {name} {comment}.")});
    if !is_held && old.is_none() {
        return Ok(told(
            Some(false),
            Map::new(),
            "does not have a state".to_owned(),
        ));
    }
    let not = if is_held { "" } else { "not " };
    if was_held == is_held {
        return Ok(told(
            Some(true),
            Map::new(),
            format!("is already set {not}to be held"),
        ));
    }
    if is_test {
        return Ok(told(None, Map::new(), format!("is set {not}to be held")));
    }
    let state = if is_held { "hold" } else { "install" };
    if !set(apt, name, state)? {
        return Err(Failure::command(format!(
            "dpkg does not set the selection of {name} to {state}"
        )));
    }
    let changes = Map::from_iter([
        ("old".to_owned(), json!(old)),
        ("new".to_owned(), json!(state)),
    ]);
    let comment = if is_held {
        "is now being held"
    } else {
        "is no longer being held"
    };
    Ok(told(Some(true), changes, comment.to_owned()))
}
