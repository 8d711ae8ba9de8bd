//! `match`: whether targets mean the minion.

use data::python;
use serde_json::{Value, json};
use sls::compile::{Matcher, Minion};

use super::arguments::{Arguments, text_or};
use super::{Answer, Hub, Table};

pub(super) const FUNCTIONS: Table = &[
    ("compound", |hub, args| of_id(hub, args, "compound")),
    ("filter_by", |hub, args| {
        let names = [
            "lookup",
            "tgt_type",
            "minion_id",
            "merge",
            "merge_lists",
            "default",
        ];
        let [lookup, kind, id, merge, merge_lists, default] = args.bind(names, 1)?;
        let lookup = lookup.as_object().ok_or_else(|| args.no_map("lookup"))?;
        let (minion, kind) = (minion(hub, &id), text_or(&kind, "compound"));
        let default = text_or(&default, "default");
        let matches = |target: &str| matches(&minion, &kind, target);
        data::choose_by(
            lookup,
            &merge,
            python::truthy(&merge_lists),
            &default,
            matches,
        )
        .map_err(|error| error.to_string())
    }),
    ("glob", |hub, args| of_id(hub, args, "glob")),
    ("grain", |hub, args| of_values(hub, args, "grain")),
    ("grain_pcre", |hub, args| of_values(hub, args, "grain_pcre")),
    ("ifelse", |hub, args| {
        let pairs = args.positional();
        let names = ["tgt_type", "minion_id", "merge", "merge_lists"];
        let [kind, id, merge, merge_lists] = args.bind(names, 0)?;
        let (lookup, default) = data::ifelse_lookup(&pairs)
            .ok_or("The ifelse function must have an odd number of arguments!")?;
        let (minion, kind) = (minion(hub, &id), text_or(&kind, "compound"));
        let matches = |target: &str| matches(&minion, &kind, target);
        if lookup.keys().any(|target| matches(target)) {
            let chosen =
                data::choose_by(&lookup, &merge, python::truthy(&merge_lists), "", matches);
            return chosen.map_err(|error| error.to_string());
        }
        Ok(default)
    }),
    ("ipcidr", |hub, args| {
        let [target] = args.bind(["tgt"], 1)?;
        Ok(json!(matches(
            &hub.minion,
            "ipcidr",
            &python::text(&target)
        )))
    }),
    ("list", |hub, args| of_id(hub, args, "list")),
    ("pcre", |hub, args| of_id(hub, args, "pcre")),
    ("pillar", |hub, args| of_values(hub, args, "pillar")),
    ("pillar_pcre", |hub, args| {
        of_values(hub, args, "pillar_pcre")
    }),
    ("search_by", |hub, args| {
        let [lookup, kind, id] = args.bind(["lookup", "tgt_type", "minion_id"], 1)?;
        let lookup = lookup.as_object().ok_or_else(|| args.no_map("lookup"))?;
        let (minion, kind) = (minion(hub, &id), text_or(&kind, "compound"));
        Ok(data::search_by(lookup, |target| {
            matches(&minion, &kind, target)
        }))
    }),
];

/// The minion under another id, where one is given.
fn minion(hub: &Hub<'_>, id: &Value) -> Minion {
    Minion {
        id: text_or(id, &hub.minion.id),
        ..hub.minion.clone()
    }
}

/// A target that cannot be read matches nothing, as in Salt.
fn matches(minion: &Minion, kind: &str, target: &str) -> bool {
    minion.matches(kind, target).unwrap_or(false)
}

fn of_id(hub: &Hub<'_>, args: &mut Arguments, kind: &str) -> Answer {
    let [target, id] = args.bind(["tgt", "minion_id"], 1)?;
    Ok(json!(matches(
        &minion(hub, &id),
        kind,
        &python::text(&target)
    )))
}

fn of_values(hub: &Hub<'_>, args: &mut Arguments, kind: &str) -> Answer {
    let [target, delimiter] = args.bind(["tgt", "delimiter"], 1)?;
    let (target, delimiter) = (
        python::text(&target),
        text_or(&delimiter, data::DEFAULT_DELIMITER),
    );
    let mut chars = delimiter.chars();
    let (Some(delimiter), None) = (chars.next(), chars.next()) else {
        return Err(format!("the delimiter '{delimiter}' is not one character"));
    };
    let found = hub.minion.matches_at(kind, &target, delimiter);
    Ok(json!(found.unwrap_or(false)))
}
