//! What came of a job, minion by minion.

use data::python::truthy;
use serde_json::Value;
use wire::OutcomeKind;
use wire::control::{Ledger, LedgerRow};

/// What one minion came to.
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) said: Said,
}

pub(crate) enum Said {
    /// It returned.
    Returned { value: Value, retcode: i32 },
    /// It did not, or what it returned is not kept: why, in words.
    Nothing(String),
}

/// Every minion that was meant, in order of id: those that are expected, those that nobody can say anything of, and ids that nobody has.
pub(crate) fn all(ledger: &Ledger) -> Vec<Outcome> {
    let rows = ledger.minions.iter().map(|row| Outcome {
        id: row.id.clone(),
        said: said(ledger, row),
    });
    let undecided = ledger.undecided.iter().map(|(id, reason)| Outcome {
        id: id.clone(),
        said: Said::Nothing(format!("whether it is meant is not known: {}", reason.text)),
    });
    let unknown = ledger.unknown.iter().map(|id| Outcome {
        id: id.clone(),
        said: Said::Nothing("no accepted minion has this id".to_owned()),
    });
    let mut all: Vec<Outcome> = rows.chain(undecided).chain(unknown).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn said(ledger: &Ledger, row: &LedgerRow) -> Said {
    let value = row
        .value
        .and_then(|number| ledger.values.get(number as usize));
    match (row.kind, value) {
        (OutcomeKind::Ok | OutcomeKind::Failed, Some(value)) => Said::Returned {
            value: serde_json::from_slice(value)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(value).into_owned())),
            retcode: row
                .retcode
                .unwrap_or(i32::from(row.kind == OutcomeKind::Failed)),
        },
        (kind, _) => {
            let word = match kind {
                OutcomeKind::Ok | OutcomeKind::Failed => "its value is not kept",
                OutcomeKind::Running => "it still runs",
                OutcomeKind::Queued => "it has not begun",
                OutcomeKind::Unreachable => "it is unreachable",
                OutcomeKind::Lost => "it is lost",
                OutcomeKind::Refused => "it refused",
                OutcomeKind::Expired => "it did not begin in time",
            };
            Said::Nothing(match &row.reason {
                Some(reason) if !reason.text.trim().is_empty() => {
                    format!("{word}: {}", reason.text.trim())
                }
                _ => word.to_owned(),
            })
        }
    }
}

/// Whether nothing of a state run failed, as Salt's own look at returned states has it.
pub(crate) fn is_success(run: &Value) -> bool {
    let Some(run) = run.as_object().filter(|run| !run.is_empty()) else {
        return false;
    };
    run.values().all(|record| match record.as_object() {
        None => true,
        Some(fields) => match fields.get("result") {
            Some(result) => result != &Value::Bool(false),
            None => is_success(record),
        },
    })
}

/// Whether a state of a run changed something.
pub(crate) fn has_changes(run: &Value) -> bool {
    let changed = |record: &Value| record.get("changes").is_some_and(truthy);
    run.as_object().is_some_and(|run| run.values().any(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_are_judged_as_salt_judges_them() {
        // Answers of salt.utils.state.check_result(value, recurse=True), 3008.
        for (value, expected) in [
            (json!({}), false),
            (json!(["error"]), false),
            (json!("text"), false),
            (json!(null), false),
            (json!({"a": {"result": true}}), true),
            (json!({"a": {"result": null}}), true),
            (
                json!({"a": {"result": true}, "b": {"result": false}}),
                false,
            ),
            (json!({"a": {"b": {"result": false}}}), false),
            (json!({"a": {"b": {"result": true}}}), true),
            (json!({"a": {}}), false),
            (json!({"a": "x"}), true),
        ] {
            assert_eq!(is_success(&value), expected, "{value}");
        }
    }
}
