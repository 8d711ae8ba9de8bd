//! Values as texts and back, under the names of Salt's serializers.

use serde_json::{Map, Value};

use crate::json::{JsonStyle, json};
use crate::python;

/// Widest indentation of JSON, in columns.
const INDENT_MAX: u64 = 64;

/// A form of text for values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serializer {
    /// JSON as Python writes it.
    Json,
    /// YAML; maps and lists without maps and lists in them stand between brackets.
    Yaml,
}

/// Why a value could not be written or a text not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerializerError {
    /// There is no such serializer here.
    #[error("Serializer '{0}' not found. Those that are known: json, yaml")]
    Unknown(String),
    /// An option that is not known, or has a value that makes no sense.
    #[error("the serializer takes no option '{0}' of this value")]
    Option(String),
    /// The text is not what it should be.
    #[error("{0}")]
    Malformed(String),
}

impl Serializer {
    /// The serializer of this name.
    pub fn named(name: &str) -> Result<Serializer, SerializerError> {
        match name {
            "json" => Ok(Serializer::Json),
            "yaml" => Ok(Serializer::Yaml),
            _ => Err(SerializerError::Unknown(name.to_owned())),
        }
    }

    /// The text of a value. Options: `indent`, `sort_keys` and `ensure_ascii` for JSON; for YAML `default_flow_style`, and
    /// `allow_unicode` and `sort_keys` where they are true, as it always is.
    pub fn serialize(
        self,
        value: &Value,
        options: &Map<String, Value>,
    ) -> Result<String, SerializerError> {
        let mut style = JsonStyle::default();
        let mut flow = Value::Null;
        for (name, option) in options {
            let wrong = || SerializerError::Option(name.clone());
            match (self, name.as_str()) {
                (Serializer::Json, "indent") => {
                    style.indent = match option {
                        Value::Null => None,
                        number => {
                            let columns = number.as_u64().filter(|columns| *columns <= INDENT_MAX);
                            Some(
                                columns
                                    .and_then(|columns| usize::try_from(columns).ok())
                                    .ok_or_else(wrong)?,
                            )
                        }
                    };
                }
                (Serializer::Json, "sort_keys") => style.sort_keys = python::truthy(option),
                (Serializer::Json, "ensure_ascii") => style.is_ascii = python::truthy(option),
                (Serializer::Yaml, "default_flow_style") => flow = option.clone(),
                (Serializer::Yaml, "allow_unicode" | "sort_keys") if python::truthy(option) => {}
                _ => return Err(wrong()),
            }
        }
        Ok(match self {
            Serializer::Json => json(value, &style),
            Serializer::Yaml => {
                let text = match &flow {
                    Value::Null => yaml::emit_leaves_flow(value),
                    flow if python::truthy(flow) => yaml::emit_flow(value),
                    _ => yaml::emit(value),
                };
                let text = text.strip_suffix("\n...\n").unwrap_or(&text);
                text.strip_suffix('\n').unwrap_or(text).to_owned()
            }
        })
    }

    /// The value of a text.
    pub fn deserialize(self, text: &str) -> Result<Value, SerializerError> {
        match self {
            Serializer::Json => serde_json::from_str(text)
                .map_err(|error| SerializerError::Malformed(error.to_string())),
            Serializer::Yaml => {
                yaml::parse(text).map_err(|error| SerializerError::Malformed(error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_and_read() {
        let tree = json!({"b": {"c": [1, "x"]}, "a": true});
        let check = |name: &str, options: Value, expected: &str| {
            let text = Serializer::named(name)
                .unwrap()
                .serialize(&tree, options.as_object().unwrap());
            assert_eq!(text.as_deref(), Ok(expected), "{name} {options}");
        };
        check("json", json!({}), r#"{"b": {"c": [1, "x"]}, "a": true}"#);
        check(
            "json",
            json!({"sort_keys": true, "indent": 1}),
            "{\n \"a\": true,\n \"b\": {\n  \"c\": [\n   1,\n   \"x\"\n  ]\n }\n}",
        );
        check("yaml", json!({}), "a: true\nb:\n  c: [1, x]");
        check(
            "yaml",
            json!({"default_flow_style": false, "allow_unicode": true, "sort_keys": true}),
            "a: true\nb:\n  c:\n  - 1\n  - x",
        );
        check(
            "yaml",
            json!({"default_flow_style": true}),
            "{a: true, b: {c: [1, x]}}",
        );
        assert_eq!(
            Serializer::Yaml.serialize(&json!(1), &Map::new()),
            Ok("1".to_owned())
        );
        assert_eq!(Serializer::Json.deserialize("[1, 2]"), Ok(json!([1, 2])));
        assert_eq!(
            Serializer::Yaml.deserialize("a: yes"),
            Ok(json!({"a": true}))
        );
        assert!(Serializer::Json.deserialize("[").is_err());
        assert!(Serializer::named("msgpack").is_err());
        let odd = Serializer::Json.serialize(&tree, json!({"indent": "x"}).as_object().unwrap());
        assert_eq!(odd, Err(SerializerError::Option("indent".to_owned())));
        let ascii = json!({"allow_unicode": false});
        let odd = Serializer::Yaml.serialize(&tree, ascii.as_object().unwrap());
        assert_eq!(
            odd,
            Err(SerializerError::Option("allow_unicode".to_owned()))
        );
    }
}
