//! `pkg`: packages that are to be installed, at a version or the newest, held, or not there.

pub(crate) mod aggregate;
#[cfg(test)]
mod fake;
mod holds;
mod installed;
mod latest;
mod others;
mod uninstall;

use serde_json::{Map, Value};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::packages::{self, Options, PackageManager, Problem, Removal};
use crate::python;

/// The parameters of `pkg.installed`.
const INSTALLED: &str = "name, version=None, refresh=None, fromrepo=None, skip_verify=False, skip_suggestions=False, pkgs=None, \
    sources=None, allow_updates=False, pkg_verify=False, normalize=True, ignore_epoch=None, reinstall=False, update_holds=False, \
    **kwargs";
const LATEST: &str =
    "name, refresh=None, fromrepo=None, skip_verify=False, pkgs=None, watch_flags=True, **kwargs";
const REMOVED: &str = "name, version=None, pkgs=None, normalize=True, ignore_epoch=None, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "pkg.downloaded",
        "name, version=None, pkgs=None, fromrepo=None, ignore_epoch=None, **kwargs",
        "Fetch packages into the cache of the package manager and do not install them.",
        |args, env| others::downloaded(packages::manager(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkg.group_installed",
        "name, skip=None, include=None, **kwargs",
        "Install the packages of a group (dnf and yum). skip: packages of the group that are not wanted. include: optional ones that are.",
        |args, env| others::group_installed(packages::manager(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkg.held",
        "name, version=None, pkgs=None, replace=False, **kwargs",
        "Keep packages at their version. replace: let all others go.",
        |args, env| holds::held(packages::manager(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkg.installed",
        INSTALLED,
        "Install packages: the name, with version; pkgs, a list of names and of {name: version}; or sources, a list of {name: file}. A \
         version may be a pattern (1.2*), conditions (>=1.2,<2) or latest. hold: keep them at that version. refresh: fetch the lists of \
         the repositories first; by default once in a run.",
        |args, env| installed::installed(packages::manager(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkg.latest",
        LATEST,
        "Install packages at the newest version that the repositories have.",
        |args, env| latest::latest(packages::manager(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkg.mod_watch",
        "name, sfun=None, version=None, refresh=None, fromrepo=None, skip_verify=False, skip_suggestions=False, pkgs=None, sources=None, \
         allow_updates=False, pkg_verify=False, normalize=True, ignore_epoch=None, reinstall=False, update_holds=False, \
         watch_flags=True, **kwargs",
        "Look at the packages of a watching state again when what it watches has changed.",
        mod_watch,
    ),
    StateFunction::new(
        "pkg.purged",
        REMOVED,
        "Remove packages and their configuration.",
        |args, env| {
            uninstall::uninstalled(
                packages::manager(env.env)?.as_ref(),
                args,
                env,
                Removal::Purge,
            )
        },
    ),
    StateFunction::new("pkg.removed", REMOVED, "Remove packages.", |args, env| {
        uninstall::uninstalled(
            packages::manager(env.env)?.as_ref(),
            args,
            env,
            Removal::Remove,
        )
    }),
    StateFunction::new(
        "pkg.unheld",
        "name, version=None, pkgs=None, all=False, **kwargs",
        "Let packages be upgraded again; with all, every package.",
        |args, env| holds::unheld(packages::manager(env.env)?.as_ref(), args, env),
    ),
    StateFunction::new(
        "pkg.uptodate",
        "name, refresh=False, pkgs=None, **kwargs",
        "Upgrade all packages, or those of pkgs.",
        |args, env| others::uptodate(packages::manager(env.env)?.as_ref(), args, env),
    ),
];

fn mod_watch(args: &Args, env: &StateEnv) -> StateAnswer {
    let manager = packages::manager(env.env)?;
    let manager = manager.as_ref();
    match args.text("sfun")?.as_str() {
        "installed" => installed::installed(manager, args, env),
        "latest" => latest::latest(manager, args, env),
        "removed" => uninstall::uninstalled(manager, args, env, Removal::Remove),
        "purged" => uninstall::uninstalled(manager, args, env, Removal::Purge),
        fun => Ok(returned(
            false,
            format!("pkg.{fun} does not work with the watch requisite"),
        )),
    }
}

/// Whether the lists of the repositories have to be fetched: as the state says, else once in a run, by the first state that needs them.
pub(super) struct Refresh {
    is_due: bool,
}

impl Refresh {
    /// The name of the note that a fetch is due (true) or was made (false).
    const NOTE: &str = "pkg_refresh";

    /// For a state that installs.
    fn of(args: &Args, env: &StateEnv) -> Refresh {
        let said = args.value("refresh");
        let is_due_in_run = env.shared.change(Refresh::NOTE, |note| {
            if note.is_null() {
                *note = Value::Bool(true);
            }
            *note == Value::Bool(true)
        });
        let is_refused = *said == Value::Bool(false);
        Refresh {
            is_due: python::is_true(said) || (is_due_in_run && !is_refused),
        }
    }

    /// Notes what the package manager did.
    pub(super) fn done(manager: &dyn PackageManager, env: &StateEnv) {
        if manager.has_refreshed() {
            env.shared
                .change(Refresh::NOTE, |note| *note = Value::Bool(false));
        }
    }

    /// Whether nobody has fetched the lists in this run.
    fn was_never(env: &StateEnv) -> bool {
        env.shared.note(Refresh::NOTE) != Value::Bool(false)
    }
}

/// What the package manager hears beyond names and versions.
fn options(args: &Args) -> Options {
    let mut options = Options::new(&args.extra_kwargs);
    for parameter in ["fromrepo", "skip_verify", "ignore_epoch", "update_holds"] {
        options = options.with(parameter, args.value(parameter).clone());
    }
    options
}

/// A state whose change failed.
fn failed(problem: Problem, doing: &str) -> Return {
    let comment = if problem.has_errors() {
        problem.without_changes()
    } else {
        format!(
            "An error was encountered while {doing}: {}",
            problem.without_changes()
        )
    };
    changed(false, comment, problem.changes)
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// `pkgs`, or the name with its version.
fn pkgs_or_name(args: &Args) -> Result<Value, Failure> {
    let pkgs = args.value("pkgs");
    if python::truthy(pkgs) {
        return Ok(pkgs.clone());
    }
    let name = args.text("name")?;
    let version = args.value("version");
    Ok(Value::Array(vec![if python::truthy(version) {
        Value::Object(Map::from_iter([(
            name,
            Value::String(python::text(version)),
        )]))
    } else {
        Value::String(name)
    }]))
}

/// The versions that would be installed, for test mode.
fn foretold(
    manager: &dyn PackageManager,
    env: &StateEnv,
    targets: &packages::Wanted,
    current: &std::collections::BTreeMap<String, String>,
) -> Result<Map<String, Value>, Failure> {
    let newest: Vec<String> = targets
        .0
        .iter()
        .filter(|(_, version)| version.as_deref().unwrap_or_default().is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    let mut versions = if newest.is_empty() {
        Default::default()
    } else {
        manager.latest(&newest, Refresh::was_never(env), &Options::default())?
    };
    Refresh::done(manager, env);
    let explicit: Vec<String> = targets
        .names()
        .filter(|name| !newest.contains(name))
        .map(|name| targets.shown(name))
        .collect();
    if !explicit.is_empty() {
        for (name, offered) in manager.offered(&explicit, &Options::default())? {
            versions.extend(offered.into_iter().next().map(|version| (name, version)));
        }
    }
    let change = |name: &String| {
        let new = versions
            .get(name)
            .filter(|version| !version.is_empty())
            .map_or("installed", String::as_str);
        let old = current.get(name).map(String::as_str).unwrap_or_default();
        (name.clone(), serde_json::json!({"new": new, "old": old}))
    };
    Ok(targets.names().map(change).collect())
}
