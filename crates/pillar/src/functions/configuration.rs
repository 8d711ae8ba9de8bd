//! `config`: the options that a pillar is compiled with.

use data::{Strategy, python};
use serde_json::{Value, json};

use super::Table;
use super::arguments::text_or;

pub(super) const FUNCTIONS: Table = &[
    ("get", |hub, args| {
        let names = [
            "key",
            "default",
            "delimiter",
            "merge",
            "omit_opts",
            "omit_pillar",
            "omit_master",
            "omit_grains",
        ];
        let is_said = args.is_said(1, "default");
        let [
            key,
            default,
            delimiter,
            merge,
            no_opts,
            no_pillar,
            no_master,
            no_grains,
        ] = args.bind(names, 1)?;
        let sources = [
            (Some(hub.options), no_opts),
            (Some(hub.grains), no_grains),
            (Some(&*hub.pillar), no_pillar),
            (hub.pillar.get("master"), no_master),
        ];
        let sources: Vec<&Value> = sources
            .iter()
            .filter(|(_, is_omitted)| merge_counts_all(&merge) || !python::truthy(is_omitted))
            .filter_map(|(source, _)| *source)
            .collect();
        let (key, delimiter) = (
            python::text(&key),
            text_or(&delimiter, data::DEFAULT_DELIMITER),
        );
        let found = match &merge {
            Value::Null => data::first_of(sources, &key, &delimiter).cloned(),
            merge => {
                let strategy = Strategy::of(&python::text(merge), "");
                data::merged_of(&sources, &key, &delimiter, strategy)
            }
        };
        Ok(found.unwrap_or_else(|| if is_said { default } else { json!("") }))
    }),
    ("option", |hub, args| {
        let is_said = args.is_said(1, "default");
        let [name, default] = args.bind(["value", "default"], 1)?;
        let name = python::text(&name);
        let sources = [hub.options, hub.grains, &*hub.pillar];
        let found = sources.iter().find_map(|source| source.get(&name));
        Ok(found
            .cloned()
            .unwrap_or_else(|| if is_said { default } else { json!("") }))
    }),
];

/// With `merge` all sources count, whatever is to be omitted, as in Salt.
fn merge_counts_all(merge: &Value) -> bool {
    !merge.is_null()
}
