//! Values as Python shows, tests and walks them. Scripts of operators depend on these shapes.

use serde_json::{Map, Number, Value};

/// Between the keys of a path into nested values.
pub(crate) const DEFAULT_DELIMITER: &str = ":";

/// Python's `str(value)`.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// Python's `repr(value)`.
pub(crate) fn repr(value: &Value) -> String {
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
pub(crate) fn map_repr(map: &Map<String, Value>) -> String {
    let items: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{}: {}", string_repr(key), repr(value)))
        .collect();
    format!("{{{}}}", items.join(", "))
}

/// Python's `repr` of a tuple.
pub(crate) fn tuple_repr(items: &[Value]) -> String {
    match items {
        [one] => format!("({},)", repr(one)),
        items => format!(
            "({})",
            items.iter().map(repr).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Python's `repr` of a string.
pub(crate) fn string_repr(text: &str) -> String {
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
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

fn number_text(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => float_repr(float),
        None => number.to_string(),
    }
}

fn float_repr(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        // Rust writes 1e16, Python 1e+16; both write at least the shortest digits that read back equal.
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{float:?}")
}

/// The name of a value's type, as `str(type(value))` shows it.
pub(crate) fn type_name(value: &Value) -> &'static str {
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
pub(crate) fn truthy(value: &Value) -> bool {
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
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number > 0.0,
            Err(_) => text.eq_ignore_ascii_case("true"),
        },
        Value::Number(number) => number.as_f64().is_some_and(|number| number > 0.0),
        value => truthy(value),
    }
}

/// Walks into nested dictionaries and lists along `path`. In a list a number is an
/// index and a name looks into the dictionaries that it holds; a dictionary written from YAML may have keys that
/// are not strings, which JSON already turned into strings, so both spellings meet.
pub(crate) fn traverse<'a>(data: &'a Value, path: &str, delimiter: &str) -> Option<&'a Value> {
    let whole = [path];
    let steps: Box<dyn Iterator<Item = &str>> = if delimiter.is_empty() {
        Box::new(whole.into_iter())
    } else {
        Box::new(path.split(delimiter))
    };
    let mut at = data;
    for step in steps {
        at = match at {
            Value::Object(map) => map.get(step)?,
            Value::Array(items) => items
                .iter()
                .find_map(|item| item.as_object()?.get(step))
                .or_else(|| {
                    let index = step.parse::<i64>().ok()?;
                    let index = if index < 0 {
                        index + i64::try_from(items.len()).ok()?
                    } else {
                        index
                    };
                    items.get(usize::try_from(index).ok()?)
                })?,
            _ => return None,
        };
    }
    Some(at)
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
        check(json!({"a": [1, "x"]}), "{'a': [1, 'x']}");
        assert_eq!(tuple_repr(&[json!(1)]), "(1,)");
        assert_eq!(tuple_repr(&[]), "()");
    }

    #[test]
    fn truths_of_operators() {
        for truth in [
            json!(true),
            json!("True"),
            json!("true"),
            json!(1),
            json!("1"),
            json!([0]),
        ] {
            assert!(is_true(&truth), "{truth}");
        }
        for other in [
            json!(false),
            json!("yes"),
            json!("0"),
            json!(-1),
            json!(""),
            json!(null),
        ] {
            assert!(!is_true(&other), "{other}");
        }
    }

    #[test]
    fn traverse_walks_dicts_and_lists() {
        let data = json!({"a": {"b": [{"c": 1}, 2, {"d": {"e": 3}}]}, "x/y": 5, "1": "one"});
        let check = |path: &str, expected: Option<Value>| {
            assert_eq!(traverse(&data, path, ":").cloned(), expected, "{path}");
        };
        check("a:b:c", Some(json!(1)));
        check("a:b:1", Some(json!(2)));
        check("a:b:-1:d:e", Some(json!(3)));
        check("a:b:d:e", Some(json!(3)));
        check("a:b:9", None);
        check("a:b:c:z", None);
        check("1", Some(json!("one")));
        check("nope", None);
        check("", None);
        assert_eq!(traverse(&data, "x/y", ":"), Some(&json!(5)));
        assert_eq!(traverse(&data, "a/b/1", "/"), Some(&json!(2)));
    }
}
