//! What is told of an update that does not happen, or not yet.

use serde_json::json;

use super::{Latest, Step, Upstream};
use crate::states::git::short;

impl Latest<'_> {
    pub(super) fn head_stays(&mut self, local_rev: Option<&str>) -> Step {
        let comment = format!(
            "{} is already present and local HEAD ({}) does not match, but update_head=False. HEAD has not been updated locally.",
            self.capital_place(),
            short(local_rev.unwrap_or_default())
        );
        Ok(Some(self.take().answer(Some(true), comment)))
    }

    pub(super) fn not_forward(
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

    pub(super) fn foretell(
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

    pub(super) fn foretell_upstream(&self, actions: &mut Vec<String>, upstream: Option<&str>) {
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
}
