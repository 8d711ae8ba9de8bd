//! What is to be run, as the arguments of a runner say it.

use data::python::{text, truthy};
use serde_json::{Map, Value};
use sls::compile::{Chunk, High};

/// What states.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Those of these SLS.
    Sls(Vec<String>),
    /// One call.
    Single(Box<Chunk>),
    /// High data.
    High(High),
}

/// States that are to be run, and how.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) source: Source,
    pub(super) saltenv: String,
    /// The only environment of the pillar; empty for all.
    pub(super) pillarenv: String,
    pub(super) is_test: bool,
    pub(super) exclude: Vec<Value>,
    /// Values over those of the pillar.
    pub(super) pillar: Map<String, Value>,
}

impl Wish {
    /// Reads what the arguments of all orchestrating runners share; `value` gives one, null where it is not said.
    pub(super) fn new<'v>(
        source: Source,
        value: impl Fn(&str) -> &'v Value,
    ) -> Result<Wish, String> {
        let word = |name: &str| match value(name) {
            Value::Null => String::new(),
            said => text(said),
        };
        if truthy(value("pillar_enc")) {
            return Err(
                "pillar_enc is not served: give the values of pillar as they are".to_owned(),
            );
        }
        let pillar = match value("pillar") {
            Value::Null => Map::new(),
            Value::Object(values) => values.clone(),
            _ => return Err("Pillar data must be formatted as a dictionary".to_owned()),
        };
        let exclude = match value("exclude") {
            Value::Null => Vec::new(),
            Value::Array(items) => items.clone(),
            Value::String(names) => names.split(',').map(|name| name.trim().into()).collect(),
            single => vec![single.clone()],
        };
        let is_test = match value("test") {
            Value::String(word) => ["true", "1"].contains(&word.to_lowercase().as_str()),
            said => truthy(said),
        };
        let saltenv = Some(word("saltenv")).filter(|env| !env.is_empty());
        Ok(Wish {
            source,
            saltenv: saltenv.unwrap_or_else(|| "base".to_owned()),
            pillarenv: word("pillarenv"),
            is_test,
            exclude,
            pillar,
        })
    }
}

impl Source {
    /// SLS by their names: a list, or text with commas.
    pub(super) fn sls(mods: &Value) -> Result<Source, String> {
        let names: Vec<String> = match mods {
            Value::Array(names) => names.iter().map(text).collect(),
            Value::Null => Vec::new(),
            names => text(names)
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
        };
        match names.is_empty() {
            true => Err("mods names no SLS".to_owned()),
            false => Ok(Source::Sls(names)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(said: Value) -> Result<Wish, String> {
        let null = Value::Null;
        let source = Source::sls(&json!("a, b,"))?;
        Wish::new(source, |name| said.get(name).unwrap_or(&null))
    }

    #[test]
    fn words_are_read_as_salt_reads_them() {
        let wish = read(json!({"test": "True", "exclude": "x,y"})).unwrap();
        let Source::Sls(names) = wish.source else {
            panic!("SLS");
        };
        assert_eq!(names, ["a", "b"]);
        assert!(wish.is_test);
        assert_eq!(wish.exclude, [json!("x"), json!("y")]);
        assert_eq!(
            (wish.saltenv.as_str(), wish.pillarenv.as_str()),
            ("base", "")
        );
        let wrong = read(json!({"pillar": "x"})).unwrap_err();
        assert_eq!(wrong, "Pillar data must be formatted as a dictionary");
        assert!(read(json!({"pillar_enc": "gpg"})).is_err());
        assert!(Source::sls(&json!(",")).is_err());
    }
}
