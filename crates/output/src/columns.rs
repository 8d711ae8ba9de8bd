//! Lists of dictionaries as rows and columns, in the shape of Salt's `table` outputter.

use data::python;
use serde_json::Value;

use crate::escape::{escape, escape_lines};
use crate::style::{Style, Tone};

/// Columns by which what is below a key is indented.
const INDENT: usize = 4;
/// A cell goes on in the next line where it would be wider.
const WIDTH: usize = 50;

/// A value: keys with a rule below, and each list as a table.
pub(crate) fn columns(value: &Value, style: Style) -> String {
    let mut out = String::new();
    show(value, 0, style, &mut out);
    out
}

fn show(value: &Value, indent: usize, style: Style, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, value) in entries {
                line(indent, &style.paint(Tone::Name, &escape(key)), ":", out);
                line(indent, &style.paint(Tone::Name, "----------"), "", out);
                match value {
                    Value::Array(rows) => table(rows, indent, style, out),
                    other => show(other, indent + INDENT, style, out),
                }
            }
        }
        Value::Array(rows) => table(rows, indent, style, out),
        // As with Salt, a single value has no rows.
        _ => {}
    }
}

/// Rows of one kind; what is mixed has no columns and is left out, as with Salt.
fn table(rows: &[Value], indent: usize, style: Style, out: &mut String) {
    let mut cells: Vec<Vec<String>> = Vec::new();
    let mut has_header = false;
    for row in rows {
        let texts: Vec<String> = match (row, &rows[0]) {
            (Value::Object(row), Value::Object(first)) => {
                if cells.is_empty() {
                    let mut keys: Vec<_> = first.keys().collect();
                    keys.sort();
                    cells.push(keys.into_iter().map(|key| title(key)).collect());
                    has_header = true;
                }
                let mut entries: Vec<_> = row.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                entries
                    .into_iter()
                    .map(|(_, value)| python::text(value))
                    .collect()
            }
            (Value::Array(row), Value::Array(_)) => row.iter().map(python::text).collect(),
            (Value::String(row), Value::String(_)) => vec![row.clone()],
            _ => return,
        };
        cells.push(texts);
    }
    let wrapped: Vec<Vec<Vec<String>>> = cells
        .iter()
        .map(|row| row.iter().map(|cell| wrap(cell)).collect())
        .collect();
    let count = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = wrapped.iter().filter_map(|row| row.get(column));
            let lines = cells.flatten().map(|line| line.chars().count());
            lines.max().unwrap_or(0)
        })
        .collect();
    if widths.is_empty() {
        return;
    }
    let rule = "-".repeat(4 + widths.iter().sum::<usize>() + 3 * (widths.len() - 1));
    let rule = style.paint(Tone::Text, &rule);
    let indent = indent + INDENT;
    line(indent, &rule, "", out);
    for (nth, row) in wrapped.iter().enumerate() {
        let height = row.iter().map(Vec::len).max().unwrap_or(0);
        let tone = if has_header && nth == 0 {
            Tone::Heading
        } else {
            Tone::Text
        };
        for at in 0..height {
            let cells: Vec<String> = widths
                .iter()
                .enumerate()
                .map(|(column, width)| {
                    let text = row.get(column).and_then(|cell| cell.get(at));
                    centred(text.map_or("", String::as_str), *width)
                })
                .collect();
            let text = format!("| {} |", cells.join(" | "));
            line(indent, &style.paint(tone, &text), "", out);
        }
        line(indent, &rule, "", out);
    }
}

fn line(indent: usize, text: &str, end: &str, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
    out.push_str(text);
    out.push_str(end);
    out.push('\n');
}

/// `ip_address` is headed `Ip Address`.
fn title(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    let mut begins = true;
    for c in key.replace('_', " ").chars() {
        if begins {
            text.extend(c.to_uppercase());
        } else {
            text.extend(c.to_lowercase());
        }
        begins = !c.is_alphabetic();
    }
    text
}

/// The lines of a cell: broken at blanks.
fn wrap(text: &str) -> Vec<String> {
    let text = escape_lines(text);
    let mut lines = vec![String::new()];
    for (nth, word) in text.split(' ').enumerate() {
        let first = word.split('\n').next().unwrap_or_default();
        // The list is never empty.
        let Some(current) = lines.last_mut() else {
            continue;
        };
        if nth > 0 {
            if current.chars().count() + first.chars().count() >= WIDTH {
                lines.push(String::new());
            } else {
                current.push(' ');
            }
        }
        for (nth, part) in word.split('\n').enumerate() {
            if nth > 0 {
                lines.push(String::new());
            }
            if let Some(current) = lines.last_mut() {
                current.push_str(part);
            }
        }
    }
    lines
}

/// In the middle of so many columns, as Python's `str.center` puts it.
fn centred(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    format!("{}{text}{}", " ".repeat(left), " ".repeat(missing - left))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What Salt 3008.3 prints for the same value.
    #[test]
    fn lists_are_tables() {
        let value = json!({"web1": {"out": [
            {"mac_address": "8C:60:4F:73:2D:57", "vlan": 222, "static": false},
            {"mac_address": "8C:60", "vlan": 1, "static": true},
        ], "result": true}});
        let expected = "\
web1:
----------
    out:
    ----------
        -------------------------------------
        |    Mac Address    | Static | Vlan |
        -------------------------------------
        | 8C:60:4F:73:2D:57 | False  | 222  |
        -------------------------------------
        |       8C:60       |  True  |  1   |
        -------------------------------------
    result:
    ----------
";
        assert_eq!(columns(&value, Style::PLAIN), expected);
    }

    #[test]
    fn a_long_cell_goes_on_below() {
        let long = "twenty-two characters, and more of them until the width is passed";
        let text = columns(&json!([[long, "x"]]), Style::PLAIN);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 4, "{text}");
        assert!(rows[2].contains("passed"), "{text}");
    }

    #[test]
    fn mixed_rows_have_no_columns() {
        assert_eq!(columns(&json!([{"a": 1}, "b"]), Style::PLAIN), "");
    }
}
