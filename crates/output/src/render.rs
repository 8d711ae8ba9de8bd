//! A job's results in the form that was asked for.

use data::python;
use serde_json::{Map, Value};

use crate::columns::columns;
use crate::document::{json, ledger};
use crate::escape::{escape, escape_lines, is_visible};
use crate::form::Form;
use crate::highstate::{self, States};
use crate::report::{Report, Row};
use crate::style::Style;
use crate::value::{docs, indented, keyed, values};
use crate::{group, nested};

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub struct Rendering {
    /// In which form.
    pub form: Form,
    /// One document for all minions instead of one for each: `--static`.
    pub one_document: bool,
    /// With colour or without.
    pub style: Style,
    /// Prints a value as YAML with a line break at its end.
    pub yaml: fn(&Value) -> String,
    /// How results of states are shown.
    pub states: States,
    /// Columns of JSON's levels; negative: a document on one line.
    pub indent: Option<i32>,
}

/// The text of a job's results; empty when there is nothing to say.
pub fn render(report: &Report<'_>, rendering: &Rendering) -> String {
    let kwargs = serde_json::from_slice(&report.ledger().kwargs).unwrap_or_default();
    let states = rendering.states.of_job(&kwargs);
    match rendering.form {
        // Keys are what runners answer, and no result of a job.
        Form::Nested | Form::Key => report
            .rows()
            .map(|row| nested::minion(&row, rendering.style))
            .collect(),
        Form::Json => documents(report, rendering, |value| indented(value, rendering.indent)),
        Form::Yaml => documents(report, rendering, |value| yaml(value, rendering.yaml)),
        Form::Raw => documents(report, rendering, |value| python::repr(value) + "\n"),
        Form::Pprint => documents(report, rendering, |value| data::pretty(value) + "\n"),
        Form::Table => documents(report, rendering, |value| columns(value, rendering.style)),
        Form::Values => report.rows().map(|row| values(&row.to_value())).collect(),
        Form::Docs => texts(report),
        Form::Txt => report.rows().map(|row| txt(&row)).collect(),
        Form::Quiet => String::new(),
        Form::Ledger => json(&ledger(report)),
        Form::Group => group::groups(report, rendering.style, &states),
        Form::Highstate => report
            .rows()
            .map(|row| highstate::minion(&row, rendering.style, &states))
            .collect(),
    }
}

fn documents(
    report: &Report<'_>,
    rendering: &Rendering,
    print: impl Fn(&Value) -> String,
) -> String {
    let pairs = report
        .rows()
        .map(|row| (row.entry.id.clone(), row.to_value()));
    if rendering.one_document {
        return print(&Value::Object(pairs.collect()));
    }
    pairs
        .map(|pair| print(&Value::Object(Map::from_iter([pair]))))
        .collect()
}

/// YAML leaves some characters as they are that a terminal would act on; only then the strings are escaped before.
pub(crate) fn yaml(value: &Value, print: fn(&Value) -> String) -> String {
    let text = print(value);
    if text
        .chars()
        .all(|c| c == '\n' || c == '\t' || is_visible(c))
    {
        text
    } else {
        print(&with_visible_strings(value))
    }
}

fn with_visible_strings(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(escape_lines(text).into_owned()),
        Value::Array(items) => Value::Array(items.iter().map(with_visible_strings).collect()),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, item)| (escape_lines(key).into_owned(), with_visible_strings(item)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The lines of a minion.
fn txt(row: &Row<'_>) -> String {
    keyed(&escape(&row.entry.id), &row.to_value())
}

/// The texts of functions that any of the minions knows.
fn texts(report: &Report<'_>) -> String {
    let mut all = Map::new();
    for row in report.rows() {
        if let Value::Object(texts) = row.to_value() {
            for (name, text) in texts {
                all.entry(name).or_insert(text);
            }
        }
    }
    docs(&Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;
    use wire::OutcomeKind;

    /// Stands for the YAML printer: the tests here are about what it is given.
    fn flow(value: &Value) -> String {
        format!("{}\n", value.to_string().replace("\\u001b", "\\e"))
    }

    fn check(form: Form, one_document: bool, expected: &str) {
        let mut minions = vec![
            sample::returned("web1", OutcomeKind::Ok, 0),
            sample::returned("web2", OutcomeKind::Failed, 1),
            sample::silent("web3", OutcomeKind::Running, None),
        ];
        minions.push(sample::returned("web4", OutcomeKind::Ok, 2));
        let ledger = sample::account(
            minions,
            &["true", r#""a\n\u001bb""#, r#"{"k": [1.0, null]}"#],
        );
        let rendering = Rendering {
            form,
            one_document,
            style: Style::PLAIN,
            yaml: flow,
            states: States::default(),
            indent: None,
        };
        assert_eq!(
            render(&Report::new(&ledger), &rendering),
            expected,
            "{form:?}"
        );
    }

    const SILENT: &str = "Minion did not return. [No response] [Still running]";

    #[test]
    fn each_form() {
        check(Form::Quiet, false, "");
        check(
            Form::Txt,
            false,
            &format!(
                "web1: True\nweb2: a\nweb2: \\x1bb\nweb3: {SILENT}\nweb4: {{'k': [1.0, None]}}\n"
            ),
        );
        check(
            Form::Raw,
            false,
            &format!(
                "{{'web1': True}}\n{{'web2': 'a\\n\\x1bb'}}\n{{'web3': '{SILENT}'}}\n{{'web4': {{'k': [1.0, None]}}}}\n"
            ),
        );
        check(
            Form::Raw,
            true,
            &format!(
                "{{'web1': True, 'web2': 'a\\n\\x1bb', 'web3': '{SILENT}', 'web4': {{'k': [1.0, None]}}}}\n"
            ),
        );
        check(
            Form::Yaml,
            false,
            &format!(
                "{{\"web1\":true}}\n{{\"web2\":\"a\\n\\eb\"}}\n{{\"web3\":\"{SILENT}\"}}\n{{\"web4\":{{\"k\":[1.0,null]}}}}\n"
            ),
        );
        check(
            Form::Json,
            false,
            &format!(
                "{{\n    \"web1\": true\n}}\n{{\n    \"web2\": \"a\\n\\u001bb\"\n}}\n{{\n    \"web3\": \"{SILENT}\"\n}}\n{{\n    \"web4\": {{\n        \"k\": [\n            1.0,\n            null\n        ]\n    }}\n}}\n"
            ),
        );
        check(
            Form::Json,
            true,
            &format!(
                "{{\n    \"web1\": true,\n    \"web2\": \"a\\n\\u001bb\",\n    \"web3\": \"{SILENT}\",\n    \"web4\": {{\n        \"k\": [\n            1.0,\n            null\n        ]\n    }}\n}}\n"
            ),
        );
        check(
            Form::Nested,
            false,
            &format!(
                "web1:\n    True\nweb2:\n    a\n    \\x1bb\nweb3:\n    {SILENT}\nweb4:\n    ----------\n    k:\n        - 1.0\n        - None\n"
            ),
        );
    }

    #[test]
    fn yaml_that_would_act_on_a_terminal_is_escaped() {
        let value = serde_json::json!({"a\u{202e}": ["\u{200b}x\ny"]});
        assert_eq!(
            yaml(&value, flow),
            "{\"a\\\\u202e\":[\"\\\\u200bx\\ny\"]}\n"
        );
    }

    #[test]
    fn no_minion_is_left_out() {
        let ledger = sample::ledger(&[("web1", r#""""#)]);
        let report = Report::new(&ledger);
        assert_eq!(
            report.rows().map(|row| txt(&row)).collect::<String>(),
            "web1: \n"
        );
    }

    /// Any JSON value, its strings full of characters that act on terminals.
    fn values() -> impl Strategy<Value = Value> {
        let text = "[a\n\t\r\u{1b}\u{7f}\u{9b}\u{202e}\u{200b}\u{e0041}'\"\\\\:-]{0,8}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(text, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever a minion returns and is called, no form prints a character that acts on the terminal.
        #[test]
        fn no_form_acts_on_the_terminal(value in values(), id in "[a\u{1b}\u{202e}\n]{1,4}") {
            let ledger = sample::ledger(&[(&id, &value.to_string())]);
            let report = Report::new(&ledger);
            for form in [Form::Nested, Form::Json, Form::Yaml, Form::Txt, Form::Raw, Form::Pprint, Form::Table, Form::Values, Form::Key, Form::Docs, Form::Ledger, Form::Group, Form::Highstate] {
                for one_document in [false, true] {
                    // The flow form leaves characters as they are that YAML would have quoted.
                    let yaml = |value: &Value| format!("{}\n", value.to_string().replace('\u{7f}', "\\x7f"));
                    let states = States::default();
                    let rendering = Rendering { form, one_document, style: Style::PLAIN, yaml, states, indent: None };
                    let text = render(&report, &rendering);
                    prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || is_visible(c)), "{form:?}: {text:?}");
                }
            }
        }

        /// JSON reads back to what the minion returned.
        #[test]
        fn json_loses_nothing(value in values()) {
            let ledger = sample::ledger(&[("m", &value.to_string())]);
            let states = States::default();
            let rendering = Rendering { form: Form::Json, one_document: true, style: Style::PLAIN, yaml: flow, states, indent: None };
            let text = render(&Report::new(&ledger), &rendering);
            let read: Value = serde_json::from_str(&text).expect("it is JSON");
            let expected: Value = serde_json::from_str(&value.to_string()).expect("it is JSON");
            prop_assert_eq!(&read["m"], &expected);
        }
    }
}
