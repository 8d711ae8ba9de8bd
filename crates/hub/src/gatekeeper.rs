//! Whether an operator may do what he asks: the rules of `access`, held beside the roster.

use access::{Area, Moment, Permission, Refusal};
use relay::Hub;
use targeting::{Facts, Target};
use wire::SitePath;
use wire::control::{Ask, Failure, RunAsk, Tell};

use crate::caller::Caller;
use crate::control::Teller;
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
        Ask::Run(_) | Ask::MayI(_) | Ask::Jobs { .. } => Need::Nothing,
        Ask::Retry(ask) => Need::Job(ask.jid),
        Ask::Watch { jid }
        | Ask::Show { jid }
        | Ask::Cancel { jid, .. }
        | Ask::Halt { jid, .. }
        | Ask::GoOn { jid, .. } => Need::Job(*jid),
        Ask::Runner(_)
        | Ask::Preview(_)
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
        Ask::Runner(ask) => &mut ask.user,
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
fn moment() -> Moment {
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
        let may = |area| self.policy.may(caller.asker(), area, moment());
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
                let order = self.stored_order(jid).await?;
                let is_own = order.is_some_and(|order| order.user == caller.user);
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

    /// Whether the caller may see the jobs of others.
    pub(crate) fn sees_all_jobs(&self, caller: &Caller) -> bool {
        self.policy.may(caller.asker(), Area::Jobs, moment())
    }

    /// Judges a job. The target of what is signed has to be narrowed to [`Permission::within`].
    pub(crate) async fn judge(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        target: &Target,
        scope: &SitePath,
    ) -> anyhow::Result<Result<Permission, Failure>> {
        if caller.is_owner && !self.policy.binds_owner() {
            return Ok(Ok(Permission::of_owner()));
        }
        let (policy, caller, fun) = (self.policy.clone(), caller.clone(), ask.fun.clone());
        let reason = ask.override_reason.clone();
        let overrides = reason.is_some();
        let (target, scope) = (target.clone(), scope.clone());
        let judged = self
            .engine
            .query(move |hub| {
                let meant = hub.meant(&target, &scope);
                let facts: Vec<_> = meant.map(|(node, _)| node.facts()).collect();
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
        let Aim { target, scope } = match self.aim(ask).await? {
            Ok(aim) => aim,
            Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
        };
        let (allowed, text) = match self.judge(teller.caller(), ask, &target, &scope).await? {
            Ok(permission) => {
                let count = move |hub: &Hub| hub.meant(&target, &scope).count();
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
