//! What a side answered to a call, without what differs from one moment or folder to the next.

use std::path::Path;

use serde_json::{Value, json};

/// Names in records of states that hold times.
const TIMES: [&str; 2] = ["start_time", "duration"];

/// What stands for the folder where a side keeps its own files.
const ROOT: &str = "{root}";

/// The answer to one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A value.
    Value(Value),
    /// It failed, for these reasons.
    Failed(Vec<String>),
}

impl Answer {
    /// The answer of `fun` in text that holds JSON. `root` is where the side keeps its own files.
    ///
    /// Salt's functions of states answer errors of the compiler as a list of texts.
    pub fn read(fun: &str, text: &str, root: &Path) -> anyhow::Result<Answer> {
        let text = text.replace(&root.display().to_string(), ROOT);
        let value: Value = serde_json::from_str(&text)?;
        Ok(Answer::of(fun, value))
    }

    fn of(fun: &str, value: Value) -> Answer {
        let reasons = match &value {
            Value::Array(items) if fun.starts_with("state.") && !items.is_empty() => {
                let reasons = items.iter().map(|item| item.as_str().map(str::to_owned));
                reasons.collect::<Option<Vec<String>>>()
            }
            _ => None,
        };
        match reasons {
            Some(reasons) => Answer::Failed(reasons),
            None => Answer::Value(without_times(value)),
        }
    }

    /// As golden files have it.
    pub fn json(&self) -> Value {
        match self {
            Answer::Value(value) => json!({"value": value}),
            Answer::Failed(reasons) => json!({"failed": reasons}),
        }
    }
}

/// The records of state runs without their times, however deep they lie; other values as they are.
pub fn without_times(value: Value) -> Value {
    match value {
        Value::Object(mut map) => {
            if map.contains_key("__run_num__") {
                for name in TIMES {
                    map.shift_remove(name);
                }
            }
            let values = map.into_iter();
            Value::Object(
                values
                    .map(|(name, value)| (name, without_times(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_times).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_folders_go() {
        let text = r#"{"test_|-x": {"__run_num__": 0, "duration": 1.5, "start_time": "10:00", "comment": "/w/cache/x"}, "y": {"duration": 1}}"#;
        let answer = Answer::read("state.apply", text, Path::new("/w")).unwrap();
        let expected = json!({"test_|-x": {"__run_num__": 0, "comment": "{root}/cache/x"}, "y": {"duration": 1}});
        assert_eq!(answer, Answer::Value(expected));
    }

    #[test]
    fn lists_of_texts_are_errors_of_the_compiler() {
        let check = |fun: &str, value: Value, is_failed: bool| {
            let answer = Answer::of(fun, value);
            assert_eq!(matches!(answer, Answer::Failed(_)), is_failed, "{answer:?}");
        };
        check("state.apply", json!(["No matching sls"]), true);
        check("state.show_lowstate", json!([{"state": "test"}]), false);
        check("state.show_lowstate", json!([]), false);
        check("cp.list_states", json!(["a"]), false);
    }
}
