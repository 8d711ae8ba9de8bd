//! The count below the results of a run.

use serde_json::{Map, Value};

use super::{High, record};

/// Counts of results, as the highstate output shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// States that succeeded, or would in test mode.
    pub succeeded: u64,
    /// Of these, those that would change something in test mode.
    pub unchanged: u64,
    /// States with changes, failed ones included.
    pub changed: u64,
    /// States that failed.
    pub failed: u64,
    /// Milliseconds of all states together.
    pub duration_ms: f64,
}

impl Summary {
    /// Counts the results of a run.
    pub fn of(results: &Map<String, Value>) -> Summary {
        let mut summary = Summary::default();
        for record in results.values().filter_map(Value::as_object) {
            match record::result(record) {
                Some(false) => summary.failed += 1,
                Some(true) => summary.succeeded += 1,
                None => {
                    summary.succeeded += 1;
                    summary.unchanged += 1;
                }
            }
            summary.changed += u64::from(record::has_changes(record));
            summary.duration_ms += record
                .get("duration")
                .and_then(Value::as_f64)
                .unwrap_or_default();
        }
        summary
    }
}

/// Whether a run succeeded: nothing failed, or each failure was met by states with `onfail_stop: False` in the high data, which succeeded.
/// No records at all are no success.
pub fn is_success(results: &Map<String, Value>, high: &High) -> bool {
    let succeeded = |(tag, record): (&String, &Value)| {
        let has_failed = record
            .as_object()
            .is_none_or(|record| record.get("result") == Some(&Value::Bool(false)));
        !has_failed || is_handled(tag, results, high)
    };
    !results.is_empty() && results.iter().all(succeeded)
}

/// Whether a failure has handlers, and they succeeded.
fn is_handled(tag: &str, results: &Map<String, Value>, high: &High) -> bool {
    let mut parts = tag.split("_|-");
    let (Some(state), Some(id)) = (parts.next(), parts.next()) else {
        return false;
    };
    let mut outcome = None;
    for (handler_id, body) in high.iter().filter(|(handler, _)| *handler != id) {
        for (handler_state, arguments) in body.as_object().into_iter().flatten() {
            let arguments = arguments.as_array().map_or(&[][..], Vec::as_slice);
            let stops = arguments
                .iter()
                .all(|argument| argument.get("onfail_stop") != Some(&Value::Bool(false)));
            if stops
                || !arguments
                    .iter()
                    .any(|argument| is_onfail_of(argument, state, id))
            {
                continue;
            }
            let prefix = format!("{handler_state}_|-{handler_id}_|-");
            let own = results.iter().filter(|(tag, _)| tag.starts_with(&prefix));
            for (_, record) in own {
                match record.get("result").and_then(Value::as_bool) {
                    Some(false) => return false,
                    Some(true) => outcome = Some(true),
                    None => {}
                }
            }
            outcome.get_or_insert(false);
        }
    }
    outcome == Some(true)
}

fn is_onfail_of(argument: &Value, state: &str, id: &str) -> bool {
    let requisites = argument.get("onfail").and_then(Value::as_array);
    requisites
        .into_iter()
        .flatten()
        .any(|requisite| requisite.get(state).and_then(Value::as_str) == Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_are_handled_are_none() {
        let check = |high: Value, results: Value, expected: bool| {
            let maps = [&high, &results].map(|value| value.as_object().cloned().unwrap());
            assert_eq!(is_success(&maps[1], &maps[0]), expected, "{results}");
        };
        let result = |a: bool, b: Value| json!({"cmd_|-a_|-x_|-run": {"result": a}, "test_|-b_|-b_|-nop": {"result": b}});
        let high = |stop: Value| json!({"a": {"cmd": ["run"]}, "b": {"__sls__": "s", "test": [{"onfail": [{"cmd": "a"}]}, stop, "nop"]}});
        let handled = high(json!({"onfail_stop": false}));
        check(handled.clone(), result(false, json!(true)), true);
        check(handled.clone(), result(false, json!(false)), false);
        check(handled.clone(), result(false, json!(null)), false);
        check(high(json!({"order": 1})), result(false, json!(true)), false);
        check(handled.clone(), result(true, json!(null)), true);
        check(handled, json!({}), false);
    }
    use serde_json::json;

    #[test]
    fn counts() {
        let results = json!({
            "a": {"result": true, "changes": {"x": 1}, "duration": 1.5},
            "b": {"result": null, "changes": {"x": 1}, "duration": 1.0},
            "c": {"result": false, "changes": {}},
        });
        let expected = Summary {
            succeeded: 2,
            unchanged: 1,
            changed: 2,
            failed: 1,
            duration_ms: 2.5,
        };
        assert_eq!(Summary::of(results.as_object().unwrap()), expected);
    }
}
