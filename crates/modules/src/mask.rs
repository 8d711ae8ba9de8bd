//! Values that are not to be seen.

use serde_json::Value;

use crate::python;

/// What stands in the place of a value, as in Salt.
pub(crate) const MASK: &str = "**********";

/// The same value with each text and number in it masked; names of dictionaries stay.
pub(crate) fn masked(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, masked(value)))
            .collect(),
        scalar if python::truthy(&scalar) => Value::from(MASK),
        nothing => nothing,
    }
}
