//! Values as Python shows and tests them. Scripts of operators depend on these shapes.

use serde_json::{Map, Number, Value};

/// Python's `str(value)`.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// Python's `repr(value)`.
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number_text(number),
        Value::String(text) => string_repr(text),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(repr).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(map) => map_repr(map),
    }
}

/// Python's `repr` of a dictionary.
pub fn map_repr(map: &Map<String, Value>) -> String {
    let items: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{}: {}", string_repr(key), repr(value)))
        .collect();
    format!("{{{}}}", items.join(", "))
}

/// Python's `repr` of a tuple.
pub fn tuple_repr(items: &[Value]) -> String {
    match items {
        [one] => format!("({},)", repr(one)),
        items => format!(
            "({})",
            items.iter().map(repr).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Python's `repr` of a string: in single quotes, or in double ones where that saves escaping.
pub fn string_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
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
            c if is_printable(c) => out.push(c),
            c => out.push_str(&match u32::from(c) {
                code @ ..=0xff => format!("\\x{code:02x}"),
                code @ ..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
    out
}

/// Whether Python's `repr` shows a character as itself: it shows no controls, formats, separators other than the space, or private ones.
#[rustfmt::skip] // A table is read in rows.
fn is_printable(c: char) -> bool {
    !matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{13438}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}' | '\u{f0000}'..='\u{10ffff}')
}

fn number_text(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => yaml::python_float(float),
        None => number.to_string(),
    }
}

/// The name of a value's type, as `str(type(value))` shows it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<class 'NoneType'>",
        Value::Bool(_) => "<class 'bool'>",
        Value::Number(number) if number.is_f64() => "<class 'float'>",
        Value::Number(_) => "<class 'int'>",
        Value::String(_) => "<class 'str'>",
        Value::Array(_) => "<class 'list'>",
        Value::Object(_) => "<class 'dict'>",
    }
}

/// Python's `bool(value)`.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// What Salt takes for a truth that an operator wrote: numbers above zero, the word true, and other values that are not empty.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number > 0.0,
            Err(_) => text.eq_ignore_ascii_case("true"),
        },
        Value::Number(number) => number.as_f64().is_some_and(|number| number > 0.0),
        value => truthy(value),
    }
}

/// The texts of a list, or those of a text with commas between; of null none.
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        value => text(value)
            .split(',')
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .collect(),
    }
}

/// Python's `text.splitlines()`: lines without their ends, of which Python knows more than the line feed.
pub fn split_lines(text: &str) -> Vec<&str> {
    const ENDS: [char; 10] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ];
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((at, end)) = rest.char_indices().find(|(_, c)| ENDS.contains(c)) else {
            lines.push(rest);
            break;
        };
        lines.push(&rest[..at]);
        rest = &rest[at + end.len_utf8()..];
        if end == '\r' {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_as_python_shows_them() {
        let check = |value: Value, expected: &str| assert_eq!(repr(&value), expected);
        check(json!(null), "None");
        check(json!(true), "True");
        check(json!(3), "3");
        check(json!(3.1), "3.1");
        check(json!(2.0), "2.0");
        check(json!(1e16), "1e+16");
        check(json!(1.5e-7), "1.5e-07");
        check(json!("it's"), "\"it's\"");
        check(json!("it's \"so\""), r#"'it\'s "so"'"#);
        check(json!("a\nb\u{1}"), r"'a\nb\x01'");
        check(
            json!({"a": [1, {"b": ""}], "c": {}}),
            "{'a': [1, {'b': ''}], 'c': {}}",
        );
        check(
            json!([0.0001, 0.00001, 123456789012345.0, 1.5e300]),
            "[0.0001, 1e-05, 123456789012345.0, 1.5e+300]",
        );
        check(json!("a\\b\nc\td\r"), r"'a\\b\nc\td\r'");
        check(
            json!("\u{1b}[1m\u{202e}\u{85} \u{fc}"),
            r"'\x1b[1m\u202e\x85 ü'",
        );
        check(json!("\u{a0}\u{e000}\u{e0041}"), r"'\xa0\ue000\U000e0041'");
        assert_eq!(tuple_repr(&[json!(1)]), "(1,)");
        assert_eq!(tuple_repr(&[]), "()");
    }
}
