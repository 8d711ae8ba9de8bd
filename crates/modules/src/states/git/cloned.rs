//! `git.cloned` and `git.present`.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{Args, Credentials, Progress, StateAnswer, StateEnv, git, is_checkout, returned};
use crate::git::with_credentials;

pub(super) fn cloned(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let Some(target) = args.optional_text("target")? else {
        return Ok(returned(false, "'target' argument is required"));
    };
    if !target.starts_with('/') {
        return Ok(returned(false, "'target' path must be absolute"));
    }
    let branch = args.optional_text("branch")?;
    if branch.as_deref() == Some("") {
        return Ok(returned(false, "Invalid 'branch' argument"));
    }
    let git = git(args, env)?;
    let mut progress = Progress::default();
    if !Path::new(&target).exists() {
        let with_branch = branch
            .as_ref()
            .map(|branch| format!(" with branch '{branch}'"))
            .unwrap_or_default();
        progress.note("new", format!("{name} => {target}"));
        if env.is_test {
            return Ok(progress.would(format!("{name} would be cloned to {target}{with_branch}")));
        }
        let credentials = Credentials::of(args)?;
        let url = with_credentials(&name, credentials.pair().0, credentials.pair().1)?;
        let options: Vec<&str> = branch
            .iter()
            .flat_map(|branch| ["--branch", branch.as_str()])
            .collect();
        if let Err(failure) = git.clone_to(&target, &url, &options) {
            return Ok(returned(false, format!("Clone failed: {}", failure.said())));
        }
        progress.say(format!("{name} cloned to {target}{with_branch}"));
        return Ok(progress.done());
    }
    if let Err(failure) = git.run(&target, &["status", "-z", "--porcelain"]) {
        return Ok(returned(false, failure.to_string()));
    }
    let there = |branch: &str| {
        returned(
            true,
            format!("Repository already exists at {target}{branch}"),
        )
    };
    let Some(branch) = branch else {
        return Ok(there(""));
    };
    let current = git.current_branch(&target)?;
    if current == branch {
        return Ok(there(&format!(" and is checked out to branch '{branch}'")));
    }
    let change = json!({"old": current, "new": branch});
    if env.is_test {
        progress.note("branch", change);
        return Ok(progress.would(format!("Branch would be changed to '{branch}'")));
    }
    let checked_out = if git.rev_parse(&target, &branch).is_ok() {
        git.run_merged(&target, &["checkout", &branch])
    } else {
        git.run_merged(
            &target,
            &["checkout", "-b", &branch, &format!("origin/{branch}")],
        )
    };
    if let Err(failure) = checked_out {
        return Ok(progress.fail(format!("Failed to change branch to '{branch}': {failure}")));
    }
    progress.note("branch", change);
    progress.say(format!("Branch changed to '{branch}'"));
    Ok(progress.done())
}

pub(super) fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let git = git(args, env)?;
    let is_bare = args.flag("bare");
    let kind = if is_bare { "bare " } else { "" };
    let path = Path::new(&name);
    let mut progress = Progress::default();
    if path.is_dir() {
        let is_there = if is_bare {
            path.join("HEAD").is_file()
        } else {
            is_checkout(&git, &name, false)
        };
        if is_there {
            return Ok(returned(true, ""));
        }
        let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if args.flag("force") {
            progress.note("forced init", true);
            if env.is_test {
                progress.note("new", name.as_str());
                return Ok(progress.would(format!(
                    "Target directory {name} exists. Since force=True, the contents of {name} would be deleted, and a {kind}repository would \
                     be initialized in its place."
                )));
            }
            let removed = if path.is_symlink() {
                fs::remove_file(path)
            } else {
                fs::remove_dir_all(path)
            };
            if let Err(error) = removed {
                return Ok(returned(false, format!("Unable to remove {name}: {error}")));
            }
        } else if !is_empty {
            return Ok(returned(
                false,
                format!(
                    "Target '{name}' exists, is non-empty, and is not a git repository. Set the 'force' option to True to remove this \
                     directory's contents and proceed with initializing a repository"
                ),
            ));
        }
    }
    progress.note("new", name.as_str());
    if env.is_test {
        return Ok(progress.would(format!("New {kind}repository would be created")));
    }
    progress.say(format!("Initialized {kind}repository in {name}"));
    let mut words = vec!["init".to_owned()];
    if is_bare {
        words.push("--bare".to_owned());
    }
    if let Some(template) = args.optional_text("template")? {
        words.push(format!("--template={template}"));
        progress.say(format!("Template directory set to {template}"));
    }
    if let Some(directory) = args.optional_text("separate_git_dir")? {
        words.push(format!("--separate-git-dir={directory}"));
        progress.say(format!("Gitdir set to {directory}"));
    }
    if let Some(shared) = args.optional_text("shared")? {
        words.push(format!("--shared={shared}"));
    }
    words.extend(["--".to_owned(), name]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    git.run("/", &words)?;
    Ok(progress.done())
}
