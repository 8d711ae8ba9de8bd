//! What is installed and what is offered.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, one_or_all};
use crate::packages::{self, Listed, Options, Packages};
use crate::{pattern, python};

pub(super) fn list_pkgs(args: &Args, env: &Env) -> Answer {
    let listed = match () {
        () if python::is_true(args.value("removed")) => Listed::Removed,
        () if python::is_true(args.value("purge_desired")) => Listed::PurgeDesired,
        () => Listed::Installed,
    };
    let as_list = python::is_true(args.value("versions_as_list"));
    let all = packages::manager(env)?.list(listed)?;
    Ok(all
        .into_iter()
        .map(|(name, versions)| (name, shown(&versions, as_list)))
        .collect())
}

fn shown(versions: &[String], as_list: bool) -> Value {
    if as_list {
        json!(versions)
    } else {
        json!(versions.join(","))
    }
}

fn names(args: &Args) -> Vec<String> {
    args.extra_args.iter().map(python::text).collect()
}

pub(super) fn version(args: &Args, env: &Env) -> Answer {
    let all = packages::manager(env)?.list(Listed::Installed)?;
    let names = names(args);
    let as_list = args
        .extra_kwargs
        .get("versions_as_list")
        .is_some_and(python::is_true);
    let found = versions(&names, &all, as_list);
    if names.iter().any(|name| name.contains('*')) {
        return Ok(Value::Object(found));
    }
    Ok(one_or_all(&names, found))
}

fn versions(names: &[String], all: &Packages, as_list: bool) -> Map<String, Value> {
    let mut found = Map::new();
    for name in names {
        if let Some(glob) = name
            .contains('*')
            .then(|| pattern::glob(name, false))
            .flatten()
        {
            let matching = all.iter().filter(|(installed, _)| glob.is_match(installed));
            found.extend(matching.map(|(name, versions)| (name.clone(), shown(versions, as_list))));
        } else {
            let versions = all.get(name).map(Vec::as_slice).unwrap_or_default();
            found.insert(name.clone(), shown(versions, as_list));
        }
    }
    found
}

pub(super) fn latest_version(args: &Args, env: &Env) -> Answer {
    if args.extra_kwargs.contains_key("repo") {
        return Err(Failure::invocation(
            "The 'repo' argument is invalid, use 'fromrepo' instead",
        ));
    }
    let names = names(args);
    let refresh = args.extra_kwargs.get("refresh").is_none_or(python::is_true);
    let latest =
        packages::manager(env)?.latest(&names, refresh, &Options::new(&args.extra_kwargs))?;
    let latest = latest
        .into_iter()
        .map(|(name, version)| (name, json!(version)));
    Ok(one_or_all(&names, latest.collect()))
}

pub(super) fn owner(args: &Args, env: &Env) -> Answer {
    let manager = packages::manager(env)?;
    let paths = names(args);
    let owners = paths
        .iter()
        .map(|path| Ok((path.clone(), json!(manager.owner(path)?))));
    Ok(one_or_all(&paths, owners.collect::<Result<_, Failure>>()?))
}

pub(super) fn file_list(args: &Args, env: &Env) -> Answer {
    let manager = packages::manager(env)?;
    let mut files = BTreeSet::new();
    for name in names_or_all(args, env)? {
        files.extend(manager.files(&name)?);
    }
    Ok(json!({"errors": [], "files": files}))
}

pub(super) fn file_dict(args: &Args, env: &Env) -> Answer {
    let manager = packages::manager(env)?;
    let mut packages = Map::new();
    for name in names_or_all(args, env)? {
        let files = manager.files(&name)?;
        packages.insert(name, json!(files));
    }
    Ok(json!({"errors": [], "packages": packages}))
}

fn names_or_all(args: &Args, env: &Env) -> Result<Vec<String>, Failure> {
    if args.extra_args.is_empty() {
        return Ok(packages::manager(env)?
            .list(Listed::Installed)?
            .into_keys()
            .collect());
    }
    Ok(names(args))
}

pub(super) fn info_installed(args: &Args, env: &Env) -> Answer {
    let fails = args.extra_kwargs.get("failhard").is_none_or(python::truthy);
    let mut names = names(args);
    let manager = packages::manager(env)?;
    if !fails && !names.is_empty() {
        let installed = manager.list(Listed::Installed)?;
        names.retain(|name| installed.contains_key(name));
        if names.is_empty() {
            return Ok(json!({}));
        }
    }
    manager.info(&names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let mut all = Packages::new();
        packages::add(&mut all, "kernel", "2");
        packages::add(&mut all, "kernel", "1");
        let names = ["ker*".to_owned(), "none".to_owned()];
        let expected = json!({"kernel": "1,2", "none": ""});
        assert_eq!(Value::Object(versions(&names, &all, false)), expected);
        assert_eq!(versions(&names, &all, true)["kernel"], json!(["1", "2"]));
    }
}
