use super::*;
use crate::report::Report;
use crate::sample;
use wire::OutcomeKind;

/// What Salt's outputter prints of values with settings; `record.py` made it.
const GOLDEN: &str = include_str!("../../tests/highstate/golden.json");

/// Fewest texts, so that a lost part of the file is seen.
const TEXTS_MIN: usize = 50;

fn settings(said: &Value) -> States {
    let mut states: States = said["state_output"]
        .as_str()
        .unwrap_or("full")
        .parse()
        .unwrap();
    let flag = |key: &str, default: bool| said[key].as_bool().unwrap_or(default);
    let words = |key: &str| {
        let words = said[key].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    states.is_verbose = flag("state_verbose", true);
    states.hides_unchanged = flag("state_output_diff", false);
    states.is_tabular = flag("state_tabular", false);
    states.has_percent = flag("state_output_pct", false);
    states.has_times = flag("state_output_profile", true);
    states.excluded = Results::of(&words("state_output_exclude"));
    states.terse = Results::of(&words("state_output_terse"));
    states
}

fn printed(values: &[(&str, &Value)], style: Style, states: &States) -> String {
    let texts: Vec<String> = values.iter().map(|(_, value)| value.to_string()).collect();
    let returns: Vec<(&str, &str)> = values
        .iter()
        .zip(&texts)
        .map(|((id, _), text)| (*id, text.as_str()))
        .collect();
    let ledger = sample::ledger(&returns);
    let report = Report::new(&ledger);
    report
        .rows()
        .map(|row| minion(&row, style, states))
        .collect()
}

#[test]
fn as_salt_prints_it() {
    let golden: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert!(golden.len() >= TEXTS_MIN);
    for case in &golden {
        let text = printed(
            &[("host1", &case["value"])],
            Style::PLAIN,
            &settings(&case["settings"]),
        );
        let expected = case["text"].as_str().unwrap();
        assert_eq!(
            text.trim_end_matches('\n'),
            expected,
            "{} {}",
            case["name"],
            case["settings"]
        );
    }
}

fn record(number: i64, result: Value, changes: Value, duration: f64) -> Value {
    serde_json::json!({
        "__id__": "a", "__run_num__": number, "name": "a", "result": result, "changes": changes, "comment": "c",
        "start_time": "01:02:03.000000", "duration": duration,
    })
}

#[test]
fn colours_tell_results() {
    let value = serde_json::json!({
        "test_|-a_|-a_|-nop": record(0, true.into(), serde_json::json!({}), 1.0),
        "test_|-b_|-b_|-nop": record(1, false.into(), serde_json::json!({}), 1.0),
    });
    let states = States {
        mode: Mode::Terse,
        has_times: false,
        ..States::default()
    };
    let text = printed(&[("m", &value)], Style { color: true }, &states);
    let expected = concat!(
        "\u{1b}[31mm:\u{1b}[0m\n",
        " \u{1b}[32m Name: a - Function: test.nop - Result: Clean\u{1b}[0m\n",
        " \u{1b}[31m Name: b - Function: test.nop - Result: Failed\u{1b}[0m\n",
        "\u{1b}[36m\nSummary for m\n------------\u{1b}[0m\n",
        "\u{1b}[32mSucceeded: 1\u{1b}[0m\n",
        "\u{1b}[31mFailed:    1\u{1b}[0m\n",
        "\u{1b}[36m------------\nTotal states run:     2\u{1b}[0m\n",
    );
    assert_eq!(text, expected);
}

#[test]
fn equal_results_are_folded_whatever_time_they_took() {
    let value = |duration: f64, changes: Value| {
        serde_json::json!({"test_|-a_|-a_|-nop": record(0, true.into(), changes, duration)})
            .to_string()
    };
    let values = [
        value(1.0, serde_json::json!({})),
        value(2.0, serde_json::json!({})),
        value(1.0, serde_json::json!({"x": 1})),
    ];
    let mut ledger = sample::ledger(&[("m1", &values[0]), ("m2", &values[1]), ("m3", &values[2])]);
    ledger.fun = "state.apply".to_owned();
    let text = crate::group::groups(&Report::new(&ledger), Style::PLAIN, &States::default());
    let summary = |heading: &str, changed: &str| {
        format!(
            "Summary for {heading}\n------------\nSucceeded: 1{changed}\nFailed:    0\n------------\nTotal states run:     1\n"
        )
    };
    let state = "----------\n          ID: a\n    Function: test.nop\n      Result: True\n     Comment: c\n     Changes:   ";
    let expected = format!(
        "2 minions:\n{state}\n\n{}    m1, m2\n1 minion:\n{state}\n              ----------\n              x:\n                  1\n\n{}    m3\n",
        summary("2 minions", ""),
        summary("1 minion", " (changed=1)"),
    );
    assert_eq!(text, expected);
}

#[test]
fn what_is_no_result_is_shown_as_an_outline() {
    let mut ledger = sample::ledger(&[("m1", "null")]);
    ledger
        .minions
        .push(sample::silent("m2", OutcomeKind::Running, None));
    let report = Report::new(&ledger);
    let text: String = report
        .rows()
        .map(|row| minion(&row, Style::PLAIN, &States::default()))
        .collect();
    assert_eq!(
        text,
        "m1:\n    None\nm2:\n    Minion did not return. [No response] [Still running]\n"
    );
}

#[test]
fn a_job_names_what_is_filtered() {
    let states = States::default();
    let kwargs = serde_json::json!({"exclude": "True,", "terse": ["None"]});
    assert_eq!(states.of_job(&kwargs), states);
    let states: States = "filter".parse().unwrap();
    let of_job = states.of_job(&kwargs);
    assert_eq!(of_job.excluded, Results::of(&["True"]));
    assert_eq!(of_job.terse, Results::of(&["None"]));
}

#[test]
fn words_of_modes() {
    let states: States = "Terse_ID".parse().unwrap();
    assert_eq!((states.mode, states.has_ids), (Mode::Terse, true));
    assert_eq!("short".parse::<States>(), Err(UnknownMode));
    let check = |fun: &str, expected: bool| assert_eq!(is_of_states(fun), expected, "{fun}");
    check("state.apply", true);
    check("state.apply_", true);
    check("state.show_top", false);
    check("test.ping", false);
}
