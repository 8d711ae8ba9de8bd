//! Content that a state holds itself: `contents`, `contents_pillar` and `contents_grains`.

use serde_json::{Map, Value};

use super::{Args, Failure, StateEnv};
use crate::python;

/// Engines of templates that `template` may name; those that no renderer serves say so when they are asked.
const ENGINES: [&str; 6] = ["jinja", "mako", "wempy", "genshi", "cheetah", "py"];

/// The refusal of any other engine.
pub(super) fn check_engine(engine: &str) -> Result<(), String> {
    if ENGINES.contains(&engine) {
        return Ok(());
    }
    Err(format!(
        "Specified template format {engine} is not supported"
    ))
}

/// The names that a template sees: those of `defaults`, those of `context` over them.
pub(super) fn context_of(defaults: &Value, context: &Value) -> Map<String, Value> {
    let mut names = defaults.as_object().cloned().unwrap_or_default();
    names.extend(context.as_object().cloned().unwrap_or_default());
    names
}

/// How many of the three are given.
pub(super) fn count(args: &Args) -> usize {
    let names = ["contents", "contents_pillar", "contents_grains"];
    names
        .iter()
        .filter(|name| !args.value(name).is_null())
        .count()
}

/// The text that the state holds, before any template; none when it holds none. The refusal is a comment.
pub(super) fn held(args: &Args, env: &StateEnv) -> Result<Result<Option<String>, String>, Failure> {
    let delimiter = args.text("contents_delimiter")?;
    let (value, title) = if !args.value("contents_pillar").is_null() {
        let pillar = env.env.ctx.pillar().map_err(Failure::Command)?;
        let keys = args.value("contents_pillar");
        match looked_up(&pillar, keys, &delimiter) {
            Ok(value) => (value, format!("contents_pillar {}", python::text(keys))),
            Err(key) => return Ok(Err(format!("Pillar {key} does not exist"))),
        }
    } else if !args.value("contents_grains").is_null() {
        let grains = env.env.ctx.grains();
        let keys = args.value("contents_grains");
        match looked_up(&grains, keys, &delimiter) {
            Ok(value) => (value, format!("contents_grains {}", python::text(keys))),
            Err(key) => return Ok(Err(format!("Grain {key} does not exist"))),
        }
    } else {
        match args.value("contents") {
            Value::Null => return Ok(Ok(None)),
            value => (value.clone(), "'contents'".to_owned()),
        }
    };
    if !args.flag("allow_empty") && !python::truthy(&value) {
        return Ok(Err(format!(
            "{title} value would result in empty contents. Set allow_empty to True to allow the managed file to be empty."
        )));
    }
    let parts: Vec<String> = match &value {
        Value::Array(items) if items.is_empty() => {
            let text = "Contents specified by contents/contents_pillar/contents_grains is not a string or list of strings, \
                        and is not binary data. SLS is likely malformed.";
            return Ok(Err(text.to_owned()));
        }
        Value::Array(items) => items.iter().map(python::text).collect(),
        value => vec![python::text(value)],
    };
    let lines = parts.iter().flat_map(|part| python::split_lines(part));
    let mut text: String = lines.flat_map(|line| [line, "\n"]).collect();
    if !args.flag("contents_newline") {
        let kept = text.trim_end_matches('\n').trim_end_matches('\r').len();
        text.truncate(kept);
    }
    Ok(Ok(Some(text)))
}

/// The value at a key, or those at several as lines; the key that is not there otherwise.
fn looked_up(data: &Value, keys: &Value, delimiter: &str) -> Result<Value, String> {
    let one = |key: &Value| {
        let key = python::text(key);
        data::traverse(data, &key, delimiter).cloned().ok_or(key)
    };
    match keys {
        Value::Array(keys) => {
            let found: Result<Vec<Value>, String> = keys.iter().map(one).collect();
            let texts: Vec<String> = found?.iter().map(python::text).collect();
            Ok(Value::String(texts.join("\n")))
        }
        key => one(key),
    }
}
