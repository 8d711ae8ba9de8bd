//! What is told of an update that does not happen, or not yet.

use serde_json::json;

use super::update::{Found, Plan};
use super::{Latest, Stop, Upstream};
use crate::git::redacted;
use crate::states::git::{sentences, short};

impl Latest<'_> {
    /// That HEAD is not where it is wanted, and is not to be moved.
    pub(super) fn head_stays(&mut self, found: &Found) -> Stop {
        let comment = format!(
            "{} is already present and local HEAD ({}) does not match, but update_head=False. HEAD has not been updated locally.",
            self.capital_place(),
            short(found.head.as_deref().unwrap_or_default())
        );
        self.take().answer(Some(true), comment).into()
    }

    /// That the update would lose something, and is not to be forced.
    pub(super) fn not_forward(&mut self, found: &Found) -> Stop {
        let has_changes = found.has_changes;
        let wanted = self
            .wanted
            .as_ref()
            .map(|(hash, _)| hash.clone())
            .unwrap_or_default();
        let (before, after) = (found.base.as_deref().map(short), short(&wanted));
        let local = found.branch.as_deref().unwrap_or("None");
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

    /// What the update would do.
    pub(super) fn foretell(&mut self, found: &Found, plan: &Plan) -> Stop {
        let mut actions = Vec::new();
        let moves_head = !found.is_current && self.args.flag("update_head");
        if plan.changes_url() {
            self.foretell_url(&mut actions, found, plan, moves_head);
        } else {
            self.foretell_commit(&mut actions, found, plan);
            self.foretell_upstream(&mut actions, plan.upstream.as_deref());
        }
        if !self.progress.changes.is_empty() {
            return self.take().would(sentences(&actions)).into();
        }
        if !found.is_current && !moves_head && !actions.is_empty() {
            return self.take().answer(Some(true), sentences(&actions)).into();
        }
        self.up_to_date(&actions, false)
    }

    fn foretell_url(
        &mut self,
        actions: &mut Vec<String>,
        found: &Found,
        plan: &Plan,
        moves_head: bool,
    ) {
        actions.push(format!(
            "Remote '{}' would be changed from {} to {}",
            self.remote,
            plan.shown_url(),
            redacted(&plan.url)
        ));
        if !plan.has_wanted {
            actions.push("Remote would be fetched".to_owned());
        }
        if moves_head {
            self.progress
                .note("revision", json!({"old": found.head, "new": plan.wanted}));
            if plan.forward == Some(false) {
                self.progress.note("forced update", true);
            }
            actions.push(format!(
                "Repository would be {} to {}",
                plan.verb(),
                short(&plan.wanted)
            ));
        }
    }

    fn foretell_commit(&mut self, actions: &mut Vec<String>, found: &Found, plan: &Plan) {
        let local = found.head.as_deref().map_or("None", short);
        let wanted = short(&plan.wanted);
        if !plan.has_wanted {
            actions.push(format!("Remote '{}' would be fetched", self.remote));
        }
        if !found.is_current && (self.args.flag("update_head") || found.new_branch.is_some()) {
            self.progress
                .note("revision", json!({"old": found.head, "new": plan.wanted}));
        }
        let merged = plan.verb();
        match &found.new_branch {
            Some(branch) if found.branches.contains(branch) => {
                actions.push(format!("Branch '{branch}' would be checked out and {merged} to {wanted}"));
            }
            Some(branch) => {
                actions.push(format!("New branch '{branch}' would be checked out, with {} as a starting point", self.place()));
                if let Upstream::Follows(upstream) = &self.upstream {
                    actions.push(format!("Tracking branch would be set to {upstream}"));
                }
            }
            None if found.is_current => {}
            None if !self.args.flag("update_head") => actions.push(format!(
                "Local HEAD ({local}) does not match {} but update_head=False, HEAD would not be updated locally",
                self.place()
            )),
            None => {
                let merged = match plan.forward {
                    Some(true) => "fast-forwarded",
                    _ if self.resets() && plan.has_wanted => "hard-reset",
                    _ => "updated",
                };
                actions.push(format!("Repository would be {merged} from {local} to {wanted}"));
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
}
