//! The rules, and who asks.

use targeting::{Glob, Target};
use wire::Called;

use crate::call::Functions;
use crate::pattern::{Pattern, Who};
use crate::window::{Moment, Window};

/// All rules of a hub.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    /// Users of `publisher_acl_blacklist`: they may do nothing, whatever the rules say.
    pub(crate) shut_out: Vec<Who>,
    /// Functions of `publisher_acl_blacklist`.
    pub(crate) barred: Vec<Pattern>,
}

/// One rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// How people find it: `publisher_acl` and its user, or its number in `policy`.
    pub(crate) name: String,
    pub(crate) who: Vec<Who>,
    pub(crate) functions: Vec<Functions>,
    /// Only for these minions; None: for all.
    pub(crate) on: Option<Target>,
    /// Holds in these times; empty: always.
    pub(crate) within: Vec<Window>,
    /// Does not hold in these times.
    pub(crate) outside: Vec<Window>,
    /// Permits jobs for so many minions at most.
    pub(crate) at_most: Option<u64>,
    /// Forbids what it covers, to everyone whom it names.
    pub(crate) denies: bool,
    /// Only about orders of these hubs above; empty: about users here, and when it forbids, about all orders from above too.
    pub(crate) from: Vec<Glob>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The login name.
    pub user: &'a str,
    /// Names of the groups.
    pub groups: &'a [String],
    /// Whether it is the hub's own user, or root.
    pub is_owner: bool,
}

/// What is no job, by the words that Salt has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// `@runner`: look at the tree, the roots, the history.
    Runner,
    /// `@jobs`: see and end the jobs of others, and read the event bus.
    Jobs,
    /// `@wheel`: keys, tokens, rights.
    Wheel,
}

impl Area {
    /// The word in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Runner => "@runner",
            Area::Jobs => "@jobs",
            Area::Wheel => "@wheel",
        }
    }
}

impl Policy {
    /// Whether there is any rule that opens the hub to others than its own user.
    pub fn opens(&self) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.from.is_empty());
        rules.any(|rule| !rule.denies)
    }

    /// Whether there is any rule that could forbid something to the hub's own user.
    pub fn binds_owner(&self) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.from.is_empty());
        rules.any(|rule| rule.denies)
    }

    /// Whether a rule names this group, or all groups.
    pub fn names_group(&self, group: &str) -> bool {
        let group = [group.to_owned()];
        let mut who = self.rules.iter().flat_map(|rule| &rule.who);
        who.any(|who| matches!(who, Who::Group(_)) && who.is("", &group))
    }

    /// Whether the asker may do something that is no job.
    pub fn may(&self, asker: Asker<'_>, area: Area, now: Moment) -> bool {
        if asker.is_owner {
            return true;
        }
        if self.is_shut_out(asker) {
            return false;
        }
        let word = area.as_str();
        // `.*` is for functions: an area is named by its word, or by another regex that begins with an `@`.
        let names = |pattern: &Pattern| pattern.matches(word) && !pattern.matches("test.ping");
        let rules = self.rules_for(asker, now);
        let about: Vec<&Rule> = rules
            .filter(|rule| {
                rule.functions
                    .iter()
                    .any(|f| f.arguments.is_empty() && names(&f.name))
            })
            .collect();
        !about.is_empty() && about.iter().all(|rule| !rule.denies)
    }

    /// Whether one of these functions is on the blacklist.
    pub(crate) fn bars(&self, fun: &str) -> bool {
        let is_barred = |fun: &str| self.barred.iter().any(|pattern| pattern.matches(fun));
        wire::functions(fun).any(is_barred)
    }

    pub(crate) fn is_shut_out(&self, asker: Asker<'_>) -> bool {
        self.shut_out
            .iter()
            .any(|who| who.is(asker.user, asker.groups))
    }

    /// Rules that hold now for the asker.
    pub(crate) fn rules_for<'a>(
        &'a self,
        asker: Asker<'a>,
        now: Moment,
    ) -> impl Iterator<Item = &'a Rule> {
        let here = self.rules.iter().filter(|rule| rule.from.is_empty());
        here.filter(move |rule| {
            rule.who.iter().any(|who| who.is(asker.user, asker.groups)) && rule.holds(now)
        })
    }
}

impl Rule {
    pub(crate) fn holds(&self, now: Moment) -> bool {
        let any = |windows: &[Window]| windows.iter().any(|window| window.holds(now));
        (self.within.is_empty() || any(&self.within)) && !any(&self.outside)
    }

    /// Whether it decides about a call: it names the function, with these arguments where it asks for some. One of several functions is
    /// enough for a rule that denies, and all have to be permitted by the same rule.
    pub(crate) fn is_about(&self, call: Called<'_>) -> bool {
        let covers =
            |call: Called<'_>| self.functions.iter().any(|functions| functions.cover(call));
        let mut calls = call.each().into_iter();
        match self.denies {
            true => calls.any(covers),
            false => calls.all(covers),
        }
    }

    /// The same of the functions alone, whatever their arguments.
    pub(crate) fn names(&self, fun: &str) -> bool {
        let names = |fun: &str| self.functions.iter().any(|f| f.name.matches(fun));
        let mut functions = wire::functions(fun);
        match self.denies {
            true => functions.any(names),
            false => functions.all(names),
        }
    }
}
