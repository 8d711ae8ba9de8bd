//! `match`: whether a target means a minion, by the roster.

use relay::Hub;
use serde_json::{Value, json};
use targeting::Verdict;
use wire::{Role, Standing};

use super::call::{Answered, Call};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("match.compound_matches", "expr, minion_id", compound_matches,
        "Whether a compound target means a minion: its id under res, or false."),
];

async fn compound_matches(call: Call<'_>) -> Answered {
    let ask = call.ask(call.value("expr"), "compound")?;
    let target = call.service.jobs.target(&ask)?;
    let id = call.text("minion_id")?;
    let wanted = id.clone();
    let matches = move |hub: &Hub| {
        hub.nodes().any(|node| {
            node.role() == Role::Minion
                && node.standing() == Standing::Accepted
                && node.id().as_str() == wanted
                && target.matches(&node.facts()) == Verdict::Yes
        })
    };
    let res = match call.service.engine.query(matches).await? {
        true => Value::from(id),
        false => false.into(),
    };
    Ok(json!({ "res": res }).into())
}
