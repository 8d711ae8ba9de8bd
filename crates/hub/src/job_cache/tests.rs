use std::path::Path;

use daemon::metrics::{HubMetrics, JobCacheMetrics, Registry};
use serde_json::Value;
use store::HubStore;
use wire::record::{JobHead, NodeRecord, Record};
use wire::{
    Jid, JobEnvelope, JobOptions, JobOrder, Json, LedgerDelta, Link, NodeId, Outcome, OutcomeGroup,
    Owner, PlanRecord, Presence, Role, RunTarget, SitePath, Standing, Timing, TreeId, ValueRef,
};

use super::*;

const OWN: Uid = Uid([2; 16]);
const SOON: Duration = Duration::from_secs(20);

fn minion(index: u32) -> Record {
    minion_by(index, true)
}

/// A minion right below this hub, or one of which a hub below tells.
fn minion_by(index: u32, direct: bool) -> Record {
    let syndic = (Uid([8; 16]), index);
    Record::Node(Box::new(NodeRecord {
        index,
        uid: Uid([7; 16]),
        id: format!("web{index}").parse().unwrap(),
        role: Role::Minion,
        path: SitePath::top(),
        fingerprint: [7; 32],
        standing: Standing::Accepted,
        direct,
        via: if direct { Vec::new() } else { vec![syndic] },
        link: Link {
            presence: Presence::Up,
            since: 5,
        },
        software: String::new(),
        grains: None,
        roots: None,
        job_key: None,
    }))
}

fn jid(n: u64) -> Jid {
    format!("202611281000{n:08}").parse().unwrap()
}

fn job(n: u64, origin: Uid) -> Record {
    let order = JobOrder {
        tree: TreeId([1; 32]),
        jid: jid(n),
        origin,
        origin_id: "top".parse::<NodeId>().unwrap(),
        scope: SitePath::top(),
        user: "root".to_owned(),
        target: RunTarget {
            compound: "web*".to_owned(),
            typed: "web*".to_owned(),
        },
        fun: "test.echo".to_owned(),
        args: Json::from(&b"[\"hi\"]"[..]),
        kwargs: Json::from(&b"{\"n\": 1}"[..]),
        issued: 1_700_000_000_000,
        start_by: 1_700_000_060_000,
        options: JobOptions::default(),
    };
    Record::Job(Box::new(JobHead {
        jid: jid(n),
        envelope: JobEnvelope {
            order: wire::codec::encode(&order).unwrap().into(),
            signer: Uid([0; 16]),
            signature: [0; 64],
        },
        parents: Vec::new(),
        received: 1_700_000_000_000,
    }))
}

fn returned(n: u64, who: u32, value: ValueRef) -> Record {
    Record::JobNews(LedgerDelta {
        jid: jid(n),
        serial: 0,
        roster: 0,
        complete: true,
        groups: vec![OutcomeGroup {
            outcome: Outcome::Returned {
                retcode: 0,
                success: true,
                value,
            },
            who: [who].into_iter().collect(),
            timings: vec![Timing {
                start_offset_ms: 1_000,
                duration_ms: 500,
            }],
        }],
    })
}

/// A store that keeps changes for a job cache.
fn store_in(dir: &Path) -> HubStore {
    let (mut store, _) = HubStore::open(&dir.join("hub.sqlite")).unwrap();
    store.keep_changes(true).unwrap();
    store
}

/// Starts the writer of a store, and the job cache in this file.
fn exported(store: HubStore, path: &Path, metrics: JobCacheMetrics) -> Arc<Committer> {
    let committed = Arc::new(Notify::new());
    let reader = store.reader().unwrap();
    let rings = committed.clone();
    let committer = Arc::new(Committer::start(store, move |_| rings.notify_one()).unwrap());
    let surroundings = Surroundings {
        uid: OWN,
        reader,
        committer: Arc::downgrade(&committer),
        committed,
        clock: Clock::start(),
        metrics,
    };
    start(&JobCacheSettings::File(path.to_owned()), surroundings).unwrap();
    committer
}

async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_waits_is_written_in_order_when_the_cache_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("away/events");
    let mut store = store_in(dir.path());
    let long = Json::from(&b"\"a long value\""[..]);
    let records = [
        minion(1),
        minion(2),
        job(1, OWN),
        returned(1, 1, ValueRef::Define(4, long)),
        // Its origin writes it.
        job(2, Uid([9; 16])),
        returned(2, 1, ValueRef::Inline(Json::from(&b"true"[..]))),
    ];
    store.commit(&records).unwrap();
    let metrics = HubMetrics::new(&Registry::new()).unwrap().job_cache;
    let committer = exported(store, &path, metrics.clone());

    wait_for("it fails", || metrics.failing_since.get() > 0).await;
    assert_eq!(metrics.backlog.get(), 4);
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    wait_for("it works again", || metrics.failing_since.get() == 0).await;
    // A commit is all that it takes.
    let news = vec![returned(1, 2, ValueRef::Known(4))];
    committer.commit(news, |done| done.unwrap()).unwrap();
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.collect()
    };
    wait_for("both returns are there", || lines().len() >= 2).await;
    wait_for("nothing waits", || metrics.backlog.get() == 0).await;
    let lines = lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, id) in lines.iter().zip(["web1", "web2"]) {
        assert_eq!(line["id"], id);
        assert_eq!(line["return"], "a long value");
        assert_eq!(
            line["fun_args"].to_string(),
            r#"["hi",{"n":1,"__kwarg__":true}]"#
        );
        assert_eq!(line["_stamp"], "2023-11-14T22:13:21.500000");
    }
}

/// The returns of a whole site come at once: they go out in transactions of their own size, and none waits for the next change.
#[test]
fn a_long_change_is_cut_into_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_in(dir.path());
    let site: Vec<u32> = (1..=450).collect();
    let minions: Vec<Record> = site.iter().copied().map(minion).collect();
    store.commit(&minions).unwrap();
    let value = ValueRef::Inline(Json::from(&b"true"[..]));
    let Record::JobNews(mut news) = returned(1, 1, value) else {
        unreachable!()
    };
    news.groups[0].who = site.into_iter().collect();
    let records = [job(1, OWN), Record::JobNews(news), job(3, OWN)];
    store.commit(&records).unwrap();
    let reader = store.reader().unwrap();
    let changes = reader.changes(CHANGES_MAX).unwrap();
    let numbers: Vec<u64> = changes.iter().map(|change| change.number).collect();
    let mut rows = Rows::new(OWN, &reader);
    let shape = |batch: &jobcache::Batch| (batch.through, batch.jobs.len(), batch.returns.len());
    let mut full = Vec::new();
    for change in changes {
        let batches = rows.add(change).unwrap();
        full.push(batches.iter().map(shape).collect::<Vec<_>>());
    }
    let before = numbers[1] - 1;
    let site = vec![(before, 1, 199), (before, 0, 200)];
    assert_eq!(full[..2], [Vec::new(), site]);
    assert!(full[2..].iter().all(Vec::is_empty), "{full:?}");
    assert_eq!(shape(&rows.end()), (numbers[2], 1, 51));
}

fn owned(n: u64, hub: Uid) -> Record {
    Record::JobPlan {
        jid: jid(n),
        entry: PlanRecord::Owned(Owner { term: 1, hub }),
    }
}

/// What a hub adopts it writes whole, and once; of what is adopted from it, what the new owner does not hear of.
#[tokio::test]
async fn a_job_is_written_by_who_owns_it() {
    let other = Uid([9; 16]);
    let yes = || ValueRef::Inline(Json::from(&b"true"[..]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let mut store = store_in(dir.path());
    let nodes = [minion(1), minion_by(2, false), minion_by(3, false)];
    store.commit(&nodes).unwrap();
    // Passed over, since another hub writes it, and let go.
    let before = [job(1, other), returned(1, 2, yes()), job(2, OWN)];
    store.commit(&before).unwrap();
    let metrics = HubMetrics::new(&Registry::new()).unwrap().job_cache;
    let looks = store.reader().unwrap();
    let committer = exported(store, &path, metrics);
    let nothing_waits = || looks.changes_kept().unwrap() == 0;
    wait_for("nothing waits", nothing_waits).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), "");

    let news = vec![
        // Before it is adopted, and not let go: it is told by itself.
        returned(1, 3, yes()),
        owned(1, OWN),
        job(1, other),
        returned(1, 1, yes()),
        owned(2, other),
        returned(2, 1, yes()),
        returned(2, 2, yes()),
    ];
    committer.commit(news, |done| done.unwrap()).unwrap();
    wait_for("nothing waits any more", || {
        nothing_waits()
            && !std::fs::read_to_string(&path)
                .unwrap_or_default()
                .is_empty()
    })
    .await;
    let text = std::fs::read_to_string(&path).unwrap();
    let mut written: Vec<(String, String)> = text
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("jid"), text("id"))
        })
        .collect();
    written.sort();
    let expected = [(1, "web1"), (1, "web2"), (1, "web3"), (2, "web1")];
    let expected = expected.map(|(n, id)| (jid(n).to_string(), id.to_owned()));
    assert_eq!(written, expected);
}
