//! `cache`: what this hub knows of minions. Grains are those of the roster; they are news of the minions themselves, so nothing here
//! clears or sets them.

use relay::Hub;
use serde_json::{Map, Value};
use targeting::{Kind, Nodegroups, Target, Verdict};
use wire::{Role, Standing};

use super::call::{Answered, Call, Trouble};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("cache.grains", "tgt, tgt_type='glob'", grains,
        "The grains of minions, as they told them last; those of minions that are down too."),
    runner!("cache.list", "bank", list, "Ids of the minions whose grains are known. The one bank is grains."),
    runner!("cache.fetch", "bank, key", fetch, "The grains of one minion. The one bank is grains."),
];

/// Grains of the accepted minions that a target means, by id, sorted.
pub(super) async fn known(call: &Call<'_>, target: Target) -> Result<Map<String, Value>, Trouble> {
    let read = move |hub: &Hub| {
        let minions = hub.nodes().filter(|node| {
            node.role() == Role::Minion
                && node.standing() == Standing::Accepted
                && target.matches(&node.facts()) == Verdict::Yes
        });
        let known =
            minions.filter_map(|node| Some((node.id().to_string(), node.grains()?.clone())));
        known.collect::<Vec<_>>()
    };
    let mut known = call.service.engine.query(read).await?;
    known.sort_by(|a, b| a.0.cmp(&b.0));
    let parsed = |(id, grains): (String, wire::Json)| {
        (id, serde_json::from_slice(&grains).unwrap_or_default())
    };
    Ok(known.into_iter().map(parsed).collect())
}

async fn grains(call: Call<'_>) -> Answered {
    Ok(Value::Object(known(&call, call.target()?).await?).into())
}

/// Salt keeps more than grains there.
fn check_bank(call: &Call<'_>) -> Result<(), Trouble> {
    match call.text("bank")?.as_str() {
        "grains" => Ok(()),
        bank => Err(Trouble::absent(format!(
            "this hub keeps no bank {bank:?}; the one bank is grains"
        ))),
    }
}

fn of(kind: Kind, text: &str) -> Result<Target, Trouble> {
    let target = Target::parse(kind, text, &Nodegroups::default(), ':');
    target.map_err(|errors| Trouble::usage(errors.render(text)))
}

async fn list(call: Call<'_>) -> Answered {
    check_bank(&call)?;
    let known = known(&call, of(Kind::Glob, "*")?).await?;
    let ids = known.into_iter().map(|(id, _)| Value::from(id));
    Ok(ids.collect::<Value>().into())
}

async fn fetch(call: Call<'_>) -> Answered {
    check_bank(&call)?;
    let id = call.text("key")?;
    let mut known = known(&call, of(Kind::List, &id)?).await?;
    // As in Salt, what is not there is empty.
    let grains = known.shift_remove(&id).unwrap_or_else(|| Map::new().into());
    Ok(grains.into())
}
