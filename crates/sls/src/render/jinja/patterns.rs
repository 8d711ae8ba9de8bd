//! Python's regular expressions, by the engine that targets use as well.

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::fault::{Fault, Result};
use super::fuel;
use super::operators::check_length;

/// Steps of going back before a search is given up.
const BACKTRACK_MAX: usize = 100_000;
/// What it takes to compile a pattern and to search once, beside looking at the text.
const STEPS: usize = 5_000;

/// Compiles a pattern that is written for Python's `re`.
pub(super) fn pattern(source: &str, ignorecase: bool, multiline: bool) -> Result<Regex> {
    fuel::spend(STEPS + source.len())?;
    let flags = match (ignorecase, multiline) {
        (true, true) => "(?im)",
        (true, false) => "(?i)",
        (false, true) => "(?m)",
        (false, false) => "",
    };
    RegexBuilder::new(&format!("{flags}{}", translated(source)))
        .backtrack_limit(BACKTRACK_MAX)
        .build()
        .map_err(|error| Fault::value(format!("the regular expression {source:?}: {error}")))
}

/// Python's `\Z` is the very end, and so is `\z` here; `{` that opens no count is itself.
fn translated(source: &str) -> String {
    let mut out = String::new();
    let mut chars = source.chars().peekable();
    let mut is_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Z') => out.push_str("\\z"),
                Some('/') => out.push('/'),
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            },
            '[' if !is_class => {
                is_class = true;
                out.push(c);
                if let Some(negation) = chars.next_if_eq(&'^') {
                    out.push(negation);
                }
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            // Inside a class Python takes it as it is; the engine would open another class.
            '[' => out.push_str("\\["),
            '&' | '~' if is_class => {
                out.push('\\');
                out.push(c);
            }
            ']' if is_class => {
                is_class = false;
                out.push(c);
            }
            '{' if !is_class && !opens_count(chars.clone()) => out.push_str("\\{"),
            _ => out.push(c),
        }
    }
    out
}

fn opens_count(mut rest: impl Iterator<Item = char>) -> bool {
    let inner: String = rest.by_ref().take_while(|c| *c != '}').collect();
    inner.chars().any(|c| c.is_ascii_digit())
        && inner.chars().all(|c| c.is_ascii_digit() || c == ',')
}

/// `re.sub(replacement, text)`.
pub(super) fn substitute(regex: &Regex, replacement: &str, text: &str) -> Result<String> {
    let mut out = String::new();
    let mut last = 0;
    for found in regex.captures_iter(text) {
        let found = found.map_err(|error| Fault::value(error.to_string()))?;
        let Some(whole) = found.get(0) else {
            continue;
        };
        out.push_str(&text[last..whole.start()]);
        expand(replacement, &found, &mut out)?;
        check_length(out.len())?;
        last = whole.end();
    }
    out.push_str(&text[last..]);
    Ok(out)
}

/// Writes a replacement, with the groups that it names.
fn expand(replacement: &str, found: &Captures<'_>, out: &mut String) -> Result<()> {
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('g') if chars.next_if_eq(&'<').is_some() => {
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                let group = match name.parse() {
                    Ok(number) if number < found.len() => found.get(number),
                    Ok(_) => return Err(Fault::value(format!("invalid group reference {name}"))),
                    Err(_) => found.name(&name),
                };
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some(digit @ '1'..='9') => {
                let mut number = digit as usize - '0' as usize;
                if let Some(second) = chars.next_if(char::is_ascii_digit) {
                    number = number * 10 + (second as usize - '0' as usize);
                }
                if number >= found.len() {
                    return Err(Fault::value(format!("invalid group reference {number}")));
                }
                out.push_str(found.get(number).map_or("", |group| group.as_str()));
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) if other.is_ascii_alphabetic() => {
                return Err(Fault::value(format!("bad escape \\{other}")));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Ok(())
}
