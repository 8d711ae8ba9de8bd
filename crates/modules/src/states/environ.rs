//! `environ`: the variables of the environment that programs of later states get.

use serde_json::{Map, Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::environment;
use crate::functions::environ::{check_reach, set};

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "environ.setenv",
    "name, value, false_unsets=False, clear_all=False, update_minion=False, permanent=False",
    "Set variables for the states that come.",
    setenv,
)];

fn setenv(args: &Args, env: &StateEnv) -> StateAnswer {
    check_reach(args)?;
    let wanted = match args.value("value") {
        Value::Object(values) => values.clone(),
        value @ (Value::String(_) | Value::Bool(false)) => {
            Map::from_iter([(args.text("name")?, value.clone())])
        }
        _ => {
            return Ok(returned(
                false,
                "Environ value must be string, dict or False",
            ));
        }
    };
    let false_unsets = args.value("false_unsets") == &json!(true);
    let clears_others = args.value("clear_all") == &json!(true);
    let emptied = if false_unsets { Value::Null } else { json!("") };
    let mut changes = Map::new();
    if clears_others {
        let others = environment::all()
            .into_keys()
            .filter(|name| !wanted.contains_key(name));
        changes.extend(others.map(|name| (name, emptied.clone())));
    }
    for (name, value) in &wanted {
        let known = environment::get(name);
        let is_change = match value {
            Value::Bool(false) if false_unsets => known.is_some(),
            Value::Bool(false) => known.as_deref() != Some(""),
            value => json!(known.unwrap_or_default()) != *value,
        };
        if is_change {
            let new = if value == &json!(false) {
                emptied.clone()
            } else {
                value.clone()
            };
            changes.insert(name.clone(), new);
        }
    }
    if env.is_test {
        let comment = if changes.is_empty() {
            "Environ values are already set with the correct values"
        } else {
            "Environ values will be changed"
        };
        return Ok(changed(true, comment, changes));
    }
    if changes.is_empty() {
        return Ok(returned(
            true,
            "Environ values were already set with the correct values",
        ));
    }
    Ok(match set(&wanted, false_unsets, clears_others) {
        Value::Object(done) => changed(true, "Environ values were set", done),
        _ => returned(false, "Failed to set environ variables"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked};

    #[test]
    fn variables_are_set() {
        let host = Host::new();
        let _scope = environment::scope();
        let check = |args: &Value, is_test: bool, result: Option<bool>, comment: &str| {
            Value::Object(
                checked(
                    host.state("environ.setenv", args.clone(), is_test),
                    result,
                    comment,
                )
                .changes,
            )
        };
        let args = json!({"name": "x", "value": {"NEW_ONE": "a", "NEW_TWO": false}});
        let changes = check(&args, true, Some(true), "Environ values will be changed");
        assert_eq!(changes, json!({"NEW_ONE": "a", "NEW_TWO": ""}));
        check(&args, false, Some(true), "Environ values were set");
        check(
            &args,
            false,
            Some(true),
            "Environ values were already set with the correct values",
        );
        assert_eq!(environment::get("NEW_ONE").as_deref(), Some("a"));
        let args = json!({"name": "NEW_ONE", "value": false, "false_unsets": true});
        check(&args, false, Some(true), "Environ values were set");
        assert_eq!(environment::get("NEW_ONE"), None);
        let args = json!({"name": "NEW_ONE", "value": 5});
        check(
            &args,
            false,
            Some(false),
            "Environ value must be string, dict or False",
        );
    }
}
