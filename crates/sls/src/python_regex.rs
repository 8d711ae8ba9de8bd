//! Python's regular expressions, by the engine that targets use as well.

use fancy_regex::{Captures, Regex, RegexBuilder};

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// `re.I`
    pub ignore_case: bool,
    /// `re.M`: `^` and `$` match at each line.
    pub multiline: bool,
    /// `re.S`: `.` matches line feeds.
    pub dot_all: bool,
    /// `re.X`: blanks and comments of the pattern do not count.
    pub verbose: bool,
    /// `\w`, `\d` and `\s` are ASCII, as in patterns of bytes.
    pub ascii: bool,
}

/// Compiles a pattern that is written for Python's `re`. A search that goes back more than `backtrack_max` times fails.
pub fn compile(source: &str, flags: Flags, backtrack_max: usize) -> Result<Regex, String> {
    let mut letters = String::new();
    for (is_set, letter) in [
        (flags.ignore_case, 'i'),
        (flags.multiline, 'm'),
        (flags.dot_all, 's'),
        (flags.verbose, 'x'),
    ] {
        letters.extend(is_set.then_some(letter));
    }
    if !letters.is_empty() {
        letters = format!("(?{letters})");
    }
    RegexBuilder::new(&format!("{letters}{}", translated(source, flags)))
        .backtrack_limit(backtrack_max)
        .build()
        .map_err(|error| format!("the regular expression {source:?}: {error}"))
}

/// What differs from the engine's notation: `\Z` is the very end, `$` stands before a last line feed too, `{` that opens no count is itself.
fn translated(source: &str, flags: Flags) -> String {
    let is_multiline = flags.multiline || inline_flags(source).contains('m');
    let is_verbose = flags.verbose || inline_flags(source).contains('x');
    let mut out = String::new();
    let mut chars = source.chars().peekable();
    let mut is_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Z') => out.push_str("\\z"),
                Some(plain @ ('/' | '<' | '>')) => out.push(plain),
                Some('w') if flags.ascii => out.push_str(class("0-9A-Za-z_", is_class).as_str()),
                Some('d') if flags.ascii => out.push_str(class("0-9", is_class).as_str()),
                Some('s') if flags.ascii => {
                    out.push_str(class("\\t\\n\\x0b\\x0c\\r\\x20", is_class).as_str());
                }
                Some('W') if flags.ascii && !is_class => out.push_str("[^0-9A-Za-z_]"),
                Some('D') if flags.ascii && !is_class => out.push_str("[^0-9]"),
                Some('S') if flags.ascii && !is_class => {
                    out.push_str("[^\\t\\n\\x0b\\x0c\\r\\x20]");
                }
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
            // The engine would drop them from a class too.
            ' ' | '#' if is_class && is_verbose => {
                out.push('\\');
                out.push(c);
            }
            ']' if is_class => {
                is_class = false;
                out.push(c);
            }
            '{' if !is_class && !opens_count(chars.clone()) => out.push_str("\\{"),
            '$' if !is_class && !is_multiline => out.push_str("(?=\\n?\\z)"),
            _ => out.push(c),
        }
    }
    out
}

/// Members of a class, in brackets unless they stand in some already.
fn class(members: &str, is_class: bool) -> String {
    if is_class {
        members.to_owned()
    } else {
        format!("[{members}]")
    }
}

/// The letters of `(?im)` at the start of a pattern.
fn inline_flags(source: &str) -> &str {
    let group = source
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'));
    group
        .map(|(letters, _)| letters)
        .filter(|letters| letters.chars().all(|c| c.is_ascii_alphabetic()))
        .unwrap_or_default()
}

fn opens_count(mut rest: impl Iterator<Item = char>) -> bool {
    let inner: String = rest.by_ref().take_while(|c| *c != '}').collect();
    inner.chars().any(|c| c.is_ascii_digit())
        && inner.chars().all(|c| c.is_ascii_digit() || c == ',')
}

/// Writes a replacement, with the groups that it names.
pub fn expand(replacement: &str, found: &Captures<'_>, out: &mut String) -> Result<(), String> {
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
                    Ok(_) => return Err(format!("invalid group reference {name}")),
                    Err(_) => found.name(&name),
                };
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some('0') => out.push('\0'),
            Some(digit @ '1'..='9') => {
                let mut number = digit as usize - '0' as usize;
                if let Some(second) = chars.next_if(char::is_ascii_digit) {
                    number = number * 10 + (second as usize - '0' as usize);
                }
                if number >= found.len() {
                    return Err(format!("invalid group reference {number}"));
                }
                out.push_str(found.get(number).map_or("", |group| group.as_str()));
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\x07'),
            Some('f') => out.push('\x0c'),
            Some('v') => out.push('\x0b'),
            Some('\\') | None => out.push('\\'),
            Some(other) if other.is_ascii_alphabetic() => {
                return Err(format!("bad escape \\{other}"));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Ok(())
}

/// Whether a replacement may stand for the matches of a pattern: its groups are there, and its escapes are known.
fn check(replacement: &str, regex: &Regex) -> Result<(), String> {
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some('g') if chars.next_if_eq(&'<').is_some() => {
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                let is_there = match name.parse::<usize>() {
                    Ok(number) => number < regex.captures_len(),
                    Err(_) => regex.capture_names().flatten().any(|known| known == name),
                };
                if !is_there {
                    return Err(format!("invalid group reference {name}"));
                }
            }
            Some(digit @ '1'..='9') => {
                let mut number = digit as usize - '0' as usize;
                if let Some(second) = chars.next_if(char::is_ascii_digit) {
                    number = number * 10 + (second as usize - '0' as usize);
                }
                if number >= regex.captures_len() {
                    return Err(format!("invalid group reference {number}"));
                }
            }
            Some(other) if other.is_ascii_alphabetic() && !"abfnrtv".contains(other) => {
                return Err(format!("bad escape \\{other}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// `re.subn(replacement, text, count)`: the new text and how many matches were replaced; 0 replaces all. An empty match right behind another
/// match counts, as in Python.
pub fn substitute(
    regex: &Regex,
    replacement: &str,
    text: &str,
    count: usize,
) -> Result<(String, usize), String> {
    check(replacement, regex)?;
    let mut out = String::new();
    let (mut copied, mut at, mut replaced) = (0, 0, 0);
    let mut must_advance = false;
    while at <= text.len() && (count == 0 || replaced < count) {
        let found = regex
            .captures_from_pos(text, at)
            .map_err(|error| error.to_string())?;
        let Some((found, whole)) = found
            .as_ref()
            .and_then(|found| Some((found, found.get(0)?)))
        else {
            break;
        };
        if must_advance && whole.start() == at && whole.end() == at {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            must_advance = false;
            continue;
        }
        out.push_str(&text[copied..whole.start()]);
        expand(replacement, found, &mut out)?;
        (copied, at) = (whole.end(), whole.end());
        must_advance = whole.start() == whole.end();
        replaced += 1;
    }
    out.push_str(&text[copied..]);
    Ok((out, replaced))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are what Python's `re.subn` gives.
    #[test]
    fn texts_are_replaced_as_in_python() {
        let check = |pattern: &str, replacement: &str, text: &str, count, expected: &str, times| {
            let flags = Flags {
                multiline: true,
                ascii: true,
                ..Flags::default()
            };
            let regex = compile(pattern, flags, 1000).unwrap();
            let found = substitute(&regex, replacement, text, count).unwrap();
            assert_eq!(found, (expected.to_owned(), times), "{pattern}");
        };
        check("x*", "-", "abxd", 0, "-a-b--d-", 5);
        check(".*", "X", "ab\ncd\n", 0, "XX\nXX\nX", 5);
        check("^", "# ", "a\nb\n", 0, "# a\n# b\n# ", 3);
        check("(a)(b)?", r"<\1|\2|\g<0>>", "abac", 0, "<a|b|ab><a||a>c", 2);
        check("a", "b", "aaa", 2, "bba", 2);
        check(r"\w+", "_", "é a1", 0, "é _", 1);
        check(r"[\w.]+$", "_", "x a.b\ny", 0, "x _\n_", 2);
        check(r"a{x}\<", "_", "a{x}<", 0, "_", 1);
        check(r"(?P<q>['\x22]).*?(?P=q)", "_", "'a\"' \"b\"", 0, "_ _", 2);
    }

    #[test]
    fn replacements_are_checked_without_a_match() {
        let regex = compile("(?P<n>a)", Flags::default(), 1000).unwrap();
        for (replacement, is_fine) in [
            (r"\1\g<n>\g<0>\n", true),
            (r"\2", false),
            (r"\g<m>", false),
            (r"\q", false),
        ] {
            let done = substitute(&regex, replacement, "zzz", 0);
            assert_eq!(done.is_ok(), is_fine, "{replacement}");
        }
    }

    #[test]
    fn a_dollar_stands_before_the_last_line_feed() {
        let regex = compile("b$", Flags::default(), 1000).unwrap();
        for (text, expected) in [
            ("ab", true),
            ("ab\n", true),
            ("ab\n\n", false),
            ("b\na", false),
        ] {
            assert_eq!(regex.is_match(text).unwrap(), expected, "{text:?}");
        }
        let regex = compile("(?m)b$", Flags::default(), 1000).unwrap();
        assert!(regex.is_match("b\na").unwrap());
    }
}
