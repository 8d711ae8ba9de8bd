//! `grains`, `pillar` and `log`.

use data::python;
use serde_json::{Map, Value, json};
use targeting::Glob;

use super::arguments::{Arguments, text_or};
use super::{Answer, Hub, Table};

pub(super) const GRAINS: Table = &[
    ("equals", |hub, args| {
        let [key, value] = args.bind(["key", "value"], 2)?;
        let found = data::traverse(hub.grains, &python::text(&key), data::DEFAULT_DELIMITER);
        let found = found.map(python::text).unwrap_or_default();
        Ok(json!(found == python::text(&value)))
    }),
    ("fetch", |hub, args| get(hub.grains, args)),
    ("filter_by", |hub, args| {
        let [lookup, grain, merge, default, base] =
            args.bind(["lookup_dict", "grain", "merge", "default", "base"], 1)?;
        let key = text_or(&grain, "os_family");
        filter_by(args, hub.grains, &lookup, &key, &merge, &default, &base)
    }),
    ("get", |hub, args| get(hub.grains, args)),
    ("has_value", |hub, args| {
        let [key] = args.bind(["key"], 1)?;
        let found = data::traverse(hub.grains, &python::text(&key), data::DEFAULT_DELIMITER);
        Ok(json!(found.is_some()))
    }),
    ("item", |hub, args| item(hub.grains, args)),
    ("items", |hub, args| {
        let [] = args.bind([], 0)?;
        Ok(hub.grains.clone())
    }),
    ("keys", |hub, args| {
        let [key, delimiter] = args.bind(["key", "delimiter"], 1)?;
        keys(hub.grains, &key, &delimiter)
    }),
    ("ls", |hub, args| {
        let [] = args.bind([], 0)?;
        let mut names: Vec<&String> = hub
            .grains
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .collect();
        names.sort();
        Ok(json!(names))
    }),
];

pub(super) const PILLAR: Table = &[
    ("fetch", pillar_get),
    ("filter_by", |hub, args| {
        let [lookup, key, merge, default, base] =
            args.bind(["lookup_dict", "pillar", "merge", "default", "base"], 2)?;
        let key = python::text(&key);
        filter_by(args, &hub.pillar, &lookup, &key, &merge, &default, &base)
    }),
    ("get", pillar_get),
    ("item", |hub, args| item(&hub.pillar, args)),
    ("items", |hub, args| {
        let [] = args.bind([], 0)?;
        Ok((*hub.pillar).clone())
    }),
    ("keys", |hub, args| {
        let [key, delimiter] = args.bind(["key", "delimiter"], 1)?;
        keys(&hub.pillar, &key, &delimiter)
    }),
    ("raw", |hub, args| {
        let [key] = args.bind(["key"], 0)?;
        Ok(match key {
            Value::Null => (*hub.pillar).clone(),
            key => hub
                .pillar
                .get(python::text(&key))
                .cloned()
                .unwrap_or_else(|| json!({})),
        })
    }),
];

pub(super) const LOG: Table = &[
    ("critical", |hub, args| log(hub, args, "critical")),
    ("debug", |hub, args| log(hub, args, "debug")),
    ("error", |hub, args| log(hub, args, "error")),
    ("exception", |hub, args| log(hub, args, "error")),
    ("info", |hub, args| log(hub, args, "info")),
    ("warning", |hub, args| log(hub, args, "warning")),
];

fn log(hub: &Hub<'_>, args: &mut Arguments, level: &'static str) -> Answer {
    let [message] = args.bind(["message"], 1)?;
    hub.log(level, python::text(&message));
    Ok(json!(true))
}

fn get(values: &Value, args: &mut Arguments) -> Answer {
    let is_said = args.is_said(1, "default");
    let [key, default, delimiter, _ordered] =
        args.bind(["key", "default", "delimiter", "ordered"], 1)?;
    let delimiter = text_or(&delimiter, data::DEFAULT_DELIMITER);
    let found = data::traverse(values, &python::text(&key), &delimiter);
    Ok(found.cloned().unwrap_or_else(|| or_empty(default, is_said)))
}

/// The default that is said, or the empty text.
fn or_empty(default: Value, is_said: bool) -> Value {
    if is_said { default } else { json!("") }
}

fn pillar_get(hub: &Hub<'_>, args: &mut Arguments) -> Answer {
    let is_said = args.is_said(1, "default");
    let [
        key,
        default,
        merge,
        merge_lists,
        delimiter,
        pillarenv,
        saltenv,
    ] = args.bind(
        [
            "key",
            "default",
            "merge",
            "merge_nested_lists",
            "delimiter",
            "pillarenv",
            "saltenv",
        ],
        1,
    )?;
    if !pillarenv.is_null() || !saltenv.is_null() {
        return Err(
            "pillar.get() with pillarenv or saltenv is not available while a pillar is compiled"
                .to_owned(),
        );
    }
    let delimiter = text_or(&delimiter, data::DEFAULT_DELIMITER);
    let found = data::traverse(&hub.pillar, &python::text(&key), &delimiter);
    let merge_lists = match merge_lists {
        Value::Null => hub
            .options
            .get("pillar_merge_lists")
            .is_some_and(python::truthy),
        said => python::truthy(&said),
    };
    if python::truthy(&merge) {
        return Ok(data::over_default(found, &default, merge_lists));
    }
    Ok(found.cloned().unwrap_or_else(|| or_empty(default, is_said)))
}

fn item(values: &Value, args: &mut Arguments) -> Answer {
    let keys = args.positional();
    let [default, delimiter] = args.bind(["default", "delimiter"], 0)?;
    let delimiter = text_or(&delimiter, data::DEFAULT_DELIMITER);
    let default = match default {
        Value::Null => json!(""),
        default => default,
    };
    let found = keys.iter().map(python::text).map(|key| {
        let value = data::traverse(values, &key, &delimiter).unwrap_or(&default);
        let value = value.clone();
        (key, value)
    });
    Ok(Value::Object(found.collect()))
}

fn keys(values: &Value, key: &Value, delimiter: &Value) -> Answer {
    let key = python::text(key);
    let delimiter = text_or(delimiter, data::DEFAULT_DELIMITER);
    match data::traverse(values, &key, &delimiter) {
        None => Err(format!("there is no key {key}")),
        Some(Value::Object(map)) => Ok(map.keys().map(String::as_str).collect::<Vec<_>>().into()),
        Some(_) => Err(format!("the value of {key} is not a dict")),
    }
}

fn filter_by(
    args: &Arguments,
    values: &Value,
    lookup: &Value,
    key: &str,
    merge: &Value,
    default: &Value,
    base: &Value,
) -> Answer {
    let lookup = lookup
        .as_object()
        .ok_or_else(|| args.no_map("lookup_dict"))?;
    let found = data::traverse(values, key, data::DEFAULT_DELIMITER);
    let base = (!base.is_null()).then(|| python::text(base));
    let default = text_or(default, "default");
    let fits = |key: &str, text: &str| Glob::new(key).matches(text);
    data::filter_by(lookup, found, merge, &default, base.as_deref(), fits)
        .map_err(|error| error.to_string())
}
