//! Filters on names: their cases, the identifiers that follow from them, and the lists that they are on.

use sha1::{Digest, Sha1};
use targeting::Glob;

use super::super::arguments::{Args, flag, text};
use super::super::fault::{Fault, Result};
use super::super::patterns::pattern;
use super::super::print::string;
use super::super::strings::capitalize;
use super::super::value::Value;
use super::texts::bytes;

pub(super) const NAMES: &[&str] = &[
    "check_whitelist_blacklist",
    "to_camelcase",
    "to_snake_case",
    "uuid",
];

/// The name space of Salt's identifiers.
const SALT: u128 = 0x9163_3EBF_1C86_5E33_935A_2806_1F4B_480E;

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    match name {
        "check_whitelist_blacklist" => {
            let [white, black] = args.bind(name, ["whitelist", "blacklist"])?;
            let (white, black) = (patterns(white, "whitelist")?, patterns(black, "blacklist")?);
            let own = value.as_str();
            let is_on = |list: &[Value]| -> Result<bool> {
                for expression in list {
                    let (Some(own), Some(expression)) = (own, expression.as_str()) else {
                        continue;
                    };
                    if is_match(own, expression)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            };
            Ok(Value::Bool(
                !is_on(&black)? && (white.is_empty() || is_on(&white)?),
            ))
        }
        "to_camelcase" => {
            let [upper] = args.bind(name, ["uppercamel"])?;
            let own = text(value, name)?;
            let mut words = own.split('_');
            let first = words.next().unwrap_or_default();
            let mut camel = if flag(upper, false)? {
                capitalize(first)
            } else {
                first.to_owned()
            };
            words.for_each(|word| camel.push_str(&capitalize(word)));
            Ok(Value::str(camel))
        }
        "to_snake_case" => {
            args.none(name)?;
            Ok(Value::str(snake(&text(value, name)?)?))
        }
        _ => {
            args.none(name)?;
            Ok(Value::str(uuid(&bytes(value)?)))
        }
    }
}

/// One pattern, or several; what is empty is none.
fn patterns(list: Option<Value>, what: &str) -> Result<Vec<Value>> {
    match list {
        None => Ok(Vec::new()),
        Some(list) if !list.truth()? => Ok(Vec::new()),
        Some(one @ Value::Str(_)) => Ok(vec![one]),
        Some(list) => list.iterate().map_err(|_| {
            let kind = list.type_name();
            let shown = string(&list).unwrap_or_default();
            Fault::value(format!(
                "Expecting iterable {what}, but got {kind} ({shown})"
            ))
        }),
    }
}

/// Whether a name is matched as by a shell, or as a whole by a regular expression.
fn is_match(name: &str, expression: &str) -> Result<bool> {
    if Glob::new(expression).matches(name) {
        return Ok(true);
    }
    // What is no expression matches nothing.
    let Ok(regex) = pattern(&format!(r"\A{expression}\Z"), false, false) else {
        return Ok(false);
    };
    regex
        .is_match(name)
        .map_err(|error| Fault::value(error.to_string()))
}

fn snake(camel: &str) -> Result<String> {
    let chars: Vec<char> = camel.chars().collect();
    let Some(first) = chars.first() else {
        return Err(Fault::value("string index out of range"));
    };
    let mut snake: String = first.to_lowercase().collect();
    for (at, c) in chars.iter().enumerate().skip(1) {
        if c.is_uppercase() {
            let ends_word = chars[at - 1].is_lowercase();
            let starts_word = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
            if ends_word || starts_word {
                snake.push('_');
            }
        }
        snake.extend(c.to_lowercase());
    }
    Ok(snake)
}

/// The identifier of version 5 that follows from a name.
fn uuid(name: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(SALT.to_be_bytes());
    hash.update(name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0F | 0x50;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}
