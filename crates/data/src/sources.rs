//! A value from several sources, as `config.get` looks it up.

use serde_json::{Map, Value};

use crate::merge::{Strategy, merge, update_map};
use crate::traverse::traverse;

/// The value at a path in the first source that has it.
pub fn first_of<'a>(
    sources: impl IntoIterator<Item = &'a Value>,
    path: &str,
    delimiter: &str,
) -> Option<&'a Value> {
    sources
        .into_iter()
        .find_map(|source| traverse(source, path, delimiter))
}

/// The value at a path after the sources are merged, the first over the others.
pub fn merged_of(
    sources: &[&Value],
    path: &str,
    delimiter: &str,
    strategy: Strategy,
) -> Option<Value> {
    let mut all = Value::Object(Map::new());
    for source in sources.iter().rev() {
        // Sources are maps; one that is not says nothing.
        if source.is_object() {
            all = merge(all, source, strategy, false).ok()?;
        }
    }
    traverse(&all, path, delimiter).cloned()
}

/// What was found over a default: `pillar.get` with `merge`. Maps are merged, lists are joined; what does not fit the default is the answer
/// itself, and the default where nothing was found.
pub fn over_default(found: Option<&Value>, default: &Value, merge_lists: bool) -> Value {
    match (default, found) {
        (Value::Object(below), Some(Value::Object(over))) => {
            let mut merged = below.clone();
            update_map(&mut merged, over, merge_lists);
            Value::Object(merged)
        }
        (Value::Array(below), Some(Value::Array(over))) => {
            let added = over.iter().filter(|item| !below.contains(item));
            Value::Array(below.iter().chain(added).cloned().collect())
        }
        (Value::Null, None) => Value::String(String::new()),
        (default, found) => found.unwrap_or(default).clone(),
    }
}

/// `defaults.update`: lays each value of a map over the same defaults.
pub fn update_each(
    nodes: &Map<String, Value>,
    defaults: &Map<String, Value>,
    merge_lists: bool,
) -> Map<String, Value> {
    let updated = nodes.iter().map(|(name, node)| {
        let mut merged = defaults.clone();
        if let Value::Object(node) = node {
            update_map(&mut merged, node, merge_lists);
        }
        (name.clone(), Value::Object(merged))
    });
    updated.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sources_in_their_order() {
        let (opts, grains, pillar) = (
            json!({"a": {"x": 1}}),
            json!({"a": {"y": 2}, "g": 3}),
            json!({"a": {"x": 4, "z": 5}, "p": [1]}),
        );
        let sources = [&opts, &grains, &pillar];
        let first = |path: &str| first_of(sources, path, ":").cloned();
        assert_eq!(first("a:x"), Some(json!(1)));
        assert_eq!(first("a:z"), Some(json!(5)));
        assert_eq!(first("g"), Some(json!(3)));
        assert_eq!(first("none"), None);
        let merged = |strategy| merged_of(&sources, "a", ":", strategy);
        assert_eq!(
            merged(Strategy::Recurse),
            Some(json!({"x": 1, "z": 5, "y": 2}))
        );
        assert_eq!(merged(Strategy::Overwrite), Some(json!({"x": 1})));
    }

    #[test]
    fn what_is_found_lies_over_the_default() {
        let check = |found: Option<Value>, default: Value, lists: bool, expected: Value| {
            assert_eq!(over_default(found.as_ref(), &default, lists), expected);
        };
        let (below, over) = (json!({"a": 1, "l": [1]}), json!({"b": 2, "l": [2]}));
        check(
            Some(over.clone()),
            below.clone(),
            false,
            json!({"a": 1, "l": [2], "b": 2}),
        );
        check(
            Some(over),
            below.clone(),
            true,
            json!({"a": 1, "l": [1, 2], "b": 2}),
        );
        check(Some(json!([2, 1])), json!([1]), false, json!([1, 2]));
        check(Some(json!("text")), below.clone(), false, json!("text"));
        check(None, below.clone(), false, below);
        check(None, json!(null), false, json!(""));
    }

    #[test]
    fn each_is_laid_over_the_defaults() {
        let nodes = json!({"a": {"l": [2]}, "b": null});
        let defaults = json!({"l": [1], "x": 1});
        let updated = update_each(
            nodes.as_object().unwrap(),
            defaults.as_object().unwrap(),
            true,
        );
        assert_eq!(
            Value::Object(updated),
            json!({"a": {"l": [1, 2], "x": 1}, "b": {"l": [1], "x": 1}})
        );
    }
}
