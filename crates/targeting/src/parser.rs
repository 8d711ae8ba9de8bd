//! Reads target texts.

use std::collections::BTreeSet;

use crate::expression::Expression;
use crate::word::{Word, engine, unescape};
use crate::{
    Error, Errors, Kind, LIST_BYTES_MAX, NESTING_MAX, NODEGROUP_DEPTH_MAX, Nodegroups,
    TEXT_BYTES_MAX, WORDS_MAX,
};

/// Reads a text of any kind; see [`crate::Target::parse`].
pub(crate) fn parse(
    kind: Kind,
    text: &str,
    nodegroups: &Nodegroups,
    delimiter: char,
) -> Result<Expression, Errors> {
    let mut reader = Reader {
        nodegroups,
        groups: Vec::new(),
        place: None,
        words: 0,
        errors: Vec::new(),
    };
    let expression = if reader.fits(kind, text) {
        reader.kind(kind, text, delimiter)
    } else {
        nothing()
    };
    // Nodegroups can make a short text long, and what cannot be read back cannot travel.
    if reader.errors.is_empty() && reader.fits(Kind::Compound, &expression.to_string()) {
        return Ok(expression);
    }
    reader.errors.sort_by_key(|error| (error.start, error.end));
    for error in &mut reader.errors {
        // Faults of the expanded text have no place in the one that was given.
        error.start = error.start.min(text.len());
        error.end = error.end.min(text.len());
    }
    Err(Errors(reader.errors))
}

/// Stands where a fault is; never leaves the parser.
fn nothing() -> Expression {
    Expression::Word(Word::List(BTreeSet::new()))
}

struct Reader<'n> {
    nodegroups: &'n Nodegroups,
    /// The nodegroups that are being read, outermost first.
    groups: Vec<String>,
    /// Where the outermost of them is used.
    place: Option<(usize, usize)>,
    words: usize,
    errors: Vec<Error>,
}

impl Reader<'_> {
    fn fail(&mut self, start: usize, end: usize, message: impl Into<String>) -> Expression {
        let error = match (self.place, self.groups.last()) {
            (Some((start, end)), Some(group)) => Error {
                message: format!("in the nodegroup `{group}`: {}", message.into()),
                start,
                end,
            },
            _ => Error {
                message: message.into(),
                start,
                end,
            },
        };
        self.errors.push(error);
        nothing()
    }

    /// Checks the length of a text.
    fn fits(&mut self, kind: Kind, text: &str) -> bool {
        let list_len = match kind {
            Kind::List => text.len(),
            Kind::Compound => {
                let words = text
                    .split_whitespace()
                    .map(|word| word.trim_start_matches('('));
                words
                    .filter(|word| word.starts_with("L@"))
                    .map(str::len)
                    .sum()
            }
            _ => 0,
        };
        if list_len > LIST_BYTES_MAX {
            self.fail(
                0,
                text.len(),
                format!("the lists of the target are longer than {LIST_BYTES_MAX} bytes"),
            );
        }
        if text.len() - list_len > TEXT_BYTES_MAX {
            self.fail(
                0,
                text.len(),
                format!("the target is longer than {TEXT_BYTES_MAX} bytes"),
            );
        }
        self.errors.is_empty()
    }

    fn kind(&mut self, kind: Kind, text: &str, delimiter: char) -> Expression {
        let start = text.len() - text.trim_start().len();
        let end = text.trim_end().len().max(start);
        let name = &text[start..end];
        let word = match kind {
            Kind::Compound => return self.compound(text, 0),
            Kind::Nodegroup => return self.nodegroup(name, start, end, 0),
            Kind::Glob => Word::glob(name),
            Kind::Site => Word::site(name),
            Kind::List => Word::list(text),
            Kind::Pcre if name.is_empty() => Err("the target is empty".to_owned()),
            Kind::Pcre => Word::pcre(&unescape(text)),
            Kind::Grain => Word::grain(&unescape(text), delimiter, false),
            Kind::GrainPcre => Word::grain(&unescape(text), delimiter, true),
            Kind::Pillar => Word::pillar(&unescape(text), delimiter, false),
            Kind::PillarPcre => Word::pillar(&unescape(text), delimiter, true),
            Kind::Ipcidr => Word::address(name),
        };
        word.map(Expression::Word)
            .unwrap_or_else(|message| self.fail(start, end, message))
    }

    fn compound(&mut self, text: &str, depth: usize) -> Expression {
        let mut tokens = Tokens {
            text,
            tokens: tokenize(text),
            at: 0,
        };
        if tokens.tokens.is_empty() {
            return self.fail(0, text.len(), "the target is empty");
        }
        let expression = self.choice(&mut tokens, depth);
        if let Some(token) = tokens.next() {
            return self.fail(token.start, token.end, "no `(` opens this `)`");
        }
        expression
    }

    fn choice(&mut self, tokens: &mut Tokens<'_>, depth: usize) -> Expression {
        let mut sum = self.all(tokens, depth);
        while tokens.take(Symbol::Or).is_some() {
            let next = self.all(tokens, depth);
            sum = sum.or(next);
        }
        sum
    }

    fn all(&mut self, tokens: &mut Tokens<'_>, depth: usize) -> Expression {
        let mut sum = self.term(tokens, depth);
        loop {
            match tokens.peek() {
                Some(Token {
                    symbol: Symbol::And,
                    ..
                }) => {
                    tokens.next();
                }
                // Salt reads `a not b` as `a and not b`.
                Some(Token {
                    symbol: Symbol::Not,
                    ..
                }) => {}
                Some(Token {
                    symbol: Symbol::Word | Symbol::Open,
                    start,
                    end,
                }) => {
                    self.fail(start, end, "`and` or `or` is missing before this");
                }
                Some(Token {
                    symbol: Symbol::Or | Symbol::Close,
                    ..
                })
                | None => return sum,
            }
            let next = self.term(tokens, depth);
            sum = sum.and(next);
        }
    }

    /// Reads one word, one group in parentheses, or the negation of one. It takes no token only where it reports a fault
    /// before an operator or a `)`, which the caller takes.
    fn term(&mut self, tokens: &mut Tokens<'_>, depth: usize) -> Expression {
        let Some(token) = tokens.peek() else {
            let end = tokens.text.trim_end().len();
            return self.fail(end, end, "a target is missing at the end");
        };
        let Token { symbol, start, end } = token;
        if depth > NESTING_MAX {
            tokens.at = tokens.tokens.len();
            return self.fail(
                start,
                end,
                format!("the target is nested deeper than {NESTING_MAX}"),
            );
        }
        match symbol {
            Symbol::Word => {
                tokens.next();
                self.word(&tokens.text[start..end], start, end, depth)
            }
            Symbol::Not => {
                tokens.next();
                self.term(tokens, depth + 1).negated()
            }
            Symbol::Open => {
                tokens.next();
                let inner = self.choice(tokens, depth + 1);
                if tokens.take(Symbol::Close).is_none() {
                    self.fail(start, end, "no `)` closes this `(`");
                }
                inner
            }
            Symbol::And | Symbol::Or | Symbol::Close => self.fail(
                start,
                end,
                format!("a target is missing before `{}`", &tokens.text[start..end]),
            ),
        }
    }

    fn word(&mut self, text: &str, start: usize, end: usize, depth: usize) -> Expression {
        self.words += 1;
        if self.words > WORDS_MAX {
            if self.words == WORDS_MAX + 1 {
                self.fail(
                    start,
                    end,
                    format!("the target has more than {WORDS_MAX} words"),
                );
            }
            return nothing();
        }
        let Some(engine) = engine(text) else {
            return Word::glob(&unescape(text))
                .map(Expression::Word)
                .unwrap_or_else(|message| self.fail(start, end, message));
        };
        let pattern = unescape(&text[engine.len..]);
        if pattern.is_empty() {
            return self.fail(start, end, format!("nothing stands after `{text}`"));
        }
        let delimiter = engine.delimiter.unwrap_or(':');
        let word = match engine.letter {
            'N' => return self.nodegroup(&pattern, start, end, depth + 1),
            'G' => Word::grain(&pattern, delimiter, false),
            'P' => Word::grain(&pattern, delimiter, true),
            'E' => Word::pcre(&pattern),
            'L' => Word::list(&pattern),
            'I' => Word::pillar(&pattern, delimiter, false),
            'J' => Word::pillar(&pattern, delimiter, true),
            'S' => Word::address(&pattern),
            'R' => Err("targets by range server are not supported yet".to_owned()),
            letter => Err(format!("unknown engine `{letter}@`")),
        };
        word.map(Expression::Word)
            .unwrap_or_else(|message| self.fail(start, end, message))
    }

    fn nodegroup(&mut self, name: &str, start: usize, end: usize, depth: usize) -> Expression {
        let Some(text) = self.nodegroups.expression(name) else {
            return self.fail(start, end, format!("unknown nodegroup `{name}`"));
        };
        if let Some(first) = self.groups.iter().position(|group| group == name) {
            let way = self.groups[first..].join("` -> `");
            return self.fail(
                start,
                end,
                format!("the nodegroups go in a circle: `{way}` -> `{name}`"),
            );
        }
        if self.groups.len() >= NODEGROUP_DEPTH_MAX {
            return self.fail(
                start,
                end,
                format!("nodegroups are nested deeper than {NODEGROUP_DEPTH_MAX}"),
            );
        }
        let outer = self.place;
        self.place = outer.or(Some((start, end)));
        self.groups.push(name.to_owned());
        let expression = self.compound(&text, depth);
        self.groups.pop();
        self.place = outer;
        expression
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Open,
    Close,
    And,
    Or,
    Not,
    Word,
}

/// A part of the text, by its bytes.
#[derive(Clone, Copy, Debug)]
struct Token {
    symbol: Symbol,
    start: usize,
    end: usize,
}

struct Tokens<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
}

impl Tokens<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    fn take(&mut self, symbol: Symbol) -> Option<Token> {
        if self.peek()?.symbol == symbol {
            self.next()
        } else {
            None
        }
    }
}

fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    // For each open parenthesis, whether it touches a word: only such a one may be closed at the end of a regex.
    let mut open = Vec::new();
    for (start, end) in words(text) {
        let after_open = text[start..end].trim_start_matches('(');
        let word_start = end - after_open.len();
        for at in start..word_start {
            tokens.push(Token {
                symbol: Symbol::Open,
                start: at,
                end: at + 1,
            });
            open.push(!after_open.is_empty());
        }
        let mut word = after_open;
        while let Some(shorter) = word.strip_suffix(')') {
            let touches = open
                .len()
                .checked_sub(after_open.len() - word.len() + 1)
                .is_some_and(|at| open[at]);
            if is_pattern(word) && !(touches && closes_more_than_it_opens(word)) {
                break;
            }
            word = shorter;
        }
        let word_end = word_start + word.len();
        if !word.is_empty() {
            let symbol = match word {
                "and" => Symbol::And,
                "or" => Symbol::Or,
                "not" => Symbol::Not,
                _ => Symbol::Word,
            };
            tokens.push(Token {
                symbol,
                start: word_start,
                end: word_end,
            });
        }
        for at in word_end..end {
            tokens.push(Token {
                symbol: Symbol::Close,
                start: at,
                end: at + 1,
            });
            open.pop();
        }
    }
    tokens
}

/// The places of the words of a text. A blank after a backslash (one that is not itself escaped) belongs to its word.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut backslashes = 0;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && backslashes % 2 == 0 {
            words.extend(start.take().map(|start| (start, at)));
        } else {
            start.get_or_insert(at);
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
    }
    words.extend(start.map(|start| (start, text.len())));
    words
}

/// Whether parentheses can be part of the word's meaning.
fn is_pattern(word: &str) -> bool {
    engine(word).is_some_and(|engine| !matches!(engine.letter, 'L' | 'N' | 'S'))
}

fn closes_more_than_it_opens(word: &str) -> bool {
    let mut surplus = 0_isize;
    let mut is_escaped = false;
    for c in word.chars() {
        match c {
            '(' if !is_escaped => surplus -= 1,
            ')' if !is_escaped => surplus += 1,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    surplus > 0
}
