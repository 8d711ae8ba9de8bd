//! `git.config_set` and `git.config_unset`.

use serde_json::{Map, Value, json};

use super::{Args, Progress, StateAnswer, StateEnv, changed, git, returned, said};
use crate::git::Scope;
use crate::python;

/// What a state says beyond its parameters, or the fault in it.
fn flags(args: &Args, known: &[&str]) -> Result<(), String> {
    let unknown: Vec<String> = args
        .extra_kwargs
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={}", python::text(value)))
        .collect();
    if !unknown.is_empty() {
        return Err(format!(
            "The following keyword arguments are not valid: {}",
            unknown.join(", ")
        ));
    }
    if !flag(args, "global") && !args.flag("repo") {
        return Err("Non-global config options require the 'repo' argument to be set".to_owned());
    }
    Ok(())
}

fn flag(args: &Args, name: &str) -> bool {
    args.extra_kwargs.get(name).is_some_and(python::truthy)
}

pub(super) fn set(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let value = args.optional_text("value")?;
    if value.is_some() && !args.value("multivar").is_null() {
        return Ok(returned(
            false,
            "Only one of 'value' and 'multivar' is permitted",
        ));
    }
    if let Err(fault) = flags(args, &["global"]) {
        return Ok(returned(false, fault));
    }
    let (wanted, shown) = match value {
        Some(value) => (vec![value.clone()], format!("'{value}'")),
        None => {
            let values = args.texts("multivar");
            let shown = python::repr(&json!(values));
            (values, shown)
        }
    };
    let is_global = flag(args, "global");
    let (upper, lower) = if is_global {
        ("Global key ", "global key ")
    } else {
        ("", "")
    };
    let git = git(args, env)?;
    let repo = args.optional_text("repo")?;
    let scope = Scope {
        repo: repo.as_deref(),
        is_global,
    };
    let before = git.option_values(scope, &name);
    if before.as_ref() == Some(&wanted) {
        return Ok(returned(
            true,
            format!("{upper}'{name}' is already set to {shown}"),
        ));
    }
    let done = if before.is_none() {
        "added as"
    } else {
        "set to"
    };
    if env.is_test {
        let changes = json!({"old": before, "new": wanted});
        return Ok(changed(
            None,
            format!("{upper}'{name}' would be {done} {shown}"),
            changes,
        ));
    }
    if let Err(failure) = git.set_option(scope, &name, &wanted, false) {
        return Ok(returned(
            false,
            format!(
                "Failed to set {lower}'{name}' to {shown}: {}",
                failure.said()
            ),
        ));
    }
    let after = git.option_values(scope, &name);
    let mut progress = Progress::default();
    if before != after {
        progress.note(&name, json!({"old": before, "new": after}));
    }
    if after.as_ref() != Some(&wanted) {
        return Ok(progress.fail(format!("Failed to set {lower}'{name}' to {shown}")));
    }
    Ok(progress.answer(Some(true), format!("{upper}'{name}' was {done} {shown}")))
}

/// Options with their values, as comments show them.
fn listed(options: &Map<String, Value>) -> Vec<String> {
    let values = |value: &Value| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(python::text)
            .collect::<Vec<_>>()
            .join(", ")
    };
    options
        .iter()
        .map(|(name, value)| format!("{name} ({})", values(value)))
        .collect()
}

pub(super) fn unset(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if let Err(fault) = flags(args, &["global", "all"]) {
        return Ok(returned(false, fault));
    }
    let (is_global, is_all) = (flag(args, "global"), flag(args, "all"));
    let git = git(args, env)?;
    let repo = args.optional_text("repo")?;
    let scope = Scope {
        repo: repo.as_deref(),
        is_global,
    };
    let value = args.optional_text("value_regex")?;
    let value = value.as_deref();
    let key = format!("^{}$", name.trim_start_matches('^').trim_end_matches('$'));
    let matching = git.options_matching(scope, &key, value);
    if matching.is_empty() {
        return Ok(returned(true, "No matching keys are set"));
    }
    let several: Map<String, Value> = matching
        .iter()
        .filter(|(_, values)| values.as_array().is_some_and(|values| values.len() > 1))
        .map(|(name, values)| (name.clone(), values.clone()))
        .collect();
    if !is_all && !several.is_empty() {
        let several = listed(&several).join("; ");
        let what = if value.is_some() {
            "Multiple values are matched by value_regex for the following keys"
        } else {
            "Multivar(s) matched by the key expression"
        };
        return Ok(returned(
            false,
            format!("{what} (set 'all' to True to force removal): {several}"),
        ));
    }
    if env.is_test {
        let comment = format!("{} key(s) would have value(s) unset", matching.len());
        return Ok(changed(None, comment, matching));
    }
    let before = git.options_matching(scope, &key, None);
    let mut failed = Vec::new();
    for key in matching.keys() {
        if let Err(failure) = git.unset_option(scope, key, value, is_all) {
            tracing::warn!("cannot unset '{key}': {}", said(failure));
            failed.push(key.as_str());
        }
    }
    if !failed.is_empty() {
        let text = "Error(s) occurred unsetting values for the following keys (see the minion log for details)";
        return Ok(returned(false, format!("{text}: {}", failed.join(", "))));
    }
    let after = git.options_matching(scope, &key, None);
    let mut progress = Progress::default();
    for (name, values) in &before {
        let left = after
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let gone: Vec<Value> = values
            .as_array()
            .into_iter()
            .flatten()
            .filter(|value| !left.contains(value))
            .cloned()
            .collect();
        if !gone.is_empty() {
            progress.note(name, gone);
        }
    }
    let left = git.options_matching(scope, &key, value);
    if !left.is_empty() {
        return Ok(progress.fail(format!(
            "Failed to unset value(s): {}",
            listed(&left).join("; ")
        )));
    }
    Ok(progress.answer(Some(true), "Value(s) successfully unset"))
}
