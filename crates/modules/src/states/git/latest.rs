//! `git.latest`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{
    Args, Credentials, Failure, Progress, Return, StateAnswer, StateEnv, as_hash, git, is_checkout,
    make_room, returned, said, sentences, short,
};
use crate::git::{Git, GitFailure, redacted, with_credentials};
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
        Ok(Some(answer)) => answer,
        Ok(None) => latest.progress.done(),
        Err(failure) => latest.progress.fail(said(failure)),
    })
}

/// An answer that ends the state early; none goes on.
type Step = Result<Option<Return>, GitFailure>;

impl Latest<'_> {
    fn take(&mut self) -> Progress {
        std::mem::take(&mut self.progress)
    }

    fn fail(&mut self, text: impl Into<String>) -> Step {
        Ok(Some(self.take().fail(text)))
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

    fn up_to_date(&mut self, comments: &[String], has_local_changes: bool) -> Step {
        let mut comment = format!("Repository {} is up-to-date", self.target);
        if has_local_changes {
            comment += ", but with uncommitted changes. Set 'force_reset' to True to purge uncommitted changes.";
        }
        if !comments.is_empty() {
            let would = if self.is_test { "that would be " } else { "" };
            comment += &format!("\n\nChanges {would}made: {}", sentences(comments));
        }
        Ok(Some(self.take().answer(Some(true), comment)))
    }

    fn fetch(&mut self) -> Result<Result<bool, Return>, GitFailure> {
        let references = self.refspecs()?;
        match self.git.fetch(
            &self.target,
            self.args.flag("force_fetch"),
            &[],
            &self.remote,
            &references,
        ) {
            Ok(fetched) => Ok(Ok(!fetched.is_empty())),
            Err(failure) => {
                let text = format!(
                    "Fetch failed. Set 'force_fetch' to True to force the fetch if the failure was due to not being able to fast-forward. \
                     Output of the fetch command follows:\n\n{}",
                    failure.said()
                );
                Ok(Err(self.take().fail(text)))
            }
        }
    }

    fn update_submodules(&mut self) -> Step {
        if self.args.flag("submodules")
            && let Err(failure) = self.git.update_submodules(&self.target)
        {
            return self.fail(format!("Failed to update submodules: {}", failure.said()));
        }
        Ok(None)
    }

    /// Brings a checkout that is there to the revision.
    fn update(&mut self) -> Step {
        let target = self.target.clone();
        if self.is_bare {
            return self.update_bare();
        }
        let branches = self.git.branches(&target, false)?;
        let local_rev = self.git.revision(&target).ok();
        let local_branch = self.git.current_branch(&target).ok();
        let Some((wanted, kind)) = self.wanted.clone() else {
            if local_rev.is_some() {
                return self.fail("Remote repository is empty, cannot update from a non-empty to an empty repository");
            }
            return self.up_to_date(&[], false);
        };
        let new_branch = self
            .branch
            .clone()
            .filter(|branch| Some(branch) != local_branch.as_ref());
        let (mut base_rev, mut base_branch) = (local_rev.clone(), local_branch.clone());
        if let Some(branch) = &new_branch {
            if branches.contains(branch) {
                base_branch = Some(branch.clone());
                match self.git.rev_parse(&target, &format!("{branch}^{{commit}}")) {
                    Ok(commit) => base_rev = Some(commit),
                    Err(failure) => {
                        return self.fail(format!(
                            "Unable to get position of local branch '{branch}': {}",
                            failure.said()
                        ));
                    }
                }
            } else {
                base_rev = Some(wanted.clone());
            }
        }
        let matches = self.is_wanted(local_rev.as_deref());
        let has_changes = self
            .git
            .run(&target, &["diff", "HEAD"])
            .is_ok_and(|diff| !diff.is_empty());
        let force_reset = self.args.value("force_reset").clone();
        if has_changes && matches {
            if force_reset != json!(true) {
                let comments = self.progress.comments.clone();
                return self.up_to_date(&comments, true);
            }
            if self.is_test {
                self.progress.note("forced update", true);
                return Ok(Some(self.take().would(format!(
                    "{target} is up-to-date, but with uncommitted changes. Since 'force_reset' is set to True, these local changes would be \
                     reset. To only reset when there are changes in the remote repository, set 'force_reset' to 'remote-changes'."
                ))));
            }
        }
        let tags: BTreeSet<String> = self.git.tags(&target)?.into_iter().collect();
        let mut has_wanted = match kind {
            Kind::Hash => {
                base_rev
                    .as_ref()
                    .is_some_and(|base| base.starts_with(&wanted))
                    || self.has_commit(&wanted)
            }
            Kind::Branch => {
                let copy = self
                    .git
                    .rev_parse(&target, &format!("{}/{}", self.remote, self.rev))
                    .ok();
                self.has_commit(&wanted) && copy.as_ref() == Some(&wanted)
            }
            Kind::Tag if self.has_commit(&wanted) && tags.contains(&self.rev) => {
                let local = self
                    .git
                    .rev_parse(&target, &format!("{}^{{commit}}", self.rev))
                    .ok();
                if local.as_ref() != Some(&wanted) && !self.resets() {
                    let text = format!(
                        "'{}' is a tag, but the remote SHA1 for this tag ({}) doesn't match the local SHA1 ({}). Set 'force_reset' to True \
                         to force this update.",
                        self.rev,
                        short(&wanted),
                        local.as_deref().map_or("None", short)
                    );
                    return self.fail(text);
                }
                local.as_ref() == Some(&wanted)
            }
            Kind::Tag => false,
        };
        let keeps_head = !matches && !self.args.flag("update_head") && new_branch.is_none();
        let mut forward = (has_changes && force_reset != json!("remote-changes")).then_some(false);
        if has_wanted {
            if keeps_head {
                return self.head_stays(local_rev.as_deref());
            }
            if forward.is_none() {
                forward = Some(
                    base_rev
                        .as_ref()
                        .is_none_or(|base| self.git.is_ancestor(&target, base, &wanted)),
                );
            }
        }
        if forward == Some(false) && force_reset == json!(false) {
            return self.not_forward(base_rev.as_deref(), local_branch.as_deref(), has_changes);
        }
        let upstream = base_branch.as_ref().and_then(|branch| self.follows(branch));
        let known_url = self
            .git
            .remotes(&target)?
            .remove(&self.remote)
            .map(|remote| remote.fetch);
        let url = with_credentials(
            &self.name,
            self.credentials.pair().0,
            self.credentials.pair().1,
        )?;
        let merged = match forward {
            Some(false) => "hard-reset",
            Some(true) => "fast-forwarded",
            None => "updated",
        };
        let is_other_url = known_url.as_ref() != Some(&url);
        let shown_url = known_url
            .as_deref()
            .map_or_else(|| "None".to_owned(), redacted);
        if self.is_test {
            let mut actions = Vec::new();
            if is_other_url {
                actions.push(format!(
                    "Remote '{}' would be changed from {shown_url} to {}",
                    self.remote,
                    redacted(&url)
                ));
                if !has_wanted {
                    actions.push("Remote would be fetched".to_owned());
                }
                if !matches && self.args.flag("update_head") {
                    self.progress
                        .note("revision", json!({"old": local_rev, "new": wanted}));
                    if forward == Some(false) {
                        self.progress.note("forced update", true);
                    }
                    actions.push(format!(
                        "Repository would be {merged} to {}",
                        short(&wanted)
                    ));
                }
            } else {
                self.foretell(
                    &mut actions,
                    &wanted,
                    local_rev.as_deref(),
                    &branches,
                    new_branch.as_deref(),
                    (has_wanted, matches, forward),
                );
                self.foretell_upstream(&mut actions, upstream.as_deref());
            }
            if !self.progress.changes.is_empty() {
                return Ok(Some(self.take().would(sentences(&actions))));
            }
            if !matches && !self.args.flag("update_head") && !actions.is_empty() {
                return Ok(Some(self.take().answer(Some(true), sentences(&actions))));
            }
            return self.up_to_date(&actions, false);
        }
        if is_other_url {
            self.git
                .set_remote(&target, &self.remote, &self.name, self.credentials.pair())?;
            if known_url.is_none() {
                self.progress.say(format!(
                    "Remote '{}' set to {}",
                    self.remote,
                    redacted(&url)
                ));
                self.progress
                    .note("new", format!("{} => {}", self.name, self.remote));
            } else {
                self.progress.say(format!(
                    "Remote '{}' changed from {shown_url} to {}",
                    self.remote,
                    redacted(&url)
                ));
            }
        }
        let (follow, told) = self.follow(upstream.as_deref(), &branches);
        if follow.is_some() && local_branch.is_none() {
            return self.fail(format!(
                "Cannot set/unset upstream tracking branch, local HEAD refers to nonexistent branch. This may have been caused by cloning a \
                 remote repository for which the default branch was renamed or deleted. {NO_HEAD}"
            ));
        }
        has_wanted &= !self.sync_tags(&tags)?;
        if !has_wanted {
            match self.fetch()? {
                Ok(true) => self.progress.say(format!(
                    "{} was fetched, resulting in updated refs",
                    self.name
                )),
                Ok(false) => {}
                Err(answer) => return Ok(Some(answer)),
            }
            if let Err(failure) = self.git.rev_parse(&target, &format!("{wanted}^{{commit}}")) {
                let text = format!(
                    "Fetch did not successfully retrieve rev '{}' from {}: {failure}",
                    self.rev, self.name
                );
                self.progress.comments.clear();
                return self.fail(text);
            }
            if keeps_head {
                return self.head_stays(local_rev.as_deref());
            }
            forward = Some(
                base_rev
                    .as_ref()
                    .is_none_or(|base| self.git.is_ancestor(&target, base, &wanted)),
            );
            if force_reset == json!(false) && (forward == Some(false) || has_changes) {
                return self.not_forward(base_rev.as_deref(), local_branch.as_deref(), has_changes);
            }
        }
        if let Some(branch) = &new_branch {
            if has_changes && !self.args.flag("force_checkout") {
                self.progress.comments.clear();
                let local = local_branch.unwrap_or_default();
                return self.fail(format!(
                    "Local branch '{local}' has uncommitted changes. Set 'force_checkout' to True to discard them and proceed."
                ));
            }
            self.checkout(branch, &branches, &wanted)?;
        }
        if forward == Some(false) {
            self.git.run(&target, &["reset", "--hard", &wanted])?;
            self.progress.note("forced update", true);
            if has_changes {
                self.progress.say("Uncommitted changes were discarded");
            }
            self.progress
                .say(format!("Repository was hard-reset to {}", self.place()));
        } else if has_changes && self.resets() {
            self.git.run(&target, &["reset", "--hard", "HEAD"])?;
            self.progress.say("Uncommitted changes were discarded");
        }
        if let Some(words) = follow {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.git.run(&target, &[&["branch"], &words[..]].concat())?;
            self.progress.say(told);
        }
        if forward == Some(true) && !self.is_wanted(base_rev.as_deref()) {
            if self.rev == "HEAD" || matches!(self.upstream, Upstream::Follows(_)) {
                if self
                    .git
                    .run(&target, &["symbolic-ref", "--quiet", "HEAD"])
                    .is_err()
                {
                    return self.fail("Unable to fast-forward, HEAD is detached");
                }
                self.git
                    .run_merged(&target, &["merge", "--ff-only", &wanted])?;
                self.progress
                    .say(format!("Repository was fast-forwarded to {}", self.place()));
            } else {
                self.git.run(&target, &["reset", "--hard", &self.rev])?;
                self.progress.say(format!(
                    "Repository was reset to {} (fast-forward)",
                    self.rev
                ));
            }
        }
        if let Some(answer) = self.update_submodules()? {
            return Ok(Some(answer));
        }
        let new_rev = self.git.revision(&target).ok();
        if !self.is_wanted(new_rev.as_deref()) {
            return self.fail("Failed to update repository");
        }
        self.finish(local_rev, new_rev)
    }

    fn finish(&mut self, old: Option<String>, new: Option<String>) -> Step {
        if old == new {
            let comments = self.progress.comments.clone();
            return self.up_to_date(&comments, false);
        }
        self.progress
            .note("revision", json!({"old": old, "new": new}));
        Ok(None)
    }

    fn update_bare(&mut self) -> Step {
        let target = self.target.clone();
        let old = self.git.revision(&target).ok();
        if self.is_test {
            let told = format!("Bare repository at {target} would be fetched");
            return self.up_to_date(&[told], false);
        }
        match self.fetch()? {
            Ok(is_updated) => {
                let updated = if is_updated {
                    ", resulting in updated refs"
                } else {
                    ""
                };
                self.progress
                    .say(format!("Bare repository at {target} was fetched{updated}"));
            }
            Err(answer) => return Ok(Some(answer)),
        }
        let new = self.git.revision(&target).ok();
        self.finish(old, new)
    }

    fn head_stays(&mut self, local_rev: Option<&str>) -> Step {
        let comment = format!(
            "{} is already present and local HEAD ({}) does not match, but update_head=False. HEAD has not been updated locally.",
            self.capital_place(),
            short(local_rev.unwrap_or_default())
        );
        Ok(Some(self.take().answer(Some(true), comment)))
    }

    fn not_forward(
        &mut self,
        base: Option<&str>,
        local_branch: Option<&str>,
        has_changes: bool,
    ) -> Step {
        let wanted = self
            .wanted
            .as_ref()
            .map(|(hash, _)| hash.clone())
            .unwrap_or_default();
        let (before, after) = (base.map(short), short(&wanted));
        let local = local_branch.unwrap_or("None");
        let advice = match (&self.branch, &self.default_branch) {
            (Some(_), _) => String::new(),
            (None, _) if self.rev != "HEAD" && self.rev != local => format!(
                " The desired rev ({0}) differs from the name of the local branch ({local}), if the desired rev is a branch name then a forced \
                 update could possibly be avoided by setting the 'branch' argument to '{0}' instead.",
                self.rev
            ),
            (None, Some(default)) if self.rev == "HEAD" && default != local => format!(
                " The default remote branch ({default}) differs from the local branch ({local}). This could be caused by changing the default \
                 remote branch, or if the local branch was manually changed. Rather than forcing an update, it may be advisable to set the \
                 'branch' argument to '{default}' instead. To ensure that this state follows the '{default}' branch instead of the remote \
                 HEAD, set the 'rev' argument to '{default}'."
            ),
            _ => String::new(),
        };
        let range = match before {
            Some(before) if has_changes && before != after => format!("from {before} to {after}"),
            _ => format!("to {after}"),
        };
        let checked_out = match &self.branch {
            Some(branch) if branch != local => {
                format!(" (after checking out local branch '{branch}')")
            }
            _ => String::new(),
        };
        let (reason, or, discard) = if has_changes {
            (
                "there are uncommitted changes",
                " (or 'remote-changes')",
                " and discard these changes",
            )
        } else {
            ("this is not a fast-forward merge", "", "")
        };
        self.fail(format!(
            "Repository would be updated {range}{checked_out}, but {reason}. Set 'force_reset' to True{or} to force this \
             update{discard}.{advice}"
        ))
    }

    fn foretell(
        &mut self,
        actions: &mut Vec<String>,
        wanted: &str,
        local_rev: Option<&str>,
        branches: &[String],
        new_branch: Option<&str>,
        (has_wanted, matches, forward): (bool, bool, Option<bool>),
    ) {
        let local = local_rev.map_or("None", short);
        if !has_wanted {
            actions.push(format!("Remote '{}' would be fetched", self.remote));
        }
        if !matches && (self.args.flag("update_head") || new_branch.is_some()) {
            self.progress
                .note("revision", json!({"old": local_rev, "new": wanted}));
        }
        let merged = match forward {
            Some(false) => "hard-reset",
            Some(true) => "fast-forwarded",
            None => "updated",
        };
        match new_branch {
            Some(branch) if branches.iter().any(|known| known == branch) => {
                actions.push(format!("Branch '{branch}' would be checked out and {merged} to {}", short(wanted)));
            }
            Some(branch) => {
                actions.push(format!("New branch '{branch}' would be checked out, with {} as a starting point", self.place()));
                if let Upstream::Follows(upstream) = &self.upstream {
                    actions.push(format!("Tracking branch would be set to {upstream}"));
                }
            }
            None if matches => {}
            None if !self.args.flag("update_head") => actions.push(format!(
                "Local HEAD ({local}) does not match {} but update_head=False, HEAD would not be updated locally",
                self.place()
            )),
            None => {
                let merged = match forward {
                    Some(true) => "fast-forwarded",
                    _ if self.resets() && has_wanted => "hard-reset",
                    _ => "updated",
                };
                actions.push(format!("Repository would be {merged} from {local} to {}", short(wanted)));
            }
        }
    }

    fn foretell_upstream(&self, actions: &mut Vec<String>, upstream: Option<&str>) {
        match (&self.upstream, upstream) {
            (Upstream::Follows(wanted), None) => {
                actions.push(format!("Tracking branch would be set to {wanted}"))
            }
            (Upstream::None, Some(_)) => actions.push("Tracking branch would be unset".to_owned()),
            (Upstream::Follows(wanted), Some(now)) if wanted != now => {
                actions.push(format!("Tracking branch would be updated to {wanted}"));
            }
            _ => {}
        }
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

    /// Deletes local tags that the remote has not; true when the tags differ.
    fn sync_tags(&mut self, local: &BTreeSet<String>) -> Result<bool, GitFailure> {
        let told = self
            .git
            .remote_references(&self.target, &["--tags"], &self.remote)?;
        let names = told
            .iter()
            .filter(|(name, _)| !name.ends_with("^{}"))
            .map(|(name, _)| name.trim_start_matches("refs/tags/").to_owned());
        let remote: BTreeSet<String> = names.collect();
        if remote == *local {
            return Ok(false);
        }
        let new: Vec<&String> = remote.difference(local).collect();
        if !new.is_empty() {
            self.progress.note("new_tags", json!(new));
        }
        let mut deleted = Vec::new();
        if self.args.flag("sync_tags") {
            for tag in local.difference(&remote) {
                match self.git.run(&self.target, &["tag", "-d", tag]) {
                    Ok(_) => deleted.push(tag.clone()),
                    Err(failure) => self.progress.warnings.push(format!(
                        "Failed to remove local tag '{tag}':\n\n{failure}\n\n"
                    )),
                }
            }
        }
        if !deleted.is_empty() {
            self.progress.say(format!(
                "The following tags were removed from the local checkout: {}",
                deleted.join(", ")
            ));
            self.progress.note("deleted_tags", json!(deleted));
        }
        Ok(true)
    }

    /// Where a new branch starts.
    fn start_of_branch(&self, wanted: &str) -> String {
        match &self.upstream {
            _ if self.rev == "HEAD" => wanted.to_owned(),
            Upstream::Follows(upstream) => upstream.clone(),
            _ => self.rev.clone(),
        }
    }

    fn checkout(
        &mut self,
        branch: &str,
        branches: &[String],
        wanted: &str,
    ) -> Result<(), GitFailure> {
        let mut words = vec!["checkout"];
        if self.args.flag("force_checkout") {
            words.push("--force");
        }
        if branches.iter().any(|known| known == branch) {
            words.push(branch);
            self.git.run_merged(&self.target, &words)?;
            self.progress.say(format!("'{branch}' was checked out"));
        } else {
            let start = self.start_of_branch(wanted);
            words.extend(["-b", branch, &start]);
            self.git.run_merged(&self.target, &words)?;
            self.progress.say(format!(
                "New branch '{branch}' was checked out, with {} as a starting point",
                self.place()
            ));
        }
        Ok(())
    }

    /// Clones where there is no checkout.
    fn clone_anew(&mut self) -> Step {
        let (name, target) = (self.name.clone(), self.target.clone());
        match make_room(
            &target,
            &name,
            self.args.flag("force_clone"),
            self.is_test,
            &mut self.progress,
        ) {
            Ok(None) => {}
            Ok(Some(told)) => {
                self.progress.note("forced clone", true);
                self.progress.note("new", format!("{name} => {target}"));
                return Ok(Some(self.take().would(told)));
            }
            Err(fault) => return self.fail(fault),
        }
        self.progress.note("new", format!("{name} => {target}"));
        if self.is_test {
            return Ok(Some(
                self.take()
                    .would(format!("Repository {name} would be cloned to {target}")),
            ));
        }
        let depth = self.args.optional_text("depth")?;
        let mut options: Vec<&str> = Vec::new();
        let kind = match (self.args.flag("mirror"), self.is_bare) {
            (true, _) => "mirror",
            (_, true) => "bare",
            _ => "",
        };
        match kind {
            "mirror" => options.push("--mirror"),
            "bare" => options.push("--bare"),
            _ => {}
        }
        if self.remote != "origin" {
            options.extend(["--origin", &self.remote]);
        }
        if let Some(depth) = &depth {
            options.extend(["--depth", depth, "--branch", &self.rev]);
        }
        let url = with_credentials(&name, self.credentials.pair().0, self.credentials.pair().1)?;
        if let Err(failure) = self.git.clone_to(&target, &url, &options) {
            self.progress.changes.shift_remove("new");
            return self.fail(format!("Clone failed: {}", failure.said()));
        }
        let how = match kind {
            "mirror" => " as mirror",
            "bare" => " as bare repository",
            _ => "",
        };
        self.progress.say(format!("{name} cloned to {target}{how}"));
        if let Some((wanted, kind)) = self.wanted.clone()
            && let Some(answer) = self.set_up_clone(&wanted, kind)?
        {
            return Ok(Some(answer));
        }
        if let Ok(new) = self.git.revision(&target) {
            self.progress
                .note("revision", json!({"old": null, "new": new}));
        }
        Ok(None)
    }

    /// Brings a fresh clone to the branch and the revision.
    fn set_up_clone(&mut self, wanted: &str, kind: Kind) -> Step {
        let target = self.target.clone();
        if kind == Kind::Tag && !self.git.tags(&target)?.contains(&self.rev) {
            return self.fail(format!("Revision '{}' does not exist in clone", self.rev));
        }
        if let Some(branch) = self.branch.clone()
            && !self.git.branches(&target, false)?.contains(&branch)
        {
            let start = self.start_of_branch(wanted);
            self.git
                .run_merged(&target, &["checkout", "-b", &branch, &start])?;
            self.progress.say(format!(
                "Branch '{branch}' checked out, with {} as a starting point",
                self.place()
            ));
        }
        let local_rev = self.git.revision(&target).ok();
        let local_branch = self.git.current_branch(&target).ok();
        if local_branch.is_none() && !self.has_remote_head {
            return self.fail(format!(
                "Remote HEAD refers to a ref that does not exist. This can happen when the default branch on the remote repository is renamed \
                 or deleted. {NO_HEAD}"
            ));
        }
        if !self.is_wanted(local_rev.as_deref()) {
            self.git.run(&target, &["reset", "--hard", wanted])?;
            self.progress
                .say(format!("Repository was reset to {}", self.place()));
        }
        let upstream = local_branch
            .as_ref()
            .and_then(|branch| self.follows(branch));
        let branches = self.git.branches(&target, false)?;
        if let (Some(words), told) = self.follow(upstream.as_deref(), &branches) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.git.run(&target, &[&["branch"], &words[..]].concat())?;
            self.progress.say(told);
        }
        self.update_submodules()
    }
}
