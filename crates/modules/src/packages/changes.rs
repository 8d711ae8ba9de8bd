//! What changes in the list of installed packages.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Listed, PackageManager, Packages, Problem};
use crate::failure::Failure;

/// What changed: `{name: {old, new}}`.
pub(crate) type Changed = Map<String, Value>;

/// What differs between two lists of packages, versions joined by commas.
pub(crate) fn difference(old: &Packages, new: &Packages) -> Changed {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            (
                name.clone(),
                json!({"old": versions(old, name), "new": versions(new, name)}),
            )
        })
        .collect()
}

/// The versions of a package in a list, joined by commas; empty where it is not in the list.
pub(crate) fn versions(packages: &Packages, name: &str) -> String {
    packages
        .get(name)
        .map(|versions| versions.join(","))
        .unwrap_or_default()
}

/// Does something to packages and says what changed. `deed` answers what went wrong; with that the change is a problem of this text.
pub(super) fn changed<Errors: IntoIterator<Item = String>>(
    manager: &dyn PackageManager,
    text: &str,
    deed: impl FnOnce() -> Result<Errors, Failure>,
) -> Result<Changed, Problem> {
    let old = manager.list(Listed::Installed)?;
    let errors = deed()?.into_iter().collect();
    let changes = difference(&old, &manager.list(Listed::Installed)?);
    Problem::unless_empty(text, errors, changes)
}

/// Adds packages that were installed again: those that kept their version changed as well.
pub(crate) fn add_reinstalled<'a>(
    changes: &mut Changed,
    names: impl Iterator<Item = &'a String>,
    old: &Packages,
) {
    for name in names {
        let kept = versions(old, name);
        changes
            .entry(name.clone())
            .or_insert_with(|| json!({"old": kept, "new": kept}));
    }
}
