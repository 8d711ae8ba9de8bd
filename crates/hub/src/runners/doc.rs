//! `doc`: what there is.

use serde_json::{Map, Value, json};

use super::call::{Answered, Call};
use super::salt::run;
use super::{Kind, MODULES, Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("doc.runner", "", runners, "What runners there are, and what they do."),
    runner!("doc.wheel", "", wheels, "What wheel functions there are, and what they do."),
    runner!("doc.execution", "", execution,
        "What functions minions have: sys.doc of all of them in one, run with the rights of who asks."),
];

fn of(kind: Kind) -> Value {
    let modules = MODULES.iter().filter(|(of, _)| *of == kind);
    let mut runners: Vec<&Runner> = modules.flat_map(|(_, runners)| runners.iter()).collect();
    runners.sort_by_key(|runner| runner.name);
    let docs = runners.iter().map(|runner| {
        let text = format!("{}({})\n\n{}", runner.name, runner.signature, runner.doc);
        (runner.name.to_owned(), text.into())
    });
    Value::Object(docs.collect())
}

async fn runners(_: Call<'_>) -> Answered {
    Ok(of(Kind::Runner).into())
}

async fn wheels(_: Call<'_>) -> Answered {
    Ok(of(Kind::Wheel).into())
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
