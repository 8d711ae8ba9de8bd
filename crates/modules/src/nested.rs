//! Values as Salt's nested output shows them, without colours; texts of failures hold such parts.

use serde_json::Value;

use crate::python;

/// The lines of a value, without a line end after the last.
pub(crate) fn nested(value: &Value) -> String {
    let mut lines = Vec::new();
    show(value, 0, "", &mut lines);
    lines.join("\n").trim_end().to_owned()
}

fn show(value: &Value, indent: usize, prefix: &str, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            if indent > 0 {
                lines.push(format!("{margin}----------"));
            }
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                lines.push(format!("{margin}{prefix}{key}:"));
                match &map[key] {
                    Value::Null => lines.push(format!("{margin}    None")),
                    value => show(value, indent + 4, "", lines),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Object(_) | Value::Array(_) => {
                        lines.push(format!("{margin}|_"));
                        let prefix = if item.is_array() { "- " } else { "" };
                        show(item, indent + 2, prefix, lines);
                    }
                    item => show(item, indent, "- ", lines),
                }
            }
        }
        Value::String(text) => {
            let mut prefix = prefix.to_owned();
            for line in text.lines() {
                lines.push(format!("{margin}{prefix}{line}"));
                prefix = " ".repeat(prefix.len());
            }
        }
        scalar => lines.push(format!("{margin}{prefix}{}", python::text(scalar))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_below_their_names() {
        let value = json!({"errors": ["E: one\nW: two", 3], "a": {"b": null, "c": true}});
        let expected = "a:\n    ----------\n    b:\n        None\n    c:\n        True\nerrors:\n    - E: one\n      W: two\n    - 3";
        assert_eq!(nested(&value), expected);
        assert_eq!(nested(&json!(["x"])), "- x");
        let empty = json!({"l": [{"a": "", "b": []}], "x": 1});
        let expected = "l:\n    |_\n      ----------\n      a:\n      b:\nx:\n    1";
        assert_eq!(nested(&empty), expected);
    }
}
