//! `sys`: what functions there are.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Function};
use crate::{pattern, python};

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
        list_functions,
    )
    .quick(),
    Function::new(
        "sys.list_modules",
        "*args",
        "The names of modules: those given that exist, those that match a pattern, or all.",
        "sys.list_modules 's*'",
        list_modules,
    )
    .quick(),
    Function::new(
        "sys.reload_modules",
        "",
        "Answer true: functions are part of the program, there is nothing to load again.",
        "sys.reload_modules",
        |_, _| Ok(json!(true)),
    )
    .quick(),
];

fn list_functions(args: &Args, env: &Env) -> Answer {
    if args.extra_args.is_empty() {
        return Ok(env.registry.functions().map(|name| json!(name)).collect());
    }
    let mut names = BTreeSet::new();
    for wanted in args.extra_args.iter().map(python::text) {
        let prefix = format!("{wanted}.");
        let glob = wanted
            .contains(['*', '.'])
            .then(|| pattern::glob(&wanted, false));
        names.extend(env.registry.functions().filter(|name| match &glob {
            Some(glob) => glob.as_ref().is_some_and(|glob| glob.is_match(name)),
            None => name.starts_with(&prefix),
        }));
    }
    Ok(json!(names))
}

fn list_modules(args: &Args, env: &Env) -> Answer {
    let wanted: Vec<_> = args
        .extra_args
        .iter()
        .filter_map(|name| pattern::glob(&python::text(name), false))
        .collect();
    let modules = env
        .registry
        .functions()
        .filter_map(|name| name.split('.').next());
    let is_wanted = |module: &&str| {
        args.extra_args.is_empty() || wanted.iter().any(|glob| glob.is_match(module))
    };
    Ok(json!(modules.filter(is_wanted).collect::<BTreeSet<_>>()))
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
            json!(["sys.list_functions", "sys.list_modules"]),
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
    }
}
