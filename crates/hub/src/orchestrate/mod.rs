//! Orchestrations: states of `salt.*` that the hub itself runs over the whole tree.
//!
//! The SLS comes from the roots in service, rendered and compiled by the same crate as for minions; every job that a state orders is one
//! like any other, at the commit that the orchestration was read from. An orchestration is in the history like a job. It is never gone on
//! with after a restart: nothing is ordered twice.

mod carry;
mod compile;
mod drive;
mod functions;
mod history;
mod live;
mod runners;
mod wish;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use events::Event;
use gitsync::Snapshot;
use orchestrate::Answer;
use serde_json::{Map, Value, json};
use sls::compile::{Options, Run, event_tag, is_success};
use wire::control::{FailureKind, JobSummary, RunnerAsk, Tell};
use wire::record::{RunOutcome, RunRecord};
use wire::{Jid, Json, limits};

use self::compile::Around;
use self::functions::Runners;
use self::live::{Live, Owned};
use self::wish::Wish;
use crate::caller::Caller;
use crate::control::{Teller, failed};
use crate::pillars::Asked;
use crate::runners::Call;
use crate::service::Service;

pub use history::bury;
pub(crate) use history::fits;
pub use live::Desk;

/// Orchestrations that order orchestrations, and so on, so deep.
const DEPTH_MAX: u8 = 8;
/// States of one orchestration that run beside each other, at most; further ones wait.
const PARALLEL_MAX: usize = 64;

/// One orchestration.
struct Orchestration {
    around: Arc<Around>,
    caller: Caller,
    user: String,
    /// The roots state that everything reads.
    roots: Option<String>,
    depth: u8,
    /// Whether it makes the events of a runner: one that is the call of a runner has them already.
    tells: bool,
    live: Arc<Live>,
    record: Arc<Mutex<RunRecord>>,
}

impl Orchestration {
    fn service(&self) -> anyhow::Result<Arc<Service>> {
        let service = self.around.runners.service.upgrade();
        service.ok_or_else(|| anyhow::anyhow!("the hub stops"))
    }

    /// Makes the event that a state asks for, where it is read, in the shape of those that minions send.
    fn fire(&self, wish: &Value, record: &Map<String, Value>) {
        let Ok(service) = self.service() else {
            return;
        };
        let (id, jid) = (&self.around.id, self.live.jid.to_string());
        let tag = event_tag(Some(wish), &jid, id, record);
        if !service.bus.is_read(&tag) {
            return;
        }
        let words = json!({"data": {"ret": record}, "id": id, "jid": jid, "tag": tag});
        if let Value::Object(data) = words {
            let now = service.engine.clock().now();
            service.bus.publish(&Event::of_hub(tag, data, now));
        }
    }

    /// A job was ordered: whoever looks after a fall of the hub finds it.
    async fn note_job(&self, id: &str, jid: Jid) -> anyhow::Result<()> {
        let service = self.service()?;
        let saved = {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.jobs.push((id.to_owned(), jid));
            history::save(&service.committer, record.clone())
        };
        saved.await
    }
}

/// Who wants what, as it is kept.
struct Order<'a> {
    caller: &'a Caller,
    user: &'a str,
    /// The name of the runner.
    fun: &'a str,
    /// Its arguments, by name.
    kwargs: Map<String, Value>,
    wish: Wish,
    depth: u8,
    /// The id of the call that it is, when there is one.
    jid: Option<Jid>,
}

impl<'a> Order<'a> {
    /// Reads arguments; `depth` is that of the orchestration that orders it, or 0.
    fn read(
        caller: &'a Caller,
        user: &'a str,
        fun: &'a str,
        args: &[Value],
        kwargs: &Map<String, Value>,
        depth: u8,
    ) -> Result<Order<'a>, String> {
        let known = runners::kind(fun).zip(crate::runners::signature(fun));
        let (kind, signature) =
            known.ok_or_else(|| format!("{fun} is no runner that orchestrates"))?;
        let bound = signature
            .bind(fun, args, kwargs)
            .map_err(|misfit| misfit.to_string())?;
        Ok(Order {
            caller,
            user,
            fun,
            kwargs: runners::named(&signature, &bound),
            wish: runners::wish(kind, &bound)?,
            depth,
            jid: None,
        })
    }
}

impl Service {
    /// Calls a function of the hub, as states and templates do, with the rights of whoever ordered them.
    pub(crate) async fn invoke(
        &self,
        caller: &Caller,
        user: &str,
        fun: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
        depth: u8,
    ) -> Answer {
        let area = crate::runners::area(fun);
        if !caller.is_owner && !self.allows(caller, area) {
            let area = area.as_str();
            return Err(format!("{user} may not do this: no rule has {area}"));
        }
        if runners::kind(fun).is_some() {
            let order = Order::read(caller, user, fun, args, kwargs, depth)?;
            return self.orchestrated(order).await;
        }
        let ask = RunnerAsk {
            fun: fun.to_owned(),
            args: json(&Value::Array(args.to_vec())),
            kwargs: json(&Value::Object(kwargs.clone())),
            user: user.to_owned(),
        };
        match self.runner(caller, &ask).await {
            Ok(Tell::Value { value, retcode }) => serde_json::from_slice(&value)
                .map(|value| (value, retcode))
                .map_err(|error| error.to_string()),
            Ok(Tell::Failed(failure)) => Err(failure.text),
            Ok(_) => Err("it answered something else".to_owned()),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    /// Answers a runner that orchestrates; who drops this interrupts it.
    pub(crate) async fn orchestrated_call(&self, call: &Call<'_>) -> Answer {
        let kind = runners::kind(call.fun).ok_or("it is no runner that orchestrates")?;
        let signature = crate::runners::signature(call.fun).unwrap_or_default();
        self.orchestrated(Order {
            caller: call.caller,
            user: call.user,
            fun: call.fun,
            kwargs: runners::named(&signature, &call.args),
            wish: runners::wish(kind, &call.args)?,
            depth: 0,
            jid: Some(call.jid),
        })
        .await
    }

    /// Begins an orchestration and follows it as a job is followed; it goes on when the command line hangs up.
    pub(crate) async fn orchestrate(
        &self,
        ask: &RunnerAsk,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let caller = teller.caller().clone();
        let begun = match crate::runners::arguments(ask) {
            Err(text) => Err(text),
            Ok((args, kwargs)) => {
                let (user, fun) = (&ask.user, &ask.fun);
                match Order::read(&caller, user, fun, &args, &kwargs, 0) {
                    Ok(order) => self.begin(order).await,
                    Err(text) => Err(text),
                }
            }
        };
        let live = match begun {
            Ok(live) => live,
            Err(text) => return teller.tell(&failed(FailureKind::Usage, text)).await,
        };
        let (jid, wait_ms) = (live.jid, self.wait_ms);
        teller.tell(&Tell::Accepted { jid, wait_ms }).await?;
        self.watch_live(live, teller).await
    }

    /// Runs it to its end: the value in the frame that Salt's runner gives it, and its return code.
    async fn orchestrated(&self, order: Order<'_>) -> Answer {
        if runners::kind(order.fun) == Some(runners::Kind::Show) {
            return self.shown(order).await.map(|value| (value, 0));
        }
        let live = self.begin(order).await?;
        let _owned = Owned(live.clone());
        let outcome = live.ended().await.ok_or("the hub stops")?;
        match &*outcome {
            RunOutcome::Lost(reason) => Err(reason.text.clone()),
            RunOutcome::Returned { retcode, value } => {
                let value: Value = serde_json::from_slice(value).map_err(|e| e.to_string())?;
                Ok((framed(&self.master_id(), value, *retcode), *retcode))
            }
        }
    }

    /// The high data of SLS, without running them.
    async fn shown(&self, order: Order<'_>) -> Result<Value, String> {
        let (around, _) = self.around(&order).await?;
        let around = Arc::new(around);
        let (id, wish) = (around.id.clone(), order.wish);
        let show = move || -> Value {
            match compile::high(&around, &wish).and_then(|high| {
                sls::compile::Errors::none(sls::compile::verify(&high))?;
                Ok(high)
            }) {
                Ok(high) => Value::Object(high),
                Err(errors) => json!(errors.0),
            }
        };
        let high = tokio::task::spawn_blocking(show).await;
        Ok(json!({ id: high.map_err(|error| error.to_string())? }))
    }

    /// Salt's name for the hub as a minion of its own.
    fn master_id(&self) -> String {
        format!("{}_master", self.jobs.id)
    }

    /// What states and templates see, and the roots state that it is of.
    async fn around(&self, order: &Order<'_>) -> Result<(Around, Option<String>), String> {
        let wish = &order.wish;
        let id = self.master_id();
        let roots = self.roots.served();
        let snapshot = match &roots {
            Some(state) => Some(self.roots.snapshot(Some(state)).await?),
            None => None,
        };
        let grains = compile::grains(&id);
        let asked = Asked {
            grains: json(&grains),
            pillarenv: wish.pillarenv.clone(),
            saltenv: wish.saltenv.clone(),
            values: json(&Value::Object(wish.pillar.clone())),
        };
        let pillars = &self.runners.pillars;
        let pillar_files = snapshot.as_ref().and_then(Snapshot::pillar);
        let pillar = pillars.compile(pillar_files, id.clone(), asked).await?;
        let mut options = pillars.options().as_object().cloned().unwrap_or_default();
        for (name, value) in [
            ("id", json!(id)),
            ("__role", json!("master")),
            ("saltenv", json!(wish.saltenv)),
            ("test", json!(wish.is_test)),
        ] {
            options.insert(name.to_owned(), value);
        }
        let around = Around {
            snapshot,
            options: Value::Object(options),
            pillar: Value::Object(pillar.values),
            grains,
            runners: Runners {
                service: self.itself.clone(),
                caller: order.caller.clone(),
                user: order.user.to_owned(),
                depth: order.depth + 1,
                runtime: tokio::runtime::Handle::current(),
            },
            id,
        };
        Ok((around, roots))
    }

    /// Begins it; it is on disk that it runs before this returns.
    async fn begin(&self, order: Order<'_>) -> Result<Arc<Live>, String> {
        if order.depth > DEPTH_MAX {
            return Err(format!(
                "orchestrations are {DEPTH_MAX} deep in each other already: they may go in a circle"
            ));
        }
        let (around, roots) = self.around(&order).await?;
        let now = self.engine.clock().now();
        let Some(jid) = order.jid.or_else(|| self.jobs.next_jid(now)) else {
            return Err("this hub may not order jobs, and so runs no orchestration".to_owned());
        };
        let summary = JobSummary {
            jid,
            fun: format!("runner.{}", order.fun),
            target: around.id.clone(),
            user: order.user.to_owned(),
            origin: self.jobs.id.to_string(),
            issued: now,
            finished: None,
            counts: history::counts(None),
        };
        let record = RunRecord {
            summary,
            args: json(&json!([])),
            kwargs: json(&Value::Object(order.kwargs)),
            roots: roots.clone(),
            jobs: Vec::new(),
            outcome: None,
        };
        if record.args.len() + record.kwargs.len() > limits::MAX_ARGUMENTS {
            return Err(format!(
                "the arguments have more than {} bytes",
                limits::MAX_ARGUMENTS
            ));
        }
        let Some(live) = self.orchestrations.enter(jid) else {
            return Err("too many orchestrations run at this hub; try again".to_owned());
        };
        tracing::info!(%jid, user = order.user, fun = order.fun, depth = order.depth, "orchestration");
        let of = Arc::new(Orchestration {
            around: Arc::new(around),
            caller: order.caller.clone(),
            user: order.user.to_owned(),
            roots,
            depth: order.depth,
            tells: order.jid.is_none(),
            live: live.clone(),
            record: Arc::new(Mutex::new(record.clone())),
        });
        if let Err(error) = history::save(&self.committer, record).await {
            let text = error.to_string();
            let value = json(&json!([text]));
            self.orchestrations
                .leave(&live, RunOutcome::Returned { retcode: 1, value });
            return Err(text);
        }
        self.tell_run(&of, "new", &[]);
        tokio::spawn(run(of, order.wish));
        Ok(live)
    }

    /// What a state orders, where it is read.
    fn tell_order(&self, of: &Orchestration, order: &orchestrate::Order) {
        let tag = format!("salt/run/{}/args", of.live.jid);
        if self.bus.is_read(&tag) {
            let now = self.engine.clock().now();
            self.bus.publish(&Event::of_hub(tag, order.told(), now));
        }
    }

    /// Salt's events of a runner, where they are read.
    fn tell_run(&self, of: &Orchestration, what: &str, more: &[(&str, Value)]) {
        let tag = format!("salt/run/{}/{what}", of.live.jid);
        if !of.tells || !self.bus.is_read(&tag) {
            return;
        }
        let (fun, user, arguments) = {
            let record = of.record.lock().unwrap_or_else(PoisonError::into_inner);
            let args = serde_json::from_slice(&record.args).unwrap_or_default();
            let named = serde_json::from_slice(&record.kwargs).unwrap_or_default();
            let listed = crate::report::listed(args, named);
            (
                record.summary.fun.clone(),
                record.summary.user.clone(),
                listed,
            )
        };
        let mut data = Map::from_iter([
            ("fun".to_owned(), json!(fun)),
            ("fun_args".to_owned(), json!(arguments)),
            ("jid".to_owned(), json!(of.live.jid.to_string())),
            ("user".to_owned(), json!(user)),
        ]);
        data.extend(
            more.iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
        let now = self.engine.clock().now();
        self.bus.publish(&Event::of_hub(tag, data, now));
    }
}

/// As Salt's runner answers.
fn framed(id: &str, value: Value, retcode: i32) -> Value {
    json!({"data": { id: value }, "outputter": "highstate", "retcode": retcode})
}

/// The whole of it. Boxed, since it may run others of its kind.
fn run(of: Arc<Orchestration>, wish: Wish) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let (value, retcode) = outcome(&of, wish).await;
        let Ok(service) = of.service() else {
            return;
        };
        let framed = framed(&of.around.id, value.clone(), retcode);
        let is_ok = retcode == 0;
        service.tell_run(&of, "ret", &[("return", framed), ("success", json!(is_ok))]);
        let outcome = RunOutcome::Returned {
            retcode,
            value: json(&value),
        };
        let now = service.engine.clock().now();
        let saved = {
            let mut record = of.record.lock().unwrap_or_else(PoisonError::into_inner);
            history::close(&mut record, outcome.clone(), now);
            history::save(&service.committer, record.clone())
        };
        if let Err(error) = saved.await {
            tracing::error!(jid = %of.live.jid, %error, "the end of an orchestration is not saved");
        }
        service.orchestrations.leave(&of.live, outcome);
    })
}

/// Its records, or why there are none, and its return code.
async fn outcome(of: &Arc<Orchestration>, wish: Wish) -> (Value, i32) {
    let is_test = wish.is_test;
    let around = of.around.clone();
    let compiled = tokio::task::spawn_blocking(move || compile::low(&around, &wish)).await;
    let (high, low) = match compiled {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(errors)) => return (json!(errors.0), 1),
        Err(error) => return (json!([error.to_string()]), 1),
    };
    let options = Options {
        is_test,
        failhard: of.around.is_failhard(),
        parallel_max: Some(PARALLEL_MAX),
    };
    let results = drive::drive(of, Run::new(low, options)).await;
    let is_interrupted = of.live.stop.borrow().is_some();
    let retcode = i32::from(is_interrupted || !is_success(&results, &high));
    (fitting(results), retcode)
}

/// What the minions of a job changed is in the job's own account: where all of it is too long for a frame, that is named in its place.
fn fitting(mut results: Map<String, Value>) -> Value {
    let is_too_long = |results: &Map<String, Value>| {
        serde_json::to_string(results).map_or(0, |text| text.len()) > limits::MAX_RETURN
    };
    if is_too_long(&results) {
        for record in results.values_mut() {
            if let Some(jid) = record.get("__jid__").and_then(Value::as_str) {
                let changes = json!({"too long to be shown here": format!("see jobs show {jid}")});
                record["changes"] = changes;
            }
        }
    }
    if is_too_long(&results) {
        return json!([format!(
            "the results have more than {} bytes; each job's own are in its account",
            limits::MAX_RETURN
        )]);
    }
    Value::Object(results)
}

fn json(value: &Value) -> Json {
    value.to_string().into_bytes().into()
}
