//! `git.latest`.

mod fresh;
mod tell;
mod update;

use std::path::Path;

use serde_json::{Value, json};

use super::{
    Args, Credentials, Failure, Progress, Return, StateAnswer, StateEnv, as_hash, git, is_checkout,
    returned, said, sentences, short,
};
use crate::git::{Git, GitFailure, with_credentials};
use crate::python;

pub(super) const SIGNATURE: &str = "name, target, rev='HEAD', branch=None, user=None, password=None, update_head=True, \
    force_checkout=False, force_clone=False, force_fetch=False, force_reset=False, submodules=False, bare=False, mirror=False, \
    remote='origin', fetch_tags=True, sync_tags=True, depth=None, identity=None, https_user=None, https_pass=None, refspec_branch='*', \
    refspec_tag='*', output_encoding=None";
pub(super) const WATCH: &str = "name, target, sfun=None, rev='HEAD', branch=None, user=None, password=None, update_head=True, \
    force_checkout=False, force_clone=False, force_fetch=False, force_reset=False, submodules=False, bare=False, mirror=False, \
    remote='origin', fetch_tags=True, sync_tags=True, depth=None, identity=None, https_user=None, https_pass=None, refspec_branch='*', \
    refspec_tag='*', output_encoding=None, **kwargs";

const NO_HEAD: &str = "If you are unable to fix the remote repository, you can work around this by setting the 'branch' argument (which will \
    ensure that the named branch is created if it does not already exist).";

/// What a revision is at the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Branch,
    Tag,
    Hash,
}

/// The branch of the remote that the local one follows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Upstream {
    /// It is to follow this.
    Follows(String),
    /// It is to follow none.
    None,
    /// As it is.
    Any,
}

struct Latest<'a> {
    git: Git<'a>,
    args: &'a Args<'a>,
    is_test: bool,
    name: String,
    target: String,
    rev: String,
    branch: Option<String>,
    remote: String,
    credentials: Credentials,
    is_bare: bool,
    has_remote_head: bool,
    default_branch: Option<String>,
    /// The commit that is wanted and what it is there.
    wanted: Option<(String, Kind)>,
    upstream: Upstream,
    progress: Progress,
}

pub(super) fn latest(args: &Args, env: &StateEnv) -> StateAnswer {
    let (target, remote) = (
        args.text("target")?,
        args.optional_text("remote")?.unwrap_or_default(),
    );
    let rev = args.optional_text("rev")?.unwrap_or_default();
    let fault = if remote.is_empty() {
        Some("'remote' argument is required".to_owned())
    } else if target.is_empty() {
        Some("'target' argument is required".to_owned())
    } else if rev.is_empty() {
        Some(format!(
            "'{rev}' is not a valid value for the 'rev' argument"
        ))
    } else if !matches!(args.value("force_reset"), Value::Bool(_))
        && *args.value("force_reset") != json!("remote-changes")
    {
        Some("'force_reset' must be one of True, False, or 'remote-changes'".to_owned())
    } else if !target.starts_with('/') {
        Some(format!("target '{target}' is not an absolute path"))
    } else if Path::new(&target).is_file() {
        Some(format!(
            "Target '{target}' exists and is a regular file, cannot proceed"
        ))
    } else {
        None
    };
    let is_bare = args.flag("bare") || args.flag("mirror");
    if rev != "HEAD" && is_bare && fault.is_none() {
        return Ok(returned(
            false,
            "'rev' is not compatible with the 'mirror' and 'bare' arguments",
        ));
    }
    if let Some(fault) = fault {
        return Ok(returned(false, fault));
    }
    let mut latest = Latest {
        git: match git(args, env) {
            Ok(git) => git,
            Err(failure) => return Ok(returned(false, failure.to_string())),
        },
        args,
        is_test: env.is_test,
        name: args.text("name")?,
        target,
        rev,
        branch: args.optional_text("branch")?,
        remote,
        credentials: Credentials::of(args)?,
        is_bare,
        has_remote_head: false,
        default_branch: None,
        wanted: None,
        upstream: Upstream::None,
        progress: Progress::default(),
    };
    if let Err(fault) = latest.look_at_remote()? {
        return Ok(latest.progress.fail(fault));
    }
    let result = if is_checkout(&latest.git, &latest.target, is_bare) {
        latest.update()
    } else {
        latest.clone_anew()
    };
    Ok(match result {
        Ok(()) => latest.progress.done(),
        Err(Stop::Answer(answer)) => *answer,
        Err(Stop::Failure(failure)) => latest.progress.fail(said(failure)),
    })
}

/// Why the state ends before its last step.
enum Stop {
    Answer(Box<Return>),
    Failure(GitFailure),
}

impl From<Return> for Stop {
    fn from(answer: Return) -> Stop {
        Stop::Answer(Box::new(answer))
    }
}

impl From<GitFailure> for Stop {
    fn from(failure: GitFailure) -> Stop {
        Stop::Failure(failure)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failure(failure.into())
    }
}

/// What a step of the state gives.
type Step<T = ()> = Result<T, Stop>;

impl Latest<'_> {
    fn take(&mut self) -> Progress {
        std::mem::take(&mut self.progress)
    }

    fn fail(&mut self, text: impl Into<String>) -> Stop {
        self.take().fail(text).into()
    }

    fn resets(&self) -> bool {
        python::truthy(self.args.value("force_reset"))
    }

    /// Finds what the revision is at the remote. The inner error is the fault of the state.
    fn look_at_remote(&mut self) -> Result<Result<(), String>, Failure> {
        let url = match with_credentials(
            &self.name,
            self.credentials.pair().0,
            self.credentials.pair().1,
        ) {
            Ok(url) => url,
            Err(failure) => return Ok(Err(failure.to_string())),
        };
        let references = match self.git.remote_references("/", &[], &url) {
            Ok(references) => references,
            Err(failure) => {
                return Ok(Err(format!(
                    "Failed to check remote refs: {}",
                    failure.said()
                )));
            }
        };
        let find = |name: &str| {
            references
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, hash)| hash.clone())
        };
        let head = find("HEAD");
        self.has_remote_head = head.is_some();
        let at_head = references
            .iter()
            .find(|(name, hash)| name.starts_with("refs/heads/") && Some(hash) == head.as_ref());
        self.default_branch =
            at_head.map(|(name, _)| name.trim_start_matches("refs/heads/").to_owned());
        let depth = self.args.value("depth");
        if !self.is_bare {
            let rev = &self.rev;
            if rev == "HEAD" {
                self.wanted = head.map(|hash| (hash, Kind::Hash));
                self.upstream = if self.wanted.is_some() {
                    Upstream::Any
                } else {
                    Upstream::None
                };
            } else if let Some(hash) = find(&format!("refs/heads/{rev}")) {
                self.upstream = Upstream::Follows(format!("{}/{rev}", self.remote));
                self.wanted = Some((hash, Kind::Branch));
            } else if let Some(hash) =
                find(&format!("refs/tags/{rev}^{{}}")).or_else(|| find(&format!("refs/tags/{rev}")))
            {
                self.wanted = Some((hash, Kind::Tag));
            } else if let Some(hash) = as_hash(rev) {
                self.rev.clone_from(&hash);
                self.wanted = Some((hash, Kind::Hash));
            }
        }
        let is_named = matches!(self.wanted, Some((_, Kind::Branch | Kind::Tag)));
        if !depth.is_null() && !is_named {
            return Ok(Err(
                "When 'depth' is used, 'rev' must be set to the name of a branch or tag on the remote repository".to_owned()
            ));
        }
        if self.wanted.is_none() && !self.is_bare && self.rev != "HEAD" {
            return Ok(Err(format!(
                "No revision matching '{}' exists in the remote repository",
                self.rev
            )));
        }
        Ok(Ok(()))
    }

    /// The revision as comments name it.
    fn place(&self) -> String {
        match (&self.wanted, &self.upstream) {
            (Some((hash, Kind::Hash)), _) if self.rev == "HEAD" => {
                format!("remote HEAD ({})", short(hash))
            }
            (Some((hash, Kind::Hash)), _) => short(hash).to_owned(),
            (Some((hash, _)), Upstream::Follows(upstream)) => {
                format!("{upstream} ({})", short(hash))
            }
            (Some((hash, _)), _) => format!("{} ({})", self.rev, short(hash)),
            (None, _) => "None".to_owned(),
        }
    }

    fn capital_place(&self) -> String {
        let place = self.place();
        if self.rev == "HEAD" {
            place.replacen("remote HEAD", "Remote head", 1)
        } else {
            place
        }
    }

    /// Whether a commit is the one that is wanted.
    fn is_wanted(&self, commit: Option<&str>) -> bool {
        match (&self.wanted, commit) {
            (None, None) => true,
            (Some((wanted, Kind::Hash)), Some(commit)) => commit.starts_with(wanted.as_str()),
            (Some((wanted, _)), Some(commit)) => commit == wanted,
            _ => false,
        }
    }

    fn refspecs(&self) -> Result<Vec<String>, Failure> {
        if !self.args.flag("fetch_tags") {
            return Ok(Vec::new());
        }
        let (branches, tags) = (
            self.args.text("refspec_branch")?,
            self.args.text("refspec_tag")?,
        );
        let remote = &self.remote;
        Ok(vec![
            format!("refs/heads/{branches}:refs/remotes/{remote}/{branches}"),
            format!("+refs/tags/{tags}:refs/tags/{tags}"),
        ])
    }

    fn has_commit(&self, commit: &str) -> bool {
        self.git
            .rev_parse(&self.target, &format!("{commit}^{{commit}}"))
            .is_ok()
    }

    fn follows(&self, branch: &str) -> Option<String> {
        self.git
            .run(
                &self.target,
                &[
                    "rev-parse",
                    "--abbrev-ref",
                    &format!("{branch}@{{upstream}}"),
                ],
            )
            .ok()
    }

    fn up_to_date(&mut self, comments: &[String], has_local_changes: bool) -> Stop {
        let mut comment = format!("Repository {} is up-to-date", self.target);
        if has_local_changes {
            comment += ", but with uncommitted changes. Set 'force_reset' to True to purge uncommitted changes.";
        }
        if !comments.is_empty() {
            let would = if self.is_test { "that would be " } else { "" };
            comment += &format!("\n\nChanges {would}made: {}", sentences(comments));
        }
        self.take().answer(Some(true), comment).into()
    }

    /// Fetches from the remote; true when that brought something.
    fn fetch(&mut self) -> Step<bool> {
        let references = self.refspecs()?;
        match self.git.fetch(
            &self.target,
            self.args.flag("force_fetch"),
            &[],
            &self.remote,
            &references,
        ) {
            Ok(fetched) => Ok(!fetched.is_empty()),
            Err(failure) => {
                let text = format!(
                    "Fetch failed. Set 'force_fetch' to True to force the fetch if the failure was due to not being able to fast-forward. \
                     Output of the fetch command follows:\n\n{}",
                    failure.said()
                );
                Err(self.fail(text))
            }
        }
    }

    fn update_submodules(&mut self) -> Step {
        if self.args.flag("submodules")
            && let Err(failure) = self.git.update_submodules(&self.target)
        {
            return Err(self.fail(format!("Failed to update submodules: {}", failure.said())));
        }
        Ok(())
    }

    /// Sets what the branch at HEAD follows, by these words of `git branch`.
    fn set_upstream(&mut self, words: &[String], told: String) -> Step {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.git
            .run(&self.target, &[&["branch"], &words[..]].concat())?;
        self.progress.say(told);
        Ok(())
    }

    /// The words of `git branch` that set what the branch follows, and how that is told.
    fn follow(&self, upstream: Option<&str>, branches: &[String]) -> (Option<Vec<String>>, String) {
        let set = |wanted: &str| {
            // A branch that is checked out with that start follows it by itself.
            let is_new = self
                .branch
                .as_ref()
                .is_some_and(|branch| !branches.contains(branch));
            (!is_new).then(|| vec!["--set-upstream-to".to_owned(), wanted.to_owned()])
        };
        match (&self.upstream, upstream) {
            (Upstream::Follows(wanted), None) => {
                (set(wanted), format!("Tracking branch was set to {wanted}"))
            }
            (Upstream::None, Some(_)) => (
                Some(vec!["--unset-upstream".to_owned()]),
                "Tracking branch was unset".to_owned(),
            ),
            (Upstream::Follows(wanted), Some(now)) if wanted != now => (
                set(wanted),
                format!("Tracking branch was updated to {wanted}"),
            ),
            _ => (None, String::new()),
        }
    }

    /// Where a new branch starts.
    fn start_of_branch(&self, wanted: &str) -> String {
        match &self.upstream {
            _ if self.rev == "HEAD" => wanted.to_owned(),
            Upstream::Follows(upstream) => upstream.clone(),
            _ => self.rev.clone(),
        }
    }
}
