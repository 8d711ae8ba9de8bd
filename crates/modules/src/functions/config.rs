//! `config` and `environ`: the minion's configuration and its environment.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Function};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "config.get",
        "key, default='', delimiter=':', omit_opts=False, omit_grains=False",
        "A value of the minion's configuration, else of its grains, else default. A path such as mysql:host walks into \
         nested values.",
        "config.get pkg:apache",
        get,
    )
    .quick(),
    Function::new(
        "config.option",
        "value, default='', omit_opts=False, omit_grains=False",
        "A value of the minion's configuration, else of its grains, else default; the name is no path.",
        "config.option master",
        |args, env| {
            let name = args.text("value")?;
            let grains = env.ctx.grains();
            let configured = (!args.flag("omit_opts")).then(|| env.ctx.config(&name)).flatten();
            let grain = || (!args.flag("omit_grains")).then(|| grains.get(&name).cloned()).flatten();
            Ok(configured.or_else(grain).unwrap_or_else(|| args.value("default").clone()))
        },
    )
    .quick(),
    Function::new(
        "environ.get",
        "key, default=''",
        "A variable of the minion's environment, or default.",
        "environ.get PATH",
        |args, _| Ok(std::env::var(args.text("key")?).map_or_else(|_| args.value("default").clone(), |value| json!(value))),
    )
    .quick(),
    Function::new(
        "environ.has_value",
        "key, value=None",
        "Whether a variable is set in the minion's environment, to this value when it is given.",
        "environ.has_value PATH",
        |args, _| {
            let found = std::env::var(args.text("key")?).ok();
            let wanted = args.optional_text("value")?;
            Ok(json!(found.is_some_and(|found| wanted.is_none_or(|wanted| wanted == found))))
        },
    )
    .quick(),
    Function::new(
        "environ.item",
        "keys, default=''",
        "Several variables of the minion's environment.",
        "environ.item '[PATH, HOME]'",
        |args, _| {
            let variable = |name: &String| std::env::var(name).map_or_else(|_| args.value("default").clone(), Value::from);
            Ok(Value::Object(args.texts("keys").iter().map(|name| (name.clone(), variable(name))).collect()))
        },
    )
    .quick(),
    Function::new(
        "environ.items",
        "",
        "All variables of the minion's environment.",
        "environ.items",
        |_, _| {
            let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
            let all: Map<String, Value> = std::env::vars_os().map(|(name, value)| (text(name), json!(text(value)))).collect();
            Ok(Value::Object(all))
        },
    )
    .quick(),
];

fn get(args: &Args, env: &Env) -> Answer {
    let (key, delimiter) = (args.text("key")?, args.text("delimiter")?);
    let configured = || {
        // Configuration is known by its names at top level; what is below them is walked here.
        match key
            .split_once(delimiter.as_str())
            .filter(|_| !delimiter.is_empty())
        {
            Some((first, rest)) => {
                data::traverse(&env.ctx.config(first)?, rest, &delimiter).cloned()
            }
            None => env.ctx.config(&key),
        }
    };
    let grain = || data::traverse(&env.ctx.grains(), &key, &delimiter).cloned();
    let found = (!args.flag("omit_opts")).then(configured).flatten();
    let found = found.or_else(|| (!args.flag("omit_grains")).then(grain).flatten());
    Ok(found.unwrap_or_else(|| args.value("default").clone()))
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
        check(Call::new("config.get").arg("master"), json!("hub.example"));
        check(
            Call::new("config.get")
                .arg("master")
                .kwarg("omit_opts", true),
            json!(""),
        );
        check(Call::new("config.get").arg("deep:er:est"), json!(7));
        check(
            Call::new("config.get")
                .arg("deep:er")
                .kwarg("omit_grains", true),
            json!(""),
        );
        check(Call::new("config.get").arg("none").arg(5), json!(5));
        check(Call::new("config.get").arg("ports:http"), json!(8080));
        check(Call::new("config.get").arg("ports:https"), json!(""));
        check(Call::new("config.option").arg("os"), json!("Debian"));
        check(Call::new("config.option").arg("deep:er"), json!(""));
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
    }
}
