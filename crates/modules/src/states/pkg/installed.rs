//! `pkg.installed`: finds what lacks, installs it, and looks whether it is there.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Args, Failure, Refresh, StateAnswer, StateEnv, changed, failed, foretold, is_empty_list,
    options, pkgs_or_name, returned,
};
use crate::call::Call;
use crate::packages::version::Conditions;
use crate::packages::{self, Listed, Order, PackageManager, Packages, Wanted};
use crate::python;

/// Comments name packages up to this many characters; beyond it they count them.
const SUMMARY_MAX: usize = 20;

/// What there is to do.
#[derive(Debug, Default)]
struct Plan {
    desired: Wanted,
    targets: Wanted,
    reinstalls: Wanted,
    unpurge: Vec<String>,
    is_refreshed: bool,
    has_versions: bool,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Plan {
    fn is_done(&self) -> bool {
        self.targets.is_empty() && self.reinstalls.is_empty() && self.unpurge.is_empty()
    }
}

struct Wish<'a> {
    manager: &'a dyn PackageManager,
    args: &'a Args<'a>,
    env: &'a StateEnv<'a>,
    has_sources: bool,
}

pub(super) fn installed(manager: &dyn PackageManager, args: &Args, env: &StateEnv) -> StateAnswer {
    if is_empty_list(args.value("pkgs")) {
        return Ok(returned(true, "No packages to install provided"));
    }
    let refresh = Refresh::of(args, env);
    if args.value("pkg_verify").is_array() || *args.value("pkg_verify") == json!(true) {
        return Ok(returned(false, "pkg.verify not implemented"));
    }
    if args
        .extra_kwargs
        .get("resolve_capabilities")
        .is_some_and(python::truthy)
    {
        return Err(Failure::invocation(
            "resolve_capabilities: name the packages, capabilities are not resolved",
        ));
    }
    let has_sources = python::truthy(args.value("sources"));
    if has_sources && python::truthy(args.value("pkgs")) {
        return Ok(returned(
            false,
            "Only one of \"pkgs\" and \"sources\" is permitted.",
        ));
    }
    let wish = Wish {
        manager,
        args,
        env,
        has_sources,
    };
    let desired = if has_sources {
        Wanted::sources(args.value("sources"))
    } else {
        Wanted::parse(&pkgs_or_name(args)?, str::to_owned)?
    };
    if desired.is_empty() {
        let parameter = if has_sources { "sources" } else { "pkgs" };
        return Ok(returned(
            false,
            format!("Invalidly formatted '{parameter}' parameter. See minion log."),
        ));
    }
    let plan = match wish.plan(desired, refresh.is_due) {
        Ok(plan) => plan,
        Err(failure) => return Ok(returned(false, failure.to_string())),
    };
    Refresh::done(manager, env);
    let mut answer = if !plan.problems.is_empty() {
        returned(false, plan.problems.join(" "))
    } else if plan.is_done() {
        wish.nothing_to_do(&plan)?
    } else if env.is_test {
        wish.foretell(&plan)?
    } else {
        let answer = wish.carry_out(&plan, refresh.is_due && !plan.is_refreshed)?;
        Refresh::done(manager, env);
        answer
    };
    if !plan.warnings.is_empty() {
        answer
            .others
            .insert("warnings".to_owned(), json!(plan.warnings));
    }
    Ok(answer)
}

impl Wish<'_> {
    fn compare(&self) -> impl Fn(&str, &str) -> Ordering + '_ {
        |a, b| self.manager.compare(a, b)
    }

    fn is_met(&self, versions: &[String], wanted: &str, allow_updates: bool) -> bool {
        let ignore_epoch = self.args.value("ignore_epoch");
        let ignore_epoch = (!ignore_epoch.is_null()).then(|| python::truthy(ignore_epoch));
        Conditions::parse(wanted).are_met(versions, ignore_epoch, allow_updates, &self.compare())
    }

    fn installed<'p>(&self, packages: &'p Packages, name: &str) -> &'p [String] {
        let found = packages
            .get(name)
            .or_else(|| packages.get(&self.manager.normalized(name)));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    fn plan(&self, mut desired: Wanted, refresh: bool) -> Result<Plan, Failure> {
        let current = self.manager.list(Listed::Installed)?;
        let purge = self.manager.list(Listed::PurgeDesired)?;
        let mut plan = Plan {
            unpurge: desired
                .names()
                .filter(|name| purge.contains_key(*name))
                .cloned()
                .collect(),
            ..Plan::default()
        };
        if !self.has_sources {
            plan.is_refreshed = self.resolve_latest(&mut desired, &current, refresh)?;
        }
        let is_reinstall = self.args.flag("reinstall");
        for (name, wanted) in &desired.0 {
            let versions = self.installed(&current, name);
            if versions.is_empty() {
                plan.targets.set(name, wanted.clone());
                continue;
            }
            if is_reinstall {
                plan.reinstalls.set(name, wanted.clone());
                continue;
            }
            let Some(wanted) = wanted else { continue };
            let version = if self.has_sources {
                match self.version_of_file(name, wanted) {
                    Ok(version) => version,
                    Err(failure) => {
                        plan.problems
                            .push(format!("Unable to cache {wanted}: {failure}"));
                        continue;
                    }
                }
            } else {
                wanted.clone()
            };
            plan.has_versions = true;
            let allow_updates = !self.has_sources && self.args.flag("allow_updates");
            if !self.is_met(versions, &version, allow_updates) {
                plan.targets.set(name, Some(wanted.clone()));
            }
        }
        plan.desired = desired;
        Ok(plan)
    }

    /// Puts the newest versions in the place of the word latest; whether the lists were fetched for it.
    fn resolve_latest(
        &self,
        desired: &mut Wanted,
        current: &Packages,
        refresh: bool,
    ) -> Result<bool, Failure> {
        let names: Vec<String> = desired
            .0
            .iter()
            .filter(|(_, version)| version.as_deref() == Some("latest"))
            .map(|(name, _)| name.clone())
            .collect();
        if names.is_empty() {
            return Ok(false);
        }
        let newest = self.manager.latest(&names, refresh, &options(self.args))?;
        for name in &names {
            let version = newest
                .get(name)
                .filter(|version| !version.is_empty())
                .cloned();
            let version = version.or_else(|| {
                current
                    .get(name)
                    .and_then(|versions| versions.last().cloned())
            });
            desired.set(name, version);
        }
        Ok(refresh)
    }

    fn version_of_file(&self, name: &str, source: &str) -> Result<String, Failure> {
        let source = Wanted::one(name, Some(source.to_owned()));
        let files = packages::fetched(&source, Some(&self.env.saltenv()), self.env.env)?;
        let path = files.first().map(String::as_str).unwrap_or_default();
        Ok(self.manager.file_info(path)?.1)
    }

    fn nothing_to_do(&self, plan: &Plan) -> StateAnswer {
        let at_version = if plan.has_versions && !self.has_sources {
            " and are at the desired version"
        } else {
            ""
        };
        let mut answer = returned(
            true,
            format!("All specified packages are already installed{at_version}"),
        );
        let Some(holds) = self.hold(&plan.desired)? else {
            return Ok(answer);
        };
        let holds = match holds {
            Ok(holds) => holds,
            Err(failure) => return Ok(returned(false, failure.to_string())),
        };
        for hold in holds
            .modified
            .iter()
            .chain(&holds.same)
            .chain(&holds.failed)
        {
            answer.comment += &format!(".\n{}", python::text(&hold["comment"]));
            answer.result = hold["result"].as_bool();
            if python::truthy(&hold["changes"]) {
                answer
                    .changes
                    .insert(python::text(&hold["name"]), hold["changes"].clone());
            }
        }
        Ok(answer)
    }

    /// Holds the packages or lets them go, where the state says something of it.
    fn hold(&self, desired: &Wanted) -> Result<Option<Result<Holds, Failure>>, Failure> {
        let Some(is_held) = self.args.extra_kwargs.get("hold") else {
            return Ok(None);
        };
        let names: Vec<String> = desired.names().cloned().collect();
        let held = self
            .manager
            .hold(&names, python::truthy(is_held), self.env.is_test);
        Ok(Some(held.map(Holds::sorted)))
    }

    fn foretell(&self, plan: &Plan) -> StateAnswer {
        let (mut comment, mut changes) = (Vec::new(), Map::new());
        let installed = |name: &str| (name.to_owned(), json!({"new": "installed", "old": ""}));
        if !plan.targets.is_empty() {
            if self.has_sources {
                changes.extend(plan.targets.names().map(|name| installed(name)));
            } else {
                changes.extend(foretold(
                    self.manager,
                    self.env,
                    &plan.targets,
                    &BTreeMap::new(),
                )?);
            }
            comment.push(format!(
                "The following packages would be installed/updated: {}",
                joined(plan.targets.names())
            ));
        }
        if !plan.unpurge.is_empty() {
            comment.push(format!(
                "The following packages would have their selection status changed from 'purge' to 'install': {}",
                plan.unpurge.join(", ")
            ));
            changes.extend(plan.unpurge.iter().map(|name| installed(name)));
        }
        if !plan.reinstalls.is_empty() {
            let names: Vec<String> = plan
                .reinstalls
                .names()
                .map(|name| self.shown(&plan.reinstalls, name))
                .collect();
            changes.extend(names.iter().map(|name| installed(name)));
            comment.push(format!(
                "The following packages would be reinstalled: {}",
                names.join(", ")
            ));
        }
        Ok(changed(None, comment.join("\n"), changes))
    }

    fn shown(&self, wanted: &Wanted, name: &str) -> String {
        if self.has_sources {
            name.to_owned()
        } else {
            wanted.shown(name)
        }
    }

    fn carry_out(&self, plan: &Plan, refresh: bool) -> StateAnswer {
        let (mut comment, mut changes) = (Vec::new(), Map::new());
        if !plan.targets.is_empty() || !plan.reinstalls.is_empty() {
            if let Some(answers) = self
                .args
                .extra_kwargs
                .get("debconf")
                .filter(|answers| python::truthy(answers))
            {
                self.env
                    .call(&Call::new("debconf.set_file").arg(answers.clone()))?;
            }
            let wanted = Wanted([plan.targets.0.as_slice(), plan.reinstalls.0.as_slice()].concat());
            let order = if self.has_sources {
                match packages::fetched(&wanted, Some(&self.env.saltenv()), self.env.env) {
                    Ok(files) => Order::Files(files),
                    Err(failure) => return Ok(failed(failure.into(), "installing package(s)")),
                }
            } else {
                Order::Repository(wanted)
            };
            let options = options(self.args).with("reinstall", !plan.reinstalls.is_empty());
            match self.manager.install(&order, refresh, &options) {
                Ok(done) => changes = done,
                Err(problem) => return Ok(failed(problem, "installing package(s)")),
            }
        }
        let reinstalled: Vec<(String, bool)> = plan
            .reinstalls
            .names()
            .map(|name| (name.clone(), changes.contains_key(name)))
            .collect();
        let holds = match self.hold(&plan.desired)? {
            None => Holds::default(),
            Some(Ok(holds)) => holds,
            Some(Err(failure)) => return Ok(changed(false, failure.to_string(), changes)),
        };
        if !plan.unpurge.is_empty() {
            changes.insert(
                "purge_desired".to_owned(),
                Value::Object(self.manager.unpurge(&plan.unpurge)?),
            );
        }
        let found = self.verified(plan, &changes)?;
        self.tell(plan, &found, &holds, &mut comment, &mut changes);
        let mut result = found.failed.is_empty() && holds.failed.is_empty();
        for (name, is_done) in reinstalled {
            let shown = self.shown(&plan.desired, &name);
            if is_done {
                comment.push(format!("Package {shown} was reinstalled."));
            } else {
                comment.push(format!("Reinstall was not successful for package {shown}."));
                result = false;
            }
        }
        Ok(changed(result, comment.join("\n"), changes))
    }

    /// Which packages are now as they should be.
    fn verified(&self, plan: &Plan, changes: &Map<String, Value>) -> Result<Found, Failure> {
        let mut found = Found::default();
        let installed = if self.has_sources {
            Packages::new()
        } else {
            self.manager.list(Listed::Installed)?
        };
        for (name, wanted) in &plan.desired.0 {
            let is_target = plan.targets.has(name);
            let is_there = if self.has_sources {
                !is_target || changes.contains_key(name)
            } else {
                let bare = name.split('=').next().unwrap_or_default();
                let versions = self.installed(&installed, bare);
                match wanted.as_deref() {
                    _ if versions.is_empty() => false,
                    None | Some("" | "latest") => true,
                    Some(wanted) => {
                        let prefix = wanted.strip_suffix('*');
                        prefix.is_some_and(|prefix| versions[0].starts_with(prefix))
                            || self.is_met(versions, wanted, false)
                    }
                }
            };
            match (is_there, is_target) {
                (true, true) => found.modified.push(name.clone()),
                (true, false) if !plan.reinstalls.has(name) => found.same.push(name.clone()),
                (false, true) => found.failed.push(name.clone()),
                _ => {}
            }
        }
        Ok(found)
    }

    fn tell(
        &self,
        plan: &Plan,
        found: &Found,
        holds: &Holds,
        comment: &mut Vec<String>,
        changes: &mut Map<String, Value>,
    ) {
        let summary = |names: &[String]| {
            names
                .iter()
                .map(|name| self.shown(&plan.desired, name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let counted = |count: usize, tail: &str| {
            let (plural, verb) = if count > 1 {
                ("s", "were")
            } else {
                ("", "was")
            };
            format!("{count} targeted package{plural} {verb} {tail}")
        };
        if !found.modified.is_empty() {
            let names = summary(&found.modified);
            comment.push(if names.chars().count() < SUMMARY_MAX {
                format!("The following packages were installed/updated: {names}")
            } else {
                counted(found.modified.len(), "installed/updated.")
            });
        }
        for hold in &holds.modified {
            comment.push(python::text(&hold["comment"]));
            add_hold(changes, hold);
        }
        if !found.same.is_empty() {
            comment.push(if found.same.len() <= SUMMARY_MAX {
                format!(
                    "The following packages were already installed: {}",
                    summary(&found.same)
                )
            } else {
                counted(found.same.len(), "already installed")
            });
        }
        comment.extend(holds.same.iter().map(|hold| python::text(&hold["comment"])));
        if !found.failed.is_empty() {
            comment.insert(
                0,
                format!(
                    "The following packages failed to install/update: {}",
                    summary(&found.failed)
                ),
            );
        }
        comment.extend(
            holds
                .failed
                .iter()
                .map(|hold| python::text(&hold["comment"])),
        );
    }
}

/// Adds the change of a hold to that of the package itself.
fn add_hold(changes: &mut Map<String, Value>, hold: &Value) {
    let name = python::text(&hold["name"]);
    let Some(change) = changes.get_mut(&name) else {
        changes.insert(name, json!({"new": python::text(&hold["changes"]["new"])}));
        return;
    };
    for key in ["new", "old"] {
        let was = change[key].as_str().unwrap_or_default().to_owned();
        let line_end = if was.is_empty() { "" } else { "\n" };
        change[key] = json!(format!(
            "{was}{line_end}{}",
            python::text(&hold["changes"][key])
        ));
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[derive(Debug, Default)]
struct Found {
    modified: Vec<String>,
    same: Vec<String>,
    failed: Vec<String>,
}

/// What holding gave, by how it went.
#[derive(Debug, Default)]
struct Holds {
    modified: Vec<Value>,
    same: Vec<Value>,
    failed: Vec<Value>,
}

impl Holds {
    fn sorted(all: Map<String, Value>) -> Holds {
        let mut holds = Holds::default();
        for (_, hold) in all {
            if !python::truthy(&hold["result"]) {
                holds.failed.push(hold);
            } else if python::truthy(&hold["changes"]) {
                holds.modified.push(hold);
            } else {
                holds.same.push(hold);
            }
        }
        holds
    }
}

#[cfg(test)]
mod tests;
