//! Jobs as an operator handles them: ordered, followed, shown, cancelled, run again.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use relay::{HubInput, Replay};
use store::{HubReader, StoreError};
use wire::choice::Choice;
use wire::control::{
    Doing, FailureKind, JobSummary, Ledger, LedgerRow, Left, RetryAsk, Rollout, RunAsk, Tell,
};
use wire::find::{JobFilter, JobSource, LISTED_MAX};
use wire::{
    Between, Jid, JobOrder, LedgerDelta, OutcomeKind, PlanRecord, Reason, ReasonCode, Uid, limits,
};

use crate::caller::Caller;
use crate::control::{PROGRESS_EVERY, Teller, failed};
use crate::engine::Submission;
use crate::guard::{Guard, NotTaken};
use crate::job_journal::{Accepted, Refused};
use crate::report::{self, FormerNames};
use crate::service::Service;

/// A check between two stages is over by then.
const CHECK_RUN_MS: u64 = 600_000;
/// A cancellation is kept so long for minions that may run the job out of sight.
const CANCEL_HOLD_MS: u64 = 24 * 3_600_000;

/// The function that ends a job on its minions.
pub(crate) const TERM_JOB: &str = "saltutil.term_job";

impl Service {
    /// Orders a job and follows it.
    pub(crate) async fn run(&self, ask: &RunAsk, teller: &mut Teller) -> anyhow::Result<()> {
        let caller = teller.caller().clone();
        self.run_as(&caller, ask, None, self.confirm_above, teller)
            .await
    }

    /// As [`Service::run`], with the rights of `caller`; people read `typed` for its target. The operator is asked above so many minions.
    async fn run_as(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        typed: Option<String>,
        confirm_above: Option<u64>,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let jid = match self.order(caller, ask, typed, confirm_above).await? {
            Ok(jid) => jid,
            Err(not_taken) => return teller.tell(&not_taken.tell()).await,
        };
        teller
            .tell(&Tell::Accepted {
                jid,
                wait_ms: self.wait_ms,
            })
            .await?;
        if ask.detach {
            Ok(())
        } else {
            self.watch(jid, ask.hold_ms.is_some(), teller).await
        }
    }

    /// Signs a job and hands it in; its id once it is on disk. The journal has what came of it.
    pub(crate) async fn order(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        typed: Option<String>,
        confirm_above: Option<u64>,
    ) -> anyhow::Result<Result<Jid, NotTaken>> {
        let taken = self.take(caller, ask, typed, confirm_above).await?;
        let is_refusal = |not_taken: &NotTaken| match not_taken {
            NotTaken::Failed(failure) => failure.kind == FailureKind::Refused,
            NotTaken::Confirm(_) => true,
        };
        if let Err(not_taken) = &taken
            && is_refusal(not_taken)
        {
            let now = self.engine.clock().now();
            let refused = Refused::of(ask, now, not_taken.to_string());
            self.journal.refused(&refused);
        }
        Ok(taken)
    }

    async fn take(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        typed: Option<String>,
        confirm_above: Option<u64>,
    ) -> anyhow::Result<Result<Jid, NotTaken>> {
        let roots = match self.roots_of(ask) {
            Ok(roots) => roots,
            Err(failure) => return Ok(Err(NotTaken::Failed(failure))),
        };
        let mut aim = match self.aim(caller, ask, roots.as_deref()).await? {
            Ok(aim) => aim,
            Err(failure) => return Ok(Err(NotTaken::Failed(failure))),
        };
        let permission = match self.judge(caller, ask, &aim).await? {
            Ok(permission) => permission,
            Err(failure) => return Ok(Err(NotTaken::Failed(failure))),
        };
        // Minions may join until the job is on its way; none that the rule leaves out gets it.
        if let Some(within) = &permission.within {
            aim.target = aim.target.within(within);
        }
        if !caller.is_owner {
            aim.decided = self
                .decided(&aim.target, &aim.scope, roots.as_deref())
                .await?;
        }
        let now = self.engine.clock().now();
        let (envelope, order) = match self.jobs.order(ask, &aim.target, typed, roots, now) {
            Ok(signed) => signed,
            Err(failure) => return Ok(Err(NotTaken::Failed(failure))),
        };
        let jid = order.jid;
        let to_journal = self.journal.is_on().then(|| (order.clone(), aim.clone()));
        tracing::info!(%jid, user = %order.user, fun = %order.fun, target = %order.target.typed, "job");
        // Rules of this hub bind its own user alone, and he alone passes over them; so it is with those of sites.
        let reason = ask.override_reason.as_deref().filter(|_| caller.is_owner);
        let warrant = match self.warrant(caller, jid, reason) {
            Ok(warrant) => warrant,
            Err(failure) => return Ok(Err(NotTaken::Failed(failure))),
        };
        let submission = Submission {
            envelope,
            order,
            hold: ask.hold_ms.is_some(),
            plan: ask.plan.clone(),
            warrant,
            guard: Guard {
                aim,
                expect: ask.choice.expect,
                confirm_above,
            },
        };
        let taken = self.engine.submit(submission).await?;
        if let Err(not_taken) = &taken {
            tracing::info!(%jid, ?not_taken, "the job is not taken");
        } else if let Some((signed, meant)) = to_journal {
            let (minions, undecided) = self.engine.query(move |hub| meant.counts(hub)).await?;
            self.journal.accepted(&Accepted {
                order: &signed,
                minions,
                undecided,
                overridden: reason.map(|reason| (&permission.overridden[..], reason)),
                in_turns: ask.plan.is_some(),
                held: ask.hold_ms.is_some(),
            });
        }
        if taken.is_ok() && caller.reaction > 0 {
            self.reactions.note(jid, caller.reaction);
        }
        Ok(taken.map(|()| jid))
    }

    /// Tells progress until the job's last outcome is known, then the account; `but_held`: minions that are down, and for
    /// which it is kept, are not waited for.
    pub(crate) async fn watch(
        &self,
        jid: Jid,
        but_held: bool,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        if self.watch_run(jid, teller).await? {
            return Ok(());
        }
        let mut moves = self.engine.watch(jid).await?;
        let engine = self.engine.clone();
        let progress = move || {
            let engine = engine.clone();
            async move {
                let now = engine.clock().now();
                engine
                    .query(move |hub| hub.job(jid).map(|job| report::progress(hub, job, now)))
                    .await
            }
        };
        while !moves.borrow_and_update().finished {
            if let Some(progress) = progress().await? {
                teller.tell(&Tell::Progress(progress)).await?;
            }
            if but_held && self.waits_for_held_alone(jid).await? {
                break;
            }
            // The end is told at once, what lies before it at a rate that a terminal can show. A second receiver looks
            // for the end, since looking marks news as seen.
            let mut end = moves.clone();
            tokio::select! {
                ended = end.wait_for(|m| m.finished) => {
                    ended?;
                    break;
                }
                () = tokio::time::sleep(PROGRESS_EVERY) => {}
                () = teller.hung_up() => return Ok(()),
            }
            tokio::select! {
                changed = moves.changed() => changed?,
                () = teller.hung_up() => return Ok(()),
            }
        }
        match self.ledger(jid).await? {
            Some(ledger) => tell_ledger(teller, ledger).await,
            None => teller.tell(&no_job(jid)).await,
        }
    }

    /// A job's account, from memory or from the store.
    pub async fn ledger(&self, jid: Jid) -> anyhow::Result<Option<Ledger>> {
        let now = self.engine.clock().now();
        let named = move |hub: &relay::Hub| {
            let job = hub.job(jid).filter(|job| job.order().is_some())?;
            Some(job.named().collect())
        };
        if let Some(named) = self.engine.query(named).await? {
            let former = self.former_names(named).await?;
            let live = move |hub: &relay::Hub| {
                hub.job(jid)
                    .map(|job| (report::ledger(hub, &former, job, now), job.adopter()))
            };
            if let Some((ledger, adopter)) = self.engine.query(live).await? {
                return Ok(Some(self.with_owner(ledger, adopter)));
            }
        }
        let read = move |reader: &HubReader| {
            let stored = reader.job(jid)?;
            Ok(stored.map(|stored| {
                let finished = stored.state.and_then(|s| s.finished);
                let replay = Replay::new(stored.head, &stored.news, finished);
                let adopter = stored.plan.iter().rev().find_map(|entry| match entry {
                    PlanRecord::Owned(owner) => Some(owner.hub),
                    _ => None,
                });
                (named_in(&stored.news), replay, adopter)
            }))
        };
        let Some((named, replay, adopter)) = self.read(read).await? else {
            return match self.run_ledger(jid).await? {
                Some(ledger) => Ok(Some(ledger)),
                None => self.own_ledger(jid).await,
            };
        };
        let former = self.former_names(named).await?;
        let ledger = self
            .engine
            .query(move |hub| report::ledger(hub, &former, replay.view(), now))
            .await?;
        Ok(Some(self.with_owner(ledger, adopter)))
    }

    fn with_owner(&self, ledger: Ledger, adopter: Option<Uid>) -> Ledger {
        Ledger {
            owner: adopter.map(|top| self.trust.id_of(top)),
            ..ledger
        }
    }

    /// The answer to a question for jobs, with who adopted those that were.
    pub(crate) async fn found(&self, jobs: Vec<JobSummary>) -> anyhow::Result<Tell> {
        let jids: Vec<Jid> = jobs.iter().map(|job| job.jid).collect();
        let adopted = self.read(move |reader| reader.owners(&jids)).await?;
        if adopted.is_empty() {
            return Ok(Tell::Jobs(jobs));
        }
        let owners = adopted.into_iter();
        let owners = owners.map(|(jid, owner)| (jid, self.trust.id_of(owner.hub)));
        Ok(Tell::Owned {
            jobs,
            owners: owners.collect(),
        })
    }

    /// Names of nodes that an account mentions and that have left the roster since.
    async fn former_names(&self, named: BTreeSet<u32>) -> anyhow::Result<FormerNames> {
        let absent: Vec<u32> = self
            .engine
            .query(move |hub| {
                let absent = |index: &u32| hub.node(*index).is_none();
                named.into_iter().filter(absent).collect()
            })
            .await?;
        if absent.is_empty() {
            return Ok(FormerNames::new());
        }
        self.read(move |reader| {
            let mut names = FormerNames::new();
            for index in absent {
                if let Some(node) = reader.former_node(index)? {
                    names.insert(index, (node.id.to_string(), node.path.to_string()));
                }
            }
            Ok(names)
        })
        .await
    }

    /// Reads the store on a thread where that holds up nobody.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&HubReader) -> Result<T, StoreError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let reader = self.reader.clone();
        let work = move || read(&reader.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(work).await??)
    }

    /// Jobs that fit, newest first; who may not see those of others finds his own.
    pub(crate) async fn find(
        &self,
        caller: &Caller,
        mut filter: JobFilter,
    ) -> anyhow::Result<Vec<JobSummary>> {
        filter.limit = filter.limit.min(LISTED_MAX);
        let sees_all = self.sees_all_jobs(caller);
        if !sees_all {
            match &filter.user {
                Some(user) if *user != caller.user => return Ok(Vec::new()),
                _ => filter.user = Some(caller.user.clone()),
            }
        }
        let numbers = match filter.minion.clone() {
            Some(minion) => self.numbers_of(minion).await?,
            None => Vec::new(),
        };
        let wanted = filter.clone();
        if !filter.wants(JobSource::Order) || filter.minion.is_some() && numbers.is_empty() {
            return self.beside_orders(Vec::new(), &wanted, sees_all).await;
        }
        let find = move |reader: &HubReader| reader.find(&filter, &numbers);
        let mut jobs = self.read(find).await?;
        // The store has a job's state as of its start and its end; what runs is fresher in memory.
        let jids: Vec<Jid> = jobs
            .iter()
            .filter(|j| j.finished.is_none())
            .map(|j| j.jid)
            .collect();
        let live = self
            .engine
            .query(move |hub| {
                jids.into_iter()
                    .filter_map(|jid| hub.job(jid).map(|job| job.summary()))
                    .collect::<Vec<_>>()
            })
            .await?;
        for summary in live {
            if let Some(job) = jobs.iter_mut().find(|j| j.jid == summary.jid) {
                *job = summary;
            }
        }
        self.beside_orders(jobs, &wanted, sees_all).await
    }

    /// Adds what no order began. Users of minions' hosts are none of this hub, so only who sees all jobs sees what they did.
    async fn beside_orders(
        &self,
        jobs: Vec<JobSummary>,
        filter: &JobFilter,
        sees_all: bool,
    ) -> anyhow::Result<Vec<JobSummary>> {
        let jobs = self.add_runs(jobs, filter).await?;
        match sees_all {
            true => self.add_own_runs(jobs, filter).await,
            false => Ok(jobs),
        }
    }

    /// The numbers that a minion has, and had before, in this hub's roster.
    async fn numbers_of(&self, id: String) -> anyhow::Result<Vec<u32>> {
        let name = id.clone();
        let known = move |hub: &relay::Hub| {
            let nodes = hub.nodes().filter(|node| node.id().as_str() == name);
            nodes.map(|node| node.index()).collect::<Vec<_>>()
        };
        let mut numbers = self.engine.query(known).await?;
        let former = self.read(move |reader| reader.former_numbers(&id)).await?;
        numbers.extend(former);
        Ok(numbers)
    }

    /// Waits until each site has said whom the job is for. A site that does not answer is given up as ever, and its mirror answers.
    async fn all_named(&self, jid: Jid) -> anyhow::Result<()> {
        let mut moves = self.engine.watch(jid).await?;
        loop {
            moves.borrow_and_update();
            let is_named = move |hub: &relay::Hub| {
                let job = hub.job(jid);
                job.is_none_or(|job| job.is_complete())
            };
            if self.engine.query(is_named).await? {
                return Ok(());
            }
            moves.changed().await?;
        }
    }

    async fn waits_for_held_alone(&self, jid: Jid) -> anyhow::Result<bool> {
        let waits = move |hub: &relay::Hub| {
            hub.job(jid)
                .is_some_and(|job| job.waits_for_held_alone() && job.counts().queued > 0)
        };
        Ok(self.engine.query(waits).await?)
    }

    /// A job's order, from the store.
    pub(crate) async fn stored_order(&self, jid: Jid) -> anyhow::Result<Option<JobOrder>> {
        self.read(move |reader| reader.order(jid)).await
    }

    /// A cancel is a job too, with its own expected set: everyone who runs the first one, may run it out of sight, or could
    /// still get it. Whoever has not begun does not begin any more.
    pub(crate) async fn cancel(
        &self,
        jid: Jid,
        user: String,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        if self.cancel_run(jid, &user, teller).await? {
            return Ok(());
        }
        let Some(order) = self.stored_order(jid).await? else {
            return teller.tell(&no_job(jid)).await;
        };
        let reason = Reason {
            code: ReasonCode::Cancelled,
            text: format!("cancelled by {user} before it began"),
            since: self.engine.clock().now(),
        };
        self.engine.input(HubInput::Halt { jid, reason }).await?;
        self.all_named(jid).await?;
        let Some(ledger) = self.ledger(jid).await? else {
            return teller.tell(&no_job(jid)).await;
        };
        let live = move |hub: &relay::Hub| {
            let name = |index| hub.node(index).map(|node| node.id().to_string());
            let may_run = hub.job(jid)?.may_run();
            Some(may_run.into_iter().filter_map(name).collect::<Vec<_>>())
        };
        let ids = match self.engine.query(live).await? {
            Some(ids) => ids,
            None => out_of_sight(&ledger),
        };
        if ids.is_empty() && ledger.progress.finished {
            let text = format!("job {jid} has ended already");
            return teller.tell(&failed(FailureKind::Refused, text)).await;
        }
        if ids.is_empty() {
            teller
                .tell(&Tell::Accepted {
                    jid,
                    wait_ms: self.wait_ms,
                })
                .await?;
            return self.watch(jid, false, teller).await;
        }
        let typed = format!("cancel {jid}: {} minions", ids.len());
        let (target_kind, target) = list_of(&ids, &order);
        let ask = RunAsk {
            target_kind,
            target,
            fun: TERM_JOB.to_owned(),
            args: serde_json::to_vec(&[jid.to_string()])?.into(),
            hold_ms: Some(CANCEL_HOLD_MS),
            ..RunAsk::of(user)
        };
        // Whoever may end the job needs no rule for the function that does it, and is never asked how many it runs on.
        self.run_as(&Caller::owner(), &ask, Some(typed), None, teller)
            .await
    }

    /// Runs a job again for exactly those that it left in some states, at the same roots.
    pub(crate) async fn retry(&self, ask: &RetryAsk, teller: &mut Teller) -> anyhow::Result<()> {
        let jid = ask.jid;
        let (Some(order), Some(ledger)) = (self.stored_order(jid).await?, self.ledger(jid).await?)
        else {
            return teller.tell(&no_job(jid)).await;
        };
        let is_left =
            |row: &&LedgerRow| Left::of(row.kind).is_some_and(|left| ask.states.contains(&left));
        let ids: Vec<&str> = ledger
            .minions
            .iter()
            .filter(is_left)
            .map(|row| row.id.as_str())
            .collect();
        let states: Vec<&str> = ask.states.iter().map(|state| state.as_str()).collect();
        let states = states.join(",");
        if ids.is_empty() {
            let text = format!("job {jid} left no minion {states}");
            return teller.tell(&failed(FailureKind::NotFound, text)).await;
        }
        let typed = format!("retry {jid}: {} minions {states}", ids.len());
        let target = ids.join(",");
        let run = RunAsk {
            target_kind: "list".to_owned(),
            target,
            fun: order.fun,
            args: order.args,
            kwargs: order.kwargs,
            start_within_ms: ask.start_within_ms,
            run_ms_max: order.options.run_ms_max,
            roots: order.options.roots,
            hold_ms: ask.hold_ms,
            plan: ask.plan.clone(),
            detach: ask.detach,
            choice: Choice {
                expect: ask.expect,
                ..Choice::default()
            },
            ..RunAsk::of(ask.user.clone())
        };
        let caller = teller.caller().clone();
        self.run_as(&caller, &run, Some(typed), self.confirm_above, teller)
            .await
    }

    /// Gives no more turns in a rollout; what runs goes on.
    pub(crate) async fn halt(
        &self,
        jid: Jid,
        user: &str,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let doing = self.rollout(jid).await?.map(|rollout| rollout.doing);
        let tell = match doing {
            Err(refusal) => refusal,
            Ok(Doing::Halted { reason }) => {
                failed(FailureKind::Refused, format!("it gives no turns: {reason}"))
            }
            Ok(_) => {
                let reason = Reason {
                    code: ReasonCode::Halted,
                    text: format!("stopped by {user} before its turn"),
                    since: self.engine.clock().now(),
                };
                self.engine.input(HubInput::Halt { jid, reason }).await?;
                Tell::Done
            }
        };
        teller.tell(&tell).await
    }

    /// Goes on with a rollout that asks after a stage.
    pub(crate) async fn go_on(
        &self,
        jid: Jid,
        user: &str,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let tell = match self.rollout(jid).await? {
            Err(refusal) => refusal,
            Ok(Rollout {
                doing: Doing::Asking,
                stage,
                ..
            }) => {
                tracing::info!(%jid, user, "a rollout goes on");
                // People count stages from 1.
                let stage = stage - 1;
                self.engine.input(HubInput::GoOn { jid, stage }).await?;
                Tell::Done
            }
            Ok(_) => failed(
                FailureKind::Refused,
                format!("job {jid} does not wait for a word; `jobs show {jid}` says what it does"),
            ),
        };
        teller.tell(&tell).await
    }

    /// How the rollout of a job of this hub's own stands, or why there is none.
    async fn rollout(&self, jid: Jid) -> anyhow::Result<Result<Rollout, Tell>> {
        let status = move |hub: &relay::Hub| {
            let job = hub.job(jid)?;
            let progress = report::progress(hub, job, 0);
            Some((progress.finished, progress.rollout))
        };
        let refused = |text: &str| failed(FailureKind::Refused, format!("job {jid} {text}"));
        Ok(match self.engine.query(status).await? {
            None if self.stored_order(jid).await?.is_none() => Err(no_job(jid)),
            None | Some((true, _)) => Err(refused("has ended already")),
            Some((false, None)) => Err(refused("is not given in turns by this hub")),
            Some((false, Some(rollout))) => Ok(rollout),
        })
    }

    /// Looks whether a rollout goes on after a stage: the function of its plan has to end well wherever the job did.
    pub(crate) async fn check_stage(&self, jid: Jid, stage: u32) -> anyhow::Result<()> {
        let between = self
            .engine
            .query(move |hub| hub.job(jid).and_then(|job| job.check().cloned()))
            .await?;
        let (Some(Between::Check { fun, args, kwargs }), Some(ledger), Some(order)) = (
            between,
            self.ledger(jid).await?,
            self.stored_order(jid).await?,
        ) else {
            return Ok(());
        };
        let ids: Vec<&str> = ledger
            .minions
            .iter()
            .filter(|row| row.kind == OutcomeKind::Ok)
            .map(|row| row.id.as_str())
            .collect();
        let verdict = if ids.is_empty() {
            Err("nobody ran it well".to_owned())
        } else {
            let ask = RunAsk {
                target_kind: "list".to_owned(),
                target: ids.join(","),
                fun,
                args,
                kwargs,
                run_ms_max: Some(CHECK_RUN_MS),
                roots: order.options.roots,
                ..RunAsk::of(order.user)
            };
            let typed = format!("check {jid}: {} minions", ids.len());
            // The job was let out, and its check is a part of it.
            let caller = Caller::owner();
            match self.order(&caller, &ask, Some(typed), None).await? {
                Err(not_taken) => Err(not_taken.to_string()),
                Ok(check) => self.outcome(check).await?,
            }
        };
        let input = match verdict {
            Ok(()) => HubInput::GoOn { jid, stage },
            Err(text) => HubInput::Halt {
                jid,
                reason: Reason {
                    code: ReasonCode::Halted,
                    text: format!("the check after stage {} did not pass: {text}", stage + 1),
                    since: self.engine.clock().now(),
                },
            },
        };
        Ok(self.engine.input(input).await?)
    }

    /// Waits for a job's end: whether everyone ended it well.
    async fn outcome(&self, jid: Jid) -> anyhow::Result<Result<(), String>> {
        let mut moves = self.engine.watch(jid).await?;
        moves.wait_for(|moves| moves.finished).await?;
        let counts = self.ledger(jid).await?.map(|ledger| ledger.progress.counts);
        Ok(match counts {
            Some(counts) if counts.ok == counts.expected => Ok(()),
            Some(counts) => Err(format!(
                "job {jid}: {} of {} did not end well",
                counts.expected - counts.ok,
                counts.expected
            )),
            None => Err(format!("job {jid} is gone")),
        })
    }
}

/// Numbers of the nodes that an account mentions.
fn named_in(news: &[LedgerDelta]) -> BTreeSet<u32> {
    let groups = news.iter().flat_map(|delta| &delta.groups);
    groups.flat_map(|group| group.who.iter()).collect()
}

pub(crate) async fn tell_ledger(teller: &mut Teller, mut ledger: Ledger) -> anyhow::Result<()> {
    for (minions, values) in ledger.split_off_parts() {
        teller.tell(&Tell::LedgerPart { minions, values }).await?;
    }
    teller.tell(&Tell::Ledger(Box::new(ledger))).await
}

/// Minions that may run a job that has ended for this hub.
fn out_of_sight(ledger: &Ledger) -> Vec<String> {
    let may_run = |row: &&LedgerRow| {
        let reason = row.reason.as_ref().map(|reason| reason.code);
        row.kind == OutcomeKind::Unreachable && reason != Some(ReasonCode::MinionDown)
    };
    let rows = ledger.minions.iter().filter(may_run);
    rows.map(|row| row.id.clone()).collect()
}

/// A target that names these minions; where that is longer than a target may be, the one of the order, which has them all.
fn list_of(ids: &[String], order: &JobOrder) -> (String, String) {
    let list = ids.join(",");
    match list.len() <= limits::MAX_TARGET {
        true => ("list".to_owned(), list),
        false => ("compound".to_owned(), order.target.compound.clone()),
    }
}

pub(crate) fn no_job(jid: Jid) -> Tell {
    failed(FailureKind::NotFound, format!("there is no job {jid}"))
}
