//! Named groups of the configuration.

use std::collections::BTreeMap;

use serde_json::Value;

/// Compound expressions by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodegroups(BTreeMap<String, String>);

/// Why a configuration's `nodegroups` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodegroupError {
    /// The value is not a map.
    #[error("nodegroups are a map from a name to an expression")]
    NotAMap,
    /// A group is neither a text nor a list of texts and numbers.
    #[error("the nodegroup `{0}` is neither an expression nor a list of words")]
    NotAnExpression(String),
}

impl Nodegroups {
    /// Reads the value of `nodegroups` in a configuration: each group is an expression or a list of its words. Null has no groups.
    ///
    /// Expressions are checked when a target uses them.
    pub fn from_value(value: &Value) -> Result<Nodegroups, NodegroupError> {
        let groups = match value {
            Value::Null => return Ok(Nodegroups::default()),
            Value::Object(groups) => groups,
            _ => return Err(NodegroupError::NotAMap),
        };
        let word = |value: &Value| match value {
            Value::String(word) => Some(word.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let expression = |value: &Value| match value {
            Value::Array(words) => words
                .iter()
                .map(word)
                .collect::<Option<Vec<_>>>()
                .map(|words| words.join(" ")),
            value => word(value),
        };
        groups
            .iter()
            .map(|(name, value)| match expression(value) {
                Some(expression) => Ok((name.clone(), expression)),
                None => Err(NodegroupError::NotAnExpression(name.clone())),
            })
            .collect::<Result<_, _>>()
            .map(Nodegroups)
    }

    /// The compound expression of a group.
    ///
    /// As in Salt, a group of bare names, without an operator, a star or an engine, is a list of ids; and a regex when a name holds one of `()[]{}\?`.
    pub(crate) fn expression(&self, name: &str) -> Option<String> {
        let text = self.0.get(name)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_bare = |word: &&str| {
            !matches!(*word, "and" | "or" | "not" | "(" | ")") && !word.contains(['*', '/', '@'])
        };
        if words.is_empty() || !words.iter().all(is_bare) {
            return Some(text.clone());
        }
        let engine = if text.contains(['(', ')', '[', ']', '{', '}', '\\', '?']) {
            'E'
        } else {
            'L'
        };
        Some(format!("{engine}@{}", words.join(",")))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Nodegroups {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(groups: I) -> Nodegroups {
        Nodegroups(groups.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{NodegroupError, Nodegroups};

    #[test]
    fn expressions() {
        #[track_caller]
        fn check(value: serde_json::Value, expected: &str) {
            let groups = Nodegroups::from_value(&json!({ "g": value }));
            assert_eq!(
                groups.map(|groups| groups.expression("g")),
                Ok(Some(expected.to_owned()))
            );
        }
        check(json!("web*"), "web*");
        check(json!("G@os:Debian and db1"), "G@os:Debian and db1");
        check(json!(["web*", "or", "db1"]), "web* or db1");
        check(json!("web1"), "L@web1");
        check(json!("web1,web2"), "L@web1,web2");
        check(json!("web1 web2"), "L@web1,web2");
        check(json!(["web1", 2]), "L@web1,2");
        check(json!("web[12]"), "E@web[12]");
        check(json!("eu/web1"), "eu/web1");
        check(json!(""), "");
    }

    #[test]
    fn refuses_other_shapes() {
        assert_eq!(
            Nodegroups::from_value(&json!(null)),
            Ok(Nodegroups::default())
        );
        assert_eq!(
            Nodegroups::from_value(&json!(["a"])),
            Err(NodegroupError::NotAMap)
        );
        assert_eq!(
            Nodegroups::from_value(&json!({"g": {"a": 1}})),
            Err(NodegroupError::NotAnExpression("g".to_owned()))
        );
        assert_eq!(
            Nodegroups::from_value(&json!({"g": [["a"]]})),
            Err(NodegroupError::NotAnExpression("g".to_owned()))
        );
    }
}
