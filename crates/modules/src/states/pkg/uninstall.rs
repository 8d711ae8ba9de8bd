//! `pkg.removed` and `pkg.purged`.

use std::collections::BTreeSet;

use serde_json::{Map, json};

use super::{
    Args, Failure, StateAnswer, StateEnv, changed, failed, options, pkgs_or_name, returned,
};
use crate::packages::version::Conditions;
use crate::packages::{Family, Listed, PackageManager, Removal, Wanted};
use crate::python;

pub(super) fn uninstalled(
    manager: &dyn PackageManager,
    args: &Args,
    env: &StateEnv,
    removal: Removal,
) -> StateAnswer {
    let normalized = |name: &str| {
        if args.flag("normalize") {
            manager.normalized(name)
        } else {
            name.to_owned()
        }
    };
    // A name may hold several packages with commas between; only `pkgs` gives each a version.
    let wanted = if python::truthy(args.value("pkgs")) {
        Wanted::parse(args.value("pkgs"), normalized)?
    } else {
        let version = args.value("version");
        let version = (!version.is_null()).then(|| python::text(version));
        let mut wanted = Wanted::default();
        for name in args.text("name")?.split(',') {
            wanted.set(&normalized(name), version.clone());
        }
        wanted
    };
    let mut found = match targets(manager, args, &normalized)? {
        Targets::Installed(names) => names,
        // What is purged may be left over of a package that is not there.
        Targets::None(_) if removal == Removal::Purge => Vec::new(),
        Targets::None(comment) => return Ok(returned(true, comment)),
    };
    if removal == Removal::Purge {
        let left_over = manager.list(Listed::Removed)?;
        found.extend(wanted.names_in(&left_over).cloned());
    }
    found.sort();
    if found.is_empty() {
        let partially = if removal == Removal::Purge {
            " or partially installed"
        } else {
            ""
        };
        return Ok(returned(
            true,
            format!("None of the targeted packages are installed{partially}"),
        ));
    }
    let verb = removal.verb();
    let names = found.join(", ");
    if env.is_test {
        let changes: Map<_, _> = found
            .iter()
            .map(|name| (name.clone(), json!({"new": format!("{verb}d"), "old": ""})))
            .collect();
        return Ok(changed(
            None,
            format!("The following packages will be {verb}d: {names}."),
            changes,
        ));
    }
    let doing = if removal == Removal::Purge {
        "purging package(s)"
    } else {
        "removing package(s)"
    };
    let changes = match manager.remove(&wanted, removal, &options(args)) {
        Ok(changes) => changes,
        Err(problem) => return Ok(failed(problem, doing)),
    };
    let failures = failures(manager, &wanted, removal)?;
    if !failures.is_empty() {
        let names = failures.into_iter().collect::<Vec<_>>().join(", ");
        return Ok(changed(
            false,
            format!("The following packages failed to {verb}: {names}."),
            changes,
        ));
    }
    let mut absent: Vec<&str> = wanted
        .names()
        .filter(|name| !found.contains(name))
        .map(String::as_str)
        .collect();
    absent.sort_unstable();
    let comment = if absent.is_empty() {
        format!("All targeted packages were {verb}d.")
    } else {
        format!(
            "The following packages were not installed: {} The following packages were {verb}d: {names}.",
            absent.join(", ")
        )
    };
    Ok(changed(true, comment, changes))
}

enum Targets {
    Installed(Vec<String>),
    None(String),
}

/// The packages that are there, at the version where one is said.
fn targets(
    manager: &dyn PackageManager,
    args: &Args,
    normalized: &dyn Fn(&str) -> String,
) -> Result<Targets, Failure> {
    let current = manager.list(Listed::Installed)?;
    let ignore_epoch = args.value("ignore_epoch");
    let ignore_epoch = (!ignore_epoch.is_null()).then(|| python::truthy(ignore_epoch));
    let (mut names, mut has_versions) = (Vec::new(), false);
    for (name, version) in Wanted::parse(&pkgs_or_name(args)?, normalized)?.0 {
        let Some(installed) = current.get(&name) else {
            continue;
        };
        let Some(version) = version else {
            names.push(name);
            continue;
        };
        has_versions = true;
        if Conditions::parse(&version).are_met(installed, ignore_epoch, false, &|a, b| {
            manager.compare(a, b)
        }) {
            names.push(name);
        }
    }
    if names.is_empty() {
        let matching = if has_versions {
            " (matching specified versions)"
        } else {
            ""
        };
        return Ok(Targets::None(format!(
            "All specified packages{matching} are already absent"
        )));
    }
    Ok(Targets::Installed(names))
}

/// The packages that are there still.
fn failures(
    manager: &dyn PackageManager,
    wanted: &Wanted,
    removal: Removal,
) -> Result<BTreeSet<String>, Failure> {
    let installed = manager.list(Listed::Installed)?;
    let mut failures = BTreeSet::new();
    for (name, version) in &wanted.0 {
        let Some(versions) = installed.get(name) else {
            continue;
        };
        match version {
            Some(version) if manager.family() != Family::Debian => {
                if versions.contains(version) {
                    failures.insert(format!("{name}-{version}"));
                }
            }
            _ => drop(failures.insert(name.clone())),
        }
    }
    if removal == Removal::Purge {
        let left_over = manager.list(Listed::Removed)?;
        failures.extend(wanted.names_in(&left_over).cloned());
    }
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::pkg::fake::Fake;
    use crate::testing::checked;

    fn check(
        fake: &Fake,
        args: serde_json::Value,
        is_test: bool,
        removal: Removal,
        result: Option<bool>,
        comment: &str,
    ) {
        let answer = fake.state(
            super::super::REMOVED,
            args,
            is_test,
            |manager, args, env| uninstalled(manager, args, env, removal),
        );
        checked(answer, result, comment);
    }

    #[test]
    fn packages_are_removed() {
        let fake = Fake::new().with("a", "1.0").with("b", "2.0");
        let remove = Removal::Remove;
        check(
            &fake,
            json!({"name": "zz"}),
            false,
            remove,
            Some(true),
            "All specified packages are already absent",
        );
        let absent = "All specified packages (matching specified versions) are already absent";
        check(
            &fake,
            json!({"name": "a", "version": ">1.0"}),
            false,
            remove,
            Some(true),
            absent,
        );
        check(
            &fake,
            json!({"name": "a"}),
            true,
            remove,
            None,
            "The following packages will be removed: a.",
        );
        let comment =
            "The following packages were not installed: zz The following packages were removed: a.";
        check(
            &fake,
            json!({"name": "x", "pkgs": ["a", "zz"]}),
            false,
            remove,
            Some(true),
            comment,
        );
        check(
            &fake,
            json!({"name": "b"}),
            false,
            remove,
            Some(true),
            "All targeted packages were removed.",
        );
        let gone = "None of the targeted packages are installed or partially installed";
        check(
            &fake,
            json!({"name": "zz"}),
            false,
            Removal::Purge,
            Some(true),
            gone,
        );
        // What was only removed is left over.
        check(
            &fake,
            json!({"name": "a"}),
            true,
            Removal::Purge,
            None,
            "The following packages will be purged: a.",
        );
        check(
            &fake,
            json!({"name": "a"}),
            false,
            Removal::Purge,
            Some(true),
            "All targeted packages were purged.",
        );
        check(
            &fake,
            json!({"name": "a"}),
            false,
            Removal::Purge,
            Some(true),
            gone,
        );
    }
}
