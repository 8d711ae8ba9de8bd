//! `environ`: the variables of the environment that programs of a job get.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Failure, Function};
use crate::environment;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "environ.get",
        "key, default=''",
        "A variable of the environment, or default.",
        "environ.get PATH",
        |args, _| {
            let value = environment::get(&args.text("key")?);
            Ok(value.map_or_else(|| args.value("default").clone(), Value::from))
        },
    )
    .quick(),
    Function::new(
        "environ.has_value",
        "key, value=None",
        "Whether a variable is set, to this value when it is given.",
        "environ.has_value PATH",
        |args, _| {
            let found = environment::get(&args.text("key")?);
            let wanted = args.optional_text("value")?;
            Ok(json!(found.is_some_and(|found| {
                wanted.is_none_or(|wanted| wanted == found)
            })))
        },
    )
    .quick(),
    Function::new(
        "environ.item",
        "keys, default=''",
        "Several variables of the environment.",
        "environ.item '[PATH, HOME]'",
        |args, _| {
            let variable = |name: &String| {
                environment::get(name).map_or_else(|| args.value("default").clone(), Value::from)
            };
            Ok(Value::Object(
                args.texts("keys")
                    .iter()
                    .map(|name| (name.clone(), variable(name)))
                    .collect(),
            ))
        },
    )
    .quick(),
    Function::new(
        "environ.items",
        "",
        "All variables of the environment.",
        "environ.items",
        |_, _| Ok(json!(environment::all())),
    )
    .quick(),
    Function::new(
        "environ.setenv",
        "environ, false_unsets=False, clear_all=False, update_minion=False, permanent=False",
        "Set several variables for what the job still does. A value that is false empties its variable, or with false_unsets unsets it. \
         clear_all: do so to all others.",
        "environ.setenv '{foo: bar, baz: quux}'",
        |args, _| {
            check_reach(args)?;
            let wanted = args.value("environ").as_object();
            Ok(wanted.map_or(json!(false), |wanted| {
                set(wanted, args.flag("false_unsets"), args.flag("clear_all"))
            }))
        },
    ),
    Function::new(
        "environ.setval",
        "key, val, false_unsets=False, permanent=False",
        "Set a variable for what the job still does; a value that is false empties it, or with false_unsets unsets it.",
        "environ.setval foo bar",
        setval,
    ),
];

/// Fails for what would reach beyond the job.
pub(crate) fn check_reach(args: &Args) -> Result<(), Failure> {
    for name in ["update_minion", "permanent"] {
        if args.flag(name) {
            return Err(Failure::invocation(format!(
                "{name} is not served: a job's variables end with it"
            )));
        }
    }
    Ok(())
}

fn setval(args: &Args, _: &super::Env) -> Answer {
    check_reach(args)?;
    Ok(set_one(
        &args.text("key")?,
        args.value("val"),
        args.flag("false_unsets"),
    ))
}

/// Sets a variable; answers what it is now, nothing when it was unset, false for what no variable can be.
fn set_one(name: &str, value: &Value, false_unsets: bool) -> Value {
    match value {
        Value::Bool(false) if false_unsets => {
            environment::set(name, None);
            Value::Null
        }
        Value::Bool(false) => {
            environment::set(name, Some(""));
            json!("")
        }
        Value::String(value) => {
            environment::set(name, Some(value));
            json!(value)
        }
        _ => json!(false),
    }
}

/// Sets several variables; answers what they are now, or false when one of the values cannot be.
pub(crate) fn set(wanted: &Map<String, Value>, false_unsets: bool, clears_others: bool) -> Value {
    let mut done = Map::new();
    if clears_others {
        let others = environment::all()
            .into_keys()
            .filter(|name| !wanted.contains_key(name));
        for name in others {
            let now = set_one(&name, &json!(false), false_unsets);
            done.insert(name, now);
        }
    }
    for (name, value) in wanted {
        if !value.is_string() && value != &json!(false) {
            return json!(false);
        }
        done.insert(name.clone(), set_one(name, value, false_unsets));
    }
    Value::Object(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn values_are_found() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(
            Call::new("environ.get").arg("NO_SUCH_VARIABLE").arg("x"),
            json!("x"),
        );
        check(Call::new("environ.has_value").arg("PATH"), json!(true));
        check(
            Call::new("environ.has_value").arg("PATH").arg("wrong"),
            json!(false),
        );
        let path = std::env::var("PATH").unwrap();
        check(Call::new("environ.get").arg("PATH"), json!(path));
        check(Call::new("environ.item").arg("PATH"), json!({"PATH": path}));
        assert_eq!(
            host.call(Call::new("environ.items")).value["PATH"],
            json!(path)
        );
        check(
            Call::new("environ.setval").arg("NEW_ONE").arg("x"),
            json!("x"),
        );
        // The next job knows nothing of it.
        check(Call::new("environ.get").arg("NEW_ONE"), json!(""));
        let refused = host.call(
            Call::new("environ.setval")
                .arg("A")
                .arg("b")
                .kwarg("permanent", true),
        );
        assert!(!refused.success);
    }

    #[test]
    fn programs_get_what_a_job_sets() {
        let host = Host::new();
        host.with_env(|env| {
            let _scope = environment::scope();
            env.call(
                &Call::new("environ.setenv")
                    .arg(json!({"NEW_ONE": "x", "HOME": false}))
                    .kwarg("false_unsets", true),
            )
            .unwrap();
            let said = env
                .call(
                    &Call::new("cmd.run")
                        .arg("echo $NEW_ONE ${HOME-none}")
                        .kwarg("python_shell", true),
                )
                .unwrap();
            assert_eq!(said.value, json!("x none"));
        });
    }
}
