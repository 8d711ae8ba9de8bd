//! Filters that change entries deep in a map, in place, as Python's do.

use std::rc::Rc;

use super::super::arguments::{Args, required, text};
use super::super::containers::merge;
use super::super::fault::{Fault, Kind, Result};
use super::super::value::{Key, Map, Value};

pub(super) const NAMES: &[&str] = &[
    "append_dict_key_value",
    "extend_dict_key_value",
    "set_dict_key_value",
    "update_dict_key_value",
];

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    let [keys, new, delimiter, _ordered] =
        args.bind(name, ["keys", "value", "delimiter", "ordered_dict"])?;
    let keys = text(&required(keys, name, "keys")?, name)?;
    let new = required(new, name, "value")?;
    let delimiter = match delimiter {
        Some(delimiter) => text(&delimiter, name)?,
        None => data::DEFAULT_DELIMITER.into(),
    };
    let (path, last) = match keys.rsplit_once(&*delimiter) {
        Some((path, last)) => (path.split(&*delimiter).collect(), last),
        None => (Vec::new(), &*keys),
    };
    let mut at = value.clone();
    for key in path {
        at = below(&at, key)?;
    }
    let Value::Dict(dict) = &at else {
        return Err(no_map(&at));
    };
    let key = Key::text(last);
    if name == "set_dict_key_value" {
        dict.0.borrow_mut().insert(key, new);
        return Ok(value.clone());
    }
    let present = dict.0.borrow().get(&key).cloned();
    let entry = match present {
        Some(entry) if !matches!(entry, Value::None) => entry,
        _ => {
            let empty = if name == "update_dict_key_value" {
                Value::dict(Map::new())
            } else {
                Value::list(Vec::new())
            };
            dict.0.borrow_mut().insert(key, empty.clone());
            empty
        }
    };
    let verb = name.split('_').next().unwrap_or_default();
    match (&entry, verb) {
        (Value::Dict(entry), "update") => {
            let Value::Dict(news) = &new else {
                return Err(no_use(&entry_type("dict"), verb, &new));
            };
            if !Rc::ptr_eq(entry, news) {
                merge(&mut entry.0.borrow_mut(), &new)?;
            }
        }
        (Value::List(entry), "append") => entry.0.borrow_mut().push(new),
        (Value::List(entry), "extend") => {
            let items = new
                .iterate()
                .map_err(|_| no_use(&entry_type("list"), verb, &new))?;
            entry.0.borrow_mut().extend(items);
        }
        _ => {
            return Err(Fault::new(
                Kind::Function,
                format!(
                    "The last key contains a {}, which cannot {verb}.",
                    entry_type(entry.type_name())
                ),
            ));
        }
    }
    Ok(value.clone())
}

/// The map of a key, which is made where there is none.
fn below(at: &Value, key: &str) -> Result<Value> {
    let Value::Dict(dict) = at else {
        return Err(no_map(at));
    };
    let key = Key::text(key);
    let mut dict = dict.0.borrow_mut();
    if let Some(found @ Value::Dict(_)) = dict.get(&key) {
        return Ok(found.clone());
    }
    let made = Value::dict(Map::new());
    dict.insert(key, made.clone());
    Ok(made)
}

fn no_map(value: &Value) -> Fault {
    Fault::value(format!(
        "'{}' object does not support item assignment",
        value.type_name()
    ))
}

fn no_use(entry: &str, verb: &str, value: &Value) -> Fault {
    let kind = entry_type(value.type_name());
    Fault::new(
        Kind::Function,
        format!("Cannot {verb} {entry} with a {kind}."),
    )
}

fn entry_type(name: &str) -> String {
    format!("<class '{name}'>")
}
