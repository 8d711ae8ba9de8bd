//! Cuts a template into tokens, with Jinja's rules of white space.

use super::fault::{Fault, Result};
use std::rc::Rc;

/// How white space around tags is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whitespace {
    /// The first line break after a tag goes.
    pub trim_blocks: bool,
    /// Blanks before a tag at the start of a line go.
    pub lstrip_blocks: bool,
    /// The last line break of the source stays, in addition to the one that Salt puts back.
    pub keep_trailing_newline: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Text(String),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(Rc<str>),
    Str(String),
    Int(i128),
    Float(f64),
    Symbol(&'static str),
    End,
}

/// Longest first.
const SYMBOLS: &[&str] = &[
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

/// All tokens with their lines, counted from 1.
pub(crate) fn tokens(
    source: &str,
    whitespace: Whitespace,
    file: &Rc<str>,
) -> Result<Vec<(Token, usize)>> {
    let mut lexer = Lexer {
        source,
        rest: source,
        line: 1,
        whitespace,
        tokens: Vec::new(),
        is_line_start: true,
    };
    lexer.run().map_err(|fault| fault.at(file, lexer.line))?;
    lexer.tokens.push((Token::End, lexer.line));
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    rest: &'a str,
    line: usize,
    whitespace: Whitespace,
    tokens: Vec<(Token, usize)>,
    /// Whether what was taken last ended with a line break.
    is_line_start: bool,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        if let Some(last) = taken.as_bytes().last() {
            self.is_line_start = *last == b'\n';
        }
        taken
    }

    fn unexpected(&self, c: char) -> Fault {
        let quoted = if c == '\'' {
            "\"'\"".to_owned()
        } else {
            format!("'{c}'")
        };
        let at = self.source[..self.source.len() - self.rest.len()]
            .chars()
            .count();
        Fault::syntax(format!("unexpected char {quoted} at {at}"))
    }

    fn push(&mut self, token: Token) {
        self.tokens.push((token, self.line));
    }

    fn run(&mut self) -> Result<()> {
        while !self.rest.is_empty() {
            let opening = next_tag(self.rest);
            let Some(at) = opening else {
                let line = self.line;
                let text = self.take(self.rest.len());
                self.tokens.push((Token::Text(text.to_owned()), line));
                return Ok(());
            };
            let tag = &self.rest[at..at + 2];
            let sign = self.rest[at + 2..].chars().next();
            self.text(at, sign, tag != "{{");
            match tag {
                "{#" => self.comment()?,
                "{%" if self.raw_begin().is_some() => self.raw()?,
                _ => self.code(tag == "{{", sign)?,
            }
        }
        Ok(())
    }

    /// Takes text before a tag, without the white space that the tag strips.
    fn text(&mut self, length: usize, sign: Option<char>, is_strippable: bool) {
        let was_line_start = self.is_line_start;
        let line = self.line;
        let text = self.take(length);
        let kept = self.stripped(text, sign, is_strippable, was_line_start);
        if !kept.is_empty() {
            self.tokens.push((Token::Text(kept.to_owned()), line));
        }
    }

    fn stripped<'t>(
        &self,
        text: &'t str,
        sign: Option<char>,
        is_strippable: bool,
        was_line_start: bool,
    ) -> &'t str {
        if sign == Some('-') {
            return text.trim_end();
        }
        if sign != Some('+') && self.whitespace.lstrip_blocks && is_strippable {
            let start = text.rfind('\n').map_or(0, |at| at + 1);
            if (start > 0 || was_line_start) && text[start..].trim().is_empty() {
                return &text[..start];
            }
        }
        text
    }

    /// After a closing tag: what its sign, or the setting, takes of the text that follows.
    fn after_tag(&mut self, sign: Option<char>, trims: bool) {
        if sign == Some('-') {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
        } else if sign != Some('+')
            && trims
            && self.whitespace.trim_blocks
            && self.rest.starts_with('\n')
        {
            self.take(1);
        }
    }

    fn comment(&mut self) -> Result<()> {
        let Some(end) = self.rest[2..].find("#}").map(|at| at + 2) else {
            return Err(Fault::syntax("Missing end of comment tag"));
        };
        let sign = self.rest[..end].chars().next_back().filter(|_| end > 2);
        self.take(end + 2);
        self.after_tag(sign, true);
        Ok(())
    }

    /// The length of `{% raw %}`, if the rest begins with it, and the sign at its end.
    fn raw_begin(&self) -> Option<(usize, Option<char>)> {
        tag_named(self.rest, "raw").filter(|(_, sign)| *sign != Some('+'))
    }

    fn raw(&mut self) -> Result<()> {
        let (length, sign) = self.raw_begin().unwrap_or_default();
        self.take(length);
        self.after_tag(sign, false);
        let mut from = 0;
        while let Some(found) = self.rest[from..].find("{%") {
            let at = from + found;
            if let Some((length, end_sign)) = tag_named(&self.rest[at..], "endraw") {
                let begin_sign = self.rest[at + 2..].chars().next();
                self.text(at, begin_sign, true);
                self.take(length);
                self.after_tag(end_sign, true);
                return Ok(());
            }
            from = at + 2;
        }
        Err(Fault::syntax("Missing end of raw directive"))
    }

    fn code(&mut self, is_variable: bool, sign: Option<char>) -> Result<()> {
        self.push(if is_variable {
            Token::VariableBegin
        } else {
            Token::BlockBegin
        });
        self.take(2);
        if matches!(sign, Some('-' | '+')) {
            self.take(1);
        }
        let (end, closing) = if is_variable {
            ("}}", Token::VariableEnd)
        } else {
            ("%}", Token::BlockEnd)
        };
        let mut open = Vec::new();
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            // The parser says what it missed.
            let Some(first) = self.rest.chars().next() else {
                return Ok(());
            };
            if open.is_empty() {
                let sign = Some(first).filter(|c| *c == '-' || (*c == '+' && !is_variable));
                let skip = sign.map_or(0, char::len_utf8);
                if self.rest[skip..].starts_with(end) {
                    self.push(closing);
                    self.take(skip + end.len());
                    self.after_tag(sign, !is_variable);
                    return Ok(());
                }
            }
            self.token(first, &mut open)?;
        }
    }

    fn token(&mut self, first: char, open: &mut Vec<char>) -> Result<()> {
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '_' || first.is_alphabetic() {
            let end = self
                .rest
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(self.rest.len());
            let name: Rc<str> = self.rest[..end].into();
            self.push(Token::Name(name));
            self.take(end);
            return Ok(());
        }
        if matches!(first, '"' | '\'') {
            return self.string(first);
        }
        let Some(symbol) = SYMBOLS
            .iter()
            .find(|symbol| self.rest.starts_with(**symbol))
        else {
            return Err(self.unexpected(first));
        };
        match first {
            '(' | '[' | '{' => open.push(first),
            ')' | ']' | '}' => {
                let expected = match open.pop() {
                    Some('(') => ')',
                    Some('[') => ']',
                    Some(_) => '}',
                    None => return Err(Fault::syntax(format!("unexpected '{first}'"))),
                };
                if expected != first {
                    return Err(Fault::syntax(format!(
                        "unexpected '{first}', expected '{expected}'"
                    )));
                }
            }
            _ => {}
        }
        self.push(Token::Symbol(symbol));
        self.take(symbol.len());
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        let lower = self.rest.get(..2).unwrap_or_default().to_ascii_lowercase();
        let radix = match lower.as_str() {
            "0x" => 16,
            "0o" => 8,
            "0b" => 2,
            _ => 10,
        };
        if radix != 10 {
            let end = digits_end(&self.rest[2..], radix) + 2;
            let text = self.rest[2..end].replace('_', "");
            let number = i128::from_str_radix(&text, radix)
                .map_err(|_| Fault::syntax("a number that is not one"))?;
            self.push(Token::Int(number));
            self.take(end);
            return Ok(());
        }
        let mut end = digits_end(self.rest, 10);
        let mut is_float = false;
        let fraction = self.rest[end..]
            .strip_prefix('.')
            .map_or(0, |rest| digits_end(rest, 10));
        if fraction > 0 {
            end += 1 + fraction;
            is_float = true;
        }
        if let Some(rest) = self.rest[end..].strip_prefix(['e', 'E']) {
            let sign = usize::from(rest.starts_with(['+', '-']));
            let digits = digits_end(&rest[sign..], 10);
            if digits > 0 {
                end += 1 + sign + digits;
                is_float = true;
            }
        }
        let text = self.rest[..end].replace('_', "");
        let token = if is_float {
            text.parse().map(Token::Float).ok()
        } else {
            text.parse().map(Token::Int).ok()
        };
        let token =
            token.ok_or_else(|| Fault::syntax(format!("the number {text} is too large")))?;
        self.push(token);
        self.take(end);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<()> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.push(Token::Str(text));
                self.take(at + 1);
                return Ok(());
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some((_, escape)) = chars.next() else {
                break;
            };
            let width = match escape {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if width > 0 {
                let digits: String = chars.by_ref().take(width).map(|(_, c)| c).collect();
                let c = u32::from_str_radix(&digits, 16)
                    .ok()
                    .and_then(char::from_u32);
                text.push(
                    c.ok_or_else(|| Fault::syntax(format!("\\{escape}{digits} is no character")))?,
                );
                continue;
            }
            match escape {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'a' => text.push('\u{7}'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'v' => text.push('\u{b}'),
                '\n' => {}
                '\\' | '\'' | '"' => text.push(escape),
                '0'..='7' => {
                    let mut code = escape as u32 - '0' as u32;
                    for _ in 0..2 {
                        let mut ahead = chars.clone();
                        match ahead.next() {
                            Some((_, digit @ '0'..='7')) => {
                                code = code * 8 + (digit as u32 - '0' as u32);
                                chars = ahead;
                            }
                            _ => break,
                        }
                    }
                    text.extend(char::from_u32(code));
                }
                _ => {
                    text.push('\\');
                    text.push(escape);
                }
            }
        }
        Err(self.unexpected(quote))
    }
}

/// Where the next tag opens.
fn next_tag(text: &str) -> Option<usize> {
    let is_tag = |at: &usize| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'));
    text.match_indices('{').map(|(at, _)| at).find(is_tag)
}

/// Where a run of digits, with single underscores between them, ends.
fn digits_end(text: &str, radix: u32) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| {
        bytes
            .get(at)
            .is_some_and(|b| char::from(*b).is_digit(radix))
    };
    let mut end = 0;
    while is_digit(end) || (end > 0 && bytes.get(end) == Some(&b'_') && is_digit(end + 1)) {
        end += 1;
    }
    end
}

/// The length of a tag that is only a name, such as `{%- raw %}`, and the sign at its end.
fn tag_named(text: &str, name: &str) -> Option<(usize, Option<char>)> {
    let rest = text.strip_prefix("{%")?;
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let rest = rest.trim_start().strip_prefix(name)?.trim_start();
    let sign = rest.chars().next().filter(|c| matches!(c, '-' | '+'));
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let rest = rest.strip_prefix("%}")?;
    Some((text.len() - rest.len(), sign))
}
