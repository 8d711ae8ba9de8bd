//! Values as Python's `repr` writes them, which is what operators of Salt know from `--out raw` and `--out txt`.

use serde_json::{Number, Value};

use crate::escape::{is_visible, push_escaped};

/// A value as Python's `repr`.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    push_value(&mut out, value);
    out
}

/// A number as Python writes it.
pub(crate) fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_repr(float),
        _ => number.to_string(),
    }
}

/// Null, true and false as Python writes them; None for other values.
pub(crate) fn constant(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => Some("None"),
        Value::Bool(true) => Some("True"),
        Value::Bool(false) => Some("False"),
        _ => None,
    }
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) => out.push_str(constant(value).unwrap_or_default()),
        Value::Number(value) => out.push_str(&number(value)),
        Value::String(text) => push_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                push_separator(out, index);
                push_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                push_separator(out, index);
                push_text(out, key);
                out.push_str(": ");
                push_value(out, item);
            }
            out.push('}');
        }
    }
}

fn push_separator(out: &mut String, index: usize) {
    if index > 0 {
        out.push_str(", ");
    }
}

/// Python prefers single quotes, and takes double ones to save escaping.
fn push_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_visible(c) => out.push(c),
            c => push_escaped(out, c),
        }
    }
    out.push(quote);
}

/// Rust and Python agree on the shortest digits and on when an exponent is needed, and not on how it is written.
fn float_repr(float: f64) -> String {
    let text = format!("{float:?}");
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_in_python() {
        // The expected texts were printed by Python 3.
        let check = |json: &str, expected: &str| {
            let value: Value = serde_json::from_str(json).expect("test input is JSON");
            assert_eq!(repr(&value), expected);
        };
        check("null", "None");
        check("[true, false]", "[True, False]");
        check("-12", "-12");
        check(
            "[1.0, 0.0001, 0.00001, 1e16, 123456789012345.0, 1.5e300, 1e-7]",
            "[1.0, 0.0001, 1e-05, 1e+16, 123456789012345.0, 1.5e+300, 1e-07]",
        );
        check(
            r#"{"a": [1, {"b": ""}], "c": {}}"#,
            "{'a': [1, {'b': ''}], 'c': {}}",
        );
        check(r#""it's""#, r#""it's""#);
        check(r#""it's \"so\"""#, r#"'it\'s "so"'"#);
        check(r#""a\\b\nc\td\r""#, r"'a\\b\nc\td\r'");
        check(
            r#""\u001b[1m\u202e\u0085 \u00fc""#,
            r"'\x1b[1m\u202e\x85 ü'",
        );
    }
}
