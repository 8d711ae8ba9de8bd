//! Requisites that are written at the other end (`require_in`, ...) and `use`: turned into extensions and applied.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::High;
use super::extend;
use super::keywords::{REQUISITES_IN, is_internal, is_kept_from_use};
use super::value::{first, list_mut, single, text_at};

/// Resolves them all on high data. Requisites named in `disabled` are ignored.
pub(super) fn resolve(high: &mut High, disabled: &[String]) -> Vec<String> {
    let mut found = Found {
        high,
        extends: IndexMap::new(),
        errors: Vec::new(),
    };
    for (id, body) in found.high {
        let Value::Object(body) = body else {
            continue;
        };
        for (state, arguments) in body.iter().filter(|(state, _)| !is_internal(state)) {
            for argument in arguments.as_array().into_iter().flatten() {
                let Some((key, items)) = argument.as_object().and_then(first) else {
                    continue;
                };
                if REQUISITES_IN.contains(&key.as_str()) && !disabled.contains(key) {
                    found.requisite(&Origin { id, state, body }, key, items);
                }
            }
        }
    }
    let Found {
        extends,
        mut errors,
        ..
    } = found;
    let extends = extends
        .into_iter()
        .map(|(name, body)| json!({name: body}))
        .collect();
    high.insert("__extend__".to_owned(), Value::Array(extends));
    errors.extend(extend::apply(high, true));
    errors
}

/// The declaration that holds the requisite.
struct Origin<'a> {
    id: &'a str,
    state: &'a str,
    body: &'a Map<String, Value>,
}

struct Found<'a> {
    high: &'a High,
    extends: IndexMap<String, Map<String, Value>>,
    errors: Vec<String>,
}

impl Found<'_> {
    fn requisite(&mut self, origin: &Origin<'_>, key: &str, items: &Value) {
        let requisite = key.split('_').next().unwrap_or(key);
        match items {
            Value::Object(items) => {
                for (state, name) in items {
                    let Some(name) = name.as_str() else {
                        continue;
                    };
                    let state = self.without_dot(state, requisite, name, origin);
                    self.add(name, &state, requisite, origin);
                }
            }
            Value::Array(items) => self.list(origin, key, requisite, items),
            _ => {}
        }
    }

    fn list(&mut self, origin: &Origin<'_>, key: &str, requisite: &str, items: &[Value]) {
        // Salt keeps the ends of earlier items in this list, so that an earlier end gets the requisite again with each later one.
        let mut ends: Vec<(String, String)> = Vec::new();
        for item in items {
            let Some((state, name)) = self.end_of(item) else {
                continue;
            };
            if state == "sls" {
                ends = extend::sls_states(self.high, &name);
            } else {
                ends.push((name.clone(), state.clone()));
            }
            self.without_dot(&state, requisite, &name, origin);
            for (name, state) in &ends {
                match key {
                    "use_in" => self.use_in(origin, name, state),
                    "use" => self.use_of(origin, name, state),
                    _ => self.add(name, state, requisite, origin),
                }
            }
        }
    }

    /// The state and the name or id that an item of the list means.
    fn end_of(&self, item: &Value) -> Option<(String, String)> {
        let plain = match item {
            Value::Object(map) => {
                let (state, name) = first(map)?;
                return Some((state.clone(), super::value::text(name)));
            }
            Value::String(plain) => plain,
            _ => return None,
        };
        if let Some(body) = self.high.get(plain) {
            let mut states = body.as_object()?.keys().filter(|state| !is_internal(state));
            return Some((states.next()?.clone(), plain.clone()));
        }
        let is_named =
            |argument: &Value| argument.get("name").and_then(Value::as_str) == Some(plain);
        self.high
            .iter()
            .filter_map(|(id, body)| Some((id, body.as_object()?)))
            .flat_map(|(id, body)| {
                body.iter()
                    .map(move |(state, arguments)| (id, state, arguments))
            })
            .filter(|(_, state, _)| !is_internal(state))
            .find(|(_, _, arguments)| {
                arguments
                    .as_array()
                    .is_some_and(|arguments| arguments.iter().any(is_named))
            })
            .map(|(id, state, _)| (state.clone(), id.clone()))
    }

    /// Reports `state.function` where a state is meant.
    fn without_dot(
        &mut self,
        state: &str,
        requisite: &str,
        name: &str,
        origin: &Origin<'_>,
    ) -> String {
        if let Some((state_only, _)) = state.split_once('.') {
            self.errors.push(format!(
                "Invalid requisite in {requisite}: {state} for {name}, in SLS '{}'. Requisites must not contain dots, did you mean '{state_only}'?",
                text_at(origin.body, "__sls__", "?")
            ));
            return state_only.to_owned();
        }
        state.to_owned()
    }

    /// Gives the state `name` the requisite on the origin.
    fn add(&mut self, name: &str, state: &str, requisite: &str, origin: &Origin<'_>) {
        let body = self.extends.entry(name.to_owned()).or_default();
        list_mut(body, state);
        for key in ["__env__", "__sls__"] {
            let value = origin.body.get(key).cloned().unwrap_or(Value::Null);
            body.insert(key.to_owned(), value);
        }
        let Some(arguments) = list_mut(body, state) else {
            return;
        };
        let addition = json!({origin.state: origin.id});
        let mut is_there = false;
        for there in arguments
            .iter_mut()
            .filter_map(|argument| argument.get_mut(requisite))
            .filter_map(Value::as_array_mut)
        {
            there.push(addition.clone());
            is_there = true;
        }
        if !is_there {
            arguments.push(json!({requisite: [addition]}));
        }
    }

    /// Gives the state `name` the arguments of the origin.
    fn use_in(&mut self, origin: &Origin<'_>, name: &str, state: &str) {
        for (id, state) in extend::find(self.high, name, state, true) {
            let own = argument_names(self.high, &id, &state);
            let given = used(origin.body.get(origin.state), &own);
            self.give(&id, &state, given);
        }
    }

    /// Gives the origin the arguments of the state `name`.
    fn use_of(&mut self, origin: &Origin<'_>, name: &str, state: &str) {
        for (id, state) in extend::find(self.high, name, state, true) {
            let own = argument_names(self.high, origin.id, origin.state);
            let given = used(self.high.get(&id).and_then(|body| body.get(&state)), &own);
            self.give(origin.id, origin.state, given);
        }
    }

    fn give(&mut self, id: &str, state: &str, given: Vec<Value>) {
        let body = self.extends.entry(id.to_owned()).or_default();
        if let Some(arguments) = list_mut(body, state) {
            arguments.extend(given);
        }
    }
}

/// The names of the arguments of a declaration.
fn argument_names(high: &High, id: &str, state: &str) -> Vec<String> {
    let arguments = high
        .get(id)
        .and_then(|body| body.get(state))
        .and_then(Value::as_array);
    let names = arguments.into_iter().flatten().filter_map(single);
    names.map(|(name, _)| name.clone()).collect()
}

/// What `use` takes of a declaration for a state that has arguments of its own.
fn used(arguments: Option<&Value>, own: &[String]) -> Vec<Value> {
    let arguments = arguments.and_then(Value::as_array).into_iter().flatten();
    let is_used = |argument: &&Value| {
        single(argument).is_some_and(|(name, _)| !is_kept_from_use(name) && !own.contains(name))
    };
    arguments.filter(is_used).cloned().collect()
}
