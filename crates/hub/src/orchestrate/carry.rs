//! Does what a state wants done, and says what came of it.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use events::{Filters, Item};
use orchestrate::{Answer, Client, Deed, Invocation, Order, Waiting};
use serde_json::Value;
use sls::compile::Return;
use tokio::task::JoinSet;

use super::Orchestration;
use super::drive::Ordered;

/// `id` is that of the state. An error is the state's failure.
pub(super) async fn carry(
    of: &Arc<Orchestration>,
    id: &str,
    deed: Deed,
    ordered: &Ordered,
) -> Result<Return, String> {
    match deed {
        Deed::None(returned) => Ok(returned),
        Deed::Order(job) => order(of, id, *job, ordered)
            .await
            .map_err(|error| format!("{error:#}")),
        Deed::Invoke(invocation) => {
            let answer = invoke(of, &invocation).await;
            Ok(orchestrate::returned_by(&invocation, answer))
        }
        Deed::InvokeAll(all) => Ok(orchestrate::returned_by_all(invoke_all(of, all).await)),
        Deed::Wait(waiting) => wait(of, waiting).await,
    }
}

async fn order(
    of: &Arc<Orchestration>,
    id: &str,
    job: Order,
    ordered: &Ordered,
) -> anyhow::Result<Return> {
    of.service()?.tell_order(of, &job);
    let Order { mut ask, judge } = job;
    ask.user.clone_from(&of.user);
    // Each job reads what the orchestration itself was read from.
    ask.roots.clone_from(&of.roots);
    let service = of.service()?;
    // There is nobody to be asked how many it is for.
    let jid = match service.order(&of.caller, &ask, None, None).await? {
        Ok(jid) => jid,
        Err(not_taken) => return Ok(judge.not_taken(&not_taken.to_string())),
    };
    ordered
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(jid);
    of.note_job(id, jid).await?;
    let mut moves = service.engine.watch(jid).await?;
    moves.wait_for(|moves| moves.finished).await?;
    Ok(match service.ledger(jid).await? {
        Some(ledger) => judge.returned(&ledger),
        None => judge.not_taken(&format!("job {jid} is gone")),
    })
}

async fn invoke(of: &Arc<Orchestration>, invocation: &Invocation) -> Answer {
    let service = of.service().map_err(|error| error.to_string())?;
    let fun = match invocation.client {
        Client::Runner => invocation.fun.clone(),
        Client::Wheel => format!("wheel.{}", invocation.fun),
    };
    let Invocation { args, kwargs, .. } = invocation;
    service
        .invoke(&of.caller, &of.user, &fun, args, kwargs, of.depth + 1)
        .await
}

/// All beside each other; their answers in their order.
async fn invoke_all(
    of: &Arc<Orchestration>,
    all: Vec<(String, Invocation)>,
) -> Vec<(String, Answer)> {
    let mut answers: Vec<(String, Answer)> = all
        .iter()
        .map(|(id, _)| (id.clone(), Err("it was given up: see the log".to_owned())))
        .collect();
    let mut tasks = JoinSet::new();
    for (at, (_, invocation)) in all.into_iter().enumerate() {
        let of = of.clone();
        tasks.spawn(async move { (at, invoke(&of, &invocation).await) });
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((at, answer)) = joined
            && let Some(place) = answers.get_mut(at)
        {
            place.1 = answer;
        }
    }
    answers
}

async fn wait(of: &Arc<Orchestration>, mut waiting: Waiting) -> Result<Return, String> {
    let glob = waiting.glob().to_owned();
    let filters = Filters::new(&[glob]).map_err(|error| error.to_string())?;
    let service = of.service().map_err(|error| error.to_string())?;
    let subscribed = service.subscribe(filters).await;
    let Some(subscription) = subscribed.map_err(|error| format!("{error:#}"))? else {
        return Err("too many follow the events of this hub already".to_owned());
    };
    let began = Instant::now();
    let deadline = tokio::time::Instant::now() + waiting.limit;
    let mut missed = 0;
    while !waiting.is_over() {
        match tokio::time::timeout_at(deadline, subscription.next()).await {
            Err(_) => break,
            Ok(Item::Gap(count)) => missed += count,
            Ok(Item::One(event)) => {
                let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
                waiting.hear(&event.tag, &data);
            }
        }
    }
    Ok(waiting.returned(began.elapsed(), missed))
}
