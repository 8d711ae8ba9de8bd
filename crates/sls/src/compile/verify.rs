//! Whether high data is well formed: finds everything that is not, in the words that operators know.

use serde_json::{Map, Value};

use super::High;
use super::keywords::{REQUISITES, is_internal};
use super::value::{first, kind, text_at};

/// All faults of the form of high data.
pub fn verify(high: &High) -> Vec<String> {
    let mut errors = Vec::new();
    for (id, body) in high.iter().filter(|(id, _)| !is_internal(id)) {
        let Value::Object(body) = body else {
            errors.push(format!(
                "The type {id} in {body} is not formatted as a dictionary"
            ));
            continue;
        };
        let place = Place {
            id,
            sls: text_at(body, "__sls__", "?"),
        };
        for (state, arguments) in body.iter().filter(|(state, _)| !is_internal(state)) {
            match arguments {
                Value::Null => errors.push(format!(
                    "ID '{id}' in SLS '{}' contains a short declaration ({state}) with a trailing colon. When no arguments follow, leave the colon out.",
                    place.sls
                )),
                Value::Array(arguments) => place.arguments(state, arguments, &mut errors),
                _ => errors.push(format!("State '{id}' in SLS '{}' is not formed as a list", place.sls)),
            }
        }
    }
    errors
}

struct Place<'a> {
    id: &'a str,
    sls: &'a str,
}

impl Place<'_> {
    fn arguments(&self, state: &str, arguments: &[Value], errors: &mut Vec<String>) {
        let Place { id, sls } = self;
        let mut functions: Vec<&str> = state
            .split_once('.')
            .map(|(_, function)| function)
            .into_iter()
            .collect();
        for argument in arguments {
            match argument {
                Value::String(function) => {
                    functions.push(function);
                    if function.trim().contains(' ') {
                        errors.push(format!(
                            "The function \"{function}\" in state \"{id}\" in SLS \"{sls}\" has whitespace, a function with whitespace is not supported: it may be an argument that lacks its \":\""
                        ));
                    }
                }
                Value::Object(argument) => self.argument(argument, errors),
                _ => {}
            }
        }
        match functions.len() {
            0 => errors.push(format!("No function declared in state '{id}' in SLS '{sls}'")),
            1 => {}
            _ => errors.push(format!(
                "Too many functions declared in state '{id}' in SLS '{sls}'. Please choose one of the following: {}",
                functions.join(", ")
            )),
        }
    }

    fn argument(&self, argument: &Map<String, Value>, errors: &mut Vec<String>) {
        let Place { id, sls } = self;
        let Some((name, value)) = first(argument) else {
            return;
        };
        if name == "names" && !value.is_array() {
            errors.push(format!(
                "The 'names' argument in state '{id}' in SLS '{sls}' needs to be formed as a list"
            ));
        }
        if !REQUISITES.contains(&name.as_str()) {
            return;
        }
        match value {
            Value::Array(requisites) => {
                for requisite in requisites {
                    self.requisite(requisite, errors);
                }
            }
            _ => errors.push(format!(
                "The {name} statement in state '{id}' in SLS '{sls}' needs to be formed as a list"
            )),
        }
        if argument.len() != 1 {
            errors.push(format!(
                "Multiple dictionaries defined in argument of state '{id}' in SLS '{sls}'"
            ));
        }
    }

    fn requisite(&self, requisite: &Value, errors: &mut Vec<String>) {
        let Place { id, sls } = self;
        let (state, target) = match requisite {
            Value::String(_) => return,
            Value::Object(map) if map.len() == 1 => match first(map) {
                Some(entry) => entry,
                None => return,
            },
            _ => {
                errors.push(format!(
                    "Requisite declaration {requisite} in state {id} in SLS {sls} is not formed as a single key dictionary"
                ));
                return;
            }
        };
        if let Some((state_only, _)) = state.split_once('.') {
            errors.push(format!(
                "Invalid requisite type '{state}' in state '{id}', in SLS '{sls}'. Requisite types must not contain dots, did you mean '{state_only}'?"
            ));
        }
        if target.is_array() || target.is_object() {
            errors.push(format!(
                "Illegal requisite \"{target}\" in SLS \"{sls}\": a requisite names one state, and this is {}. Please check your syntax",
                kind(target)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(body: Value, expected: &[&str]) {
        let mut high = json!({"x": body});
        if let Some(body) = high["x"].as_object_mut() {
            body.insert("__sls__".to_owned(), json!("s"));
        }
        let errors = verify(high.as_object().unwrap());
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, expected) in errors.iter().zip(expected) {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn faults() {
        check(json!({"pkg": ["installed"]}), &[]);
        check(json!("pkg"), &["is not formatted as a dictionary"]);
        check(
            json!({"pkg.installed": null}),
            &[
                "ID 'x' in SLS 's' contains a short declaration (pkg.installed) with a trailing colon",
            ],
        );
        check(
            json!({"pkg": {"a": 1}}),
            &["State 'x' in SLS 's' is not formed as a list"],
        );
        check(
            json!({"pkg": []}),
            &["No function declared in state 'x' in SLS 's'"],
        );
        check(
            json!({"pkg": ["a", "b"]}),
            &[
                "Too many functions declared in state 'x' in SLS 's'. Please choose one of the following: a, b",
            ],
        );
        check(
            json!({"pkg": ["a b"]}),
            &["The function \"a b\" in state \"x\" in SLS \"s\" has whitespace"],
        );
        check(
            json!({"pkg": ["a", {"names": "b"}]}),
            &["The 'names' argument in state 'x' in SLS 's' needs to be formed as a list"],
        );
        check(
            json!({"pkg": ["a", {"require": "b"}]}),
            &["The require statement in state 'x' in SLS 's' needs to be formed as a list"],
        );
        check(json!({"pkg": ["a", {"watch": ["b", {"file": "c"}]}]}), &[]);
        check(
            json!({"pkg": ["a", {"watch": [{"file": "c", "pkg": "d"}]}]}),
            &["is not formed as a single key dictionary"],
        );
        check(
            json!({"pkg": ["a", {"watch": [{"file.managed": "c"}]}]}),
            &["Requisite types must not contain dots, did you mean 'file'?"],
        );
        check(
            json!({"pkg": ["a", {"watch": [{"file": ["c"]}]}]}),
            &["Illegal requisite"],
        );
        check(
            json!({"pkg": ["a", {"watch": [], "b": 1}]}),
            &["Multiple dictionaries defined in argument of state 'x' in SLS 's'"],
        );
    }
}
