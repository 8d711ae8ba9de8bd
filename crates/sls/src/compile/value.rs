//! Small questions to rendered data.

use serde_json::{Map, Value};

/// A scalar as Salt's texts and tags show it; lists and maps as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        value => value.to_string(),
    }
}

/// What a value is, in a word for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Whether Python would call it true.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// The first entry of a map.
pub(super) fn first(map: &Map<String, Value>) -> Option<(&String, &Value)> {
    map.iter().next()
}

/// The entry of a value that is a map with one entry.
pub(super) fn single(value: &Value) -> Option<(&String, &Value)> {
    match value {
        Value::Object(map) if map.len() == 1 => first(map),
        _ => None,
    }
}

/// The list under a key, made when it is missing; none when something else is there.
pub(super) fn list_mut<'m>(
    map: &'m mut Map<String, Value>,
    key: &str,
) -> Option<&'m mut Vec<Value>> {
    map.entry(key.to_owned())
        .or_insert_with(|| Value::Array(Vec::new()))
        .as_array_mut()
}

/// The text under a key, or a word for its absence.
pub(super) fn text_at<'m>(map: &'m Map<String, Value>, key: &str, absent: &'m str) -> &'m str {
    map.get(key).and_then(Value::as_str).unwrap_or(absent)
}
