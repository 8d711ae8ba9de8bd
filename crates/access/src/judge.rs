//! What the rules say of one job.

use targeting::{Facts, Target, Verdict};

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

/// What one rule says of the minions, counted.
struct Tally<'a> {
    rule: &'a Rule,
    covered: u64,
    /// Minions that it does not cover, or may not.
    uncovered: u64,
    covered_ids: Vec<String>,
    uncovered_ids: Vec<String>,
}

impl<'a> Tally<'a> {
    fn new(rule: &'a Rule) -> Self {
        Tally {
            rule,
            covered: 0,
            uncovered: 0,
            covered_ids: Vec::new(),
            uncovered_ids: Vec::new(),
        }
    }

    fn count(&mut self, minion: &dyn Facts) {
        let covers = match &self.rule.on {
            None => Verdict::Yes,
            Some(on) => on.matches(minion),
        };
        // What is not known is taken for the worse: forbidden, or not permitted.
        let is_covered = match covers {
            Verdict::Yes => true,
            Verdict::No => false,
            Verdict::Unknown => self.rule.denies,
        };
        let (count, ids) = if is_covered {
            (&mut self.covered, &mut self.covered_ids)
        } else {
            (&mut self.uncovered, &mut self.uncovered_ids)
        };
        *count += 1;
        if ids.len() < NAMED_MAX {
            ids.push(minion.id().to_owned());
        }
    }
}

fn some(ids: &[String], count: u64) -> String {
    let more = count.saturating_sub(ids.len() as u64);
    match more {
        0 => ids.join(", "),
        more => format!("{} and {more} more", ids.join(", ")),
    }
}

impl Policy {
    /// Whether the asker may run a function on these minions: all that the job's target means, each once. `overrides`: the
    /// hub's own user has a reason to pass over `deny` rules.
    ///
    /// # Errors
    /// [`Refusal`], with the rule that came nearest.
    pub fn run<'m>(
        &self,
        asker: Asker<'_>,
        fun: &str,
        now: Moment,
        overrides: bool,
        minions: impl Iterator<Item = &'m dyn Facts>,
    ) -> Result<Permission, Refusal> {
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
        if !asker.is_owner && self.barred.iter().any(|pattern| pattern.matches(fun)) {
            return Err(refused(format!(
                "nobody may run {fun} but the hub's own user: `publisher_acl_blacklist` says so"
            )));
        }
        let mut tallies: Vec<Tally<'_>> = self
            .rules_for(asker, now)
            .filter(|rule| rule.is_about(fun))
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
        for tally in tallies.iter().filter(|t| t.rule.denies && t.covered > 0) {
            let name = &tally.rule.name;
            if asker.is_owner && overrides {
                overridden.push(name.clone());
                continue;
            }
            return Err(Refusal {
                text: format!(
                    "{name} forbids {fun} now on {}",
                    some(&tally.covered_ids, tally.covered)
                ),
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
            tally.uncovered == 0 && tally.rule.at_most.is_none_or(|most| all <= most)
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
            .min_by_key(|tally| tally.uncovered);
        Err(refused(match nearest {
            None => format!("no rule lets {} run {fun} now", asker.user),
            Some(tally) if tally.uncovered > 0 => format!(
                "{} lets {} run {fun}, but not on {}",
                tally.rule.name,
                asker.user,
                some(&tally.uncovered_ids, tally.uncovered)
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
