//! What minions really ran: each adds lines to a file, which no program of either tree reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};

/// The file of one situation.
#[derive(Debug, Clone)]
pub struct Book(PathBuf);

/// What stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deeds {
    /// How often each began.
    pub began: BTreeMap<String, u32>,
    /// How often each ended.
    pub ended: BTreeMap<String, u32>,
    /// How many worked at the same time, at most.
    pub at_once: usize,
}

impl Book {
    /// An empty one.
    pub fn at(path: PathBuf) -> Book {
        Book(path)
    }

    /// A command that notes when it begins, works for so many seconds, notes when it ends, and says that it is done.
    pub fn work(&self, seconds: u32) -> String {
        let file = self.0.display();
        format!("echo begin $NODE >> {file}; sleep {seconds}; echo end $NODE >> {file}; echo done")
    }

    /// What was written until now.
    pub fn read(&self) -> Deeds {
        // Nobody may have written.
        Deeds::of(&std::fs::read_to_string(&self.0).unwrap_or_default())
    }
}

impl Deeds {
    fn of(text: &str) -> Deeds {
        let mut deeds = Deeds::default();
        let mut working: usize = 0;
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("begin", node)) => {
                    *deeds.began.entry(node.to_owned()).or_default() += 1;
                    working += 1;
                    deeds.at_once = deeds.at_once.max(working);
                }
                Some(("end", node)) => {
                    *deeds.ended.entry(node.to_owned()).or_default() += 1;
                    working = working.saturating_sub(1);
                }
                _ => {}
            }
        }
        deeds
    }

    /// Who began.
    pub fn who_began(&self) -> BTreeSet<String> {
        self.began.keys().cloned().collect()
    }

    /// Who ended.
    pub fn who_ended(&self) -> BTreeSet<String> {
        self.ended.keys().cloned().collect()
    }

    /// For a file.
    pub fn json(&self) -> Value {
        json!({"began": self.began, "ended": self.ended, "at_once": self.at_once})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_are_counted() {
        let deeds = Deeds::of("begin a\nbegin b\nend a\nbegin a\nend b\nend a\nnoise\n");
        assert_eq!(
            deeds.began,
            BTreeMap::from([("a".into(), 2), ("b".into(), 1)])
        );
        assert_eq!(deeds.ended, deeds.began);
        assert_eq!(deeds.at_once, 2);
        assert_eq!(Deeds::of(""), Deeds::default());
    }
}
