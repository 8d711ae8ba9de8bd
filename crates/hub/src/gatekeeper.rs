//! Whether an operator may do what he asks: the rules of `access`, held beside the roster.

use access::{Area, Moment, Permission, Refusal};
use relay::Hub;
use serde_json::{Map, Value};
use targeting::Facts;
use wire::control::{Ask, Failure, FailureKind, RunAsk, Tell};
use wire::{Called, Json, Stance, Warrant, limits};

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
    /// To be the hub's own user.
    Owner,
}

fn need(ask: &Ask) -> Need {
    match ask {
        // Everyone's returns pass there.
        Ask::Events { .. } => Need::Area(Area::Jobs),
        // Judged when the order is signed, or shown as far as they are the caller's own.
        Ask::Run(_) | Ask::MayI(_) | Ask::Jobs { .. } | Ask::Find(_) => Need::Nothing,
        Ask::Retry(ask) => Need::Job(ask.jid),
        Ask::MayOther(_) => Need::Owner,
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
            Need::Owner => Some(format!(
                "{} may ask for himself alone: the hub's own user asks for others",
                caller.user
            )),
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
        let (args, kwargs) = arguments(&ask.args, &ask.kwargs);
        let reason = ask.override_reason.clone();
        let overrides = reason.is_some();
        let aim = aim.clone();
        let judged = self
            .engine
            .query(move |hub| {
                let facts: Vec<_> = aim.meant(hub).map(|(node, _)| node.facts()).collect();
                let minions = facts.iter().map(|facts| facts as &dyn Facts);
                let call = Called {
                    fun: &fun,
                    args: &args,
                    kwargs: &kwargs,
                };
                policy.run(caller.asker(), call, moment(), overrides, minions)
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

    /// Tells whether a job would be let out, and what the sites would do with it. `other`: the hub's own user asks for this
    /// user, and hears what each rule says.
    pub(crate) async fn may_i(
        &self,
        ask: &RunAsk,
        other: Option<&str>,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let mut caller = teller.caller().clone();
        if let Some(user) = other {
            match Caller::named(user) {
                Some(named) => caller = named,
                None => {
                    let text = format!("the host knows no user {user}");
                    let failure = Failure::new(FailureKind::NotFound, text);
                    return teller.tell(&Tell::Failed(failure)).await;
                }
            }
        }
        let roots = self.roots_of(ask);
        let aim = match &roots {
            Ok(roots) => self.aim(&caller, ask, roots.as_deref()).await?,
            Err(failure) => Err(failure.clone()),
        };
        let mut aim = match aim {
            Ok(aim) => aim,
            Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
        };
        let mut lines = match other {
            None => Vec::new(),
            Some(_) => self.explain(&caller, ask, &aim).await?,
        };
        let (allowed, text) = match self.judge(&caller, ask, &aim).await? {
            Ok(permission) => {
                if let Some(within) = &permission.within {
                    aim.target = aim.target.within(within);
                }
                let meant = aim.clone();
                let count = move |hub: &Hub| meant.meant(hub).count();
                let count = self.engine.query(count).await?;
                let roots = roots.ok().flatten();
                let fates = match self.inquire(&caller, ask, &aim, roots).await? {
                    Ok(fates) => fates,
                    Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
                };
                let names = self.names_of(&fates).await?;
                lines.extend(fates.lines(&names));
                let (rule, user, fun) = (permission.rule, &ask.user, &ask.fun);
                match fates.count(Stance::Refused) {
                    0 => (
                        true,
                        format!("yes: {rule} lets {user} run {fun} on {count} minions"),
                    ),
                    refused => (
                        false,
                        format!(
                            "no: {rule} lets {user} run {fun} on {count} minions, but their sites refuse it on {refused}"
                        ),
                    ),
                }
            }
            Err(failure) => (false, format!("no: {}", failure.text)),
        };
        let told = Tell::MayI {
            allowed,
            text,
            lines,
        };
        teller.tell(&told).await
    }

    /// What each rule says of a job.
    async fn explain(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        aim: &Aim,
    ) -> anyhow::Result<Vec<String>> {
        let (policy, caller, fun) = (self.policy.clone(), caller.clone(), ask.fun.clone());
        let (args, kwargs) = arguments(&ask.args, &ask.kwargs);
        let aim = aim.clone();
        let explained = move |hub: &Hub| {
            let facts: Vec<_> = aim.meant(hub).map(|(node, _)| node.facts()).collect();
            let minions: Vec<&dyn Facts> = facts.iter().map(|facts| facts as &dyn Facts).collect();
            let call = Called {
                fun: &fun,
                args: &args,
                kwargs: &kwargs,
            };
            policy.explain(caller.asker(), call, moment(), &minions)
        };
        Ok(self.engine.query(explained).await?)
    }

    /// What is said to sites of who asks: the groups of other users than the hub's own, and why rules may be passed over. None
    /// where there is nothing to say.
    pub(crate) fn warrant(
        &self,
        caller: &Caller,
        jid: wire::Jid,
        reason: Option<&str>,
    ) -> Result<Option<Warrant>, Failure> {
        let groups = travelling(&caller.groups, |group| self.policy.names_group(group));
        if groups.is_empty() && reason.is_none() {
            return Ok(None);
        }
        self.jobs.warrant(jid, groups, reason).map(Some)
    }
}

/// The groups that travel: where there are too many, those that rules here name, then by name.
fn travelling(groups: &[String], is_named: impl Fn(&str) -> bool) -> Vec<String> {
    let mut groups: Vec<String> = groups.to_vec();
    groups.retain(|group| group.len() <= limits::MAX_GROUP);
    groups.sort_unstable();
    groups.dedup();
    groups.sort_by_key(|group| !is_named(group));
    if groups.len() > limits::MAX_GROUPS {
        tracing::warn!(
            groups = groups.len(),
            "the user is in more groups than travel: {} are told to sites",
            limits::MAX_GROUPS
        );
        groups.truncate(limits::MAX_GROUPS);
    }
    groups
}

/// Arguments as rules see them. What is no JSON fits no rule that asks for some.
pub(crate) fn arguments(args: &Json, kwargs: &Json) -> (Vec<Value>, Map<String, Value>) {
    (
        serde_json::from_slice(args).unwrap_or_default(),
        serde_json::from_slice(kwargs).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use wire::limits;

    use super::travelling;

    #[test]
    fn groups_that_rules_name_travel_first() {
        let groups: Vec<String> = (0..100).map(|n| format!("g{n:03}")).collect();
        let told = travelling(&groups, |group| group == "g099");
        assert_eq!(told.len(), limits::MAX_GROUPS);
        assert_eq!(told[..2], ["g099", "g000"]);
        let long = "x".repeat(limits::MAX_GROUP + 1);
        assert!(travelling(&[long], |_| true).is_empty());
        let two = ["b".to_owned(), "a".to_owned(), "b".to_owned()];
        assert_eq!(travelling(&two, |_| false), ["a", "b"]);
    }
}
