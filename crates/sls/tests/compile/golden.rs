//! Each tree in `cases` beside what real Salt made of it: matches, high data, low chunks in their order, and results.
//!
//! `record.py` made the golden files. Errors of a tree are phrases that the texts of both have.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use sls::compile::{self, Available, Errors, Low, Options, PillarTop, Run, Settings, Top};

use crate::executor;
use crate::tree::{Tree, minion, top_settings, words};

/// Fewest cases, so that a lost folder is seen.
const CASES_MIN: usize = 50;

/// What differs from one run to the next, or is ours alone.
const UNSTABLE: &[&str] = &["start_time", "duration"];

struct Made {
    matches: compile::Matches,
    high: compile::High,
    low: Low,
}

#[test]
fn as_salt() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let mut paths: Vec<_> = fs::read_dir(folder.join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= CASES_MIN);
    let mut differences = Vec::new();
    for path in &paths {
        let case = yaml::parse(&fs::read_to_string(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy();
        let Ok(golden) = fs::read_to_string(folder.join(format!("golden/{name}.json"))) else {
            differences.push(format!("{name}: record.py has to record it"));
            continue;
        };
        let golden: Value = serde_json::from_str(&golden).unwrap();
        for difference in check(&case, &golden) {
            differences.push(format!("{name}: {difference}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn check(case: &Value, golden: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    if case["pillar_top"] == Value::Bool(true) {
        compare(
            "pillar",
            &golden["pillar"],
            &pillar_matches(case),
            &mut differences,
        );
        return differences;
    }
    let made = match make(case) {
        Ok(made) => made,
        Err(errors) => {
            let expected = words(&case["errors"]);
            if expected.is_empty() {
                return vec![format!("errors: {errors:?}")];
            }
            let is_said = |phrase: &&String| errors.iter().any(|error| error.contains(*phrase));
            return expected
                .iter()
                .filter(|phrase| !is_said(phrase))
                .map(|phrase| format!("no error has '{phrase}': {errors:?}"))
                .collect();
        }
    };
    if let Some(errors) = golden.get("errors") {
        return vec![format!("Salt has {errors} errors, and here are none")];
    }
    compare(
        "matches",
        &golden["matches"],
        &serde_json::to_value(&made.matches).unwrap(),
        &mut differences,
    );
    compare(
        "high",
        &golden["high"],
        &Value::Object(made.high),
        &mut differences,
    );
    let low: Vec<Value> = made
        .low
        .ordered()
        .map(|chunk| Value::Object(chunk.0.clone()))
        .collect();
    compare("low", &golden["low"], &Value::Array(low), &mut differences);
    for (key, is_test) in [("run", false), ("test", true)] {
        if let Some(expected) = golden.get(key) {
            let results = run(case, made.low.clone(), is_test);
            compare(
                key,
                &stable(expected),
                &stable(&Value::Object(results)),
                &mut differences,
            );
        }
    }
    differences
}

/// The environments of a pillar in their order, each with its SLS.
fn pillar_matches(case: &Value) -> Value {
    let mut tree = Tree::of(case);
    let settings = top_settings(case);
    let (top, errors) = PillarTop::read(&mut tree, None, &settings.env_order);
    assert_eq!(errors, Vec::<String>::new());
    let matches = top.matches(None, &minion(case)).unwrap();
    matches
        .into_iter()
        .map(|(env, names)| json!([env, names]))
        .collect()
}

fn make(case: &Value) -> Result<Made, Vec<String>> {
    let mut tree = Tree::of(case);
    let available = Available::of(&tree);
    let mut errors = Vec::new();
    let matches = if case["mods"].is_array() {
        [("base".to_owned(), words(&case["mods"]))].into()
    } else {
        let settings = top_settings(case);
        let top = Top::read(&mut tree, &available, &settings).map_err(|errors| errors.0)?;
        Errors::none(top.verify()).map_err(|errors| errors.0)?;
        top.matches(&available, &settings, &minion(case))
            .map_err(|errors| errors.0)?
    };
    let is_ordered = case["options"]["state_auto_order"] != Value::Bool(false);
    let mut high = compile::High::new();
    if case["load"] != Value::Bool(false) {
        let (loaded, found) = compile::load(&mut tree, &available, &matches, is_ordered);
        high = loaded;
        errors.extend(found);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if let Value::Array(excludes) = &case["exclude"] {
        compile::add_excludes(&mut high, excludes.clone());
    }
    let settings = Settings {
        disabled_requisites: words(&case["options"]["disabled_requisites"]),
        ..Settings::default()
    };
    let low = if case["id"].is_string() {
        compile::compile_for_id(high.clone(), &settings, &executor::has)
    } else {
        compile::compile(high.clone(), &settings, &executor::has)
    };
    let low = low.map_err(|errors| errors.0)?;
    Ok(Made { matches, high, low })
}

fn run(case: &Value, low: Low, is_test: bool) -> Map<String, Value> {
    let options = Options {
        is_test,
        failhard: case["options"]["failhard"] == Value::Bool(true),
        parallel_max: None,
    };
    let run = match case["id"].as_str() {
        Some(id) => Run::of_id(low, id, options).expect("the id exists"),
        None => Run::new(low, options),
    };
    executor::results(run)
}

/// Results without what is unstable.
pub fn stable(results: &Value) -> Value {
    let mut results = results.clone();
    for record in results.as_object_mut().into_iter().flatten() {
        if let Some(record) = record.1.as_object_mut() {
            for key in UNSTABLE {
                record.shift_remove(*key);
            }
        }
    }
    results
}

/// Says where two values differ: the first place is enough.
pub fn compare(place: &str, expected: &Value, made: &Value, differences: &mut Vec<String>) {
    match (expected, made) {
        (Value::Object(expected), Value::Object(made)) => {
            for (key, value) in expected {
                match made.get(key) {
                    Some(other) => compare(&format!("{place}/{key}"), value, other, differences),
                    None => differences.push(format!("{place}/{key} is missing: {value}")),
                }
            }
            for (key, value) in made.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                differences.push(format!("{place}/{key} is ours alone: {value}"));
            }
        }
        (Value::Array(expected), Value::Array(made)) if expected.len() == made.len() => {
            for (number, (expected, made)) in expected.iter().zip(made).enumerate() {
                compare(&format!("{place}/{number}"), expected, made, differences);
            }
        }
        _ if expected == made => {}
        _ => differences.push(format!("{place} is {made} where Salt has {expected}")),
    }
}
