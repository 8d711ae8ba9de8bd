//! Formats in which data is written to files and read back: YAML, JSON, and what Python's `configparser` writes.

use serde_json::{Map, Value};

use crate::python;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Serializer {
    Yaml,
    Json,
    Configparser,
}

/// Options of a format as trees write them: a map, or a list of maps with one key each.
pub(super) fn options(said: &Value) -> Map<String, Value> {
    match said {
        Value::Object(map) => map.clone(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_object)
            .flat_map(Map::clone)
            .collect(),
        _ => Map::new(),
    }
}

impl Serializer {
    pub(super) fn named(name: &str) -> Option<Serializer> {
        Some(match name {
            "yaml" => Serializer::Yaml,
            "json" => Serializer::Json,
            "configparser" => Serializer::Configparser,
            _ => return None,
        })
    }

    /// Data as text, without a line break at the end. `is_unicode` keeps characters beyond ASCII as they are where the format has another way.
    pub(super) fn write(
        self,
        data: &Value,
        options: &Map<String, Value>,
        is_unicode: bool,
    ) -> Result<String, String> {
        match self {
            Serializer::Yaml => write_yaml(data, options),
            Serializer::Json => Ok(JsonStyle::read(options, is_unicode)?.text(data)),
            Serializer::Configparser => write_ini(data, options),
        }
    }

    /// Data from text.
    pub(super) fn read(self, text: &str, options: &Map<String, Value>) -> Result<Value, String> {
        if let Some(option) = options.keys().next() {
            return Err(format!("the option '{option}' is not served"));
        }
        match self {
            Serializer::Yaml => yaml::parse(text).map_err(|error| error.to_string()),
            Serializer::Json => serde_json::from_str(text).map_err(|error| error.to_string()),
            Serializer::Configparser => read_ini(text),
        }
    }
}

fn write_yaml(data: &Value, options: &Map<String, Value>) -> Result<String, String> {
    let mut is_flow = false;
    let mut head = "";
    for (name, value) in options {
        match name.as_str() {
            "default_flow_style" => is_flow = python::truthy(value),
            "explicit_start" if python::truthy(value) => head = "---\n",
            // What is written anyway.
            "explicit_start" | "allow_unicode" => {}
            "sort_keys" if python::truthy(value) => {}
            other => {
                return Err(format!(
                    "the option '{other}' of the yaml serializer is not served"
                ));
            }
        }
    }
    let text = if is_flow {
        yaml::emit_flow(data)
    } else {
        yaml::emit(data)
    };
    let text = text.strip_suffix("\n...\n").unwrap_or(&text);
    Ok(format!("{head}{}", text.strip_suffix('\n').unwrap_or(text)))
}

/// How JSON is written: the parameters of Python's `json.dumps`.
struct JsonStyle {
    indent: Option<String>,
    separators: (String, String),
    sorts_keys: bool,
    is_ascii: bool,
}

impl JsonStyle {
    fn read(options: &Map<String, Value>, is_unicode: bool) -> Result<JsonStyle, String> {
        let mut style = JsonStyle {
            indent: Some("  ".to_owned()),
            separators: (",".to_owned(), ": ".to_owned()),
            sorts_keys: true,
            is_ascii: false,
        };
        for (name, value) in options {
            match (name.as_str(), value) {
                ("indent", Value::Null) => style.indent = None,
                ("indent", Value::String(text)) => style.indent = Some(text.clone()),
                ("indent", value) => {
                    let width = value.as_u64().and_then(|width| usize::try_from(width).ok());
                    let width = width.filter(|width| *width <= 80);
                    let width = width.ok_or_else(|| format!("{value} is no width to indent by"))?;
                    style.indent = Some(" ".repeat(width));
                }
                ("separators", Value::Array(parts)) if parts.len() == 2 => {
                    style.separators = (python::text(&parts[0]), python::text(&parts[1]));
                }
                ("sort_keys", value) => style.sorts_keys = python::truthy(value),
                ("ensure_ascii", value) => style.is_ascii = python::truthy(value) && !is_unicode,
                (other, _) => {
                    return Err(format!(
                        "the option '{other}' of the json serializer is not served"
                    ));
                }
            }
        }
        Ok(style)
    }

    fn text(&self, data: &Value) -> String {
        let mut out = String::new();
        self.put(data, 0, &mut out);
        out
    }

    fn put(&self, data: &Value, depth: usize, out: &mut String) {
        match data {
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.begin_item(index, depth, out);
                    self.put(item, depth + 1, out);
                }
                self.end(']', items.is_empty(), depth, out);
            }
            Value::Object(map) => {
                out.push('{');
                let mut entries: Vec<(&String, &Value)> = map.iter().collect();
                if self.sorts_keys {
                    entries.sort_by_key(|(key, _)| *key);
                }
                for (index, (key, value)) in entries.into_iter().enumerate() {
                    self.begin_item(index, depth, out);
                    self.put_text(key, out);
                    out.push_str(&self.separators.1);
                    self.put(value, depth + 1, out);
                }
                self.end('}', map.is_empty(), depth, out);
            }
            Value::String(text) => self.put_text(text, out),
            Value::Number(number) if number.is_f64() => out.push_str(&python::repr(data)),
            scalar => out.push_str(&scalar.to_string()),
        }
    }

    fn begin_item(&self, index: usize, depth: usize, out: &mut String) {
        if index > 0 {
            out.push_str(&self.separators.0);
        }
        self.break_line(depth + 1, out);
    }

    fn end(&self, bracket: char, is_empty: bool, depth: usize, out: &mut String) {
        if !is_empty {
            self.break_line(depth, out);
        }
        out.push(bracket);
    }

    fn break_line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    }

    fn put_text(&self, text: &str, out: &mut String) {
        let quoted = Value::String(text.to_owned()).to_string();
        for c in quoted.chars() {
            if self.is_ascii && !c.is_ascii() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                out.push(c);
            }
        }
    }
}

/// The section whose values all others have too.
const DEFAULT_SECTION: &str = "DEFAULT";

fn write_ini(data: &Value, options: &Map<String, Value>) -> Result<String, String> {
    let mut allows_no_value = false;
    for (name, value) in options {
        match name.as_str() {
            "allow_no_value" => allows_no_value = python::truthy(value),
            other => {
                return Err(format!(
                    "the option '{other}' of the configparser serializer is not served"
                ));
            }
        }
    }
    let Value::Object(sections) = data else {
        let kind = python::type_name(data);
        return Err(format!(
            "configparser can only serialize dictionaries, not {kind}"
        ));
    };
    let mut out = String::new();
    let is_default = |name: &str| name == DEFAULT_SECTION;
    let (first, rest): (Vec<_>, Vec<_>) = sections.iter().partition(|(name, _)| is_default(name));
    for (name, keys) in first.into_iter().chain(rest) {
        let keys = keys
            .as_object()
            .ok_or_else(|| format!("section '{name}' holds no keys"))?;
        if is_default(name) && keys.is_empty() {
            continue;
        }
        out += &format!("[{name}]\n");
        // Names differ by more than case, and the last of several wins.
        let mut lines: Map<String, Value> = Map::new();
        for (key, value) in keys {
            lines.insert(key.to_lowercase(), value.clone());
        }
        for (key, value) in lines {
            if value.is_null() && allows_no_value {
                out += &format!("{key}\n");
                continue;
            }
            if value.is_null() {
                return Err("option values must be strings".to_owned());
            }
            let text = python::text(&value);
            check_interpolation(&text)?;
            out += &format!("{key} = {}\n", text.replace('\n', "\n\t"));
        }
        out.push('\n');
    }
    Ok(out)
}

/// A `%` begins `%%` or `%(name)s`.
fn check_interpolation(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        rest = if let Some(after) = after.strip_prefix('%') {
            after
        } else if let Some((_, after)) = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(")s"))
        {
            after
        } else {
            let at = text.len() - after.len() - 1;
            return Err(format!(
                "invalid interpolation syntax in '{text}' at position {at}"
            ));
        };
    }
    Ok(())
}

fn read_ini(text: &str) -> Result<Value, String> {
    let mut sections: Map<String, Value> = Map::new();
    let mut section = None;
    let mut last: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let is_continued = line.starts_with([' ', '\t']);
        if let (true, Some(name), Some(key)) = (is_continued, &section, &last) {
            let value = sections
                .get_mut(name)
                .and_then(|section: &mut Value| section.get_mut(key));
            if let Some(Value::String(value)) = value {
                value.push('\n');
                value.push_str(trimmed);
            }
            continue;
        }
        if let Some(name) = trimmed
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            let name = name.0.to_owned();
            sections
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            (section, last) = (Some(name), None);
            continue;
        }
        let Some((key, value)) = trimmed.split_once(['=', ':']) else {
            return Err(format!("line {} is no option: {trimmed}", number + 1));
        };
        let Some(Value::Object(keys)) = section.as_ref().and_then(|name| sections.get_mut(name))
        else {
            return Err(format!("line {} stands before any section", number + 1));
        };
        if value.contains("%(") {
            return Err(format!(
                "line {} refers to another option, which is not served",
                number + 1
            ));
        }
        let key = key.trim().to_lowercase();
        keys.insert(key.clone(), Value::String(value.trim().replace("%%", "%")));
        last = Some(key);
    }
    // The values of the default section are those of every other one as well.
    if let Some(Value::Object(defaults)) = sections.shift_remove(DEFAULT_SECTION) {
        for keys in sections.values_mut().filter_map(Value::as_object_mut) {
            for (key, value) in &defaults {
                keys.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    Ok(Value::Object(sections))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_written_as_python_does() {
        let data = json!({"b": [], "a": {"é": 1.0}, "c": [1, null]});
        let check = |options: Value, expected: &str| {
            let options = super::options(&options);
            assert_eq!(
                Serializer::Json.write(&data, &options, false).unwrap(),
                expected
            );
        };
        check(
            Value::Null,
            "{\n  \"a\": {\n    \"é\": 1.0\n  },\n  \"b\": [],\n  \"c\": [\n    1,\n    null\n  ]\n}",
        );
        check(
            json!([{"indent": null}, {"ensure_ascii": true}, {"sort_keys": false}]),
            "{\"b\": [],\"a\": {\"\\u00e9\": 1.0},\"c\": [1,null]}",
        );
        let unknown = super::options(&json!({"skipkeys": true}));
        assert!(Serializer::Json.write(&data, &unknown, false).is_err());
    }

    #[test]
    fn sections_are_written_and_read() {
        let data = json!({"A": {"Key": "x\ny", "n": 1}, "DEFAULT": {"d": true}});
        let text = Serializer::Configparser
            .write(&data, &Map::new(), false)
            .unwrap();
        assert_eq!(text, "[DEFAULT]\nd = True\n\n[A]\nkey = x\n\ty\nn = 1\n\n");
        let found = Serializer::Configparser.read(&text, &Map::new()).unwrap();
        assert_eq!(found, json!({"A": {"key": "x\ny", "n": "1", "d": "True"}}));
        let percent = |text: &str| write_ini(&json!({"a": {"b": text}}), &Map::new()).is_ok();
        assert!(percent("50%%") && percent("%(x)s") && !percent("50%"));
        assert!(write_ini(&json!([]), &Map::new()).is_err());
    }
}
