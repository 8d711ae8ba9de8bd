//! Lists as sets, and what differs between two values.

use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::operators::{contains_item, equal};
use super::super::value::{Key, Map, SequenceKind, Value};

fn push_new(machine: &mut Machine<'_>, items: &mut Vec<Value>, item: Value) -> Result<()> {
    machine.spend(items.len())?;
    if !contains_item(items, &item)? {
        items.push(item);
    }
    Ok(())
}

/// A list of the first of each; a set for what could be a key, as Salt has it.
pub(super) fn unique(machine: &mut Machine<'_>, value: &Value) -> Result<Value> {
    let mut items = Vec::new();
    for item in value.iterate()? {
        push_new(machine, &mut items, item)?;
    }
    Ok(if is_hashable(value) {
        Value::sequence(SequenceKind::Set, items)
    } else {
        Value::list(items)
    })
}

fn is_hashable(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Dict(_))
}

pub(super) fn sets(
    machine: &mut Machine<'_>,
    name: &str,
    left: &Value,
    right: &Value,
) -> Result<Value> {
    let (a, b) = (left.iterate()?, right.iterate()?);
    machine.spend(a.len().saturating_mul(b.len()))?;
    let mut items = Vec::new();
    for item in &a {
        let is_wanted = match name {
            "union" => true,
            "intersect" => contains_item(&b, item)?,
            _ => !contains_item(&b, item)?,
        };
        if is_wanted {
            push_new(machine, &mut items, item.clone())?;
        }
    }
    for item in &b {
        let is_wanted = match name {
            "union" => true,
            "symmetric_difference" => !contains_item(&a, item)?,
            _ => false,
        };
        if is_wanted {
            push_new(machine, &mut items, item.clone())?;
        }
    }
    let is_set = is_hashable(left) && is_hashable(right);
    Ok(if is_set {
        Value::sequence(SequenceKind::Set, items)
    } else {
        Value::list(items)
    })
}

pub(super) fn compare_lists(old: &Value, new: &Value) -> Result<Value> {
    let (old, new) = (old.iterate()?, new.iterate()?);
    let mut map = Map::new();
    for (name, from, other) in [("new", &new, &old), ("old", &old, &new)] {
        let mut items = Vec::new();
        for item in from {
            if !contains_item(other, item)? {
                items.push(item.clone());
            }
        }
        if !items.is_empty() {
            map.insert(Key::text(name), Value::list(items));
        }
    }
    Ok(Value::dict(map))
}

pub(super) fn compare_dicts(old: &Value, new: &Value) -> Result<Value> {
    let (Value::Dict(old), Value::Dict(new)) = (old, new) else {
        return Err(Fault::value("compare_dicts wants two maps"));
    };
    let (old, new) = (old.0.borrow(), new.0.borrow());
    let mut map = Map::new();
    for key in new.keys().chain(old.keys()) {
        let blank = Value::str("");
        let before = old.get(key).unwrap_or(&blank);
        let after = new.get(key).unwrap_or(&blank);
        let is_same = old.contains_key(key) && new.contains_key(key) && equal(before, after)?;
        if !is_same {
            let change = [("old", before.clone()), ("new", after.clone())];
            let change = change
                .map(|(name, value)| (Key::text(name), value))
                .into_iter()
                .collect();
            map.insert(key.clone(), Value::dict(change));
        }
    }
    Ok(Value::dict(map))
}
