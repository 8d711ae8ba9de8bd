//! The single matchers of a target, and their text.

use std::collections::BTreeSet;
use std::fmt;

use crate::address::Network;
use crate::glob::Glob;
use crate::grain::Grain;
use crate::pattern::Pattern;
use crate::site::PathPattern;
use crate::{Facts, Verdict};

/// What decides about a minion without operators.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    Id { text: String, glob: Glob },
    Path(PathPattern),
    Pcre { text: String, pattern: Pattern },
    List(BTreeSet<String>),
    Grain(Grain),
    Pillar(Grain),
    Address(Network),
}

/// Words that combine others.
pub(crate) const OPERATORS: [&str; 5] = ["and", "or", "not", "(", ")"];

impl Word {
    /// A glob over ids or a path.
    pub(crate) fn glob(text: &str) -> Result<Word, String> {
        check_name(text)?;
        if text.contains('/') {
            return PathPattern::new(text).map(Word::Path);
        }
        if OPERATORS.contains(&text) {
            // An id may be called `and`; only the list engine can say so in a compound text.
            return Ok(Word::List(BTreeSet::from([text.to_owned()])));
        }
        Ok(Word::Id {
            text: text.to_owned(),
            glob: Glob::new(text),
        })
    }

    /// Every minion in a site or below.
    pub(crate) fn site(text: &str) -> Result<Word, String> {
        check_name(text)?;
        PathPattern::new(&format!("{}/*", text.strip_suffix('/').unwrap_or(text))).map(Word::Path)
    }

    /// A regex over ids. `text` holds its blanks bare.
    pub(crate) fn pcre(text: &str) -> Result<Word, String> {
        check_end(text)?;
        Ok(Word::Pcre {
            text: text.to_owned(),
            pattern: Pattern::new(text, false)?,
        })
    }

    /// Ids with commas between; blanks around them do not count.
    pub(crate) fn list(text: &str) -> Result<Word, String> {
        let ids: BTreeSet<String> = text
            .split(',')
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        if ids.is_empty() {
            return Err("the list holds no id".to_owned());
        }
        for id in &ids {
            check_name(id)?;
            if id.contains('/') {
                return Err(format!("`{id}` is a path, and a list holds ids"));
            }
        }
        Ok(Word::List(ids))
    }

    /// A grain expression. `text` holds its blanks bare.
    pub(crate) fn grain(text: &str, delimiter: char, is_regex: bool) -> Result<Word, String> {
        check_end(text)?;
        Grain::new(text, delimiter, is_regex).map(Word::Grain)
    }

    /// As [`Word::grain`], over the pillar.
    pub(crate) fn pillar(text: &str, delimiter: char, is_regex: bool) -> Result<Word, String> {
        check_end(text)?;
        Grain::new(text, delimiter, is_regex).map(Word::Pillar)
    }

    /// An address or a network.
    pub(crate) fn address(text: &str) -> Result<Word, String> {
        Network::new(text).map(Word::Address)
    }

    pub(crate) fn matches(&self, facts: &dyn Facts) -> Verdict {
        match self {
            Word::Id { glob, .. } => glob.matches(facts.id()).into(),
            Word::Path(path) => path.matches(facts.id(), facts.path()).into(),
            Word::Pcre { pattern, .. } => pattern.matches(facts.id()),
            Word::List(ids) => ids.contains(facts.id()).into(),
            Word::Grain(grain) => facts
                .grains()
                .map_or(Verdict::Unknown, |grains| grain.matches(grains)),
            Word::Pillar(grain) => facts
                .pillar()
                .map_or(Verdict::Unknown, |pillar| grain.matches(pillar)),
            Word::Address(network) => facts
                .grains()
                .map_or(Verdict::Unknown, |grains| network.matches(grains).into()),
        }
    }

    /// Whether some, and whether all minions in a site and below it may match, as far as the site tells.
    pub(crate) fn below(&self, path: &str) -> Below {
        match self {
            Word::Path(pattern) => Below {
                some: pattern.may_match_below(path),
                all: pattern.matches_all_below(path),
            },
            Word::Id { glob, .. } => Below {
                some: true,
                all: glob.is_any(),
            },
            Word::Pcre { .. }
            | Word::List(_)
            | Word::Grain(_)
            | Word::Pillar(_)
            | Word::Address(_) => Below {
                some: true,
                all: false,
            },
        }
    }
}

/// What the site alone says about the minions in it and below.
#[derive(Clone, Copy)]
pub(crate) struct Below {
    /// False: surely none matches.
    pub(crate) some: bool,
    /// True: surely all match.
    pub(crate) all: bool,
}

/// Ids, globs and sites are single words without parentheses.
fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the target is empty".to_owned());
    }
    if let Some(c) = text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || matches!(c, '(' | ')'))
    {
        return Err(format!("an id or a site cannot hold {c:?}"));
    }
    if let Some(engine) = engine(text) {
        return Err(format!("`{}@` begins a compound target", engine.letter));
    }
    check_end(text)
}

/// A backslash at the end would hold on to the blank after the word.
fn check_end(text: &str) -> Result<(), String> {
    if text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1 {
        return Err("a backslash cannot stand at the end".to_owned());
    }
    Ok(())
}

/// The engine at the start of a compound's word.
pub(crate) struct Engine {
    pub(crate) letter: char,
    pub(crate) delimiter: Option<char>,
    /// Bytes of the engine with its `@`.
    pub(crate) len: usize,
}

/// Reads `G@` or `G|@`; the grain and pillar engines take a delimiter.
pub(crate) fn engine(word: &str) -> Option<Engine> {
    let mut chars = word.chars();
    let letter = chars.next().filter(char::is_ascii_uppercase)?;
    let second = chars.next()?;
    if matches!(letter, 'G' | 'P' | 'I' | 'J') && chars.next() == Some('@') {
        return Some(Engine {
            letter,
            delimiter: Some(second),
            len: 2 + second.len_utf8(),
        });
    }
    (second == '@').then_some(Engine {
        letter,
        delimiter: None,
        len: 2,
    })
}

/// Takes off the backslash that keeps a blank in a word.
pub(crate) fn unescape(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    let mut backslashes = 0;
    for c in word.chars() {
        if c.is_whitespace() && backslashes % 2 == 1 {
            text.pop();
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        text.push(c);
    }
    text
}

/// The reverse of [`unescape`].
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_whitespace() {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Id { text, .. } => f.write_str(text),
            Word::Path(path) => f.write_str(path.text()),
            Word::Pcre { text, .. } => write!(f, "E@{}", Escaped(text)),
            Word::List(ids) => {
                f.write_str("L@")?;
                for (index, id) in ids.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{id}")?;
                }
                Ok(())
            }
            Word::Address(network) => write!(f, "S@{network}"),
            Word::Grain(grain) | Word::Pillar(grain) => {
                let letter = match (self, grain.is_regex()) {
                    (Word::Pillar(_), false) => 'I',
                    (Word::Pillar(_), true) => 'J',
                    (_, false) => 'G',
                    (_, true) => 'P',
                };
                match grain.delimiter() {
                    // `G@@` would read as the delimiter `@`.
                    ':' if !grain.text().starts_with('@') => {
                        write!(f, "{letter}@{}", Escaped(grain.text()))
                    }
                    delimiter => write!(f, "{letter}{delimiter}@{}", Escaped(grain.text())),
                }
            }
        }
    }
}
