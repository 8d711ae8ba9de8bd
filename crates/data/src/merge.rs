//! Two trees become one.

use serde_json::{Map, Value};

/// Something is to be merged that is no map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Cannot update using non-dict types in dictupdate.update()")]
pub struct NotMaps;

/// How two trees become one: `pillar_source_merging_strategy`, and `strategy` of `slsutil.merge`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Maps are merged at all depths; of other values the second counts.
    #[default]
    Recurse,
    /// The second value of each key at the top counts, whole.
    Overwrite,
    /// As [`Strategy::Overwrite`] for maps, for nothing here marks what is to be aggregated deeper; other values become one list.
    Aggregate,
    /// Values of one key at the top stand beside each other in a list.
    List,
    /// As [`Strategy::Recurse`], and lists are never joined: there is but one source. Also what an unknown word means.
    None,
}

impl Strategy {
    /// Reads the word. `smart` asks the renderer: `yamlex` marks what is to be aggregated.
    pub fn of(word: &str, renderer: &str) -> Strategy {
        let marks =
            renderer.rsplit('|').next() == Some("yamlex") || renderer.starts_with("yamlex_");
        match word {
            "smart" if marks => Strategy::Aggregate,
            "smart" | "recurse" => Strategy::Recurse,
            "overwrite" => Strategy::Overwrite,
            "aggregate" => Strategy::Aggregate,
            "list" => Strategy::List,
            _ => Strategy::None,
        }
    }
}

/// Lays `over` over `below`. With `merge_lists` what `over` adds to a list goes behind it, where maps are merged at all depths.
pub fn merge(
    below: Value,
    over: &Value,
    strategy: Strategy,
    merge_lists: bool,
) -> Result<Value, NotMaps> {
    match strategy {
        Strategy::Aggregate => return Ok(aggregate(below, over)),
        Strategy::List => return merge_list(&below, over),
        _ => {}
    }
    let (Value::Object(mut below), Value::Object(over)) = (below, over) else {
        return Err(NotMaps);
    };
    match strategy {
        Strategy::Overwrite => below.extend(over.clone()),
        _ => update_map(
            &mut below,
            over,
            merge_lists && strategy == Strategy::Recurse,
        ),
    }
    Ok(Value::Object(below))
}

/// Lays a map over another one, as [`update_map`]; without `recursive` each value of `over` counts whole.
pub fn update(
    below: Value,
    over: &Value,
    recursive: bool,
    merge_lists: bool,
) -> Result<Value, NotMaps> {
    let (Value::Object(mut below), Value::Object(over)) = (below, over) else {
        return Err(NotMaps);
    };
    if recursive {
        update_map(&mut below, over, merge_lists);
    } else {
        below.extend(over.clone());
    }
    Ok(Value::Object(below))
}

/// Lays a map over another one at all depths. With `merge_lists` a list keeps its entries and gets those that it lacks behind them.
pub fn update_map(below: &mut Map<String, Value>, over: &Map<String, Value>, merge_lists: bool) {
    for (key, value) in over {
        match (below.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => {
                update_map(below, value, merge_lists);
            }
            (Some(Value::Array(below)), Value::Array(value)) if merge_lists => {
                let added: Vec<Value> = value
                    .iter()
                    .filter(|item| !below.contains(item))
                    .cloned()
                    .collect();
                below.extend(added);
            }
            (Some(below), value) => *below = value.clone(),
            (None, value) => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

fn aggregate(below: Value, over: &Value) -> Value {
    match (below, over) {
        (Value::Object(mut below), Value::Object(over)) => {
            below.extend(over.clone());
            Value::Object(below)
        }
        (Value::Object(_), over) | (_, over @ Value::Object(_)) => over.clone(),
        (below, over) => {
            let listed = |value: Value| match value {
                Value::Array(items) => items,
                one => vec![one],
            };
            let mut all = listed(below);
            let known = all.len();
            for item in listed(over.clone()) {
                if !all[..known].contains(&item) {
                    all.push(item);
                }
            }
            Value::Array(all)
        }
    }
}

/// Keys that only `over` has are left out, as Salt does it.
fn merge_list(below: &Value, over: &Value) -> Result<Value, NotMaps> {
    let (Value::Object(below), Value::Object(over)) = (below, over) else {
        return Err(NotMaps);
    };
    let merged = below.iter().map(|(key, value)| {
        let value = match over.get(key) {
            Some(second) => Value::Array(vec![value.clone(), second.clone()]),
            None => value.clone(),
        };
        (key.clone(), value)
    });
    Ok(Value::Object(merged.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strategies() {
        let below = json!({"m": {"a": 1, "l": [1, 2]}, "l": [1], "s": 1, "only": 0});
        let over = json!({"m": {"b": 2, "l": [2, 3]}, "l": [1, 2], "s": 2, "new": 3});
        let check = |word: &str, lists: bool, expected: Value| {
            let merged = merge(
                below.clone(),
                &over,
                Strategy::of(word, "jinja|yaml"),
                lists,
            );
            assert_eq!(merged, Ok(expected), "{word} {lists}");
        };
        let recursed =
            json!({"m": {"a": 1, "l": [2, 3], "b": 2}, "l": [1, 2], "s": 2, "only": 0, "new": 3});
        check("smart", false, recursed.clone());
        check("recurse", false, recursed.clone());
        check("none", true, recursed.clone());
        check("unknown", true, recursed);
        check(
            "recurse",
            true,
            json!({"m": {"a": 1, "l": [1, 2, 3], "b": 2}, "l": [1, 2], "s": 2, "only": 0, "new": 3}),
        );
        check(
            "overwrite",
            false,
            json!({"m": {"b": 2, "l": [2, 3]}, "l": [1, 2], "s": 2, "only": 0, "new": 3}),
        );
        check(
            "list",
            false,
            json!({"m": [{"a": 1, "l": [1, 2]}, {"b": 2, "l": [2, 3]}], "l": [[1], [1, 2]], "s": [1, 2], "only": 0}),
        );
        check(
            "aggregate",
            false,
            json!({"m": {"b": 2, "l": [2, 3]}, "l": [1, 2], "s": 2, "only": 0, "new": 3}),
        );
        assert_eq!(Strategy::of("smart", "jinja|yamlex"), Strategy::Aggregate);
    }

    #[test]
    fn only_what_a_list_had_before_is_not_added() {
        let (below, over) = (json!({"l": [1]}), json!({"l": [2, 1, 2]}));
        assert_eq!(
            update(below, &over, true, true),
            Ok(json!({"l": [1, 2, 2]}))
        );
    }

    #[test]
    fn only_maps_are_updated() {
        assert_eq!(
            update(
                json!({"a": {"x": 1}}),
                &json!({"a": {"y": 2}}),
                false,
                false
            ),
            Ok(json!({"a": {"y": 2}}))
        );
        assert_eq!(update(json!([1]), &json!({}), true, true), Err(NotMaps));
        assert_eq!(
            merge(json!({}), &json!(1), Strategy::Recurse, false),
            Err(NotMaps)
        );
    }
}
