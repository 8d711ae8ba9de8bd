//! Jinja's and Salt's tests: what follows `is`.

use super::arguments::{Args, flag, integer, required, text};
use super::fault::{Fault, Result};
use super::operators::{compare, contains, same};
use super::patterns::pattern;
use super::syntax::Comparison;
use super::value::{SequenceKind, Value};

pub(super) fn check(name: &str, value: &Value, args: Args) -> Result<bool> {
    let comparison = match name {
        "eq" | "equalto" | "==" => Some(Comparison::Equal),
        "ne" | "!=" => Some(Comparison::NotEqual),
        "lt" | "lessthan" | "<" => Some(Comparison::Less),
        "le" | "<=" => Some(Comparison::LessEqual),
        "gt" | "greaterthan" | ">" => Some(Comparison::Greater),
        "ge" | ">=" => Some(Comparison::GreaterEqual),
        _ => None,
    };
    if let Some(comparison) = comparison {
        return compare(comparison, value, &args.one(name, "other")?);
    }
    match name {
        "sameas" => return Ok(same(value, &args.one(name, "other")?)),
        "in" => return contains(&args.one(name, "seq")?, value),
        "divisibleby" => {
            let divisor = integer(&args.one(name, "num")?, name)?;
            if divisor == 0 {
                return Err(Fault::value("integer modulo by zero"));
            }
            return Ok(integer(value, name)? % divisor == 0);
        }
        "match" => {
            let [regex, ignorecase, multiline] =
                args.bind(name, ["rgx", "ignorecase", "multiline"])?;
            let regex = text(&required(regex, name, "rgx")?, name)?;
            let regex = pattern(
                &format!("\\A(?:{regex})"),
                flag(ignorecase, false)?,
                flag(multiline, false)?,
            )?;
            return regex
                .is_match(&text(value, name)?)
                .map_err(|error| Fault::value(error.to_string()));
        }
        _ => args.none(name)?,
    }
    let is_text = |test: fn(&str) -> bool| super::print::string(value).map(|text| test(&text));
    Ok(match name {
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => matches!(value, Value::Int(_) | Value::Float(_) | Value::Bool(_)),
        "string" => matches!(value, Value::Str(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "list" => matches!(value, Value::List(_)),
        "sequence" => {
            value.check_defined()?;
            match value {
                Value::Str(_) | Value::List(_) | Value::Tuple(_) | Value::Dict(_) => true,
                Value::Sequence(sequence) => sequence.kind == SequenceKind::Range,
                _ => false,
            }
        }
        "iterable" => {
            value.check_defined()?;
            matches!(
                value,
                Value::Str(_)
                    | Value::List(_)
                    | Value::Tuple(_)
                    | Value::Dict(_)
                    | Value::Sequence(_)
                    | Value::Loop(_)
            )
        }
        "callable" => matches!(
            value,
            Value::Method(_)
                | Value::Builtin(_)
                | Value::Macro(_)
                | Value::SaltFunction(_)
                | Value::Joiner(_)
                | Value::Block(_)
                | Value::Loop(_)
        ),
        "odd" => integer(value, name)?.rem_euclid(2) == 1,
        "even" => integer(value, name)?.rem_euclid(2) == 0,
        "lower" => is_text(|text| {
            text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
        })?,
        "upper" => is_text(|text| {
            text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
        })?,
        "escaped" => false,
        "filter" => super::filters::exists(&text(value, name)?),
        "test" => exists(&text(value, name)?),
        _ => return Err(Fault::syntax(format!("No test named '{name}'."))),
    })
}

/// Whether there is a test of a name.
fn exists(name: &str) -> bool {
    match check(name, &Value::None, Args::default()) {
        Err(fault) => !fault.message.starts_with("No test named"),
        Ok(_) => true,
    }
}
