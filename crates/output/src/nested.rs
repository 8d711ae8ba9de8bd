//! Values as an indented outline, in the shape of Salt's `nested` outputter.

use data::python;
use serde_json::{Map, Value};

use crate::escape::{escape, escape_lines};
use crate::report::{Row, Said};
use crate::style::{Style, Tone};

/// Columns by which the value of a key is indented.
const INDENT: usize = 4;
/// Columns by which an item that is itself a list or map is indented.
const ITEM_INDENT: usize = 2;

/// One minion: its id, and below it what it said.
pub(crate) fn minion(row: &Row<'_>, style: Style) -> String {
    let is_bad = row.entry.kind != wire::OutcomeKind::Ok;
    let mut printer = Printer {
        style,
        is_bad,
        out: String::new(),
    };
    printer.line(0, printer.key_tone(), "", &escape(&row.entry.id), ":");
    match &row.said {
        Said::Value(value) => printer.value(INDENT, "", value),
        Said::Nothing(words) => {
            for line in words.lines() {
                printer.line(INDENT, Tone::Bad, "", line, "");
            }
        }
    }
    printer.out
}

/// The answer of a runner: one value that is of no minion.
pub fn outline(answer: &Value, style: Style) -> String {
    value(answer, 0, false, style)
}

/// A value, indented.
pub(crate) fn value(value: &Value, indent: usize, is_bad: bool, style: Style) -> String {
    let mut printer = Printer {
        style,
        is_bad,
        out: String::new(),
    };
    printer.value(indent, "", value);
    printer.out
}

/// A value that fits on one line: scalars, and text without line breaks.
pub(crate) fn one_line(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim_end_matches('\n').contains('\n') => None,
        Value::String(text) => Some(escape(text.trim_end_matches('\n')).into_owned()),
        Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
        Value::Object(map) if map.is_empty() => Some("{}".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(python::repr(value)),
    }
}

struct Printer {
    style: Style,
    is_bad: bool,
    out: String,
}

impl Printer {
    fn key_tone(&self) -> Tone {
        if self.is_bad { Tone::Bad } else { Tone::Name }
    }

    fn item_tone(&self) -> Tone {
        if self.is_bad { Tone::Bad } else { Tone::Text }
    }

    fn line(&mut self, indent: usize, tone: Tone, prefix: &str, text: &str, suffix: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out
            .push_str(&self.style.paint(tone, &format!("{prefix}{text}")));
        self.out.push_str(suffix);
        self.out.push('\n');
    }

    /// `prefix` stands before the first line: `- ` for the items of a list.
    fn value(&mut self, indent: usize, prefix: &str, value: &Value) {
        match value {
            Value::String(text) => self.text(indent, prefix, text),
            Value::Array(items) => self.list(indent, items),
            Value::Object(map) => self.map(indent, map),
            scalar => {
                let text = one_line(scalar).unwrap_or_default();
                self.line(indent, Tone::Literal, prefix, &text, "");
            }
        }
    }

    fn text(&mut self, indent: usize, prefix: &str, text: &str) {
        let rest = " ".repeat(prefix.len());
        for (index, line) in text.lines().enumerate() {
            let prefix = if index == 0 { prefix } else { &rest };
            self.line(indent, Tone::Text, prefix, &escape_lines(line), "");
        }
    }

    fn list(&mut self, indent: usize, items: &[Value]) {
        for item in items {
            if item.is_array() || item.is_object() {
                self.line(indent, self.item_tone(), "", "|_", "");
                self.value(indent + ITEM_INDENT, "", item);
            } else {
                self.value(indent, "- ", item);
            }
        }
    }

    fn map(&mut self, indent: usize, map: &Map<String, Value>) {
        if indent > 0 {
            self.line(indent, self.key_tone(), "", "----------", "");
        }
        let mut keys: Vec<_> = map.iter().collect();
        keys.sort_by_key(|(key, _)| key.as_str());
        for (key, item) in keys {
            self.line(indent, self.key_tone(), "", &escape(key), ":");
            self.value(indent + INDENT, "", item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::sample;

    fn check(json: &str, expected: &[&str]) {
        let ledger = sample::ledger(&[("m", json)]);
        let report = Report::new(&ledger);
        let text: String = report
            .rows()
            .map(|row| minion(&row, Style::PLAIN))
            .collect();
        assert_eq!(
            text,
            expected
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>(),
            "{json}"
        );
    }

    #[test]
    fn has_the_shape_of_salts_outputter() {
        // Each expected text is what Salt 3008.3 prints for the value.
        check("true", &["m:", "    True"]);
        check("null", &["m:", "    None"]);
        check("1.5", &["m:", "    1.5"]);
        check("{}", &["m:", "    ----------"]);
        check("[]", &["m:"]);
        check(r#""""#, &["m:"]);
        check(r#""a\nb\n""#, &["m:", "    a", "    b"]);
        check(
            r#"{"b": 1, "a": "x", "c": {"d": [1, 2]}, "e": [], "f": {}, "g": null, "i": "a\nb"}"#,
            &[
                "m:",
                "    ----------",
                "    a:",
                "        x",
                "    b:",
                "        1",
                "    c:",
                "        ----------",
                "        d:",
                "            - 1",
                "            - 2",
                "    e:",
                "    f:",
                "        ----------",
                "    g:",
                "        None",
                "    i:",
                "        a",
                "        b",
            ],
        );
        check(
            r#"[1, "a", [1, 2], {"a": 1}, [], {}, "x\ny"]"#,
            &[
                "m:",
                "    - 1",
                "    - a",
                "    |_",
                "      - 1",
                "      - 2",
                "    |_",
                "      ----------",
                "      a:",
                "          1",
                "    |_",
                "    |_",
                "      ----------",
                "    - x",
                "      y",
            ],
        );
        check("[[[1]]]", &["m:", "    |_", "      |_", "        - 1"]);
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        check(
            r#""\u001b[2Ja\tb\r\nc""#,
            &["m:", "    \\x1b[2Ja\tb", "    c"],
        );
        check(
            r#"{"k\u001b\n": "v\u202e"}"#,
            &[
                "m:",
                "    ----------",
                "    k\\x1b\\x0a:",
                "        v\\u202e",
            ],
        );
    }

    #[test]
    fn colours_are_asked_for() {
        let mut ledger = sample::ledger(&[("m", r#"{"a": [1, "x", []]}"#)]);
        let style = Style { color: true };
        let print = |ledger: &wire::control::Ledger| -> String {
            Report::new(ledger)
                .rows()
                .map(|row| minion(&row, style))
                .collect()
        };
        assert_eq!(
            print(&ledger),
            "\x1b[36mm\x1b[0m:\n    \x1b[36m----------\x1b[0m\n    \x1b[36ma\x1b[0m:\n        \x1b[1;33m- 1\x1b[0m\n        \x1b[32m- x\x1b[0m\n        \x1b[32m|_\x1b[0m\n"
        );
        ledger.minions[0].kind = wire::OutcomeKind::Failed;
        assert!(print(&ledger).starts_with("\x1b[31mm\x1b[0m:\n"));
    }
}
