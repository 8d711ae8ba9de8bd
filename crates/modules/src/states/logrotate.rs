//! `logrotate`: the configuration of the rotation of logs.

use std::path::Path;

use serde_json::json;

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::logrotate::{self, Wanted, get, number_of};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "logrotate.set",
    "name, key, value, setting=None, conf_file='/etc/logrotate.conf'",
    "Keep a command of the configuration, or with a setting one of a block.",
    set,
)];

fn set(args: &Args, env: &StateEnv) -> StateAnswer {
    let (key, config) = (args.text("key")?, args.text("conf_file")?);
    let value = python::text(args.value("value"));
    let is_block = !args.value("setting").is_null();
    let (old, new, what) = if is_block {
        let old = get(&key, Some(&value), Path::new(&config))?;
        (
            old,
            number_of(args.value("setting")),
            format!("lock '{key}' command '{value}'"),
        )
    } else {
        let old = get(&key, None, Path::new(&config))?;
        (
            old,
            number_of(args.value("value")),
            format!("ommand '{key}'"),
        )
    };
    let (capital, small) = if is_block { ('B', 'b') } else { ('C', 'c') };
    let shown = python::text(&new);
    if old == new {
        let comment = format!("{capital}{what} already has value: {shown}");
        return Ok(returned(true, comment));
    }
    let changes = json!({"old": old, "new": new});
    if env.is_test {
        let comment = format!("{capital}{what} will be set to value: {shown}");
        return Ok(changed(None, comment, changes));
    }
    let wanted = Wanted {
        key,
        value: if is_block { args.value("value") } else { &new },
        setting: is_block.then_some(&new),
    };
    let is_set = python::truthy(&logrotate::set(env.env, &wanted, &config)?);
    let verb = if is_set { "Set" } else { "Unable to set" };
    Ok(changed(
        is_set,
        format!("{verb} {small}{what} value: {shown}"),
        changes,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked};
    use serde_json::Value;

    #[test]
    fn commands_are_kept() {
        let host = Host::new();
        let config = host.write("conf", "weekly\nrotate 4\n/a {\n  rotate 1\n}\n");
        let check = |args: &Value, is_test: bool, result: Option<bool>, comment: &str| {
            let mut args = args.clone();
            (args["name"], args["conf_file"]) = (json!("n"), json!(config));
            Value::Object(
                checked(host.state("logrotate.set", args, is_test), result, comment).changes,
            )
        };
        let args = json!({"key": "rotate", "value": "2"});
        let changes = check(
            &args,
            true,
            None,
            "Command 'rotate' will be set to value: 2",
        );
        assert_eq!(changes, json!({"old": 4, "new": 2}));
        check(&args, false, Some(true), "Set command 'rotate' value: 2");
        check(
            &args,
            false,
            Some(true),
            "Command 'rotate' already has value: 2",
        );
        let args = json!({"key": "/a", "value": "rotate", "setting": 7});
        check(
            &args,
            true,
            None,
            "Block '/a' command 'rotate' will be set to value: 7",
        );
        check(
            &args,
            false,
            Some(true),
            "Set block '/a' command 'rotate' value: 7",
        );
        check(
            &args,
            false,
            Some(true),
            "Block '/a' command 'rotate' already has value: 7",
        );
        let text = std::fs::read_to_string(&config).unwrap();
        assert_eq!(text, "weekly\nrotate 2\n/a {\n    rotate 7\n}\n");
    }
}
