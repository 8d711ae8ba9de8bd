//! What a state function returns, and the record that is kept of it.

use serde_json::{Map, Value, json};

use super::chunk::Chunk;

/// What a state function returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Return {
    /// The name as the function gives it back; none for that of the chunk.
    pub name: Option<String>,
    /// True for success, false for failure, none for "would change" in test mode.
    pub result: Option<bool>,
    /// What changed, or would.
    pub changes: Map<String, Value>,
    /// What happened, for people.
    pub comment: String,
    /// Anything else, as `warnings`, `pchanges`, `skip_watch` and `skip_req`.
    pub others: Map<String, Value>,
}

impl Return {
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.others.get(key).is_some_and(super::value::is_truthy)
    }

    /// The value of `result`.
    pub(super) fn result_value(&self) -> Value {
        self.result.map_or(Value::Null, Value::Bool)
    }
}

/// The record of a call: Salt's keys, with the time of day at the start, as `10:20:30.123456`, and the milliseconds that it took.
pub(super) fn of_call(
    returned: &Return,
    chunk: &Chunk,
    number: u64,
    start_time: &str,
    duration_ms: f64,
) -> Map<String, Value> {
    let mut record = Map::new();
    let name = returned.name.clone().map_or_else(
        || chunk.0.get("name").cloned().unwrap_or(Value::Null),
        Value::String,
    );
    record.insert("name".to_owned(), name);
    record.insert(
        "changes".to_owned(),
        Value::Object(returned.changes.clone()),
    );
    record.insert("result".to_owned(), returned.result_value());
    record.insert("comment".to_owned(), json!(returned.comment));
    record.extend(returned.others.clone());
    record.insert(
        "__sls__".to_owned(),
        chunk.0.get("__sls__").cloned().unwrap_or(Value::Null),
    );
    record.insert("__run_num__".to_owned(), json!(number));
    record.insert("start_time".to_owned(), json!(start_time));
    record.insert("duration".to_owned(), json!(duration_ms));
    record.insert(
        "__id__".to_owned(),
        chunk.0.get("__id__").cloned().unwrap_or(Value::Null),
    );
    record
}

/// The record of a state that was not run.
pub(super) fn of_no_run(
    chunk: &Chunk,
    number: u64,
    start_time: &str,
    result: bool,
    comment: &str,
) -> Map<String, Value> {
    let returned = Return {
        result: Some(result),
        comment: comment.to_owned(),
        ..Return::default()
    };
    let mut record = of_call(&returned, chunk, number, start_time, 0.0);
    record.insert("__state_ran__".to_owned(), json!(false));
    record
}

/// The results of a highstate that has no states, with its key.
pub fn no_states(comment: &str) -> Map<String, Value> {
    let record = json!({
        "result": false,
        "comment": comment,
        "name": "No States",
        "changes": {},
        "__run_num__": 0,
    });
    Map::from_iter([("no_|-states_|-states_|-None".to_owned(), record)])
}

/// The result in a record.
pub(super) fn result(record: &Map<String, Value>) -> Option<bool> {
    record.get("result").and_then(Value::as_bool)
}

/// Whether a record has changes.
pub(super) fn has_changes(record: &Map<String, Value>) -> bool {
    record.get("changes").is_some_and(super::value::is_truthy)
}
