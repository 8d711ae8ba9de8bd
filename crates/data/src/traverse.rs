//! Walks into nested values along a path.

use serde_json::Value;

use crate::python;

/// Between the keys of a path into nested values.
pub const DEFAULT_DELIMITER: &str = ":";

/// Walks into nested dictionaries and lists along `path`; none where it leads nowhere.
///
/// In a list a number is an index, counted from the end when it is negative, and a name looks into the dictionaries that the list holds.
/// A dictionary written from YAML may have keys that are not strings, which JSON already turned into strings: a step that names such a
/// key in YAML's words (`yes` for `True`) finds it too. An empty delimiter makes the path one step.
pub fn traverse<'a>(data: &'a Value, path: &str, delimiter: &str) -> Option<&'a Value> {
    let whole = [path];
    let steps: Box<dyn Iterator<Item = &str>> = if delimiter.is_empty() {
        Box::new(whole.into_iter())
    } else {
        Box::new(path.split(delimiter))
    };
    let mut at = data;
    for step in steps {
        at = match at {
            Value::Object(map) => map
                .get(step)
                .or_else(|| map.get(&python::text(&yaml::parse_argument(step))))?,
            Value::Array(items) => items
                .iter()
                .find_map(|item| item.as_object()?.get(step))
                .or_else(|| {
                    let index = step.trim().parse::<i64>().ok()?;
                    let index = if index < 0 {
                        index + i64::try_from(items.len()).ok()?
                    } else {
                        index
                    };
                    items.get(usize::try_from(index).ok()?)
                })?,
            _ => return None,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn traverse_walks_dicts_and_lists() {
        let data = json!({"a": {"b": [{"c": 1}, 2, {"d": {"e": 3}}]}, "x/y": 5, "1": "one", "True": "yes"});
        let check = |path: &str, expected: Option<Value>| {
            assert_eq!(traverse(&data, path, ":").cloned(), expected, "{path}");
        };
        check("a:b:c", Some(json!(1)));
        check("a:b:1", Some(json!(2)));
        check("a:b:-1:d:e", Some(json!(3)));
        check("a:b:d:e", Some(json!(3)));
        check("a:b:9", None);
        check("a:b:-9", None);
        check("a:b:c:z", None);
        check("1", Some(json!("one")));
        check("on", Some(json!("yes")));
        check("nope", None);
        check("", None);
        assert_eq!(traverse(&data, "x/y", ":"), Some(&json!(5)));
        assert_eq!(traverse(&data, "a/b/1", "/"), Some(&json!(2)));
        assert_eq!(traverse(&data, "x/y", ""), Some(&json!(5)));
    }
}
