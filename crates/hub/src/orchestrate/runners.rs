//! The runners that orchestrate: what their arguments say. Their names and signatures stand in the table of runners.

use data::signature::{Bound, Signature};
use serde_json::{Map, Value};
use sls::compile::{Chunk, is_for_engine};

use super::wish::{Source, Wish};

/// What orchestrating runners do, by their names without the module `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sls,
    Single,
    High,
    Show,
}

/// What a runner of this name does; None for one that does not orchestrate.
pub(super) fn kind(fun: &str) -> Option<Kind> {
    Some(match fun.strip_prefix("state.")? {
        "orchestrate" | "orch" | "sls" => Kind::Sls,
        "orchestrate_single" => Kind::Single,
        "orchestrate_high" => Kind::High,
        "orchestrate_show_sls" | "orch_show_sls" => Kind::Show,
        _ => return None,
    })
}

/// All arguments by name, without those that are as they are when nothing is said.
pub(super) fn named(signature: &Signature, bound: &Bound<'_>) -> Map<String, Value> {
    let said = signature.parameters().filter_map(|(name, default)| {
        let value = bound.value(name);
        (default != Some(value)).then(|| (name.to_owned(), value.clone()))
    });
    said.chain(bound.extra_kwargs.clone()).collect()
}

/// What the arguments say.
pub(super) fn wish(kind: Kind, bound: &Bound<'_>) -> Result<Wish, String> {
    let more = &bound.extra_kwargs;
    let source = match kind {
        Kind::Single => {
            let [fun, name] = ["fun", "name"].map(|word| data::python::text(bound.value(word)));
            let is_own = |key: &String| key.as_str() != "saltenv" && key.as_str() != "pillarenv";
            let said = more.iter().filter(|(key, _)| is_own(key));
            let said = said.map(|(key, value)| (key.clone(), value.clone()));
            Source::Single(Box::new(Chunk::single(&fun, &name, said.collect())?))
        }
        Kind::High => match bound.value("data") {
            Value::Object(high) => Source::High(high.clone()),
            _ => return Err("data must be a dictionary: high data".to_owned()),
        },
        Kind::Sls | Kind::Show => Source::sls(bound.value("mods"))?,
    };
    let is_strange = |key: &&String| {
        kind == Kind::High
            && !["saltenv", "pillarenv", "exclude"].contains(&key.as_str())
            && !is_for_engine(key)
    };
    if let Some(key) = more.keys().find(is_strange) {
        return Err(format!("{key} is no argument of state.orchestrate_high"));
    }
    Wish::new(source, |word| match bound.value(word) {
        Value::Null => more.get(word).unwrap_or(&Value::Null),
        value => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(fun: &str, args: Value, kwargs: Value) -> Result<(Wish, Value), String> {
        let args = args.as_array().cloned().unwrap();
        let signature = crate::runners::signature(fun).unwrap();
        let bound = signature
            .bind(fun, &args, kwargs.as_object().unwrap())
            .map_err(|misfit| misfit.to_string())?;
        let named = named(&signature, &bound);
        Ok((wish(kind(fun).unwrap(), &bound)?, json!(named)))
    }

    #[test]
    fn arguments_say_what_is_run() {
        let pillar = json!({"pillar": {"x": 1}});
        let (wish, named) = read("state.orchestrate", json!(["a"]), pillar).unwrap();
        assert_eq!(wish.pillar["x"], 1);
        assert_eq!(named, json!({"mods": "a", "pillar": {"x": 1}}));
        let single =
            json!({"fun": "salt.wheel", "name": "key.list_all", "test": true, "match": "a"});
        let (wish, _) = read("state.orchestrate_single", json!([]), single).unwrap();
        let Source::Single(chunk) = wish.source else {
            panic!("one call");
        };
        assert_eq!(chunk.tag(), "salt_|-key.list_all_|-key.list_all_|-wheel");
        assert_eq!(chunk.0["match"], "a");
        assert!(wish.is_test);
        let high = json!([{"a": {"salt": ["runner", {"name": "manage.up"}]}}]);
        let fun = "state.orchestrate_high";
        assert!(read(fun, high.clone(), json!({})).is_ok());
        let error = read(fun, high, json!({"tst": 1})).unwrap_err();
        assert!(error.contains("tst is no argument"), "{error}");
        let error = read("state.orch", json!([]), json!({})).unwrap_err();
        assert!(error.contains("missing 1 required"), "{error}");
        assert_eq!(kind("state.event"), None);
        assert_eq!(kind("manage.up"), None);
    }
}
