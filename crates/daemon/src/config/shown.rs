//! Settings as they may be shown: without what is secret in them.

use serde_json::{Map, Value as Json};

use super::value::Value;

/// Stands where a secret would.
const STARS: &str = "********";

/// What makes a name that of a secret.
const SECRET_WORDS: [&str; 7] = [
    "pass",
    "secret",
    "token",
    "privkey",
    "private_key",
    "apikey",
    "credential",
];

/// A value under its name, as it may be shown.
pub(super) fn shown(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Texts(texts) => texts.iter().map(|text| text.value.as_str()).collect(),
        Value::TextMap(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(name, texts)| (name.clone(), texts.value.clone().into()));
            Json::Object(entries.collect())
        }
        Value::Map(map) => Json::Object(map.clone()),
        Value::List(items) => items.clone().into(),
        Value::Any(value) => value.clone(),
        Value::Block(entries) => {
            let named = entries
                .iter()
                .filter_map(|(name, value)| Some((name.text()?.into_owned(), value.to_value())));
            Json::Object(named.collect())
        }
        Value::Node(node) => node.to_value(),
    };
    redacted(name, value)
}

fn redacted(name: &str, value: Json) -> Json {
    if is_secret(name) && !value.is_null() {
        return STARS.into();
    }
    match value {
        Json::Object(map) => {
            let entries = map.into_iter();
            let entries = entries.map(|(name, value)| {
                let value = redacted(&name, value);
                (name, value)
            });
            Json::Object(entries.collect::<Map<_, _>>())
        }
        // The items are named as their list.
        Json::Array(items) => items.into_iter().map(|item| redacted("", item)).collect(),
        Json::String(text) => without_user(&text).into(),
        other => other,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = ["_key", ".key", "-key"];
    SECRET_WORDS.iter().any(|word| name.contains(word))
        || name == "key"
        || ends.iter().any(|end| name.ends_with(end))
}

/// An address without who logs in there, and by which password or token.
pub fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{STARS}@{host}{path}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::keys::{KEYS, Key, Kind};
    use super::*;

    /// The names of all settings that are never shown.
    fn secret_keys(keys: &[Key]) -> Vec<&'static str> {
        let of = |key: &Key| match key.kind {
            Kind::Secret => vec![key.name],
            Kind::Block(keys) => secret_keys(keys),
            _ => Vec::new(),
        };
        keys.iter().flat_map(of).collect()
    }

    #[test]
    fn every_secret_setting_has_the_name_of_one() {
        let keys = secret_keys(KEYS);
        assert!(keys.contains(&"join_token"), "{keys:?}");
        for key in keys {
            assert!(is_secret(key), "{key}");
        }
    }

    #[test]
    fn secrets_are_stars_wherever_they_stand() {
        let given = json!({
            "user": "git",
            "Password": "x",
            "join_token": "x",
            "mysql.pass": "x",
            "nested": {"list": [{"api_key": "x", "port": 1}]},
            "tls": {"key": "/etc/key.pem", "ca": "/etc/ca.pem"},
            "secrets": ["x", "x"],
            "none_secret": null,
            "url": "https://ann:x@git.example.org/a@b.git",
            "urls": ["https://x@git.example.org", "git@git.example.org:a.git"],
            "keep_jobs_seconds": 5,
        });
        let Json::Object(map) = redacted("", given) else {
            panic!("a map");
        };
        let stars = STARS;
        let expected = json!({
            "user": "git",
            "Password": stars,
            "join_token": stars,
            "mysql.pass": stars,
            "nested": {"list": [{"api_key": stars, "port": 1}]},
            "tls": {"key": stars, "ca": "/etc/ca.pem"},
            "secrets": stars,
            "none_secret": null,
            "url": format!("https://{stars}@git.example.org/a@b.git"),
            "urls": [format!("https://{stars}@git.example.org"), "git@git.example.org:a.git"],
            "keep_jobs_seconds": 5,
        });
        assert_eq!(Json::Object(map), expected);
    }
}
