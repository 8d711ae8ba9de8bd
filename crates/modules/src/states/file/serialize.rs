//! `file.serialize`: a file that holds data of the state or the pillar in some format.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::place::{self, Managed};
use super::serializer::{self, Serializer};
use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, encoding, fail, foretell,
    managed, name_of, warn,
};
use crate::call::Call;
use crate::files::{mode, permissions};
use crate::python;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.serialize",
    "name, dataset=None, dataset_pillar=None, user=None, group=None, mode=None, backup='', makedirs=False, \
     show_changes=True, create=True, merge_if_exists=False, encoding=None, encoding_errors='strict', serializer=None, \
     serializer_opts=None, deserializer_opts=None, check_cmd=None, tmp_dir=None, tmp_ext='', **kwargs",
    "Write data into a file as yaml, json or configparser (serializer, or formatter). The data stands in dataset, or in \
     the pillar at dataset_pillar. merge_if_exists: put it over the data that the file has. Owner, mode, backup and \
     check_cmd are as for file.managed.",
    serialize,
);

/// Stands for what was not there, in the difference of two maps.
const NOTHING: &str = "<_null_>";

fn serialize(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.serialize"));
    }
    let path = Path::new(&name);
    if !args.flag("create") && !path.is_file() {
        answer.comment = format!("File {name} is not present and is not set for creation");
        return Ok(answer);
    }
    let formatter = args
        .extra_kwargs
        .get("formatter")
        .filter(|name| python::truthy(name));
    let format = match (args.value("serializer"), formatter) {
        (said, Some(_)) if python::truthy(said) => {
            return Ok(fail(
                answer,
                "Only one of serializer and formatter are allowed",
            ));
        }
        (said, _) if python::truthy(said) => python::text(said),
        (_, Some(formatter)) => python::text(formatter),
        _ => "yaml".to_owned(),
    }
    .to_lowercase();
    let data = match dataset(args, env)? {
        Ok(data) => data,
        Err(comment) => return Ok(fail(answer, comment)),
    };
    let Some(serializer) = Serializer::named(&format) else {
        let comment = format!(
            "The {format} serializer could not be found. It either does not exist or its prerequisites are not installed."
        );
        return Ok(fail(answer, comment));
    };
    let mut existing = None;
    if !args.flag("merge_if_exists") {
        if args.flag("deserializer_opts") {
            let text =
                "The 'deserializer_opts' option is ignored unless merge_if_exists is set to True.";
            warn(&mut answer, text);
        }
    } else if path.is_file() {
        let text = fs::read_to_string(path).map_err(|error| Failure::io(path, error))?;
        match serializer.read(&text, &serializer::options(args.value("deserializer_opts"))) {
            Ok(found) => existing = Some(found).filter(|found| !found.is_null()),
            Err(text) => {
                let comment = format!("Failed to deserialize existing data: {text}");
                return Ok(fail(answer, comment));
            }
        }
    }
    let mut merged = data;
    if let Some(existing) = &existing {
        merged = merge(existing.clone(), merged)?;
        if merged == *existing {
            answer.comment = format!("The file {name} is in the correct state");
            return Ok(answer);
        }
    }
    let encoding = args
        .optional_text("encoding")?
        .filter(|name| !name.is_empty());
    let options = serializer::options(args.value("serializer_opts"));
    let text = serializer
        .write(&merged, &options, encoding.is_some())
        .map_err(Failure::Command)?
        + "\n";
    let contents = encoding::encode(&text, encoding.as_deref(), &args.text("encoding_errors")?)?;
    let wanted = read(args, &name, contents, env)?;
    let mut answer = if env.is_test {
        foretold(&wanted, answer, env)?
    } else {
        apply(&wanted, answer, args, env)?
    };
    if let (Some(Value::Object(old)), Value::Object(new)) = (&existing, &merged)
        && answer.result != Some(false)
    {
        let difference = Value::Object(difference(old, new));
        answer.changes.insert("diff".to_owned(), difference);
    }
    Ok(answer)
}

/// The data that the state means, or why it means none.
fn dataset(args: &Args, env: &StateEnv) -> Result<Result<Value, String>, Failure> {
    let pillar_key = args
        .optional_text("dataset_pillar")?
        .filter(|key| !key.is_empty());
    if args.flag("dataset") && pillar_key.is_some() {
        let text = "Only one of 'dataset' and 'dataset_pillar' is permitted";
        return Ok(Err(text.to_owned()));
    }
    let data = match pillar_key {
        Some(key) => {
            let pillar = env.env.ctx.pillar().map_err(Failure::Command)?;
            // What the pillar lacks is an empty text, as for pillar.get.
            data::traverse(&pillar, &key, data::DEFAULT_DELIMITER)
                .cloned()
                .unwrap_or_else(|| json!(""))
        }
        None => args.value("dataset").clone(),
    };
    if data.is_null() {
        let text = "Neither 'dataset' nor 'dataset_pillar' was defined";
        return Ok(Err(text.to_owned()));
    }
    Ok(Ok(data))
}

fn read(args: &Args, name: &str, contents: Vec<u8>, env: &StateEnv) -> Result<Managed, Failure> {
    let mut wanted = Managed {
        contents: Some(contents),
        permissions: permissions::Wanted {
            user: args.value("user").clone(),
            group: args.value("group").clone(),
            mode: mode::normalized(args.value("mode")),
            attrs: None,
        },
        makedirs: args.flag("makedirs"),
        backup: place::backup_mode(args.value("backup"), env),
        shows_changes: args.flag("show_changes"),
        follows: true,
        ..Managed::default()
    };
    name.clone_into(&mut wanted.source.name);
    Ok(wanted)
}

fn foretold(wanted: &Managed, mut answer: Return, env: &StateEnv) -> StateAnswer {
    answer.changes = foretell::changes(wanted, None, env)?.changes;
    if answer.changes.is_empty() {
        answer.comment = format!("The file {} is in the correct state", wanted.name());
        return Ok(answer);
    }
    answer.result = None;
    answer.comment = format!(
        "Dataset will be serialized and stored into {}",
        wanted.name()
    );
    if !wanted.shows_changes {
        let hidden = json!("<show_changes=False>");
        answer.changes.insert("diff".to_owned(), hidden);
    }
    Ok(answer)
}

fn apply(wanted: &Managed, answer: Return, args: &Args, env: &StateEnv) -> StateAnswer {
    let command = args
        .optional_text("check_cmd")?
        .filter(|command| !command.is_empty());
    if let Some(command) = command {
        let directory = args.optional_text("tmp_dir")?;
        let draft = place::draft(directory.as_deref(), &args.text("tmp_ext")?)?;
        let name = draft.to_string_lossy().into_owned();
        if Path::new(wanted.name()).is_file() {
            env.call(&Call::new("file.copy").arg(wanted.name()).arg(name.as_str()))?;
        }
        let drafted = wanted.at(&name).apply(None, begin(&name), env)?;
        if !drafted.changes.is_empty()
            && let Some(refused) = managed::judged(&command, &name, env)?
        {
            return Ok(Return {
                name: answer.name,
                ..refused
            });
        }
    }
    wanted.apply(None, answer, env)
}

/// The second value over the first: maps key by key, all else as a whole.
fn merge(under: Value, over: Value) -> Result<Value, Failure> {
    let (Value::Object(mut under), Value::Object(over)) = (under, over) else {
        return Err(Failure::exception(
            "TypeError",
            "Cannot update using non-dict types in dictupdate.update()",
        ));
    };
    for (key, value) in over {
        let merged = match under.remove(&key) {
            Some(old) if old.is_object() && value.is_object() => merge(old, value)?,
            _ => value,
        };
        under.insert(key, merged);
    }
    Ok(Value::Object(under))
}

/// What the new map has that the old one lacks or has otherwise.
fn difference(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in new {
        let change = match (old.get(key), value) {
            (None, value) => json!({"new": value, "old": NOTHING}),
            (Some(before), value) if before == value => continue,
            (Some(Value::Object(before)), Value::Object(after)) => {
                Value::Object(difference(before, after))
            }
            (Some(before), value) => json!({"new": value, "old": before}),
        };
        out.insert(key.clone(), change);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn data_is_written_and_merged() {
        let host = Host::new();
        let path = host.path("f");
        let args = json!({"name": path, "dataset": {"b": [1, "x"], "a": {"c": true}}, "serializer": "json"});
        let done = host.applies("file.serialize", args.clone());
        assert_eq!(done.comment, format!("File {path} updated"));
        let text = "{\n  \"a\": {\n    \"c\": true\n  },\n  \"b\": [\n    1,\n    \"x\"\n  ]\n}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let more = json!({"name": path, "dataset": {"a": {"d": 1}}, "serializer": "json", "merge_if_exists": true});
        let done = host.applies("file.serialize", more);
        assert_eq!(
            done.changes["diff"],
            json!({"a": {"d": {"new": 1, "old": "<_null_>"}}})
        );
        let found: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(found, json!({"a": {"c": true, "d": 1}, "b": [1, "x"]}));
        let yaml = json!({"name": path, "dataset_pillar": "users"});
        host.applies("file.serialize", yaml);
        assert_eq!(fs::read_to_string(&path).unwrap(), "root: 0\n");
        let ini =
            json!({"name": path, "dataset": {"Main": {"Key": 1}}, "formatter": "configparser"});
        host.applies("file.serialize", ini);
        assert_eq!(fs::read_to_string(&path).unwrap(), "[Main]\nkey = 1\n\n\n");
        let none = host.state("file.serialize", json!({"name": path}), false);
        assert_eq!(
            none.comment,
            "Neither 'dataset' nor 'dataset_pillar' was defined"
        );
        let unknown = json!({"name": path, "dataset": {}, "serializer": "x"});
        assert!(
            host.state("file.serialize", unknown, false)
                .comment
                .contains("The x serializer could not be found.")
        );
    }
}
