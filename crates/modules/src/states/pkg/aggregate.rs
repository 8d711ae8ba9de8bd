//! Many packages in one run of the package manager: `aggregate`.

use serde_json::{Map, Value, json};

/// The states whose packages may go together.
const TOGETHER: [&str; 4] = ["installed", "latest", "removed", "purged"];

/// The chunk to run for a chunk of `pkg` and those of its run that have not run yet: it takes their packages along, and they are marked by
/// `__agg__`. Who calls leaves out what has run.
pub(crate) fn aggregated(
    chunk: &Map<String, Value>,
    group: &mut [Map<String, Value>],
) -> Map<String, Value> {
    let mut low = chunk.clone();
    let fun = low
        .get("fun")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !TOGETHER.contains(&fun.as_str()) {
        return low;
    }
    let has_sources = low.contains_key("sources");
    let list = if has_sources { "sources" } else { "pkgs" };
    let mut items = Vec::new();
    for other in group.iter_mut() {
        let is_other =
            other.get("state") != Some(&json!("pkg")) || other.get("fun") != Some(&json!(fun));
        let is_apart = other.contains_key("__agg__")
            || other.contains_key("hold")
            || other.get("fromrepo") != low.get("fromrepo");
        if is_other || is_apart || other.contains_key("sources") != has_sources {
            continue;
        }
        match other.get(list) {
            Some(Value::Array(more)) => items.extend(more.iter().cloned()),
            Some(_) => continue,
            None => {
                let Some(name) = other.get("name").and_then(Value::as_str).map(str::to_owned)
                else {
                    continue;
                };
                let version = other.get("version").filter(|version| !version.is_null());
                items
                    .push(version.map_or_else(|| json!(name), |version| json!({ &name: version })));
            }
        }
        other.insert("__agg__".to_owned(), json!(true));
    }
    if items.is_empty() {
        return low;
    }
    let own = low
        .get(list)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut all: Vec<Value> = Vec::new();
    for item in own.into_iter().chain(items) {
        let known = all
            .iter_mut()
            .find(|known| name_of(known) == name_of(&item));
        match known {
            // A version says more than a name.
            Some(known) if known.is_string() => *known = item,
            Some(_) => {}
            None => all.push(item),
        }
    }
    low.insert(list.to_owned(), Value::Array(all));
    low
}

fn name_of(item: &Value) -> Option<&str> {
    match item {
        Value::String(name) => Some(name),
        Value::Object(map) => map.keys().next().map(String::as_str),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_go_together() {
        let chunk = |value: Value| value.as_object().cloned().unwrap();
        let first = chunk(json!({"state": "pkg", "fun": "installed", "name": "a"}));
        let mut group = [
            first.clone(),
            chunk(json!({"state": "pkg", "fun": "installed", "name": "b", "version": "1"})),
            chunk(json!({"state": "pkg", "fun": "installed", "name": "x", "pkgs": ["c", "a"]})),
            chunk(json!({"state": "pkg", "fun": "removed", "name": "d"})),
            chunk(json!({"state": "pkg", "fun": "installed", "name": "e", "hold": true})),
            chunk(json!({"state": "file", "fun": "managed", "name": "f"})),
        ];
        let low = aggregated(&first, &mut group);
        assert_eq!(low["pkgs"], json!(["a", {"b": "1"}, "c"]));
        let marked: Vec<bool> = group
            .iter()
            .map(|chunk| chunk.contains_key("__agg__"))
            .collect();
        assert_eq!(marked, [true, true, true, false, false, false]);
    }
}
