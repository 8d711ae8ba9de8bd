//! What the rules say of one job.

use targeting::{Facts, Target, Verdict};
use wire::Called;

use crate::policy::{Asker, Policy, Rule};
use crate::window::Moment;

/// Ids that a refusal names.
const NAMED_MAX: usize = 3;

/// A job may go out.
#[derive(Debug, Clone)]
pub struct Permission {
    /// The rule that permits it.
    pub rule: String,
    /// The job is for these minions at most: what is signed must say so, since minions may join meanwhile.
    pub within: Option<Target>,
    /// Rules that would have forbidden it.
    pub overridden: Vec<String>,
}

impl Permission {
    /// For who may do everything.
    pub fn of_owner() -> Permission {
        Permission {
            rule: "the right of the hub's own user".to_owned(),
            within: None,
            overridden: Vec::new(),
        }
    }
}

/// A job may not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Words for people.
    pub text: String,
    /// Whether the hub's own user can order it all the same, with a reason.
    pub can_be_overridden: bool,
}

/// The minions that stand in the way of a rule: whom a permission does not cover, or whom a prohibition does.
pub(crate) struct Tally<'a> {
    rule: &'a Rule,
    pub(crate) against: u64,
    /// Some of them.
    ids: Vec<String>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(rule: &'a Rule) -> Self {
        Tally {
            rule,
            against: 0,
            ids: Vec::new(),
        }
    }

    pub(crate) fn count(&mut self, minion: &dyn Facts) {
        let covers = match &self.rule.on {
            None => Verdict::Yes,
            Some(on) => on.matches(minion),
        };
        let is_against = match covers {
            Verdict::Yes => self.rule.denies,
            Verdict::No => !self.rule.denies,
            // What is not known is taken for the worse.
            Verdict::Unknown => true,
        };
        if is_against {
            self.against += 1;
            if self.ids.len() < NAMED_MAX {
                self.ids.push(minion.id().to_owned());
            }
        }
    }

    /// Some of them by name, and how many more.
    pub(crate) fn named(&self) -> String {
        let ids = self.ids.join(", ");
        match self.against.saturating_sub(self.ids.len() as u64) {
            0 => ids,
            more => format!("{ids} and {more} more"),
        }
    }
}

impl Policy {
    /// Whether a rule would let the asker run the function with other arguments.
    fn asks_for_arguments(&self, asker: Asker<'_>, fun: &str, now: Moment) -> bool {
        let mut rules = self.rules_for(asker, now).filter(|rule| !rule.denies);
        rules.any(|rule| rule.names(fun))
    }

    /// Whether the asker may run a function, or several with commas between, on these minions: all that the job's target means, each once. `overrides`: the
    /// hub's own user has a reason to pass over `deny` rules.
    ///
    /// # Errors
    /// [`Refusal`], with the rule that came nearest.
    pub fn run<'m>(
        &self,
        asker: Asker<'_>,
        call: Called<'_>,
        now: Moment,
        overrides: bool,
        minions: impl Iterator<Item = &'m dyn Facts>,
    ) -> Result<Permission, Refusal> {
        let fun = call.fun;
        let refused = |text: String| Refusal {
            text,
            can_be_overridden: false,
        };
        if !asker.is_owner && self.is_shut_out(asker) {
            return Err(refused(format!(
                "{} may do nothing here: `publisher_acl_blacklist` says so",
                asker.user
            )));
        }
        if !asker.is_owner && self.bars(fun) {
            return Err(refused(format!(
                "nobody may run {fun} but the hub's own user: `publisher_acl_blacklist` says so"
            )));
        }
        let mut tallies: Vec<Tally<'_>> = self
            .rules_for(asker, now)
            .filter(|rule| rule.is_about(call))
            .map(Tally::new)
            .collect();
        let mut all = 0;
        for minion in minions {
            all += 1;
            for tally in &mut tallies {
                tally.count(minion);
            }
        }
        let mut overridden = Vec::new();
        for tally in tallies.iter().filter(|t| t.rule.denies && t.against > 0) {
            let name = &tally.rule.name;
            if asker.is_owner && overrides {
                overridden.push(name.clone());
                continue;
            }
            return Err(Refusal {
                text: format!("{name} forbids {fun} now on {}", tally.named()),
                can_be_overridden: asker.is_owner,
            });
        }
        if asker.is_owner {
            return Ok(Permission {
                overridden,
                ..Permission::of_owner()
            });
        }
        let permits = |tally: &&Tally<'_>| !tally.rule.denies;
        let fits = |tally: &&Tally<'_>| {
            tally.against == 0 && tally.rule.at_most.is_none_or(|most| all <= most)
        };
        if let Some(tally) = tallies.iter().filter(permits).find(fits) {
            return Ok(Permission {
                rule: tally.rule.name.clone(),
                within: tally.rule.on.clone(),
                overridden,
            });
        }
        let nearest = tallies
            .iter()
            .filter(permits)
            .min_by_key(|tally| tally.against);
        Err(refused(match nearest {
            None if self.asks_for_arguments(asker, fun, now) => format!(
                "no rule lets {} run {fun} with these arguments now",
                asker.user
            ),
            None => format!("no rule lets {} run {fun} now", asker.user),
            Some(tally) if tally.against > 0 => format!(
                "{} lets {} run {fun}, but not on {}",
                tally.rule.name,
                asker.user,
                tally.named()
            ),
            Some(tally) => format!(
                "{} lets {} run {fun} on {} minions at most, and these are {all}",
                tally.rule.name,
                asker.user,
                tally.rule.at_most.unwrap_or(0)
            ),
        }))
    }
}
