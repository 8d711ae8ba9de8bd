//! What each rule says of one wish, for people who look for the one that decides.

use targeting::Facts;
use wire::Called;

use crate::judge::Tally;
use crate::policy::{Asker, Policy, Rule};
use crate::window::Moment;

impl Policy {
    /// A line for each rule about users of this host: what it says of this wish, or why it says nothing.
    pub fn explain(
        &self,
        asker: Asker<'_>,
        call: Called<'_>,
        now: Moment,
        minions: &[&dyn Facts],
    ) -> Vec<String> {
        let mut lines = Vec::new();
        if asker.is_owner {
            lines.push(format!(
                "{} is the hub's own user: rules with `deny` bind it, and no others",
                asker.user
            ));
        } else if self.is_shut_out(asker) {
            lines.push(format!("publisher_acl_blacklist names {}", asker.user));
        } else if self.bars(call.fun) {
            lines.push(format!("publisher_acl_blacklist names {}", call.fun));
        }
        let rules = self.rules.iter().filter(|rule| rule.from.is_empty());
        lines.extend(rules.map(|rule| {
            let said = said(rule, asker, call, now, minions);
            format!("{} {said}", rule.name)
        }));
        lines
    }
}

fn said(
    rule: &Rule,
    asker: Asker<'_>,
    call: Called<'_>,
    now: Moment,
    minions: &[&dyn Facts],
) -> String {
    let (user, fun) = (asker.user, call.fun);
    if !rule.who.iter().any(|who| who.is(user, asker.groups)) {
        return format!("is not about {user}");
    }
    if !rule.names(fun) {
        return format!("is not about {fun}");
    }
    if !rule.is_about(call) {
        return "is not about these arguments".to_owned();
    }
    if !rule.holds(now) {
        return "does not hold at this hour".to_owned();
    }
    let mut tally = Tally::new(rule);
    minions.iter().for_each(|minion| tally.count(*minion));
    let count = minions.len() as u64;
    match (rule.denies, tally.against, rule.at_most) {
        (true, 0, _) => "forbids it on none of these minions".to_owned(),
        (true, ..) => format!("forbids it on {}", tally.named()),
        (false, 0, Some(most)) if count > most => {
            format!("lets it on {most} minions at most, and these are {count}")
        }
        (false, 0, _) => "lets it".to_owned(),
        (false, ..) => format!("does not let it on {}", tally.named()),
    }
}
