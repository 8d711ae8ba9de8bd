//! `environ`: the variables of the minion's environment.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Function};
use crate::{environment, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "environ.get",
        "key, default=''",
        "A variable of the minion's environment, or default.",
        "environ.get PATH",
        |args, _| {
            Ok(environment::get(&args.text("key")?)
                .map_or_else(|| args.value("default").clone(), Value::from))
        },
    )
    .quick(),
    Function::new(
        "environ.has_value",
        "key, value=None",
        "Whether a variable is set in the minion's environment, to this value when it is given.",
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
        "Several variables of the minion's environment.",
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
        "All variables of the minion's environment.",
        "environ.items",
        |_, _| Ok(json!(environment::all())),
    )
    .quick(),
    Function::new(
        "environ.setenv",
        "environ, false_unsets=False, clear_all=False, update_minion=False, permanent=False",
        "Set several variables for functions and the programs that they start, until the minion restarts. false_unsets: take away what is set to \
         False. clear_all: take away (or empty) all others. update_minion is accepted: the minion sees them at once. permanent: of Windows only.",
        "environ.setenv '{foo: bar, baz: quux}'",
        setenv,
    ),
    Function::new(
        "environ.setval",
        "key, val, false_unsets=False, permanent=False",
        "Set a variable for functions and the programs that they start, until the minion restarts. Options as for environ.setenv.",
        "environ.setval foo bar",
        |args, _| {
            let key = args.text("key")?;
            Ok(set(&key, args.value("val"), args.flag("false_unsets")))
        },
    ),
];

/// The new value, null for a variable that is taken away, false when it cannot be set.
fn set(key: &str, value: &Value, false_unsets: bool) -> Value {
    let text = match value {
        Value::Bool(false) if false_unsets => {
            return if environment::set(key, None) {
                Value::Null
            } else {
                json!(false)
            };
        }
        Value::Bool(false) => "",
        Value::String(text) => text,
        _ => return json!(false),
    };
    if environment::set(key, Some(text)) {
        json!(text)
    } else {
        json!(false)
    }
}

fn setenv(args: &Args, _: &Env) -> Answer {
    let Some(wanted) = args.value("environ").as_object() else {
        return Ok(json!(false));
    };
    let false_unsets = args.flag("false_unsets");
    let mut answers = Map::new();
    if args.value("clear_all") == &json!(true) {
        for key in environment::all()
            .into_keys()
            .filter(|key| !wanted.contains_key(key))
        {
            let answer = set(&key, &json!(false), false_unsets);
            answers.insert(key, answer);
        }
    }
    for (key, value) in wanted {
        if !value.is_string() && value != &json!(false) {
            tracing::debug!(
                "environ.setenv: {key} is neither a text nor False: {}",
                python::repr(value)
            );
            return Ok(json!(false));
        }
        answers.insert(key.clone(), set(key, value, false_unsets));
    }
    Ok(Value::Object(answers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn variables_are_read_and_set() {
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
            Call::new("environ.setval").arg("SETVAL_TEST").arg("a"),
            json!("a"),
        );
        check(Call::new("environ.get").arg("SETVAL_TEST"), json!("a"));
        let echo = Call::new("cmd.run")
            .arg("echo $SETVAL_TEST")
            .kwarg("python_shell", true);
        check(echo, json!("a"));
        check(
            Call::new("environ.setval").arg("SETVAL_TEST").arg(false),
            json!(""),
        );
        check(
            Call::new("environ.setenv")
                .arg(json!({"SETVAL_TEST": false, "SETENV_TEST": "b"}))
                .kwarg("false_unsets", true),
            json!({"SETVAL_TEST": null, "SETENV_TEST": "b"}),
        );
        check(
            Call::new("environ.has_value").arg("SETVAL_TEST"),
            json!(false),
        );
        check(
            Call::new("environ.setenv").arg(json!({"SETENV_TEST": 1})),
            json!(false),
        );
        check(
            Call::new("environ.setval").arg("A=B").arg("x"),
            json!(false),
        );
    }
}
