//! A checkout that is there is brought to the revision.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Kind, Latest, NO_HEAD, Step, Upstream};
use crate::git::{GitFailure, redacted, with_credentials};
use crate::states::git::short;

/// A checkout as it was found.
pub(super) struct Found {
    /// The commit at HEAD, where there is one.
    pub(super) head: Option<String>,
    /// The branch at HEAD, where it is at one.
    pub(super) branch: Option<String>,
    pub(super) branches: Vec<String>,
    /// The branch that is wanted and is not at HEAD.
    pub(super) new_branch: Option<String>,
    /// The commit that is brought to the wanted one.
    pub(super) base: Option<String>,
    /// The branch that is brought there.
    base_branch: Option<String>,
    /// HEAD is at the wanted commit.
    pub(super) is_current: bool,
    /// There are uncommitted changes.
    pub(super) has_changes: bool,
}

/// What an update has to do.
pub(super) struct Plan {
    pub(super) wanted: String,
    /// The wanted commit is there and need not be fetched.
    pub(super) has_wanted: bool,
    /// Whether the wanted commit follows what is there; unknown before it is fetched.
    pub(super) forward: Option<bool>,
    /// What the branch follows now.
    pub(super) upstream: Option<String>,
    known_url: Option<String>,
    pub(super) url: String,
}

impl Plan {
    pub(super) fn verb(&self) -> &'static str {
        match self.forward {
            Some(false) => "hard-reset",
            Some(true) => "fast-forwarded",
            None => "updated",
        }
    }

    pub(super) fn changes_url(&self) -> bool {
        self.known_url.as_ref() != Some(&self.url)
    }

    /// The URL that the remote has now.
    pub(super) fn shown_url(&self) -> String {
        self.known_url
            .as_deref()
            .map_or_else(|| "None".to_owned(), redacted)
    }
}

impl Latest<'_> {
    /// Brings a checkout that is there to the revision.
    pub(super) fn update(&mut self) -> Step {
        if self.is_bare {
            return self.update_bare();
        }
        let branches = self.git.branches(&self.target, false)?;
        let head = self.git.revision(&self.target).ok();
        let Some((wanted, kind)) = self.wanted.clone() else {
            return Err(if head.is_some() {
                self.fail("Remote repository is empty, cannot update from a non-empty to an empty repository")
            } else {
                self.up_to_date(&[], false)
            });
        };
        let found = self.examine(branches, head, &wanted)?;
        self.judge_changes(&found)?;
        let tags: BTreeSet<String> = self.git.tags(&self.target)?.into_iter().collect();
        let has_wanted = self.has_wanted(&found, &wanted, kind, &tags)?;
        let mut plan = self.plan(&found, wanted, has_wanted)?;
        if self.is_test {
            return Err(self.foretell(&found, &plan));
        }
        if plan.changes_url() {
            self.set_url(&plan)?;
        }
        let (follow, told) = self.follow(plan.upstream.as_deref(), &found.branches);
        if follow.is_some() && found.branch.is_none() {
            return Err(self.fail(format!(
                "Cannot set/unset upstream tracking branch, local HEAD refers to nonexistent branch. This may have been caused by cloning a \
                 remote repository for which the default branch was renamed or deleted. {NO_HEAD}"
            )));
        }
        plan.has_wanted &= !self.sync_tags(&tags)?;
        if !plan.has_wanted {
            self.fetch_wanted(&found, &mut plan)?;
        }
        if let Some(branch) = &found.new_branch {
            self.switch(branch, &found, &plan.wanted)?;
        }
        self.reset(&found, &plan)?;
        if let Some(words) = follow {
            self.set_upstream(&words, told)?;
        }
        if plan.forward == Some(true) && !self.is_wanted(found.base.as_deref()) {
            self.fast_forward(&plan.wanted)?;
        }
        self.update_submodules()?;
        let new = self.git.revision(&self.target).ok();
        if !self.is_wanted(new.as_deref()) {
            return Err(self.fail("Failed to update repository"));
        }
        self.finish(found.head, new)
    }

    /// Looks at what of the checkout an update is about.
    fn examine(
        &mut self,
        branches: Vec<String>,
        head: Option<String>,
        wanted: &str,
    ) -> Step<Found> {
        let branch = self.git.current_branch(&self.target).ok();
        let new_branch = self
            .branch
            .clone()
            .filter(|new| Some(new) != branch.as_ref());
        let (mut base, mut base_branch) = (head.clone(), branch.clone());
        if let Some(new) = &new_branch {
            if branches.contains(new) {
                base_branch = Some(new.clone());
                match self
                    .git
                    .rev_parse(&self.target, &format!("{new}^{{commit}}"))
                {
                    Ok(commit) => base = Some(commit),
                    Err(failure) => {
                        return Err(self.fail(format!(
                            "Unable to get position of local branch '{new}': {}",
                            failure.said()
                        )));
                    }
                }
            } else {
                base = Some(wanted.to_owned());
            }
        }
        let diff = self.git.run(&self.target, &["diff", "HEAD"]);
        Ok(Found {
            is_current: self.is_wanted(head.as_deref()),
            has_changes: diff.is_ok_and(|diff| !diff.is_empty()),
            head,
            branch,
            branches,
            new_branch,
            base,
            base_branch,
        })
    }

    /// Ends the state where uncommitted changes are all that is to be told.
    fn judge_changes(&mut self, found: &Found) -> Step {
        if !found.has_changes || !found.is_current {
            return Ok(());
        }
        if *self.args.value("force_reset") != json!(true) {
            let comments = self.progress.comments.clone();
            return Err(self.up_to_date(&comments, true));
        }
        if self.is_test {
            self.progress.note("forced update", true);
            let told = format!(
                "{} is up-to-date, but with uncommitted changes. Since 'force_reset' is set to True, these local changes would be \
                 reset. To only reset when there are changes in the remote repository, set 'force_reset' to 'remote-changes'.",
                self.target
            );
            return Err(self.take().would(told).into());
        }
        Ok(())
    }

    /// Whether the wanted commit is there under the name by which it is wanted.
    fn has_wanted(
        &mut self,
        found: &Found,
        wanted: &str,
        kind: Kind,
        tags: &BTreeSet<String>,
    ) -> Step<bool> {
        let commit_of = |name: &str| self.git.rev_parse(&self.target, name).ok();
        Ok(match kind {
            Kind::Hash => {
                let base = found.base.as_ref();
                base.is_some_and(|base| base.starts_with(wanted)) || self.has_commit(wanted)
            }
            Kind::Branch => {
                let copy = commit_of(&format!("{}/{}", self.remote, self.rev));
                self.has_commit(wanted) && copy.as_deref() == Some(wanted)
            }
            Kind::Tag if self.has_commit(wanted) && tags.contains(&self.rev) => {
                let local = commit_of(&format!("{}^{{commit}}", self.rev));
                let is_same = local.as_deref() == Some(wanted);
                if !is_same && !self.resets() {
                    return Err(self.fail(format!(
                        "'{}' is a tag, but the remote SHA1 for this tag ({}) doesn't match the local SHA1 ({}). Set 'force_reset' to True \
                         to force this update.",
                        self.rev,
                        short(wanted),
                        local.as_deref().map_or("None", short)
                    )));
                }
                is_same
            }
            Kind::Tag => false,
        })
    }

    /// Whether HEAD stays where it is though that is not where the revision is.
    fn keeps_head(&self, found: &Found) -> bool {
        !found.is_current && !self.args.flag("update_head") && found.new_branch.is_none()
    }

    fn is_forward(&self, found: &Found, wanted: &str) -> bool {
        let is_ancestor = |base: &String| self.git.is_ancestor(&self.target, base, wanted);
        found.base.as_ref().is_none_or(is_ancestor)
    }

    /// Finds what is to be done. Ends the state where nothing may be done.
    fn plan(&mut self, found: &Found, wanted: String, has_wanted: bool) -> Step<Plan> {
        let force_reset = self.args.value("force_reset").clone();
        let mut forward =
            (found.has_changes && force_reset != json!("remote-changes")).then_some(false);
        if has_wanted {
            if self.keeps_head(found) {
                return Err(self.head_stays(found));
            }
            forward = forward.or_else(|| Some(self.is_forward(found, &wanted)));
        }
        if forward == Some(false) && force_reset == json!(false) {
            return Err(self.not_forward(found));
        }
        let upstream = found
            .base_branch
            .as_ref()
            .and_then(|branch| self.follows(branch));
        let known_url = self
            .git
            .remotes(&self.target)?
            .remove(&self.remote)
            .map(|remote| remote.fetch);
        let (user, password) = self.credentials.pair();
        Ok(Plan {
            wanted,
            has_wanted,
            forward,
            upstream,
            known_url,
            url: with_credentials(&self.name, user, password)?,
        })
    }

    fn set_url(&mut self, plan: &Plan) -> Step {
        self.git.set_remote(
            &self.target,
            &self.remote,
            &self.name,
            self.credentials.pair(),
        )?;
        let (remote, url) = (&self.remote, redacted(&plan.url));
        if plan.known_url.is_none() {
            self.progress.say(format!("Remote '{remote}' set to {url}"));
            self.progress
                .note("new", format!("{} => {remote}", self.name));
        } else {
            self.progress.say(format!(
                "Remote '{remote}' changed from {} to {url}",
                plan.shown_url()
            ));
        }
        Ok(())
    }

    /// Fetches the wanted commit, and judges the update by it.
    fn fetch_wanted(&mut self, found: &Found, plan: &mut Plan) -> Step {
        if self.fetch()? {
            self.progress.say(format!(
                "{} was fetched, resulting in updated refs",
                self.name
            ));
        }
        let commit = format!("{}^{{commit}}", plan.wanted);
        if let Err(failure) = self.git.rev_parse(&self.target, &commit) {
            let text = format!(
                "Fetch did not successfully retrieve rev '{}' from {}: {failure}",
                self.rev, self.name
            );
            self.progress.comments.clear();
            return Err(self.fail(text));
        }
        if self.keeps_head(found) {
            return Err(self.head_stays(found));
        }
        let is_forward = self.is_forward(found, &plan.wanted);
        plan.forward = Some(is_forward);
        if *self.args.value("force_reset") == json!(false) && (!is_forward || found.has_changes) {
            return Err(self.not_forward(found));
        }
        Ok(())
    }

    /// Checks the wanted branch out, if nothing is lost by that.
    fn switch(&mut self, branch: &str, found: &Found, wanted: &str) -> Step {
        if found.has_changes && !self.args.flag("force_checkout") {
            self.progress.comments.clear();
            let local = found.branch.as_deref().unwrap_or_default();
            return Err(self.fail(format!(
                "Local branch '{local}' has uncommitted changes. Set 'force_checkout' to True to discard them and proceed."
            )));
        }
        Ok(self.checkout(branch, &found.branches, wanted)?)
    }

    /// Drops what is in the way.
    fn reset(&mut self, found: &Found, plan: &Plan) -> Step {
        if plan.forward == Some(false) {
            self.git
                .run(&self.target, &["reset", "--hard", &plan.wanted])?;
            self.progress.note("forced update", true);
            if found.has_changes {
                self.progress.say("Uncommitted changes were discarded");
            }
            self.progress
                .say(format!("Repository was hard-reset to {}", self.place()));
        } else if found.has_changes && self.resets() {
            self.git.run(&self.target, &["reset", "--hard", "HEAD"])?;
            self.progress.say("Uncommitted changes were discarded");
        }
        Ok(())
    }

    fn fast_forward(&mut self, wanted: &str) -> Step {
        if self.rev != "HEAD" && !matches!(self.upstream, Upstream::Follows(_)) {
            self.git
                .run(&self.target, &["reset", "--hard", &self.rev])?;
            self.progress.say(format!(
                "Repository was reset to {} (fast-forward)",
                self.rev
            ));
            return Ok(());
        }
        let symbolic = ["symbolic-ref", "--quiet", "HEAD"];
        if self.git.run(&self.target, &symbolic).is_err() {
            return Err(self.fail("Unable to fast-forward, HEAD is detached"));
        }
        self.git
            .run_merged(&self.target, &["merge", "--ff-only", wanted])?;
        self.progress
            .say(format!("Repository was fast-forwarded to {}", self.place()));
        Ok(())
    }

    fn finish(&mut self, old: Option<String>, new: Option<String>) -> Step {
        if old == new {
            let comments = self.progress.comments.clone();
            return Err(self.up_to_date(&comments, false));
        }
        self.progress
            .note("revision", json!({"old": old, "new": new}));
        Ok(())
    }

    fn update_bare(&mut self) -> Step {
        let target = self.target.clone();
        let old = self.git.revision(&target).ok();
        if self.is_test {
            let told = format!("Bare repository at {target} would be fetched");
            return Err(self.up_to_date(&[told], false));
        }
        let updated = if self.fetch()? {
            ", resulting in updated refs"
        } else {
            ""
        };
        self.progress
            .say(format!("Bare repository at {target} was fetched{updated}"));
        let new = self.git.revision(&target).ok();
        self.finish(old, new)
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
}
