//! Filters between maps and lists of their entries.

use super::super::arguments::{Args, text};
use super::super::fault::{Fault, Result};
use super::super::print::repr;
use super::super::value::{Key, Map, Value};
use super::sequences::pairs;
use super::texts::to_number;

pub(super) const NAMES: &[&str] = &["from_entries", "mysql_to_dict", "to_entries"];

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    if name == "mysql_to_dict" {
        return mysql_to_dict(value, &args.one(name, "key")?);
    }
    args.none(name)?;
    if name == "to_entries" {
        to_entries(value)
    } else {
        from_entries(value)
    }
}

fn to_entries(value: &Value) -> Result<Value> {
    let entries = match value {
        Value::Dict(dict) => pairs(&dict.0.borrow()),
        Value::List(list) => {
            let numbered = (0..).zip(list.0.borrow().clone());
            numbered
                .map(|(index, item)| Value::tuple(vec![Value::Int(index), item]))
                .collect()
        }
        _ => return Err(Fault::value("Input data must be a dict or list")),
    };
    let entry = |pair: &Value| -> Result<Value> {
        let names = ["key", "value"].map(Key::text);
        Ok(Value::dict(
            names.into_iter().zip(pair.iterate()?).collect(),
        ))
    };
    let entries: Result<_> = entries.iter().map(entry).collect();
    Ok(Value::list(entries?))
}

fn from_entries(value: &Value) -> Result<Value> {
    let mut map = Map::new();
    for entry in value.iterate()? {
        let Value::Dict(entry) = entry else {
            return Err(Fault::value("from_entries wants a list of maps"));
        };
        let entry = entry.0.borrow();
        // Names in any case, the last one of several.
        let part = |wanted: &str| {
            let named = entry.iter().rev().find(|(name, _)| {
                let name = name.value().as_str();
                name.is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            });
            named.map(|(_, value)| value.clone())
        };
        for name in ["key", "name"] {
            let Some(key) = part(name) else { continue };
            if key.truth()? {
                map.insert(Key::new(&key)?, part("value").unwrap_or(Value::None));
                break;
            }
        }
    }
    Ok(Value::dict(map))
}

/// The rows of a table as `mysql` prints it, by what they have in the column `key`.
fn mysql_to_dict(lines: &Value, key: &Value) -> Result<Value> {
    let key = Key::new(key)?;
    let mut rows = Map::new();
    let mut headers: Vec<Key> = Vec::new();
    for line in lines.iterate()? {
        let line = text(&line, "mysql_to_dict")?;
        if line.is_empty() || line.starts_with('+') {
            continue;
        }
        // A bar stands before the first cell and behind the last one.
        let cells = line.split('|').map(str::trim);
        if headers.len() <= 1 {
            headers = cells.map(Key::text).collect();
            continue;
        }
        let cells: Vec<&str> = cells.collect();
        let mut row = Map::new();
        for (field, header) in headers[..headers.len() - 1].iter().enumerate().skip(1) {
            let cell = cells
                .get(field)
                .ok_or_else(|| Fault::value("list index out of range"))?;
            row.insert(header.clone(), to_number(&Value::str(*cell))?);
        }
        let name = row.get(&key).cloned();
        let name = name.ok_or_else(|| Fault::value(repr(key.value()).unwrap_or_default()))?;
        rows.insert(Key::new(&name)?, Value::dict(row));
    }
    Ok(Value::dict(rows))
}
