//! `pkg.latest`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Args, Refresh, StateAnswer, StateEnv, changed, foretold, is_empty_list, options, returned,
};
use crate::packages::{Listed, Order, PackageManager, Wanted, versions};
use crate::python;

/// Comments name up to this many packages; beyond it they count them.
const NAMED_MAX: usize = 10;

pub(super) fn latest(manager: &dyn PackageManager, args: &Args, env: &StateEnv) -> StateAnswer {
    let refresh = Refresh::of(args, env);
    if args.extra_kwargs.get("sources").is_some_and(python::truthy) {
        return Ok(returned(
            false,
            "The \"sources\" parameter is not supported.",
        ));
    }
    if is_empty_list(args.value("pkgs")) {
        return Ok(returned(true, "No packages to install provided"));
    }
    let has_pkgs = python::truthy(args.value("pkgs"));
    let desired: Vec<String> = if has_pkgs {
        Wanted::parse(args.value("pkgs"), |name| manager.normalized(name))?
            .names()
            .cloned()
            .collect()
    } else {
        vec![args.text("name")?]
    };
    if desired.is_empty() {
        return Ok(returned(
            false,
            "Invalidly formatted \"pkgs\" parameter. See minion log.",
        ));
    }
    let available = match manager.latest(&desired, refresh.is_due, &options(args)) {
        Ok(available) => available,
        Err(failure) => {
            let text = format!(
                "An error was encountered while checking the newest available version of package(s): {failure}"
            );
            return Ok(returned(false, text));
        }
    };
    Refresh::done(manager, env);
    let installed = manager.list(Listed::Installed)?;
    let current: BTreeMap<String, String> = desired
        .iter()
        .map(|name| (name.clone(), versions(&installed, name)))
        .collect();
    let (mut targets, mut problems) = (Wanted::default(), Vec::new());
    for name in &desired {
        match available.get(name).filter(|version| !version.is_empty()) {
            Some(version) => targets.set(name, Some(version.clone())),
            None if current[name].is_empty() => {
                problems.push(format!("No information found for '{name}'."))
            }
            None => {}
        }
    }
    if !problems.is_empty() {
        return Ok(returned(false, problems.join(" ")));
    }
    if targets.is_empty() {
        let mut names = desired.clone();
        names.sort();
        return Ok(returned(
            true,
            match names.as_slice() {
                [one] => format!("Package {one} is already up-to-date"),
                names if names.len() > NAMED_MAX => {
                    format!("All {} packages are up-to-date.", names.len())
                }
                names => format!("All packages are up-to-date ({}).", names.join(", ")),
            },
        ));
    }
    let up_to_date: BTreeSet<&str> = if has_pkgs {
        desired
            .iter()
            .filter(|name| !targets.has(name))
            .map(String::as_str)
            .collect()
    } else {
        BTreeSet::new()
    };
    let names = sorted(targets.names());
    if env.is_test {
        let mut comment = format!("The following packages would be installed/upgraded: {names}");
        if up_to_date.len() > NAMED_MAX {
            comment += &format!("\n{} packages are already up-to-date", up_to_date.len());
        } else if !up_to_date.is_empty() {
            let shown: Vec<String> = up_to_date
                .iter()
                .map(|name| format!("{name} ({})", current[*name]))
                .collect();
            comment += &format!(
                "\nThe following packages are already up-to-date: {}",
                shown.join(", ")
            );
        }
        return Ok(changed(
            None,
            comment,
            foretold(manager, env, &targets, &current)?,
        ));
    }
    let order = Order::Repository(Wanted(
        targets.names().map(|name| (name.clone(), None)).collect(),
    ));
    let changes = match manager.install(&order, false, &options(args)) {
        Ok(changes) => changes,
        Err(problem) => {
            let text = crate::failure::Failure::from(problem).to_string();
            return Ok(returned(
                false,
                format!("An error was encountered while installing package(s): {text}"),
            ));
        }
    };
    let were_up_to_date = match up_to_date.len() {
        0 => String::new(),
        count if count > NAMED_MAX => format!("{count} packages were already up-to-date "),
        _ => {
            let names: Vec<&str> = up_to_date.into_iter().collect();
            format!(
                "The following packages were already up-to-date: {}",
                names.join(", ")
            )
        }
    };
    if changes.is_empty() {
        let comment = match targets.len() {
            1 => format!("Package {names} failed to update."),
            count if count > NAMED_MAX => {
                format!("{count} targeted packages failed to update. See debug log for details.")
            }
            _ => format!(
                "The following targeted packages failed to update. See debug log for details: ({names})."
            ),
        };
        return Ok(returned(
            false,
            format!("{comment} {were_up_to_date}").trim_end().to_owned(),
        ));
    }
    let is_updated = |name: &str| {
        let new = changes
            .get(name)
            .map(|change| change["new"].as_str().unwrap_or_default().to_owned());
        let version = targets.version(name).unwrap_or_default();
        new.is_some_and(|new| version == "latest" || new.split(',').any(|new| new == version))
    };
    let (updated, failed): (Vec<&String>, Vec<&String>) =
        targets.names().partition(|name| is_updated(name));
    let mut comments = Vec::new();
    if !failed.is_empty() {
        comments.push(format!(
            "The following packages failed to update: {}",
            sorted(failed.iter().copied())
        ));
    }
    if !updated.is_empty() {
        let names = sorted(updated.iter().copied());
        comments.push(format!(
            "The following packages were successfully installed/upgraded: {names}"
        ));
    }
    if !were_up_to_date.is_empty() {
        comments.push(were_up_to_date);
    }
    Ok(changed(
        failed.is_empty(),
        comments.join(" "),
        Value::Object(changes),
    ))
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::pkg::fake::Fake;
    use crate::testing::checked;
    use serde_json::json;

    #[test]
    fn the_newest_version_is_installed() {
        let fake = Fake::new()
            .with("a", "1.0")
            .offers("a", "1.1")
            .offers("b", "2.0")
            .with("c", "3");
        let check = |args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            checked(
                fake.state(super::super::LATEST, args, is_test, latest),
                result,
                comment,
            )
            .changes
        };
        check(
            json!({"name": "zz"}),
            false,
            Some(false),
            "No information found for 'zz'.",
        );
        let args = json!({"name": "x", "pkgs": ["a", "b", "c"]});
        let told = "The following packages would be installed/upgraded: a, b\nThe following packages are already up-to-date: c (3)";
        let changes = check(args.clone(), true, None, told);
        assert_eq!(changes["a"], json!({"new": "1.1", "old": "1.0"}));
        let told = "The following packages were successfully installed/upgraded: a, b The following packages were already up-to-date: c";
        let changes = check(args.clone(), false, Some(true), told);
        assert_eq!(changes["b"], json!({"new": "2.0", "old": ""}));
        check(
            args,
            false,
            Some(true),
            "All packages are up-to-date (a, b, c).",
        );
        check(
            json!({"name": "a"}),
            false,
            Some(true),
            "Package a is already up-to-date",
        );
    }
}
