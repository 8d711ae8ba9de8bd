//! What a command says of itself on its standard output.

use serde_json::{Map, Value};

use super::{Failure, Return, StateAnswer};
use crate::python;

/// Reads the output of a stateful command: a JSON object, or a last line of `name=value` words. `changed` tells whether anything changed,
/// `comment` what people read.
pub(super) fn reinterpreted(mut answer: Return) -> StateAnswer {
    let ran = std::mem::take(&mut answer.changes);
    answer.comment = String::new();
    let text = |key: &str| ran.get(key).and_then(Value::as_str).unwrap_or_default();
    let stdout = text("stdout");
    if stdout.is_empty() {
        answer.comment = text("stderr").to_owned();
        return Ok(answer);
    }
    let (mut data, own_output) = match serde_json::from_str(stdout) {
        Ok(Value::Object(data)) => (data, String::new()),
        Ok(_) => {
            answer.comment = "script JSON output must be a JSON object (e.g., {})!".to_owned();
            answer.result = Some(false);
            return Ok(answer);
        }
        Err(_) => {
            let stripped = stdout.trim_end();
            let line_start = stripped.rfind('\n').map(|at| at + 1);
            let Some(data) = pairs(&stdout[line_start.unwrap_or(0)..]) else {
                answer.comment = "Failed parsing script output! Stdout must be JSON or a line of name=value pairs.".to_owned();
                answer.result = Some(false);
                answer.changes = ran;
                return Ok(answer);
            };
            // As in Salt: what stands before the last line, and all but a character where there is only one line.
            let mut own = stdout.chars();
            if line_start.is_none() {
                own.next_back();
            }
            let own = match line_start {
                Some(start) => stdout[..start - 1].to_owned(),
                None => own.collect(),
            };
            (data, own)
        }
    };
    let has_changed = truth(data.get("changed"))?;
    if let Some(comment) = data.shift_remove("comment") {
        answer.comment = python::text(&comment);
    }
    if has_changed {
        for (key, value) in ran {
            data.entry(key).or_insert(value);
        }
        data.insert("stdout".to_owned(), Value::String(own_output));
        answer.changes = data;
    }
    Ok(answer)
}

/// Words of the form `name=value`; `None` when one is not.
fn pairs(line: &str) -> Option<Map<String, Value>> {
    let mut data = Map::new();
    for word in shlex::split(line)? {
        let (name, value) = word.split_once('=')?;
        if value.contains('=') {
            return None;
        }
        data.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    Some(data)
}

fn truth(value: Option<&Value>) -> Result<bool, Failure> {
    let Some(value) = value else { return Ok(false) };
    match python::text(value).to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(Failure::exception(
            "ValueError",
            format!("Failed parsing boolean value: {}", python::text(value)),
        )),
    }
}
