//! The record of one state, and how it is printed.

use data::python;
use serde_json::{Map, Value};

use super::{Printer, text};
use crate::escape::{escape, escape_lines};
use crate::style::Tone;

/// Columns of the whole line of warnings, and of the blanks before it.
const WARNING_COLUMNS: usize = 80;
const INDENT: usize = 14;

/// One record, read.
pub(super) struct Record<'a> {
    pub(super) fields: &'a Map<String, Value>,
    /// The parts of its tag: state, id, name, function.
    parts: Vec<&'a str>,
    /// Its place in the order.
    pub(super) number: i64,
    /// Success; none for what would change in test mode.
    pub(super) result: Option<bool>,
}

impl<'a> Record<'a> {
    /// Reads a record; none for what is none.
    pub(super) fn of(tag: &'a str, record: &'a Value) -> Option<Record<'a>> {
        let fields = record.as_object()?;
        let result = match fields.get("result")? {
            Value::Null => None,
            Value::Bool(result) => Some(*result),
            other => Some(!matches!(other, Value::String(text) if text.is_empty())),
        };
        let mut parts: Vec<&str> = tag.split("_|-").collect();
        parts.resize(parts.len().max(4), "");
        Some(Record {
            fields,
            parts,
            number: fields
                .get("__run_num__")
                .and_then(Value::as_i64)
                .unwrap_or(0),
            result,
        })
    }

    pub(super) fn is_well(&self) -> bool {
        self.result == Some(true)
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.fields.get("name")?.as_str()
    }

    /// Milliseconds that the state took.
    pub(super) fn duration(&self) -> f64 {
        match self.fields.get("duration") {
            Some(Value::String(text)) => text.trim_end_matches(" ms").trim().parse().unwrap_or(0.0),
            Some(number) => number.as_f64().unwrap_or(0.0),
            None => 0.0,
        }
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let warnings = self.fields.get("warnings").and_then(Value::as_array);
        warnings.into_iter().flatten().map(text)
    }

    fn part(&self, at: usize) -> &str {
        self.parts.get(at).copied().unwrap_or_default()
    }

    fn function(&self) -> &str {
        self.parts.last().copied().unwrap_or_default()
    }

    /// The text under a key, null and what is missing as the empty text.
    fn field(&self, key: &str) -> String {
        match self.fields.get(key) {
            None => String::new(),
            Some(value) => escape(&text(value)).into_owned(),
        }
    }

    fn result_word(&self) -> &'static str {
        match self.result {
            Some(true) => "True",
            Some(false) => "False",
            None => "None",
        }
    }

    /// The comment with what a function returned behind it, indented.
    fn comment(&self) -> String {
        let blanks = format!("\n{}", " ".repeat(INDENT));
        let comment = self.fields.get("comment").map(text).unwrap_or_default();
        let mut comment = comment.trim().replace('\n', &blanks);
        match self.fields.get("data") {
            None => {}
            Some(Value::Array(items)) => {
                for item in items {
                    comment.push_str(&format!(" {}", text(item)));
                }
            }
            Some(Value::Object(map)) => {
                for (key, value) in map {
                    comment.push_str(&format!("\n\t\t{key}: {}", text(value)));
                }
            }
            Some(other) => comment.push_str(&format!(" {}", text(other))),
        }
        escape_lines(&comment).into_owned()
    }
}

impl Printer<'_> {
    fn has_times(&self, record: &Record<'_>) -> bool {
        self.states.has_times && record.fields.contains_key("start_time")
    }

    pub(super) fn full(
        &self,
        record: &Record<'_>,
        tone: Tone,
        changes: &str,
        lines: &mut Vec<String>,
    ) {
        let (id, name) = (record.part(1), record.part(2));
        let name = if self.states.has_ids { id } else { name };
        lines.push(self.style.paint(tone, "----------"));
        let mut line = |label: &str, text: &str| {
            let text = format!("{label:>8}: {text}");
            lines.push(format!("    {}", self.style.paint(tone, &text)));
        };
        line("ID", &escape(id));
        line(
            "Function",
            &escape(&format!("{}.{}", record.part(0), record.part(3))),
        );
        if id != name {
            line("Name", &escape(name));
        }
        line("Result", record.result_word());
        line("Comment", &record.comment());
        if self.has_times(record) {
            line("Started", &record.field("start_time"));
            let duration = record.field("duration");
            let unit = if duration.is_empty() { "" } else { " ms" };
            line("Duration", &format!("{duration}{unit}"));
        }
        lines.push(
            self.style
                .paint(tone, &format!("     Changes:   {changes}")),
        );
        let warnings: Vec<String> = record.warnings().collect();
        if record.fields.contains_key("warnings") {
            let wrapped = data::wrap(&warnings.join("\n"), WARNING_COLUMNS - INDENT);
            let joined = wrapped.join(&format!("\n{}", " ".repeat(INDENT)));
            let text = format!(" Warnings: {}", escape_lines(&joined));
            lines.push(format!("   {}", self.style.paint(Tone::Alert, &text)));
        }
    }

    pub(super) fn terse(&self, record: &Record<'_>, tone: Tone) -> String {
        let has_changes = record.fields.get("changes").is_some_and(is_truthy);
        let word = match (record.result, has_changes) {
            (Some(false), _) => "Failed",
            (None, _) => "Differs",
            (Some(true), true) => "Changed",
            (Some(true), false) => "Clean",
        };
        let name = if self.states.has_ids {
            record.part(1)
        } else {
            record.part(2)
        };
        let name = escape(name);
        let (state, function) = (escape(record.part(0)), escape(record.function()));
        let has_time = self.has_times(record);
        let (started, duration) = (record.field("start_time"), record.field("duration"));
        let mut line = String::new();
        if record.fields.contains_key("warnings") {
            let warnings: Vec<String> = record.warnings().collect();
            let text = format!("Warnings:\n{}", escape_lines(&warnings.join("\n")));
            line.push_str(&self.style.paint(Tone::Alert, &text));
            line.push_str(if self.states.is_tabular { "\n" } else { "" });
        }
        if self.states.is_tabular {
            let mut text = String::new();
            if has_time {
                text.push_str(&format!("{started} [{duration:>7} ms] "));
            }
            text.push_str(&format!(
                "{state:>10}.{function:<10} {word:7}   Name: {name}"
            ));
            line.push_str(&self.style.paint(tone, &text));
        } else {
            let mut text = format!(" Name: {name} - Function: {state}.{function} - Result: {word}");
            if has_time {
                text.push_str(&format!(" - Started: {started} - Duration: {duration} ms"));
            }
            line.push(' ');
            line.push_str(&self.style.paint(tone, &text));
        }
        line
    }
}

/// Whether Python would call it true.
pub(super) fn is_truthy(value: &Value) -> bool {
    python::truthy(value)
}

/// A value that should have been a map, as Python prints it.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::String(text) => escape_lines(text).into_owned(),
        other => escape_lines(&python::repr(other)).into_owned(),
    }
}
