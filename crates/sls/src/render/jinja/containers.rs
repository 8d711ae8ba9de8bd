//! The methods of Python's lists, tuples and dicts.

use std::rc::Rc;

use super::arguments::{Args, flag, integer, required};
use super::fault::{Fault, Result};
use super::machine::{Frame, Machine};
use super::operators::{check_items, contains_item, equal, sort_order};
use super::print::repr;
use super::value::{Dict, Key, List, Map, SequenceKind, Value, position};

pub(super) const LIST_METHODS: &[&str] = &[
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
];
pub(super) const TUPLE_METHODS: &[&str] = &["count", "index"];
pub(super) const SEQUENCE_METHODS: &[&str] =
    &["count", "index", "union", "difference", "intersection"];
pub(super) const DICT_METHODS: &[&str] = &[
    "clear",
    "copy",
    "fromkeys",
    "get",
    "items",
    "iteritems",
    "iterkeys",
    "itervalues",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];

pub(super) fn list(
    machine: &mut Machine<'_>,
    frame: &Frame,
    own: &Rc<List>,
    name: &str,
    args: Args,
) -> Result<Value> {
    match name {
        "append" => {
            let item = args.one(name, "object")?;
            own.0.borrow_mut().push(item);
        }
        "extend" => {
            let more = args.one(name, "iterable")?.iterate()?;
            check_items(own.0.borrow().len() + more.len())?;
            machine.spend(more.len())?;
            own.0.borrow_mut().extend(more);
        }
        "insert" => {
            let [index, item] = args.bind(name, ["index", "object"])?;
            let index = integer(&required(index, name, "index")?, name)?;
            let item = required(item, name, "object")?;
            let length = own.0.borrow().len() as i128;
            let at = if index < 0 {
                index.saturating_add(length)
            } else {
                index
            }
            .clamp(0, length);
            own.0
                .borrow_mut()
                .insert(usize::try_from(at).unwrap_or(0), item);
        }
        "pop" => {
            let [index] = args.bind(name, ["index"])?;
            let index = index.map_or(Ok(-1), |index| integer(&index, name))?;
            let length = own.0.borrow().len();
            if length == 0 {
                return Err(Fault::value("pop from empty list"));
            }
            let at =
                position(index, length).ok_or_else(|| Fault::value("pop index out of range"))?;
            return Ok(own.0.borrow_mut().remove(at));
        }
        "remove" => {
            let item = args.one(name, "value")?;
            let at = find(&own.0.borrow(), &item)?;
            let at = at.ok_or_else(|| Fault::value("list.remove(x): x not in list"))?;
            own.0.borrow_mut().remove(at);
        }
        "clear" => {
            args.none(name)?;
            own.0.borrow_mut().clear();
        }
        "reverse" => {
            args.none(name)?;
            own.0.borrow_mut().reverse();
        }
        "sort" => {
            let [key, reverse] = args.bind(name, ["key", "reverse"])?;
            // A copy: the key may be a macro that changes the list.
            let copy = own.0.borrow().clone();
            let mut items = Vec::new();
            for item in copy {
                let by = match &key {
                    None | Some(Value::None) => item.clone(),
                    Some(key) => machine.call(frame, key, Args::of(vec![item.clone()]))?,
                };
                items.push((by, item));
            }
            sort(&mut items, flag(reverse, false)?)?;
            *own.0.borrow_mut() = items.into_iter().map(|(_, item)| item).collect();
        }
        "copy" => {
            args.none(name)?;
            return Ok(Value::list(own.0.borrow().clone()));
        }
        _ => return tuple(&own.0.borrow(), name, args),
    }
    Ok(Value::None)
}

/// Sorts by the first of each pair and keeps the order of equals, in reverse too.
pub(super) fn sort(items: &mut [(Value, Value)], is_reverse: bool) -> Result<()> {
    let mut fault = None;
    items.sort_by(|(left, _), (right, _)| {
        let (left, right) = if is_reverse {
            (right, left)
        } else {
            (left, right)
        };
        sort_order(left, right).unwrap_or_else(|error| {
            fault.get_or_insert(error);
            std::cmp::Ordering::Equal
        })
    });
    fault.map_or(Ok(()), Err)
}

fn find(items: &[Value], item: &Value) -> Result<Option<usize>> {
    for (index, other) in items.iter().enumerate() {
        if equal(item, other)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Methods that change nothing.
pub(super) fn tuple(own: &[Value], name: &str, args: Args) -> Result<Value> {
    let other = args.one(name, "value")?;
    match name {
        "count" => {
            let mut count = 0;
            for item in own {
                count += i128::from(equal(item, &other)?);
            }
            Ok(Value::Int(count))
        }
        "index" => match find(own, &other)? {
            Some(at) => Ok(Value::Int(at as i128)),
            None => Err(Fault::value(format!("{} is not in list", repr(&other)?))),
        },
        _ => {
            let other = other.iterate()?;
            let mut items: Vec<Value> = Vec::new();
            let candidates = own.iter().chain(other.iter().filter(|_| name == "union"));
            for item in candidates {
                let is_wanted = match name {
                    "union" => true,
                    "difference" => !contains_item(&other, item)?,
                    _ => contains_item(&other, item)?,
                };
                if is_wanted && !contains_item(&items, item)? {
                    items.push(item.clone());
                }
            }
            Ok(Value::sequence(SequenceKind::Set, items))
        }
    }
}

/// Takes in the entries of a map, or of a list of pairs.
pub(super) fn merge(map: &mut Map, source: &Value) -> Result<()> {
    if let Value::Dict(source) = source {
        map.extend(
            source
                .0
                .borrow()
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        return Ok(());
    }
    for (index, pair) in source.iterate()?.iter().enumerate() {
        let pair = pair.iterate()?;
        let [key, value] = pair.as_slice() else {
            return Err(Fault::value(format!(
                "dictionary update sequence element #{index} has length {}; 2 is required",
                pair.len()
            )));
        };
        map.insert(Key::new(key)?, value.clone());
    }
    Ok(())
}

pub(super) fn dict(own: &Rc<Dict>, name: &str, args: Args) -> Result<Value> {
    let entries = |kind: SequenceKind, pick: fn((&Key, &Value)) -> Value| {
        Value::sequence(kind, own.0.borrow().iter().map(pick).collect())
    };
    match name {
        "get" | "pop" | "setdefault" => {
            let [key, default] = args.bind(name, ["key", "default"])?;
            let key = required(key, name, "key")?;
            let key = Key::new(&key)?;
            if name == "get" {
                let found = own.0.borrow().get(&key).cloned();
                return Ok(found.or(default).unwrap_or(Value::None));
            }
            if name == "pop" {
                let found = own.0.borrow_mut().shift_remove(&key);
                return match found.or(default) {
                    Some(value) => Ok(value),
                    None => Err(Fault::value(repr(key.value())?)),
                };
            }
            let mut map = own.0.borrow_mut();
            Ok(map
                .entry(key)
                .or_insert_with(|| default.unwrap_or(Value::None))
                .clone())
        }
        "update" => {
            if args.positional.len() > 1 {
                return Err(Fault::value(format!(
                    "update expected at most 1 argument, got {}",
                    args.positional.len()
                )));
            }
            let mut news = Map::new();
            if let Some(source) = args.positional.first() {
                source.check_defined()?;
                merge(&mut news, source)?;
            }
            news.extend(
                args.named
                    .into_iter()
                    .map(|(name, value)| (Key::text(name), value)),
            );
            own.0.borrow_mut().extend(news);
            Ok(Value::None)
        }
        "fromkeys" => {
            let [keys, value] = args.bind(name, ["iterable", "value"])?;
            let value = value.unwrap_or(Value::None);
            let keys = required(keys, name, "iterable")?.iterate()?;
            let map = keys
                .iter()
                .map(|key| Ok((Key::new(key)?, value.clone())))
                .collect::<Result<Map>>()?;
            Ok(Value::dict(map))
        }
        _ => {
            args.none(name)?;
            Ok(match name {
                "items" | "iteritems" => entries(SequenceKind::Items, |(key, value)| {
                    Value::tuple(vec![key.value().clone(), value.clone()])
                }),
                "keys" | "iterkeys" => entries(SequenceKind::Keys, |(key, _)| key.value().clone()),
                "values" | "itervalues" => {
                    entries(SequenceKind::Values, |(_, value)| value.clone())
                }
                "copy" => Value::dict(own.0.borrow().clone()),
                "clear" => {
                    own.0.borrow_mut().clear();
                    Value::None
                }
                _ => {
                    let last = own.0.borrow_mut().pop();
                    let (key, value) =
                        last.ok_or_else(|| Fault::value("'popitem(): dictionary is empty'"))?;
                    Value::tuple(vec![key.value().clone(), value])
                }
            })
        }
    }
}
