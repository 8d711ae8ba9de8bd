//! Orders from hubs above, held against the rules of this site.

use relay::Answer;
use targeting::Facts;
use wire::{Called, Jid, JobEnvelope, JobOrder, Warrant};

use crate::gatekeeper::{arguments, moment};
use crate::job_journal::Refused;
use crate::jobs::TERM_JOB;
use crate::service::Service;
use crate::undecided::{Known, Undecided};

impl Service {
    /// Whether a warrant is of who gave the order. One that is not counts for nothing.
    pub(crate) fn is_vouched_for(
        &self,
        envelope: &JobEnvelope,
        jid: Jid,
        warrant: &Warrant,
    ) -> bool {
        let is_signed = self.jobs.vouches(envelope, jid, warrant);
        if !is_signed {
            tracing::warn!(alarm = true, %jid, "what an order from above says of who asked is not signed well: it counts for nothing");
        }
        is_signed
    }

    /// What the rules say for minions of this hub, all that the order means. What is said of an inquiry is no deed: no journal has it.
    pub(crate) fn judge_above(
        &self,
        order: &JobOrder,
        warrant: Option<&Warrant>,
        minions: &[Undecided],
        is_inquiry: bool,
    ) -> Vec<(u32, Answer)> {
        let all = || minions.iter().map(|minion| (minion.index, Answer::Meant));
        // Whatever the hour: what runs can be ended.
        if order.fun == TERM_JOB {
            return all().collect();
        }
        let known: Vec<Known<'_>> = minions.iter().map(Known::new).collect();
        let facts: Vec<&dyn Facts> = known.iter().map(|known| known as &dyn Facts).collect();
        let (jid, user, fun) = (order.jid, &order.user, &order.fun);
        let origin = order.origin_id.as_str();
        let (args, kwargs) = arguments(&order.args, &order.kwargs);
        let asked = access::Order {
            user,
            groups: warrant.map_or(&[], |warrant| &warrant.groups),
            origin,
            call: Called {
                fun,
                args: &args,
                kwargs: &kwargs,
            },
        };
        let refusals = self.policy.refusals(asked, moment(), &facts);
        let refused = refusals.iter().flatten().count();
        let Some(text) = refusals.iter().flatten().next() else {
            return all().collect();
        };
        let now = self.engine.clock().now();
        let may_pass = self.overrides_from.iter().any(|hub| hub.matches(origin));
        let reason = warrant.and_then(|warrant| warrant.reason.as_deref());
        if let Some(reason) = reason.filter(|_| may_pass) {
            if !is_inquiry {
                self.journal.overridden(order, reason, refused as u64, now);
                tracing::warn!(alarm = true, %jid, user, origin, fun, refused, reason, "passed over: {text}");
            }
            return all().collect();
        }
        if !is_inquiry {
            self.journal.refused(&Refused {
                at: now,
                user,
                fun,
                target: order.target.typed.clone(),
                reason: text.clone(),
                from_above: Some((order, refused as u64)),
            });
            tracing::warn!(%jid, user, origin, fun, refused, "refused: {text}");
        }
        let no_pass = match reason {
            Some(_) => {
                "; `policy_overrides_from` of the site lets no order of that hub pass over it"
            }
            None => "",
        };
        let site = &self.jobs.path;
        let answers = minions.iter().zip(refusals).map(|(minion, refusal)| {
            let answer = match refusal {
                None => Answer::Meant,
                Some(text) => {
                    Answer::Refused(format!("refused by policy of site {site}: {text}{no_pass}"))
                }
            };
            (minion.index, answer)
        });
        answers.collect()
    }
}
