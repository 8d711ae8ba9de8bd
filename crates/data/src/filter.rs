//! Chooses one of several values by what a minion is: `grains.filter_by` and its kin.

use serde_json::{Map, Value};

use crate::merge::update_map;
use crate::python;

/// Why the chosen value could not be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The base is a map and the choice is none.
    #[error("filter_by default and look-up values must both be dictionaries.")]
    Base,
    /// What is to be merged is no map, or there is none to merge it into.
    #[error("filter_by merge argument must be a dictionary.")]
    Merge,
}

/// Chooses the value whose key fits what was found, each item of a list in its turn, else the one of the key `default`; lays it over that
/// of the key `base`, and `over` on top.
///
/// `fits` tells whether a key, read as a pattern, fits a text.
pub fn filter_by(
    lookup: &Map<String, Value>,
    found: Option<&Value>,
    over: &Value,
    default: &str,
    base: Option<&str>,
    fits: impl Fn(&str, &str) -> bool,
) -> Result<Value, FilterError> {
    let items = match found {
        None => &[],
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    // The first key that fits decides, and when its value is null the next item has a turn.
    let chosen = items.iter().find_map(|item| {
        let text = python::text(item);
        let (_, value) = lookup.iter().find(|(key, _)| fits(key, &text))?;
        Some(value).filter(|value| !value.is_null())
    });
    let chosen = chosen
        .or_else(|| lookup.get(default))
        .cloned()
        .unwrap_or_default();
    let chosen = match (base.and_then(|base| lookup.get(base)), chosen) {
        (None, chosen) => chosen,
        (Some(base), Value::Null) => base.clone(),
        (Some(Value::Object(base)), Value::Object(chosen)) => {
            let mut merged = base.clone();
            update_map(&mut merged, &chosen, false);
            Value::Object(merged)
        }
        (Some(Value::Object(_)), _) => return Err(FilterError::Base),
        (Some(_), chosen) => chosen,
    };
    match (over, chosen) {
        (over, chosen) if !python::truthy(over) => Ok(chosen),
        (Value::Object(over), Value::Null) => Ok(Value::Object(over.clone())),
        (Value::Object(over), Value::Object(mut chosen)) => {
            update_map(&mut chosen, over, false);
            Ok(Value::Object(chosen))
        }
        _ => Err(FilterError::Merge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn chooses_and_merges() {
        let lookup = json!({
            "Debian": {"pkg": "apache2", "conf": {"a": 1}}, "Red*": {"pkg": "httpd"}, "nothing": null,
            "default": {"pkg": "x"}, "base": {"pkg": "b", "conf": {"b": 2}}, "text": "t",
        });
        let lookup = lookup.as_object().unwrap();
        let fits = |key: &str, text: &str| {
            key.strip_suffix('*')
                .map_or(key == text, |start| text.starts_with(start))
        };
        let check = |found: Value, over: Value, base: Option<&str>, expected| {
            let chosen = filter_by(lookup, Some(&found), &over, "default", base, fits);
            assert_eq!(chosen, expected, "{found}");
        };
        check(
            json!("Debian"),
            json!(null),
            None,
            Ok(lookup["Debian"].clone()),
        );
        check(
            json!("RedHat"),
            json!({}),
            None,
            Ok(json!({"pkg": "httpd"})),
        );
        check(json!("Suse"), json!(null), None, Ok(json!({"pkg": "x"})));
        check(
            json!(["Suse", "Debian"]),
            json!(null),
            None,
            Ok(lookup["Debian"].clone()),
        );
        check(
            json!(["nothing", "RedHat"]),
            json!(null),
            None,
            Ok(json!({"pkg": "httpd"})),
        );
        check(
            json!("Debian"),
            json!({"conf": {"c": 3}}),
            Some("base"),
            Ok(json!({"pkg": "apache2", "conf": {"b": 2, "a": 1, "c": 3}})),
        );
        check(
            json!("text"),
            json!(null),
            Some("base"),
            Err(FilterError::Base),
        );
        check(
            json!("text"),
            json!({"a": 1}),
            None,
            Err(FilterError::Merge),
        );
        check(json!("text"), json!(5), None, Err(FilterError::Merge));
        let nothing = filter_by(lookup, None, &json!({"a": 1}), "none", None, fits);
        assert_eq!(nothing, Ok(json!({"a": 1})));
    }
}
