//! `pillar`: what pillar a minion gets, made here from the roots in service.

use serde_json::{Map, Value, json};
use targeting::{Kind, Target};
use wire::Json;

use super::call::{Answered, Call, Trouble};
use super::fileserver::snapshot;
use super::{Runner, runner};
use crate::pillars::Asked;

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("pillar.show_pillar", "minion='*', saltenv='base', pillarenv=None, **kwargs", show_pillar,
        "The pillar of a minion, made with the grains that it told last; further named arguments are grains over those. A minion that nobody knows has its \
         name as fqdn. Who is not the hub's own user needs the right to decide about keys."),
    runner!("pillar.show_top", "minion=None, saltenv='base'", show_top,
        "The SLS files that make the pillar of a minion, by environment."),
];

/// Whose pillar it is, with what is to be known of them.
async fn asked(
    call: &Call<'_>,
    pillarenv: Option<String>,
    over: &Map<String, Value>,
) -> Result<(String, Asked), Trouble> {
    let id = call.optional_text("minion")?.unwrap_or_default();
    if id.is_empty() || id == "*" {
        return Err(Trouble::usage("name one minion: a pillar is that of one"));
    }
    let target = Target::parse(Kind::List, &id, &targeting::Nodegroups::default(), ':');
    let target = target.map_err(|errors| Trouble::usage(errors.render(&id)))?;
    let mut known = super::cache::known(call, target).await?;
    let grains = known.shift_remove(&id);
    let mut grains = match grains {
        Some(Value::Object(grains)) => grains,
        _ => Map::from_iter([("fqdn".to_owned(), id.as_str().into())]),
    };
    grains.extend(over.clone());
    let text = |value: Value| Json::from(value.to_string().into_bytes());
    let asked = Asked {
        grains: text(grains.into()),
        pillarenv: pillarenv.unwrap_or_default(),
        saltenv: call.text("saltenv")?,
        values: text(json!({})),
    };
    Ok((id, asked))
}

async fn show_pillar(call: Call<'_>) -> Answered {
    let pillarenv = call.optional_text("pillarenv")?;
    let (id, asked) = asked(&call, pillarenv, &call.args.extra_kwargs).await?;
    let made = made(&call, id, asked).await?;
    Ok(Value::Object(made.values).into())
}

async fn show_top(call: Call<'_>) -> Answered {
    let (id, asked) = asked(&call, None, &Map::new()).await?;
    let made = made(&call, id, asked).await?;
    Ok(Value::Object(made.top).into())
}

async fn made(call: &Call<'_>, id: String, asked: Asked) -> Result<pillar::Pillar, Trouble> {
    let snapshot = snapshot(call).await?.pillar();
    let made = call.service.runners.pillars.compile(snapshot, id, asked);
    made.await.map_err(Trouble::refused)
}
