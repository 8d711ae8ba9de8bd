//! What the rules of a site say of orders from hubs above it. The asked hub has let them out by rules of its own.

use targeting::{Facts, Verdict};
use wire::Called;

use crate::policy::{Policy, Rule};
use crate::window::Moment;

/// An order that a hub above gave.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Who asked, as the hub above names him.
    pub user: &'a str,
    /// His groups, as that hub vouches for them.
    pub groups: &'a [String],
    /// The id of the hub that gave it.
    pub origin: &'a str,
    /// What it calls.
    pub call: Called<'a>,
}

impl Policy {
    /// Whether any rule is about orders from above: those that forbid something, and those that name hubs in `from`.
    pub fn binds_above(&self) -> bool {
        self.rules.iter().any(Rule::is_for_above)
    }

    /// Why each of these minions may not run the order; None where it may. They are all of the site's own minions that the
    /// order means, so that `at_most` counts them.
    pub fn refusals(
        &self,
        order: Order<'_>,
        now: Moment,
        minions: &[&dyn Facts],
    ) -> Vec<Option<String>> {
        let fun = order.call.fun;
        let is_said = |rule: &&Rule| rule.holds(now) && rule.is_of(order);
        let rules = self.rules.iter().filter(|rule| rule.is_for_above());
        let (forbid, permit): (Vec<&Rule>, Vec<&Rule>) =
            rules.clone().filter(is_said).partition(|rule| rule.denies);
        // Without any rule that permits, everything is permitted that is not forbidden.
        let is_open = rules.clone().all(|rule| rule.denies);
        let refusal = |minion: &&dyn Facts| {
            let covers = |rule: &Rule| match &rule.on {
                None => Verdict::Yes,
                Some(on) => on.matches(*minion),
            };
            // What is not known is taken for the worse.
            let is_forbidden = |rule: &&&Rule| covers(rule) != Verdict::No;
            if let Some(rule) = forbid.iter().find(is_forbidden) {
                return Some(format!("{} forbids {fun} now", rule.name));
            }
            if is_open {
                return None;
            }
            let permit: Vec<&&Rule> = permit
                .iter()
                .filter(|rule| covers(rule) == Verdict::Yes)
                .collect();
            let count = minions.len() as u64;
            let is_few = |rule: &&&Rule| rule.at_most.is_none_or(|most| count <= most);
            if permit.iter().any(is_few) {
                return None;
            }
            Some(match permit.first() {
                Some(rule) => format!(
                    "{} lets {} run {fun} on {} minions at most, and these are {count}",
                    rule.name,
                    order.user,
                    rule.at_most.unwrap_or(0),
                ),
                None => format!(
                    "no rule lets {} of {} run {fun} on it now",
                    order.user, order.origin
                ),
            })
        };
        minions.iter().map(refusal).collect()
    }
}

impl Rule {
    /// Whether it is about orders from above.
    pub(crate) fn is_for_above(&self) -> bool {
        self.denies || !self.from.is_empty()
    }

    /// Whether it is about this user, this hub and this function.
    fn is_of(&self, order: Order<'_>) -> bool {
        self.who.iter().any(|who| who.is(order.user, order.groups))
            && (self.from.is_empty() || self.from.iter().any(|hub| hub.matches(order.origin)))
            && self.is_about(order.call)
    }
}
