//! `pkg.held` and `pkg.unheld`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Args, Failure, StateAnswer, StateEnv, changed, is_empty_list, returned};
use crate::packages::{PackageManager, Wanted};
use crate::python;

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let pkgs = args.value("pkgs");
    if !pkgs.is_null() {
        return Wanted::parse(pkgs, str::to_owned);
    }
    let version = args.value("version");
    Ok(Wanted::one(
        args.text("name")?,
        python::truthy(version).then(|| python::text(version)),
    ))
}

fn is_done(answer: &Map<String, Value>, name: &str) -> bool {
    answer
        .get(name)
        .is_some_and(|hold| python::truthy(&hold["result"]))
}

fn finished(result: bool, comments: &[String], changes: Map<String, Value>) -> StateAnswer {
    let comment = if changes.is_empty() && comments.is_empty() {
        "No changes made".to_owned()
    } else {
        comments.join("\n")
    };
    Ok(changed(result, comment, changes))
}

/// The versions of locks, where the package manager holds versions.
fn version_of(locks: &BTreeMap<String, crate::packages::Lock>, name: &str) -> Option<String> {
    let version = locks.get(name)?.version.as_ref()?;
    Some(version.trim_start_matches(['=', ' ']).to_owned())
}

pub(super) fn held(manager: &dyn PackageManager, args: &Args, env: &StateEnv) -> StateAnswer {
    let replaces = args.flag("replace");
    if is_empty_list(args.value("pkgs")) && !replaces {
        return Ok(returned(true, "No packages to be held provided"));
    }
    let locks = manager.locks()?;
    let (mut comments, mut changes, mut result) = (Vec::new(), Map::new(), true);
    let wanted = wanted(args)?;
    for (name, version) in &wanted.0 {
        let is_locked = locks.contains_key(name);
        let is_other_version = manager.locks_versions() && version_of(&locks, name) != *version;
        if is_locked && !is_other_version {
            continue;
        }
        if env.is_test {
            let version = version
                .as_ref()
                .map(|version| format!(" (version = {version})"))
                .unwrap_or_default();
            comments.push(if is_locked {
                format!("The following package's hold rule would be updated: {name}{version}")
            } else {
                format!("The following package would be held: {name}{version}")
            });
            continue;
        }
        let was_released = is_locked
            && is_done(
                &manager.hold(std::slice::from_ref(name), false, false)?,
                name,
            );
        let word = match version {
            Some(version) if manager.locks_versions() => format!("{name}={version}"),
            _ => name.clone(),
        };
        let mut answer = manager.hold(std::slice::from_ref(&word), true, false)?;
        if let Some(hold) = answer.remove(&word) {
            answer.insert(name.clone(), hold);
        }
        let is_held = is_done(&answer, name);
        result &= is_held;
        comments.push(match (is_held, was_released) {
            (true, true) => format!("Package {name} was updated with hold rule"),
            (true, false) => format!("Package {name} is now being held"),
            (false, _) => format!("Package {name} was not held"),
        });
        changes.extend(answer);
    }
    let others = locks.keys().filter(|name| replaces && !wanted.has(name));
    for name in others {
        result &= release(manager, env, name, None, &mut comments, &mut changes)?;
    }
    finished(result, &comments, changes)
}

/// Lets one package go, or in test mode says so.
fn release(
    manager: &dyn PackageManager,
    env: &StateEnv,
    name: &String,
    version: Option<&str>,
    comments: &mut Vec<String>,
    changes: &mut Map<String, Value>,
) -> Result<bool, Failure> {
    if env.is_test {
        let version = version
            .map(|version| format!(" (version = {version})"))
            .unwrap_or_default();
        comments.push(format!(
            "The following package would be unheld: {name}{version}"
        ));
        return Ok(true);
    }
    let answer = manager.hold(std::slice::from_ref(name), false, false)?;
    let is_released = is_done(&answer, name);
    comments.extend(
        answer
            .get(name)
            .map(|hold| python::text(&hold["comment"]))
            .filter(|comment| !comment.is_empty()),
    );
    changes.extend(answer);
    Ok(is_released)
}

pub(super) fn unheld(manager: &dyn PackageManager, args: &Args, env: &StateEnv) -> StateAnswer {
    let is_all = args.flag("all");
    if is_empty_list(args.value("pkgs")) && !is_all {
        return Ok(returned(true, "No packages to be unheld provided"));
    }
    let wanted = wanted(args)?;
    let (mut comments, mut changes, mut result) = (Vec::new(), Map::new(), true);
    let locks = manager.locks()?;
    for name in locks.keys() {
        let locked = version_of(&locks, name).filter(|_| manager.locks_versions());
        let is_meant = wanted.has(name)
            && locked
                .as_deref()
                .is_none_or(|locked| wanted.version(name) == Some(locked));
        if is_all || is_meant {
            let shown = wanted.version(name).and(locked.as_deref());
            result &= release(manager, env, name, shown, &mut comments, &mut changes)?;
        }
    }
    finished(result, &comments, changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::pkg::fake::Fake;
    use crate::testing::checked;
    use serde_json::json;

    #[test]
    fn packages_are_held_and_let_go() {
        let fake = Fake::new().with("a", "1").with("b", "1");
        let hold = "name, version=None, pkgs=None, replace=False, **kwargs";
        let release = "name, version=None, pkgs=None, all=False, **kwargs";
        let check = |is_held: bool, args: Value, is_test: bool, comment: &str| {
            let answer = if is_held {
                fake.state(hold, args, is_test, held)
            } else {
                fake.state(release, args, is_test, unheld)
            };
            checked(answer, Some(true), comment);
        };
        check(
            true,
            json!({"name": "a"}),
            true,
            "The following package would be held: a",
        );
        check(
            true,
            json!({"name": "a"}),
            false,
            "Package a is now being held",
        );
        check(true, json!({"name": "a"}), false, "No changes made");
        let both = "Package b is now being held\nPackage a is no longer being held.";
        check(
            true,
            json!({"name": "x", "pkgs": ["b"], "replace": true}),
            false,
            both,
        );
        check(false, json!({"name": "a"}), false, "No changes made");
        check(
            false,
            json!({"name": "b"}),
            false,
            "Package b is no longer being held.",
        );
        check(
            true,
            json!({"name": "x", "pkgs": []}),
            false,
            "No packages to be held provided",
        );
    }
}
