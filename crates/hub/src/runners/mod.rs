//! Runners: functions that the hub itself answers, by their names in Salt.

mod manage;
mod mine;

use serde_json::{Map, Value};
use wire::Json;
use wire::control::{FailureKind, RunnerAsk, Tell};

use crate::control::failed;
use crate::service::Service;

/// Names of all runners, sorted.
const NAMES: [&str; 5] = [
    "cache.mine",
    "manage.down",
    "manage.status",
    "manage.up",
    "mine.get",
];

impl Service {
    /// Calls a runner, and says its answer or why there is none.
    pub(crate) async fn runner(&self, ask: &RunnerAsk) -> anyhow::Result<Tell> {
        let (args, kwargs) = match arguments(ask) {
            Ok(arguments) => arguments,
            Err(text) => return Ok(failed(FailureKind::Usage, text)),
        };
        if !NAMES.contains(&ask.fun.as_str()) {
            return Ok(failed(FailureKind::NotFound, unknown(&ask.fun)));
        }
        if ["mine.get", "cache.mine"].contains(&ask.fun.as_str()) {
            return self.mine_runner(&ask.fun, args, kwargs).await;
        }
        if !args.is_empty() || !kwargs.is_empty() {
            let text = format!("{} takes no arguments", ask.fun);
            return Ok(failed(FailureKind::Usage, text));
        }
        tracing::info!(user = ask.user, fun = ask.fun, "a runner is called");
        let status = self.status().await?;
        let value = match ask.fun.as_str() {
            "manage.up" => Value::from(status.up),
            "manage.down" => Value::from(status.down),
            _ => serde_json::json!({ "up": status.up, "down": status.down }),
        };
        Ok(Tell::Value {
            value: value.to_string().into_bytes().into(),
            retcode: 0,
        })
    }
}

/// Positional and named arguments.
fn arguments(ask: &RunnerAsk) -> Result<(Vec<Value>, Map<String, Value>), String> {
    let read = |json: &Json| -> Result<Value, String> {
        serde_json::from_slice(json).map_err(|error| format!("the arguments are no JSON: {error}"))
    };
    match (read(&ask.args)?, read(&ask.kwargs)?) {
        (Value::Array(args), Value::Object(kwargs)) => Ok((args, kwargs)),
        _ => Err("arguments are a list and a map".to_owned()),
    }
}

/// Words for a name that no runner has: those of the same module, or all.
fn unknown(fun: &str) -> String {
    let module = fun.split('.').next().unwrap_or(fun);
    let near: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| name.split('.').next() == Some(module))
        .collect();
    let (words, near) = if near.is_empty() {
        ("there are", NAMES.to_vec())
    } else {
        ("near ones are", near)
    };
    format!("there is no runner {fun}; {words} {}", near.join(", "))
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn an_unknown_name_gets_those_of_its_module() {
        assert_eq!(
            unknown("manage.upp"),
            "there is no runner manage.upp; near ones are manage.down, manage.status, manage.up"
        );
        assert!(unknown("nosuch.fun").contains("there are cache.mine"));
    }
}
