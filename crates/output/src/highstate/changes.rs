//! The changes of a state: an outline, or the results of states that it started elsewhere.

use serde_json::{Map, Value};

use super::record::{Record, is_truthy, repr};
use super::{NESTING_MAX, Printer};
use crate::escape::escape;
use crate::nested;

/// Columns before changes.
const INDENT: usize = 14;

/// States that start others, whose results are their changes.
const ORCHESTRATION: [&str; 3] = ["state.orch", "state.orchestrate", "state.sls"];

impl Printer<'_> {
    /// Whether a state changed something, and the text of it that stands behind `Changes:`.
    pub(super) fn changes(&self, record: &Record<'_>, depth: usize) -> (bool, String) {
        let empty = Value::Object(Map::new());
        let changes = record.fields.get("changes").unwrap_or(&empty);
        let has_room = depth < NESTING_MAX;
        if record
            .name()
            .is_some_and(|name| ORCHESTRATION.contains(&name))
            && has_room
        {
            return (true, self.orchestrated(changes, depth));
        }
        if !is_truthy(changes) {
            return (false, String::new());
        }
        let Value::Object(map) = changes else {
            return (true, format!("Invalid Changes data: {}", repr(changes)));
        };
        let is_of_states = map.get("out").is_some_and(|out| out == "highstate");
        match map.get("ret") {
            Some(Value::Object(hosts)) if is_of_states && has_room => self.hosts(hosts, depth),
            _ => (true, self.outline(changes)),
        }
    }

    fn outline(&self, changes: &Value) -> String {
        let text = nested::value(changes, INDENT, false, self.style);
        format!("\n{}", text.trim_end_matches('\n'))
    }

    /// Results of states on other hosts.
    fn hosts(&self, hosts: &Map<String, Value>, depth: usize) -> (bool, String) {
        let blanks = " ".repeat(INDENT);
        let mut out = String::new();
        let mut is_changed = false;
        for (id, value) in hosts {
            match self.host(id, value, depth + 1) {
                Some(host) => {
                    is_changed |= host.is_changed;
                    for line in host.text.lines() {
                        out.push_str(&format!("\n{blanks}{line}"));
                    }
                }
                None => out.push_str(&format!("\n{blanks}{}:", escape(id))),
            }
        }
        (is_changed, out)
    }

    /// The whole output of an orchestration, indented by its depth.
    fn orchestrated(&self, changes: &Value, depth: usize) -> String {
        let changes = changes.get("return").unwrap_or(changes);
        let changes = changes.get("data").unwrap_or(changes);
        let text = match changes {
            Value::Object(hosts) => {
                let hosts = hosts
                    .iter()
                    .filter(|(key, value)| *key != "retcode" || value.is_object());
                let printed = hosts.map(|(id, value)| match self.host(id, value, depth + 1) {
                    Some(host) => host.text,
                    None => format!("{}:", escape(id)),
                });
                printed.collect::<Vec<_>>().join("\n")
            }
            other => repr(other),
        };
        let blanks = " ".repeat(INDENT * depth);
        format!("\n{text}")
            .split('\n')
            .map(|line| format!("{blanks}{line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
