//! Searches over a small history, and what happens to it when other releases had the database.

use wire::find::JobState;
use wire::record::Record;
use wire::{Counts, OutcomeGroup};

use super::*;
use crate::HubStore;
use crate::hub::tests::{delta, head, jid, job, node, place, state, summary};

/// A job of this function for these minions.
fn job_for(n: u64, fun: &str, target: &str, user: &str, who: &[u32]) -> Vec<Record> {
    let mut head = head(n, 1_000 * n, Vec::new());
    let mut order: JobOrder = decode(&head.envelope.order).unwrap();
    order.fun = fun.to_owned();
    order.target.typed = target.to_owned();
    order.user = user.to_owned();
    head.envelope.order = encode(&order).unwrap().into();
    vec![Record::Job(Box::new(head)), news(n, Outcome::Queued, who)]
}

fn news(n: u64, outcome: Outcome, who: &[u32]) -> Record {
    Record::JobNews(LedgerDelta {
        groups: vec![OutcomeGroup {
            outcome,
            who: who.iter().copied().collect(),
            timings: Vec::new(),
        }],
        ..delta(n, 1)
    })
}

fn ended(n: u64, counts: Counts) -> Record {
    Record::JobState {
        summary: Box::new(JobSummary {
            finished: Some(1),
            counts,
            ..summary(n)
        }),
        open: false,
    }
}

fn all() -> JobFilter {
    JobFilter {
        limit: 100,
        ..JobFilter::default()
    }
}

/// The numbers of the jobs that fit.
fn found(store: &HubStore, filter: &JobFilter, minions: &[u32]) -> Vec<u64> {
    let list = store.reader().unwrap().find(filter, minions).unwrap();
    let number = |summary: &JobSummary| {
        let digits = summary.jid.to_string();
        digits[12..].parse::<u64>().unwrap()
    };
    list.iter().map(number).collect()
}

fn history() -> (tempfile::TempDir, HubStore) {
    let (dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    let failed = Counts {
        expected: 1,
        failed: 1,
        ..Counts::default()
    };
    let mut records = job_for(1, "test.ping", "*", "root", &[1, 2, 3]);
    records.push(ended(1, Counts::default()));
    records.extend(job_for(2, "state.apply", "web*", "ann", &[1, 2]));
    records.push(ended(2, failed));
    records.extend(job_for(
        3,
        "state.highstate",
        "list: web1,web2",
        "ann",
        &[3],
    ));
    store.commit(&records).unwrap();
    (dir, store)
}

#[test]
fn jobs_are_found_by_all_that_is_said_of_them() {
    let (_dir, store) = history();
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let cases: [(JobFilter, &[u64]); 13] = [
        (all(), &[3, 2, 1]),
        (JobFilter { limit: 2, ..all() }, &[3, 2]),
        (
            JobFilter {
                before: Some(jid(3)),
                ..all()
            },
            &[2, 1],
        ),
        (
            JobFilter {
                functions: texts(&["state.*"]),
                ..all()
            },
            &[3, 2],
        ),
        (
            JobFilter {
                functions: texts(&["test.*", "*.apply"]),
                ..all()
            },
            &[2, 1],
        ),
        (
            JobFilter {
                functions: texts(&["[!s]*"]),
                ..all()
            },
            &[1],
        ),
        (
            JobFilter {
                targets: texts(&["web?"]),
                ..all()
            },
            &[2],
        ),
        (
            JobFilter {
                user: Some("ann".to_owned()),
                limit: 1,
                ..all()
            },
            &[3],
        ),
        (
            JobFilter {
                user: Some("an".to_owned()),
                ..all()
            },
            &[],
        ),
        (
            JobFilter {
                states: vec![JobState::Running],
                ..all()
            },
            &[3],
        ),
        (
            JobFilter {
                states: vec![JobState::Ok, JobState::Failed],
                ..all()
            },
            &[2, 1],
        ),
        (
            JobFilter {
                states: vec![JobState::Lost],
                ..all()
            },
            &[],
        ),
        (
            JobFilter {
                functions: texts(&["state.*"]),
                states: vec![JobState::Done],
                ..all()
            },
            &[2],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&store, &filter, &[]), expected, "{filter:?}");
    }
}

#[test]
fn jobs_are_found_by_the_minions_that_they_were_for() {
    let (_dir, mut store) = history();
    let of = |store: &HubStore, numbers: &[u32]| {
        let filter = JobFilter {
            minion: Some("web1".to_owned()),
            ..all()
        };
        found(store, &filter, numbers)
    };
    assert_eq!(of(&store, &[1]), [2, 1]);
    assert_eq!(of(&store, &[3]), [3, 1]);
    // Two keys, one after the other, under one id.
    assert_eq!(of(&store, &[2, 3]), [3, 2, 1]);
    assert_eq!(of(&store, &[9]), [0; 0]);
    let why = wire::Reason {
        code: wire::ReasonCode::Cancelled,
        text: String::new(),
        since: 0,
    };
    let more = [
        news(3, Outcome::Withdrawn, &[3]),
        news(3, Outcome::Running, &[1]),
        news(2, Outcome::Undecided(why), &[9]),
    ];
    store.commit(&more).unwrap();
    assert_eq!(of(&store, &[3]), [1]);
    assert_eq!(of(&store, &[1]), [3, 2, 1]);
    assert_eq!(of(&store, &[9]), [0; 0]);
}

#[test]
fn times_are_those_of_the_jids() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    // 2026-11-22 22:37:00 UTC, and an hour later.
    let (early, late) = (1_795_387_020_000, 1_795_390_620_000);
    for moment in [early, late] {
        let mut head = head(0, moment, Vec::new());
        head.jid = Jid::first_of(moment);
        store.commit(&[Record::Job(Box::new(head))]).unwrap();
    }
    let count = |since, until| {
        let filter = JobFilter {
            since,
            until,
            ..all()
        };
        store.reader().unwrap().find(&filter, &[]).unwrap().len()
    };
    assert_eq!(count(Some(early), None), 2);
    assert_eq!(count(Some(early + 1), None), 1);
    assert_eq!(count(None, Some(early)), 1);
    assert_eq!(count(None, Some(late)), 2);
    assert_eq!(count(Some(early + 1), Some(late - 1)), 0);
}

/// A release without these tables had the database: it made a job, and ended one that was running.
#[test]
fn what_an_older_release_saved_is_added_at_the_start() {
    let (dir, mut store) = history();
    store
        .commit(&[job(4), news(4, Outcome::Queued, &[2])])
        .unwrap();
    store
        .conn
        .execute_batch(&format!(
            "DELETE FROM job_search WHERE jid = '{0}'; DELETE FROM job_who WHERE jid = '{0}';",
            jid(4)
        ))
        .unwrap();
    store.commit(&[ended(3, Counts::default())]).unwrap();
    store
        .conn
        .execute(
            "UPDATE job_search SET state = 0 WHERE jid = ?1",
            [jid(3).to_string()],
        )
        .unwrap();
    let path = store.path.clone();
    drop(store);
    let (store, _) = HubStore::open(&path).unwrap();
    // Nothing is missing any more, but a job ended.
    store
        .conn
        .execute(
            "UPDATE job_search SET state = 0 WHERE jid = ?1",
            [jid(2).to_string()],
        )
        .unwrap();
    drop(store);
    let (store, _) = HubStore::open(&path).unwrap();
    assert_eq!(found(&store, &all(), &[]), [4, 3, 2, 1]);
    let running = JobFilter {
        states: vec![JobState::Running],
        ..all()
    };
    assert_eq!(found(&store, &running, &[]), [4]);
    let of = JobFilter {
        minion: Some("web2".to_owned()),
        ..all()
    };
    assert_eq!(found(&store, &of, &[2]), [4, 2, 1]);
    drop(dir);
}

#[test]
fn what_is_pruned_is_found_no_more() {
    let (_dir, mut store) = history();
    store.prune(1_000_000, 0, u64::MAX).unwrap();
    assert_eq!(found(&store, &all(), &[]), [3], "it is open");
    let rows = |table: &str| -> u32 {
        let count = format!("SELECT count(*) FROM {table}");
        store.conn.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((rows("job_search"), rows("job_who")), (1, 1));
}

#[test]
fn names_of_nodes_that_left_are_found() {
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    store
        .commit(&[node(7), Record::NodeGone { index: 7 }])
        .unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.former_numbers("web7").unwrap(), [7]);
    assert_eq!(reader.former_numbers("web8").unwrap(), [0; 0]);
}

#[test]
fn an_order_is_read_without_its_account() {
    let (_dir, mut store) = history();
    let mut bare = head(5, 1, Vec::new());
    bare.envelope.order = Vec::new().into();
    store
        .commit(&[Record::Job(Box::new(bare)), state(5, true)])
        .unwrap();
    let reader = store.reader().unwrap();
    let order = reader.order(jid(2)).unwrap().unwrap();
    assert_eq!(
        (order.fun.as_str(), order.user.as_str()),
        ("state.apply", "ann")
    );
    assert_eq!(reader.order(jid(5)).unwrap(), None);
    assert_eq!(reader.order(jid(9)).unwrap(), None);
}

/// A measurement; the bounds are a hundred times what a usual machine needs, so that only a lost index can break them.
#[test]
fn searches_stay_quick() {
    const JOBS: u64 = 20_000;
    let (_dir, path) = place();
    let (mut store, _) = HubStore::open(&path).unwrap();
    let who: Vec<u32> = (0..2_000).collect();
    for chunk in (1..=JOBS).collect::<Vec<_>>().chunks(2_000) {
        let records: Vec<Record> = chunk
            .iter()
            .flat_map(|&n| {
                let mut records = job_for(n, "test.ping", "*", "root", &who);
                records.push(ended(n, Counts::default()));
                records
            })
            .collect();
        store.commit(&records).unwrap();
    }
    let reader = store.reader().unwrap();
    let nothing = |filter: JobFilter, numbers: &[u32]| {
        let begun = std::time::Instant::now();
        assert_eq!(reader.find(&filter, numbers).unwrap(), []);
        begun.elapsed()
    };
    let functions = vec!["no.such*".to_owned()];
    let by_function = nothing(JobFilter { functions, ..all() }, &[]);
    let states = vec![JobState::Failed];
    let by_state = nothing(JobFilter { states, ..all() }, &[]);
    let minion = Some("web9".to_owned());
    let by_minion = nothing(JobFilter { minion, ..all() }, &[9_999]);
    let user = Some("nobody".to_owned());
    let by_user = nothing(JobFilter { user, ..all() }, &[]);
    println!(
        "{JOBS} jobs, nothing found: by function {by_function:?}, by state {by_state:?}, by minion {by_minion:?}, by user {by_user:?}"
    );
    for took in [by_function, by_state, by_minion, by_user] {
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    }
}
