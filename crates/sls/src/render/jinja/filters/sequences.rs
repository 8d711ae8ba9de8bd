//! Filters on lists, maps and what else holds values.

use std::rc::Rc;

use super::super::arguments::{Args, flag, integer, optional_text, required, text};
use super::super::checks;
use super::super::containers::sort as sort_pairs;
use super::super::fault::{Fault, Result};
use super::super::machine::{Frame, Machine};
use super::super::operators::{binary, check_items, check_length, equal, sort_order};
use super::super::print::string;
use super::super::syntax::Binary;
use super::super::value::{Map, SequenceKind, Value};
use super::sets::{compare_dicts, compare_lists, sets, unique};
use crate::render::limits::VALUE_DEPTH_MAX;

pub(super) const NAMES: &[&str] = &[
    "avg",
    "batch",
    "compare_dicts",
    "compare_lists",
    "count",
    "dictsort",
    "difference",
    "exactly_n_true",
    "exactly_one_true",
    "first",
    "flatten",
    "groupby",
    "intersect",
    "is_iter",
    "is_list",
    "items",
    "join",
    "last",
    "length",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "sequence",
    "slice",
    "sort",
    "sorted_ignorecase",
    "substring_in_list",
    "sum",
    "symmetric_difference",
    "union",
    "unique",
    "zip",
    "zip_longest",
];

pub(super) fn apply(
    machine: &mut Machine<'_>,
    frame: &Frame,
    name: &str,
    value: &Value,
    args: Args,
) -> Result<Value> {
    match name {
        "join" => join(machine, value, args),
        "map" => map(machine, frame, value, args),
        "select" | "reject" => select(machine, value, args, false, name == "select"),
        "selectattr" | "rejectattr" => select(machine, value, args, true, name == "selectattr"),
        "sort" => {
            let [reverse, case_sensitive, attribute] =
                args.bind(name, ["reverse", "case_sensitive", "attribute"])?;
            let attribute = attribute.filter(|attribute| !matches!(attribute, Value::None));
            let is_sensitive = flag(case_sensitive, false)?;
            let mut pairs = Vec::new();
            for item in value.iterate()? {
                pairs.push((
                    sort_key(machine, &item, attribute.as_ref(), is_sensitive)?,
                    item,
                ));
            }
            sort_pairs(&mut pairs, flag(reverse, false)?)?;
            Ok(Value::list(
                pairs.into_iter().map(|(_, item)| item).collect(),
            ))
        }
        "sum" => {
            let [attribute, start] = args.bind(name, ["attribute", "start"])?;
            let mut sum = start.unwrap_or(Value::Int(0));
            for item in value.iterate()? {
                let item = match &attribute {
                    None | Some(Value::None) => item,
                    Some(attribute) => by_path(machine, &item, attribute, None)?,
                };
                sum = binary(Binary::Add, &sum, &item)?;
            }
            Ok(sum)
        }
        "groupby" => groupby(machine, value, args),
        "first" | "last" => {
            args.none(name)?;
            let items = value.iterate()?;
            let found = if name == "first" {
                items.into_iter().next()
            } else {
                items.into_iter().next_back()
            };
            Ok(found.unwrap_or_else(|| {
                Value::undefined(format!("No {name} item, sequence was empty."))
            }))
        }
        "zip" | "zip_longest" => zip(name, value, args),
        "dictsort" => dictsort(value, args),
        "batch" | "slice" => chunks(name, value, args),
        "flatten" => {
            let [levels, preserve_nulls] = args.bind(name, ["levels", "preserve_nulls"])?;
            let levels = match levels {
                None | Some(Value::None) => VALUE_DEPTH_MAX as i128,
                Some(levels) => integer(&levels, name)?,
            };
            let mut out = Vec::new();
            flatten(
                machine,
                value,
                levels,
                flag(preserve_nulls, false)?,
                VALUE_DEPTH_MAX,
                &mut out,
            )?;
            Ok(Value::list(out))
        }
        "union" | "intersect" | "difference" | "symmetric_difference" => {
            let other = args.one(name, "lst2")?;
            sets(machine, name, value, &other)
        }
        "compare_lists" | "compare_dicts" => {
            let new = args.one(name, "new")?;
            if name == "compare_lists" {
                compare_lists(value, &new)
            } else {
                compare_dicts(value, &new)
            }
        }
        "substring_in_list" => {
            let wanted = text(value, name)?;
            let list = args.one(name, "list_to_search")?.iterate()?;
            let found = list
                .iter()
                .any(|item| item.as_str().is_some_and(|item| item.contains(&*wanted)));
            Ok(Value::Bool(found))
        }
        "exactly_n_true" => {
            let [amount] = args.bind(name, ["amount"])?;
            let amount = amount.map_or(Ok(1), |amount| integer(&amount, name))?;
            Ok(Value::Bool(count_true(value)? == amount))
        }
        _ => {
            args.none(name)?;
            plain(machine, name, value)
        }
    }
}

/// Filters without arguments.
fn plain(machine: &mut Machine<'_>, name: &str, value: &Value) -> Result<Value> {
    Ok(match name {
        "length" | "count" => Value::Int(value.length()? as i128),
        "list" => Value::list(value.iterate()?),
        "items" => match value {
            Value::Undefined(_) => Value::generator(Vec::new()),
            Value::Dict(dict) => Value::sequence(SequenceKind::Items, pairs(&dict.0.borrow())),
            _ => return Err(Fault::value("Can only get item pairs from a mapping.")),
        },
        "reverse" => match value {
            Value::Str(text) => Value::str(text.chars().rev().collect::<String>()),
            other => Value::generator(other.iterate()?.into_iter().rev().collect()),
        },
        "unique" => unique(machine, value)?,
        "min" | "max" => {
            let mut items = value.iterate()?.into_iter();
            let mut best = items
                .next()
                .ok_or_else(|| Fault::value(format!("{name}() iterable argument is empty")))?;
            for item in items {
                let order = sort_order(&item, &best)?;
                if if name == "min" {
                    order.is_lt()
                } else {
                    order.is_gt()
                } {
                    best = item;
                }
            }
            best
        }
        "avg" => {
            let items = value.iterate()?;
            let mut sum = Value::Int(0);
            for item in &items {
                sum = binary(Binary::Add, &sum, item)?;
            }
            binary(Binary::Div, &sum, &Value::Int(items.len() as i128))?
        }
        "is_list" => Value::Bool(matches!(value, Value::List(_))),
        "is_iter" => Value::Bool(matches!(
            value,
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Sequence(_)
        )),
        "sequence" => match value {
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Sequence(_) => value.clone(),
            other => Value::list(vec![other.clone()]),
        },
        "sorted_ignorecase" => {
            let mut pairs = Vec::new();
            for item in value.iterate()? {
                pairs.push((Value::str(text(&item, name)?.to_lowercase()), item));
            }
            sort_pairs(&mut pairs, false)?;
            Value::list(pairs.into_iter().map(|(_, item)| item).collect())
        }
        "exactly_one_true" => Value::Bool(count_true(value)? == 1),
        _ => return Err(Fault::syntax(format!("No filter named '{name}'."))),
    })
}

pub(super) fn pairs(map: &Map) -> Vec<Value> {
    map.iter()
        .map(|(key, value)| Value::tuple(vec![key.value().clone(), value.clone()]))
        .collect()
}

fn count_true(value: &Value) -> Result<i128> {
    let mut count = 0;
    for item in value.iterate()? {
        count += i128::from(item.truth()?);
    }
    Ok(count)
}

/// What `a.b.0` leads to in an item, as `map(attribute=…)` and its like have it.
fn by_path(
    machine: &Machine<'_>,
    item: &Value,
    path: &Value,
    default: Option<&Value>,
) -> Result<Value> {
    let or_default = |found: Value| match default {
        Some(default) if found.is_undefined() => default.clone(),
        _ => found,
    };
    let Value::Str(path) = path else {
        return machine.item(item, path).map(or_default);
    };
    let mut value = item.clone();
    for part in path.split('.') {
        let key = match part.parse::<i128>() {
            Ok(index) if part.chars().all(|c| c.is_ascii_digit()) => Value::Int(index),
            _ => Value::str(part),
        };
        value = or_default(machine.item(&value, &key)?);
    }
    Ok(value)
}

fn folded(value: Value, is_sensitive: bool) -> Value {
    match &value {
        Value::Str(text) if !is_sensitive => Value::str(text.to_lowercase()),
        _ => value,
    }
}

fn sort_key(
    machine: &Machine<'_>,
    item: &Value,
    attribute: Option<&Value>,
    is_sensitive: bool,
) -> Result<Value> {
    let Some(attribute) = attribute else {
        return Ok(folded(item.clone(), is_sensitive));
    };
    let Value::Str(names) = attribute else {
        return Ok(folded(
            by_path(machine, item, attribute, None)?,
            is_sensitive,
        ));
    };
    let mut keys = Vec::new();
    for name in names.split(',') {
        keys.push(folded(
            by_path(machine, item, &Value::str(name), None)?,
            is_sensitive,
        ));
    }
    Ok(Value::list(keys))
}

fn join(machine: &mut Machine<'_>, value: &Value, args: Args) -> Result<Value> {
    let [separator, attribute] = args.bind("join", ["d", "attribute"])?;
    let separator = separator.map_or(Ok(String::new()), |separator| string(&separator))?;
    let mut out = String::new();
    for (index, item) in value.iterate()?.iter().enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        match &attribute {
            None | Some(Value::None) => out.push_str(&string(item)?),
            Some(attribute) => out.push_str(&string(&by_path(machine, item, attribute, None)?)?),
        }
        check_length(out.len())?;
    }
    Ok(Value::str(out))
}

fn map(machine: &mut Machine<'_>, frame: &Frame, value: &Value, mut args: Args) -> Result<Value> {
    let items = value.iterate()?;
    machine.spend(items.len())?;
    let mut mapped = Vec::new();
    if args.positional.is_empty() {
        let [attribute, default] = args.bind("map", ["attribute", "default"])?;
        let attribute = required(attribute, "map", "attribute")?;
        for item in items {
            mapped.push(by_path(machine, &item, &attribute, default.as_ref())?);
        }
        return Ok(Value::generator(mapped));
    }
    let filter = text(&args.positional.remove(0), "map")?;
    for item in items {
        mapped.push(super::apply(machine, frame, &filter, item, args.clone())?);
    }
    Ok(Value::generator(mapped))
}

fn select(
    machine: &mut Machine<'_>,
    value: &Value,
    mut args: Args,
    by_attribute: bool,
    wanted: bool,
) -> Result<Value> {
    let items = value.iterate()?;
    machine.spend(items.len())?;
    let attribute = if by_attribute {
        if args.positional.is_empty() {
            return Err(Fault::value("Missing parameter for attribute name"));
        }
        Some(args.positional.remove(0))
    } else {
        None
    };
    let test = if args.positional.is_empty() {
        None
    } else {
        Some(text(&args.positional.remove(0), "select")?)
    };
    let mut kept = Vec::new();
    for item in items {
        let operand = match &attribute {
            Some(attribute) => by_path(machine, &item, attribute, None)?,
            None => item.clone(),
        };
        let is_true = match &test {
            Some(test) => checks::check(test, &operand, args.clone())?,
            None => operand.truth()?,
        };
        if is_true == wanted {
            kept.push(item);
        }
    }
    Ok(Value::generator(kept))
}

fn groupby(machine: &mut Machine<'_>, value: &Value, args: Args) -> Result<Value> {
    let [attribute, default, case_sensitive] =
        args.bind("groupby", ["attribute", "default", "case_sensitive"])?;
    let attribute = required(attribute, "groupby", "attribute")?;
    let is_sensitive = flag(case_sensitive, false)?;
    let mut keyed = Vec::new();
    for item in value.iterate()? {
        let key = by_path(machine, &item, &attribute, default.as_ref())?;
        keyed.push((
            folded(key.clone(), is_sensitive),
            Value::tuple(vec![key, item]),
        ));
    }
    sort_pairs(&mut keyed, false)?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (folded, pair) in keyed {
        let pair = pair.iterate()?;
        match groups.last_mut() {
            Some((last, _, items)) if equal(last, &folded)? => items.push(pair[1].clone()),
            _ => groups.push((folded, pair[0].clone(), vec![pair[1].clone()])),
        }
    }
    let group = |(_, key, items)| Value::tuple(vec![key, Value::list(items)]);
    Ok(Value::list(groups.into_iter().map(group).collect()))
}

fn zip(name: &str, value: &Value, args: Args) -> Result<Value> {
    let mut columns = vec![value.iterate()?];
    for other in &args.positional {
        columns.push(other.iterate()?);
    }
    let mut fill = Value::None;
    for (key, value) in args.named {
        if name == "zip" || &*key != "fillvalue" {
            return Err(Fault::value(format!(
                "{name}() got an unexpected keyword argument '{key}'"
            )));
        }
        fill = value;
    }
    let lengths = columns.iter().map(Vec::len);
    let length = if name == "zip" {
        lengths.min()
    } else {
        lengths.max()
    }
    .unwrap_or(0);
    let row = |index: usize| {
        Value::tuple(
            columns
                .iter()
                .map(|column| column.get(index).unwrap_or(&fill).clone())
                .collect(),
        )
    };
    Ok(Value::generator((0..length).map(row).collect()))
}

fn dictsort(value: &Value, args: Args) -> Result<Value> {
    let [case_sensitive, by, reverse] =
        args.bind("dictsort", ["case_sensitive", "by", "reverse"])?;
    let Value::Dict(dict) = value else {
        return Err(Fault::value(format!(
            "'{}' object has no attribute 'items'",
            value.type_name()
        )));
    };
    let is_sensitive = flag(case_sensitive, false)?;
    let by = optional_text(by, "dictsort")?.unwrap_or_else(|| Rc::from("key"));
    if !matches!(&*by, "key" | "value") {
        return Err(Fault::value(
            "You can only sort by either \"key\" or \"value\"",
        ));
    }
    let mut keyed = Vec::new();
    for (key, value) in dict.0.borrow().iter() {
        let by = if &*by == "key" { key.value() } else { value };
        keyed.push((
            folded(by.clone(), is_sensitive),
            Value::tuple(vec![key.value().clone(), value.clone()]),
        ));
    }
    sort_pairs(&mut keyed, flag(reverse, false)?)?;
    Ok(Value::list(
        keyed.into_iter().map(|(_, pair)| pair).collect(),
    ))
}

fn chunks(name: &str, value: &Value, args: Args) -> Result<Value> {
    let [size, fill] = args.bind(name, ["count", "fill_with"])?;
    let size = usize::try_from(integer(&required(size, name, "count")?, name)?).unwrap_or(0);
    if size == 0 {
        return Err(Fault::value(format!("{name}: the number must be above 0")));
    }
    check_items(size)?;
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let items = value.iterate()?;
    if name == "batch" {
        let row = |chunk: &[Value]| {
            let mut row = chunk.to_vec();
            if let Some(fill) = &fill {
                row.resize(size, fill.clone());
            }
            Value::list(row)
        };
        return Ok(Value::generator(items.chunks(size).map(row).collect()));
    }
    let (per_slice, longer) = (items.len() / size, items.len() % size);
    let mut columns = Vec::new();
    let mut rest = items.as_slice();
    for index in 0..size {
        let (head, tail) = rest.split_at(per_slice + usize::from(index < longer));
        let mut column = head.to_vec();
        if index >= longer {
            column.extend(fill.clone());
        }
        columns.push(Value::list(column));
        rest = tail;
    }
    Ok(Value::generator(columns))
}

fn flatten(
    machine: &mut Machine<'_>,
    value: &Value,
    levels: i128,
    preserve_nulls: bool,
    depth: usize,
    out: &mut Vec<Value>,
) -> Result<()> {
    if depth == 0 {
        return Err(Fault::limit("the depth of a value"));
    }
    let items = value.iterate()?;
    machine.spend(items.len())?;
    for item in items {
        let is_null = match &item {
            Value::None => true,
            Value::Str(text) => matches!(&**text, "None" | "null"),
            _ => false,
        };
        let is_nested = matches!(
            item,
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Sequence(_)
        );
        if is_null && !preserve_nulls {
            continue;
        }
        if is_nested && levels >= 1 {
            flatten(machine, &item, levels - 1, preserve_nulls, depth - 1, out)?;
        } else {
            out.push(item);
        }
    }
    Ok(())
}
