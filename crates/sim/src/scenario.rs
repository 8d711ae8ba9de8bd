//! A run that can be told in one line: a plan, a seed, and what is left of it.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use crate::plan::Plan;
use crate::world::World;

/// One world and everything that happens in it, written `plan:seed`, with `:acts=1,2` when no others happen and
/// `:nodes-3,4` when these nodes are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What may happen.
    pub plan: Plan,
    /// Decides everything else.
    pub seed: u64,
    /// Acts of operators and fate that happen; None: all.
    pub only: Option<BTreeSet<u32>>,
    /// Nodes that are not there.
    pub without: BTreeSet<usize>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong, with numbers.
    pub text: String,
}

/// Characters that tell one way to fail from another: longer texts name nodes and jobs.
const KIND_CHARS: usize = 60;

impl Failure {
    /// The same for all failures of a kind: the words without the names and numbers.
    pub fn kind(&self) -> String {
        let is_name = |word: &&str| !word.contains(|c: char| c.is_ascii_digit());
        let mut words = self.text.split_whitespace();
        // The promise's own name comes first.
        let promise = words.next();
        let words: Vec<&str> = promise.into_iter().chain(words.filter(is_name)).collect();
        words.join(" ").chars().take(KIND_CHARS).collect()
    }
}

impl Scenario {
    /// All of a seed.
    pub fn new(plan: Plan, seed: u64) -> Scenario {
        Scenario {
            plan,
            seed,
            only: None,
            without: BTreeSet::new(),
        }
    }

    /// The world at its beginning.
    pub fn world(&self, print: bool) -> World {
        World::new(self, print)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub fn run(&self) -> Result<World, Failure> {
        let run = AssertUnwindSafe(|| {
            let mut world = self.world(false);
            world.run();
            world
        });
        catch_unwind(run).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Failure {
                text: text.unwrap_or_else(|| "a panic without words".to_owned()),
            }
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.plan.name, self.seed)?;
        if let Some(only) = &self.only {
            let only: Vec<String> = only.iter().map(u32::to_string).collect();
            write!(f, ":acts={}", only.join(","))?;
        }
        if !self.without.is_empty() {
            let without: Vec<String> = self.without.iter().map(usize::to_string).collect();
            write!(f, ":nodes-{}", without.join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let plan = Plan::named(name).ok_or_else(|| format!("no plan is called {name:?}"))?;
        let seed = parts.next().and_then(|seed| seed.parse().ok());
        let mut scenario = Scenario::new(plan, seed.ok_or("a plan is followed by :seed")?);
        for part in parts {
            if let Some(list) = part.strip_prefix("acts=") {
                let only = numbers(list)?.into_iter().map(|n| n as u32).collect();
                scenario.only = Some(only);
            } else if let Some(list) = part.strip_prefix("nodes-") {
                scenario.without = numbers(list)?.into_iter().collect();
            } else {
                return Err(format!("{part:?} is neither acts=.. nor nodes-.."));
            }
        }
        Ok(scenario)
    }
}

fn numbers(list: &str) -> Result<Vec<usize>, String> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let parse = |n: &str| n.parse().map_err(|_| format!("{n:?} is not a number"));
    list.split(',').map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_one_line() {
        for text in ["calm:1", "chaos:77:acts=1,5", "faults:3:acts=0:nodes-4,9"] {
            let scenario: Scenario = text.parse().unwrap();
            assert_eq!(scenario.to_string(), text);
        }
        for bad in [
            "",
            "calm",
            "nowhere:1",
            "calm:x",
            "calm:1:acts=x",
            "calm:1:2",
        ] {
            assert!(bad.parse::<Scenario>().is_err(), "{bad}");
        }
    }
}
