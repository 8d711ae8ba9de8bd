//! Values that stand encrypted in the files: `decrypt_pillar`.

use data::python;
use serde_json::{Map, Value};
use sls::render::{Data, Foreign, Source, Step};

const DEFAULT_RENDERER: &str = "gpg";

/// Decrypts the values that the configuration names; the errors are those that the minion hears of.
pub(crate) fn decrypt(
    pillar: &mut Map<String, Value>,
    options: &Value,
    foreign: &dyn Foreign,
) -> Vec<String> {
    let wanted = match options.get("decrypt_pillar") {
        Some(wanted) if python::truthy(wanted) => wanted,
        _ => return Vec::new(),
    };
    let Some(keys) = keys(wanted) else {
        return vec!["decrypt_pillar config option is malformed".to_owned()];
    };
    let word = |key: &str, default: &'static str| {
        options.get(key).and_then(Value::as_str).unwrap_or(default)
    };
    let delimiter = word("decrypt_pillar_delimiter", data::DEFAULT_DELIMITER);
    let default = word("decrypt_pillar_default", DEFAULT_RENDERER);
    let valid = options
        .get("decrypt_pillar_renderers")
        .and_then(Value::as_array);
    let is_valid = |name: &str| match valid {
        Some(valid) => valid.iter().any(|other| other == name),
        None => name == DEFAULT_RENDERER,
    };
    let mut errors = Vec::new();
    for (key, renderer) in keys {
        let renderer = renderer.unwrap_or_else(|| default.to_owned());
        let Some(place) = place(pillar, &key, delimiter) else {
            continue;
        };
        let decrypted = if is_valid(&renderer) {
            decrypted(place, &renderer, foreign)
        } else {
            Err(format!(
                "'{renderer}' is not a valid decryption renderer: decrypt_pillar_renderers has to name it"
            ))
        };
        match decrypted {
            Ok(value) => *place = value,
            Err(error) => errors.push(format!("Failed to decrypt pillar key '{key}': {error}")),
        }
    }
    errors
}

/// Paths with their renderers: a map, or a list of paths and of maps of one entry.
fn keys(wanted: &Value) -> Option<Vec<(String, Option<String>)>> {
    let entry =
        |(key, renderer): (&String, &Value)| (key.clone(), renderer.as_str().map(str::to_owned));
    match wanted {
        Value::Object(map) => Some(map.iter().map(entry).collect()),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::String(key) => Some((key.clone(), None)),
                Value::Object(map) if map.len() == 1 => map.iter().next().map(entry),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn place<'p>(
    pillar: &'p mut Map<String, Value>,
    path: &str,
    delimiter: &str,
) -> Option<&'p mut Value> {
    let mut steps = path.split(delimiter);
    let mut at = pillar.get_mut(steps.next()?)?;
    for step in steps {
        at = at.as_object_mut()?.get_mut(step)?;
    }
    Some(at).filter(|value| !value.is_null())
}

fn decrypted(value: &Value, renderer: &str, foreign: &dyn Foreign) -> Result<Value, String> {
    let step = Step {
        name: renderer.to_owned(),
        arguments: String::new(),
    };
    let input = match value {
        Value::String(text) => Data::Text(text.clone()),
        other => Data::Tree(other.clone()),
    };
    match foreign.render(&step, &Source::default(), &input) {
        None => Err(format!("the renderer '{renderer}' is not available here")),
        Some(Err(error)) => Err(error),
        Some(Ok(Data::Text(text))) => Ok(Value::String(text)),
        Some(Ok(Data::Tree(tree))) => Ok(tree),
    }
}
