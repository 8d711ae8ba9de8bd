//! `salt`: functions of minions, run as a job, and those that need no host, run here.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sls::render::Functions;
use wire::Json;
use wire::control::{Ledger, RunAsk};

use super::call::{Answered, Call, Trouble};
use super::jobs::results;
use super::{Runner, runner};
use crate::guard::NotTaken;

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("salt.execute", "tgt, fun, arg=[], timeout=None, tgt_type='glob', ret='', jid='', kwarg=None, expect=None, full_return=False", execute,
        "Run a function on minions, with the rights of who asks, and answer what they returned. timeout: answer after so many seconds with what is \
         there. expect: run nothing unless it is for exactly so many minions. The returners of ret, and a jid of one's own, are not served."),
    runner!("salt.cmd", "fun, *args, **kwargs", cmd,
        "Call an execution function at this hub: one that touches no host, as templates of pillar have them. A hub runs nothing on its own host."),
];

async fn execute(call: Call<'_>) -> Answered {
    call.refuse("ret", "where returns are kept is a setting of the hub")?;
    call.refuse("jid", "the hub gives the ids of jobs")?;
    let args = match call.value("arg") {
        Value::Null => json!([]),
        Value::Array(args) => args.clone().into(),
        one => json!([one]),
    };
    let kwargs = match call.value("kwarg") {
        Value::Null => Map::new(),
        Value::Object(kwargs) => kwargs.clone(),
        _ => return Err(Trouble::usage("kwarg has to be a dictionary")),
    };
    let mut ask = call.ask(call.value("tgt"), &call.text("tgt_type")?)?;
    ask.fun = call.text("fun")?;
    ask.args = text(&args);
    ask.kwargs = text(&kwargs.into());
    ask.choice.expect = match call.value("expect") {
        Value::Null => None,
        expect => Some(
            expect
                .as_u64()
                .ok_or_else(|| Trouble::usage("expect has to be a number"))?,
        ),
    };
    let ledger = run(&call, ask, call.seconds("timeout")?).await?;
    let mut returned = results(&ledger)?;
    for words in returned.values_mut() {
        *words = match call.flag("full_return") {
            true => {
                let mut full = json!({
                    "ret": words["return"],
                    "retcode": words["retcode"],
                    "jid": ledger.progress.jid.to_string(),
                });
                if let Some(out) = words.get("out") {
                    full["out"] = out.clone();
                }
                full
            }
            false => words["return"].clone(),
        };
    }
    Ok(Value::Object(returned).into())
}

/// JSON text.
pub(super) fn text(value: &Value) -> Json {
    value.to_string().into_bytes().into()
}

/// Runs a job with the rights of who asks, and waits for its end, or so long.
pub(super) async fn run(
    call: &Call<'_>,
    ask: RunAsk,
    timeout: Option<Duration>,
) -> Result<Ledger, Trouble> {
    let service = call.service;
    let ordered = service
        .order(call.caller, &ask, None, service.confirm_above)
        .await?;
    let jid = match ordered {
        Ok(jid) => jid,
        Err(NotTaken::Failed(failure)) => return Err(failure.into()),
        Err(not_taken @ NotTaken::Confirm(_)) => {
            return Err(Trouble::refused(not_taken.to_string()));
        }
    };
    let timeout = timeout.or(service.wait_ms.map(Duration::from_millis));
    let mut moves = service.engine.watch(jid).await?;
    let ended = moves.wait_for(|moves| moves.finished);
    match timeout {
        // What is there by then is the answer.
        Some(timeout) => drop(tokio::time::timeout(timeout, ended).await),
        None => drop(ended.await),
    }
    let ledger = service.ledger(jid).await?;
    ledger.ok_or_else(|| Trouble::refused(format!("job {jid} is gone")))
}

async fn cmd(call: Call<'_>) -> Answered {
    let fun = call.text("fun")?;
    let (id, settings) = (
        call.service.jobs.id.to_string(),
        Value::Object(call.service.runners.settings.clone()),
    );
    let (args, kwargs) = (call.args.extra_args.clone(), call.args.extra_kwargs.clone());
    let work = move || {
        let grains = json!({ "id": id });
        let hub = pillar::functions::Hub::new(&id, &grains, &settings, Rc::new(json!({})));
        match hub.has(&fun) {
            true => hub.call(&fun, &args, &kwargs).map_err(Trouble::refused),
            false => Err(Trouble::absent(format!(
                "'{fun}' is not available at a hub, which runs nothing on its own host; salt.execute runs it on minions"
            ))),
        }
    };
    let answer = tokio::task::spawn_blocking(work)
        .await
        .map_err(anyhow::Error::new)?;
    Ok(answer?.into())
}
