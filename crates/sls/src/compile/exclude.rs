//! Exclusions: ids and whole SLS that are left out.

use serde_json::Value;

use super::High;
use super::keywords::is_internal;
use super::value::{list_mut, single};

/// Adds what a command line's `exclude=` names: SLS, or maps with `sls` or `id`.
pub fn add_excludes(high: &mut High, excludes: Vec<Value>) {
    if let Some(list) = list_mut(high, "__exclude__") {
        list.extend(excludes);
    }
}

/// Removes what `__exclude__` names. An SLS may be a glob, an id is meant as written.
pub(super) fn apply(high: &mut High) {
    let Some(Value::Array(excludes)) = high.shift_remove("__exclude__") else {
        return;
    };
    let mut sls = Vec::new();
    let mut ids = Vec::new();
    for exclude in &excludes {
        match (exclude, single(exclude)) {
            (Value::String(name), _) => sls.push(targeting::Glob::new(name)),
            (_, Some((key, Value::String(name)))) if key == "sls" => {
                sls.push(targeting::Glob::new(name))
            }
            (_, Some((key, Value::String(name)))) if key == "id" => ids.push(name.clone()),
            _ => {}
        }
    }
    high.retain(|id, body| {
        if ids.contains(id) {
            return false;
        }
        let from = body
            .get("__sls__")
            .and_then(Value::as_str)
            .unwrap_or_default();
        is_internal(id) || from.is_empty() || !sls.iter().any(|sls| sls.matches(from))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_out() {
        let mut high = json!({
            "a": {"__sls__": "web.one"}, "b": {"__sls__": "web.two"}, "c": {"__sls__": "db"}, "d": {"__sls__": "x"},
            "__exclude__": ["db", {"sls": "web.*"}, {"id": "d"}, {"id": "none"}, 5],
        });
        let high = high.as_object_mut().unwrap();
        apply(high);
        assert!(high.is_empty(), "{high:?}");
    }
}
