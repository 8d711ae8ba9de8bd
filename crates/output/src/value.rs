//! One value that is of no minion, as a runner answers it.

use data::{JsonStyle, python};
use serde_json::Value;

use crate::columns::columns;
use crate::document::{json, visible};
use crate::escape::{escape, escape_lines};
use crate::form::Form;
use crate::highstate::{self, States};
use crate::keys::standings;
use crate::nested;
use crate::render::yaml;
use crate::style::Style;

/// How a value is printed.
#[derive(Debug, Clone, Copy)]
pub struct ValueRendering {
    /// In which form.
    pub form: Form,
    /// With colour or without.
    pub style: Style,
    /// Prints a value as YAML with a line break at its end.
    pub yaml: fn(&Value) -> String,
    /// Columns of JSON's levels; negative: all on one line.
    pub indent: Option<i32>,
}

/// The text of a value; empty when there is nothing to say.
pub fn value(value: &Value, rendering: &ValueRendering) -> String {
    let style = rendering.style;
    match rendering.form {
        Form::Json | Form::Ledger => indented(value, rendering.indent),
        Form::Yaml => yaml(value, rendering.yaml),
        Form::Raw => python::repr(value) + "\n",
        Form::Pprint => data::pretty(value) + "\n",
        Form::Table => columns(value, style),
        Form::Values => values(value),
        Form::Key => standings(value, style).unwrap_or_else(|| nested::outline(value, style)),
        Form::Txt => txt(value),
        Form::Quiet => String::new(),
        Form::Docs => docs(value),
        Form::Highstate => match value {
            Value::Object(results) => highstate::hosts(results, style, &States::default()),
            other => nested::outline(other, style),
        },
        Form::Nested | Form::Group => nested::outline(value, style),
    }
}

/// JSON with so many columns for a level; without a number as ever, with a negative one on one line.
pub(crate) fn indented(value: &Value, indent: Option<i32>) -> String {
    let Some(indent) = indent else {
        return json(value);
    };
    let style = JsonStyle {
        indent: usize::try_from(indent).ok(),
        ..JsonStyle::default()
    };
    visible(&data::json(value, &style))
}

/// The values of dictionaries, however deep, a line each.
pub(crate) fn values(value: &Value) -> String {
    match value {
        Value::Object(map) => map.values().map(values).collect(),
        Value::Array(items) => items.iter().map(values).collect(),
        other => format!("{}\n", escape_lines(&python::text(other))),
    }
}

/// A line for each line of a value, with its key before it.
fn txt(value: &Value) -> String {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| keyed(&escape(key), value))
            .collect(),
        Value::String(text) => format!("{}\n", escape_lines(text)),
        other => data::pretty(other) + "\n",
    }
}

/// Every line of a value with a key before it. Other than with Salt, an empty text has a line too.
pub(crate) fn keyed(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => format!("{key}: \n"),
        Value::String(text) => text
            .lines()
            .map(|line| format!("{key}: {}\n", escape_lines(line)))
            .collect(),
        other => format!("{key}: {}\n", python::repr(other)),
    }
}

/// The texts of functions, by name, each four columns in.
pub(crate) fn docs(value: &Value) -> String {
    let Value::Object(map) = value else {
        return keyed("", value);
    };
    let mut entries: Vec<_> = map
        .iter()
        .filter(|(_, text)| python::truthy(text))
        .collect();
    entries.sort_by_key(|(name, _)| *name);
    let mut out = String::new();
    for (name, text) in entries {
        out.push_str(&format!("{}:\n\n", escape(name)));
        for line in python::text(text).lines() {
            match line.trim() {
                "" => out.push('\n'),
                _ => out.push_str(&format!("    {}\n", escape_lines(line))),
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form() {
        let check = |form, indent, expected: &str| {
            let rendering = ValueRendering {
                form,
                style: Style::PLAIN,
                yaml: |value| format!("{value}\n"),
                indent,
            };
            let given = json!({"up": ["web1", "web2"], "down": []});
            assert_eq!(value(&given, &rendering), expected, "{form:?}");
        };
        check(
            Form::Json,
            Some(-1),
            "{\"up\": [\"web1\", \"web2\"], \"down\": []}\n",
        );
        check(
            Form::Json,
            Some(1),
            "{\n \"up\": [\n  \"web1\",\n  \"web2\"\n ],\n \"down\": []\n}\n",
        );
        check(Form::Raw, None, "{'up': ['web1', 'web2'], 'down': []}\n");
        check(Form::Pprint, None, "{'down': [], 'up': ['web1', 'web2']}\n");
        check(Form::Txt, None, "up: ['web1', 'web2']\ndown: []\n");
        check(Form::Values, None, "web1\nweb2\n");
        check(Form::Quiet, None, "");
    }

    #[test]
    fn keys_by_standing() {
        let rendering = ValueRendering {
            form: Form::Key,
            style: Style::PLAIN,
            yaml: |value| value.to_string(),
            indent: None,
        };
        let given =
            json!({"minions": ["web2", "web1"], "minions_pre": [], "minions_rejected": ["x"]});
        let expected = "Accepted Keys:\nweb1\nweb2\nUnaccepted Keys:\nRejected Keys:\nx\n";
        assert_eq!(value(&given, &rendering), expected);
        let fingerprints = json!({"minions": {"web1": "aa:bb"}});
        assert_eq!(
            value(&fingerprints, &rendering),
            "Accepted Keys:\nweb1:  aa:bb\n"
        );
        assert_eq!(value(&json!("none"), &rendering), "none\n");
    }
}
