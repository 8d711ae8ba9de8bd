//! Between a template's values and [`serde_json::Value`].

use serde_json::{Map as JsonMap, Number, Value as Json};

use super::fault::{Fault, Result};
use super::fuel;
use super::print::string;
use super::value::{Key, Map, Value};
use crate::render::limits::VALUE_DEPTH_MAX;

/// Data takes more memory than the parts that a template's values share.
const STEPS_PER_NODE: usize = 4;

pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i128() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(entries) => Value::dict(
            entries
                .iter()
                .map(|(key, value)| (Key::text(key.as_str()), from_json(value)))
                .collect(),
        ),
    }
}

/// The value as data. Keys become text as the crate `yaml` makes them; what is no data, such as a macro, is an error.
pub(crate) fn to_json(value: &Value) -> Result<Json> {
    data(value, 0)
}

fn data(value: &Value, depth: usize) -> Result<Json> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Fault::limit("the depth of a value"));
    }
    fuel::spend(STEPS_PER_NODE)?;
    let list = |items: &[Value]| {
        items
            .iter()
            .map(|item| data(item, depth + 1))
            .collect::<Result<Vec<_>>>()
    };
    Ok(match value {
        Value::None => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => Number::from_i128(*number)
            .map_or_else(|| Json::String(number.to_string()), Json::Number),
        Value::Float(number) => Number::from_f64(*number)
            .map_or_else(|| Json::String(super::print::float(*number)), Json::Number),
        Value::Str(text) => Json::String(text.to_string()),
        Value::List(items) | Value::Tuple(items) => Json::Array(list(&items.0.borrow())?),
        Value::Sequence(sequence) => Json::Array(list(&sequence.items)?),
        Value::Dict(dict) => map(&dict.0.borrow(), depth)?,
        // A module is its text, where a filter or a function reads it.
        Value::Module(module) => Json::String(module.text.to_string()),
        _ => {
            value.check_defined()?;
            return Err(Fault::value(format!(
                "Object of type {} is not JSON serializable",
                value.type_name()
            )));
        }
    })
}

fn map(map: &Map, depth: usize) -> Result<Json> {
    let mut entries = JsonMap::new();
    for (key, value) in map {
        entries.insert(string(key.value())?, data(value, depth + 1)?);
    }
    Ok(Json::Object(entries))
}
