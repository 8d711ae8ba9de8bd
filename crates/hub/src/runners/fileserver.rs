//! `fileserver` and `git_pillar`: the roots in service at this hub. Files are read from the object database, so there is no cache and no
//! lock that could be cleared.

use std::collections::BTreeSet;
use std::time::Duration;

use gitsync::Snapshot;
use serde_json::{Value, json};

use super::call::{Answered, Call, Trouble};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("fileserver.update", "backend=None", update,
        "Fetch the roots at every site that is connected, and wait for it. An error of a site is an error here."),
    runner!("fileserver.envs", "backend=None, sources=False", envs, "The environments of the roots in service."),
    runner!("fileserver.file_list", "saltenv='base', backend=None", file_list, "The files of an environment."),
    runner!("fileserver.dir_list", "saltenv='base', backend=None", dir_list, "The folders of an environment that have files."),
    runner!("fileserver.empty_dir_list", "saltenv='base', backend=None", nothing_listed,
        "The empty folders of an environment: none, as git keeps none."),
    runner!("fileserver.symlink_list", "saltenv='base', backend=None", nothing_linked,
        "The symbolic links of an environment: none, as the roots serve in their place what they point to."),
    runner!("fileserver.clear_cache", "backend=None", no_cache, "Says that there is no cache."),
    runner!("fileserver.clear_file_list_cache", "saltenv=None, backend=None", nothing_linked, "Says that there is no such cache, by an empty dictionary."),
    runner!("fileserver.clear_lock", "backend=None, remote=None", no_locks, "Says that there are no locks."),
    runner!("git_pillar.update", "branch=None, repo=None", update_pillar,
        "Fetch the roots, which have the pillar in them, at every site that is connected: true for the remote when it went well. There is one remote, so \
         branch and repo are refused."),
];

/// A remote has this long to answer.
const FETCH_WAIT: Duration = Duration::from_secs(120);

/// There is one place where files come from.
fn check_backend(call: &Call<'_>) -> Result<(), Trouble> {
    let known = ["git", "gitfs"];
    match call
        .texts("backend")
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(other) => Err(Trouble::usage(format!(
            "backend {other:?} is not served: the roots are one git remote (gitfs)"
        ))),
    }
}

/// The roots in service.
pub(super) async fn snapshot(call: &Call<'_>) -> Result<Snapshot, Trouble> {
    let snapshot = call.service.roots.snapshot(None).await;
    snapshot.map_err(Trouble::refused)
}

async fn update(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    fetched(&call).await?;
    Ok(Value::from(true).into())
}

async fn update_pillar(call: Call<'_>) -> Answered {
    for name in ["branch", "repo"] {
        call.refuse(name, "the pillar comes from the one remote of the roots")?;
    }
    if snapshot(&call).await?.pillar().is_none() {
        return Err(Trouble::refused("the roots of this hub have no pillar"));
    }
    fetched(&call).await?;
    let remote = call.service.runners.remote.clone();
    Ok(json!({ remote.unwrap_or_else(|| "parent".to_owned()): true }).into())
}

/// Fetches everywhere, and says what went wrong.
async fn fetched(call: &Call<'_>) -> Result<(), Trouble> {
    if !call.service.roots.is_configured() {
        return Err(Trouble::refused("this hub serves no roots"));
    }
    let rows = call.service.fetched_roots(FETCH_WAIT).await?;
    let up = rows.iter().filter(|row| row.presence == wire::Presence::Up);
    let errors = up.filter_map(|row| Some(format!("{}: {}", row.id, row.report.error.as_ref()?)));
    let errors: Vec<String> = errors.collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Trouble::refused(errors.join("; "))),
    }
}

async fn envs(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    call.refuse("sources", "there is one source")?;
    let snapshot = snapshot(&call).await?;
    let mut envs: Vec<&str> = snapshot.environments().map(|(env, _)| env).collect();
    envs.sort_unstable();
    Ok(json!(envs).into())
}

/// The paths of an environment; there are none in one that is not there, as in Salt.
pub(super) async fn paths(call: &Call<'_>, saltenv: &str) -> Result<Vec<String>, Trouble> {
    let snapshot = snapshot(call).await?;
    let is_there = snapshot.environments().any(|(env, _)| env == saltenv);
    if !is_there {
        return Ok(Vec::new());
    }
    let files = snapshot
        .list(saltenv)
        .map_err(|error| Trouble::refused(error.to_string()))?;
    Ok(files.iter().map(|file| file.path.clone()).collect())
}

async fn file_list(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    Ok(json!(paths(&call, &call.text("saltenv")?).await?).into())
}

async fn dir_list(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    let paths = paths(&call, &call.text("saltenv")?).await?;
    Ok(json!(folders(&paths)).into())
}

/// The folders above files, sorted.
fn folders(paths: &[String]) -> BTreeSet<&str> {
    let mut folders = BTreeSet::new();
    for path in paths {
        let mut above = path.as_str();
        while let Some((folder, _)) = above.rsplit_once('/') {
            folders.insert(folder);
            above = folder;
        }
    }
    folders
}

async fn nothing_listed(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    snapshot(&call).await?;
    Ok(json!([]).into())
}

async fn nothing_linked(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    snapshot(&call).await?;
    Ok(json!({}).into())
}

async fn no_cache(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    Ok(Value::from("No cache was cleared").into())
}

async fn no_locks(call: Call<'_>) -> Answered {
    check_backend(&call)?;
    Ok(Value::from("No locks were removed").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_those_above_files() {
        let paths = ["top.sls", "web/init.sls", "web/files/a/b", "db/init.sls"];
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        let folders: Vec<&str> = folders(&paths).into_iter().collect();
        assert_eq!(folders, ["db", "web", "web/files", "web/files/a"]);
    }
}
