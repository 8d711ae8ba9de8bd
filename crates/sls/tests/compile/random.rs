//! High data and files by chance, which `record_random.py` made, beside what real Salt made of them: the order of calls, and the results.

use std::path::Path;
use std::{env, fs};

use serde_json::{Map, Value, json};
use sls::compile::{self, Available, Errors, Low, Options, Run, Settings};

use crate::executor;
use crate::golden::{compare, stable};
use crate::tree::{Tree, words};

/// A file of other trees to check, in place of those that are kept.
const OTHER_FILE: &str = "SLS_RANDOM_TREES";

#[test]
fn as_salt() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile/random.jsonl");
    let path = env::var(OTHER_FILE).map_or(kept, Into::into);
    let text = fs::read_to_string(path).unwrap();
    let mut differences = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let tree: Value = serde_json::from_str(line).unwrap();
        // Salt itself stops at a few of them.
        if tree.get("crash").is_some() {
            continue;
        }
        count += 1;
        let mut found = Vec::new();
        check(&tree, &mut found);
        if let Some(first) = found.first() {
            differences.push(format!(
                "seed {}: {first} ({} in all)",
                tree["seed"],
                found.len()
            ));
        }
    }
    assert!(count > 0);
    assert!(
        differences.is_empty(),
        "{} of {count} trees differ\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Files of SLS: their high data, and the ids in the order of their calls.
fn check_files(tree: &Value, differences: &mut Vec<String>) {
    let mut source = Tree::of(tree);
    let available = Available::of(&source);
    let matches = [("base".to_owned(), words(&tree["mods"]))].into();
    let (high, errors) = compile::load(&mut source, &available, &matches, true);
    let made = Errors::none(errors)
        .and_then(|()| compile::compile(high.clone(), &Settings::default(), &executor::has));
    match made {
        Ok(low) => {
            compare("high", &tree["high"], &Value::Object(high), differences);
            let order: Vec<Value> = low.ordered().map(|chunk| json!(chunk.id())).collect();
            compare("low", &tree["low"], &Value::Array(order), differences);
        }
        Err(errors) => check_errors(tree, &errors, differences),
    }
}

/// Whether ours are those of Salt: the key words of each, and none where it has none.
fn check_errors(tree: &Value, errors: &Errors, differences: &mut Vec<String>) {
    let phrases = tree["errors"].as_array();
    let is_said = |phrase: &Value| {
        errors
            .0
            .iter()
            .any(|error| error.contains(phrase.as_str().unwrap_or_default()))
    };
    if !phrases.is_some_and(|phrases| phrases.iter().all(is_said)) {
        differences.push(format!(
            "errors are {errors}, where Salt has {}",
            tree["errors"]
        ));
    }
}

fn check(tree: &Value, differences: &mut Vec<String>) {
    if tree.get("files").is_some() {
        check_files(tree, differences);
        return;
    }
    let high = tree["high"].as_object().unwrap().clone();
    let low = match compile::compile(high, &Settings::default(), &executor::has) {
        Ok(low) => low,
        Err(errors) => {
            check_errors(tree, &errors, differences);
            return;
        }
    };
    let order: Vec<Value> = low
        .ordered()
        .map(|chunk| json!(format!("{} {}", chunk.id(), chunk.name())))
        .collect();
    compare("order", &tree["order"], &Value::Array(order), differences);
    for (key, is_test) in [("run", false), ("test", true)] {
        let results = results(low.clone(), is_test);
        compare(
            key,
            &settled(&tree[key]),
            &settled(&Value::Object(results)),
            differences,
        );
    }
}

fn results(low: Low, is_test: bool) -> Map<String, Value> {
    executor::results(Run::new(
        low,
        Options {
            is_test,
            ..Options::default()
        },
    ))
}

/// Results without what is unstable: Salt names failed requisites, and watched states, in the order of a set.
fn settled(results: &Value) -> Value {
    let mut results = stable(results);
    for (_, record) in results.as_object_mut().into_iter().flatten() {
        if let Some(comment) = record["comment"].as_str()
            && let Some((words, names)) = comment.split_once(": ")
        {
            let mut names: Vec<&str> = names.split(", ").collect();
            names.sort_unstable();
            record["comment"] = json!(format!("{words}: {}", names.join(", ")));
        }
        let names = record.pointer_mut("/changes/Requisites with changes");
        if let Some(names) = names.and_then(Value::as_array_mut) {
            names.sort_by_key(ToString::to_string);
        }
    }
    results
}
