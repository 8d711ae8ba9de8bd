//! JSON as Python's `json.dumps` writes it.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::python;

/// How JSON is laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonStyle {
    /// Keys in order instead of as they stand.
    pub sort_keys: bool,
    /// An entry on each line, indented by this many columns for each level.
    pub indent: Option<usize>,
    /// Escapes all characters that are not ASCII.
    pub is_ascii: bool,
}

/// A value as JSON, with Python's blanks after commas and colons.
pub fn json(value: &Value, style: &JsonStyle) -> String {
    let mut printer = Printer {
        style,
        out: String::new(),
    };
    printer.value(value, 0);
    printer.out
}

struct Printer<'a> {
    style: &'a JsonStyle,
    out: String,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => self.map(map, depth),
            Value::Array(items) if !items.is_empty() => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, depth + 1);
                    self.value(item, depth + 1);
                }
                self.end(depth);
                self.out.push(']');
            }
            Value::String(text) => self.string(text),
            // Floats are those of Python's repr; everything else is as JSON has it anyway.
            Value::Number(_) => self.out.push_str(&python::repr(value)),
            other => self.out.push_str(&other.to_string()),
        }
    }

    fn map(&mut self, map: &Map<String, Value>, depth: usize) {
        let mut entries: Vec<_> = map.iter().collect();
        if self.style.sort_keys {
            entries.sort_by_key(|(key, _)| *key);
        }
        self.out.push('{');
        for (index, (key, value)) in entries.into_iter().enumerate() {
            self.separate(index, depth + 1);
            self.string(key);
            self.out.push_str(": ");
            self.value(value, depth + 1);
        }
        self.end(depth);
        self.out.push('}');
    }

    fn separate(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push_str(if self.style.indent.is_some() {
                ","
            } else {
                ", "
            });
        }
        self.end(depth);
    }

    fn end(&mut self, depth: usize) {
        if let Some(indent) = self.style.indent {
            self.out.push('\n');
            self.out
                .extend(std::iter::repeat_n(' ', indent.saturating_mul(depth)));
        }
    }

    fn string(&mut self, text: &str) {
        // Quoted by serde_json, whose escapes are Python's; what is not ASCII is escaped here.
        let quoted = Value::String(text.to_owned()).to_string();
        for c in quoted.chars() {
            if self.style.is_ascii && (!c.is_ascii() || c == '\u{7f}') {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(self.out, "\\u{unit:04x}");
                }
            } else {
                self.out.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn as_python_writes_it() {
        let tree = value!({"b": [1, 1.5, null, true], "a": {"é": "x\n\"\u{1}"}, "e": [], "f": {}});
        let check = |style: JsonStyle, expected: &str| assert_eq!(json(&tree, &style), expected);
        check(
            JsonStyle::default(),
            r#"{"b": [1, 1.5, null, true], "a": {"é": "x\n\"\u0001"}, "e": [], "f": {}}"#,
        );
        check(
            JsonStyle {
                sort_keys: true,
                indent: Some(2),
                is_ascii: true,
            },
            "{\n  \"a\": {\n    \"\\u00e9\": \"x\\n\\\"\\u0001\"\n  },\n  \"b\": [\n    1,\n    1.5,\n    null,\n    true\n  ],\n  \"e\": [],\n  \"f\": {}\n}",
        );
    }
}
