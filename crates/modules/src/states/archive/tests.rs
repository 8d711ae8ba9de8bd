//! Archives that the tar program of this host packs.

use std::fs;

use serde_json::{Value, json};

use crate::call::Call;
use crate::process;
use crate::testing::Host;

/// A host with an archive `t.tar.gz` of a directory `top`.
fn packed() -> Host {
    let host = Host::new();
    host.write("in/top/a", "A");
    host.write("in/top/sub/b", "B");
    let pack = Call::new("archive.tar")
        .arg("czf")
        .arg(host.path("t.tar.gz"))
        .arg("top")
        .kwarg("cwd", host.path("in"));
    assert!(host.call(pack).success);
    host
}

#[test]
fn archives_are_unpacked_once() {
    if process::which("tar").is_none() {
        return;
    }
    let host = packed();
    let (name, source) = (host.path("out"), host.path("t.tar.gz"));
    let args = json!({"name": name, "source": source});
    let foretold = host.state("archive.extracted", args.clone(), true);
    let comment = format!(
        "Archive {source} would be extracted to {name}/, due to absence of one or more files/dirs"
    );
    assert_eq!((foretold.result, foretold.comment), (None, comment));
    let done = host.state("archive.extracted", args.clone(), false);
    assert_eq!(done.result, Some(true), "{done:?}");
    let comment =
        format!("{source} extracted to {name}/, due to absence of one or more files/dirs");
    assert_eq!(done.comment, comment);
    assert_eq!(
        done.changes["directories_created"],
        json!([format!("{name}/")])
    );
    assert_eq!(done.changes["extracted_files"].as_array().unwrap().len(), 4);
    assert_eq!(fs::read_to_string(host.path("out/top/sub/b")).unwrap(), "B");
    for is_test in [true, false] {
        let again = host.state("archive.extracted", args.clone(), is_test);
        assert_eq!(again.comment, "All files in archive are already present");
        assert_eq!((again.result, again.changes.len()), (Some(true), 0));
    }
    fs::remove_dir_all(host.path("out/top")).unwrap();
    host.write("out/top", "in the way");
    let refused = host.state("archive.extracted", args.clone(), false);
    assert!(
        refused.comment.contains("set 'force' to True"),
        "{refused:?}"
    );
    let mut forced = args;
    forced["force"] = json!(true);
    let done = host.state("archive.extracted", forced, false);
    assert_eq!(
        done.changes["removed"],
        json!([format!("{name}/top/")]),
        "{done:?}"
    );
    assert_eq!(fs::read_to_string(host.path("out/top/a")).unwrap(), "A");
}

#[test]
fn arguments_are_judged() {
    if process::which("tar").is_none() {
        return;
    }
    let host = packed();
    let (name, source) = (host.path("out"), host.path("t.tar.gz"));
    let check = |args: Value, expected: &str| {
        let answer = host.state("archive.extracted", args.clone(), false);
        assert_eq!(answer.result, Some(false), "{args}");
        assert!(
            answer.comment.contains(expected),
            "{args}: {}",
            answer.comment
        );
    };
    check(
        json!({"name": "out", "source": source}),
        "out is not an absolute path",
    );
    check(
        json!({"name": name, "source": "/none.tar"}),
        "Source file '/none.tar' does not exist",
    );
    check(
        json!({"name": name, "source": "/none.x"}),
        "Could not guess archive_format",
    );
    check(
        json!({"name": name, "source": source, "archive_format": "ar"}),
        "Invalid archive_format 'ar'",
    );
    check(
        json!({"name": name, "source": source, "user": "nobody-such"}),
        "User nobody-such does not exist",
    );
    check(
        json!({"name": name, "source": source, "password": "x"}),
        "only supported for zip",
    );
    check(
        json!({"name": name, "source": "http://127.0.0.1:9/t.tar"}),
        "Unable to verify upstream hash",
    );
    let wrong = json!({"name": name, "source": source, "source_hash": "md5=00000000000000000000000000000000"});
    check(
        wrong,
        "does not match the desired source_hash 00000000000000000000000000000000",
    );
    let stripped = json!({
        "name": name, "source": source, "options": "--strip-components=1", "enforce_toplevel": false, "trim_output": 1,
    });
    let done = host.state("archive.extracted", stripped, false);
    assert_eq!(done.result, Some(true), "{done:?}");
    assert!(
        done.comment
            .ends_with("Output was trimmed to 1 number of lines")
    );
    assert_eq!(fs::read_to_string(host.path("out/sub/b")).unwrap(), "B");
    let there = json!({"name": name, "source": "/none.tar", "if_missing": host.path("out/sub")});
    let answer = host.state("archive.extracted", there, false);
    assert_eq!(
        answer.comment,
        format!("Path {} exists", host.path("out/sub"))
    );
}
