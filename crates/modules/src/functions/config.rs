//! `config`: the minion's configuration.

use serde_json::Value;

use super::{Answer, Args, Env, Function};
use crate::python;

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
                python::traverse(&env.ctx.config(first)?, rest, &delimiter).cloned()
            }
            None => env.ctx.config(&key),
        }
    };
    let grain = || python::traverse(&env.ctx.grains(), &key, &delimiter).cloned();
    let found = (!args.flag("omit_opts")).then(configured).flatten();
    let found = found.or_else(|| (!args.flag("omit_grains")).then(grain).flatten());
    Ok(found.unwrap_or_else(|| args.value("default").clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;
    use serde_json::json;

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
    }
}
