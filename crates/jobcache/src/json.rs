//! JSON that every table takes.

use std::fmt::Write;

use serde_json::Value;

/// The text of a value in ASCII alone, since Salt's tables in MySQL hold three bytes of a character at most. `jsonb` can't hold
/// the character NUL, so that one becomes U+FFFD there.
pub(crate) fn ascii(value: &Value, for_jsonb: bool) -> String {
    ascii_text(&value.to_string(), for_jsonb)
}

/// The same for a value that is text already.
pub(crate) fn ascii_text(text: &str, for_jsonb: bool) -> String {
    let text = if for_jsonb {
        without_nul(text)
    } else {
        text.to_owned()
    };
    if text.is_ascii() {
        return text;
    }
    let mut ascii = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if c.is_ascii() {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing into a String does not fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

/// Replaces the escape of NUL; a backslash before it may be escaped itself.
fn without_nul(text: &str) -> String {
    const NUL: &str = "\\u0000";
    if !text.contains(NUL) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        clean.push_str(&rest[..at]);
        let escape = &rest[at..];
        let (taken, put) = if escape.starts_with(NUL) {
            (NUL.len(), "\\ufffd")
        } else {
            // A backslash in JSON text is followed by one ASCII character at least.
            let taken = escape.len().min(2);
            (taken, &escape[..taken])
        };
        clean.push_str(put);
        rest = &escape[taken..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_ascii_and_means_the_same() {
        for value in [
            json!("grün \u{1f333}"),
            json!({"é": ["\\u0000", "a\u{0}b"]}),
        ] {
            let text = ascii(&value, false);
            assert!(text.is_ascii(), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn jsonb_gets_no_nul_and_keeps_what_looks_like_one() {
        let text = ascii(&json!(["a\u{0}b", "\\u0000", "\\"]), true);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, json!(["a\u{fffd}b", "\\u0000", "\\"]));
    }
}
