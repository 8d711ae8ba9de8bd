use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use wire::record::{JobHead, NodeRecord};
use wire::{
    Counts, IndexSet, JobEnvelope, JobOptions, JobOrder, Json, KeyDecision, LedgerDelta, Link,
    Outcome, OutcomeGroup, PlanRecord, Presence, Revocation, Role, RosterMark, RunTarget, SitePath,
    Standing, Timing, TreeId, Uid, UnixMillis, ValueRef,
};

use super::*;
use crate::{Committed, Committer, LIST_MAX, PRUNE_ROWS_MAX};

pub(crate) fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    (dir, path)
}

pub(crate) fn jid(n: u64) -> Jid {
    format!("202611222237{n:08}").parse().unwrap()
}

pub(crate) fn node(index: u32) -> Record {
    Record::Node(Box::new(node_record(index)))
}

fn node_record(index: u32) -> NodeRecord {
    NodeRecord {
        index,
        uid: Uid([index as u8; 16]),
        id: format!("web{index}").parse().unwrap(),
        role: Role::Minion,
        path: "eu/ams".parse().unwrap(),
        fingerprint: [7; 32],
        standing: Standing::Accepted,
        direct: true,
        via: vec![(Uid([9; 16]), 4)],
        link: Link {
            presence: Presence::Up,
            since: 5,
        },
        software: "0.1.0".to_owned(),
        grains: Some(Json::from(&b"{}"[..])),
        roots: None,
        job_key: None,
    }
}

pub(crate) fn head(n: u64, received: UnixMillis, parents: Vec<Uid>) -> JobHead {
    let order = JobOrder {
        tree: TreeId([1; 32]),
        jid: jid(n),
        origin: Uid([2; 16]),
        origin_id: "top".parse().unwrap(),
        scope: SitePath::top(),
        user: "root".to_owned(),
        target: RunTarget {
            compound: "*".to_owned(),
            typed: "web*".to_owned(),
        },
        fun: "test.ping".to_owned(),
        args: Json::from(&b"[]"[..]),
        kwargs: Json::from(&b"{}"[..]),
        issued: received,
        start_by: received + 60_000,
        options: JobOptions::default(),
    };
    JobHead {
        jid: jid(n),
        envelope: JobEnvelope {
            order: encode(&order).unwrap().into(),
            signer: Uid([3; 16]),
            signature: [4; 64],
        },
        parents,
        received,
    }
}

pub(crate) fn job(n: u64) -> Record {
    Record::Job(Box::new(head(n, 1_000 * n, Vec::new())))
}

pub(crate) fn delta(n: u64, serial: u32) -> LedgerDelta {
    let value = "\"".to_owned() + &"v".repeat(150) + "\"";
    LedgerDelta {
        jid: jid(n),
        serial,
        roster: 0,
        complete: true,
        groups: vec![OutcomeGroup {
            outcome: Outcome::Returned {
                retcode: 0,
                success: true,
                value: ValueRef::Inline(Json::from(value.as_bytes())),
            },
            who: IndexSet::from_iter([serial]),
            timings: vec![Timing::default()],
        }],
    }
}

fn plan(n: u64, entry: PlanRecord) -> Record {
    Record::JobPlan { jid: jid(n), entry }
}

fn untold(n: u64, untold: bool) -> Record {
    let jid = jid(n);
    Record::JobUntold { jid, untold }
}

fn undelivered(uid: u8, decision: Option<KeyDecision>) -> Record {
    Record::Undelivered {
        hub: Uid([8; 16]),
        uid: Uid([uid; 16]),
        decision,
    }
}

pub(crate) fn summary(n: u64) -> JobSummary {
    JobSummary {
        jid: jid(n),
        fun: "test.ping".to_owned(),
        target: "web*".to_owned(),
        user: "root".to_owned(),
        origin: "top".to_owned(),
        issued: 1_000 * n,
        finished: None,
        counts: Counts::default(),
    }
}

pub(crate) fn state(n: u64, open: bool) -> Record {
    Record::JobState {
        summary: Box::new(summary(n)),
        open,
    }
}

#[test]
fn a_restarted_hub_finds_everything_it_committed() {
    let (_dir, path) = place();
    let (mut store, recovered) = HubStore::open(&path).unwrap();
    assert_eq!(recovered, Recovered::default());
    let revocation = |at, revoked| Revocation {
        uid: Uid([8; 16]),
        at,
        revoked,
    };
    let mark = RosterMark {
        epoch: u64::MAX,
        revision: 3,
    };
    store
        .commit(&[
            Record::Epoch(u64::MAX - 1),
            node(0),
            node(1),
            node(5),
            Record::NodeGone { index: 5 },
            Record::Trust(Json::from(&b"bundle"[..])),
            Record::Revoked(revocation(1, true)),
            Record::Revoked(revocation(2, false)),
            Record::ChildMark {
                hub: Uid([6; 16]),
                mark: RosterMark::default(),
            },
            Record::ChildMark {
                hub: Uid([6; 16]),
                mark,
            },
            job(1),
            job(2),
            Record::JobNews(delta(1, 1)),
            Record::JobNews(delta(2, 1)),
            Record::JobNews(delta(1, 2)),
            state(1, true),
            state(2, false),
            Record::Job(Box::new(head(3, 7, vec![Uid([1; 16])]))),
        ])
        .unwrap();
    // A second parent sends the job as well: the head changes, the account stays.
    let both = head(1, 1_000, vec![Uid([1; 16]), Uid([2; 16])]);
    store
        .commit(&[
            Record::Job(Box::new(both.clone())),
            plan(1, PlanRecord::Stage(1)),
            plan(1, PlanRecord::Stage(2)),
            untold(1, true),
            untold(3, true),
            untold(1, false),
            undelivered(1, Some(KeyDecision::Accept)),
            undelivered(2, Some(KeyDecision::Delete)),
            undelivered(1, None),
        ])
        .unwrap();
    drop(store);

    let (store, recovered) = HubStore::open(&path).unwrap();
    let first = StoredJob {
        head: both,
        news: vec![delta(1, 1), delta(1, 2)],
        plan: vec![PlanRecord::Stage(1), PlanRecord::Stage(2)],
        state: Some(summary(1)),
    };
    let third = StoredJob {
        head: head(3, 7, vec![Uid([1; 16])]),
        news: Vec::new(),
        plan: Vec::new(),
        state: None,
    };
    assert_eq!(store.job(jid(1)).unwrap().as_ref(), Some(&first));
    assert_eq!(store.job(jid(4)).unwrap(), None);
    assert_eq!(
        recovered,
        Recovered {
            epoch: Some(u64::MAX - 1),
            nodes: vec![node_record(0), node_record(1)],
            next_index: 6,
            open_jobs: vec![first, third],
            untold: vec![jid(3)],
            undelivered: vec![(Uid([8; 16]), Uid([2; 16]), KeyDecision::Delete)],
            revoked: vec![revocation(2, false)],
            child_marks: vec![(Uid([6; 16]), mark)],
            trust: Some(Json::from(&b"bundle"[..])),
            // 22:37:00 of that day; the third job is a parent's.
            last_jid_ms: 1_795_387_020_000,
        }
    );
}

#[test]
fn jobs_are_listed_newest_first_in_pages() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    store
        .commit(&[job(1), job(2), job(3), state(2, false), state(3, true)])
        .unwrap();
    let reader = store.reader().unwrap();
    for (limit, before, expected) in [
        (10, None, vec![3, 2, 1]),
        (2, None, vec![3, 2]),
        (2, Some(jid(2)), vec![1]),
        (2, Some(jid(1)), vec![]),
        (0, None, vec![]),
    ] {
        let list = reader.jobs(limit, before).unwrap();
        assert_eq!(list, store.jobs(limit, before).unwrap());
        // The first job has no state yet: its row comes from the order.
        assert_eq!(list, expected.into_iter().map(summary).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_is_whole_or_not_there_and_a_failed_one_ends_the_store() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    let too_long = Record::Trust(Json::from(&b"x"[..]));
    store.commit(&[too_long]).unwrap();
    let mut big = node_record(7);
    big.software = "x".repeat(wire::limits::MAX_FRAME);
    let refused = store.commit(&[node(6), Record::Node(Box::new(big))]);
    assert!(matches!(refused, Err(StoreError::Record(_))));
    store.commit(&[node(1)]).unwrap();
    // A trigger stands for a disk that fails in the middle of a batch.
    store
        .conn
        .execute_batch("CREATE TRIGGER fail BEFORE INSERT ON child_mark BEGIN SELECT raise(ABORT, 'broken disk'); END")
        .unwrap();
    let mark = Record::ChildMark {
        hub: Uid([1; 16]),
        mark: RosterMark::default(),
    };
    let failed = store.commit(&[node(2), mark, node(3)]);
    assert!(matches!(failed, Err(StoreError::Database { .. })));
    assert!(matches!(
        store.commit(&[node(4)]),
        Err(StoreError::Stopped { .. })
    ));
    drop(store);
    let (_, recovered) = HubStore::open(&path).unwrap();
    assert_eq!(recovered.nodes, [node_record(1)]);
}

#[test]
fn news_of_a_job_that_is_gone_are_passed_over() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    store
        .commit(&[Record::JobNews(delta(1, 1)), state(1, false), node(1)])
        .unwrap();
    assert_eq!(store.jobs(10, None).unwrap(), []);
}

#[test]
fn a_damaged_row_is_reported_with_its_job() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    store
        .commit(&[job(1), Record::JobNews(delta(1, 1))])
        .unwrap();
    store
        .conn
        .execute("UPDATE job_news SET delta = x'ff'", [])
        .unwrap();
    let error = store.job(jid(1)).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(error.to_string().contains(&jid(1).to_string()), "{error}");
}

#[test]
fn a_second_process_is_kept_out() {
    let (_dir, path) = place();
    let first = HubStore::open(&path).unwrap();
    assert!(matches!(
        HubStore::open(&path),
        Err(StoreError::InUse { .. })
    ));
    drop(first);
    assert!(HubStore::open(&path).is_ok());
}

#[test]
fn old_jobs_go_and_open_ones_stay() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    for n in 1..=5 {
        store
            .commit(&[job(n), Record::JobNews(delta(n, 1)), state(n, n == 2)])
            .unwrap();
    }
    let pruned = store.prune(10_000, 6_000, u64::MAX).unwrap();
    assert_eq!(pruned.jobs, [jid(1), jid(3)]);
    assert!(!pruned.more);
    // Below any size: everything that is closed goes.
    assert_eq!(
        store.prune(10_000, 6_000, 0).unwrap().jobs,
        [jid(4), jid(5)]
    );
    let rows: u32 = store
        .conn
        .query_row("SELECT count(*) FROM job_news", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
    drop(store);
    let (_, recovered) = HubStore::open(&path).unwrap();
    assert_eq!(recovered.open_jobs.len(), 1);
    assert_eq!(
        recovered.last_jid_ms, 1_795_387_020_000,
        "the newest own jid outlives its job"
    );
}

#[test]
fn above_its_size_the_store_gives_up_the_oldest_until_it_fits() {
    const JOBS: u64 = 40;
    const NEWS: u32 = 100;
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    let empty = crate::prune::live_bytes(&store.conn).unwrap();
    for n in 1..=JOBS {
        let mut batch = vec![job(n), state(n, false)];
        batch.extend((1..=NEWS).map(|serial| Record::JobNews(delta(n, serial))));
        store.commit(&batch).unwrap();
    }
    let full = crate::prune::live_bytes(&store.conn).unwrap();
    let bound = empty + (full - empty) / 2;
    let pruned = store.prune(0, u64::MAX, bound).unwrap();
    let count = pruned.jobs.len() as u64;
    assert!((JOBS / 2 - 3..=JOBS / 2 + 3).contains(&count), "{count}");
    assert_eq!(pruned.jobs, (1..=count).map(jid).collect::<Vec<_>>());
    assert!(crate::prune::live_bytes(&store.conn).unwrap() <= bound);
    assert_eq!(store.prune(0, u64::MAX, bound).unwrap().jobs, []);
}

/// Endless use does not make the files grow endlessly: pages of what was pruned are used again, and the log is cut back.
#[test]
fn the_files_stay_near_the_bound_of_what_is_in_them() {
    const BOUND: u64 = 4 << 20;
    const LOG_KEPT: u64 = 16 << 20;
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    // One burst makes a long log.
    let burst: Vec<_> = std::iter::once(job(1))
        .chain((1..=100_000).map(|serial| Record::JobNews(delta(1, serial))))
        .chain([state(1, false)])
        .collect();
    store.commit(&burst).unwrap();
    let log = path.with_extension("db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > LOG_KEPT);
    let mut longest = 0;
    for n in 2..=30 {
        let mut batch = vec![job(n), state(n, false)];
        batch.extend((1..=5_000).map(|serial| Record::JobNews(delta(n, serial))));
        store.commit(&batch).unwrap();
        while store.prune(0, u64::MAX, BOUND).unwrap().more {}
        assert!(store.live_bytes().unwrap() <= BOUND);
        let database = std::fs::metadata(&path).unwrap().len();
        if n == 5 {
            longest = database;
        }
        assert!(n < 5 || database <= longest, "{n}: {database} bytes");
    }
    assert!(std::fs::metadata(&log).unwrap().len() <= LOG_KEPT);
}

#[test]
fn pruning_ends_at_its_bound() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    let news = PRUNE_ROWS_MAX as u32 / 2;
    for n in 1..=3 {
        let mut batch = vec![job(n), state(n, false)];
        batch.extend((1..=news).map(|serial| Record::JobNews(delta(n, serial))));
        store.commit(&batch).unwrap();
    }
    let first = store.prune(1_000_000, 0, u64::MAX).unwrap();
    assert_eq!((first.jobs, first.more), (vec![jid(1), jid(2)], true));
    let second = store.prune(1_000_000, 0, u64::MAX).unwrap();
    assert_eq!((second.jobs, second.more), (vec![jid(3)], false));
}

#[test]
fn free_values_are_kept() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    store.put_meta("key", b"value").unwrap();
    drop(store);
    let (store, _) = HubStore::open(&path).unwrap();
    assert_eq!(store.meta("key").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(store.meta("other").unwrap(), None);
}

#[test]
fn nodes_that_left_keep_their_names() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    let gone = node_record(7);
    store
        .commit(&[
            Record::Node(Box::new(gone.clone())),
            Record::NodeGone { index: 7 },
            Record::NodeGone { index: 8 },
        ])
        .unwrap();
    let reader = store.reader().unwrap();
    let found = reader.former_node(7).unwrap().unwrap();
    assert_eq!((found.id, found.path), (gone.id, gone.path));
    assert_eq!(reader.former_node(8).unwrap(), None);
}

#[test]
fn the_committer_answers_in_order_and_groups_what_waits() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    store.commit(&[job(1)]).unwrap();
    let reader = store.reader().unwrap();
    let (groups, seen) = mpsc::channel::<Committed>();
    let committer = Committer::start(store, move |group| groups.send(group).unwrap()).unwrap();
    // The writer is held until everything is queued.
    let (go, held) = mpsc::channel::<()>();
    committer.work(move |_| held.recv().unwrap()).unwrap();
    let (done, results) = mpsc::channel();
    for serial in 1..=500 {
        let done = done.clone();
        committer
            .commit(vec![Record::JobNews(delta(1, serial))], move |result| {
                done.send((serial, result.is_ok())).unwrap();
            })
            .unwrap();
    }
    assert_eq!(
        reader.job(jid(1)).unwrap().unwrap().news.len(),
        0,
        "a read waits for nobody"
    );
    go.send(()).unwrap();
    let results: Vec<_> = results.iter().take(500).collect();
    assert_eq!(
        results,
        (1..=500).map(|serial| (serial, true)).collect::<Vec<_>>()
    );
    let group = seen.recv().unwrap();
    assert_eq!((group.batches, group.records), (500, 500));
    assert_eq!(reader.job(jid(1)).unwrap().unwrap().news.len(), 500);
    // What is queued when the committer is dropped is saved first.
    committer
        .commit(vec![Record::JobNews(delta(1, 501))], |_| ())
        .unwrap();
    drop(committer);
    assert_eq!(reader.job(jid(1)).unwrap().unwrap().news.len(), 501);
}

#[test]
fn after_a_failure_the_committer_tells_everybody() {
    let (_dir, path) = place();
    let (store, _) = HubStore::open(&path).unwrap();
    store
        .conn
        .execute_batch("CREATE TRIGGER fail BEFORE INSERT ON node BEGIN SELECT raise(ABORT, 'broken disk'); END")
        .unwrap();
    let committer = Committer::start(store, |_| panic!("nothing was committed")).unwrap();
    let (done, results) = mpsc::channel();
    for record in [node(1), Record::Epoch(1)] {
        let done = done.clone();
        committer
            .commit(vec![record], move |result| {
                done.send(result.map_err(|e| e.to_string())).unwrap()
            })
            .unwrap();
        assert!(results.recv().unwrap().is_err());
    }
}

/// Set for the child: this very test binary, which then commits until it is killed.
const CHILD: &str = "BANYAN_TEST_STORE_CHILD";

#[test]
fn the_child_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let (mut store, _) = HubStore::open(path.as_ref()).unwrap();
    store.commit(&[job(1)]).unwrap();
    for serial in 1..u32::MAX {
        store
            .commit(&[Record::JobNews(delta(1, serial)), node(serial)])
            .unwrap();
        println!("\nacknowledged {serial}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    for acknowledgements in [1, 40, 300] {
        let (_dir, path) = place();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "hub::tests::the_child_commits_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let last = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .filter_map(|line| {
                line.unwrap()
                    .strip_prefix("acknowledged ")?
                    .parse::<u32>()
                    .ok()
            })
            .take(acknowledgements)
            .inspect(|serial| {
                if *serial as usize == acknowledgements {
                    child.kill().unwrap();
                }
            })
            .last()
            .unwrap();
        child.wait().unwrap();
        let (_, recovered) = HubStore::open(&path).unwrap();
        let news = &recovered.open_jobs[0].news;
        assert!(news.len() >= last as usize, "{} of {last}", news.len());
        assert!(
            news.iter()
                .map(|delta| delta.serial)
                .eq(1..=news.len() as u32)
        );
        assert_eq!(recovered.nodes.len(), news.len(), "batches are whole");
    }
}

/// Mounts a file system of a few megabytes; None when this is not possible here.
fn small_disk(dir: &Path) -> Option<()> {
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(dir)
        .stderr(Stdio::null())
        .status();
    mount.ok()?.success().then_some(())
}

#[test]
fn a_full_disk_has_a_name_and_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    if small_disk(dir.path()).is_none() {
        println!("skipped: a small file system can't be mounted here");
        return;
    }
    let path = dir.path().join("hub.db");
    let (mut store, _) = HubStore::open(&path).unwrap();
    store.commit(&[job(1)]).unwrap();
    let (saved, error) = (1_u32..)
        .find_map(|serial| {
            Some((
                serial - 1,
                store.commit(&[Record::JobNews(delta(1, serial))]).err()?,
            ))
        })
        .unwrap();
    drop(store);
    let read =
        Connection::open(&path)
            .unwrap()
            .query_row("SELECT count(*) FROM job_news", [], |row| {
                row.get::<_, u32>(0)
            });
    let unmounted = Command::new("umount").arg("-l").arg(dir.path()).status();
    assert!(unmounted.unwrap().success());
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(saved > 0);
    assert_eq!(read.unwrap(), saved);
}

/// A measurement; the bound is a hundred times what a usual disk needs, so that only a lost index or a missing
/// transaction can break it.
#[test]
fn a_thousand_news_are_one_quick_commit_and_lists_stay_quick() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    for chunk in (1..=20_000).collect::<Vec<u64>>().chunks(5_000) {
        let batch: Vec<_> = chunk
            .iter()
            .flat_map(|&n| [job(n), state(n, false)])
            .collect();
        store.commit(&batch).unwrap();
    }
    let news: Vec<_> = (1..=1_000)
        .map(|serial| Record::JobNews(delta(7, serial)))
        .collect();
    let begun = Instant::now();
    store.commit(&news).unwrap();
    let commit = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(store.jobs(100, Some(jid(9_000))).unwrap().len(), 100);
    let list = begun.elapsed();
    println!("commit of 1,000 news: {commit:?}; list of 100 jobs in 20,000: {list:?}");
    assert!(commit < Duration::from_secs(1), "{commit:?}");
    assert!(list < Duration::from_millis(500), "{list:?}");
    assert_eq!(store.jobs(u32::MAX, None).unwrap().len(), LIST_MAX as usize);
}

#[test]
fn changes_are_kept_until_they_are_let_go_and_pruning_waits_for_that() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    // Nobody asked for changes yet.
    store
        .commit(&[Record::Job(Box::new(head(1, 5, Vec::new())))])
        .unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.changes(10).unwrap(), []);
    store.keep_changes(true).unwrap();
    for n in 2..=3 {
        store
            .commit(&[
                Record::Job(Box::new(head(n, 5, Vec::new()))),
                state(n, false),
            ])
            .unwrap();
    }
    let changes = reader.changes(10).unwrap();
    let jids: Vec<Jid> = changes.iter().map(|change| change.head.jid).collect();
    assert_eq!(jids, [jid(2), jid(3)]);
    store.let_go(changes[0].number).unwrap();
    // The second one is old enough, and not exported.
    let pruned = store.prune(100, 1, u64::MAX).unwrap();
    assert_eq!((pruned.jobs, pruned.unexported), (vec![jid(2)], 0));
    let pruned = store.prune(100, 1, 0).unwrap();
    assert_eq!(
        (pruned.jobs, pruned.unexported),
        (vec![jid(3)], 1),
        "the disk needs it"
    );
    assert_eq!(reader.changes_kept().unwrap(), 0);
    // Numbers do not come back, also over a restart.
    let last = changes[1].number;
    drop((reader, store));
    let (mut store, _) = HubStore::open(&path).unwrap();
    store.keep_changes(true).unwrap();
    store
        .commit(&[Record::Job(Box::new(head(4, 5, Vec::new())))])
        .unwrap();
    let reader = store.reader().unwrap();
    assert!(reader.changes(10).unwrap()[0].number > last);
    assert_eq!(reader.changes_kept().unwrap(), 1);
    store.keep_changes(false).unwrap();
    assert_eq!(reader.changes(10).unwrap(), []);
}
