//! `schedule`: jobs by the clock of this minion.

use serde_json::{Map, Value, json};

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, returned};
use crate::call::Call;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "schedule.absent",
        "name, **kwargs",
        "A job is not in the schedule. persist=False: until the minion is restarted.",
        |args, env| told(args, env, "schedule.delete", "Removed job {} from schedule"),
    ),
    StateFunction::new(
        "schedule.disabled",
        "name, **kwargs",
        "A job of the schedule does not run.",
        |args, env| {
            told(
                args,
                env,
                "schedule.disable_job",
                "Disabled job {} from schedule",
            )
        },
    ),
    StateFunction::new(
        "schedule.enabled",
        "name, **kwargs",
        "A job of the schedule runs.",
        |args, env| {
            told(
                args,
                env,
                "schedule.enable_job",
                "Enabled job {} from schedule",
            )
        },
    ),
    StateFunction::new(
        "schedule.present",
        "name, **kwargs",
        "A job is in the schedule as these arguments say; they are those of the function schedule.add.",
        present,
    ),
];

fn call(
    env: &StateEnv,
    fun: &str,
    name: &str,
    kwargs: Map<String, Value>,
) -> Result<Value, super::Failure> {
    env.call(&Call {
        fun: fun.to_owned(),
        args: vec![json!(name)],
        kwargs,
    })
}

/// The jobs, as they are.
fn jobs(env: &StateEnv) -> Result<Value, super::Failure> {
    let kwargs = json!({"show_all": true, "return_yaml": false});
    env.call(&Call {
        fun: "schedule.list".to_owned(),
        args: Vec::new(),
        kwargs: kwargs.as_object().cloned().unwrap_or_default(),
    })
}

/// What the function gets of the state's arguments.
fn kwargs(args: &Args, env: &StateEnv) -> Map<String, Value> {
    let mut kwargs = args.extra_kwargs.clone();
    kwargs.retain(|key, _| !key.starts_with("__"));
    if env.is_test {
        kwargs.insert("test".to_owned(), json!(true));
    }
    kwargs
}

/// Takes over what the function answered.
fn taken(answer: &mut Return, told: &Value, is_test: bool, done: String) {
    let result = told.get("result").is_none_or(python::truthy);
    let said = told.get("comment").map(python::text).unwrap_or_default();
    answer.result = Some(result);
    if !result || is_test {
        answer.comment = said;
    } else {
        answer.comment = done;
    }
    if let Some(Value::Object(changes)) = told.get("changes") {
        answer.changes = changes.clone();
    }
}

fn told(args: &Args, env: &StateEnv, fun: &str, done: &str) -> StateAnswer {
    let name = args.text("name")?;
    if jobs(env)?.get(&name).is_none() {
        return Ok(returned(
            true,
            format!("Job {name} not present in schedule"),
        ));
    }
    let mut answer = returned(true, "");
    let told = call(env, fun, &name, kwargs(args, env))?;
    taken(&mut answer, &told, env.is_test, done.replace("{}", &name));
    if env.is_test && answer.result == Some(true) {
        answer.result = None;
    }
    Ok(answer)
}

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let kwargs = kwargs(args, env);
    let (fun, done) = match jobs(env)?.get(&name) {
        None => ("schedule.add", format!("Adding new job {name} to schedule")),
        Some(current) => {
            let item = call(env, "schedule.build_schedule_item", &name, kwargs.clone())?;
            if item
                .get("result")
                .is_some_and(|result| !python::truthy(result))
            {
                let comment = item.get("comment").map(python::text).unwrap_or_default();
                return Ok(returned(false, comment));
            }
            if item == *current {
                return Ok(returned(true, format!("Job {name} in correct state")));
            }
            (
                "schedule.modify",
                format!("Modifying job {name} in schedule"),
            )
        }
    };
    let mut answer = returned(true, "");
    let told = call(env, fun, &name, kwargs)?;
    taken(&mut answer, &told, env.is_test, done);
    if env.is_test && answer.result == Some(true) {
        answer.result = None;
        if fun == "schedule.add" {
            answer.changes = Map::from_iter([(name, json!("added"))]);
        }
    }
    Ok(answer)
}
