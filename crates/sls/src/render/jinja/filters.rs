//! Jinja's and Salt's filters.

mod choices;
mod data;
mod entries;
mod foreign;
mod names;
mod nested;
mod network;
mod pretty;
mod sequences;
mod sets;
mod sizes;
mod texts;

use super::arguments::{Args, flag};
use super::fault::{Fault, Result};
use super::fuel;
use super::machine::{Frame, Machine};
use super::value::Value;

/// Filters that an undefined value goes into: `default` for its purpose, the others for they only look at the type.
const TAKE_UNDEFINED: &[&str] = &["default", "d", "is_list", "items", "skip"];

type Apply = fn(&str, &Value, Args) -> Result<Value>;

/// Filters that need nothing but their value and their arguments.
const PURE: &[(&[&str], Apply)] = &[
    (choices::NAMES, choices::apply),
    (data::NAMES, data::apply),
    (entries::NAMES, entries::apply),
    (names::NAMES, names::apply),
    (nested::NAMES, nested::apply),
    (network::NAMES, network::apply),
    (pretty::NAMES, pretty::apply),
    (sizes::NAMES, sizes::apply),
    (texts::NAMES, texts::apply),
];

pub(super) fn apply(
    machine: &mut Machine<'_>,
    frame: &Frame,
    name: &str,
    value: Value,
    args: Args,
) -> Result<Value> {
    if !TAKE_UNDEFINED.contains(&name) {
        value.check_defined()?;
    }
    if let Value::Str(text) = &value {
        fuel::spend_text(text)?;
    }
    match name {
        "default" | "d" => {
            let [default, boolean] = args.bind(name, ["default_value", "boolean"])?;
            let is_missing = value.is_undefined() || (flag(boolean, false)? && !value.truth()?);
            Ok(if is_missing {
                default.unwrap_or_else(|| Value::str(""))
            } else {
                value
            })
        }
        "skip" => {
            args.none(name)?;
            Ok(Value::str(""))
        }
        "safe" | "to_bytes" => {
            args.none(name)?;
            Ok(value)
        }
        "attr" => {
            let attribute = super::arguments::text(&args.one(name, "name")?, name)?;
            machine.attribute(&value, &attribute)
        }
        "method_call" => {
            let mut args = args;
            if args.positional.is_empty() {
                return Err(Fault::value(
                    "method_call() missing 1 required positional argument: 'f_name'",
                ));
            }
            let method = super::arguments::text(&args.positional.remove(0), name)?;
            match machine.attribute(&value, &method)? {
                Value::Undefined(_) => Ok(Value::None),
                method => machine.call(frame, &method, args),
            }
        }
        _ if sequences::NAMES.contains(&name) => {
            sequences::apply(machine, frame, name, &value, args)
        }
        _ if foreign::exists(name) => foreign::apply(machine, name, &value, args),
        _ => match PURE.iter().find(|(names, _)| names.contains(&name)) {
            Some((_, apply)) => apply(name, &value, args),
            None => Err(Fault::syntax(format!("No filter named '{name}'."))),
        },
    }
}

/// Whether there is a filter of a name.
pub(super) fn exists(name: &str) -> bool {
    [
        "default",
        "d",
        "skip",
        "safe",
        "to_bytes",
        "attr",
        "method_call",
    ]
    .contains(&name)
        || sequences::NAMES.contains(&name)
        || foreign::exists(name)
        || PURE.iter().any(|(names, _)| names.contains(&name))
}
