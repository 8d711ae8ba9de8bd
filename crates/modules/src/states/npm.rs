//! `npm`: packages of Node.js.

use serde_json::{Map, Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "npm.bootstrap",
        "name, user=None, silent=True",
        "Install what package.json of a folder needs.",
        |args, env| loaded(args, env, "bootstrap", bootstrap),
    ),
    StateFunction::new(
        "npm.installed",
        "name, pkgs=None, dir=None, user=None, force_reinstall=False, registry=None, env=None",
        "Keep packages (`name` or `name@version`) installed, globally or in a folder.",
        |args, env| loaded(args, env, "installed", installed),
    ),
    StateFunction::new(
        "npm.removed",
        "name, dir=None, user=None",
        "Keep a package removed, globally or from a folder.",
        |args, env| loaded(args, env, "removed", removed),
    ),
];

/// Runs a state where npm is installed.
fn loaded(
    args: &Args,
    env: &StateEnv,
    function: &str,
    run: fn(&Args, &StateEnv) -> StateAnswer,
) -> StateAnswer {
    if which("npm").is_some() {
        return run(args, env);
    }
    let reason = "'npm' __virtual__ returned False: npm module could not be loaded";
    Ok(env.not_loaded(&format!("npm.{function}"), reason))
}

/// A call for the state's own folder and user.
fn call(args: &Args, fun: &str) -> Call {
    Call::new(fun)
        .kwarg("dir", args.value("dir").clone())
        .kwarg("runas", args.value("user").clone())
}

/// Name and version of a package as operators write it; the name may begin with `@scope/`.
fn parts(package: &str) -> (&str, Option<&str>) {
    match package.get(1..).and_then(|rest| rest.find('@')) {
        Some(at) => (&package[..=at], Some(&package[at + 2..])),
        None => (package, None),
    }
}

/// The version of a package that is installed, if it is the wanted one.
fn fitting(package: &str, packages: &Map<String, Value>) -> Option<String> {
    if let Some((_, address)) = package.split_once("://") {
        let details = packages.values().find(|details| {
            let from = details["from"].as_str().unwrap_or_default();
            from.split_once("://")
                .is_some_and(|(_, from)| from == address)
        })?;
        return Some(format!("{package}@{}", python::text(&details["version"])));
    }
    let (name, version) = parts(package);
    let installed = packages.get(name)?["version"].as_str()?;
    let fits = version.is_none_or(|version| version == installed);
    fits.then(|| format!("{name}@{installed}"))
}

fn installed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let wanted: Vec<String> = match args.value("pkgs") {
        Value::Array(packages) => packages.iter().map(python::text).collect(),
        _ => vec![name.clone()],
    };
    let variables = args.value("env");
    let list = call(args, "npm.list").kwarg("env", variables.clone());
    let packages = match env.call(&list) {
        Ok(packages) => packages.as_object().cloned().unwrap_or_default(),
        Err(failure) => {
            let comment = format!("Error looking up '{name}': {failure}");
            return Ok(returned(false, comment));
        }
    };
    let (mut satisfied, mut to_install) = (Vec::new(), Vec::new());
    for package in &wanted {
        match fitting(package, &packages) {
            Some(found) if args.value("force_reinstall") != true => satisfied.push(found),
            _ => to_install.push(package.clone()),
        }
    }
    let all = wanted.join(", ");
    let fine = format!("Package(s) '{all}' satisfied by {}", satisfied.join(", "));
    if to_install.is_empty() {
        return Ok(returned(true, fine));
    }
    let (names, changes) = (to_install.join(", "), json!({"old": [], "new": to_install}));
    if env.is_test {
        let mut comment = format!("NPM package(s) '{names}' are set to be installed");
        if !satisfied.is_empty() {
            comment = format!("{comment}. {fine}");
        }
        return Ok(changed(None, comment, changes));
    }
    let install = call(args, "npm.install")
        .kwarg("registry", args.value("registry").clone())
        .kwarg("env", variables.clone());
    let install = match args.value("pkgs") {
        packages @ Value::Array(_) => install.kwarg("pkgs", packages.clone()),
        _ => install.kwarg("pkg", name),
    };
    Ok(match env.call(&install) {
        Ok(Value::Object(_) | Value::Array(_)) => changed(
            true,
            format!("Package(s) '{names}' successfully installed"),
            changes,
        ),
        Ok(_) => returned(false, format!("Could not install package(s) '{all}'")),
        Err(failure) => returned(false, format!("Error installing '{all}': {failure}")),
    })
}

fn removed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let packages = match env.call(&call(args, "npm.list")) {
        Ok(packages) => packages,
        Err(failure) => {
            let comment = format!("Error uninstalling '{name}': {failure}");
            return Ok(returned(false, comment));
        }
    };
    if packages.get(&name).is_none() {
        return Ok(returned(true, format!("Package '{name}' is not installed")));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("Package '{name}' is set to be removed"),
        ));
    }
    let uninstall = call(args, "npm.uninstall").kwarg("pkg", name.as_str());
    if env.call(&uninstall)? != true {
        return Ok(returned(false, format!("Error removing package '{name}'")));
    }
    let comment = format!("Package '{name}' was successfully removed");
    Ok(changed(true, comment, json!({name: "Removed"})))
}

fn bootstrap(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let install = Call::new("npm.install")
        .kwarg("dir", name.as_str())
        .kwarg("runas", args.value("user").clone())
        .kwarg("silent", args.value("silent").clone());
    if env.is_test {
        let told = match env.call(&install.kwarg("dry_run", true)) {
            Ok(_) => returned(None, format!("'{name}' is set to be bootstrapped")),
            Err(failure) => returned(false, format!("Error Bootstrapping '{name}': {failure}")),
        };
        return Ok(told);
    }
    Ok(match env.call(&install) {
        Err(failure) => returned(false, format!("Error Bootstrapping '{name}': {failure}")),
        Ok(Value::String(_)) => returned(false, "Could not bootstrap directory"),
        Ok(answer) if !python::truthy(&answer) => {
            returned(true, "Directory is already bootstrapped")
        }
        Ok(_) => changed(
            true,
            "Directory was successfully bootstrapped",
            json!({name: "Bootstrapped"}),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::npm::tests::fake;
    use crate::testing::Host;

    #[test]
    fn names_have_versions_and_scopes() {
        assert_eq!(parts("a"), ("a", None));
        assert_eq!(parts("a@1.0"), ("a", Some("1.0")));
        assert_eq!(parts("@s/a"), ("@s/a", None));
        assert_eq!(parts("@s/a@1.0"), ("@s/a", Some("1.0")));
    }

    #[test]
    fn packages_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let done = host.applies("npm.installed", json!({"name": "a@1.2.0"}));
        assert_eq!(done.comment, "Package(s) 'a@1.2.0' successfully installed");
        assert_eq!(done.changes["new"], json!(["a@1.2.0"]));
        let both = json!({"name": "x", "pkgs": ["a", "b"]});
        let foretold = host.state("npm.installed", both.clone(), true);
        assert_eq!(
            foretold.comment,
            "NPM package(s) 'b' are set to be installed. Package(s) 'a, b' satisfied by a@1.2.0"
        );
        host.applies("npm.installed", both);
        let failed = host.state("npm.installed", json!({"name": "none"}), false);
        assert_eq!(failed.comment, "Error installing 'none': npm error 404");
        let done = host.applies("npm.removed", json!({"name": "a"}));
        assert_eq!(done.comment, "Package 'a' was successfully removed");
    }
}
