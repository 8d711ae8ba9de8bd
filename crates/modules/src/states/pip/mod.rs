//! `pip`: Python packages that are to be there or not.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::pip::version::{Requirement, is_same, normalized};
use crate::pip::{Pip, Ran, index_options};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "pip.installed",
        "name, pkgs=None, pip_bin=None, requirements=None, bin_env=None, use_wheel=False, no_use_wheel=False, log=None, proxy=None, \
         timeout=None, repo=None, editable=None, find_links=None, index_url=None, extra_index_url=None, no_index=False, mirrors=None, \
         build=None, target=None, download=None, download_cache=None, source=None, upgrade=False, force_reinstall=False, \
         ignore_installed=False, exists_action=None, no_deps=False, no_install=False, no_download=False, install_options=None, \
         global_options=None, user=None, cwd=None, pre_releases=False, cert=None, allow_all_external=False, allow_external=None, \
         allow_unverified=None, process_dependency_links=False, env_vars=None, use_vt=False, trusted_host=None, no_cache_dir=False, \
         cache_dir=None, no_binary=None, extra_args=None, **kwargs",
        "Install Python packages: the name or pkgs, with conditions on versions; a file of requirements; or an editable checkout. bin_env: \
         a virtual environment, a pip or a Python. upgrade: to the newest version that meets the conditions.",
        installed,
    ),
    StateFunction::new(
        "pip.removed",
        "name, requirements=None, bin_env=None, log=None, proxy=None, timeout=None, user=None, cwd=None, use_vt=False",
        "Remove a Python package.",
        removed,
    ),
    StateFunction::new(
        "pip.uptodate",
        "name, bin_env=None, user=None, cwd=None, use_vt=False",
        "Upgrade all Python packages.",
        uptodate,
    ),
];

/// Options of the state that `pip.install` takes as they are.
const PASSED_ON: [&str; 38] = [
    "requirements",
    "log",
    "proxy",
    "timeout",
    "editable",
    "find_links",
    "index_url",
    "extra_index_url",
    "no_index",
    "mirrors",
    "build",
    "target",
    "download",
    "download_cache",
    "source",
    "upgrade",
    "force_reinstall",
    "ignore_installed",
    "exists_action",
    "no_deps",
    "no_install",
    "no_download",
    "install_options",
    "global_options",
    "user",
    "cwd",
    "pre_releases",
    "cert",
    "allow_all_external",
    "allow_external",
    "allow_unverified",
    "process_dependency_links",
    "env_vars",
    "trusted_host",
    "no_cache_dir",
    "cache_dir",
    "no_binary",
    "extra_args",
];

/// Lines of pip that tell of no change.
const NO_CHANGE: [&str; 7] = [
    "Requirement already satisfied",
    "Requirement already up-to-date",
    "Requirement not upgraded",
    "Collecting",
    "Cloning",
    "Cleaning up...",
    "Looking in indexes",
];

fn place(args: &Args) -> Result<Option<String>, Failure> {
    let place = args
        .optional_text("bin_env")?
        .filter(|place| !place.is_empty());
    Ok(match place {
        Some(place) => Some(place),
        None => args.optional_text("pip_bin")?,
    })
}

fn pip<'a>(args: &Args, env: &'a StateEnv<'a>, place: Option<String>) -> Result<Pip<'a>, Failure> {
    let text = |name: &str| {
        args.optional_text(name)
            .map(|text| text.filter(|text| !text.is_empty()))
    };
    Pip::new(
        env.env,
        place,
        text("user")?,
        text("cwd")?,
        args.value("env_vars"),
    )
}

fn installed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let pkgs: Vec<String> = match args.value("pkgs") {
        Value::Array(items) if !items.is_empty() => items.iter().map(package).collect(),
        value if python::truthy(value) => {
            return Ok(returned(false, "pkgs argument must be formatted as a list"));
        }
        _ => vec![name.clone()],
    };
    let mut answer = install(args, env, &name, &pkgs)?;
    answer.name = Some(pkgs.join(";"));
    Ok(answer)
}

/// A package of a list; `{name: condition}` stands for both words.
fn package(item: &Value) -> String {
    match item.as_object().and_then(|map| map.iter().next()) {
        Some((name, condition)) => format!("{name} {}", python::text(condition)),
        None => python::text(item),
    }
}

fn install(args: &Args, env: &StateEnv, name: &str, pkgs: &[String]) -> StateAnswer {
    let place = place(args)?;
    let (pip, version) = match pip(args, env, place.clone())
        .and_then(|pip| pip.version().map(|version| (pip, version)))
    {
        Ok(found) => found,
        Err(failure) => {
            return Ok(returned(
                false,
                format!("Error installing '{name}': {failure}"),
            ));
        }
    };
    for option in ["use_wheel", "no_use_wheel"] {
        if args.flag(option)
            && !Requirement::parse("pip>=1.4,<=9.0.3").is_ok_and(|known| known.is_met_by(&version))
        {
            return Ok(returned(
                false,
                format!(
                    "The '{option}' option is only supported in pip between 1.4 and 9.0.3. The version of pip detected was {version}."
                ),
            ));
        }
    }
    let (requirements, editable) = (args.optional_text("requirements")?, args.value("editable"));
    let is_whole =
        requirements.as_ref().is_some_and(|path| !path.is_empty()) || python::truthy(editable);
    let editable = python::text(editable);
    if is_whole && env.is_test {
        let mut told = Vec::new();
        if let Some(path) = &requirements {
            told.push(format!("Requirements file '{path}' will be processed."));
        }
        if args.flag("editable") {
            told.push(format!(
                "Package will be installed in editable mode (i.e. setuptools \"develop mode\") from {editable}."
            ));
        }
        return Ok(returned(None, told.join(" ")));
    }
    let mut plan = Plan::default();
    if !is_whole {
        if let Some(answer) = plan.look(args, env, &pip, pkgs)? {
            return Ok(answer);
        }
        if plan.targets.is_empty() {
            let newest = if args.flag("upgrade") {
                " and up-to-date"
            } else {
                ""
            };
            plan.there.push(format!(
                "All specified packages are already installed{newest}"
            ));
            return Ok(returned(true, plan.there.join("\n")));
        }
    }
    let mut call = Call::new("pip.install")
        .kwarg("disable_version_check", true)
        .kwarg("saltenv", env.saltenv());
    if !is_whole {
        let words: Vec<String> = plan
            .targets
            .iter()
            .map(|(_, shown)| shown.replace(',', ";"))
            .collect();
        call = call.kwarg("pkgs", words);
    }
    if let Some(place) = place {
        call = call.kwarg("bin_env", place);
    }
    for option in PASSED_ON {
        let value = args.value(option);
        if python::truthy(value) {
            call = call.kwarg(option, value.clone());
        }
    }
    let ran = Ran(env.call(&call)?);
    let told = Told {
        requirements: requirements.as_deref(),
        editable: args.flag("editable").then_some(editable.as_str()),
    };
    if is_whole {
        Ok(told.of_whole(&ran))
    } else {
        plan.told(&pip, &ran)
    }
}

/// How files of requirements and editable checkouts are told.
struct Told<'a> {
    requirements: Option<&'a str>,
    editable: Option<&'a str>,
}

impl Told<'_> {
    fn of_whole(&self, ran: &Ran) -> Return {
        let (mut comments, mut changes) = (Vec::new(), Map::new());
        if !ran.is_success() {
            comments.extend(
                self.requirements
                    .map(|path| format!("Unable to process requirements file \"{path}\"")),
            );
            comments.extend(
                self.editable
                    .map(|editable| format!("Unable to install from VCS checkout {editable}.")),
            );
            comments.push(error(ran));
            return returned(false, comments.join(" "));
        }
        if let Some(path) = self.requirements {
            let stdout = ran.text("stdout");
            let is_change =
                |line: &str| !NO_CHANGE.iter().any(|start| line.trim().starts_with(start));
            if stdout.split('\n').any(is_change) {
                changes.insert("requirements".to_owned(), json!(true));
                comments.push(format!("Successfully processed requirements file {path}."));
            } else {
                comments.push("Requirements were already installed.".to_owned());
            }
        }
        if let Some(editable) = self.editable {
            comments.push(format!(
                "Package successfully installed from VCS checkout {editable}."
            ));
            changes.insert("editable".to_owned(), json!(true));
        }
        changed(true, comments.join(" "), changes)
    }
}

fn error(ran: &Ran) -> String {
    format!("Error: {} {}", ran.text("stdout"), ran.text("stderr"))
}

/// Packages by whether they are there.
#[derive(Default)]
struct Plan {
    /// Name as the index has it, and as the state has it.
    targets: Vec<(String, String)>,
    there: Vec<String>,
}

impl Plan {
    /// Sorts the packages. An answer ends the state.
    fn look(
        &mut self,
        args: &Args,
        env: &StateEnv,
        pip: &Pip,
        pkgs: &[String],
    ) -> Result<Option<Return>, Failure> {
        let parsed: Vec<Result<Requirement, String>> =
            pkgs.iter().map(|name| Requirement::parse(name)).collect();
        let faults: Vec<String> = parsed
            .iter()
            .filter_map(|parsed| parsed.as_ref().err().cloned())
            .collect();
        if !faults.is_empty() {
            return Ok(Some(returned(false, faults.join("\n"))));
        }
        if let Some(user) = args.optional_text("user")?.filter(|user| !user.is_empty())
            && !python::truthy(&env.call(&Call::new("user.info").arg(user.as_str()))?)
        {
            return Ok(Some(returned(false, format!("User {user} does not exist"))));
        }
        let known = pip.list("")?;
        for (requirement, shown) in parsed.into_iter().flatten().zip(pkgs) {
            let current = known
                .get(&requirement.name)
                .filter(|_| !args.flag("ignore_installed") && !args.flag("force_reinstall"));
            let told = match current {
                Some(current) => self.standing(args, pip, &requirement, shown, current)?,
                None => None,
            };
            match told {
                Some(told) => self.there.push(told),
                None if env.is_test => {
                    return Ok(Some(returned(
                        None,
                        match pkgs {
                            [_] => format!("Python package {shown} is set to be installed"),
                            pkgs => format!(
                                "Python package(s) set to be installed:\n{}",
                                pkgs.join("\n")
                            ),
                        },
                    )));
                }
                None => self.targets.push((requirement.name, shown.clone())),
            }
        }
        Ok(None)
    }

    /// How a package is told that needs nothing.
    fn standing(
        &self,
        args: &Args,
        pip: &Pip,
        requirement: &Requirement,
        shown: &str,
        current: &str,
    ) -> Result<Option<String>, Failure> {
        let there = || Some(format!("Python package {shown} was already installed"));
        if !args.flag("upgrade") {
            return Ok(if requirement.is_met_by(current) {
                there()
            } else {
                None
            });
        }
        let offered = pip.offered(&requirement.name, &index_options(args)?)?;
        let best = offered
            .iter()
            .rev()
            .find(|version| requirement.is_met_by(version));
        Ok(match best {
            Some(best) if is_same(current, best) => there(),
            Some(_) => None,
            None => Some(format!(
                "Python package {} was already installed and\nthe available upgrade doesn't fulfills the version requirements",
                requirement.name
            )),
        })
    }

    fn told(mut self, pip: &Pip, ran: &Ran) -> StateAnswer {
        if !ran.is_success() {
            let names: Vec<String> = self
                .targets
                .iter()
                .map(|(_, shown)| shown.replace(',', ";"))
                .collect();
            self.there.push(format!(
                "Failed to install packages: {}. {}",
                names.join(", "),
                error(ran)
            ));
            return Ok(returned(false, self.there.join("\n")));
        }
        let stdout = ran.text("stdout");
        let satisfied = stdout.lines().filter_map(|line| {
            let rest = line
                .strip_prefix("Requirement already satisfied: ")
                .or_else(|| line.strip_prefix("Requirement already up-to-date: "))?;
            let word = rest.split_whitespace().next()?;
            Some(normalized(
                word.split(['=', '!', '<', '>', '~', '@', '[']).next()?,
            ))
        });
        let satisfied: Vec<String> = satisfied.collect();
        let known = pip.list("")?;
        let (mut changes, mut lost) = (Map::new(), Vec::new());
        for (name, shown) in &self.targets {
            match known.get(name) {
                _ if name.is_empty() => drop(changes.insert(format!("{shown}==???"), json!("Installed"))),
                Some(version) if !satisfied.contains(name) => drop(changes.insert(format!("{name}=={version}"), json!("Installed"))),
                Some(_) => {}
                None => lost.push(format!(
                    "There was no error installing package '{shown}' although it does not show when calling 'pip.freeze'."
                )),
            }
        }
        let done = if lost.is_empty() {
            "All packages were successfully installed".to_owned()
        } else {
            lost.join("\n")
        };
        self.there.push(done);
        Ok(changed(true, self.there.join("\n"), changes))
    }
}

fn removed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let listed = pip(args, env, place(args)?).and_then(|pip| pip.list("").map(|list| (pip, list)));
    let (_, list) = match listed {
        Ok(found) => found,
        Err(failure) => {
            return Ok(returned(
                false,
                format!("Error uninstalling '{name}': {failure}"),
            ));
        }
    };
    if !list.contains_key(&normalized(&name)) {
        return Ok(returned(true, "Package is not installed."));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("Package {name} is set to be removed"),
        ));
    }
    let mut call = Call::new("pip.uninstall")
        .kwarg("pkgs", json!([name]))
        .kwarg("saltenv", env.saltenv());
    for option in [
        "requirements",
        "bin_env",
        "log",
        "proxy",
        "timeout",
        "user",
        "cwd",
    ] {
        if python::truthy(args.value(option)) {
            call = call.kwarg(option, args.value(option).clone());
        }
    }
    if Ran(env.call(&call)?).is_success() {
        Ok(changed(
            true,
            "Package was successfully removed.",
            json!({ name: "Removed" }),
        ))
    } else {
        Ok(returned(false, "Could not remove package."))
    }
}

fn uptodate(args: &Args, env: &StateEnv) -> StateAnswer {
    let upgrades = match pip(args, env, place(args)?).and_then(|pip| pip.upgrades()) {
        Ok(upgrades) => upgrades,
        Err(failure) => return Ok(returned(false, failure.to_string())),
    };
    if upgrades.is_empty() {
        return Ok(returned(true, "System is already up-to-date."));
    }
    if env.is_test {
        return Ok(returned(None, "System update will be performed"));
    }
    let mut call = Call::new("pip.upgrade");
    for option in ["bin_env", "user", "cwd"] {
        call = call.kwarg(option, args.value(option).clone());
    }
    let done = env.call(&call)?;
    if done["result"] == json!(false) {
        return Ok(returned(false, python::text(&done["comment"])));
    }
    Ok(if python::truthy(&done) {
        changed(true, "Upgrade successful.", done)
    } else {
        returned(false, "Upgrade failed.")
    })
}
