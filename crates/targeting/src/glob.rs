//! Shell patterns as Python's `fnmatch` reads them: `*`, `?`, `[seq]`, `[!seq]`, and no escapes.

/// A compiled pattern; matching allocates nothing.
#[derive(Clone, Debug)]
pub struct Glob(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Any characters, also none.
    Star,
    One,
    Literal(char),
    Set {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
}

impl Glob {
    /// Compiles a pattern; each text is one.
    pub fn new(pattern: &str) -> Glob {
        let chars: Vec<char> = pattern.chars().collect();
        let mut pieces = Vec::with_capacity(chars.len());
        let mut at = 0;
        while at < chars.len() {
            let c = chars[at];
            at += 1;
            match c {
                // Several stars in a row are one.
                '*' if pieces.last() == Some(&Piece::Star) => {}
                '*' => pieces.push(Piece::Star),
                '?' => pieces.push(Piece::One),
                '[' => match set(&chars[at..]) {
                    Some((piece, len)) => {
                        pieces.push(piece);
                        at += len;
                    }
                    None => pieces.push(Piece::Literal('[')),
                },
                c => pieces.push(Piece::Literal(c)),
            }
        }
        Glob(pieces)
    }

    /// Whether it is `*`, which matches everything.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == [Piece::Star]
    }

    /// Whether it matches one text only.
    pub(crate) fn is_literal(&self) -> bool {
        self.0
            .iter()
            .all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        if self.is_any() {
            return true;
        }
        let mut rest = text;
        let mut at = 0;
        // Where to go on when the last star takes one more character. An earlier star never needs to.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            if self.0.get(at) == Some(&Piece::Star) {
                at += 1;
                retry = Some((at, rest));
                continue;
            }
            let mut chars = rest.chars();
            match (self.0.get(at), chars.next()) {
                (None, None) => return true,
                (Some(piece), Some(c)) if piece.fits(c) => {
                    at += 1;
                    rest = chars.as_str();
                }
                _ => {
                    let Some((after_star, from)) = retry else {
                        return false;
                    };
                    let mut from = from.chars();
                    if from.next().is_none() {
                        return false;
                    }
                    rest = from.as_str();
                    at = after_star;
                    retry = Some((after_star, rest));
                }
            }
        }
    }
}

impl Piece {
    fn fits(&self, c: char) -> bool {
        match self {
            Piece::Star | Piece::One => true,
            Piece::Literal(literal) => *literal == c,
            Piece::Set { ranges, is_negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated
            }
        }
    }
}

/// Reads a set after its `[`; also says how many characters it takes. None when no `]` closes it.
fn set(chars: &[char]) -> Option<(Piece, usize)> {
    let is_negated = chars.first() == Some(&'!');
    let first = usize::from(is_negated);
    // A `]` right at the start is a member.
    let close = first + 1 + chars.get(first + 1..)?.iter().position(|c| *c == ']')?;
    let members = &chars[first..close];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        if let [low, '-', high, ..] = members[at..] {
            ranges.push((low, high));
            at += 3;
        } else {
            ranges.push((members[at], members[at]));
            at += 1;
        }
    }
    Some((Piece::Set { ranges, is_negated }, close + 1))
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn matches_as_fnmatch_does() {
        #[track_caller]
        fn check(pattern: &str, text: &str, expected: bool) {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "web1", true);
        check("web", "web1", false);
        check("web*", "web", true);
        check("web?", "web1", true);
        check("web?", "web", false);
        check("*b*c", "abbcbc", true);
        check("*b*c", "abbcb", false);
        check("a**b", "ab", true);
        check("web[1-3]", "web2", true);
        check("web[1-3]", "web4", false);
        check("web[!1-3]", "web4", true);
        check("web[!1-3]", "web1", false);
        check("[]]", "]", true);
        check("[!]]", "]", false);
        check("[a-]", "-", true);
        check("[-a]", "-", true);
        check("[c-a]", "b", false);
        check("[^a]", "^", true);
        check("[^a]", "b", false);
        check("[ab", "[ab", true);
        check("[]", "[]", true);
        check("[!]", "[!]", true);
        check("WEB", "web", false);
        check(r"a\*", r"a\b", true);
        check("é?", "éü", true);
    }
}
