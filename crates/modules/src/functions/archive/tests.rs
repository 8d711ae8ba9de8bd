//! Archives by the programs of this host.

use std::fs;

use serde_json::{Value, json};

use crate::call::Call;
use crate::process;
use crate::testing::Host;

fn has(programs: &[&str]) -> bool {
    programs
        .iter()
        .all(|program| process::which(program).is_some())
}

#[test]
fn tar_archives_are_packed_listed_and_unpacked() {
    if !has(&["tar", "gzip"]) {
        return;
    }
    let host = Host::new();
    host.write("in/top/a b", "x");
    host.write("in/top/sub/c", "y");
    std::os::unix::fs::symlink("a b", host.path("in/top/l -> m")).unwrap();
    let archive = host.path("t.tar.gz");
    let packed = Call::new("archive.tar")
        .arg("czf")
        .arg(archive.as_str())
        .arg("top")
        .kwarg("cwd", host.path("in"));
    assert!(host.call(packed).success);
    let list = Call::new("archive.list").arg(archive.as_str());
    assert_eq!(
        host.call(list.clone()).value,
        json!(["top/", "top/a b", "top/l -> m", "top/sub/", "top/sub/c"])
    );
    let report = host.call(list.clone().kwarg("verbose", true)).value;
    assert_eq!(report["links"], json!(["top/l -> m"]));
    assert_eq!(report["top_level_dirs"], json!(["top/"]));
    let stripped = host.call(list.clone().kwarg("strip_components", 1)).value;
    assert_eq!(stripped, json!(["a b", "l -> m", "sub/", "sub/c"]));
    let piped = host.call(list.kwarg("options", "gzip -dc")).value;
    assert_eq!(piped.as_array().unwrap().len(), 5);
    fs::create_dir(host.path("out")).unwrap();
    let unpacked = Call::new("archive.tar")
        .arg("xf")
        .arg(archive.as_str())
        .kwarg("dest", host.path("out"));
    assert_eq!(host.call(unpacked).value, json!([]));
    assert_eq!(fs::read_to_string(host.path("out/top/a b")).unwrap(), "x");
    assert!(
        !host
            .call(Call::new("archive.tar").arg("").arg(archive))
            .success
    );
    let none = host.write("none.tar", "no archive");
    assert!(!host.call(Call::new("archive.list").arg(none)).success);
}

#[test]
fn zip_archives_are_packed_listed_and_unpacked() {
    if !has(&["zip", "unzip"]) {
        return;
    }
    let host = Host::new();
    host.write("in/top/a b", "x");
    host.write("in/top/sub/c", "y");
    let archive = host.path("t.zip");
    let packed = Call::new("archive.zip")
        .arg(archive.as_str())
        .arg("top")
        .kwarg("cwd", host.path("in"));
    let members = json!(["top/", "top/a b", "top/sub/", "top/sub/c"]);
    let sorted = |value: Value| {
        let mut names = value.as_array().cloned().unwrap();
        names.sort_by_key(Value::to_string);
        Value::Array(names)
    };
    assert_eq!(sorted(host.call(packed).value), members);
    let list = Call::new("archive.list").arg(archive.as_str());
    assert_eq!(host.call(list).value, members);
    let out = host.path("out");
    let unpack = Call::new("archive.unzip")
        .arg(archive.as_str())
        .arg(out.as_str());
    let unpacked = host.call(unpack.clone().kwarg("excludes", "top/sub/c"));
    assert_eq!(unpacked.value.as_array().unwrap().len(), 3, "{unpacked:?}");
    assert_eq!(fs::read_to_string(host.path("out/top/a b")).unwrap(), "x");
    assert!(!std::path::Path::new(&host.path("out/top/sub/c")).exists());
    let trimmed = host.call(unpack.kwarg("trim_output", 1)).value;
    assert_eq!(trimmed[1], json!("List trimmed after 1 files."));
    let encrypted = Call::new("archive.is_encrypted").arg(archive.as_str());
    assert_eq!(host.call(encrypted).value, json!(false));
    let relative = Call::new("archive.zip").arg(archive).arg("x");
    assert!(!host.call(relative).success);
}

#[test]
fn single_files_are_packed() {
    if !has(&["gzip", "gunzip"]) {
        return;
    }
    let host = Host::new();
    let file = host.write("f", "abc");
    assert_eq!(
        host.call(Call::new("archive.gzip").arg(file.as_str()))
            .value,
        json!([])
    );
    assert!(std::path::Path::new(&format!("{file}.gz")).exists());
    host.call(Call::new("archive.gunzip").arg(format!("{file}.gz")));
    assert_eq!(fs::read_to_string(&file).unwrap(), "abc");
}
