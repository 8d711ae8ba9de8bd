//! Chooses values by targets: `match.filter_by`, `match.search_by` and `match.ifelse`.

use serde_json::{Map, Value};

use crate::filter::FilterError;
use crate::merge::update_map;
use crate::python;

/// The value of the first target that matches, with `over` laid over it; else that of the key `default`, as it is.
pub fn choose_by(
    lookup: &Map<String, Value>,
    over: &Value,
    merge_lists: bool,
    default: &str,
    mut matches: impl FnMut(&str) -> bool,
) -> Result<Value, FilterError> {
    let Some((_, chosen)) = lookup.iter().find(|(target, _)| matches(target)) else {
        return Ok(lookup.get(default).cloned().unwrap_or_default());
    };
    if !python::truthy(over) {
        return Ok(chosen.clone());
    }
    match (chosen, over) {
        (Value::Null, Value::Object(_)) => Ok(over.clone()),
        (Value::Object(chosen), Value::Object(over)) => {
            let mut merged = chosen.clone();
            update_map(&mut merged, over, merge_lists);
            Ok(Value::Object(merged))
        }
        _ => Err(FilterError::Merge),
    }
}

/// The keys of those lists that hold a target that matches, once for each; null when there is none.
pub fn search_by(lookup: &Map<String, Value>, mut matches: impl FnMut(&str) -> bool) -> Value {
    let mut found = Vec::new();
    for (key, targets) in lookup {
        for target in targets.as_array().into_iter().flatten() {
            if matches(&python::text(target)) {
                found.push(Value::String(key.clone()));
            }
        }
    }
    if found.is_empty() {
        Value::Null
    } else {
        Value::Array(found)
    }
}

/// The pairs of `ifelse` as a lookup with its default: targets and values in turn, and the default last. None when the number is even.
pub fn ifelse_lookup(args: &[Value]) -> Option<(Map<String, Value>, Value)> {
    let (default, pairs) = args.split_last()?;
    if pairs.len() % 2 == 1 {
        return None;
    }
    let target = |value: &Value| match value {
        Value::Bool(true) => "*".to_owned(),
        // No id is empty, so that no minion matches.
        Value::Bool(false) => "L@".to_owned(),
        other => python::text(other),
    };
    let lookup = pairs
        .chunks(2)
        .filter_map(|pair| Some((target(pair.first()?), pair.get(1)?.clone())));
    Some((lookup.collect(), default.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn chooses() {
        let lookup = json!({"web*": {"a": 1, "l": [1]}, "db": null, "x": 5, "default": 9});
        let lookup = lookup.as_object().unwrap();
        let check = |fits: &str, over: Value, lists: bool, expected| {
            let chosen = choose_by(lookup, &over, lists, "default", |target| target == fits);
            assert_eq!(chosen, expected, "{fits} {over}");
        };
        check("web*", json!(null), false, Ok(json!({"a": 1, "l": [1]})));
        check(
            "web*",
            json!({"b": 2, "l": [2]}),
            true,
            Ok(json!({"a": 1, "l": [1, 2], "b": 2})),
        );
        check("db", json!({"b": 2}), false, Ok(json!({"b": 2})));
        check("x", json!({"b": 2}), false, Err(FilterError::Merge));
        check("none", json!({"b": 2}), false, Ok(json!(9)));
        let lists = json!({"a": ["x", "y"], "b": ["z"], "c": ["y", "x"]});
        let search = |fits: &str| search_by(lists.as_object().unwrap(), |target| target == fits);
        assert_eq!(search("x"), json!(["a", "c"]));
        assert_eq!(search("none"), json!(null));
    }

    #[test]
    fn pairs() {
        let (lookup, default) =
            ifelse_lookup(&[json!("a"), json!(1), json!(true), json!(2), json!(3)]).unwrap();
        assert_eq!(
            (Value::Object(lookup), default),
            (json!({"a": 1, "*": 2}), json!(3))
        );
        assert_eq!(ifelse_lookup(&[json!(1), json!(2)]), None);
        assert_eq!(ifelse_lookup(&[]), None);
    }
}
