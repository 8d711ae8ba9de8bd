//! Which minions a job is for: reads, checks and matches target expressions in Salt's grammar, with sites on top.
//!
//! A word is a glob over the minion's id (`web*`), or a path (`eu/ams/web*`: ids `web*` in the site `eu/ams` or below), or an
//! engine with its pattern: `G@os:Debian` grain glob, `P@os:Deb.*` grain regex, `I@role:web` pillar glob, `J@role:w.*` pillar regex,
//! `E@web\d+` id regex, `L@a,b` list, `N@group` nodegroup, `S@10.0.0.0/8` an address or network. Words combine with `not`, `and`, `or` (binding in this order) and parentheses. `a not b` is `a and not b`.
//! Where this differs from Salt, on purpose:
//!
//! - what Salt logs and then treats as no match (an unknown nodegroup, a broken regex, `G@os`) is an error here;
//! - a parenthesis may touch its word, `(a or b)`;
//! - a backslash before a blank keeps the blank in the word, so that every target has a text;
//! - a grain regex ignores case but is not itself lowered, which would turn `\S` into `\s`.
//!
//! Matching answers [`Verdict::Unknown`] when a grain or the pillar decides and is not known: it never guesses.
//!
//! This crate never reads a file, a clock or the network, and knows no wire form: a target travels as its
//! [`Target::to_compound`] text. Any crate may use it.

mod address;
mod errors;
mod expression;
mod glob;
mod grain;
mod nodegroups;
mod parser;
mod pattern;
mod site;
mod target;
mod word;

pub use errors::{Error, Errors};
pub use glob::Glob;
pub use nodegroups::{NodegroupError, Nodegroups};
pub use target::Target;

/// Longest target text in bytes, its lists not counted.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Longest list of ids in bytes, for there may be thousands; all lists of one text together.
pub const LIST_BYTES_MAX: usize = 1024 * 1024;

/// Deepest nesting of parentheses, `not` and nodegroups, which bounds the recursion.
pub const NESTING_MAX: usize = 64;

/// Deepest nodegroup inside of nodegroups.
pub const NODEGROUP_DEPTH_MAX: usize = 16;

/// Most words of one target, the words of its nodegroups counted at each use.
pub const WORDS_MAX: usize = 16 * 1024;

/// Most parts of a grain expression; the ways to walk the grains double with each part.
pub const GRAIN_PARTS_MAX: usize = 16;

/// Most steps back that one regex may take for one text before the answer is [`Verdict::Unknown`].
pub const REGEX_BACKTRACK_MAX: usize = 100_000;

/// How a target's text is to be read; the command line's `-E -L -G -P -I -J -C -N -S --site`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A glob over ids, or a path when it has a `/`; the default.
    Glob,
    /// A regex that matches at the start of the id.
    Pcre,
    /// Ids with commas between.
    List,
    /// `key:glob` over grains.
    Grain,
    /// `key:regex` over grains.
    GrainPcre,
    /// Words with `and`, `or`, `not` and parentheses.
    Compound,
    /// The name of a nodegroup.
    Nodegroup,
    /// A site path: every minion in the site or below. The path target `SITE/*` is the same.
    Site,
    /// An address of the minion, or a network that one of them lies in.
    Ipcidr,
    /// `key:glob` over the pillar.
    Pillar,
    /// `key:regex` over the pillar.
    PillarPcre,
}

/// Whether a minion matches, in Kleene's three-valued logic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// The facts at hand do not decide it.
    Unknown,
}

impl Verdict {
    /// `Yes` when both are, `No` when one is.
    #[must_use]
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::No, _) | (_, Verdict::No) => Verdict::No,
            (Verdict::Yes, Verdict::Yes) => Verdict::Yes,
            _ => Verdict::Unknown,
        }
    }

    /// `Yes` when one is, `No` when both are.
    #[must_use]
    pub fn or(self, other: Verdict) -> Verdict {
        !(!self).and(!other)
    }
}

impl std::ops::Not for Verdict {
    type Output = Verdict;

    fn not(self) -> Verdict {
        match self {
            Verdict::Yes => Verdict::No,
            Verdict::No => Verdict::Yes,
            Verdict::Unknown => Verdict::Unknown,
        }
    }
}

impl From<bool> for Verdict {
    fn from(matches: bool) -> Verdict {
        if matches { Verdict::Yes } else { Verdict::No }
    }
}

/// What is known about one minion.
pub trait Facts {
    /// The minion's id.
    fn id(&self) -> &str;
    /// Its site as a path like `eu/ams`; empty at the top.
    fn path(&self) -> &str;
    /// Its grains, a JSON object; none when they are not known.
    fn grains(&self) -> Option<&serde_json::Value>;
    /// Its pillar, a JSON object; none where it is not known, which is everywhere but where it is made.
    fn pillar(&self) -> Option<&serde_json::Value> {
        None
    }
}
