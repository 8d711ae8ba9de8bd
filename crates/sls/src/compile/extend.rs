//! Extensions: what one SLS adds to a state of another.

use serde_json::{Map, Value};

use super::High;
use super::keywords::{REQUISITES, is_internal};
use super::value::{first, text_at};

/// Applies and removes the `__extend__` of high data.
///
/// `is_strict` is for extensions that requisites made: an id counts only when it has the state.
pub(super) fn apply(high: &mut High, is_strict: bool) -> Vec<String> {
    let mut errors = Vec::new();
    let Some(Value::Array(extends)) = high.shift_remove("__extend__") else {
        return errors;
    };
    let excluded = excluded_sls(high);
    for (name, body) in extends.into_iter().filter_map(object).flatten() {
        let Value::Object(body) = body else {
            continue;
        };
        let sls = text_at(&body, "__sls__", "base").to_owned();
        let env = text_at(&body, "__env__", "base").to_owned();
        let Some(state) = body.keys().find(|key| !is_internal(key)).cloned() else {
            errors.push(format!(
                "The extension of ID '{name}' in SLS '{sls}' declares no state"
            ));
            continue;
        };
        let has_state = high
            .get(&name)
            .and_then(Value::as_object)
            .is_some_and(|body| body.contains_key(&state));
        let id = if has_state {
            name
        } else {
            match &find(high, &name, &state, is_strict)[..] {
                [(id, _)] => id.clone(),
                _ => {
                    errors.push(format!(
                        "Cannot extend ID '{name}' in '{env}:{sls}'. It is not part of the high state.\nAn include may be missing, or the ID mistyped: a state with an ID of '{name}' has to be available\nin environment '{env}' and to SLS '{sls}'"
                    ));
                    continue;
                }
            }
        };
        if excluded.contains(&sls) {
            continue;
        }
        let Some(Value::Object(extended)) = high.get_mut(&id) else {
            continue;
        };
        for (state, arguments) in body.into_iter().filter(|(key, _)| !is_internal(key)) {
            match (extended.get_mut(&state), arguments) {
                (None, arguments) => {
                    extended.insert(state, arguments);
                }
                (Some(Value::Array(old)), Value::Array(new)) => {
                    for argument in new {
                        extend_with(old, argument);
                    }
                }
                // A declaration that is no list is reported with all that is malformed.
                (Some(_), Value::Array(_)) => {}
                (Some(_), _) => errors.push(format!(
                    "The extension of ID '{id}' in SLS '{sls}' needs its '{state}' to be formed as a list"
                )),
            }
        }
    }
    errors
}

/// Adds one argument to a declaration: a function takes the place of the function, an option that of its namesake, and
/// requisites are added to those that are there.
fn extend_with(old: &mut Vec<Value>, argument: Value) {
    let mut is_placed = false;
    for slot in old.iter_mut() {
        if slot.is_string() && argument.is_string() {
            *slot = argument.clone();
            is_placed = true;
            continue;
        }
        let (Value::Object(there), Value::Object(new)) = (&mut *slot, &argument) else {
            continue;
        };
        let (Some((there_key, _)), Some((new_key, new_value))) = (first(there), first(new)) else {
            continue;
        };
        let is_rename = new_key == "name" && there_key == "names";
        if there_key == new_key {
            is_placed = true;
            let is_requisite = REQUISITES.contains(&new_key.as_str());
            match (there.get_mut(new_key), new_value) {
                (Some(Value::Array(there)), Value::Array(new)) if is_requisite => {
                    there.extend(new.iter().cloned())
                }
                _ => *slot = argument.clone(),
            }
        } else if is_rename {
            *slot = argument.clone();
        }
    }
    if !is_placed {
        old.push(argument);
    }
}

/// The ids, each with a state, that a name stands for: the id itself, or ids with an argument of that value.
pub(super) fn find(high: &High, name: &str, state: &str, is_strict: bool) -> Vec<(String, String)> {
    let body_of = |id: &str| high.get(id).and_then(Value::as_object);
    if let Some(body) = body_of(name)
        && (!is_strict || body.contains_key(state))
    {
        return vec![(name.to_owned(), state.to_owned())];
    }
    if state == "sls" {
        return sls_states(high, name).into_iter().collect();
    }
    let is_named = |argument: &Value| {
        super::value::single(argument).is_some_and(|(_, value)| value.as_str() == Some(name))
    };
    let mut found = Vec::new();
    for (id, body) in high {
        let Some(Value::Array(arguments)) = body.as_object().and_then(|body| body.get(state))
        else {
            continue;
        };
        found.extend(
            arguments
                .iter()
                .filter(|argument| is_named(argument))
                .map(|_| (id.clone(), state.to_owned())),
        );
    }
    found
}

/// Each id of an SLS with each of its states.
pub(super) fn sls_states(high: &High, sls: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (id, body) in high {
        let Some(body) = body.as_object() else {
            continue;
        };
        if body.get("__sls__").and_then(Value::as_str) == Some(sls) {
            found.extend(
                body.keys()
                    .filter(|key| !is_internal(key))
                    .map(|state| (id.clone(), state.clone())),
            );
        }
    }
    found
}

fn excluded_sls(high: &High) -> Vec<String> {
    let excludes = high.get("__exclude__").and_then(Value::as_array);
    let sls = |exclude: &Value| match exclude {
        Value::String(sls) => Some(sls.clone()),
        exclude => exclude.get("sls")?.as_str().map(str::to_owned),
    };
    excludes.into_iter().flatten().filter_map(sls).collect()
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_take_their_places() {
        #[track_caller]
        fn check(old: Value, argument: Value, expected: Value) {
            let mut old = old.as_array().cloned().unwrap_or_default();
            extend_with(&mut old, argument);
            assert_eq!(Value::Array(old), expected);
        }
        check(json!(["installed"]), json!("latest"), json!(["latest"]));
        check(
            json!([{"a": 1}, "f"]),
            json!({"a": 2}),
            json!([{"a": 2}, "f"]),
        );
        check(json!(["f"]), json!({"a": 2}), json!(["f", {"a": 2}]));
        check(
            json!([{"require": ["a"]}]),
            json!({"require": ["b"]}),
            json!([{"require": ["a", "b"]}]),
        );
        check(
            json!([{"names": ["a"]}]),
            json!({"name": "b"}),
            json!([{"name": "b"}, {"name": "b"}]),
        );
    }

    #[test]
    fn an_unknown_id_is_an_error() {
        let mut high =
            json!({"__extend__": [{"x": {"pkg": [], "__sls__": "s", "__env__": "base"}}]});
        let errors = apply(high.as_object_mut().unwrap(), false);
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].starts_with("Cannot extend ID 'x' in 'base:s'"),
            "{errors:?}"
        );
    }
}
