//! Command line arguments, read as Salt's command line reads them.

use serde_json::{Map, Value};

/// Reads one argument: YAML where that is surely meant, else the text as it was typed.
///
/// These keep their text: an empty or blank argument; digits with underscores (`1_000`); a list or map without its
/// brackets (`a: b`, `- a`); text with a `#`, which YAML would cut off; text with a line break, which YAML would fold; a lone
/// `!`, `|` or `>`; and whatever is not YAML (`*`, `%x`, `@a`). `None` is null.
pub fn parse_argument(text: &str) -> Value {
    let as_typed = || Value::String(text.to_owned());
    let trimmed = text.trim();
    let is_digits_with_gaps =
        || trimmed.contains('_') && trimmed.chars().all(|c| c.is_ascii_digit() || c == '_');
    if trimmed.is_empty() || is_digits_with_gaps() {
        return as_typed();
    }
    if text == "None" {
        return Value::Null;
    }
    match crate::parse(text) {
        Err(_) => as_typed(),
        Ok(Value::Object(_)) if !text.starts_with('{') => as_typed(),
        Ok(Value::Array(_)) if !text.starts_with('[') => as_typed(),
        Ok(Value::String(_) | Value::Null) if text.contains('#') => as_typed(),
        Ok(Value::String(_)) if text.contains('\n') => as_typed(),
        // A bare indicator reads as an empty value; only quotes say that emptiness is meant.
        Ok(Value::String(value)) if value.is_empty() && !trimmed.contains(['\'', '"']) => {
            as_typed()
        }
        Ok(Value::Null) if trimmed.starts_with('!') => as_typed(),
        Ok(value) => value,
    }
}

/// Reads arguments into positional ones and `key=value` ones.
///
/// A key begins with a letter or underscore and goes on with those, digits, `.` and `-`. `a==b` is positional, and so is an
/// argument with a line break inside: it is more likely a text than a keyword. The last of two equal keys counts.
pub fn parse_arguments(args: &[String]) -> (Vec<Value>, Map<String, Value>) {
    let mut positional = Vec::new();
    let mut keyword = Map::new();
    for arg in args {
        match split_keyword(arg) {
            Some((key, value)) => {
                keyword.insert(key.to_owned(), parse_argument(value));
            }
            None => positional.push(parse_argument(arg)),
        }
    }
    (positional, keyword)
}

fn split_keyword(arg: &str) -> Option<(&str, &str)> {
    let (key, value) = arg.split_once('=')?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_key = key.starts_with(|c: char| is_word(c) && !c.is_numeric())
        && key.chars().all(|c| is_word(c) || matches!(c, '.' | '-'));
    let value = value.strip_suffix('\n').unwrap_or(value);
    (is_key && !value.starts_with('=') && !value.contains('\n')).then_some((key, value))
}
