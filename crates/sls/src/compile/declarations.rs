//! The declarations of one SLS: brings the short forms into the long one and says where each came from.

use serde_json::{Map, Value, json};

use super::value::{first, list_mut};

/// Takes `extend` out of an SLS into its `__extend__`.
pub(super) fn take_extend(
    state: &mut Map<String, Value>,
    sls: &str,
    env: &str,
    errors: &mut Vec<String>,
) {
    let Some(extend) = state.shift_remove("extend") else {
        return;
    };
    let Value::Object(mut extend) = extend else {
        errors.push(format!(
            "Extension value in SLS '{sls}' is not a dictionary"
        ));
        return;
    };
    for (name, body) in &mut extend {
        let Value::Object(body) = body else {
            errors.push(format!(
                "Extension name '{name}' in SLS '{sls}' is not a dictionary"
            ));
            continue;
        };
        sign(body, sls, env);
        for key in dotted_lists(body) {
            move_function(body, &key);
        }
    }
    if let Some(list) = list_mut(state, "__extend__") {
        list.push(Value::Object(extend));
    }
}

/// Takes `exclude` out of an SLS into its `__exclude__`.
pub(super) fn take_exclude(state: &mut Map<String, Value>, sls: &str, errors: &mut Vec<String>) {
    match state.shift_remove("exclude") {
        None => {}
        Some(Value::Array(exclude)) => {
            if let Some(list) = list_mut(state, "__exclude__") {
                list.extend(exclude);
            }
        }
        Some(_) => errors.push(format!(
            "Exclude Declaration in SLS {sls} is not formed as a list"
        )),
    }
}

/// Brings each id of an SLS into the form `state: [argument, ..., function]` and adds `__sls__` and `__env__`.
pub(super) fn complete(
    state: &mut Map<String, Value>,
    sls: &str,
    env: &str,
    errors: &mut Vec<String>,
) {
    for (id, body) in state {
        match body {
            Value::Object(body) => {
                let mut seen = Vec::new();
                let keys: Vec<String> = body.keys().cloned().collect();
                for key in keys {
                    if key.starts_with('_') || !body.get(&key).is_some_and(Value::is_array) {
                        continue;
                    }
                    let Some((name, _)) = key.split_once('.') else {
                        seen.push(key);
                        continue;
                    };
                    if seen.iter().any(|other| other == name) {
                        errors.push(format!(
                            "ID '{id}' in SLS '{sls}' contains multiple state declarations of the same type"
                        ));
                        continue;
                    }
                    let name = name.to_owned();
                    move_function(body, &key);
                    seen.push(name);
                }
                sign(body, sls, env);
            }
            _ if matches!(id.as_str(), "__extend__" | "__exclude__") => {}
            Value::String(short) if short.contains('.') => {
                let (name, function) = function_of(short);
                *body = json!({"__sls__": sls, "__env__": env, name: [function]});
            }
            _ => errors.push(format!("ID {id} in SLS {sls} is not a dictionary")),
        }
    }
}

/// Gives each declaration without an `order` the next number.
pub(super) fn number(state: &mut Map<String, Value>, next: &mut i64) {
    for body in state.values_mut().filter_map(Value::as_object_mut) {
        for (key, arguments) in body {
            let Value::Array(arguments) = arguments else {
                continue;
            };
            let is_order = |argument: &Value| {
                let map = argument.as_object();
                map.and_then(first).is_some_and(|(key, _)| key == "order")
            };
            if !key.starts_with('_') && !arguments.iter().any(is_order) {
                arguments.push(json!({"order": *next}));
                *next += 1;
            }
        }
    }
}

/// Says where a body came from, unless it says so itself.
fn sign(body: &mut Map<String, Value>, sls: &str, env: &str) {
    for (key, value) in [("__sls__", sls), ("__env__", env)] {
        body.entry(key).or_insert_with(|| value.into());
    }
}

/// The keys of the form `state.function` that hold lists.
fn dotted_lists(body: &Map<String, Value>) -> Vec<String> {
    body.iter()
        .filter(|(key, value)| !key.starts_with('_') && key.contains('.') && value.is_array())
        .map(|(key, _)| key.clone())
        .collect()
}

/// Moves `state.function: [..]` to `state: [.., function]`, at the end of the body.
fn move_function(body: &mut Map<String, Value>, key: &str) {
    let (name, function) = function_of(key);
    if let Some(Value::Array(mut arguments)) = body.shift_remove(key) {
        arguments.push(function.into());
        body.insert(name.to_owned(), Value::Array(arguments));
    }
}

/// The state and the function of `state.function`; what follows a second dot is not heard, as in Salt.
fn function_of(text: &str) -> (&str, &str) {
    let mut parts = text.split('.');
    (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rendered: Value, expected: Value, expected_errors: &[&str]) {
        let mut errors = Vec::new();
        let mut state = rendered.as_object().cloned().unwrap_or_default();
        complete(&mut state, "s", "base", &mut errors);
        // As text, for the order of keys counts.
        assert_eq!(Value::Object(state).to_string(), expected.to_string());
        assert_eq!(errors, expected_errors);
    }

    #[test]
    fn short_forms() {
        check(
            json!({"vim": "pkg.installed"}),
            json!({"vim": {"__sls__": "s", "__env__": "base", "pkg": ["installed"]}}),
            &[],
        );
        check(
            json!({"vim": {"pkg.installed": [{"a": 1}], "file": ["absent"]}}),
            json!({"vim": {"file": ["absent"], "pkg": [{"a": 1}, "installed"], "__sls__": "s", "__env__": "base"}}),
            &[],
        );
        check(
            json!({"vim": {"pkg": ["installed"], "pkg.latest": []}}),
            json!({"vim": {"pkg": ["installed"], "pkg.latest": [], "__sls__": "s", "__env__": "base"}}),
            &["ID 'vim' in SLS 's' contains multiple state declarations of the same type"],
        );
        check(
            json!({"vim": "vim"}),
            json!({"vim": "vim"}),
            &["ID vim in SLS s is not a dictionary"],
        );
    }

    #[test]
    fn numbers_what_has_no_order() {
        let mut state = json!({"a": {"pkg": ["installed"], "file": [{"order": 1}], "__sls__": "s"}, "b": {"cmd": []}});
        let mut next = 10_000;
        number(state.as_object_mut().unwrap(), &mut next);
        assert_eq!(next, 10_002);
        assert_eq!(state["a"]["pkg"][1], json!({"order": 10_000}));
        assert_eq!(state["b"]["cmd"][0], json!({"order": 10_001}));
    }
}
