//! `doc`: what there is.

use serde_json::{Map, Value, json};
use targeting::Glob;

use super::call::{Answered, Call};
use super::salt::run;
use super::{Kind, MODULES, Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("doc.runner", "name=None", runners,
        "What runners there are, and what they do: all, or those of a name, which is a module, a function or a glob."),
    runner!("doc.wheel", "name=None", wheels,
        "What wheel functions there are, and what they do: all, or those of a name, which is a module, a function or a glob."),
    runner!("doc.execution", "", execution,
        "What functions minions have: sys.doc of all of them in one, run with the rights of who asks."),
];

/// Functions and their words; with a name only those that it means.
fn of(kind: Kind, name: Option<&str>) -> Value {
    let modules = MODULES.iter().filter(|(of, _)| *of == kind);
    let mut runners: Vec<&Runner> = modules.flat_map(|(_, runners)| runners.iter()).collect();
    runners.retain(|runner| name.is_none_or(|name| is_meant(runner.name, name)));
    runners.sort_by_key(|runner| runner.name);
    let docs = runners.iter().map(|runner| {
        let text = format!("{}({})\n\n{}", runner.name, runner.signature, runner.doc);
        (runner.name.to_owned(), text.into())
    });
    Value::Object(docs.collect())
}

fn is_meant(function: &str, name: &str) -> bool {
    if name.contains('*') {
        return Glob::new(name).matches(function);
    }
    let rest = function.strip_prefix(name.trim_end_matches('.'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

async fn runners(call: Call<'_>) -> Answered {
    Ok(of(Kind::Runner, call.optional_text("name")?.as_deref()).into())
}

async fn wheels(call: Call<'_>) -> Answered {
    Ok(of(Kind::Wheel, call.optional_text("name")?.as_deref()).into())
}

async fn execution(call: Call<'_>) -> Answered {
    let mut ask = call.ask(&json!("*"), "glob")?;
    ask.fun = "sys.doc".to_owned();
    let ledger = run(&call, ask, None).await?;
    let mut docs = Map::new();
    // Minions that have the same functions share a value.
    for value in &ledger.values {
        if let Ok(Value::Object(of_some)) = serde_json::from_slice(value) {
            docs.extend(of_some);
        }
    }
    docs.sort_keys();
    Ok(Value::Object(docs).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_modules_functions_and_globs() {
        let names = |kind, name| match of(kind, name) {
            Value::Object(docs) => docs.keys().cloned().collect::<Vec<_>>(),
            other => panic!("{other}"),
        };
        assert!(names(Kind::Runner, None).len() > 50);
        assert_eq!(names(Kind::Runner, Some("manage.up")), ["manage.up"]);
        assert_eq!(
            names(Kind::Runner, Some("match")),
            ["match.compound_matches"]
        );
        assert_eq!(names(Kind::Wheel, Some("*.values")), ["config.values"]);
        assert_eq!(names(Kind::Wheel, Some("manage")), [""; 0]);
    }
}
