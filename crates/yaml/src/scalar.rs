//! What a plain scalar means, and what an explicit tag makes of a text.

use data_encoding::BASE64;
use serde_json::Value;

use crate::number::{float, int, is_float, is_int};

/// The sort of a plain scalar by YAML 1.1's implicit tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    /// `<<`, which merges when it is a key.
    Merge,
    /// `=`, YAML 1.1's default value; a plain string to Salt's users.
    Default,
    Text,
}

/// Sorts a plain scalar.
pub(crate) fn sort(text: &str) -> Sort {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Sort::Null,
        "<<" => Sort::Merge,
        "=" => Sort::Default,
        _ if boolean(text).is_some_and(|_| has_bool_case(text)) => Sort::Bool,
        _ if is_int(text) => Sort::Int,
        _ if is_float(text) => Sort::Float,
        _ if is_timestamp(text) => Sort::Timestamp,
        _ => Sort::Text,
    }
}

/// The value of a plain scalar. A text that looks like a number and is none (`0x_`) is a string.
pub(crate) fn plain(text: &str) -> Value {
    let value = match sort(text) {
        Sort::Null => Some(Value::Null),
        Sort::Bool => boolean(text).map(Value::Bool),
        Sort::Int => int(text),
        Sort::Float => float(text),
        Sort::Timestamp | Sort::Merge | Sort::Default | Sort::Text => None,
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The value of a scalar with an explicit tag; the error says what is wrong.
pub(crate) fn tagged(tag: &str, text: &str) -> Result<Value, String> {
    let unreadable = |what: &str| format!("`{text}` is not {what}");
    match tag.strip_prefix("tag:yaml.org,2002:") {
        Some("str" | "timestamp") => Ok(Value::String(text.to_owned())),
        Some("null") => Ok(Value::Null),
        Some("bool") => boolean(text)
            .map(Value::Bool)
            .ok_or_else(|| unreadable("a boolean")),
        Some("int") => int(text).ok_or_else(|| unreadable("an integer")),
        Some("float") => float(text).ok_or_else(|| unreadable("a float")),
        Some("binary") => {
            let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let bytes = BASE64
                .decode(digits.as_bytes())
                .map_err(|error| format!("the base64 text is broken: {error}"))?;
            String::from_utf8(bytes)
                .map(Value::String)
                .map_err(|_| "binary data that is not UTF-8 text has no value here".to_owned())
        }
        Some("map" | "seq") => Err(format!("the tag `{}` does not fit a scalar", short(tag))),
        _ => Err(unknown(tag)),
    }
}

/// The message for a tag that nobody knows.
pub(crate) fn unknown(tag: &str) -> String {
    format!("the tag `{}` is unknown", short(tag))
}

/// A tag as people write it: `!!int`.
pub(crate) fn short(tag: &str) -> String {
    tag.strip_prefix("tag:yaml.org,2002:")
        .map_or_else(|| tag.to_owned(), |name| format!("!!{name}"))
}

/// A boolean in any casing.
fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["yes", "true", "on"]) {
        Some(true)
    } else if is(["no", "false", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// `yes`, `Yes` and `YES` are plain booleans; `yEs` is not.
fn has_bool_case(text: &str) -> bool {
    let mut rest = text.chars().skip(1);
    let lower = rest.clone().all(|c| c.is_ascii_lowercase());
    lower
        || text.starts_with(|c: char| c.is_ascii_uppercase())
            && rest.all(|c| c.is_ascii_uppercase())
}

/// `2026-01-31` or `2026-1-31 12:00:00.5 +01:00`.
fn is_timestamp(text: &str) -> bool {
    let mut cursor = Cursor(text);
    if !(cursor.digits(4..=4) && cursor.one('-')) {
        return false;
    }
    let day = cursor.0;
    if cursor.digits(2..=2) && cursor.one('-') && cursor.digits(2..=2) && cursor.0.is_empty() {
        return true;
    }
    let mut cursor = Cursor(day);
    if !(cursor.digits(1..=2) && cursor.one('-') && cursor.digits(1..=2)) {
        return false;
    }
    if !(cursor.one('T') || cursor.one('t') || cursor.blanks()) {
        return false;
    }
    if !(cursor.digits(1..=2)
        && cursor.one(':')
        && cursor.digits(2..=2)
        && cursor.one(':')
        && cursor.digits(2..=2))
    {
        return false;
    }
    if cursor.one('.') {
        cursor.digits(0..=usize::MAX);
    }
    if cursor.0.is_empty() {
        return true;
    }
    cursor.blanks();
    if cursor.one('Z') {
        return cursor.0.is_empty();
    }
    (cursor.one('-') || cursor.one('+'))
        && cursor.digits(1..=2)
        && (!cursor.one(':') || cursor.digits(2..=2))
        && cursor.0.is_empty()
}

/// The rest of a text that is being matched from the left.
struct Cursor<'t>(&'t str);

impl Cursor<'_> {
    fn one(&mut self, c: char) -> bool {
        self.0.strip_prefix(c).map(|rest| self.0 = rest).is_some()
    }

    fn blanks(&mut self) -> bool {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let any = rest.len() < self.0.len();
        self.0 = rest;
        any
    }

    /// Takes as many digits as there are, up to the most that are allowed.
    fn digits(&mut self, count: std::ops::RangeInclusive<usize>) -> bool {
        let have = self
            .0
            .bytes()
            .take(*count.end())
            .take_while(u8::is_ascii_digit)
            .count();
        self.0 = &self.0[have..];
        count.contains(&have)
    }
}
