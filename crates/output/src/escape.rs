//! Makes characters visible that would move the cursor, change the terminal, or hide or reorder text.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character shows as itself and leaves everything around it alone.
///
/// Not visible in this sense: control characters (C0, DEL, C1), marks and overrides of the writing direction, characters
/// without width, line and paragraph separators, and tags.
pub fn is_visible(c: char) -> bool {
    !matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}'
        | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line: each character that is not visible in its escaped form, `\x1b` or `\u202e`.
///
/// A backslash stays as it is, so the form is for reading and does not read back.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_unless(text, is_visible)
}

/// As [`escape`], but line breaks and tabs stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_unless(text, |c| c == '\n' || c == '\t' || is_visible(c))
}

fn escape_unless(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&keep) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if keep(c) {
            out.push(c);
        } else {
            push_escaped(&mut out, c);
        }
    }
    Cow::Owned(out)
}

/// Appends the escaped form of a character, which is also how Python writes it.
fn push_escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match code {
        0..0x100 => write!(out, "\\x{code:02x}"),
        0x100..0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_would_act_on_a_terminal() {
        let check = |text: &str, one_line: &str, lines: &str| {
            assert_eq!(escape(text), one_line);
            assert_eq!(escape_lines(text), lines);
        };
        check("plain ü 日本 🎉", "plain ü 日本 🎉", "plain ü 日本 🎉");
        check("a\nb\tc", "a\\x0ab\\x09c", "a\nb\tc");
        check("\x1b[31mred", "\\x1b[31mred", "\\x1b[31mred");
        check("a\rb\x7f", "a\\x0db\\x7f", "a\\x0db\\x7f");
        check("\u{9b}2J", "\\x9b2J", "\\x9b2J");
        check("a\u{202e}b\u{200b}", "a\\u202eb\\u200b", "a\\u202eb\\u200b");
        check("\u{e0041}", "\\U000e0041", "\\U000e0041");
        check("C:\\x1b", "C:\\x1b", "C:\\x1b");
        check("", "", "");
    }

    #[test]
    fn nothing_but_visible_characters_is_left() {
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            assert!(escape(&text).chars().all(is_visible), "{c:?}");
            // What is written as Python writes it is shown without a further escape.
            let repr = data::python::string_repr(&text);
            assert!(repr.chars().all(is_visible), "{c:?}");
        }
    }
}
