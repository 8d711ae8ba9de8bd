//! Installing, removing and upgrading by `apt-get`.

use serde_json::{Map, Value};

use super::{
    Apt, Changed, Listed, Options, Order, PackageManager, Problem, Removal, Wanted, difference,
    selections, version,
};
use crate::failure::Failure;
use crate::packages::changes::changed;
use crate::packages::plan::Plan;
use crate::packages::problem::{REMOVING, UPGRADING};
use crate::packages::wanted::unmet;
use crate::packages::{INSTALLING, Packages, add_reinstalled};
use crate::pattern;

/// The names of a plan, as far as its words tell them.
fn names(plan: &Plan) -> impl Iterator<Item = &str> {
    let words = plan
        .targets
        .iter()
        .map(|word| word.split('=').next().unwrap_or_default());
    words.chain(plan.reinstalled().map(String::as_str))
}

fn plan(
    apt: &Apt,
    order: &Order,
    installed: &Packages,
    options: &Options,
) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let is_reinstall = options.flag("reinstall");
    match order {
        Order::Files(paths) => {
            for path in paths {
                let (name, version) = apt.file_info(path)?;
                plan.add(apt, &name, path.clone(), &version, installed, is_reinstall);
            }
        }
        Order::Repository(wanted) => {
            let compared: Vec<String> = wanted
                .0
                .iter()
                .filter(|(_, version)| {
                    version
                        .as_deref()
                        .is_some_and(|version| version.starts_with(['<', '>']))
                })
                .map(|(name, _)| name.clone())
                .collect();
            let offered = if compared.is_empty() {
                Packages::new()
            } else {
                apt.offered(&compared, options)?
            };
            for (name, version) in &wanted.0 {
                let Some(version) = version else {
                    plan.add_any(name, installed, is_reinstall);
                    continue;
                };
                let mut version = version.trim_start_matches('=').to_owned();
                if compared.contains(name) {
                    let candidates = offered.get(name).map(Vec::as_slice).unwrap_or_default();
                    match best(&version, candidates, options.flag("ignore_epoch")) {
                        Some(found) => version = found,
                        None => {
                            plan.errors.push(unmet(name, &version, candidates));
                            continue;
                        }
                    }
                }
                plan.add(
                    apt,
                    name,
                    format!("{name}={version}"),
                    &version,
                    installed,
                    is_reinstall,
                );
            }
        }
    }
    Ok(plan)
}

/// The first candidate that meets a condition such as `>=1.0`.
fn best(condition: &str, candidates: &[String], ignore_epoch: bool) -> Option<String> {
    let (operator, wanted) = match version::split_operator(condition) {
        ("", wanted) => ("==", wanted),
        other => other,
    };
    let meets = |candidate: &&String| {
        version::holds(candidate, operator, wanted, ignore_epoch, &version::debian)
    };
    candidates.iter().find(meets).cloned()
}

fn dpkg_options(options: &Options) -> Vec<String> {
    let forces: &[&str] = if options.flag("force_conf_new") {
        &["--force-confnew"]
    } else {
        &["--force-confold", "--force-confdef"]
    };
    forces
        .iter()
        .flat_map(|force| ["-o".to_owned(), format!("DPkg::Options::={force}")])
        .collect()
}

/// The beginning of the command line that installs.
fn command(order: &Order, options: &Options) -> Vec<String> {
    let mut argv: Vec<String> = ["apt-get", "-q", "-y"].map(str::to_owned).to_vec();
    let mut push = |word: &str| argv.push(word.to_owned());
    if options.flag("force_yes") {
        push("--force-yes");
    }
    dpkg_options(options).iter().for_each(|word| push(word));
    if options.has("install_recommends") {
        push(if options.flag("install_recommends") {
            "--install-recommends"
        } else {
            "--no-install-recommends"
        });
    }
    if options.flag("only_upgrade") {
        push("--only-upgrade");
    }
    if options.flag("skip_verify") {
        push("--allow-unauthenticated");
    }
    if options.flag("downloadonly") {
        push("--download-only");
    }
    let release = options.text("fromrepo").or_else(|| options.text("repo"));
    if let (Some(release), Order::Repository(_)) = (release, order) {
        push("-t");
        push(&release);
    }
    argv
}

/// Whether the lists have to be fetched first: not when all versions that are asked for are the newest known.
fn needs_refresh(apt: &Apt, order: &Order) -> Result<bool, Failure> {
    let Order::Repository(wanted) = order else {
        return Ok(true);
    };
    let known = Options::default().with("show_installed", true);
    for (name, version) in &wanted.0 {
        let Some(version) = version else {
            return Ok(true);
        };
        let latest = apt.latest(std::slice::from_ref(name), false, &known)?;
        if latest.get(name) != Some(version) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn install(
    apt: &Apt,
    order: &Order,
    refresh: bool,
    options: &Options,
) -> Result<Changed, Problem> {
    let refresh = refresh && needs_refresh(apt, order)?;
    let old = apt.list(Listed::Installed)?;
    let mut plan = plan(apt, order, &old, options)?;
    let mut commands = Vec::new();
    let mut push = |extra: &[&str], words: Vec<String>| {
        if !words.is_empty() {
            let mut argv = command(order, options);
            argv.extend(extra.iter().map(|&word| word.to_owned()));
            argv.push("install".to_owned());
            argv.extend(words);
            commands.push(argv);
        }
    };
    push(&[], plan.targets.clone());
    let allow: &[&str] = if matches!(order, Order::Repository(_)) {
        &["--allow-downgrades"]
    } else {
        &[]
    };
    push(allow, plan.downgrades.clone());
    push(&["--reinstall"], plan.reinstall_words());
    let mut changes = Map::new();
    if !commands.is_empty() {
        if refresh {
            apt.refresh(options)?;
        }
        let held = selections::of(apt, "*")?.remove("hold").unwrap_or_default();
        let released: Vec<String> = held
            .into_iter()
            .filter(|name| names(&plan).any(|target| target == name))
            .collect();
        apt.hold(&released, false, false)?;
        for argv in commands {
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            let finished = apt.act(&argv, options)?;
            if finished.retcode != 0 && !finished.stderr.is_empty() {
                plan.errors.push(finished.stderr.to_string());
            }
        }
        changes = difference(&old, &apt.list(Listed::Installed)?);
        add_reinstalled(&mut changes, plan.reinstalled(), &old);
        apt.hold(&released, true, false)?;
    }
    Problem::unless_empty(INSTALLING, plan.errors, changes)
}

pub(super) fn remove(
    apt: &Apt,
    wanted: &Wanted,
    removal: Removal,
    options: &Options,
) -> Result<Changed, Problem> {
    let old = apt.list(Listed::Installed)?;
    let old_removed = apt.list(Listed::Removed)?;
    let mut targets = matching(wanted, &old);
    if removal == Removal::Purge {
        targets.extend(matching(wanted, &old_removed));
    }
    if targets.is_empty() {
        return Ok(Map::new());
    }
    let mut argv = vec!["apt-get", "-q", "-y", removal.verb()];
    argv.extend(targets.iter().map(String::as_str));
    let finished = apt.act(&argv, options)?;
    let installed = difference(&old, &apt.list(Listed::Installed)?);
    let changes = match removal {
        Removal::Remove => installed,
        Removal::Purge => {
            let removed = difference(&old_removed, &apt.list(Listed::Removed)?);
            Map::from_iter([
                ("removed".to_owned(), Value::Object(removed)),
                ("installed".to_owned(), Value::Object(installed)),
            ])
        }
    };
    if finished.retcode != 0 && !finished.stderr.is_empty() {
        let errors = vec![finished.stderr.to_string()];
        return Err(Problem::new(REMOVING, errors, changes));
    }
    Ok(changes)
}

/// The packages of a list that are asked for by name or by a pattern with `*`.
fn matching(wanted: &Wanted, packages: &Packages) -> Vec<String> {
    let mut names = Vec::new();
    for name in wanted.names() {
        if let Some(glob) = name
            .contains('*')
            .then(|| pattern::glob(name, false))
            .flatten()
        {
            names.extend(
                packages
                    .keys()
                    .filter(|known| glob.is_match(known))
                    .cloned(),
            );
        } else if packages.contains_key(name) {
            names.push(name.clone());
        }
    }
    names
}

pub(super) fn upgrade(apt: &Apt, options: &Options) -> Result<Changed, Problem> {
    let mut argv: Vec<String> = ["apt-get", "-q", "-y"].map(str::to_owned).to_vec();
    argv.extend(dpkg_options(options));
    let mut push = |is_wanted: bool, word: &str| {
        if is_wanted {
            argv.push(word.to_owned());
        }
    };
    push(options.flag("force_yes"), "--force-yes");
    push(options.flag("skip_verify"), "--allow-unauthenticated");
    push(
        options.flag("download_only") || options.flag("downloadonly"),
        "--download-only",
    );
    push(options.flag("allow_downgrades"), "--allow-downgrades");
    argv.push(
        if options.flag("dist_upgrade") {
            "dist-upgrade"
        } else {
            "upgrade"
        }
        .to_owned(),
    );
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    changed(apt, UPGRADING, || {
        let finished = apt.act(&argv, options)?;
        let has_failed = finished.retcode != 0;
        Ok(has_failed.then(|| finished.stderr.to_string()))
    })
}
