//! `jobs list`: what is asked for, and pages.

use wire::Counts;
use wire::RunSource;
use wire::control::JobSummary;
use wire::find::{JobFilter, JobSource, JobState};

use super::*;

/// So many jobs at most, of a history of five.
fn with_five_jobs() -> (Place, Asked) {
    Place::with(|ask, peer| {
        let Ask::Find(filter) = ask else {
            panic!("{ask:?}");
        };
        let job = |number: u32| JobSummary {
            jid: format!("2026112223155600000{number}")
                .parse()
                .expect("twenty digits"),
            fun: "test.ping".to_owned(),
            target: "*".to_owned(),
            user: "alice".to_owned(),
            origin: "top1".to_owned(),
            issued: 1_795_389_356_000,
            finished: None,
            counts: Counts::default(),
        };
        let jobs = (1..=5).rev().map(job).take(filter.limit as usize);
        peer.tell(Tell::Jobs(jobs.collect()));
    })
}

fn asked_for(asked: &Asked) -> JobFilter {
    match asked.lock().expect("no thread panicked").last() {
        Some(Ask::Find(filter)) => (**filter).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_typed_is_asked_for() {
    let (place, asked) = with_five_jobs();
    place.call(&["jobs", "list"]);
    let plain = JobFilter {
        limit: 21,
        ..JobFilter::default()
    };
    assert_eq!(
        asked_for(&asked),
        plain,
        "one more tells whether there is a next page"
    );
    let words = "jobs list --limit 3 --target web* --function state.* --user ann --since 2026-11-28 --until 2026-11-28T12:00 \
        --state failed,not-started --source call,order --minion web1 --before 20261122231556000001";
    let words: Vec<&str> = words.split_whitespace().collect();
    assert_eq!(place.call(&words).code, 0);
    let expected = JobFilter {
        functions: vec!["state.*".to_owned()],
        targets: vec!["web*".to_owned()],
        user: Some("ann".to_owned()),
        since: Some(1_795_824_000_000),
        until: Some(1_795_867_200_000),
        states: vec![JobState::Failed, JobState::NotStarted],
        minion: Some("web1".to_owned()),
        before: Some("20261122231556000001".parse().expect("twenty digits")),
        limit: 4,
        sources: vec![JobSource::Minion(RunSource::Call), JobSource::Order],
    };
    assert_eq!(asked_for(&asked), expected);
    for wrong in [
        ["--since", "noon"],
        ["--state", "well"],
        ["--limit", "0"],
        ["--limit", "10001"],
    ] {
        let outcome = place.call(&[&["jobs", "list"][..], &wrong].concat());
        assert_eq!(outcome.code, 64, "{wrong:?}: {}", outcome.err);
    }
}

#[test]
fn a_page_says_where_the_next_one_begins() {
    let (place, _) = with_five_jobs();
    let first = place.call(&["jobs", "list", "--limit", "2"]);
    assert_eq!(first.out.lines().count(), 3, "{}", first.out);
    assert!(
        first.err.contains("--before 20261122231556000004"),
        "{}",
        first.err
    );
    let whole = place.call(&["jobs", "list", "--limit", "5"]);
    assert_eq!((whole.out.lines().count(), whole.err.as_str()), (6, ""));
    let document = place.call(&["jobs", "list", "--limit", "2", "--out", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&document.out).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
}
