//! The count below the results of a run.

use serde_json::{Map, Value};

use super::record;

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

#[cfg(test)]
mod tests {
    use super::*;
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
