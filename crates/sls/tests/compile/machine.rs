//! What the machine does that no state tree shows: pauses, limits, stops, groups, answers to nothing.

use serde_json::{Map, Value, json};
use sls::compile::{
    self, Answer, Call, Chunk, Low, Options, Pause, Return, Run, Settings, Step, Summary,
};

fn low(high: Value) -> Low {
    let mut high = high.as_object().unwrap().clone();
    for body in high.values_mut() {
        body["__sls__"] = json!("s");
        body["__env__"] = json!("base");
    }
    compile::compile(
        high,
        &Settings {
            aggregate: json!(["test"]),
            ..Settings::default()
        },
        &|_: &str| true,
    )
    .unwrap()
}

fn call(run: &mut Run) -> Call {
    match run.next("") {
        Step::Call(call) => *call,
        step => panic!("{step:?} where a call is expected"),
    }
}

fn answer(result: bool) -> Answer {
    Answer {
        returned: Return {
            result: Some(result),
            ..Return::default()
        },
        ..Answer::default()
    }
}

#[test]
fn retries_tell_of_their_pauses() {
    let mut run = Run::new(
        low(json!({"a": {"test": ["nop", {"retry": {"attempts": 3, "interval": 7, "splay": 2}}]}})),
        Options::default(),
    );
    let first = call(&mut run);
    assert_eq!(first.pause, None);
    let failed = |start: &str, waited_s| {
        let mut failed = answer(false);
        failed.returned.comment = "no".to_owned();
        Answer {
            start_time: start.to_owned(),
            duration_ms: 1.0,
            waited_s,
            ..failed
        }
    };
    run.done(first.number, failed("10:00:00.000000", 0))
        .unwrap();
    let second = call(&mut run);
    assert_eq!(
        second.pause,
        Some(Pause {
            seconds: 7,
            splay_s: 2
        })
    );
    run.done(second.number, failed("10:00:08.000000", 8))
        .unwrap();
    let third = call(&mut run);
    run.done(
        third.number,
        Answer {
            waited_s: 7,
            duration_ms: 0.5,
            ..answer(true)
        },
    )
    .unwrap();
    assert_eq!(run.next(""), Step::Finished);
    let results = run.into_results();
    let record = &results["test_|-a_|-a_|-nop"];
    assert_eq!(record["start_time"], "10:00:00.000000");
    assert_eq!(record["duration"], json!(15_002.5));
    assert_eq!(record["result"], json!(true));
    assert_eq!(
        record["comment"],
        "Attempt 1: Returned a result of \"False\", with the following comment: \"no\"\nAttempt 2: Returned a result of \"False\", with the following comment: \"no\"\n"
    );
}

#[test]
fn in_test_mode_retries_are_told_only() {
    let options = Options {
        is_test: true,
        ..Options::default()
    };
    let mut run = Run::new(
        low(json!({"a": {"test": ["nop", {"retry": true}]}})),
        options,
    );
    let only = call(&mut run);
    assert!(only.is_test);
    run.done(only.number, answer(false)).unwrap();
    assert_eq!(run.next(""), Step::Finished);
    let comment = run.into_results()["test_|-a_|-a_|-nop"]["comment"].clone();
    assert_eq!(
        comment,
        "  The state would be retried every 30 seconds (with a splay of up to 0 seconds) a maximum of 2 times or until a result of True is returned"
    );
}

#[test]
fn parallel_calls_keep_their_limit() {
    let parallel = json!({"test": ["nop", {"parallel": true}]});
    let mut run = Run::new(
        low(json!({"a": parallel, "b": parallel, "c": parallel})),
        Options {
            parallel_max: Some(2),
            ..Options::default()
        },
    );
    let first = call(&mut run);
    let second = call(&mut run);
    assert_eq!(run.next(""), Step::Wait);
    assert_eq!(run.next(""), Step::Wait);
    run.done(second.number, answer(true)).unwrap();
    let third = call(&mut run);
    assert_eq!(third.tag, "test_|-c_|-c_|-nop");
    run.done(third.number, answer(true)).unwrap();
    assert!(run.take_news().len() == 2);
    assert_eq!(run.next(""), Step::Wait);
    run.done(first.number, answer(true)).unwrap();
    assert_eq!(run.next(""), Step::Finished);
}

#[test]
fn a_stop_hears_what_is_under_way() {
    let mut run = Run::new(
        low(
            json!({"p": {"test": ["nop", {"parallel": true}, {"order": 1}]}, "a": {"test": ["nop"]}, "b": {"test": ["nop"]}}),
        ),
        Options::default(),
    );
    let parallel = call(&mut run);
    let plain = call(&mut run);
    run.stop();
    assert_eq!(run.next(""), Step::Wait);
    run.done(plain.number, answer(true)).unwrap();
    assert_eq!(run.next(""), Step::Wait);
    run.done(parallel.number, answer(true)).unwrap();
    assert_eq!(run.next(""), Step::Finished);
    let results = run.into_results();
    assert_eq!(
        results.keys().collect::<Vec<_>>(),
        ["test_|-p_|-p_|-nop", "test_|-a_|-a_|-nop"]
    );
    let summary = Summary::of(&results);
    assert_eq!((summary.succeeded, summary.failed), (2, 0));
}

#[test]
fn calls_of_one_kind_are_offered_as_a_group() {
    let mut run = Run::new(
        low(json!({
            "a": {"test": ["nop"]},
            "b": {"test": ["nop"]},
            "c": {"test": ["nop", {"require": [{"test": "a"}]}]},
        })),
        Options::default(),
    );
    let ids = |call: &Call| call.group.iter().map(Chunk::id).collect::<Vec<_>>();
    let first = call(&mut run);
    // What requires one of them is in no group with it.
    assert_eq!(ids(&first), ["a", "b"]);
    run.done(first.number, answer(true)).unwrap();
    let second = call(&mut run);
    assert_eq!(ids(&second), ["b"]);
}

#[test]
fn one_function_outside_of_any_sls() {
    let arguments = Map::from_iter([("text".to_owned(), json!("x"))]);
    let chunk = Chunk::single("test.show_notification", "n", arguments).unwrap();
    assert!(chunk.faults().is_empty());
    let mut run = Run::new(Low::of_chunks(vec![chunk]), Options::default());
    let only = call(&mut run);
    assert_eq!(only.tag, "test_|-n_|-n_|-show_notification");
    assert_eq!(only.chunk.0["text"], "x");
    run.done(only.number, answer(true)).unwrap();
    assert_eq!(run.next(""), Step::Finished);
    assert!(
        Chunk::single("test", "n", Map::new())
            .unwrap_err()
            .starts_with("Invalid function passed")
    );
    assert_eq!(Chunk::default().faults().len(), 3);
}

#[test]
fn disabled_functions_have_a_record() {
    let high =
        json!({"a": {"test": ["nop"], "__sls__": "s"}, "b": {"cmd": ["run"], "__sls__": "s"}});
    let settings = Settings {
        disabled_functions: vec!["cmd.*".to_owned()],
        ..Settings::default()
    };
    let low = compile::compile(high.as_object().unwrap().clone(), &settings, &|_: &str| {
        true
    })
    .unwrap();
    let mut run = Run::new(low, Options::default());
    let only = call(&mut run);
    assert_eq!(only.chunk.id(), "a");
    run.done(only.number, answer(true)).unwrap();
    assert_eq!(run.next(""), Step::Finished);
    let results = run.into_results();
    let comment = results["cmd_|-b_|-b_|-run"]["comment"].as_str().unwrap();
    assert!(
        comment.starts_with("The state function \"cmd.run\" is currently disabled by \"cmd.*\""),
        "{comment}"
    );
}

#[test]
fn answers_to_nothing_are_refused() {
    let mut run = Run::new(low(json!({"a": {"test": ["nop"]}})), Options::default());
    let only = call(&mut run);
    run.done(only.number, answer(true)).unwrap();
    let error = run.done(only.number, answer(true)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no call of the number 0 waits for an answer"
    );
}

#[test]
fn parts_of_a_state_have_their_records() {
    let mut run = Run::new(low(json!({"a": {"test": ["nop"]}})), Options::default());
    let only = call(&mut run);
    let part = json!({
        "low": {"state": "other", "__id__": "i", "name": "n", "fun": "f"},
        "result": false,
        "changes": {"x": 1},
        "comment": "c",
        "duration": 2.0,
    });
    let mut whole = answer(true);
    whole
        .returned
        .others
        .insert("sub_state_run".to_owned(), json!([part, "nothing"]));
    run.done(only.number, whole).unwrap();
    assert_eq!(run.next(""), Step::Finished);
    let results = run.into_results();
    assert_eq!(results.len(), 2);
    assert!(results["test_|-a_|-a_|-nop"].get("sub_state_run").is_none());
    let record = &results["other_|-i_|-n_|-f"];
    assert_eq!(
        (&record["result"], &record["__id__"], &record["__run_num__"]),
        (&json!(false), &json!("a"), &json!(1))
    );
}

#[test]
fn thousands_of_states_and_a_long_chain() {
    let count = 3_000;
    let mut high = serde_json::Map::new();
    for index in 0..count {
        let mut arguments = vec![json!("nop"), json!({"order": count - index})];
        if index > 0 {
            arguments.push(json!({"require": [{"test": format!("s{}", index - 1)}]}));
            arguments.push(json!({"listen": [{"test": format!("s{}", index - 1)}]}));
        }
        high.insert(
            format!("s{index}"),
            json!({"test": arguments, "__sls__": "many", "__env__": "base"}),
        );
    }
    high.insert("last".to_owned(), json!({"test": ["nop", {"order": 1}, {"require": [{"sls": "many"}]}], "__sls__": "one", "__env__": "base"}));
    let low = compile::compile(high, &Settings::default(), &|_: &str| true).unwrap();
    let ids: Vec<String> = low.ordered().map(Chunk::id).collect();
    assert_eq!(
        (&*ids[0], &*ids[count - 1], &*ids[count]),
        ("s0", "s2999", "last")
    );
    let mut run = Run::new(low, Options::default());
    let mut calls = 0;
    while let Step::Call(call) = run.next("") {
        calls += 1;
        let mut changed = answer(true);
        changed.returned.changes = Map::from_iter([("x".to_owned(), json!(1))]);
        run.done(call.number, changed).unwrap();
    }
    // Each but the first listens to a change.
    assert_eq!(calls, count + 1 + count - 1);
    assert_eq!(run.into_results().len(), calls);
}
