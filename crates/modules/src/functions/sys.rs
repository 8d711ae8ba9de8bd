//! `sys`: what functions there are.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::{Args, Function};
use crate::{custom, pattern, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "sys.argspec",
        "module=''",
        "Arguments and defaults of functions: of one, of a module, of those that match a pattern, or of all.",
        "sys.argspec pkg.install",
        |args, env| {
            let found = env.registry.argspec(&args.text("module")?);
            Ok(Value::Object(found.into_iter().collect()))
        },
    )
    .quick(),
    Function::new(
        "sys.doc",
        "*args",
        "Documentation of functions: of single ones, of modules, of those that match a pattern, or of all.",
        "sys.doc test.ping",
        |args, env| {
            let wanted = if args.extra_args.is_empty() { vec![json!("")] } else { args.extra_args.clone() };
            let found = wanted.iter().flat_map(|name| env.registry.doc(&python::text(name)));
            let docs: Map<String, Value> = found.map(|(name, text)| (name, json!(text))).collect();
            Ok(Value::Object(docs))
        },
    )
    .quick(),
    Function::new(
        "sys.list_functions",
        "*args, **kwargs",
        "The names of functions: of modules, of those that match a pattern, or of all.",
        "sys.list_functions 'cmd.run*'",
        |args, env| Ok(functions(args, env.registry.names())),
    )
    .quick(),
    Function::new(
        "sys.list_modules",
        "*args",
        "The names of modules: those given that exist, those that match a pattern, or all.",
        "sys.list_modules 's*'",
        |args, env| Ok(modules(args, env.registry.names())),
    )
    .quick(),
    Function::new(
        "sys.list_state_functions",
        "*args, **kwargs",
        "The names of state functions: of modules, of those that match a pattern, or of all.",
        "sys.list_state_functions 'file.*'",
        |args, env| Ok(functions(args, env.registry.state_names())),
    )
    .quick(),
    Function::new(
        "sys.list_state_modules",
        "*args",
        "The names of modules of states: those given that exist, those that match a pattern, or all.",
        "sys.list_state_modules 's*'",
        |args, env| Ok(modules(args, env.registry.state_names())),
    )
    .quick(),
    Function::new(
        "sys.reload_modules",
        "",
        "Look again at what custom modules offer; all other functions are part of the program.",
        "sys.reload_modules",
        |_, env| {
            custom::describe_again(env)?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "sys.state_argspec",
        "module=''",
        "Arguments and defaults of state functions: of one, of a module, of those that match a pattern, or of all.",
        "sys.state_argspec pkg.installed",
        |args, env| {
            let wanted = [args.value("module").clone()];
            let found = selected(&wanted, env.registry.state_names());
            let spec = |name: String| {
                let spec = env.registry.state_argspec(&name)?;
                Some((name, spec))
            };
            Ok(Value::Object(found.into_iter().filter_map(spec).collect()))
        },
    )
    .quick(),
    Function::new(
        "sys.state_doc",
        "*args",
        "Documentation of state functions: of single ones, of modules, of those that match a pattern, or of all.",
        "sys.state_doc service.running",
        |args, env| {
            let found = selected(&args.extra_args, env.registry.state_names());
            let doc = |name: String| {
                let doc = env.registry.state_doc(&name)?;
                Some((name, json!(doc)))
            };
            Ok(Value::Object(found.into_iter().filter_map(doc).collect()))
        },
    )
    .quick(),
];

/// The names that are wanted: by a pattern or a full name, else all of a module; without any, all.
fn selected(wanted: &[Value], names: BTreeSet<String>) -> BTreeSet<String> {
    let wanted: Vec<String> = wanted
        .iter()
        .map(python::text)
        .filter(|name| !name.is_empty())
        .collect();
    let patterns: Vec<Option<Regex>> = wanted
        .iter()
        .map(|name| {
            let pattern = if name.contains(['*', '.']) {
                name.clone()
            } else {
                format!("{name}.*")
            };
            pattern::glob(&pattern, false)
        })
        .collect();
    let is_wanted = |name: &String| {
        wanted.is_empty()
            || patterns
                .iter()
                .flatten()
                .any(|pattern| pattern.is_match(name))
    };
    names.into_iter().filter(is_wanted).collect()
}

fn functions(args: &Args, names: BTreeSet<String>) -> Value {
    json!(selected(&args.extra_args, names))
}

fn modules(args: &Args, names: BTreeSet<String>) -> Value {
    let wanted: Vec<_> = args
        .extra_args
        .iter()
        .filter_map(|name| pattern::glob(&python::text(name), false))
        .collect();
    let modules = names.iter().filter_map(|name| name.split('.').next());
    let is_wanted = |module: &&str| {
        args.extra_args.is_empty() || wanted.iter().any(|glob| glob.is_match(module))
    };
    json!(modules.filter(is_wanted).collect::<BTreeSet<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn functions_are_listed() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(
            Call::new("sys.list_modules")
                .arg("tes*")
                .arg("sys")
                .arg("zzz"),
            json!(["sys", "test"]),
        );
        check(
            Call::new("sys.list_functions").arg("sys.list_*"),
            json!([
                "sys.list_functions",
                "sys.list_modules",
                "sys.list_state_functions",
                "sys.list_state_modules"
            ]),
        );
        check(Call::new("sys.list_functions").arg("sy"), json!([]));
        check(
            Call::new("sys.list_functions").arg("test.ping"),
            json!(["test.ping"]),
        );
        let spec = json!({"test.echo": {"args": ["text"], "defaults": null, "varargs": null, "kwargs": null}});
        check(Call::new("sys.argspec").arg("test.echo"), spec);
        let all = host
            .call(Call::new("sys.list_functions"))
            .value
            .as_array()
            .unwrap()
            .len();
        assert_eq!(
            host.call(Call::new("sys.doc"))
                .value
                .as_object()
                .unwrap()
                .len(),
            all
        );
        assert!(host.call(Call::new("sys.doc").arg("test.ping")).value["test.ping"].is_string());
        check(
            Call::new("sys.list_state_modules").arg("tes*"),
            json!(["test"]),
        );
        check(
            Call::new("sys.list_state_functions").arg("test.no*"),
            json!(["test.nop"]),
        );
        let states = host
            .call(Call::new("sys.list_state_functions").arg("test"))
            .value;
        assert!(states.as_array().unwrap().contains(&json!("test.nop")));
        check(
            Call::new("sys.state_doc").arg("test.nop"),
            json!({"test.nop": "Do nothing and succeed."}),
        );
        check(
            Call::new("sys.state_argspec").arg("test.nop"),
            json!({"test.nop": {"args": ["name"], "defaults": null, "varargs": null, "kwargs": true}}),
        );
    }
}
