//! Values as Python's `pprint.pformat` lays them out: keys sorted, lines of at most 80 columns where that can be.

use serde_json::{Map, Value};

use crate::python::{repr, string_repr};

/// Columns of a line, as Python's default.
const WIDTH: usize = 80;

/// Python's `pprint.pformat(value)`.
pub fn pretty(value: &Value) -> String {
    let mut printer = Printer { out: String::new() };
    printer.value(&sorted(value), 0, 0, 1);
    printer.out
}

/// The value with the keys of all maps in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(pairs))
        }
        other => other.clone(),
    }
}

struct Printer {
    out: String,
}

impl Printer {
    /// Prints a value that begins at column `indent`, with `allowance` columns after it for what closes around it.
    fn value(&mut self, value: &Value, indent: usize, allowance: usize, level: usize) {
        let flat = repr(value);
        if columns(&flat) <= WIDTH.saturating_sub(indent + allowance) {
            self.out.push_str(&flat);
            return;
        }
        match value {
            Value::Object(map) => {
                self.out.push('{');
                let last = map.len().saturating_sub(1);
                for (nth, (key, value)) in map.iter().enumerate() {
                    if nth > 0 {
                        self.next_line(",", indent + 1);
                    }
                    let key = string_repr(key);
                    self.out.push_str(&key);
                    self.out.push_str(": ");
                    let begin = indent + 1 + columns(&key) + 2;
                    let allowance = if nth == last { allowance + 1 } else { 1 };
                    self.value(value, begin, allowance, level + 1);
                }
                self.out.push('}');
            }
            Value::Array(items) => {
                self.out.push('[');
                let last = items.len().saturating_sub(1);
                for (nth, value) in items.iter().enumerate() {
                    if nth > 0 {
                        self.next_line(",", indent + 1);
                    }
                    let allowance = if nth == last { allowance + 1 } else { 1 };
                    self.value(value, indent + 1, allowance, level + 1);
                }
                self.out.push(']');
            }
            Value::String(text) => self.text(text, indent, allowance, level),
            _ => self.out.push_str(&flat),
        }
    }

    /// A text that is too long for its line: in pieces, each at the end of a word; one that stands alone has parentheses around it.
    fn text(&mut self, text: &str, indent: usize, allowance: usize, level: usize) {
        let is_alone = level == 1;
        let (indent, allowance) = if is_alone {
            (indent + 1, allowance + 1)
        } else {
            (indent, allowance)
        };
        let width = WIDTH.saturating_sub(indent);
        let mut pieces: Vec<String> = Vec::new();
        let lines = lines(text);
        for (nth, line) in lines.iter().enumerate() {
            let is_last = nth + 1 == lines.len();
            let whole = string_repr(line);
            let room = if is_last {
                width.saturating_sub(allowance)
            } else {
                width
            };
            if columns(&whole) <= room {
                pieces.push(whole);
                continue;
            }
            let words = words(line);
            let mut current = String::new();
            for (nth, word) in words.iter().enumerate() {
                let room = if is_last && nth + 1 == words.len() {
                    width.saturating_sub(allowance)
                } else {
                    width
                };
                let candidate = format!("{current}{word}");
                if columns(&string_repr(&candidate)) > room {
                    if !current.is_empty() {
                        pieces.push(string_repr(&current));
                    }
                    (*word).clone_into(&mut current);
                } else {
                    current = candidate;
                }
            }
            if !current.is_empty() {
                pieces.push(string_repr(&current));
            }
        }
        if let [piece] = &pieces[..] {
            self.out.push_str(piece);
            return;
        }
        if is_alone {
            self.out.push('(');
        }
        for (nth, piece) in pieces.iter().enumerate() {
            if nth > 0 {
                self.next_line("", indent);
            }
            self.out.push_str(piece);
        }
        if is_alone {
            self.out.push(')');
        }
    }

    fn next_line(&mut self, end: &str, indent: usize) {
        self.out.push_str(end);
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// Python counts characters.
fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The lines of a text with their ends.
fn lines(text: &str) -> Vec<&str> {
    let mut rest = text;
    crate::python::split_lines(text)
        .into_iter()
        .map(|line| {
            let after = &rest[line.len()..];
            // The end of a line is one character, or two.
            let end = if after.starts_with("\r\n") {
                2
            } else {
                after.chars().next().map_or(0, char::len_utf8)
            };
            let (whole, more) = rest.split_at(line.len() + end);
            rest = more;
            whole
        })
        .collect()
}

/// The words of a line, each with the blanks after it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begin = 0;
    let mut was_blank = false;
    for (at, c) in line.char_indices() {
        let is_blank = c.is_whitespace();
        if was_blank && !is_blank {
            words.push(&line[begin..at]);
            begin = at;
        }
        was_blank = is_blank;
    }
    words.push(&line[begin..]);
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::pretty;

    /// What Python 3.11 prints.
    #[test]
    fn lays_out_as_python_does() {
        let check = |value: serde_json::Value, expected: &str| assert_eq!(pretty(&value), expected);
        check(
            json!({"b": 1, "a": [true, null]}),
            "{'a': [True, None], 'b': 1}",
        );
        check(
            json!({"web1": {"kernel": "Linux", "ips": ["10.0.0.1", "10.0.0.2", "fe80::1", "10.11.12.13", "10.11.12.14"], "a": 1}}),
            "{'web1': {'a': 1,\n          'ips': ['10.0.0.1',\n                  '10.0.0.2',\n                  'fe80::1',\n                  '10.11.12.13',\n                  '10.11.12.14'],\n          'kernel': 'Linux'}}",
        );
        check(
            json!({"web1": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen\nsecond line"}),
            "{'web1': 'one two three four five six seven eight nine ten eleven twelve '\n         'thirteen fourteen fifteen\\n'\n         'second line'}",
        );
        check(
            json!(
                "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
            ),
            "('one two three four five six seven eight nine ten eleven twelve thirteen '\n 'fourteen')",
        );
        check(json!("x".repeat(90)), &format!("'{}'", "x".repeat(90)));
    }
}
