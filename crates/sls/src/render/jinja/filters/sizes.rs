//! Filters between numbers of bytes and what people write.

use super::super::arguments::{Args, flag, optional_text};
use super::super::fault::{Fault, Result};
use super::super::print::string;
use super::super::value::Value;

pub(super) const NAMES: &[&str] = &["filesizeformat", "human_to_bytes"];

/// What stands for the powers of a thousand, with bytes first.
const PREFIXES: &str = "bkmgtpezy";

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    if name == "filesizeformat" {
        let [binary] = args.bind(name, ["binary"])?;
        return written(value, flag(binary, false)?);
    }
    let [unit, metric] = args.bind(name, ["default_unit", "handle_metric"])?;
    let unit = optional_text(unit, name)?.unwrap_or_else(|| "B".into());
    let text = string(value)?;
    let size = bytes(text.trim(), &unit.to_lowercase(), flag(metric, false)?);
    Ok(size.unwrap_or(Value::Int(0)))
}

/// The bytes of `2G`, `30MB` or `64KiB`; none for what is no size. `is_metric`: those with `B` alone count by thousands.
fn bytes(text: &str, default_unit: &str, is_metric: bool) -> Option<Value> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim_start().to_lowercase();
    let unit = if unit.is_empty() { default_unit } else { &unit };
    let prefix = unit.chars().next()?;
    let power = PREFIXES.find(prefix)?;
    let is_short = power > 0 && unit.len() == 2 && unit.ends_with('b');
    let is_plain = unit.len() == 1 || power > 0 && unit.get(1..) == Some("ib");
    if !is_short && !is_plain {
        return None;
    }
    let power = i32::try_from(power).ok()?;
    let factor = if is_short && is_metric {
        10_f64.powi(power * 3)
    } else {
        2_f64.powi(power * 10)
    };
    if let Ok(number) = number.parse::<i128>() {
        // Every factor is a whole number that a float holds.
        return number.checked_mul(factor as i128).map(Value::Int);
    }
    let number: f64 = number.parse().ok()?;
    Some(Value::Int((number * factor) as i128))
}

/// `13 kB`, or `12.7 KiB` where `is_binary`.
fn written(value: &Value, is_binary: bool) -> Result<Value> {
    let bytes = match value {
        Value::Str(text) => text.trim().parse().ok(),
        other => other.as_number(),
    };
    let Some(bytes) = bytes else {
        let text = super::super::print::repr(value)?;
        return Err(Fault::value(format!(
            "could not convert string to float: {text}"
        )));
    };
    let base: f64 = if is_binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return Ok(Value::str("1 Byte"));
    }
    if bytes < base {
        return Ok(Value::str(format!("{} Bytes", bytes as i128)));
    }
    let mut unit = base;
    let mut prefix = 'k';
    for next in "kMGTPEZY".chars() {
        prefix = next;
        unit *= base;
        if bytes < unit {
            break;
        }
    }
    let number = base * bytes / unit;
    Ok(Value::str(if is_binary {
        format!("{number:.1} {}iB", prefix.to_ascii_uppercase())
    } else {
        format!("{number:.1} {prefix}B")
    }))
}
