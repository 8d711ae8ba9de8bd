//! `mine.get` and `cache.mine`: what this hub has of the mine. Of its own minions that is all, of other sites what is exported.

use serde_json::{Map, Value};
use wire::Uid;
use wire::files::MineQuestion;

use super::call::{Answered, Call, Trouble};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("mine.get", "tgt, fun, tgt_type='glob'", get,
        "What minions gave to the mine under a name; of several names (a list, or with commas between) each by itself."),
    runner!("cache.mine", "tgt='*', tgt_type='glob'", all, "All that minions gave to the mine."),
];

async fn get(call: Call<'_>) -> Answered {
    let (funs, by_function) = functions(call.value("fun"));
    let question = MineQuestion {
        tgt: words(call.value("tgt")),
        tgt_type: words(call.value("tgt_type")),
        funs: funs.clone(),
        asker: Uid([0; 16]),
    };
    let found = call.service.mine.look(&question).await;
    let mut found = found.map_err(Trouble::usage)?;
    // One function alone is answered without its name.
    Ok(match funs.first().filter(|_| !by_function) {
        Some(fun) => found
            .get_mut(fun)
            .map(Value::take)
            .unwrap_or(Map::new().into())
            .into(),
        None => found.into(),
    })
}

async fn all(call: Call<'_>) -> Answered {
    let (tgt, tgt_type) = (words(call.value("tgt")), words(call.value("tgt_type")));
    let found = call.service.mine.all(&tgt, &tgt_type).await;
    Ok(found.map_err(Trouble::usage)?.into())
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(ids) => ids.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The functions that are asked for, and whether the answer is parted by them.
fn functions(fun: &Value) -> (Vec<String>, bool) {
    match fun {
        Value::Array(funs) => (funs.iter().map(words).collect(), true),
        fun => {
            let funs: Vec<String> = words(fun)
                .split(',')
                .map(|fun| fun.trim().to_owned())
                .collect();
            let by_function = funs.len() > 1;
            (funs, by_function)
        }
    }
}
