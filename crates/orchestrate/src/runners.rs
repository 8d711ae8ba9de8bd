//! `salt.parallel_runners`: several runners beside each other.

use serde_json::{Map, Value, json};
use sls::compile::Return;

use crate::runner::judged;
use crate::{Answer, Client, Deed, Invocation, State, returned};

/// Runners of one state, at most: each may be a whole orchestration.
const RUNNERS_MAX: usize = 100;

pub(crate) fn invoke_all(state: &State<'_>) -> Result<Deed, String> {
    let runners = match state.value("runners") {
        Value::String(fun) => Map::from_iter([(fun.clone(), Value::Null)]),
        Value::Object(runners) => runners.clone(),
        _ => return Err("The runners parameter must be a string or dict.".to_owned()),
    };
    if runners.len() > RUNNERS_MAX {
        return Err(format!("at most {RUNNERS_MAX} runners run in parallel"));
    }
    let all: Result<Vec<_>, String> = runners
        .iter()
        .map(|(id, said)| Ok((id.clone(), one(id, said)?)))
        .collect();
    let all = all?;
    if state.is_test {
        let names: Vec<&str> = all.iter().map(|(_, call)| call.fun.as_str()).collect();
        let comment = format!(
            "Runner functions '{}' would be executed.",
            names.join("', '")
        );
        return Ok(Deed::None(returned(None, comment)));
    }
    Ok(Deed::InvokeAll(all))
}

/// A runner is a list of `name` and `kwarg`, or a dictionary of them; without a name its id is the function.
fn one(id: &str, said: &Value) -> Result<Invocation, String> {
    let mut fields = Map::new();
    match said {
        Value::Null => {}
        Value::Object(map) => fields.extend(map.clone()),
        Value::Array(items) => {
            for item in items {
                let map = item
                    .as_object()
                    .ok_or_else(|| format!("runner {id}: {item} is neither name nor kwarg"))?;
                fields.extend(map.clone());
            }
        }
        _ => {
            return Err(format!(
                "runner {id}: it has to be a list of name and kwarg"
            ));
        }
    }
    let kwargs = match fields.get("kwarg") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(kwargs)) => kwargs.clone(),
        Some(_) => return Err(format!("runner {id}: kwarg has to be a dictionary")),
    };
    Ok(Invocation {
        client: Client::Runner,
        fun: fields
            .get("name")
            .map_or_else(|| id.to_owned(), data::python::text),
        args: Vec::new(),
        kwargs,
    })
}

/// The return for what all runners answered, in their order.
pub fn returned_by_all(answers: Vec<(String, Answer)>) -> Return {
    let mut failed = Vec::new();
    let mut values = Map::new();
    for (id, answer) in answers {
        let (value, is_ok) = judged(answer);
        if !is_ok {
            failed.push(id.clone());
        }
        values.insert(id, value);
    }
    let comment = match &failed[..] {
        [] => "All runner functions executed successfully.".to_owned(),
        [one] => format!("Runner {one} failed."),
        several => format!("Runners {} failed.", several.join(", ")),
    };
    let are_runs = values.values().all(|value| {
        value.get("outputter") == Some(&json!("highstate")) && value.get("data").is_some()
    });
    let changes = if are_runs {
        let changed = values.iter().filter_map(|(id, value)| {
            let changes = changes_in(&value["data"]);
            data::python::truthy(&changes).then(|| (id.clone(), changes))
        });
        changed.collect()
    } else {
        Map::from_iter([("ret".to_owned(), Value::Object(values))])
    };
    Return {
        changes,
        ..returned(failed.is_empty(), comment)
    }
}

/// The changes of all records in a tree of them, under the names that lead there; those of minions in place of their frame.
fn changes_in(tree: &Value) -> Value {
    let Some(fields) = tree.as_object() else {
        return json!({});
    };
    match fields.get("changes") {
        Some(changes) => match (changes.get("out"), changes.get("ret")) {
            (Some(out), Some(ret)) if out == "highstate" => ret.clone(),
            _ => changes.clone(),
        },
        None => {
            let found = fields.iter().filter_map(|(key, value)| {
                let changes = changes_in(value);
                data::python::truthy(&changes).then(|| (key.clone(), changes))
            });
            Value::Object(found.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sls::compile::Chunk;

    fn read(runners: Value) -> Result<Deed, String> {
        let said = json!({"state": "salt", "fun": "parallel_runners", "name": "x", "__id__": "x", "runners": runners});
        crate::deed(&Chunk(said.as_object().cloned().unwrap()), false, false)
    }

    #[test]
    fn runners_have_names_and_arguments() {
        let runners = json!({
            "a": [{"name": "state.orchestrate"}, {"kwarg": {"mods": "one"}}],
            "manage.up": null,
        });
        let Ok(Deed::InvokeAll(all)) = read(runners) else {
            panic!("calls");
        };
        let all: Vec<_> = all
            .iter()
            .map(|(id, call)| (id.as_str(), call.fun.as_str(), call.kwargs.len()))
            .collect();
        assert_eq!(
            all,
            [("a", "state.orchestrate", 1), ("manage.up", "manage.up", 0)]
        );
        let wrong = read(json!([1])).unwrap_err();
        assert_eq!(wrong, "The runners parameter must be a string or dict.");
    }

    #[test]
    fn changes_of_orchestrations_are_drawn_together() {
        let run = |result: bool, changes: Value| {
            let record = json!({"result": result, "changes": changes});
            Ok((
                json!({"data": {"top_master": {"salt_|-a_|-a_|-state": record}}, "outputter": "highstate"}),
                i32::from(!result),
            ))
        };
        let of_minions = json!({"out": "highstate", "ret": {"m1": {"x": 1}}});
        let told = returned_by_all(vec![
            ("one".to_owned(), run(true, of_minions)),
            ("two".to_owned(), run(true, json!({}))),
        ]);
        assert_eq!(told.result, Some(true));
        assert_eq!(told.comment, "All runner functions executed successfully.");
        assert_eq!(
            Value::Object(told.changes),
            json!({"one": {"top_master": {"salt_|-a_|-a_|-state": {"m1": {"x": 1}}}}})
        );
        let told = returned_by_all(vec![
            ("one".to_owned(), Ok((json!(["m1"]), 0))),
            ("two".to_owned(), Err("none".to_owned())),
        ]);
        assert_eq!(told.comment, "Runner two failed.");
        assert_eq!(
            Value::Object(told.changes),
            json!({"ret": {"one": ["m1"], "two": "none"}})
        );
    }
}
