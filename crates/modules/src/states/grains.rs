//! `grains`: the static grains of this minion.

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;

/// Values that states of the run have asked for, by grain.
const PENDING: &str = "pending_grains";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "grains.absent",
        "name, destructive=False, delimiter=':', force=False",
        "Keep a grain without a value, or with destructive away.",
        absent,
    ),
    StateFunction::new(
        "grains.append",
        "name, value, convert=False, delimiter=':'",
        "Keep a value in the list of a grain that exists.",
        append,
    ),
    StateFunction::new(
        "grains.exists",
        "name, delimiter=':'",
        "Fail unless a grain exists.",
        |args, env| {
            let name = name(args)?;
            let done = match get(env, &name) {
                Some(_) => returned(true, "Grain exists"),
                None => returned(false, "Grain does not exist"),
            };
            Ok(named(name, done))
        },
    ),
    StateFunction::new(
        "grains.list_absent",
        "name, value, delimiter=':'",
        "Keep values out of the list of a grain.",
        list_absent,
    ),
    StateFunction::new(
        "grains.list_present",
        "name, value, delimiter=':'",
        "Keep values in the list of a grain, which is made.",
        list_present,
    ),
    StateFunction::new(
        "grains.present",
        "name, value, delimiter=':', force=False",
        "Keep the value of a grain.",
        present,
    ),
];

/// The path of the grain with the usual delimiter.
fn name(args: &Args) -> Result<String, Failure> {
    let (name, delimiter) = (args.text("name")?, args.text("delimiter")?);
    Ok(if delimiter.is_empty() {
        name
    } else {
        name.replace(&delimiter, data::DEFAULT_DELIMITER)
    })
}

fn named(name: String, done: Return) -> Return {
    Return {
        name: Some(name),
        ..done
    }
}

fn get(env: &StateEnv, name: &str) -> Option<Value> {
    data::traverse(&env.env.ctx.grains(), name, data::DEFAULT_DELIMITER).cloned()
}

/// The return of `grains.set`.
fn set(env: &StateEnv, name: &str, call: Call) -> Result<Return, Failure> {
    let answer = env.call(&call)?;
    let changes = answer["changes"].as_object().cloned().unwrap_or_default();
    let comment = answer["comment"].as_str().unwrap_or_default();
    Ok(named(
        name.to_owned(),
        changed(answer["result"].as_bool(), comment, changes),
    ))
}

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, value) = (name(args)?, args.value("value"));
    let existing = get(env, &name);
    if existing.as_ref() == Some(value) {
        return Ok(named(name, returned(true, "Grain is already set")));
    }
    if env.is_test {
        let done = match existing {
            None => changed(
                None,
                format!("Grain {name} is set to be added"),
                json!({"new": name}),
            ),
            Some(_) => {
                let comment = format!("Grain {name} is set to be changed");
                changed(None, comment, json!({"changed": {name.as_str(): value}}))
            }
        };
        return Ok(named(name, done));
    }
    let call = Call::new("grains.set")
        .arg(name.as_str())
        .arg(value.clone());
    let mut done = set(env, &name, call.kwarg("force", args.value("force").clone()))?;
    if done.result == Some(true) && !done.changes.is_empty() {
        done.comment = format!("Set grain {name} to {}", python::text(value));
    }
    Ok(done)
}

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name(args)?;
    let is_destructive = args.value("destructive") == &json!(true);
    let Some(existing) = get(env, &name) else {
        let comment = format!("Grain {name} does not exist");
        return Ok(named(name, returned(true, comment)));
    };
    let told = |is_test: bool| {
        let (deleted, emptied) = if is_test {
            (
                format!("Grain {name} is set to be deleted"),
                format!("Value for grain {name} is set to be deleted (None)"),
            )
        } else {
            (
                format!("Grain {name} was deleted"),
                format!("Value for grain {name} was set to None"),
            )
        };
        if is_destructive {
            (deleted, json!({"deleted": name}))
        } else if existing.is_null() {
            (String::new(), json!({}))
        } else {
            (emptied, json!({"grain": name, "value": null}))
        }
    };
    if env.is_test {
        let (comment, changes) = told(true);
        return Ok(named(name.clone(), changed(None, comment, changes)));
    }
    let call = Call::new("grains.set").arg(name.as_str()).arg(Value::Null);
    let call = call
        .kwarg("destructive", args.value("destructive").clone())
        .kwarg("force", args.value("force").clone());
    let done = set(env, &name, call)?;
    if done.result != Some(true) || (existing.is_null() && !is_destructive) {
        return Ok(done);
    }
    let (comment, changes) = told(false);
    Ok(named(name.clone(), changed(true, comment, changes)))
}

fn append(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, value) = (name(args)?, args.value("value"));
    let shown = python::text(value);
    let grain = match get(env, &name) {
        Some(grain) if python::truthy(&grain) || env.env.ctx.grains().get(&name).is_some() => grain,
        _ => {
            let comment = format!("Grain {name} does not exist");
            return Ok(named(name, returned(false, comment)));
        }
    };
    let changes = json!({"added": value});
    let done = match grain {
        Value::Array(list) if list.contains(value) => returned(
            true,
            format!("Value {shown} is already in the list for grain {name}"),
        ),
        Value::Array(_) if env.is_test => {
            let comment = format!("Value {shown} in grain {name} is set to be added");
            changed(None, comment, changes)
        }
        Value::Array(_) => {
            env.call(
                &Call::new("grains.append")
                    .arg(name.as_str())
                    .arg(value.clone()),
            )?;
            changed(
                true,
                format!("Value {shown} was added to grain {name}"),
                changes,
            )
        }
        _ if args.value("convert") != &json!(true) => {
            returned(false, format!("Grain {name} is not a valid list"))
        }
        _ if env.is_test => changed(
            None,
            format!("Grain {name} is set to be converted to list and value {shown} will be added"),
            changes,
        ),
        grain => {
            let first = (!grain.is_null()).then_some(grain);
            let list: Vec<Value> = first.into_iter().chain([value.clone()]).collect();
            env.call(&Call::new("grains.setval").arg(name.as_str()).arg(list))?;
            changed(
                true,
                format!("Value {shown} was added to grain {name}"),
                changes,
            )
        }
    };
    Ok(named(name, done))
}

fn list_absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name(args)?;
    let list = match get(env, &name).filter(python::truthy) {
        Some(Value::Array(list)) => list,
        Some(_) => {
            let comment = format!("Grain {name} is not a valid list");
            return Ok(named(name, returned(false, comment)));
        }
        None => {
            let comment = format!("Grain {name} does not exist");
            return Ok(named(name, returned(true, comment)));
        }
    };
    let wanted = match args.value("value") {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    };
    let (mut comments, mut deleted) = (Vec::new(), Vec::new());
    for value in wanted {
        let shown = python::text(&value);
        if !list.contains(&value) {
            comments.push(format!("Value {shown} is absent from grain {name}"));
            continue;
        }
        if env.is_test {
            comments.push(format!(
                "Value {shown} in grain {name} is set to be deleted"
            ));
        } else {
            env.call(
                &Call::new("grains.remove")
                    .arg(name.as_str())
                    .arg(value.clone()),
            )?;
            comments.push(format!("Value {shown} was deleted from grain {name}"));
        }
        deleted.push(value);
    }
    let result = if env.is_test && !deleted.is_empty() {
        None
    } else {
        Some(true)
    };
    let changes = if deleted.is_empty() {
        json!({})
    } else {
        json!({"deleted": deleted})
    };
    Ok(named(name, changed(result, comments.join("\n"), changes)))
}

/// Notes a value as asked for; false when it was so before.
fn note(env: &StateEnv, name: &str, value: &Value) -> bool {
    env.shared.change(PENDING, |pending| {
        if !pending.is_object() {
            *pending = json!({});
        }
        let list = &mut pending[name];
        if !list.is_array() {
            *list = json!([]);
        }
        match list.as_array_mut() {
            Some(list) if !list.contains(value) => {
                list.push(value.clone());
                true
            }
            _ => false,
        }
    })
}

fn list_present(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name(args)?;
    let grain = get(env, &name).filter(python::truthy);
    let known = match &grain {
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => {
            let comment = format!("Grain {name} is not a valid list");
            return Ok(named(name, returned(false, comment)));
        }
        None => &[],
    };
    let asked = args.value("value");
    let (values, is_list) = match asked {
        Value::Array(values) => (values.clone(), true),
        one => (vec![one.clone()], false),
    };
    let (new, old): (Vec<Value>, Vec<Value>) = values
        .into_iter()
        .partition(|value| !known.contains(value) && note(env, &name, value));
    let shown = python::text(asked);
    if new.is_empty() {
        let comment = if grain.is_some() {
            format!("Value {shown} is already in grain {name} (or pending)")
        } else {
            format!("Value {shown} is already pending in grain {name}")
        };
        return Ok(named(name, returned(true, comment)));
    }
    let value = if is_list {
        Value::Array(new)
    } else {
        asked.clone()
    };
    let shown = python::text(&value);
    if env.is_test {
        let comment = match &grain {
            Some(_) => format!("Value {shown} is set to be appended to grain {name}"),
            None => format!("Grain {name} is set to be added"),
        };
        let was = grain.unwrap_or_else(|| get(env, &name).unwrap_or_else(|| json!("")));
        return Ok(named(name, changed(None, comment, json!({"new": was}))));
    }
    let dropped = if old.is_empty() {
        String::new()
    } else {
        let old = python::text(&Value::Array(old));
        match &grain {
            Some(_) => {
                format!(
                    "Removed value {old} from update due to value found in \"{name}\" (or pending).\n"
                )
            }
            None => format!(
                "Removed value {old} from update due to value already pending in \"{name}\".\n"
            ),
        }
    };
    let appended = env.call(
        &Call::new("grains.append")
            .arg(name.as_str())
            .arg(value.clone()),
    )?;
    let now = get(env, &name).unwrap_or_default();
    let has = |value: &Value| now.as_array().is_some_and(|list| list.contains(value));
    let is_done = match &value {
        Value::Array(values) => values.iter().all(has),
        one => has(one),
    };
    let done = if is_done {
        let comment = format!("{dropped}Append value {shown} to grain {name}");
        changed(
            true,
            comment,
            Map::from_iter([("new".to_owned(), appended)]),
        )
    } else {
        returned(
            false,
            format!("Failed append value {shown} to grain {name}"),
        )
    };
    Ok(named(name, done))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    /// Each step is a call and what Salt answered, in a run of its own.
    #[test]
    fn states_answer_as_salt_does() {
        type Step = (String, Value, bool, Value);
        let sequences: Vec<Vec<Step>> =
            serde_json::from_str(include_str!("testdata/grains.json")).unwrap();
        for steps in sequences {
            let host = Host::new();
            for (fun, args, is_test, expected) in steps {
                host.forget_notes();
                let done = host.state(&fun, args.clone(), is_test);
                let answered = json!({
                    "name": done.name, "result": done.result, "comment": done.comment, "changes": done.changes,
                });
                assert_eq!(answered, expected, "{fun} {args} {is_test}");
            }
        }
    }

    #[test]
    fn values_that_are_asked_for_wait() {
        let host = Host::new();
        let args = json!({"name": "fresh", "value": ["a"]});
        assert_eq!(
            host.state("grains.list_present", args.clone(), true).result,
            None
        );
        let again = host.state("grains.list_present", args, true);
        assert_eq!(
            again.comment,
            "Value ['a'] is already pending in grain fresh"
        );
    }
}
