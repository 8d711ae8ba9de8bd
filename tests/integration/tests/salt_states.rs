//! The trees in `tests/states` beside what real Salt answered about them, masterless.
//!
//! `cargo xtask compare-salt --record tests/states/*` made the golden files, `expected.json`: a minion's configuration, and calls with Salt's
//! answers. `{tree}` stands for the tree's folder, and `{root}` for the one where a program keeps its own files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use integration::Release;
use serde_json::{Value, json};

/// Fewest trees, so that a lost folder is seen.
const TREES_MIN: usize = 30;

/// What differs from one run to the next.
const TIMES: [&str; 2] = ["start_time", "duration"];

#[test]
fn states_come_to_what_salt_makes_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../states");
    let folder = folder.canonicalize().expect("the folder of trees");
    let entries = fs::read_dir(&folder).expect("trees");
    let mut trees: Vec<PathBuf> = entries.map(|entry| entry.expect("a tree").path()).collect();
    trees.sort();
    assert!(trees.len() >= TREES_MIN);
    let differences: Vec<String> = trees.iter().flat_map(|tree| differences(tree)).collect();
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The calls about a tree whose answers are not Salt's.
fn differences(tree: &Path) -> Vec<String> {
    let name = tree.file_name().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(tree.join("expected.json"));
    let text = text.unwrap_or_else(|error| panic!("{name}: {error}; record it"));
    let golden: Value =
        serde_json::from_str(&text.replace("{tree}", &tree.display().to_string())).expect("JSON");
    let work = tempfile::tempdir().expect("a folder");
    let config = work.path().join("config");
    fs::write(&config, golden["config"].to_string()).expect("a configuration");
    let calls = golden["calls"].as_array().expect("calls");
    assert!(!calls.is_empty(), "{name} asks nothing");
    calls
        .iter()
        .filter_map(|call| {
            let answer = answer(call, &config, work.path());
            let expected = &call["expected"];
            let is_equal = match (expected.get("failed"), answer.get("failed")) {
                // Words of errors are compared by people, with xtask.
                (Some(_), Some(_)) => true,
                _ => *expected == answer,
            };
            let (fun, args) = (&call["fun"], &call["args"]);
            (!is_equal).then(|| format!("{name}: {fun} {args}\n  salt {expected}\n  ours {answer}"))
        })
        .collect()
}

/// What the minion answers, as golden files have it.
fn answer(call: &Value, config: &Path, root: &Path) -> Value {
    let args = call["args"].as_array().into_iter().flatten().map(word);
    let kwargs = call["kwargs"].as_object().into_iter().flatten();
    let output = Command::new(Release::Present.program("minion"))
        .arg("--root-dir")
        .arg(root)
        .arg("--config")
        .arg(config)
        .args(["call", "--local", "--out", "json"])
        .arg(call["fun"].as_str().expect("a function"))
        .args(args)
        .args(kwargs.map(|(name, value)| format!("{name}={}", word(value))))
        .stdin(Stdio::null())
        .output()
        .expect("the minion starts");
    let said =
        String::from_utf8_lossy(&output.stdout).replace(&root.display().to_string(), "{root}");
    let Ok(mut said) = serde_json::from_str::<Value>(&said) else {
        return json!({"failed": [String::from_utf8_lossy(&output.stderr)]});
    };
    match said["local"].take() {
        reason @ Value::String(_) if !output.status.success() => json!({"failed": [reason]}),
        Value::Array(reasons) if !reasons.is_empty() && reasons.iter().all(Value::is_string) => {
            json!({"failed": reasons})
        }
        mut value => {
            forget_times(&mut value);
            json!({"value": value})
        }
    }
}

/// A value as an argument of the command line, where YAML is read.
fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn forget_times(value: &mut Value) {
    for record in value
        .as_object_mut()
        .into_iter()
        .flat_map(|map| map.values_mut())
    {
        if let Value::Object(record) = record
            && record.contains_key("__run_num__")
        {
            for name in TIMES {
                record.shift_remove(name);
            }
        }
    }
}
