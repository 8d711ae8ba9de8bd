//! `slsutil` and `defaults`: maps that are merged, and values as texts.

use data::{Serializer, Strategy, python};
use serde_json::{Map, Value, json};

use super::Table;
use super::arguments::{Arguments, text_or};

pub(super) const SLSUTIL: Table = &[
    ("boolstr", |_, args| {
        let [value, yes, no] = args.bind(["value", "true", "false"], 1)?;
        Ok(json!(if python::truthy(&value) {
            text_or(&yes, "true")
        } else {
            text_or(&no, "false")
        }))
    }),
    ("deserialize", |_, args| {
        let [name, text] = args.bind(["serializer", "stream_or_string"], 2)?;
        let value = Serializer::named(&python::text(&name))
            .and_then(|serializer| serializer.deserialize(&python::text(&text)));
        value.map_err(|error| error.to_string())
    }),
    ("merge", |_, args| {
        let [below, over, strategy, renderer, merge_lists] =
            args.bind(["obj_a", "obj_b", "strategy", "renderer", "merge_lists"], 2)?;
        merged(below, &over, &strategy, &renderer, &merge_lists)
    }),
    ("merge_all", |_, args| {
        let [list, strategy, renderer, merge_lists] =
            args.bind(["lst", "strategy", "renderer", "merge_lists"], 1)?;
        let items = list.as_array().into_iter().flatten();
        let mut all = json!({});
        for item in items {
            all = merged(all, item, &strategy, &renderer, &merge_lists)?;
        }
        Ok(all)
    }),
    ("serialize", |_, args| {
        let mut positional = args.positional().into_iter();
        let mut named = args.named();
        let mut take = |name: &str| {
            let value = positional.next().or_else(|| named.shift_remove(name));
            value.ok_or_else(|| format!("slsutil.serialize() missing required argument: '{name}'"))
        };
        let (name, value) = (take("serializer")?, take("obj")?);
        let text = Serializer::named(&python::text(&name))
            .and_then(|serializer| serializer.serialize(&value, &named));
        text.map(Value::String).map_err(|error| error.to_string())
    }),
    ("update", |_, args| {
        let [below, over, recursive, merge_lists] =
            args.bind(["dest", "upd", "recursive_update", "merge_lists"], 2)?;
        let is_recursive = recursive.is_null() || python::truthy(&recursive);
        data::update(below, &over, is_recursive, python::truthy(&merge_lists))
            .map_err(|error| error.to_string())
    }),
];

pub(super) const DEFAULTS: Table = &[
    ("deepcopy", |_, args| {
        let [source] = args.bind(["source"], 1)?;
        Ok(source)
    }),
    ("merge", |_, args| {
        let names = ["dest", "src", "merge_lists", "in_place", "convert_none"];
        let [below, over, merge_lists, _in_place, convert] = args.bind(names, 2)?;
        let (below, over) = (or_empty(below, &convert), or_empty(over, &convert));
        data::update(below, &over, true, python::truthy(&merge_lists))
            .map_err(|error| error.to_string())
    }),
    ("update", |_, args| {
        let names = [
            "dest",
            "defaults",
            "merge_lists",
            "in_place",
            "convert_none",
        ];
        let [nodes, defaults, merge_lists, _in_place, convert] = args.bind(names, 2)?;
        let nodes = map(args, "dest", or_empty(nodes, &convert))?;
        let defaults = map(args, "defaults", or_empty(defaults, &convert))?;
        let merge_lists = merge_lists.is_null() || python::truthy(&merge_lists);
        Ok(Value::Object(data::update_each(
            &nodes,
            &defaults,
            merge_lists,
        )))
    }),
];

fn merged(
    below: Value,
    over: &Value,
    strategy: &Value,
    renderer: &Value,
    merge_lists: &Value,
) -> Result<Value, String> {
    let strategy = Strategy::of(&text_or(strategy, "smart"), &text_or(renderer, "yaml"));
    data::merge(below, over, strategy, python::truthy(merge_lists))
        .map_err(|error| error.to_string())
}

/// An empty map for what is nothing, unless `convert_none` forbids it.
fn or_empty(value: Value, convert: &Value) -> Value {
    if value.is_null() && (convert.is_null() || python::truthy(convert)) {
        json!({})
    } else {
        value
    }
}

fn map(args: &Arguments, name: &str, value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(args.no_map(name)),
    }
}
