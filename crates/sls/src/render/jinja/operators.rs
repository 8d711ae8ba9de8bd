//! Python's operators.

use std::cmp::Ordering;

use super::fault::{Fault, Result};
use super::format::percent;
use super::fuel;
use super::syntax::{Binary, Comparison};
use super::value::{Key, SequenceKind, Value, position};
use crate::render::limits::{ITEMS_MAX, TEXT_BYTES_MAX, VALUE_DEPTH_MAX};

/// Most bits of an exponent that can fit: larger ones overflow with any base but 0, 1 and -1.
const EXPONENT_MAX: i128 = 1_000;

pub(crate) fn binary(operator: Binary, left: &Value, right: &Value) -> Result<Value> {
    left.check_defined()?;
    if operator != Binary::Rem || left.as_str().is_none() {
        right.check_defined()?;
    }
    match (operator, left, right) {
        (Binary::Add, Value::Str(a), Value::Str(b)) => {
            check_length(a.len() + b.len())?;
            return Ok(Value::str([&**a, &**b].concat()));
        }
        (Binary::Add, Value::List(a), Value::List(b)) => {
            check_items(a.0.borrow().len() + b.0.borrow().len())?;
            let mut items = a.0.borrow().clone();
            items.extend(b.0.borrow().iter().cloned());
            return Ok(Value::list(items));
        }
        (Binary::Add, Value::Tuple(a), Value::Tuple(b)) => {
            check_items(a.0.borrow().len() + b.0.borrow().len())?;
            let mut items = a.0.borrow().clone();
            items.extend(b.0.borrow().iter().cloned());
            return Ok(Value::tuple(items));
        }
        (Binary::Add, Value::Str(_), _) => {
            return Err(Fault::value(format!(
                "can only concatenate str (not \"{}\") to str",
                right.type_name()
            )));
        }
        (Binary::Mul, Value::Str(_) | Value::List(_) | Value::Tuple(_), count)
        | (Binary::Mul, count, Value::Str(_) | Value::List(_) | Value::Tuple(_)) => {
            if let Some(count) = count.as_index() {
                let repeated = if left.as_index().is_some() {
                    right
                } else {
                    left
                };
                return repeat(repeated, count);
            }
        }
        (Binary::Rem, Value::Str(template), _) => return Ok(Value::str(percent(template, right)?)),
        (Binary::Sub, Value::Sequence(a), Value::Sequence(b)) if a.kind == SequenceKind::Set => {
            let mut left = Vec::new();
            for item in &a.items {
                if !contains_item(&b.items, item)? {
                    left.push(item.clone());
                }
            }
            return Ok(Value::sequence(SequenceKind::Set, left));
        }
        _ => {}
    }
    if let (Some(a), Some(b)) = (left.as_index(), right.as_index()) {
        return integers(operator, a, b);
    }
    match (left.as_number(), right.as_number()) {
        (Some(a), Some(b)) => floats(operator, a, b),
        _ => Err(Fault::value(format!(
            "unsupported operand type(s) for {}: '{}' and '{}'",
            symbol(operator),
            left.type_name(),
            right.type_name()
        ))),
    }
}

fn symbol(operator: Binary) -> &'static str {
    match operator {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::FloorDiv => "//",
        Binary::Rem => "%",
        Binary::Pow => "** or pow()",
    }
}

pub(crate) fn check_length(bytes: usize) -> Result<()> {
    if bytes > TEXT_BYTES_MAX {
        return Err(Fault::limit("the length of a text"));
    }
    Ok(())
}

pub(crate) fn check_items(count: usize) -> Result<()> {
    if count > ITEMS_MAX {
        return Err(Fault::limit("the length of a list"));
    }
    Ok(())
}

fn repeat(value: &Value, count: i128) -> Result<Value> {
    let length = value
        .as_str()
        .map_or_else(|| value.length(), |text| Ok(text.len()))?;
    let count = match length {
        // The limits are on what comes out: without them, nothing would be taken any number of times.
        0 => 0,
        _ => usize::try_from(count.max(0)).unwrap_or(usize::MAX),
    };
    match value {
        Value::Str(_) => check_length(length.saturating_mul(count))?,
        _ => check_items(length.saturating_mul(count))?,
    }
    let times = |items: &[Value]| {
        let mut repeated = Vec::with_capacity(items.len() * count);
        for _ in 0..count {
            repeated.extend_from_slice(items);
        }
        repeated
    };
    Ok(match value {
        Value::Str(text) => Value::str(text.repeat(count)),
        Value::List(list) => Value::list(times(&list.0.borrow())),
        Value::Tuple(list) => Value::tuple(times(&list.0.borrow())),
        other => other.clone(),
    })
}

fn integers(operator: Binary, a: i128, b: i128) -> Result<Value> {
    let zero = || Fault::value("division by zero");
    let result = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Sub => a.checked_sub(b),
        Binary::Mul => a.checked_mul(b),
        Binary::Div if b == 0 => return Err(zero()),
        Binary::Div => return Ok(Value::Float(a as f64 / b as f64)),
        Binary::FloorDiv | Binary::Rem if b == 0 => {
            return Err(Fault::value("integer division or modulo by zero"));
        }
        // Python rounds towards minus infinity, and a remainder has the sign of the divisor.
        Binary::FloorDiv => a.checked_div(b).map(|quotient| {
            if a % b != 0 && (a < 0) != (b < 0) {
                quotient - 1
            } else {
                quotient
            }
        }),
        Binary::Rem => a.checked_rem(b).map(|rest| {
            if rest != 0 && (rest < 0) != (b < 0) {
                rest + b
            } else {
                rest
            }
        }),
        Binary::Pow if b < 0 => return floats(operator, a as f64, b as f64),
        Binary::Pow if b > EXPONENT_MAX && a.unsigned_abs() > 1 => None,
        Binary::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
    };
    result
        .map(Value::Int)
        .ok_or_else(|| Fault::limit("the size of a number"))
}

fn floats(operator: Binary, a: f64, b: f64) -> Result<Value> {
    if b == 0.0 && matches!(operator, Binary::Div | Binary::FloorDiv | Binary::Rem) {
        return Err(Fault::value("float division by zero"));
    }
    Ok(Value::Float(match operator {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::FloorDiv => (a / b).floor(),
        Binary::Rem => {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                rest + b
            } else {
                rest
            }
        }
        Binary::Pow => a.powf(b),
    }))
}

pub(crate) fn negative(value: &Value) -> Result<Value> {
    value.check_defined()?;
    match value {
        Value::Float(number) => Ok(Value::Float(-number)),
        _ => match value.as_index() {
            Some(number) => integers(Binary::Sub, 0, number),
            None => Err(Fault::value(format!(
                "bad operand type for unary -: '{}'",
                value.type_name()
            ))),
        },
    }
}

pub(crate) fn positive(value: &Value) -> Result<Value> {
    value.check_defined()?;
    match (value, value.as_index()) {
        (Value::Float(_), _) => Ok(value.clone()),
        (_, Some(number)) => Ok(Value::Int(number)),
        _ => Err(Fault::value(format!(
            "bad operand type for unary +: '{}'",
            value.type_name()
        ))),
    }
}

pub(crate) fn compare(operator: Comparison, left: &Value, right: &Value) -> Result<bool> {
    if operator == Comparison::In || operator == Comparison::NotIn {
        return Ok(contains(right, left)? == (operator == Comparison::In));
    }
    left.check_defined()?;
    right.check_defined()?;
    match operator {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => equal(left, right).map(|equal| !equal),
        _ => {
            let order = order(left, right).map_err(|fault| {
                if fault.message.is_empty() {
                    Fault::value(format!(
                        "'{}' not supported between instances of '{}' and '{}'",
                        match operator {
                            Comparison::Less => "<",
                            Comparison::LessEqual => "<=",
                            Comparison::Greater => ">",
                            _ => ">=",
                        },
                        left.type_name(),
                        right.type_name()
                    ))
                } else {
                    fault
                }
            })?;
            Ok(order.is_some_and(|order| match operator {
                Comparison::Less => order.is_lt(),
                Comparison::LessEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                _ => order.is_ge(),
            }))
        }
    }
}

/// The order of two values for sorting; values without one are an error.
pub(crate) fn sort_order(left: &Value, right: &Value) -> Result<Ordering> {
    left.check_defined()?;
    right.check_defined()?;
    let order = order(left, right).map_err(|fault| {
        if fault.message.is_empty() {
            Fault::value(format!(
                "'<' not supported between instances of '{}' and '{}'",
                left.type_name(),
                right.type_name()
            ))
        } else {
            fault
        }
    })?;
    Ok(order.unwrap_or(Ordering::Equal))
}

/// None where a NaN is one of them. A fault without words means that the types have no order.
fn order(left: &Value, right: &Value) -> Result<Option<Ordering>> {
    fn go(left: &Value, right: &Value, depth: usize) -> Result<Option<Ordering>> {
        if depth > VALUE_DEPTH_MAX {
            return Err(Fault::limit("the depth of a value"));
        }
        match (left, right) {
            (Value::Str(a), Value::Str(b)) => {
                fuel::spend_text(a)?;
                Ok(Some(a.cmp(b)))
            }
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                let (a, b) = (a.0.borrow(), b.0.borrow());
                for (left, right) in a.iter().zip(b.iter()) {
                    if !equal(left, right)? {
                        return go(left, right, depth + 1);
                    }
                }
                Ok(Some(a.len().cmp(&b.len())))
            }
            _ => match (left.as_index(), right.as_index()) {
                (Some(a), Some(b)) => Ok(Some(a.cmp(&b))),
                _ => match (left.as_number(), right.as_number()) {
                    (Some(a), Some(b)) => Ok(a.partial_cmp(&b)),
                    _ => Err(Fault::value("")),
                },
            },
        }
    }
    go(left, right, 0)
}

pub(crate) fn equal(left: &Value, right: &Value) -> Result<bool> {
    fn go(left: &Value, right: &Value, depth: usize) -> Result<bool> {
        if depth > VALUE_DEPTH_MAX {
            return Err(Fault::limit("the depth of a value"));
        }
        fuel::spend(1)?;
        left.check_defined()?;
        right.check_defined()?;
        let all = |a: &[Value], b: &[Value]| {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !go(a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match (left, right) {
            (Value::None, Value::None) => Ok(true),
            (Value::Str(a), Value::Str(b)) => {
                fuel::spend_text(a)?;
                Ok(a == b)
            }
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                all(&a.0.borrow(), &b.0.borrow())
            }
            (Value::Dict(a), Value::Dict(b)) => {
                let (a, b) = (a.0.borrow(), b.0.borrow());
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (key, value) in a.iter() {
                    match b.get(key) {
                        Some(other) if go(value, other, depth + 1)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            (Value::Sequence(a), Value::Sequence(b)) => {
                Ok(a.kind == b.kind && all(&a.items, &b.items)?)
            }
            _ => match (left.as_index(), right.as_index()) {
                (Some(a), Some(b)) => Ok(a == b),
                _ => Ok(match (left.as_number(), right.as_number()) {
                    (Some(a), Some(b)) => a == b,
                    _ => same(left, right),
                }),
            },
        }
    }
    go(left, right, 0)
}

/// Python's `is`: the same object, not an equal one.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    use std::rc::Rc;
    match (left, right) {
        (Value::None, Value::None) | (Value::Salt, Value::Salt) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) | (Value::Namespace(a), Value::Namespace(b)) => {
            Rc::ptr_eq(a, b)
        }
        (Value::Macro(a), Value::Macro(b)) => Rc::ptr_eq(a, b),
        (Value::Module(a), Value::Module(b)) => Rc::ptr_eq(a, b),
        (Value::Builtin(a), Value::Builtin(b)) => a == b,
        (Value::SaltFunction(a), Value::SaltFunction(b)) => a == b,
        _ => false,
    }
}

pub(crate) fn contains_item(items: &[Value], item: &Value) -> Result<bool> {
    for other in items {
        if equal(item, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `item in container`, for all but the table of functions.
pub(crate) fn contains(container: &Value, item: &Value) -> Result<bool> {
    container.check_defined()?;
    item.check_defined()?;
    match container {
        Value::Str(text) => match item {
            Value::Str(part) => {
                fuel::spend_text(text)?;
                Ok(text.contains(&**part))
            }
            _ => Err(Fault::value(format!(
                "'in <string>' requires string as left operand, not {}",
                item.type_name()
            ))),
        },
        Value::Dict(dict) => Ok(dict.0.borrow().contains_key(&Key::new(item)?)),
        Value::List(list) | Value::Tuple(list) => contains_item(&list.0.borrow(), item),
        Value::Sequence(sequence) => contains_item(&sequence.items, item),
        _ => Err(Fault::value(format!(
            "argument of type '{}' is not iterable",
            container.type_name()
        ))),
    }
}

/// `value[start:stop:step]`.
pub(crate) fn slice(value: &Value, bounds: [Option<i128>; 3]) -> Result<Value> {
    value.check_defined()?;
    let length = value.length()? as i128;
    let step = bounds[2].unwrap_or(1);
    if step == 0 {
        return Err(Fault::value("slice step cannot be zero"));
    }
    // As CPython: bounds are cut to where the walk can begin and end.
    let (low, high) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let bound = |given: Option<i128>, default: i128| {
        given.map_or(default, |at| {
            (if at < 0 {
                at.saturating_add(length)
            } else {
                at
            })
            .clamp(low, high)
        })
    };
    let (start, stop) = if step > 0 {
        (bound(bounds[0], low), bound(bounds[1], high))
    } else {
        (bound(bounds[0], high), bound(bounds[1], low))
    };
    let mut indices = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        indices.extend(position(at, usize::try_from(length).unwrap_or(0)));
        at = at.saturating_add(step);
    }
    let pick = |items: &[Value]| {
        indices
            .iter()
            .map(|at| items[*at].clone())
            .collect::<Vec<_>>()
    };
    Ok(match value {
        Value::Str(text) => {
            let chars: Vec<char> = text.chars().collect();
            Value::str(indices.iter().map(|at| chars[*at]).collect::<String>())
        }
        Value::List(list) => Value::list(pick(&list.0.borrow())),
        Value::Tuple(list) => Value::tuple(pick(&list.0.borrow())),
        Value::Sequence(sequence) if sequence.kind == SequenceKind::Range => {
            Value::sequence(SequenceKind::Range, pick(&sequence.items))
        }
        _ => {
            return Err(Fault::value(format!(
                "'{}' object is not subscriptable",
                value.type_name()
            )));
        }
    })
}
