//! Runners as they are called and listed.

use super::*;

#[test]
fn an_answer_has_its_form_and_its_code() {
    let value = |retcode| Tell::Value {
        value: br#"{"up":["web1"],"down":[]}"#.as_slice().into(),
        retcode,
    };
    let (place, asked) = Place::telling(vec![value(0)]);
    let outcome = place.call(&["runner", "manage.status", "tgt=web*", "--out", "json"]);
    assert_eq!(outcome.code, 0);
    let document: serde_json::Value = serde_json::from_str(&outcome.out).expect("JSON");
    assert_eq!(document["up"][0], "web1");
    match asked.lock().expect("no thread panicked").first() {
        Some(Ask::Runner(ask)) => {
            assert_eq!(
                (ask.fun.as_str(), ask.user.as_str()),
                ("manage.status", "sudo_alice")
            );
            assert_eq!(&ask.kwargs[..], br#"{"tgt":"web*"}"#);
        }
        other => panic!("{other:?}"),
    }
    let (place, _) = Place::telling(vec![value(1)]);
    assert_eq!(place.call(&["runner", "manage.status"]).code, 1);
}

#[test]
fn an_orchestration_is_asked_for_by_its_sls() {
    let (place, asked) = Place::telling(vec![Tell::Accepted {
        jid: "20261122231556000001".parse().expect("twenty digits"),
        wait_ms: None,
    }]);
    let typed = [
        "orchestrate",
        "orch.deploy",
        "pillar={a: 1}",
        "test=True",
        "--async",
    ];
    let outcome = place.call(&typed);
    assert_eq!(
        (outcome.code, outcome.out.trim()),
        (0, "20261122231556000001")
    );
    match asked.lock().expect("no thread panicked").first() {
        Some(Ask::Orchestrate(ask)) => {
            assert_eq!(ask.fun, "state.orchestrate");
            assert_eq!(&ask.args[..], br#"["orch.deploy"]"#);
            assert_eq!(&ask.kwargs[..], br#"{"pillar":{"a":1},"test":true}"#);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrapped_answer_is_shown_in_the_form_that_it_names() {
    let record = r#"{"__run_num__":0,"__id__":"a","name":"a","result":true,"changes":{},"comment":"well","duration":1.0,"start_time":"12:00:00.000000"}"#;
    let answer = format!(
        r#"{{"outputter":"highstate","data":{{"web1":{{"test_|-a_|-a_|-nop":{record}}}}}}}"#
    );
    let value: wire::Json = answer.into_bytes().into();
    let (place, _) = Place::telling(vec![Tell::Value { value, retcode: 0 }]);
    let shown = place.call(&["runner", "jobs.lookup_jid", "20261122231556000001"]);
    assert!(shown.out.starts_with("web1:\n"), "{}", shown.out);
    assert!(shown.out.contains("Summary for web1"), "{}", shown.out);
    let bare = place.call(&[
        "runner",
        "jobs.lookup_jid",
        "20261122231556000001",
        "--out=json",
    ]);
    assert!(bare.out.starts_with("{\n    \"web1\""), "{}", bare.out);
}

#[test]
fn a_call_that_nobody_waits_for_is_an_id() {
    let accepted = Tell::Accepted {
        jid: fake::jid(),
        wait_ms: None,
    };
    let (place, asked) = Place::telling(vec![accepted]);
    let outcome = place.call(&["runner", "--async", "test.sleep", "1"]);
    assert_eq!(
        (outcome.code, outcome.out),
        (0, format!("{}\n", fake::jid()))
    );
    let asked = asked.lock().expect("no thread panicked");
    assert!(
        matches!(asked.first(), Some(Ask::RunnerDetached(_))),
        "{asked:?}"
    );
}

#[test]
fn what_there_is_is_listed_without_a_daemon() {
    let place = Place::new();
    let all = place.call(&["runner", "--list"]);
    assert_eq!(all.code, 0);
    for name in [
        "jobs.lookup_jid(jid, ",
        "manage.up(",
        "wheel.key.accept(match, ",
    ] {
        assert!(all.out.contains(name), "{name}");
    }
    let keys = place.call(&["runner", "-d", "key"]).out;
    assert!(keys.starts_with("wheel.key.accept("), "{keys}");
    assert!(!keys.contains("manage.up"));
    let one = place.call(&["runner", "--list", "manage.up"]).out;
    assert_eq!(one.lines().count(), 2, "{one}");
    assert_eq!(place.call(&["runner", "--list", "nosuch"]).code, 2);
    assert_eq!(place.call(&["runner"]).code, 64);
}
