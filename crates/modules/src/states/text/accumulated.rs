//! `file.accumulated`: texts that states leave for a file of a later state.

use serde_json::{Map, Value, json};

use super::{Args, Return, StateEnv, Stop, returned};

/// The texts: by file, by accumulator, a list.
const TEXTS: &str = "accumulators";

/// The ids of the states that each accumulator is for, in the same shape.
const READERS: &str = "accumulators_deps";

pub(super) fn accumulated(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let name = args.text("name")?;
    if name.is_empty() {
        return Ok(returned(false, "Must provide name to file.accumulated"));
    }
    let texts = match args.value("text") {
        Value::Null => return Ok(returned(false, "No text supplied for accumulator")),
        Value::Array(texts) => texts.clone(),
        one => vec![one.clone()],
    };
    let readers: Vec<Value> = ["require_in", "watch_in"]
        .iter()
        .filter_map(|requisite| env.low.get(*requisite)?.as_array())
        .flatten()
        .cloned()
        .collect();
    let is_for_file = |reader: &Value| match reader {
        Value::Object(map) => map.contains_key("file"),
        Value::String(text) => text.contains("file"),
        _ => false,
    };
    if !readers.iter().any(is_for_file) {
        let sls = env.low.get("__sls__").and_then(Value::as_str);
        return Ok(returned(
            false,
            format!(
                "Orphaned accumulator {name} in {}:{}",
                sls.unwrap_or_default(),
                env.id()
            ),
        ));
    }
    let filename = args.text("filename")?;
    let ids = readers.iter().flat_map(|reader| match reader {
        Value::Object(map) => map.values().cloned().collect(),
        one => vec![one.clone()],
    });
    add(env, READERS, &filename, &name, ids);
    let is_new = add(env, TEXTS, &filename, &name, texts);
    Ok(returned(
        true,
        if is_new {
            format!("Accumulator {name} for file {filename} was charged by text")
        } else {
            String::new()
        },
    ))
}

/// Adds what is not there; whether there was something to add.
fn add(
    env: &StateEnv,
    note: &'static str,
    filename: &str,
    name: &str,
    values: impl IntoIterator<Item = Value>,
) -> bool {
    env.shared.change(note, |noted| {
        if !noted.is_object() {
            *noted = json!({});
        }
        let list = &mut noted[filename][name];
        if !list.is_array() {
            *list = json!([]);
        }
        let mut is_new = false;
        for value in values {
            if let Some(items) = list.as_array_mut().filter(|items| !items.contains(&value)) {
                items.push(value);
                is_new = true;
            }
        }
        is_new
    })
}

/// The texts for a file by accumulator: those that are for this state, or all when none is.
pub(in crate::states) fn charged(env: &StateEnv, filename: &str) -> Vec<(String, Vec<Value>)> {
    let of_file = |note: &'static str| -> Map<String, Value> {
        let noted = env.shared.note(note);
        let found = noted.get(filename).and_then(Value::as_object);
        found.cloned().unwrap_or_default()
    };
    let (texts, readers) = (of_file(TEXTS), of_file(READERS));
    let id = json!(env.id());
    let is_for_this = |name: &String| {
        let ids = readers.get(name).and_then(Value::as_array);
        ids.is_some_and(|ids| ids.contains(&id))
    };
    let is_any = texts.keys().any(is_for_this);
    texts
        .iter()
        .filter(|(name, _)| !is_any || is_for_this(name))
        .map(|(name, list)| (name.clone(), list.as_array().cloned().unwrap_or_default()))
        .collect()
}
