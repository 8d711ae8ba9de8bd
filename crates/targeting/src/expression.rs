//! Words combined with operators.

use std::collections::BTreeSet;
use std::fmt;

use crate::word::{Below, Word};
use crate::{Facts, Verdict};

/// The tree of a target. `And` and `Or` hold two parts or more, none of their own sort, and `Not` never holds a `Not`: so equal
/// texts and equal trees are the same thing.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Word(Word),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

impl Expression {
    #[must_use]
    pub(crate) fn negated(self) -> Expression {
        match self {
            Expression::Not(inner) => *inner,
            other => Expression::Not(Box::new(other)),
        }
    }

    #[must_use]
    pub(crate) fn and(self, other: Expression) -> Expression {
        let mut parts = Vec::new();
        for part in [self, other] {
            match part {
                Expression::And(inner) => parts.extend(inner),
                part => parts.push(part),
            }
        }
        Expression::And(parts)
    }

    #[must_use]
    pub(crate) fn or(self, other: Expression) -> Expression {
        let mut parts = Vec::new();
        for part in [self, other] {
            match part {
                Expression::Or(inner) => parts.extend(inner),
                part => parts.push(part),
            }
        }
        Expression::Or(parts)
    }

    pub(crate) fn matches(&self, facts: &dyn Facts) -> Verdict {
        match self {
            Expression::Word(word) => word.matches(facts),
            Expression::Not(inner) => !inner.matches(facts),
            Expression::And(parts) => fold(parts, Verdict::Yes, Verdict::No, |sum, part| {
                sum.and(part.matches(facts))
            }),
            Expression::Or(parts) => fold(parts, Verdict::No, Verdict::Yes, |sum, part| {
                sum.or(part.matches(facts))
            }),
        }
    }

    pub(crate) fn below(&self, path: &str) -> Below {
        match self {
            Expression::Word(word) => word.below(path),
            Expression::Not(inner) => {
                let inner = inner.below(path);
                Below {
                    some: !inner.all,
                    all: !inner.some,
                }
            }
            Expression::And(parts) => {
                let parts = parts.iter().map(|part| part.below(path));
                parts.fold(
                    Below {
                        some: true,
                        all: true,
                    },
                    |sum, part| Below {
                        some: sum.some && part.some,
                        all: sum.all && part.all,
                    },
                )
            }
            Expression::Or(parts) => {
                let parts = parts.iter().map(|part| part.below(path));
                parts.fold(
                    Below {
                        some: false,
                        all: false,
                    },
                    |sum, part| Below {
                        some: sum.some || part.some,
                        all: sum.all || part.all,
                    },
                )
            }
        }
    }

    /// Adds the ids that the tree names; false when it is more than a choice between ids.
    pub(crate) fn literal_ids(&self, ids: &mut BTreeSet<String>) -> bool {
        match self {
            Expression::Word(Word::Id { text, glob }) if glob.is_literal() => {
                ids.insert(text.clone());
                true
            }
            Expression::Word(Word::List(list)) => {
                ids.extend(list.iter().cloned());
                true
            }
            Expression::Or(parts) => parts.iter().all(|part| part.literal_ids(ids)),
            Expression::Word(_) | Expression::Not(_) | Expression::And(_) => false,
        }
    }

    pub(crate) fn any_word(&self, test: &impl Fn(&Word) -> bool) -> bool {
        match self {
            Expression::Word(word) => test(word),
            Expression::Not(inner) => inner.any_word(test),
            Expression::And(parts) | Expression::Or(parts) => {
                parts.iter().any(|part| part.any_word(test))
            }
        }
    }

    /// Writes a part, in parentheses where it binds weaker than its surroundings.
    fn part(&self, f: &mut fmt::Formatter<'_>, is_loose: bool) -> fmt::Result {
        if is_loose {
            write!(f, "( {self} )")
        } else {
            write!(f, "{self}")
        }
    }
}

fn fold(
    parts: &[Expression],
    start: Verdict,
    stop: Verdict,
    step: impl Fn(Verdict, &Expression) -> Verdict,
) -> Verdict {
    let mut sum = start;
    for part in parts {
        sum = step(sum, part);
        if sum == stop {
            break;
        }
    }
    sum
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, operator) = match self {
            Expression::Word(word) => return write!(f, "{word}"),
            Expression::Not(inner) => {
                f.write_str("not ")?;
                return inner.part(f, matches!(**inner, Expression::And(_) | Expression::Or(_)));
            }
            Expression::And(parts) => (parts, " and "),
            Expression::Or(parts) => (parts, " or "),
        };
        let is_and = matches!(self, Expression::And(_));
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(operator)?;
            }
            part.part(f, is_and && matches!(part, Expression::Or(_)))?;
        }
        Ok(())
    }
}
