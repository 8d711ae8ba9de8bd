//! Orchestrations in the history of jobs: each is a job of its own, whose one minion is the hub.

use std::sync::Arc;

use store::Committer;
use targeting::Glob;
use wire::control::{JobSummary, Ledger, LedgerRow, Progress, SiteCounts, Tell};
use wire::find::{JobFilter, JobSource, LISTED_MAX, StateBits};
use wire::record::{RunOutcome, RunRecord};
use wire::{Counts, Jid, Json, OutcomeKind, Reason, ReasonCode, Steps, UnixMillis};

use super::live::Live;
use crate::control::{PROGRESS_EVERY, Teller};
use crate::jobs::{no_job, tell_ledger};
use crate::service::Service;
use crate::store_work::on_store;

/// Queues it, behind what was queued before; what this gives ends when it is on disk.
pub(super) fn save(
    committer: &Committer,
    run: RunRecord,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let is_open = run.outcome.is_none();
    let saved = on_store(committer, move |store| store.save_run(&run, is_open));
    async move { Ok(saved.await??) }
}

/// Says of all that ran when the hub stopped that they are over. None is begun again: what it had ordered is in the history, and a
/// second run would order it twice.
///
/// # Errors
/// A store that fails.
pub fn bury(store: &mut store::HubStore, now: UnixMillis) -> Result<(), store::StoreError> {
    for mut run in store.open_runs()? {
        let jobs: Vec<String> = run
            .jobs
            .iter()
            .map(|(id, jid)| format!("{id} {jid}"))
            .collect();
        let jobs = match jobs.is_empty() {
            true => "it had ordered no job".to_owned(),
            false => format!("these jobs were ordered and went on: {}", jobs.join(", ")),
        };
        let mut text = format!("the hub stopped while the orchestration ran; {jobs}");
        if text.len() > wire::limits::MAX_REASON {
            text = text.chars().take(wire::limits::MAX_REASON - 4).collect();
            text.push_str(" ...");
        }
        tracing::warn!(jid = %run.summary.jid, "{text}");
        let reason = Reason {
            code: ReasonCode::Interrupted,
            text,
            since: now,
        };
        close(&mut run, RunOutcome::Lost(reason), now);
        store.save_run(&run, false)?;
    }
    Ok(())
}

/// Gives it its outcome.
pub(super) fn close(run: &mut RunRecord, outcome: RunOutcome, now: UnixMillis) {
    run.summary.finished = Some(now);
    run.summary.counts = counts(Some(&outcome));
    run.outcome = Some(outcome);
}

/// One minion that is expected, and how it stands.
pub(super) fn counts(outcome: Option<&RunOutcome>) -> Counts {
    let mut counts = Counts {
        expected: 1,
        ..Counts::default()
    };
    match kind(outcome) {
        OutcomeKind::Ok => counts.ok = 1,
        OutcomeKind::Failed => counts.failed = 1,
        OutcomeKind::Lost => counts.lost = 1,
        _ => counts.running = 1,
    }
    counts
}

fn kind(outcome: Option<&RunOutcome>) -> OutcomeKind {
    match outcome {
        None => OutcomeKind::Running,
        Some(RunOutcome::Returned { retcode: 0, .. }) => OutcomeKind::Ok,
        Some(RunOutcome::Returned { .. }) => OutcomeKind::Failed,
        Some(RunOutcome::Lost(_)) => OutcomeKind::Lost,
    }
}

impl Service {
    /// The account of an orchestration; None when there is none of this id.
    pub(crate) async fn run_ledger(&self, jid: Jid) -> anyhow::Result<Option<Ledger>> {
        let Some(run) = self.run_record(jid).await? else {
            return Ok(None);
        };
        let steps = self
            .orchestrations
            .get(jid)
            .map(|live| live.stage.borrow().steps);
        let now = self.engine.clock().now();
        let path = self.jobs.path.to_string();
        Ok(Some(ledger(run, steps, path, now)))
    }

    /// An orchestration as it was saved last.
    pub(crate) async fn run_record(&self, jid: Jid) -> anyhow::Result<Option<RunRecord>> {
        self.read(move |reader| reader.run(jid)).await
    }

    /// The orchestrations that fit, among the jobs that do.
    pub(crate) async fn add_runs(
        &self,
        mut jobs: Vec<JobSummary>,
        filter: &JobFilter,
    ) -> anyhow::Result<Vec<JobSummary>> {
        if !filter.wants(JobSource::Orchestration) {
            return Ok(jobs);
        }
        let runs = self.read(|reader| reader.runs(LISTED_MAX)).await?;
        jobs.extend(runs.into_iter().filter(|run| fits(filter, run)));
        jobs.sort_by_key(|job| std::cmp::Reverse(job.jid));
        jobs.truncate(filter.limit as usize);
        Ok(jobs)
    }

    /// Tells how far an orchestration is until it is over, then its account.
    pub(super) async fn watch_live(
        &self,
        live: Arc<Live>,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let mut stage = live.stage.subscribe();
        loop {
            let now = stage.borrow_and_update().clone();
            if now.outcome.is_some() {
                break;
            }
            let at = self.engine.clock().now();
            let path = self.jobs.path.to_string();
            let told = progress(live.jid, None, Some(now.steps), path, at);
            teller.tell(&Tell::Progress(told)).await?;
            let mut end = stage.clone();
            tokio::select! {
                _ = end.wait_for(|stage| stage.outcome.is_some()) => break,
                () = tokio::time::sleep(PROGRESS_EVERY) => {}
                () = teller.hung_up() => return Ok(()),
            }
            tokio::select! {
                _ = stage.changed() => {}
                () = teller.hung_up() => return Ok(()),
            }
        }
        match self.run_ledger(live.jid).await? {
            Some(ledger) => tell_ledger(teller, ledger).await,
            None => teller.tell(&no_job(live.jid)).await,
        }
    }

    /// Watches an orchestration that runs; false: there is none of this id.
    pub(crate) async fn watch_run(&self, jid: Jid, teller: &mut Teller) -> anyhow::Result<bool> {
        match self.orchestrations.get(jid) {
            None => Ok(false),
            Some(live) => self.watch_live(live, teller).await.map(|()| true),
        }
    }

    /// Interrupts an orchestration that runs, and tells what came of it; false: there is none of this id.
    pub(crate) async fn cancel_run(
        &self,
        jid: Jid,
        user: &str,
        teller: &mut Teller,
    ) -> anyhow::Result<bool> {
        let Some(live) = self.orchestrations.get(jid) else {
            return Ok(false);
        };
        live.interrupt(&format!("cancelled by {user}"));
        let wait_ms = self.wait_ms;
        teller.tell(&Tell::Accepted { jid, wait_ms }).await?;
        self.watch_live(live, teller).await?;
        Ok(true)
    }
}

/// Whether one that no minion got by an order is looked for.
pub(crate) fn fits(filter: &JobFilter, run: &JobSummary) -> bool {
    let one_of = |globs: &[String], word: &str| {
        globs.is_empty() || globs.iter().any(|glob| Glob::new(glob).matches(word))
    };
    let bits = StateBits::of(run);
    let states = &filter.states;
    one_of(&filter.functions, &run.fun)
        && one_of(&filter.targets, &run.target)
        && filter.user.as_ref().is_none_or(|user| *user == run.user)
        && filter.since.is_none_or(|since| run.issued >= since)
        && filter.until.is_none_or(|until| run.issued <= until)
        && (states.is_empty() || states.iter().any(|state| state.is_of(bits)))
        && filter.minion.as_ref().is_none_or(|id| *id == run.target)
        && filter.before.is_none_or(|before| run.jid < before)
}

fn progress(
    jid: Jid,
    outcome: Option<&RunOutcome>,
    steps: Option<Steps>,
    path: String,
    now: UnixMillis,
) -> Progress {
    let counts = counts(outcome);
    Progress {
        jid,
        complete: true,
        finished: outcome.is_some(),
        counts,
        rollout: None,
        steps,
        sites: vec![SiteCounts {
            path,
            counts,
            as_of: now,
            cut_since: None,
        }],
    }
}

fn ledger(run: RunRecord, steps: Option<Steps>, path: String, now: UnixMillis) -> Ledger {
    let RunRecord {
        summary,
        args,
        kwargs,
        roots,
        outcome,
        ..
    } = run;
    let duration = summary
        .finished
        .map(|at| u32::try_from(at.saturating_sub(summary.issued)).unwrap_or(u32::MAX));
    let mut row = LedgerRow {
        id: summary.target.clone(),
        path: path.clone(),
        kind: kind(outcome.as_ref()),
        retcode: None,
        value: None,
        started: Some(summary.issued),
        duration_ms: duration,
        reason: None,
    };
    let mut values: Vec<Json> = Vec::new();
    let told = progress(summary.jid, outcome.as_ref(), steps, path, now);
    match outcome {
        None => {}
        Some(RunOutcome::Returned { retcode, value }) => {
            row.retcode = Some(retcode);
            row.value = Some(0);
            values.push(value);
        }
        Some(RunOutcome::Lost(reason)) => row.reason = Some(reason),
    }
    Ledger {
        progress: told,
        fun: summary.fun,
        args,
        kwargs,
        target: summary.target,
        user: summary.user,
        origin: summary.origin,
        roots,
        issued: summary.issued,
        finished: summary.finished,
        minions: vec![row],
        values,
        unknown: Vec::new(),
        undecided: Vec::new(),
        owner: None,
    }
}
