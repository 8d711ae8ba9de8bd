use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::testing::Host;

/// Replays what Salt did: each case is a file (or none), a state, and what it answered and left in test mode, for real, and again.
#[test]
fn states_answer_as_salt_does() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("testdata/states.json")).unwrap();
    assert!(cases.len() > 200);
    let mut different = Vec::new();
    for case in &cases {
        let host = Host::new();
        let dir = host.path("dir");
        let place = |value: &Value| -> Value {
            serde_json::from_str(&value.to_string().replace("<DIR>", &dir)).unwrap()
        };
        for (name, text) in case["more"].as_object().into_iter().flatten() {
            host.write(&format!("roots/base/{name}"), text.as_str().unwrap());
        }
        std::fs::create_dir_all(&dir).unwrap();
        if let Some(text) = case["content"].as_str() {
            host.write("dir/f", text);
        }
        let (fun, args) = (case["fun"].as_str().unwrap(), place(&case["args"]));
        let mut left = Value::Null;
        for mode in ["test", "first", "again"] {
            let expected = place(&case[mode]);
            let done = host.state(fun, args.clone(), mode == "test");
            let answered = if done.comment.starts_with("An exception occurred") {
                json!({"exception": true})
            } else {
                json!({"result": done.result, "comment": done.comment, "changes": done.changes})
            };
            let mut expected_answer = expected.as_object().cloned().unwrap();
            let files = expected_answer.remove("files");
            if Value::Object(expected_answer.clone()) != answered {
                different.push(format!(
                    "{fun} {args} on {} ({mode}): {answered}, not {}",
                    case["content"],
                    Value::Object(expected_answer)
                ));
            }
            if mode == "test" {
                continue;
            }
            left = files.unwrap_or(left);
            let found = files_of(&dir);
            if !left.is_null() && left != found {
                different.push(format!(
                    "{fun} {args} on {} ({mode}) left {found}, not {left}",
                    case["content"]
                ));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} of {}:\n{}",
        different.len(),
        cases.len(),
        different.join("\n")
    );
}

fn files_of(dir: &str) -> Value {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, json!(std::fs::read_to_string(entry.path()).unwrap()));
    }
    Value::Object(Map::from_iter(files))
}

#[test]
fn accumulators_reach_blocks() {
    let host = Host::new();
    let path = host.write("f", "a\n");
    let charge = |name: &str, text: Value, reader: &str| {
        let args = json!({
            "name": name, "filename": path, "text": text, "require_in": [{"file": reader}], "__sls__": "s",
        });
        host.state("file.accumulated", args, false).comment
    };
    let charged = |name: &str| format!("Accumulator {name} for file {path} was charged by text");
    assert_eq!(charge("one", json!("x"), "block"), charged("one"));
    assert_eq!(charge("one", json!("x"), "block"), "");
    assert_eq!(charge("one", json!(["x", "y"]), "block"), charged("one"));
    assert_eq!(charge("two", json!("z"), "other"), charged("two"));
    let args = json!({"name": path, "__id__": "block", "append_if_not_found": true, "content": "c", "backup": false});
    host.state("file.blockreplace", args, false);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "a\n#-- start managed zone --\nc\nx\ny\n#-- end managed zone --\n"
    );
    let args = json!({"name": path, "__id__": "third", "content": "c", "backup": false});
    host.state("file.blockreplace", args, false);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("c\nx\ny\nz\n#"), "{text}");
    let orphan = json!({"name": "o", "filename": path, "text": "x", "__sls__": "s", "__id__": "i"});
    let done = host.state("file.accumulated", orphan, false);
    assert_eq!(
        (done.result, done.comment.as_str()),
        (Some(false), "Orphaned accumulator o in s:i")
    );
}

#[test]
fn a_line_makes_its_file_when_that_is_wished() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new();
    let path = host.path("f");
    let args = json!({
        "name": path, "mode": "insert", "content": "x", "location": "end", "create": true, "file_mode": "0600",
    });
    assert_eq!(
        host.state("file.line", args.clone(), true).result,
        Some(false)
    );
    assert_eq!(
        host.state("file.line", args, false).comment,
        "Changes were made"
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
}

#[test]
fn texts_make_their_directories() {
    let host = Host::new();
    let path = host.path("d/e/f");
    let args = json!({"name": path, "text": "x", "makedirs": true});
    let foretold = host.state("file.append", args.clone(), true);
    assert_eq!(
        foretold.comment,
        format!("File {path} is set to be created")
    );
    assert_eq!(
        host.state("file.append", args, false).comment,
        "Appended 1 lines"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n");
}
