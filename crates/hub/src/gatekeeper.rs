//! Whether an operator may do what he asks: the rules of `access`, held beside the roster.

use access::{Area, Moment, Permission, Refusal};
use relay::Hub;
use targeting::Facts;
use wire::control::{Ask, Failure, RunAsk, Tell};

use crate::caller::Caller;
use crate::control::Teller;
use crate::runners;
use crate::service::Service;
use crate::submit::{Aim, refused};

/// What a question that is no job needs.
enum Need {
    Nothing,
    Area(Area),
    /// A job of one's own, or the jobs of others.
    Job(wire::Jid),
}

fn need(ask: &Ask) -> Need {
    match ask {
        // Everyone's returns pass there.
        Ask::Events { .. } => Need::Area(Area::Jobs),
        // Judged when the order is signed, or shown as far as they are the caller's own.
        Ask::Run(_) | Ask::MayI(_) | Ask::Jobs { .. } | Ask::Find(_) => Need::Nothing,
        Ask::Retry(ask) => Need::Job(ask.jid),
        Ask::Watch { jid }
        | Ask::Show { jid }
        | Ask::Cancel { jid, .. }
        | Ask::Halt { jid, .. }
        | Ask::GoOn { jid, .. } => Need::Job(*jid),
        Ask::Runner(ask) | Ask::RunnerDetached(ask) | Ask::Orchestrate(ask) => {
            Need::Area(runners::area(&ask.fun))
        }
        Ask::Preview(_)
        | Ask::Tree { .. }
        | Ask::Roots
        | Ask::RootsUpdate { .. }
        | Ask::Identity => Need::Area(Area::Runner),
        Ask::Keys
        | Ask::Decide { .. }
        | Ask::TokenCreate { .. }
        | Ask::TokenList
        | Ask::TokenRevoke { .. }
        | Ask::Adopt { .. }
        | Ask::Delegate { .. } => Need::Area(Area::Wheel),
    }
}

/// Who is not the hub's own user asks under the name that the kernel knows.
fn name(ask: &mut Ask, caller: &Caller) {
    let user = match ask {
        Ask::Run(ask) | Ask::MayI(ask) | Ask::Preview(ask) => &mut ask.user,
        Ask::Retry(ask) => &mut ask.user,
        Ask::Runner(ask) | Ask::RunnerDetached(ask) | Ask::Orchestrate(ask) => &mut ask.user,
        Ask::Cancel { user, .. }
        | Ask::Halt { user, .. }
        | Ask::GoOn { user, .. }
        | Ask::Adopt { user, .. }
        | Ask::Decide { user, .. } => user,
        _ => return,
    };
    user.clone_from(&caller.user);
}

/// The time of the week on this host.
pub(crate) fn moment() -> Moment {
    let now = jiff::Zoned::now();
    Moment {
        weekday: u8::try_from(now.weekday().to_monday_zero_offset()).unwrap_or(0),
        minute: u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or(0),
    }
}

impl Service {
    /// Lets a question through, under the caller's own name, or says why not.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        mut ask: Ask,
    ) -> anyhow::Result<Result<Ask, Failure>> {
        if caller.is_owner {
            return Ok(Ok(ask));
        }
        name(&mut ask, caller);
        let may = |area| self.allows(caller, area);
        let refusal = match need(&ask) {
            Need::Nothing => None,
            Need::Area(area) if may(area) => None,
            Need::Area(area) => Some(format!(
                "{} may not do this: no rule has {}",
                caller.user,
                area.as_str()
            )),
            Need::Job(_) if may(Area::Jobs) => None,
            Need::Job(jid) => {
                let user = match self.stored_order(jid).await? {
                    Some(order) => Some(order.user),
                    None => self.run_record(jid).await?.map(|run| run.summary.user),
                };
                let is_own = user.is_some_and(|user| user == caller.user);
                let text = || {
                    format!(
                        "{} has no job {jid}, and may not see those of others: no rule has {}",
                        caller.user,
                        Area::Jobs.as_str()
                    )
                };
                (!is_own).then(text)
            }
        };
        Ok(match refusal {
            None => Ok(ask),
            Some(text) => {
                tracing::warn!(user = %caller.user, "refused: {text}");
                Err(refused(text))
            }
        })
    }

    /// Whether the caller may do something that is no job.
    pub(crate) fn allows(&self, caller: &Caller, area: Area) -> bool {
        self.policy.may(caller.asker(), area, moment())
    }

    /// Whether the caller may see the jobs of others.
    pub(crate) fn sees_all_jobs(&self, caller: &Caller) -> bool {
        self.allows(caller, Area::Jobs)
    }

    /// Judges a job. The target of what is signed has to be narrowed to [`Permission::within`].
    ///
    /// A minion that may be meant counts as meant: what is refused tells nobody what stands in a pillar.
    pub(crate) async fn judge(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        aim: &Aim,
    ) -> anyhow::Result<Result<Permission, Failure>> {
        if caller.is_owner && !self.policy.binds_owner() {
            return Ok(Ok(Permission::of_owner()));
        }
        let (policy, caller, fun) = (self.policy.clone(), caller.clone(), ask.fun.clone());
        let reason = ask.override_reason.clone();
        let overrides = reason.is_some();
        let aim = aim.clone();
        let judged = self
            .engine
            .query(move |hub| {
                let facts: Vec<_> = aim.meant(hub).map(|(node, _)| node.facts()).collect();
                let minions = facts.iter().map(|facts| facts as &dyn Facts);
                policy.run(caller.asker(), &fun, moment(), overrides, minions)
            })
            .await?;
        Ok(match judged {
            Ok(permission) => {
                if let (Some(reason), false) = (&reason, permission.overridden.is_empty()) {
                    let rules = permission.overridden.join(", ");
                    tracing::warn!(alarm = true, user = %ask.user, fun = %ask.fun, reason, "passed over {rules}");
                }
                Ok(permission)
            }
            Err(Refusal {
                mut text,
                can_be_overridden,
            }) => {
                tracing::warn!(user = %ask.user, fun = %ask.fun, "refused: {text}");
                if can_be_overridden {
                    text.push_str("; `--override REASON` orders it all the same");
                }
                Err(refused(text))
            }
        })
    }

    /// Tells whether a job would be let out.
    pub(crate) async fn may_i(&self, ask: &RunAsk, teller: &mut Teller) -> anyhow::Result<()> {
        let caller = teller.caller().clone();
        let aim = match self.roots_of(ask) {
            Ok(roots) => self.aim(&caller, ask, roots.as_deref()).await?,
            Err(failure) => Err(failure),
        };
        let aim = match aim {
            Ok(aim) => aim,
            Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
        };
        let (allowed, text) = match self.judge(&caller, ask, &aim).await? {
            Ok(permission) => {
                let count = move |hub: &Hub| aim.meant(hub).count();
                let count = self.engine.query(count).await?;
                let (rule, user, fun) = (permission.rule, &ask.user, &ask.fun);
                let text = format!("yes: {rule} lets {user} run {fun} on {count} minions");
                (true, text)
            }
            Err(failure) => (false, format!("no: {}", failure.text)),
        };
        teller.tell(&Tell::MayI { allowed, text }).await
    }
}
