//! Changes of the static grains, all through their file.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure};
use crate::edit::replace::replace;
use crate::grains::read_static;
use crate::python;

/// Mode of a grains file that this crate makes: grains may hold what not everybody should read.
const NEW_FILE_MODE: u32 = 0o600;

pub(super) fn append(args: &Args, env: &Env) -> Answer {
    let (key, delimiter, added) = (
        args.text("key")?,
        args.text("delimiter")?,
        args.value("val"),
    );
    let _lock = lock();
    let grains = env.ctx.grains();
    let mut list = match data::traverse(&grains, &key, &delimiter) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(Value::Null) if args.flag("convert") => Vec::new(),
        Some(other) if args.flag("convert") => vec![other.clone()],
        Some(_) => return Ok(json!(format!("The key {key} is not a valid list"))),
    };
    if list.contains(added) {
        return Ok(json!(format!(
            "The val {} was already in the list {key}",
            python::text(added)
        )));
    }
    match added {
        Value::Array(items) => list.extend(items.iter().cloned()),
        value => list.push(value.clone()),
    }
    store_nested(env, &key, Value::Array(list), &delimiter)
}

pub(super) fn remove(args: &Args, env: &Env) -> Answer {
    let (key, delimiter, removed) = (
        args.text("key")?,
        args.text("delimiter")?,
        args.value("val"),
    );
    let _lock = lock();
    let grains = env.ctx.grains();
    let mut list = match data::traverse(&grains, &key, &delimiter) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(_) => return Ok(json!(format!("The key {key} is not a valid list"))),
    };
    let Some(at) = list.iter().position(|item| item == removed) else {
        return Ok(json!(format!(
            "The val {} was not in the list {key}",
            python::text(removed)
        )));
    };
    list.remove(at);
    store_nested(env, &key, Value::Array(list), &delimiter)
}

/// Stores a value at a path: the first step is the grain, the others lead into dictionaries that are kept or made.
fn store_nested(env: &Env, path: &str, value: Value, delimiter: &str) -> Answer {
    let grains = env.ctx.grains();
    let (mut key, mut value) = (path, value);
    while let Some((parent, rest)) = rsplit(key, delimiter) {
        let mut map = data::traverse(&grains, parent, delimiter)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        map.insert(rest.to_owned(), value);
        (key, value) = (parent, Value::Object(map));
    }
    store(env, [(key.to_owned(), value)].into_iter().collect(), false)
}

fn rsplit<'a>(key: &'a str, delimiter: &str) -> Option<(&'a str, &'a str)> {
    if delimiter.is_empty() {
        None
    } else {
        key.rsplit_once(delimiter)
    }
}

pub(super) fn set(
    env: &Env,
    path: &str,
    new: Value,
    force: bool,
    destructive: bool,
    delimiter: &str,
) -> Answer {
    let is_complex = |value: &Value| value.is_object() || value.is_array();
    let refused = |comment: String| Ok(json!({"comment": comment, "changes": {}, "result": false}));
    let _lock = lock();
    let grains = env.ctx.grains();
    let existing = data::traverse(&grains, path, delimiter);
    if let Some(existing) = existing {
        if *existing == new && !(new.is_null() && destructive) {
            return Ok(json!({"comment": "Grain is already set", "changes": {}, "result": true}));
        }
        if !existing.is_null() && !force {
            if is_complex(existing) {
                return refused(format!(
                    "The key '{path}' exists but is a dict or a list. Use 'force=True' to overwrite."
                ));
            }
            if is_complex(&new) {
                return refused(format!(
                    "The key '{path}' exists and the given value is a dict or a list. Use 'force=True' to overwrite."
                ));
            }
        }
    }
    let (mut key, mut value) = (path, new);
    while let Some((parent, rest)) = rsplit(key, delimiter) {
        let step = |value: Value| -> Value {
            [(rest.to_owned(), value)]
                .into_iter()
                .collect::<Map<_, _>>()
                .into()
        };
        value = match data::traverse(&grains, parent, delimiter)
            .cloned()
            .unwrap_or_else(|| json!({}))
        {
            Value::Object(mut map) => {
                if value.is_null() && destructive {
                    map.remove(rest);
                } else {
                    map.insert(rest.to_owned(), value);
                }
                Value::Object(map)
            }
            Value::Array(mut items) => {
                let at = items
                    .iter()
                    .position(|item| item == rest || item.get(rest).is_some());
                match at.map(|at| &mut items[at]) {
                    Some(Value::Object(map)) => {
                        map.insert(rest.to_owned(), value);
                    }
                    Some(item) => *item = step(value),
                    None => items.push(step(value)),
                }
                Value::Array(items)
            }
            other if other == rest || force => step(value),
            other => {
                return refused(format!(
                    "The key '{parent}' value is '{}', which is different from the provided key '{rest}'. Use \
                     'force=True' to overwrite.",
                    python::text(&other)
                ));
            }
        };
        key = parent;
    }
    let changes = store(
        env,
        [(key.to_owned(), value)].into_iter().collect(),
        destructive,
    )?;
    Ok(json!({"comment": "", "changes": changes, "result": true}))
}

/// Jobs run side by side, and a change of the file reads it first.
pub(super) fn lock() -> MutexGuard<'static, ()> {
    static FILE: Mutex<()> = Mutex::new(());
    FILE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the grains file and loads the grains again; answers what was set. The caller holds [`lock`].
pub(super) fn store(env: &Env, new: Map<String, Value>, destructive: bool) -> Answer {
    let path = env.ctx.grains_file();
    let mut grains = read_static(path).map_err(Failure::Command)?;
    for (key, value) in &new {
        if value.is_null() && destructive {
            grains.remove(key);
        } else {
            grains.insert(key.clone(), value.clone());
        }
    }
    // A host that was not configured by a file has no folder for them yet.
    let folder = path.parent().unwrap_or(path);
    let stored = std::fs::create_dir_all(folder).and_then(|()| {
        replace(
            path,
            yaml::emit(&Value::Object(grains)).as_bytes(),
            NEW_FILE_MODE,
        )
    });
    stored.map_err(|error| {
        Failure::command(format!(
            "Unable to write to grains file at {}: {error}",
            path.display()
        ))
    })?;
    env.ctx.refresh_grains();
    Ok(Value::Object(new))
}
