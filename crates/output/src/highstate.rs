//! Results of states in the shape of Salt's `highstate` outputter.

mod changes;
mod record;
mod settings;
mod summary;

pub use data::is_of_states;
use data::python;
use serde_json::{Map, Value};

use crate::escape::{escape, escape_lines};
use crate::report::{Row, Said};
use crate::style::{Style, Tone};
use crate::{document, nested};
use record::Record;
use settings::Shown;
pub use settings::{Mode, Results, States, UnknownMode};
use summary::Summary;

/// Deepest results of states inside of results of states.
const NESTING_MAX: usize = 16;

/// One minion: its id, its states, and the numbers of them.
pub(crate) fn minion(row: &Row<'_>, style: Style, states: &States) -> String {
    let printer = Printer { style, states };
    match row.said {
        Said::Value(value) => match printer.host(&row.entry.id, unwrapped(value), 1) {
            Some(host) => host.text + "\n",
            None => nested::minion(row, style),
        },
        Said::Nothing(_) => nested::minion(row, style),
    }
}

/// Results of states by the ids of those who have them, as a runner answers.
pub fn hosts(results: &Map<String, Value>, style: Style, states: &States) -> String {
    let printer = Printer { style, states };
    let host = |(id, value): (&String, &Value)| match printer.host(id, unwrapped(value), 1) {
        Some(host) => host.text + "\n",
        None => nested::outline(&Map::from_iter([(id.clone(), value.clone())]).into(), style),
    };
    results.iter().map(host).collect()
}

/// Several minions that said the same, under a heading in place of the id; none when it is no result of states.
pub(crate) fn shared(
    heading: &str,
    value: &Value,
    style: Style,
    states: &States,
) -> Option<String> {
    // Each of them took its own time.
    let states = &States {
        has_times: false,
        ..*states
    };
    let printer = Printer { style, states };
    let host = printer.host(heading, unwrapped(value), 1)?;
    Some(host.text + "\n")
}

/// A result of states without what differs from run to run: the times.
pub(crate) fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(records) if is_result(value) => records
            .iter()
            .map(|(tag, record)| {
                let mut record = record.clone();
                if let Value::Object(record) = &mut record {
                    record.retain(|key, _| !matches!(key.as_str(), "start_time" | "duration"));
                }
                (tag.clone(), record)
            })
            .collect(),
        other => other.clone(),
    }
}

/// Whether a value is a result of states: records by tag, and at least one.
pub(crate) fn is_result(value: &Value) -> bool {
    let records = value.as_object().filter(|records| !records.is_empty());
    records.is_some_and(|records| {
        records
            .values()
            .any(|record| record.get("result").is_some())
    })
}

/// The value inside of what runners put around it.
fn unwrapped(value: &Value) -> &Value {
    let inner = value
        .get("data")
        .filter(|_| value.get("outputter").is_some());
    inner.unwrap_or(value)
}

struct Printer<'a> {
    style: Style,
    states: &'a States,
}

/// What was printed of one host, and whether something changed there.
struct Host {
    text: String,
    is_changed: bool,
}

impl Printer<'_> {
    /// The lines of one host without a line break at the end. None for what is neither records nor errors nor a word.
    fn host(&self, id: &str, value: &Value, depth: usize) -> Option<Host> {
        let mut lines = Vec::new();
        let (tone, is_changed) = match value {
            Value::Object(records) => self.records(id, records, depth, &mut lines),
            Value::Array(errors) => {
                let heading = self.style.paint(Tone::Alert, "Data failed to compile:");
                lines.push(format!("    {heading}"));
                for error in errors {
                    let error = text(error);
                    let error = escape_lines(&error);
                    lines.push(
                        self.style
                            .paint(Tone::Alert, &format!("----------\n    {error}")),
                    );
                }
                (Tone::Alert, false)
            }
            Value::String(said) => {
                let said = said.lines().map(|line| format!("    {}", escape(line)));
                lines.extend(said.map(|line| self.style.paint(Tone::Text, &line)));
                (Tone::Name, true)
            }
            Value::Bool(_) | Value::Number(_) => {
                let said = format!("    {}", text(value));
                lines.push(self.style.paint(Tone::Text, &said));
                (Tone::Name, true)
            }
            Value::Null => return None,
        };
        lines.insert(0, self.style.paint(tone, &format!("{}:", escape(id))));
        Some(Host {
            text: lines.join("\n"),
            is_changed,
        })
    }

    fn records(
        &self,
        id: &str,
        records: &Map<String, Value>,
        depth: usize,
        lines: &mut Vec<String>,
    ) -> (Tone, bool) {
        for (tag, record) in records {
            let is_record = record.as_object().is_some_and(|record| !record.is_empty());
            if is_record && tag != "changes" && record.get("__run_num__").is_none() {
                lines.insert(0, escape(&python::repr(record)).into_owned());
                lines.insert(
                    0,
                    "The State execution failed to record the order in which all states were executed. The state return missing data is:"
                        .to_owned(),
                );
            }
        }
        let mut records: Vec<Record<'_>> = records
            .iter()
            .filter_map(|(tag, record)| Record::of(tag, record))
            .collect();
        records.sort_by_key(|record| record.number);
        let mut summary = Summary::default();
        let mut host_tone = Tone::Text;
        for record in &records {
            let (is_changed, changes) = self.changes(record, depth);
            summary.count(record, is_changed);
            let is_quiet = self.states.hides_unchanged || !self.states.is_verbose;
            if is_quiet && record.is_well() && !is_changed {
                continue;
            }
            let tone = match record.result {
                Some(false) => Tone::Bad,
                None => Tone::Literal,
                Some(true) if is_changed => Tone::Name,
                Some(true) => Tone::Text,
            };
            if record.result != Some(true) {
                host_tone = tone;
            }
            match self.states.shown(record.result, is_changed) {
                Shown::Not => {}
                Shown::Terse => lines.push(self.terse(record, tone)),
                Shown::Full => {
                    self.full(record, tone, &changes, lines);
                    summary.warnings += usize::from(record.warnings().next().is_some());
                }
            }
        }
        lines.push(summary.lines(id, self.style, self.states));
        (host_tone, summary.changed > 0)
    }
}

/// A value as Python prints it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python::repr(other),
    }
}

/// A result as the one JSON document that tells equal ones.
pub(crate) fn key(value: &Value) -> String {
    document::json(&without_times(value))
}

#[cfg(test)]
mod tests;
