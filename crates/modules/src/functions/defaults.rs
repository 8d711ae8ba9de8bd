//! `defaults`: values that a formula has by default.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::source;

/// Files that may hold them, the preferred one first.
const NAMES: [&str; 2] = ["defaults.yaml", "defaults.json"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "defaults.deepcopy",
        "source",
        "The value itself.",
        "defaults.deepcopy '{a: 1}'",
        |args, _| Ok(args.value("source").clone()),
    ),
    Function::new(
        "defaults.get",
        "key, default=''",
        "A value of the file defaults.yaml or defaults.json in the folder of a formula: formula:path. Without a path, all of them.",
        "defaults.get core:users:root",
        get,
    ),
    Function::new(
        "defaults.merge",
        "dest, src, merge_lists=False, in_place=True, convert_none=True",
        "Lay the dictionary src over dest, nested ones too. merge_lists: join lists. convert_none: nothing is an empty dictionary. in_place: \
         the dictionary of a template is changed itself.",
        "defaults.merge '{a: b}' '{d: e}'",
        |args, _| {
            let below = or_empty(args, "dest");
            data::update(
                below,
                &or_empty(args, "src"),
                true,
                args.flag("merge_lists"),
            )
            .map_err(|error| Failure::exception("TypeError", error.to_string()))
        },
    ),
    Function::new(
        "defaults.update",
        "dest, defaults, merge_lists=True, in_place=True, convert_none=True",
        "Lay each value of the dictionary dest over the same defaults. Options as for defaults.merge.",
        "defaults.update '{x: {a: 1}}' '{b: 2}'",
        |args, _| {
            let (nodes, defaults) = (map(args, "dest")?, map(args, "defaults")?);
            Ok(Value::Object(data::update_each(
                &nodes,
                &defaults,
                args.flag("merge_lists"),
            )))
        },
    ),
];

fn or_empty(args: &Args, name: &str) -> Value {
    match args.value(name) {
        Value::Null if args.flag("convert_none") => json!({}),
        value => value.clone(),
    }
}

fn map(args: &Args, name: &str) -> Result<Map<String, Value>, Failure> {
    match or_empty(args, name) {
        Value::Object(map) => Ok(map),
        _ => Err(Failure::exception(
            "TypeError",
            format!("'{name}' must be a dictionary"),
        )),
    }
}

fn get(args: &Args, env: &Env) -> Answer {
    let key = args.text("key")?;
    let (formula, path) = key.split_once(':').unwrap_or((&key, ""));
    let found = load(env, formula)?;
    if path.is_empty() {
        return Ok(found.unwrap_or(Value::Null));
    }
    let found = found.unwrap_or(Value::Null);
    let value = data::traverse(&found, path, data::DEFAULT_DELIMITER);
    Ok(value.unwrap_or(args.value("default")).clone())
}

fn load(env: &Env, formula: &str) -> Result<Option<Value>, Failure> {
    let saltenv = source::environment(env.ctx, None, None);
    for name in NAMES {
        let path = format!("{formula}/{name}");
        let read = env
            .ctx
            .files()
            .read(&path, &saltenv)
            .map_err(Failure::Command)?;
        let Some(bytes) = read else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let parsed = if name.ends_with(".json") {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            yaml::parse(&text).map_err(|error| error.to_string())
        };
        return match parsed {
            Ok(Value::Null) => Ok(Some(json!({}))),
            Ok(values) => Ok(Some(values)),
            Err(error) => Err(Failure::command(format!("salt://{path}: {error}"))),
        };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn of_a_formula() {
        let host = Host::new();
        host.write("roots/base/core/defaults.yaml", "users:\n  root: 0\n");
        host.write("roots/base/web/defaults.json", r#"{"port": 80}"#);
        host.write("roots/base/bad/defaults.yaml", "a: [");
        let get = |key: &str| host.call(Call::new("defaults.get").arg(key).arg("d"));
        assert_eq!(get("core:users:root").value, json!(0));
        assert_eq!(get("core:users:none").value, json!("d"));
        assert_eq!(get("web").value, json!({"port": 80}));
        assert_eq!(get("none").value, json!(null));
        assert_eq!(get("none:x").value, json!("d"));
        assert!(!get("bad:x").success);
    }

    #[test]
    fn merged() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        let (below, over) = (
            json!({"a": {"x": 1}, "l": [1]}),
            json!({"a": {"y": 2}, "l": [2]}),
        );
        let merge = |below: &Value, over: &Value| {
            Call::new("defaults.merge")
                .arg(below.clone())
                .arg(over.clone())
        };
        check(
            merge(&below, &over),
            json!({"a": {"x": 1, "y": 2}, "l": [2]}),
        );
        check(
            merge(&below, &over).kwarg("merge_lists", true),
            json!({"a": {"x": 1, "y": 2}, "l": [1, 2]}),
        );
        check(merge(&below, &json!(null)), below.clone());
        assert!(
            !host
                .call(merge(&below, &json!(null)).kwarg("convert_none", false))
                .success
        );
        check(
            Call::new("defaults.update")
                .arg(json!({"n": {"a": 1}}))
                .arg(json!({"b": 2})),
            json!({"n": {"b": 2, "a": 1}}),
        );
        check(Call::new("defaults.deepcopy").arg(json!([1])), json!([1]));
    }
}
