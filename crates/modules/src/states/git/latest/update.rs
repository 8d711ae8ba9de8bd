//! A checkout that is there is brought to the revision.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Kind, Latest, NO_HEAD, Step, Upstream};
use crate::git::{GitFailure, redacted, with_credentials};
use crate::states::git::{sentences, short};

impl Latest<'_> {
    /// Brings a checkout that is there to the revision.
    pub(super) fn update(&mut self) -> Step {
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
