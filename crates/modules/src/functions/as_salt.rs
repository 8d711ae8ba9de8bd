//! Calls of execution functions beside what real Salt answers to them. `record.py` made the answers.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome};
use crate::testing::Host;

const CALLS: &str = include_str!("../../tests/functions/calls.yaml");
const GOLDEN: &str = include_str!("../../tests/functions/golden.json");

/// Fewest calls, so that a lost part of the file is seen.
const CALLS_MIN: usize = 180;

fn host() -> Host {
    let host = Host::new();
    *host.grains.lock().unwrap() = Arc::new(json!({
        "os": "Debian", "os_family": "Debian", "roles": ["web", "db"], "serialnumber": "ABCDEFGH", "deep": {"er": {"est": 7}},
        "kernel": "Linux", "id": "m1", "ipv4": ["127.0.0.1", "203.0.113.7"], "ipv6": ["::1"],
    }));
    *host.pillar.lock().unwrap() = Arc::new(json!({
        "users": {"root": 0}, "motd": "hello", "list": [1, 2], "nested": {"l": [1, 2], "m": {"a": 1, "b": {"c": 2}}},
        "dicts": [{"x": 1}, {"name": "n"}], "ports": {"https": 443}, "master": {"ports": {"ssh": 22}},
    }));
    host
}

#[test]
fn functions_answer_as_salt_does() {
    let host = host();
    let calls = yaml::parse(CALLS).unwrap();
    let golden: Vec<Map<String, Value>> = serde_json::from_str(GOLDEN).unwrap();
    let calls = calls.as_array().unwrap();
    assert!(calls.len() >= CALLS_MIN && calls.len() == golden.len());
    let mut differences = Vec::new();
    for (words, golden) in calls.iter().zip(&golden) {
        // One job: what a call sets in the environment is there for the next one.
        let call = Call {
            fun: words[0].as_str().unwrap().to_owned(),
            args: words[1].as_array().cloned().unwrap(),
            kwargs: words
                .get(2)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        };
        let outcome = host.with_env(|env| env.call(&call));
        let outcome = outcome.unwrap_or_else(|failure| Outcome::failed(failure.to_string()));
        let is_same = match golden.get("answer") {
            Some(answer) => outcome.success && outcome.value == *answer,
            None => !outcome.success,
        };
        if !is_same {
            differences.push(format!(
                "{words}\n  ours  {}\n  Salt  {golden:?}",
                outcome.value
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} differ\n{}",
        differences.len(),
        calls.len(),
        differences.join("\n")
    );
}
