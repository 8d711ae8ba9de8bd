//! `debconf`: answers that packages are to find.

use serde_json::{Map, Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::functions::debconf::{selections, set_text};
use crate::python;
use crate::tools::Tools;

const SET: &str = "name, data, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "debconf.set",
        SET,
        "Set answers of the package that is the name: data is {question: {type, value}}.",
        |args, env| set(&Tools::new(env.env), args, env),
    ),
    StateFunction::new(
        "debconf.set_file",
        "name, source, template=None, context=None, defaults=None, **kwargs",
        "Set the answers of a file; with template it is rendered first.",
        set_file,
    ),
];

fn set(tools: &Tools, args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let current = selections(tools, true)?
        .shift_remove(&name)
        .unwrap_or(Value::Null);
    let (mut comment, mut changes, mut result) = (String::new(), Map::new(), Some(true));
    for (question, answer) in args.value("data").as_object().into_iter().flatten() {
        let kind = python::text(&answer["type"]);
        let value = match (kind.as_str(), &answer["value"]) {
            ("boolean", value) => if python::truthy(value) {
                "true"
            } else {
                "false"
            }
            .to_owned(),
            (_, value) => python::text(value),
        };
        if current
            .as_array()
            .is_some_and(|known| known.contains(&json!([question, kind, value])))
        {
            if comment.is_empty() {
                comment.push_str("Unchanged answers: ");
            }
            comment += &format!("{question} ");
            continue;
        }
        let told = if env.is_test {
            result = None;
            format!("New value: {value}")
        } else if let Err(failure) = set_text(tools, &format!("{name} {question} {kind} {value}\n"))
        {
            tracing::warn!("cannot set {question}: {failure}");
            result = Some(false);
            comment = "Some settings failed to be applied.".to_owned();
            "Failed to set!".to_owned()
        } else if kind == "password" {
            "(password hidden)".to_owned()
        } else {
            value
        };
        changes.insert(question.clone(), json!(told));
    }
    if changes.is_empty() {
        comment = "All specified answers are already set".to_owned();
    }
    Ok(changed(result, comment, changes))
}

fn set_file(args: &Args, env: &StateEnv) -> StateAnswer {
    for (parameter, word) in [("context", "Context"), ("defaults", "Defaults")] {
        if !matches!(args.value(parameter), Value::Null | Value::Object(_)) {
            return Ok(returned(false, format!("{word} must be formed as a dict")));
        }
    }
    if env.is_test {
        return Ok(returned(None, "Debconf selections would have been set."));
    }
    let mut call = Call::new("debconf.set_file")
        .arg(args.text("source")?)
        .kwarg("saltenv", env.saltenv());
    if let Some(template) = args.optional_text("template")? {
        "debconf.set_template".clone_into(&mut call.fun);
        call = call
            .kwarg("template", template)
            .kwarg("context", args.value("context").clone())
            .kwarg("defaults", args.value("defaults").clone());
    }
    Ok(if python::truthy(&env.call(&call)?) {
        returned(true, "Debconf selections were set.")
    } else {
        returned(false, "Unable to set debconf selections from file.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::testing::{Host, write_script};

    #[test]
    fn answers_are_set_once() {
        let host = Host::new();
        let file = host.write(
            "answers",
            "# a comment\ntzdata\ttzdata/Areas\tselect\tEtc\nx\tx/ok\tboolean\ttrue\n",
        );
        let bin = host.dir.path().join("bin");
        write_script(&bin.join("debconf-get-selections"), &format!("cat {file}"));
        let setting = format!("sed 's/ /\\t/;s/ /\\t/;s/ /\\t/' >> {file}");
        write_script(&bin.join("debconf-set-selections"), &setting);
        let cancel = Cancel::new();
        let tools = Tools::fake(&cancel, host.dir.path().to_path_buf());
        let check = |is_test: bool, result: Option<bool>, comment: &str, changes: Value| {
            let data = json!({"x/ok": {"type": "boolean", "value": true}, "x/name": {"type": "string", "value": "a b"},
                "x/secret": {"type": "password", "value": "s"}});
            let args = json!({"name": "x", "data": data});
            let answer = host
                .with_state(SET, args, is_test, |args, env| set(&tools, args, env))
                .unwrap();
            assert_eq!(
                (
                    answer.result,
                    answer.comment.as_str(),
                    Value::Object(answer.changes)
                ),
                (result, comment, changes)
            );
        };
        let would = json!({"x/name": "New value: a b", "x/secret": "New value: s"});
        check(true, None, "Unchanged answers: x/ok ", would);
        let done = json!({"x/name": "a b", "x/secret": "(password hidden)"});
        check(false, Some(true), "Unchanged answers: x/ok ", done);
        for is_test in [true, false] {
            check(
                is_test,
                Some(true),
                "All specified answers are already set",
                json!({}),
            );
        }
    }
}
