//! `survey`: a function on many minions, with those in one pool that returned the same.

use std::collections::BTreeMap;

use data::{diff, python};
use serde_json::{Value, json};

use super::call::{Answered, Call, Trouble};
use super::jobs::results;
use super::salt::{run, text};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("survey.hash", "tgt, cmd, *args, survey_sort='down', tgt_type='compound', **kwargs", hash,
        "Run a function on minions, with the rights of who asks, and put those together that returned the same; the largest pool first, or with \
         survey_sort=up the smallest."),
    runner!("survey.diff", "tgt, cmd, *args, survey_sort='down', tgt_type='compound', **kwargs", differences,
        "As survey.hash, and under diff what each pool has other than the first one."),
];

/// Minions that returned the same.
struct Pool {
    ids: Vec<String>,
    result: String,
}

/// The pools, in the wanted order.
async fn pools(call: &Call<'_>) -> Result<Vec<Pool>, Trouble> {
    let kind = match call.text("tgt_type")?.as_str() {
        "pcre" => "pcre",
        _ => "compound",
    };
    let mut ask = call.ask(call.value("tgt"), kind)?;
    ask.fun = call.text("cmd")?;
    ask.args = text(&call.args.extra_args.clone().into());
    ask.kwargs = text(&call.args.extra_kwargs.clone().into());
    let ledger = run(call, ask, None).await?;
    let mut pools: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, words) in results(&ledger)? {
        let result = python::text(&words["return"]);
        pools.entry(result).or_default().push(id);
    }
    let pools = pools.into_iter().map(|(result, ids)| Pool { ids, result });
    let mut pools: Vec<Pool> = pools.collect();
    pools.sort_by(|a, b| b.ids.len().cmp(&a.ids.len()).then(a.ids.cmp(&b.ids)));
    if call.text("survey_sort")? == "up" {
        pools.reverse();
    }
    Ok(pools)
}

async fn hash(call: Call<'_>) -> Answered {
    let pools = pools(&call).await?;
    let words = pools
        .iter()
        .map(|pool| json!({ "pool": pool.ids, "result": pool.result }));
    Ok(words.collect::<Value>().into())
}

async fn differences(call: Call<'_>) -> Answered {
    let pools = pools(&call).await?;
    let lines = |pool: &Pool| -> Vec<String> {
        let lines = pool.result.lines();
        lines.map(|line| format!("{line}\n")).collect()
    };
    let words = pools.iter().enumerate().map(|(nth, pool)| {
        let mut words = json!({ "pool": pool.ids, "result": pool.result });
        if nth > 0 {
            let (from, to) = (&pools[0].ids[0], &pool.ids[0]);
            let pieces = diff::pieces_within(&lines(&pools[0]), &lines(pool), from, to, 0);
            words["diff"] = pieces.concat().into();
        }
        words
    });
    Ok(words.collect::<Value>().into())
}
