//! A target that was read and checked.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::expression::Expression;
use crate::word::Word;
use crate::{Errors, Facts, Kind, Nodegroups, Verdict, parser};

/// A checked target expression. It holds its nodegroups and compiled patterns, so it needs nothing else; a clone is cheap.
#[derive(Clone, Debug)]
pub struct Target(Arc<Expression>);

impl Target {
    /// Reads a target.
    ///
    /// The delimiter splits targets of the kinds [`Kind::Grain`], [`Kind::GrainPcre`], [`Kind::Pillar`] and [`Kind::PillarPcre`]; a compound
    /// names its own (`G|@os|Debian`) or has `:`. All faults are reported together, with their places in `text`; a fault inside of a nodegroup has the place of its use.
    pub fn parse(
        kind: Kind,
        text: &str,
        nodegroups: &Nodegroups,
        delimiter: char,
    ) -> Result<Target, Errors> {
        parser::parse(kind, text, nodegroups, delimiter)
            .map(|expression| Target(Arc::new(expression)))
    }

    /// The compound text that reads back, without nodegroups, to an equal target; this is what travels.
    pub fn to_compound(&self) -> String {
        self.to_string()
    }

    /// Whether a minion is meant. Only grains and the pillar can be missing, so without words about them the answer is `Yes` or
    /// `No`, save for a regex that ran over its limit.
    pub fn matches(&self, facts: &dyn Facts) -> Verdict {
        self.0.matches(facts)
    }

    /// The ids that the target names, when naming ids with lists, `or` and literal words is all it does: an id among them that
    /// no roster knows deserves a word to the user.
    pub fn literal_ids(&self) -> Option<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        self.0.literal_ids(&mut ids).then_some(ids)
    }

    /// Whether a minion in the site `path` or below it could match, as far as the site alone tells. False is certain, true is not.
    pub fn may_match_below(&self, path: &str) -> bool {
        self.0.below(path).some
    }

    /// Whether grains decide somewhere in the target.
    pub fn needs_grains(&self) -> bool {
        self.0
            .any_word(&|word| matches!(word, Word::Grain(_) | Word::Address(_)))
    }

    /// Whether addresses decide somewhere in the target.
    pub fn needs_addresses(&self) -> bool {
        self.0.any_word(&|word| matches!(word, Word::Address(_)))
    }

    /// Whether the pillar decides somewhere in the target.
    pub fn needs_pillar(&self) -> bool {
        self.0.any_word(&|word| matches!(word, Word::Pillar(_)))
    }

    /// Whether a word about the pillar fits more than one value, by a glob or a regex: who may ask with such words can spell a
    /// value out letter by letter.
    pub fn searches_pillar(&self) -> bool {
        self.0
            .any_word(&|word| matches!(word, Word::Pillar(pillar) if !pillar.is_exact()))
    }

    /// The target for these ids alone; there has to be one.
    ///
    /// As with [`Target::within`] the text may become longer than a target may be.
    #[must_use]
    pub fn among(self, ids: impl IntoIterator<Item = String>) -> Target {
        let ids = Expression::Word(Word::List(ids.into_iter().collect()));
        Target(Arc::new(Arc::unwrap_or_clone(self.0).and(ids)))
    }

    /// The target without these ids.
    ///
    /// As with [`Target::within`] the text may become longer than a target may be.
    #[must_use]
    pub fn without(self, ids: impl IntoIterator<Item = String>) -> Target {
        let ids: BTreeSet<String> = ids.into_iter().collect();
        if ids.is_empty() {
            return self;
        }
        let ids = Expression::Word(Word::List(ids)).negated();
        Target(Arc::new(Arc::unwrap_or_clone(self.0).and(ids)))
    }

    /// The target inside of a site: both must match.
    ///
    /// The limits of the text hold for each of the two and not for the sum, so a target at its limit may not read back.
    #[must_use]
    pub fn within(self, site: &Target) -> Target {
        Target(Arc::new(
            Arc::unwrap_or_clone(self.0).and((*site.0).clone()),
        ))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Targets are equal when their canonical texts are.
impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Target {}
