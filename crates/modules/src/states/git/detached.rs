//! `git.detached`.

use serde_json::json;

use super::{
    Args, Credentials, Progress, StateAnswer, StateEnv, as_hash, git, is_checkout, make_room,
    returned, said,
};
use crate::git::with_credentials;

pub(super) fn detached(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, remote) = (args.text("name")?, args.text("remote")?);
    let rev = args.optional_text("rev")?.unwrap_or_default();
    if rev.is_empty() {
        return Ok(returned(
            false,
            format!("'{rev}' is not a valid value for the 'rev' argument"),
        ));
    }
    let target = args.text("target")?;
    if !target.starts_with('/') {
        return Ok(returned(
            false,
            format!("Target '{target}' is not an absolute path"),
        ));
    }
    if std::path::Path::new(&target).is_file() {
        return Ok(returned(
            false,
            format!("Target '{target}' exists and is a regular file, cannot proceed"),
        ));
    }
    let credentials = Credentials::of(args)?;
    let git = git(args, env)?;
    let hash = as_hash(&rev);
    let mut progress = Progress::default();
    let (mut local, mut has_hash) = (None, false);
    if is_checkout(&git, &target, false) {
        local = git.revision(&target).ok();
        has_hash = hash.as_ref().is_some_and(|hash| {
            git.rev_parse(&target, &format!("{hash}^{{commit}}"))
                .is_ok()
        });
        let known = git
            .remotes(&target)?
            .remove(&remote)
            .map(|known| known.fetch);
        if hash.is_none() && known.as_ref().is_none_or(|known| !known.contains(&name)) {
            if env.is_test {
                return Ok(progress.would(format!("Remote {remote} would be set to {name}")));
            }
            git.set_remote(&target, &remote, &name, credentials.pair())?;
            let known = known.unwrap_or_else(|| "None".to_owned());
            progress.say(format!(
                "Remote {remote} updated from '{known}' to '{name}'"
            ));
        }
    } else {
        match make_room(
            &target,
            &name,
            args.flag("force_clone"),
            env.is_test,
            &mut progress,
        ) {
            Ok(None) => {}
            Ok(Some(told)) => return Ok(progress.would(told)),
            Err(fault) => return Ok(progress.fail(fault)),
        }
        if env.is_test {
            return Ok(progress.would(format!("Repository {name} would be cloned to {target}")));
        }
        let url = with_credentials(&name, credentials.pair().0, credentials.pair().1)?;
        let options = ["--no-checkout", "--origin", &remote];
        if let Err(failure) = git.clone_to(&target, &url, &options) {
            return Ok(progress.fail(said(failure)));
        }
        progress.say(format!("{name} cloned to {target}"));
    }
    if !has_hash && args.flag("fetch_remote") {
        if env.is_test {
            return Ok(progress.would(format!("Repository remote {remote} would be fetched")));
        }
        let references = [
            format!("refs/heads/*:refs/remotes/{remote}/*"),
            "+refs/tags/*:refs/tags/*".to_owned(),
        ];
        match git.fetch(&target, true, &[], &remote, &references) {
            Ok(fetched) if fetched.is_empty() => {}
            Ok(_) => progress.say(format!(
                "Remote {remote} was fetched, resulting in updated refs"
            )),
            Err(failure) => return Ok(progress.fail(format!("Fetch failed:\n\n{failure}"))),
        }
    }
    let candidates = match &hash {
        Some(hash) => vec![hash.clone()],
        None => vec![
            format!("refs/remotes/{remote}/{rev}"),
            format!("refs/tags/{rev}"),
        ],
    };
    let commit = candidates
        .iter()
        .find_map(|name| git.rev_parse(&target, &format!("{name}^{{commit}}")).ok());
    let Some(commit) = commit else {
        return Ok(progress.fail(format!("Revision '{rev}' does not exist")));
    };
    if args.flag("hard_reset") {
        if env.is_test {
            return Ok(progress.would(format!("Hard reset to HEAD would be performed on {target}")));
        }
        git.run(&target, &["reset", "--hard", "HEAD"])?;
        progress.say("Repository was reset to HEAD before checking out revision");
    }
    let is_there = local.as_ref() == Some(&commit);
    if !is_there {
        progress.note("HEAD", json!({"old": local, "new": commit}));
        if env.is_test {
            return Ok(progress.would(format!(
                "Commit ID {commit} would be checked out at {target}"
            )));
        }
        let mut words = vec!["checkout", "--detach"];
        if args.flag("force_checkout") {
            words.push("--force");
        }
        words.push(&commit);
        git.run_merged(&target, &words)?;
        progress.say(format!("Commit ID {commit} was checked out at {target}"));
    }
    if args.flag("submodules") {
        if env.is_test {
            return Ok(progress.would("Submodules would be updated"));
        }
        git.update_submodules(&target)?;
        progress.say("Submodules were updated");
    }
    if is_there {
        progress.say("Already checked out at correct revision");
    }
    Ok(progress.done())
}
