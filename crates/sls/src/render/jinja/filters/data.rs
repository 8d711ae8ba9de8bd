//! Filters between values and YAML, JSON and text.

use serde_json::Value as Json;

use super::super::arguments::{Args, flag, integer, required};
use super::super::convert::{from_json, to_json};
use super::super::fault::{Fault, Kind, Result};
use super::super::operators::check_length;
use super::super::print::{float, repr, string};
use super::super::value::{Map, Value};
use crate::render::error::excerpt;
use crate::render::limits::{TEXT_BYTES_MAX, VALUE_DEPTH_MAX};

pub(super) const NAMES: &[&str] = &[
    "dict_to_sls_yaml_params",
    "json",
    "load_json",
    "load_text",
    "load_yaml",
    "tojson",
    "traverse",
    "yaml",
    "yaml_dquote",
    "yaml_encode",
    "yaml_squote",
];

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    match name {
        "yaml" => {
            let [flow] = args.bind(name, ["flow_style"])?;
            let json = to_json(value)?;
            // What is no collection is written alike in both.
            let is_flow = flag(flow, true)? && (json.is_object() || json.is_array());
            let text = if is_flow {
                yaml::emit_flow(&json)
            } else {
                yaml::emit(&json)
            };
            let text = text.trim();
            Ok(Value::str(text.strip_suffix("\n...").unwrap_or(text)))
        }
        "json" => {
            let [sort_keys, indent] = args.bind(name, ["sort_keys", "indent"])?;
            let style = Style {
                sort_keys: flag(sort_keys, true)?,
                indent: indentation(indent, name)?,
                is_ascii: false,
            };
            dumps(value, &style).map(Value::str)
        }
        "tojson" => {
            let [indent, ascii, sort_keys] =
                args.bind(name, ["indent", "ensure_ascii", "sort_keys"])?;
            let style = Style {
                sort_keys: flag(sort_keys, false)?,
                indent: indentation(indent, name)?,
                is_ascii: flag(ascii, true)?,
            };
            let text = dumps(value, &style)?;
            let escaped = text
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
                .replace('\'', "\\u0027");
            Ok(Value::str(escaped))
        }
        "traverse" => {
            let [key, default, delimiter] = args.bind(name, ["key", "default", "delimiter"])?;
            let delimiter = match delimiter {
                Some(delimiter) => string(&delimiter)?,
                None => ":".to_owned(),
            };
            let path = match required(key, name, "key")? {
                Value::Str(key) => key.split(&delimiter).map(Value::str).collect(),
                list @ (Value::List(_) | Value::Tuple(_)) => list.iterate()?,
                one => vec![one],
            };
            Ok(traverse(value, &path)?.unwrap_or_else(|| default.unwrap_or(Value::None)))
        }
        _ => {
            args.none(name)?;
            match name {
                "load_yaml" => load_yaml(value),
                "load_json" => {
                    let text = source(value, "json")?;
                    let json: Json = serde_json::from_str(&text).map_err(|_| {
                        Fault::new(Kind::Syntax, format!("Unable to load json from {text}"))
                    })?;
                    Ok(from_json(&json))
                }
                "load_text" => Ok(match value {
                    Value::Module(module) => Value::Str(module.text.clone()),
                    other => other.clone(),
                }),
                "yaml_dquote" => Ok(Value::str(yaml::double_quoted(&string(value)?, true))),
                "yaml_squote" => Ok(Value::str(format!(
                    "'{}'",
                    string(value)?.replace('\'', "''")
                ))),
                "yaml_encode" => yaml_encode(value),
                _ => params(value),
            }
        }
    }
}

fn source(value: &Value, language: &str) -> Result<String> {
    match value {
        Value::Str(text) => Ok(text.to_string()),
        Value::Module(module) => Ok(module.text.to_string()),
        _ if language == "yaml" => Err(Fault::value("a string or stream input is required")),
        other => Err(Fault::new(
            Kind::Syntax,
            format!("Unable to load {language} from {}", repr(other)?),
        )),
    }
}

fn load_yaml(value: &Value) -> Result<Value> {
    let text = source(value, "yaml")?;
    match yaml::parse(&text) {
        Ok(json) => Ok(from_json(&json)),
        Err(error) => Err(Fault::new(
            Kind::Syntax,
            format!(
                "Encountered error loading yaml: {}\n{}",
                error.message,
                excerpt(&text, error.line)
            ),
        )),
    }
}

fn yaml_encode(value: &Value) -> Result<Value> {
    Ok(Value::str(match value {
        Value::Str(text) => yaml::double_quoted(text, true),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let text = yaml::emit(&to_json(value)?);
            text.trim_end().trim_end_matches("\n...").to_owned()
        }
        other => {
            return Err(Fault::value(format!(
                "yaml_encode() only works with YAML scalar data; failed for <class '{}'>",
                other.type_name()
            )));
        }
    }))
}

/// The parameters of a state, from a map, as the list that SLS files have.
fn params(value: &Value) -> Result<Value> {
    let Json::Object(entries) = to_json(value)? else {
        return Err(Fault::value(format!(
            "'{}' object has no attribute 'items'",
            value.type_name()
        )));
    };
    let list = entries
        .into_iter()
        .map(|entry| Json::Object([entry].into_iter().collect()))
        .collect();
    Ok(Value::str(yaml::emit(&Json::Array(list)).trim()))
}

fn traverse(value: &Value, path: &[Value]) -> Result<Option<Value>> {
    let mut value = value.clone();
    for key in path {
        let entry = |container: &Value, key: &Value| -> Result<Option<Value>> {
            match container {
                Value::Dict(dict) => Ok(dict
                    .0
                    .borrow()
                    .get(&super::super::value::Key::new(key)?)
                    .cloned()),
                _ => Ok(None),
            }
        };
        let index = match key {
            Value::Str(text) => text.trim().parse::<i128>().ok(),
            other => other.as_index(),
        };
        let found = match &value {
            Value::List(list) => {
                let items = list.0.borrow().clone();
                let wanted = index.map_or_else(|| key.clone(), Value::Int);
                let mut found = None;
                for item in &items {
                    found = entry(item, &wanted)?;
                    if found.is_some() {
                        break;
                    }
                }
                let by_index =
                    index.and_then(|index| super::super::value::position(index, items.len()));
                found.or_else(|| by_index.map(|at| items[at].clone()))
            }
            Value::Dict(_) => match (entry(&value, key)?, index) {
                (Some(found), _) => Some(found),
                (None, Some(index)) => entry(&value, &Value::Int(index))?,
                (None, None) => None,
            },
            Value::Str(text) => index.and_then(|index| super::super::strings::char_at(text, index)),
            _ => None,
        };
        match found {
            Some(found) => value = found,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

struct Style {
    sort_keys: bool,
    indent: Option<String>,
    is_ascii: bool,
}

fn indentation(indent: Option<Value>, name: &str) -> Result<Option<String>> {
    match indent {
        None | Some(Value::None) => Ok(None),
        Some(Value::Str(indent)) => Ok(Some(indent.to_string())),
        Some(indent) => {
            let width = usize::try_from(integer(&indent, name)?).unwrap_or(0);
            check_length(width)?;
            Ok(Some(" ".repeat(width)))
        }
    }
}

/// `json.dumps`.
fn dumps(value: &Value, style: &Style) -> Result<String> {
    let mut out = String::new();
    dump(value, style, 0, &mut out)?;
    Ok(out)
}

fn dump(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<()> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Fault::limit("the depth of a value"));
    }
    check_length(out.len())?;
    super::super::fuel::spend(1)?;
    let list = |items: &[Value], out: &mut String| -> Result<()> {
        out.push('[');
        for (index, item) in items.iter().enumerate() {
            separate(index, depth + 1, style, out);
            dump(item, style, depth + 1, out)?;
        }
        close(']', items.is_empty(), depth, style, out);
        Ok(())
    };
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&json_float(*number)),
        Value::Str(text) => json_string(text, style.is_ascii, out),
        Value::List(items) | Value::Tuple(items) => list(&items.0.borrow(), out)?,
        Value::Dict(dict) => {
            let map = dict.0.borrow();
            out.push('{');
            for (index, (key, value)) in entries(&map, style)?.into_iter().enumerate() {
                separate(index, depth + 1, style, out);
                json_string(&key, style.is_ascii, out);
                out.push_str(": ");
                dump(&value, style, depth + 1, out)?;
            }
            close('}', map.is_empty(), depth, style, out);
        }
        _ => {
            value.check_defined()?;
            return Err(Fault::value(format!(
                "Object of type {} is not JSON serializable",
                value.type_name()
            )));
        }
    }
    Ok(())
}

fn entries(map: &Map, style: &Style) -> Result<Vec<(String, Value)>> {
    let mut entries = Vec::new();
    for (key, value) in map {
        let key = match key.value() {
            Value::Str(text) => text.to_string(),
            Value::None => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => json_float(*number),
            other => {
                return Err(Fault::value(format!(
                    "keys must be str, int, float, bool or None, not {}",
                    other.type_name()
                )));
            }
        };
        entries.push((key, value.clone()));
    }
    if style.sort_keys {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(entries)
}

fn json_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        }
    } else {
        float(number)
    }
}

fn separate(index: usize, depth: usize, style: &Style, out: &mut String) {
    match &style.indent {
        Some(indent) => {
            out.push_str(if index > 0 { ",\n" } else { "\n" });
            (0..depth).for_each(|_| out.push_str(indent));
        }
        None if index > 0 => out.push_str(", "),
        None => {}
    }
}

fn close(bracket: char, is_empty: bool, depth: usize, style: &Style, out: &mut String) {
    if let (Some(indent), false) = (&style.indent, is_empty) {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str(indent));
    }
    out.push(bracket);
}

fn json_string(text: &str, is_ascii: bool, out: &mut String) {
    debug_assert!(text.len() <= TEXT_BYTES_MAX);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            _ if c < ' ' || (is_ascii && c > '~') => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
