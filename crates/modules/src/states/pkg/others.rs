//! `pkg.uptodate`, `pkg.downloaded` and `pkg.group_installed`.

use serde_json::{Map, Value, json};

use super::{
    Args, Failure, StateAnswer, StateEnv, changed, failed, is_empty_list, options, pkgs_or_name,
    returned,
};
use crate::packages::version::Conditions;
use crate::packages::{Listed, Order, PackageManager, Problem, Wanted, versions};
use crate::python;

pub(super) fn uptodate(manager: &dyn PackageManager, args: &Args, env: &StateEnv) -> StateAnswer {
    let Value::Bool(refresh) = args.value("refresh") else {
        return Ok(returned(false, "refresh must be either True or False"));
    };
    let pkgs = args.value("pkgs").as_array().map(|_| args.texts("pkgs"));
    let given = options(args);
    let upgrades = manager.refresh_if(*refresh, &given);
    let upgrades = match upgrades.and_then(|()| manager.upgrades(&given)) {
        Ok(upgrades) => upgrades,
        Err(failure) => return Ok(returned(false, failure.to_string())),
    };
    let installed = manager.list(Listed::Installed)?;
    let expected: Map<String, Value> = upgrades
        .into_iter()
        .filter(|(name, _)| pkgs.as_ref().is_none_or(|pkgs| pkgs.contains(name)))
        .map(|(name, new)| {
            let change = json!({"new": new, "old": versions(&installed, &name)});
            (name, change)
        })
        .collect();
    if expected.is_empty() {
        return Ok(returned(true, "System is already up-to-date"));
    }
    if env.is_test {
        return Ok(changed(None, "System update will be performed", expected));
    }
    let given = given.with("pkgs", args.value("pkgs").clone());
    let refreshed = manager.refresh_if(*refresh, &given);
    let changes = match refreshed
        .map_err(Problem::from)
        .and_then(|()| manager.upgrade(&given))
    {
        Ok(changes) => changes,
        Err(problem) => return Ok(failed(problem, "updating packages")),
    };
    let missing: Vec<&str> = expected
        .keys()
        .filter(|name| pkgs.is_some() && !changes.contains_key(*name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(changed(true, "Upgrade ran successfully", changes));
    }
    let comment = format!(
        "The following package(s) failed to update: {}",
        missing.join(", ")
    );
    Ok(changed(false, comment, changes))
}

pub(super) fn downloaded(manager: &dyn PackageManager, args: &Args, env: &StateEnv) -> StateAnswer {
    if is_empty_list(args.value("pkgs")) {
        return Ok(returned(true, "No packages to download provided"));
    }
    let there = match manager.downloaded() {
        Ok(there) => there,
        Err(_) => {
            return Ok(returned(
                false,
                "The pkg.downloaded state is not available on this platform",
            ));
        }
    };
    let wanted = Wanted::parse(&pkgs_or_name(args)?, |name| manager.normalized(name))?;
    if wanted.is_empty() {
        return Ok(returned(
            false,
            "Invalidly formatted pkgs parameter. See minion log.",
        ));
    }
    let (lacking, has_versions) = lacking(manager, args, &wanted, &there);
    if lacking.is_empty() {
        let matching = if has_versions {
            " (matching specified versions)"
        } else {
            ""
        };
        return Ok(returned(
            true,
            format!("All specified packages{matching} are already downloaded"),
        ));
    }
    let names: Vec<&str> = lacking.names().map(String::as_str).collect();
    if env.is_test {
        return Ok(returned(
            None,
            format!(
                "The following packages would be downloaded: {}",
                names.join(", ")
            ),
        ));
    }
    let order = Order::Repository(lacking.clone());
    let options = options(args).with("downloadonly", true);
    let before = there;
    let changes = match manager.install(&order, false, &options) {
        Ok(changes) => changes,
        Err(problem) => return Ok(failed(problem, "downloading package(s)")),
    };
    let there = manager.downloaded()?;
    let (failed, _) = self::lacking(manager, args, &lacking, &there);
    if !failed.is_empty() {
        let names: Vec<String> = failed.names().map(|name| failed.shown(name)).collect();
        return Ok(changed(
            false,
            format!(
                "The following packages failed to download: {}",
                names.join(", ")
            ),
            changes,
        ));
    }
    let mut changes = changes;
    if changes.is_empty() {
        // The package manager tells what it installed; files that came to the cache are what changed here.
        let came = there
            .iter()
            .filter(|(name, versions)| before.get(*name) != Some(versions));
        let versions = |map: Option<&Value>| {
            map.and_then(Value::as_object)
                .map(|map| map.keys().cloned().collect::<Vec<_>>().join(","))
        };
        changes.extend(came.map(|(name, new)| {
            let old = versions(before.get(name)).unwrap_or_default();
            (
                name.clone(),
                json!({"new": versions(Some(new)), "old": old}),
            )
        }));
    }
    Ok(changed(
        true,
        format!("Packages downloaded: {}", names.join(", ")),
        changes,
    ))
}

/// The packages that were not fetched, and whether versions were asked for.
fn lacking(
    manager: &dyn PackageManager,
    args: &Args,
    wanted: &Wanted,
    there: &Map<String, Value>,
) -> (Wanted, bool) {
    let ignore_epoch = args.value("ignore_epoch");
    let ignore_epoch = (!ignore_epoch.is_null()).then(|| python::truthy(ignore_epoch));
    let (mut lacking, mut has_versions) = (Wanted::default(), false);
    for (name, version) in &wanted.0 {
        let versions: Vec<String> = there
            .get(name)
            .and_then(Value::as_object)
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default();
        let is_there = !versions.is_empty()
            && version.as_ref().is_none_or(|version| {
                has_versions = true;
                Conditions::parse(version).are_met(&versions, ignore_epoch, false, &|a, b| {
                    manager.compare(a, b)
                })
            });
        if !is_there {
            lacking.set(name, version.clone());
        }
    }
    (lacking, has_versions)
}

pub(super) fn group_installed(
    manager: &dyn PackageManager,
    args: &Args,
    env: &StateEnv,
) -> StateAnswer {
    let name = args.text("name")?;
    let mut lists = Vec::new();
    for parameter in ["skip", "include"] {
        match args.value(parameter) {
            Value::Null | Value::Array(_) => lists.push(args.texts(parameter)),
            _ => {
                return Ok(returned(
                    false,
                    format!("{parameter} must be formatted as a list"),
                ));
            }
        }
    }
    let [skip, include] = &lists[..] else {
        return Err(Failure::command("skip and include are lists"));
    };
    let members = match manager.group(&name) {
        Ok(Some(members)) => members,
        Ok(None) => {
            return Ok(returned(
                false,
                "pkg.group_install not available for this platform",
            ));
        }
        Err(failure) => {
            let text = format!(
                "An error was encountered while installing/updating group '{name}': {failure}."
            );
            return Ok(returned(false, text));
        }
    };
    let of = |sort: &str, state: &str| -> Vec<String> {
        members[sort][state]
            .as_array()
            .into_iter()
            .flatten()
            .map(python::text)
            .collect()
    };
    let needed = of("mandatory", "not installed");
    let invalid: Vec<String> = of("mandatory", "installed")
        .into_iter()
        .chain(needed.clone())
        .filter(|member| skip.contains(member))
        .collect();
    if !invalid.is_empty() {
        let names = invalid.join(", ");
        return Ok(returned(
            false,
            format!("The following mandatory packages cannot be skipped: {names}"),
        ));
    }
    let usual = of("default", "not installed")
        .into_iter()
        .filter(|member| !skip.contains(member));
    let targets: Vec<String> = needed
        .iter()
        .cloned()
        .chain(usual)
        .chain(include.iter().cloned())
        .collect();
    if targets.is_empty() {
        return Ok(returned(
            true,
            format!("Group '{name}' is already installed"),
        ));
    }
    let is_partial = ["mandatory", "default", "optional"]
        .iter()
        .any(|sort| !of(sort, "installed").is_empty());
    if env.is_test {
        let told = if is_partial {
            "is partially installed and will be updated"
        } else {
            "will be installed"
        };
        return Ok(returned(None, format!("Group '{name}' {told}")));
    }
    let order = Order::Repository(Wanted(
        targets.into_iter().map(|target| (target, None)).collect(),
    ));
    let changes = match manager.install(&order, false, &options(args)) {
        Ok(changes) => changes,
        Err(problem) => {
            return Ok(failed(
                problem,
                &format!("installing/updating group '{name}'"),
            ));
        }
    };
    let installed = manager.list(Listed::Installed)?;
    let lacking: Vec<&str> = needed
        .iter()
        .chain(include)
        .filter(|member| !installed.contains_key(*member))
        .map(String::as_str)
        .collect();
    if !lacking.is_empty() {
        return Ok(changed(
            false,
            format!(
                "Failed to install the following packages: {}",
                lacking.join(", ")
            ),
            changes,
        ));
    }
    let done = if is_partial { "updated" } else { "installed" };
    Ok(changed(true, format!("Group '{name}' was {done}"), changes))
}
