//! Runs that minions began themselves: taken from those who tell them, kept, handed up, and shown among jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon::clock::Clock;
use data_encoding::HEXLOWER;
use pki::Member;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use store::{Committer, HubReader, StoreError};
use tokio::sync::watch;
use wire::control::{JobSummary, Ledger, LedgerRow, Progress, SiteCounts};
use wire::files::{Answer, Request};
use wire::find::{JobFilter, JobSource};
use wire::limits::{MAX_OWN_VALUE_UP, MINIONS_JID_NUMBER, OWN_RUNS_PER_REQUEST};
use wire::{Counts, Jid, Json, OutcomeKind, OwnRun, Role, Uid, UnixMillis};

use crate::orchestrate::fits;
use crate::service::Service;
use crate::store_work::on_store;

/// Between two requests to a parent: what a hub hands up of these runs is one request in this time, and the rest waits on its disk.
const PAUSE: Duration = Duration::from_millis(100);
/// What a parent refuses is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(30);
/// Ids that stand in the place of a target, where several minions gave one jid.
const NAMED_MAX: usize = 8;

/// The runs of a hub.
pub struct OwnRuns {
    committer: Arc<Committer>,
    reader: Arc<Mutex<HubReader>>,
    clock: Clock,
    changed: watch::Sender<()>,
}

impl OwnRuns {
    /// In this store.
    pub fn new(
        committer: Arc<Committer>,
        reader: Arc<Mutex<HubReader>>,
        clock: Clock,
    ) -> Arc<OwnRuns> {
        Arc::new(OwnRuns {
            committer,
            reader,
            clock,
            changed: watch::Sender::new(()),
        })
    }

    /// Keeps what a minion tells of itself, or a hub below of minions of its subtree; they are on disk when this returns. What no honest
    /// member says is left out, so that it does not come again.
    ///
    /// # Errors
    /// Words for people: the store does not take them.
    pub async fn take(&self, member: &Member, runs: Vec<OwnRun>) -> Result<(), String> {
        let runs: Vec<OwnRun> = runs
            .into_iter()
            .filter_map(|run| checked(member, run))
            .collect();
        if !runs.is_empty() {
            let now = self.clock.now();
            self.write(move |store| store.save_own_runs(&runs, now))
                .await?;
            self.changed.send_replace(());
        }
        Ok(())
    }

    async fn write(
        &self,
        work: impl FnOnce(&mut store::HubStore) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), String> {
        let saved = on_store(&self.committer, work).await;
        let saved = saved.map_err(|error| error.to_string())?;
        saved.map_err(|error| error.to_string())
    }

    /// Tells a parent what it does not have, now and whenever there is more, until the session ends.
    pub async fn tell_parent(self: Arc<Self>, sender: link::Sender) {
        let Some(parent) = sender.peer().member().map(|member| member.uid) else {
            return;
        };
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let reader = self.reader.clone();
            let read = tokio::task::spawn_blocking(move || untold(&reader, parent));
            let (last, runs) = match read.await {
                Ok(Ok(Some(told))) => told,
                Ok(Ok(None)) => {
                    tokio::select! {
                        // The sender lives as long as this does.
                        _ = changed.changed() => continue,
                        _ = sender.closed() => return,
                    }
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "runs of minions can't be read, and no parent hears of them");
                    return;
                }
                Err(_) => return,
            };
            match sender.request(&Request::OwnRuns(runs)).await {
                Ok((Answer::Done, _)) => {
                    let noted = self.write(move |store| store.own_runs_told(parent, last));
                    if noted.await.is_err() {
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Ok((Answer::Refused(text), _)) => {
                    tracing::warn!("a parent does not take runs of minions: {text}");
                    tokio::time::sleep(TELL_AGAIN).await;
                }
                // The next session goes on where this one ended.
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// A run as it may be kept; none when nobody may say so.
fn checked(member: &Member, mut run: OwnRun) -> Option<OwnRun> {
    let is_minions = run.jid.number() == MINIONS_JID_NUMBER;
    let is_theirs = match member.role {
        Role::Minion => {
            run.uid = member.uid;
            run.id = member.id.clone();
            run.path = member.path.clone();
            true
        }
        Role::Syndic => member.path.contains(&run.path),
        Role::TopMaster => false,
    };
    if !is_minions || !is_theirs || run.weight() > OWN_RUNS_PER_REQUEST {
        tracing::warn!(by = %member.id, jid = %run.jid, minion = %run.id, "a run is left out: its teller may not say this");
        return None;
    }
    Some(run)
}

/// What one request tells a parent, and the number of the last run in it.
fn untold(
    reader: &Mutex<HubReader>,
    parent: Uid,
) -> Result<Option<(i64, Vec<OwnRun>)>, StoreError> {
    let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bytes = 0;
    let runs = reader.own_runs_untold(parent, |run| {
        let is_first = bytes == 0;
        bytes += run.weight() - run.value.len() + run.value.len().min(MAX_OWN_VALUE_UP);
        is_first || bytes <= OWN_RUNS_PER_REQUEST
    })?;
    let last = runs.last().map(|(number, _)| *number);
    let runs = runs.into_iter().map(|(_, run)| for_parent(run)).collect();
    Ok(last.map(|last| (last, runs)))
}

/// A run as it goes up: a long value stays at the minion's hub, and its size, its hash and that site stand for it.
fn for_parent(mut run: OwnRun) -> OwnRun {
    if run.value.len() > MAX_OWN_VALUE_UP {
        let mark = json!({
            "truncated": true,
            "bytes": run.value.len(),
            "sha256": HEXLOWER.encode(&Sha256::digest(&run.value)),
            "kept_at": run.path.to_string(),
        });
        run.value = mark.to_string().into_bytes().into();
    }
    run
}

impl Service {
    /// Runs that fit, newest first, those with one id together; at most as many ids as the filter wants.
    pub(crate) async fn own_runs(&self, filter: &JobFilter) -> anyhow::Result<Vec<Vec<OwnRun>>> {
        let (filter, limit) = (filter.clone(), filter.limit as usize);
        let runs = self
            .read(move |reader| {
                reader.own_runs(filter.before, limit, |run| {
                    filter.wants(JobSource::Minion(run.source))
                        && fits(&filter, &summary(std::slice::from_ref(run)))
                })
            })
            .await?;
        let groups = runs.chunk_by(|a, b| a.jid == b.jid);
        Ok(groups.map(<[OwnRun]>::to_vec).collect())
    }

    /// Those that fit, among the jobs that do.
    pub(crate) async fn add_own_runs(
        &self,
        mut jobs: Vec<JobSummary>,
        filter: &JobFilter,
    ) -> anyhow::Result<Vec<JobSummary>> {
        let own = self.own_runs(filter).await?;
        jobs.extend(own.iter().map(|runs| summary(runs)));
        jobs.sort_by_key(|job| std::cmp::Reverse(job.jid));
        jobs.truncate(filter.limit as usize);
        Ok(jobs)
    }

    /// All runs with this id.
    pub(crate) async fn own_runs_of(&self, jid: Jid) -> anyhow::Result<Vec<OwnRun>> {
        self.read(move |reader| reader.own_runs_of(jid)).await
    }

    /// Their account; None when there is none of this id.
    pub(crate) async fn own_ledger(&self, jid: Jid) -> anyhow::Result<Option<Ledger>> {
        let runs = self.own_runs_of(jid).await?;
        let now = self.engine.clock().now();
        Ok((!runs.is_empty()).then(|| ledger(&runs, now)))
    }
}

/// Different words of some, with commas between.
fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: BTreeSet<&str> = words.collect();
    let named: Vec<&str> = words.iter().take(NAMED_MAX).copied().collect();
    let named = named.join(",");
    match words.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What began a run, with its name in the schedule.
fn origin(run: &OwnRun) -> String {
    let source = run.source.as_str();
    match &run.schedule {
        Some(name) => format!("{source}:{name}"),
        None => source.to_owned(),
    }
}

fn counts<'a>(runs: impl Iterator<Item = &'a OwnRun>) -> Counts {
    let mut counts = Counts::default();
    for run in runs {
        counts.expected += 1;
        match run.is_well() {
            true => counts.ok += 1,
            false => counts.failed += 1,
        }
    }
    counts
}

/// Runs with one id, in one line.
fn summary(runs: &[OwnRun]) -> JobSummary {
    let origins: Vec<String> = runs.iter().map(origin).collect();
    let ends = runs
        .iter()
        .map(|run| run.started + u64::from(run.duration_ms));
    JobSummary {
        jid: runs[0].jid,
        fun: joined(runs.iter().map(|run| run.fun.as_str())),
        target: joined(runs.iter().map(|run| run.id.as_str())),
        user: joined(runs.iter().map(|run| run.user.as_str())),
        origin: joined(origins.iter().map(String::as_str)),
        issued: runs.iter().map(|run| run.started).min().unwrap_or_default(),
        finished: ends.max(),
        counts: counts(runs.iter()),
    }
}

/// Arguments of runs with one id: where they differ, those of each minion.
fn arguments(runs: &[OwnRun]) -> (Json, Json) {
    let first = &runs[0];
    let is_same =
        |run: &OwnRun| run.fun == first.fun && run.args == first.args && run.kwargs == first.kwargs;
    if runs.iter().all(is_same) {
        return (first.args.clone(), first.kwargs.clone());
    }
    let each: Map<String, Value> = runs
        .iter()
        .map(|run| (run.id.to_string(), json!([run.fun, salts_arguments(run)])))
        .collect();
    let args = json!([each]).to_string().into_bytes();
    (args.into(), b"{}".as_slice().into())
}

/// Arguments as Salt's history has them of what a minion began: named ones in a dictionary behind the others, without the mark that
/// those of orders have.
fn salts_arguments(run: &OwnRun) -> Vec<Value> {
    let mut args: Vec<Value> = serde_json::from_slice(&run.args).unwrap_or_default();
    let kwargs: Map<String, Value> = serde_json::from_slice(&run.kwargs).unwrap_or_default();
    if !kwargs.is_empty() {
        args.push(kwargs.into());
    }
    args
}

/// Runs with one id as Salt describes a job; the time is in the jid.
pub(crate) fn described(runs: &[OwnRun]) -> Map<String, Value> {
    let line = summary(runs);
    let (args, kwargs) = arguments(runs);
    let run = OwnRun {
        args,
        kwargs,
        ..runs[0].clone()
    };
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    let (target, kind) = match &ids[..] {
        [id] => (json!(id), "glob"),
        _ => (json!(ids), "list"),
    };
    let mut words = Map::new();
    words.insert("Function".to_owned(), line.fun.into());
    words.insert("Arguments".to_owned(), salts_arguments(&run).into());
    words.insert("Target".to_owned(), target);
    words.insert("Target-type".to_owned(), kind.into());
    words.insert("User".to_owned(), line.user.into());
    let metadata = metadata(&run);
    if !metadata.is_empty() {
        words.insert("Metadata".to_owned(), metadata.into());
    }
    words
}

/// What the schedule notes with a run.
pub(crate) fn metadata(run: &OwnRun) -> Map<String, Value> {
    serde_json::from_slice(&run.metadata).unwrap_or_default()
}

fn ledger(runs: &[OwnRun], now: UnixMillis) -> Ledger {
    let line = summary(runs);
    let (args, kwargs) = arguments(runs);
    let rows = runs.iter().enumerate().map(|(at, run)| LedgerRow {
        id: run.id.to_string(),
        path: run.path.to_string(),
        kind: match run.is_well() {
            true => OutcomeKind::Ok,
            false => OutcomeKind::Failed,
        },
        retcode: Some(run.retcode),
        value: u32::try_from(at).ok(),
        started: Some(run.started),
        duration_ms: Some(run.duration_ms),
        reason: None,
    });
    let mut sites: BTreeMap<&str, Vec<&OwnRun>> = BTreeMap::new();
    for run in runs {
        sites.entry(run.path.as_str()).or_default().push(run);
    }
    let sites = sites.into_iter().map(|(path, runs)| SiteCounts {
        path: path.to_owned(),
        counts: counts(runs.into_iter()),
        as_of: now,
        cut_since: None,
    });
    Ledger {
        progress: Progress {
            jid: line.jid,
            complete: true,
            finished: true,
            counts: line.counts,
            rollout: None,
            steps: None,
            sites: sites.collect(),
        },
        fun: line.fun,
        args,
        kwargs,
        target: line.target,
        user: line.user,
        origin: line.origin,
        roots: None,
        issued: line.issued,
        finished: line.finished,
        minions: rows.collect(),
        values: runs.iter().map(|run| run.value.clone()).collect(),
        unknown: Vec::new(),
        undecided: Vec::new(),
        owner: None,
    }
}

#[cfg(test)]
mod tests {
    use pki::Fingerprint;
    use wire::RunSource;

    use super::*;

    fn run(id: &str, fun: &str, path: &str) -> OwnRun {
        let json = |text: &str| text.as_bytes().into();
        OwnRun {
            uid: Uid([4; 16]),
            id: id.parse().unwrap(),
            path: path.parse().unwrap(),
            jid: "20261122223700000099".parse().unwrap(),
            source: RunSource::Schedule,
            schedule: Some("daily".to_owned()),
            user: "root".to_owned(),
            fun: fun.to_owned(),
            args: json("[1]"),
            kwargs: json(r#"{"a": 2}"#),
            metadata: json("{}"),
            started: 1_000,
            duration_ms: 5,
            retcode: 0,
            success: true,
            value: json("true"),
        }
    }

    fn member(role: Role, path: &str) -> Member {
        Member {
            uid: Uid([9; 16]),
            fingerprint: Fingerprint([0; 32]),
            id: "teller".parse().unwrap(),
            role,
            path: path.parse().unwrap(),
            not_after: 0,
            via: Box::default(),
        }
    }

    #[test]
    fn a_minion_speaks_for_itself_and_a_hub_for_its_subtree() {
        let told = run("other", "test.ping", "us");
        let kept = checked(&member(Role::Minion, "eu/ams"), told.clone()).unwrap();
        assert_eq!(kept.uid, Uid([9; 16]));
        assert_eq!((kept.id.as_str(), kept.path.as_str()), ("teller", "eu/ams"));
        assert!(checked(&member(Role::Syndic, "eu"), told.clone()).is_none());
        assert_eq!(
            checked(&member(Role::Syndic, "us"), told.clone()),
            Some(told.clone())
        );
        // The id of an order is none of theirs.
        let jid = "20261122223700000007".parse().unwrap();
        let order = OwnRun { jid, ..told };
        assert!(checked(&member(Role::Minion, "us"), order).is_none());
    }

    #[test]
    fn a_long_value_stays_where_it_is_and_is_named_by_its_hash() {
        let short = run("m1", "test.ping", "eu/ams");
        assert_eq!(for_parent(short.clone()), short);
        let value = format!("{:?}", "x".repeat(MAX_OWN_VALUE_UP));
        let long = OwnRun {
            value: value.as_bytes().into(),
            ..short
        };
        let up = for_parent(long);
        let mark: Value = serde_json::from_slice(&up.value).unwrap();
        assert_eq!(
            (&mark["bytes"], &mark["kept_at"]),
            (&json!(4_098), &json!("eu/ams"))
        );
        // Further up it is told as it is.
        assert_eq!(for_parent(up.clone()), up);
    }

    #[test]
    fn minions_that_gave_one_id_stand_in_one_entry() {
        let same = [run("m1", "test.ping", "eu"), run("m2", "test.ping", "eu")];
        let words = Value::from(described(&same));
        assert_eq!(words["Target"], json!(["m1", "m2"]));
        assert_eq!(words["Arguments"], json!([1, {"a": 2}]));
        let mut other = run("m2", "test.echo", "us");
        other.retcode = 1;
        let differ = [run("m1", "test.ping", "eu"), other];
        let ledger = ledger(&differ, 9);
        assert_eq!(ledger.fun, "test.echo,test.ping");
        let counts = ledger.progress.counts;
        assert_eq!((counts.expected, counts.ok, counts.failed), (2, 1, 1));
        assert_eq!(ledger.progress.sites.len(), 2);
        let args: Value = serde_json::from_slice(&ledger.args).unwrap();
        assert_eq!(args[0]["m2"], json!(["test.echo", [1, {"a": 2}]]));
        assert_eq!(joined((0..10).map(|n| ["a", "b"][n % 2])), "a,b");
    }
}
