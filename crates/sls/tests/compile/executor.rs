//! Calls the `test.*` states as a minion would, without touching anything.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};
use sls::compile::{Answer, Call, Condition, Controls, Creates, Findings, Return, Run, Step};

/// The time that all records get.
const TIME: &str = "00:00:00.000000";

/// Whether this executor has a function.
pub fn has(function: &str) -> bool {
    function.starts_with("test.")
}

/// Runs to the end and returns the results. Parallel calls are answered as late as possible.
pub fn results(mut run: Run) -> Map<String, Value> {
    let mut open: VecDeque<Call> = VecDeque::new();
    let mut news = Vec::new();
    loop {
        let call = match run.next(TIME) {
            Step::Finished => break,
            Step::Wait => open
                .pop_front()
                .expect("the machine waits for a call that is open"),
            Step::Call(call) if call.is_parallel => {
                open.push_back(*call);
                continue;
            }
            Step::Call(call) => *call,
        };
        let answer = answer(&call, &run);
        run.done(call.number, answer).expect("the call is open");
        assert!(
            run.done(call.number, Answer::default()).is_err(),
            "a call is answered once"
        );
        news.extend(run.take_news());
    }
    news.extend(run.take_news());
    assert!(open.is_empty());
    let results = run.into_results();
    news.sort();
    // One id of an SLS may run what it requires once for each of its chunks.
    news.dedup();
    let mut tags: Vec<String> = results.keys().cloned().collect();
    tags.sort();
    assert_eq!(news, tags, "each record is told of");
    results
}

fn answer(call: &Call, run: &Run) -> Answer {
    let controls = Controls::of(&call.chunk).expect("the controls can be read");
    let holds = |condition: &Condition| match condition {
        Condition::Command(command) => command == "true",
        _ => panic!("cases have commands only"),
    };
    let exists = |path: &String| path == "/";
    let findings = Findings {
        onlyif: (!controls.onlyif.is_empty()).then(|| controls.onlyif.iter().all(holds)),
        unless: (!controls.unless.is_empty()).then(|| controls.unless.iter().all(holds)),
        creates: controls.creates.as_ref().map(|creates| match creates {
            Creates::One(path) => exists(path),
            Creates::All(paths) => paths.iter().all(exists),
        }),
    };
    let checks = &controls.check_cmd;
    Answer {
        returned: controls
            .skip(&findings)
            .unwrap_or_else(|| test_state(call, run)),
        check_cmd: (!checks.is_empty()).then(|| checks.iter().all(|command| command == "true")),
        start_time: TIME.to_owned(),
        ..Answer::default()
    }
}

/// What the functions of Salt's `test` state return.
fn test_state(call: &Call, run: &Run) -> Return {
    let chunk = &call.chunk;
    let comment = |default: &str| {
        chunk
            .0
            .get("comment")
            .and_then(Value::as_str)
            .unwrap_or(default)
            .to_owned()
    };
    let changed = || {
        Map::from_iter([(
            "testing".to_owned(),
            json!({"old": "Unchanged", "new": "Something pretended to change"}),
        )])
    };
    let (result, changes, comment) = match (chunk.fun().as_str(), call.is_test) {
        ("nop", _) => (Some(true), Map::new(), "Success!".to_owned()),
        ("succeed_without_changes", _) => (Some(true), Map::new(), comment("Success!")),
        ("fail_without_changes", false) => (Some(false), Map::new(), comment("Failure!")),
        ("fail_without_changes", true) => (
            Some(false),
            Map::new(),
            "If we weren't testing, this would be a failure!".to_owned(),
        ),
        ("succeed_with_changes", false) => (Some(true), changed(), comment("Success!")),
        ("succeed_with_changes", true) => (
            None,
            changed(),
            "If we weren't testing, this would be successful with changes".to_owned(),
        ),
        ("fail_with_changes", false) => (Some(false), changed(), comment("Failure!")),
        ("fail_with_changes", true) => (
            None,
            changed(),
            "If we weren't testing, this would be failed with changes".to_owned(),
        ),
        ("mod_watch", _) => {
            let watched = chunk
                .0
                .get("__reqs__")
                .and_then(|requisites| requisites["watch"].as_array());
            let has_changes = |watched: &&Value| {
                let tag = ["state", "__id__", "name", "fun"]
                    .map(|key| watched[key].as_str().unwrap_or_default())
                    .join("_|-");
                run.record(&tag)
                    .is_some_and(|record| record["changes"] != json!({}))
            };
            let line = |watched: &Value| {
                format!(
                    "{}: {}",
                    watched["state"].as_str().unwrap_or_default(),
                    watched["__id__"].as_str().unwrap_or_default()
                )
            };
            let lines: Vec<String> = watched
                .into_iter()
                .flatten()
                .filter(has_changes)
                .map(line)
                .collect();
            let changes = Map::from_iter([("Requisites with changes".to_owned(), json!(lines))]);
            let result = chunk.0.get("result").map_or(Some(true), Value::as_bool);
            (result, changes, comment("Watch statement fired."))
        }
        (other, _) => panic!("cases have no test.{other}"),
    };
    Return {
        name: Some(chunk.name()),
        result,
        changes,
        comment,
        others: Map::new(),
    }
}
