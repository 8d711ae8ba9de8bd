//! A clone where there is no checkout.

use serde_json::json;

use super::{Kind, Latest, NO_HEAD, Step};
use crate::git::with_credentials;
use crate::states::git::make_room;

impl Latest<'_> {
    /// Clones where there is no checkout.
    pub(super) fn clone_anew(&mut self) -> Step {
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
                return Err(self.take().would(told).into());
            }
            Err(fault) => return Err(self.fail(fault)),
        }
        self.progress.note("new", format!("{name} => {target}"));
        if self.is_test {
            let told = format!("Repository {name} would be cloned to {target}");
            return Err(self.take().would(told).into());
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
            return Err(self.fail(format!("Clone failed: {}", failure.said())));
        }
        let how = match kind {
            "mirror" => " as mirror",
            "bare" => " as bare repository",
            _ => "",
        };
        self.progress.say(format!("{name} cloned to {target}{how}"));
        if let Some((wanted, kind)) = self.wanted.clone() {
            self.set_up_clone(&wanted, kind)?;
        }
        if let Ok(new) = self.git.revision(&target) {
            self.progress
                .note("revision", json!({"old": null, "new": new}));
        }
        Ok(())
    }

    /// Brings a fresh clone to the branch and the revision.
    fn set_up_clone(&mut self, wanted: &str, kind: Kind) -> Step {
        let target = self.target.clone();
        if kind == Kind::Tag && !self.git.tags(&target)?.contains(&self.rev) {
            return Err(self.fail(format!("Revision '{}' does not exist in clone", self.rev)));
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
            return Err(self.fail(format!(
                "Remote HEAD refers to a ref that does not exist. This can happen when the default branch on the remote repository is renamed \
                 or deleted. {NO_HEAD}"
            )));
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
            self.set_upstream(&words, told)?;
        }
        self.update_submodules()
    }
}
