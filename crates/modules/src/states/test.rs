//! `test`: states that do nothing, for testing requisites and for failing on purpose.

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;
use crate::random;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "test.nop",
        "name, **kwargs",
        "Do nothing and succeed.",
        |_, _| Ok(returned(true, "Success!")),
    ),
    StateFunction::new(
        "test.succeed_without_changes",
        "name, **kwargs",
        "Succeed and change nothing. comment: the comment.",
        |args, _| Ok(returned(true, comment(args, "Success!"))),
    ),
    StateFunction::new(
        "test.fail_without_changes",
        "name, **kwargs",
        "Fail and change nothing. comment: the comment.",
        |args, env| {
            let told = "If we weren't testing, this would be a failure!";
            let comment = comment(args, "Failure!");
            Ok(returned(
                false,
                if env.is_test {
                    told.to_owned()
                } else {
                    comment
                },
            ))
        },
    ),
    StateFunction::new(
        "test.succeed_with_changes",
        "name, **kwargs",
        "Succeed and pretend to have changed something. comment: the comment.",
        |args, env| Ok(pretended(args, env, true)),
    ),
    StateFunction::new(
        "test.fail_with_changes",
        "name, **kwargs",
        "Fail and pretend to have changed something. comment: the comment.",
        |args, env| Ok(pretended(args, env, false)),
    ),
    StateFunction::new(
        "test.configurable_test_state",
        "name, changes=True, result=True, comment='', warnings=None, allow_test_mode_failure=False",
        "Return what the arguments say; changes and result may be Random.",
        configurable,
    ),
    StateFunction::new(
        "test.show_notification",
        "name, text=None, **kwargs",
        "Succeed with a text as the comment.",
        |args, _| match args.optional_text("text")? {
            Some(text) if !text.is_empty() => Ok(returned(true, text)),
            _ => Err(Failure::invocation("Missing required argument text.")),
        },
    ),
    StateFunction::new(
        "test.mod_watch",
        "name, sfun=None, **kwargs",
        "What watching states of test do when what they watch has changed.",
        mod_watch,
    ),
    StateFunction::new(
        "test.check_pillar",
        "name, present=None, boolean=None, integer=None, string=None, listing=None, dictionary=None, verbose=False",
        "Fail unless the pillar has these keys, with values of these types.",
        check_pillar,
    ),
];

fn pretended_change() -> Map<String, Value> {
    let change = json!({"old": "Unchanged", "new": "Something pretended to change"});
    Map::from_iter([("testing".to_owned(), change)])
}

fn comment(args: &Args, default: &str) -> String {
    let said = args.extra_kwargs.get("comment");
    said.map_or_else(|| default.to_owned(), python::text)
}

fn pretended(args: &Args, env: &StateEnv, result: bool) -> Return {
    let word = if result { "successful" } else { "failed" };
    if env.is_test {
        let told = format!("If we weren't testing, this would be {word} with changes");
        return changed(None, told, pretended_change());
    }
    let default = if result { "Success!" } else { "Failure!" };
    changed(result, comment(args, default), pretended_change())
}

/// A truth, or one by chance.
fn truth(args: &Args, name: &str) -> Result<bool, Failure> {
    match args.value(name) {
        Value::Bool(truth) => Ok(*truth),
        Value::String(word) if word.eq_ignore_ascii_case("random") => Ok(random::below(2)? == 1),
        _ => Err(Failure::invocation(format!(
            "You have specified the state option '{name}' with invalid arguments. It must be either True, False, or 'Random'"
        ))),
    }
}

fn configurable(args: &Args, env: &StateEnv) -> StateAnswer {
    let (is_changed, result) = (truth(args, "changes")?, truth(args, "result")?);
    let mut answer = returned(result, args.text("comment")?);
    if is_changed {
        answer.changes = pretended_change();
    }
    let warnings = match args.value("warnings") {
        Value::Null => None,
        Value::String(one) => Some(json!([one])),
        list @ Value::Array(_) => Some(list.clone()),
        _ => {
            return Err(Failure::invocation(
                "You have specified the state option 'warnings' with invalid arguments. It must be a string or a list of strings",
            ));
        }
    };
    answer
        .others
        .extend(warnings.map(|warnings| ("warnings".to_owned(), warnings)));
    if env.is_test {
        let is_failure = args.flag("allow_test_mode_failure") && !result;
        let harmless = args.value("changes") == &Value::Bool(false);
        answer.result = if is_failure {
            Some(false)
        } else {
            harmless.then_some(true)
        };
        if answer.comment.is_empty() {
            answer.comment = "This is a test".to_owned();
        }
    }
    Ok(answer)
}

fn mod_watch(args: &Args, env: &StateEnv) -> StateAnswer {
    let watched = env
        .low
        .get("__reqs__")
        .and_then(|requisites| requisites.get("watch"));
    let mut has_changes = Vec::new();
    for chunk in watched.and_then(Value::as_array).into_iter().flatten() {
        let chunk = sls::compile::Chunk(chunk.as_object().cloned().unwrap_or_default());
        let record = env.records.get(&chunk.tag());
        if record.is_some_and(|record| python::truthy(&record["changes"])) {
            has_changes.push(format!("{}: {}", chunk.state(), chunk.id()));
        }
    }
    let said = |key: &str| args.extra_kwargs.get(key).cloned();
    let result = said("result").map_or(Some(true), |result| result.as_bool());
    let changes =
        said("changes").unwrap_or_else(|| json!({"Requisites with changes": has_changes}));
    Ok(changed(
        result,
        comment(args, "Watch statement fired."),
        changes,
    ))
}

/// A type of values: its parameter, how Python prints it, and whether a value has it.
type Kind = (&'static str, &'static str, fn(&Value) -> bool);

const KINDS: &[Kind] = &[
    ("present", "None", |_| true),
    ("boolean", "<class 'bool'>", Value::is_boolean),
    ("integer", "<class 'int'>", |value| {
        value.is_i64() || value.is_u64() || value.is_boolean()
    }),
    ("string", "(<class 'str'>,)", Value::is_string),
    ("listing", "<class 'list'>", Value::is_array),
    ("dictionary", "<class 'dict'>", Value::is_object),
];

fn check_pillar(args: &Args, env: &StateEnv) -> StateAnswer {
    if KINDS.iter().all(|(parameter, ..)| !args.flag(parameter)) {
        return Err(Failure::invocation("Missing required argument text."));
    }
    let (mut failed, mut fine) = (String::new(), String::new());
    for (parameter, type_name, has_type) in KINDS {
        let keys = match args.value(parameter) {
            Value::Array(keys) => keys.iter().map(python::text).collect(),
            Value::Null => Vec::new(),
            key => vec![python::text(key)],
        };
        for key in keys {
            let value = env.call(&Call::new("pillar.get").arg(key.as_str()).arg(Value::Null))?;
            if value.is_null() {
                failed += &format!("Pillar key \"{key}\" is missing.\n");
            } else if !has_type(&value) {
                failed += &format!("Pillar key \"{key}\" is not {type_name}.\n");
            } else {
                fine += &format!("- {key} ({type_name})\n");
            }
        }
    }
    let is_fine = failed.is_empty();
    if args.flag("verbose") && !fine.is_empty() {
        failed += "Those keys passed the check:\n";
        failed += &fine;
    }
    Ok(returned(is_fine, failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked};

    #[test]
    fn states_for_tests() {
        let host = Host::new();
        let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            checked(host.state(fun, args, is_test), result, comment)
        };
        check(
            "test.nop",
            json!({"name": "x"}),
            false,
            Some(true),
            "Success!",
        );
        let foretold = "If we weren't testing, this would be successful with changes";
        check(
            "test.succeed_with_changes",
            json!({"name": "x"}),
            true,
            None,
            foretold,
        );
        let args = json!({"name": "x", "changes": false, "result": false, "warnings": "w", "comment": "c"});
        let returned = check(
            "test.configurable_test_state",
            args,
            false,
            Some(false),
            "c",
        );
        assert_eq!(returned.others["warnings"], json!(["w"]));
        let invalid = "An exception occurred in this state: 'y' and 'z' are invalid keyword arguments for 'test.configurable_test_state'";
        let args = json!({"name": "x", "y": 1, "z": 2, "require": [], "order": 1});
        check(
            "test.configurable_test_state",
            args,
            false,
            Some(false),
            invalid,
        );
    }
}
