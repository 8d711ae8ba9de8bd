//! `module`: execution functions as states, in the new style (`- mod.fun: [arguments]`) and the old (`- name: mod.fun`).

use serde_json::{Map, Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;

const RUN: &str = "name, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "module.mod_watch",
        RUN,
        "Call the functions of a watching state when what it watches has changed.",
        run,
    ),
    StateFunction::new(
        "module.run",
        RUN,
        "Call execution functions: each as an argument of its own with a list of arguments; or one that is the name, with arguments by \
         name (m_name, m_fun, m_state, m_saltenv, m_names for those that a state has itself; args and kwargs for more).",
        run,
    ),
    StateFunction::new(
        "module.wait",
        RUN,
        "Call execution functions only when something that the state watches has changed.",
        |_, _| Ok(returned(true, "")),
    ),
    StateFunction::new("module.watch", RUN, "The same as module.wait.", |_, _| {
        Ok(returned(true, ""))
    }),
];

/// Arguments that a state has itself; a function that has them too gets them by another name.
const OWN: [&str; 5] = ["name", "fun", "names", "state", "saltenv"];

fn run(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut kwargs = args.extra_kwargs.clone();
    kwargs.retain(|key, _| !matches!(key.as_str(), "sfun" | "__reqs__"));
    if kwargs.get("returner").is_some_and(python::truthy) {
        return Err(Failure::invocation(
            "returner: what a state calls is returned by the job alone",
        ));
    }
    if !kwargs.is_empty() && kwargs.keys().all(|key| key.contains('.')) {
        run_all(&kwargs, env)
    } else {
        run_named(&args.text("name")?, kwargs, env)
    }
}

/// The function of a key: what follows a colon only tells several calls apart.
fn function(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

fn run_all(calls: &Map<String, Value>, env: &StateEnv) -> StateAnswer {
    let names: Vec<&str> = calls.keys().map(|key| function(key)).collect();
    let (known, missing): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .partition(|name| env.env.registry.has(name));
    // Salt writes True where it means a plural.
    let plural = |names: &[&str]| if names.len() > 1 { "True" } else { "" };
    let mut told = Vec::new();
    if !missing.is_empty() {
        told.push(format!(
            "Unavailable function{}: {}.",
            plural(&missing),
            missing.join(", ")
        ));
    }
    if env.is_test && !known.is_empty() {
        told.push(format!(
            "Function{} {} to be executed.",
            plural(&known),
            known.join(", ")
        ));
    }
    let mut answer = if told.is_empty() {
        called(calls, env)?
    } else {
        returned((!missing.is_empty()).then_some(false), told.join(" "))
    };
    answer
        .others
        .insert("name".to_owned(), calls.keys().cloned().collect());
    Ok(answer)
}

fn called(calls: &Map<String, Value>, env: &StateEnv) -> StateAnswer {
    let (mut failures, mut successes, mut changes) = (Vec::new(), Vec::new(), Map::new());
    for (key, said) in calls {
        let value = match call(function(key), said, env) {
            Ok(value) => value,
            Err(failure @ (Failure::Invocation(_) | Failure::Arguments(_))) => {
                failures.push(format!("'{key}' failed: {failure}"));
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let comment = |default: &str| {
            value
                .get("comment")
                .map_or_else(|| default.to_owned(), python::text)
        };
        if is_success(&value) {
            let told = if value.is_object() {
                comment("Success")
            } else {
                python::text(&value)
            };
            successes.push(format!("{key}: {told}"));
            changes.insert(key.clone(), value);
        } else if value.is_object() {
            failures.push(format!(
                "'{key}' failed: {}",
                comment("(error message N/A)")
            ));
        } else {
            failures.push(format!("'{key}': {}", python::text(&value)));
        }
    }
    let is_done = failures.is_empty();
    failures.extend(successes);
    Ok(changed(is_done, failures.join(", "), changes))
}

/// Calls a function with a list of values and of dictionaries of arguments by name.
fn call(fun: &str, said: &Value, env: &StateEnv) -> Result<Value, Failure> {
    let mut call = Call::new(fun);
    let items: &[Value] = match said {
        Value::Null => &[],
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    };
    for item in items {
        match item {
            Value::Object(named) => call.kwargs.extend(named.clone()),
            value => call.args.push(value.clone()),
        }
    }
    if let Some(signature) = env.env.registry.signature(fun) {
        let needed = signature
            .parameters()
            .filter(|(_, default)| default.is_none());
        let unnamed = needed
            .map(|(name, _)| name)
            .filter(|name| !call.kwargs.contains_key(*name));
        let missing: Vec<&str> = unnamed.skip(call.args.len()).collect();
        if !missing.is_empty() {
            return Err(Failure::invocation(format!(
                "Missing arguments: {}",
                missing.join(", ")
            )));
        }
    }
    // Names that need a value fill the places that unnamed values left free.
    env.call(&call)
}

fn run_named(name: &str, mut kwargs: Map<String, Value>, env: &StateEnv) -> StateAnswer {
    let Some(signature) = env.env.registry.signature(name) else {
        return Ok(returned(
            false,
            format!("Module function {name} is not available"),
        ));
    };
    if env.is_test {
        return Ok(returned(
            None,
            format!("Module function {name} is set to execute"),
        ));
    }
    let alias = |parameter: &str| {
        if OWN.contains(&parameter) {
            format!("m_{parameter}")
        } else {
            parameter.to_owned()
        }
    };
    let (mut call, mut missing) = (Call::new(name), Vec::new());
    for (parameter, default) in signature.parameters() {
        let said = kwargs
            .shift_remove(&alias(parameter))
            .or_else(|| kwargs.shift_remove(parameter).filter(|_| default.is_some()));
        match (said, default) {
            (Some(value), _) => call.args.push(value),
            (None, Some(default)) => call.args.push(default.clone()),
            (None, None) => missing.push(alias(parameter)),
        }
    }
    if !missing.is_empty() {
        return Ok(returned(
            false,
            format!("The following arguments are missing: {}", missing.join(" ")),
        ));
    }
    let (extra_args, extra_kwargs) = signature.extras();
    if let Some(more) = extra_args.and_then(|extra| kwargs.shift_remove(&alias(extra))) {
        match more {
            Value::Array(more) => call.args.extend(more),
            _ => {
                return Ok(returned(
                    false,
                    format!("'{}' must be a list.", extra_args.unwrap_or_default()),
                ));
            }
        }
    }
    if let Some(more) = extra_kwargs.and_then(|extra| kwargs.shift_remove(extra)) {
        match more {
            Value::Object(more) => call.kwargs = more,
            _ => {
                return Ok(returned(
                    false,
                    format!("'{}' must be a dict.", extra_kwargs.unwrap_or_default()),
                ));
            }
        }
    }
    match env.call(&call) {
        Ok(value) => Ok(changed(
            is_success(&value),
            format!("Module function {name} executed"),
            json!({"ret": value}),
        )),
        Err(failure) => {
            let text = format!("Module function {name} threw an exception. Exception: {failure}");
            Ok(returned(false, text))
        }
    }
}

/// Whether the answer of a function tells success: no false, and no failed result in a dictionary.
fn is_success(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::Object(map) => map.iter().all(|(key, value)| match key.as_str() {
            "result" if *value == json!(false) => false,
            "retcode" if *value != json!(0) => false,
            _ => !value.is_object() || is_success(value),
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    fn check(args: Value, is_test: bool, result: Option<bool>, comment: &str, changes: Value) {
        let answer = Host::new().state("module.run", args.clone(), is_test);
        assert_eq!(
            (
                answer.result,
                answer.comment.as_str(),
                Value::Object(answer.changes)
            ),
            (result, comment, changes),
            "{args}"
        );
    }

    #[test]
    fn functions_are_called_in_the_new_style() {
        let none = json!({});
        let two = json!({"name": "x", "test.echo": ["hi"], "test.ping": null});
        check(
            two.clone(),
            true,
            None,
            "FunctionTrue test.echo, test.ping to be executed.",
            none.clone(),
        );
        let comment = "test.echo: hi, test.ping: True";
        check(
            two,
            false,
            Some(true),
            comment,
            json!({"test.echo": "hi", "test.ping": true}),
        );
        let named = json!({"name": "x", "test.echo": [{"text": "hi"}]});
        check(
            named,
            false,
            Some(true),
            "test.echo: hi",
            json!({"test.echo": "hi"}),
        );
        let lacking = json!({"name": "x", "test.echo": null});
        check(
            lacking,
            false,
            Some(false),
            "'test.echo' failed: Missing arguments: text",
            none.clone(),
        );
        let unknown = json!({"name": "x", "test.nope": []});
        check(
            unknown,
            false,
            Some(false),
            "Unavailable function: test.nope.",
            none.clone(),
        );
        let failing = json!({"name": "x", "test.false": []});
        check(
            failing,
            false,
            Some(false),
            "'test.false': False",
            none.clone(),
        );
        let command = json!({"name": "x", "cmd.run_all": ["exit 3", {"python_shell": true}]});
        check(
            command,
            false,
            Some(false),
            "'cmd.run_all' failed: (error message N/A)",
            none,
        );
    }

    #[test]
    fn functions_are_called_in_the_old_style() {
        let none = json!({});
        let echo = json!({"name": "test.echo", "text": "hi"});
        check(
            echo.clone(),
            true,
            None,
            "Module function test.echo is set to execute",
            none.clone(),
        );
        check(
            echo,
            false,
            Some(true),
            "Module function test.echo executed",
            json!({"ret": "hi"}),
        );
        let lacking = json!({"name": "test.echo"});
        check(
            lacking,
            false,
            Some(false),
            "The following arguments are missing: text",
            none.clone(),
        );
        let unknown = json!({"name": "test.nope"});
        check(
            unknown,
            false,
            Some(false),
            "Module function test.nope is not available",
            none.clone(),
        );
        let own = json!({"name": "group.info", "m_name": "no-such-group"});
        check(
            own,
            false,
            Some(true),
            "Module function group.info executed",
            json!({"ret": {}}),
        );
        let failing = json!({"name": "cmd.run", "cmd": "true", "cwd": "/nowhere"});
        let text = "Module function cmd.run threw an exception. Exception: Specified cwd '/nowhere' either not absolute or does not exist";
        check(failing, false, Some(false), text, none);
    }
}
