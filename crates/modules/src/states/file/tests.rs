//! Files, directories and trees of files on real files in a temporary directory. The words are those of Salt 3008.3.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::states::{Return, StateEnv};
use crate::testing::Host;

fn with(base: &Value, more: Value) -> Value {
    let mut args = base.clone();
    let more = more.as_object().cloned().unwrap();
    args.as_object_mut().unwrap().extend(more);
    args
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn changes(answer: &Return) -> Value {
    Value::Object(answer.changes.clone())
}

#[test]
fn contents_are_put_into_files() {
    let host = Host::new();
    let path = host.path("f");
    let args = json!({"name": path, "contents": ["one", "two"], "mode": "0640"});
    let foretold = host.state("file.managed", args.clone(), true);
    assert_eq!(changes(&foretold), json!({"newfile": path}));
    let note = "\nNote: No changes made, actual changes may\nbe different due to other states.";
    assert_eq!(
        foretold.comment,
        format!("The file {path} is set to be changed{note}")
    );
    let done = host.applies("file.managed", args.clone());
    assert_eq!(changes(&done), json!({"diff": "New file", "mode": "0640"}));
    assert_eq!(done.comment, format!("File {path} updated"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert_eq!(mode(&path), 0o640);
    let kept = host.state("file.managed", args.clone(), false);
    assert_eq!(kept.comment, format!("File {path} is in the correct state"));
    let kept = host.state("file.managed", args.clone(), true);
    assert_eq!(
        kept.comment,
        format!("The file {path} is in the correct state")
    );
    let other = with(
        &args,
        json!({"contents": "one\nthree", "contents_newline": false}),
    );
    let diff = "--- \n+++ \n@@ -1,2 +1,2 @@\n one\n-two\n+three";
    let foretold = host.state("file.managed", other.clone(), true);
    assert_eq!(changes(&foretold), json!({"diff": diff}));
    let hidden = host.state(
        "file.managed",
        with(&other, json!({"show_changes": false})),
        true,
    );
    assert_eq!(changes(&hidden), json!({"diff": "<show_changes=False>"}));
    let done = host.state("file.managed", other, false);
    assert_eq!(changes(&done), json!({"diff": diff}));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\nthree");
}

#[test]
fn sources_are_put_into_files() {
    let host = Host::new();
    let path = host.path("d/f");
    host.write("roots/base/motd", "Hello\n");
    let args = json!({"name": path, "source": "salt://motd", "mode": 644});
    let refused = host.state("file.managed", args.clone(), false);
    assert_eq!(
        (refused.result, refused.comment.as_str()),
        (Some(false), "Parent directory not present")
    );
    assert!(refused.changes.is_empty());
    let args = with(&args, json!({"makedirs": true}));
    let done = host.applies("file.managed", args.clone());
    assert_eq!(changes(&done), json!({"diff": "New file", "mode": "0644"}));
    assert_eq!(mode(&host.path("d")), 0o755);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let done = host.applies("file.managed", args.clone());
    assert_eq!(changes(&done), json!({"mode": "0644"}));
    host.write("roots/base/motd", "Bye\n");
    let done = host.applies("file.managed", with(&args, json!({"backup": "minion"})));
    assert_eq!(
        changes(&done),
        json!({"diff": "--- \n+++ \n@@ -1 +1 @@\n-Hello\n+Bye\n"})
    );
    let kept = host
        .dir
        .path()
        .join("cache/file_backup")
        .join(&host.path("d")[1..]);
    assert_eq!(fs::read_dir(kept).unwrap().count(), 1);
    let missing = json!({"name": path, "source": "salt://none"});
    let refused = host.state("file.managed", missing.clone(), false);
    assert_eq!(
        refused.comment,
        "Unable to manage file: Source file salt://none not found in saltenv 'base'"
    );
    let refused = host.state("file.managed", missing, true);
    assert_eq!(
        refused.comment,
        "Source file salt://none not found in saltenv 'base'"
    );
    let several = json!({"name": path, "source": ["salt://none", {"salt://motd": null}]});
    assert_eq!(
        host.state("file.managed", several, false).result,
        Some(true)
    );
    let none = json!({"name": path, "source": ["salt://none", "/none"]});
    let refused = host.state("file.managed", none, false);
    assert_eq!(
        refused.comment,
        "Unable to manage file: none of the specified sources were found"
    );
}

#[test]
fn sources_of_the_host_are_checked() {
    let host = Host::new();
    let (path, source) = (host.path("f"), host.write("source", "abc"));
    let args = json!({"name": path, "source": source});
    host.applies("file.managed", args.clone());
    let refused = host.state(
        "file.managed",
        with(
            &args,
            json!({"name": host.path("g"), "source_hash": "md5=00000000000000000000000000000000"}),
        ),
        false,
    );
    let expected = format!(
        "Specified md5 checksum for {} (00000000000000000000000000000000) does not match actual checksum \
         (900150983cd24fb0d6963f7d28e17f72)",
        host.path("g")
    );
    assert_eq!((refused.result, refused.comment), (Some(false), expected));
    let missing = json!({"name": path, "source": "/none/such"});
    let refused = host.state("file.managed", missing, false);
    assert_eq!(
        refused.comment,
        "Unable to manage file: Local file source /none/such does not exist"
    );
    let unverified = json!({"name": path, "source": "http://127.0.0.1:9/x"});
    let refused = host.state("file.managed", unverified, false);
    assert!(
        refused
            .comment
            .contains("Unable to verify upstream hash of source file http://127.0.0.1:9/x")
    );
}

#[test]
fn templates_are_filled() {
    let host = Host::new();
    let path = host.path("f");
    host.write(
        "roots/base/x.jinja",
        "{{ a }}{{ b }} {{ grains.os }} {{ accumulator is defined }} {{ name }}\n",
    );
    let args = json!({
        "name": path, "source": "salt://x.jinja", "template": "jinja", "defaults": {"a": 1, "b": 2}, "context": {"b": 3},
    });
    host.applies("file.managed", args.clone());
    let expected = format!("13 Debian False {path}\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    host.write("roots/base/x.jinja", "{{ nosuch.such }}");
    let refused = host.state("file.managed", args.clone(), false);
    assert_eq!(refused.result, Some(false));
    assert!(
        refused.comment.starts_with("Unable to manage file: "),
        "{}",
        refused.comment
    );
    let refused = host.state(
        "file.managed",
        with(&args, json!({"template": "troff"})),
        true,
    );
    assert_eq!(
        refused.comment,
        "Specified template format troff is not supported"
    );
    let contents = json!({"name": path, "contents": "{{ 1 + 1 }}", "template": "jinja"});
    host.state("file.managed", contents, false);
    assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
}

#[test]
fn templates_see_what_other_states_gathered() {
    let host = Host::new();
    let path = host.path("f");
    host.write(
        "roots/base/x.jinja",
        "{% for line in accumulator['a'] %}{{ line }}\n{% endfor %}",
    );
    let noted = json!({&path: {"a": ["one", "two"]}});
    host.shared.change("accumulators", |notes| *notes = noted);
    let args = json!({"name": path, "source": "salt://x.jinja", "template": "jinja"});
    host.applies("file.managed", args);
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[test]
fn what_required_states_made_is_not_cleaned() {
    let host = Host::new();
    host.write("roots/base/tree/a", "A");
    let (top, tree, file) = (
        host.path("d"),
        host.path("d/tree"),
        host.write("d/kept", ""),
    );
    host.state(
        "file.recurse",
        json!({"name": tree, "source": "salt://tree"}),
        false,
    );
    host.write("d/tree/junk", "");
    host.write("d/junk", "");
    let records =
        [("tree", &tree, "recurse"), ("kept", &file, "managed")].map(|(id, name, fun)| {
            (
                format!("file_|-{id}_|-{name}_|-{fun}"),
                json!({"result": true}),
            )
        });
    let records = serde_json::Map::from_iter(records);
    let said = json!({
        "name": top, "clean": true, "require": [{"file": "tree"}, {"file": "kept"}], "state": "file", "fun": "directory",
    });
    let done = host.with_env(|env| {
        let surroundings = StateEnv {
            env,
            is_test: false,
            low: said.as_object().unwrap(),
            records: &records,
            shared: &host.shared,
        };
        env.registry.state(&surroundings)
    });
    assert_eq!(
        changes(&done)["removed"],
        json!([host.path("d/junk"), host.path("d/tree/junk")]),
        "{done:?}"
    );
    assert!(Path::new(&host.path("d/tree/a")).exists() && Path::new(&file).exists());
}

#[test]
fn files_are_refused() {
    let host = Host::new();
    let path = host.path("f");
    let check = |args: Value, expected: &str| {
        let answer = host.state("file.managed", args.clone(), false);
        assert_eq!(
            (answer.result, answer.comment.as_str()),
            (Some(false), expected),
            "{args}"
        );
    };
    let both = "'source' cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'";
    check(json!({"name": path, "source": "/x", "contents": "x"}), both);
    check(
        json!({"name": "f"}),
        "Specified file f is not an absolute path",
    );
    check(json!({"name": "/"}), "Specified target / is a directory");
    check(
        json!({"name": path, "contents_pillar": "no:such"}),
        "Pillar no:such does not exist",
    );
    check(
        json!({"name": path, "contents_grains": "no"}),
        "Grain no does not exist",
    );
    check(
        json!({"name": path, "user": "nobody-such"}),
        "User nobody-such is not available ",
    );
    check(
        json!({"name": path, "contents": "", "allow_empty": false}),
        "'contents' value would result in empty contents. Set allow_empty to True to allow the managed file to be empty.",
    );
    let unserved = host.state(
        "file.managed",
        json!({"name": path, "signature": true}),
        false,
    );
    assert!(unserved.comment.contains("'signature' is not served"));
    let absent = host.state(
        "file.managed",
        json!({"name": path, "create": false}),
        false,
    );
    assert_eq!(
        absent.comment,
        format!("File {path} is not present and is not set for creation")
    );
    let pillar = json!({"name": path, "contents_pillar": "users:root", "mode": "0600"});
    let done = host.state("file.managed", pillar, false);
    assert_eq!(changes(&done), json!({"diff": "New file"}));
    assert_eq!(fs::read_to_string(&path).unwrap(), "0\n");
}

#[test]
fn content_can_stay() {
    let host = Host::new();
    let path = host.path("f");
    let made = host.state("file.managed", json!({"name": path}), false);
    assert_eq!(
        changes(&made),
        json!({"new": format!("file {path} created")})
    );
    assert_eq!(made.comment, "Empty file");
    let kept = host.state(
        "file.managed",
        json!({"name": path, "contents": "x", "replace": false}),
        false,
    );
    assert_eq!(
        kept.comment,
        format!("File {path} exists with proper permissions. No changes made.")
    );
    let args = json!({"name": path, "replace": false, "mode": "0600"});
    let foretold = host.state("file.managed", args.clone(), true);
    assert_eq!(
        foretold.comment,
        format!("File {path} will be updated with permissions 0600 from its current state of 0644")
    );
    let done = host.state("file.managed", args, false);
    assert_eq!(
        (changes(&done), done.comment.as_str()),
        (json!({"mode": "0600"}), "")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn drafts_are_checked() {
    let host = Host::new();
    let path = host.write("f", "old\n");
    let args = json!({"name": path, "contents": "new", "check_cmd": "grep -q old"});
    let refused = host.state("file.managed", args.clone(), false);
    assert_eq!(
        (refused.result, refused.comment.as_str()),
        (Some(false), "check_cmd execution failed")
    );
    assert_eq!(refused.others["skip_watch"], json!(true));
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    let done = host.state(
        "file.managed",
        with(&args, json!({"check_cmd": "grep -q new"})),
        false,
    );
    assert_eq!(
        changes(&done),
        json!({"diff": "--- \n+++ \n@@ -1 +1 @@\n-old\n+new\n"})
    );
    let done = host.state(
        "file.managed",
        with(&args, json!({"contents": "old"})),
        false,
    );
    assert_eq!(done.result, Some(true), "{done:?}");
}

#[test]
fn links_are_followed_or_replaced() {
    let host = Host::new();
    let (target, link) = (host.write("target", "x\n"), host.path("link"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let args = json!({"name": link, "contents": "y"});
    host.applies("file.managed", args.clone());
    assert!(Path::new(&link).is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "y\n");
    let source = host.write("source", "z\n");
    let args = json!({"name": link, "source": source, "follow_symlinks": false});
    let done = host.state("file.managed", args, false);
    assert_eq!(
        changes(&done)["diff"],
        json!("Replace symbolic link with regular file")
    );
    assert!(!Path::new(&link).is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "y\n");
}

#[test]
fn some_changes_are_not_told_to_others() {
    let host = Host::new();
    let path = host.write("f", "a\nb\n");
    let args = json!({"name": path, "contents": "b\na", "ignore_ordering": true});
    let foretold = host.state("file.managed", args.clone(), true);
    assert_eq!(foretold.others["skip_req"], json!(true));
    let done = host.state("file.managed", args.clone(), false);
    assert_eq!(done.others["skip_req"], json!(true));
    assert!(done.changes.contains_key("diff"));
    let done = host.state("file.managed", with(&args, json!({"contents": "c"})), false);
    assert!(!done.others.contains_key("skip_req"));
}

#[test]
fn directories_are_made() {
    let host = Host::new();
    let path = host.path("a/b");
    let args = json!({"name": path, "mode": "0750"});
    let refused = host.state("file.directory", args.clone(), false);
    assert_eq!(refused.comment, format!("No directory to create {path} in"));
    let args = with(&args, json!({"makedirs": true}));
    let foretold = host.state("file.directory", args.clone(), true);
    assert_eq!(
        foretold.comment,
        format!("The following files will be changed:\n{path}: directory - new\n")
    );
    let done = host.applies("file.directory", args.clone());
    assert_eq!(changes(&done)[&path], json!({"directory": "new"}));
    assert_eq!(done.comment, "");
    assert_eq!((mode(&path), mode(&host.path("a"))), (0o750, 0o750));
    let kept = host.state("file.directory", args.clone(), false);
    assert_eq!(
        kept.comment,
        format!("The directory {path} is in the correct state")
    );
    let done = host.state("file.directory", with(&args, json!({"mode": 700})), false);
    assert_eq!(
        changes(&done),
        json!({&path: {"mode": "0700"}, "mode": "0700"})
    );
    assert_eq!(done.comment, format!("Directory {path} updated"));
    let file = host.write("f", "x");
    let refused = host.state("file.directory", json!({"name": file}), false);
    assert_eq!(
        refused.comment,
        format!("Specified location {file} exists and is a file")
    );
    let done = host.state(
        "file.directory",
        json!({"name": file, "force": true}),
        false,
    );
    assert_eq!(
        changes(&done),
        json!({"forced": "File was forcibly replaced", &file: {"directory": "new"}})
    );
    assert!(Path::new(&file).is_dir());
}

#[test]
fn directories_are_governed_below() {
    let host = Host::new();
    host.write("d/x/f", "");
    host.write("d/g", "");
    let path = host.path("d");
    let args = json!({"name": path, "dir_mode": "0755", "file_mode": "0600", "recurse": ["mode"]});
    let done = host.applies("file.directory", args.clone());
    assert_eq!(mode(&host.path("d/x/f")), 0o600);
    assert_eq!(mode(&host.path("d/x")), 0o755);
    assert_eq!(changes(&done)[host.path("d/g")], json!({"mode": "0600"}));
    let wrong = host.state(
        "file.directory",
        with(&args, json!({"recurse": ["modes"]})),
        false,
    );
    assert_eq!(
        wrong.comment,
        "Types for \"recurse\" limited to \"user\", \"group\", \"mode\", \"ignore_files\", \"ignore_dirs\", \"silent\"."
    );
    let cleaned = json!({"name": path, "clean": true, "exclude_pat": "g"});
    let foretold = host.state("file.directory", cleaned.clone(), true);
    assert_eq!(
        changes(&foretold)[host.path("d/x/f")],
        json!({"removed": "Removed due to clean"})
    );
    let done = host.state("file.directory", cleaned, false);
    assert_eq!(changes(&done)["removed"], json!([host.path("d/x")]));
    assert_eq!(done.comment, format!("Files cleaned from directory {path}"));
    assert!(Path::new(&host.path("d/g")).exists() && !Path::new(&host.path("d/x")).exists());
}

#[test]
fn trees_are_made() {
    let host = Host::new();
    host.write("roots/base/tree/a", "A\n");
    host.write("roots/base/tree/sub/b.conf", "{{ 1 + 1 }}\n");
    host.write("roots/base/tree/sub/c.bak", "C\n");
    let path = host.path("dest");
    let args = json!({
        "name": path, "source": "salt://tree", "exclude_pat": "*.bak", "template": "jinja",
        "file_mode": "0600", "dir_mode": "0700",
    });
    let foretold = host.state("file.recurse", args.clone(), true);
    assert_eq!(foretold.result, None);
    assert!(
        foretold.comment.starts_with("#### "),
        "{}",
        foretold.comment
    );
    assert_eq!(
        changes(&foretold)[format!("{path}/a")],
        json!({"newfile": format!("{path}/a")})
    );
    let done = host.applies("file.recurse", args.clone());
    assert_eq!(done.comment, format!("Recursively updated {path}"));
    assert_eq!(
        changes(&done)[format!("{path}/a")],
        json!({"diff": "New file"})
    );
    assert_eq!(
        fs::read_to_string(format!("{path}/sub/b.conf")).unwrap(),
        "2\n"
    );
    assert!(!Path::new(&format!("{path}/sub/c.bak")).exists());
    let kept = host.state("file.recurse", args.clone(), false);
    assert_eq!(
        kept.comment,
        format!("The directory {path} is in the correct state")
    );
    host.write("dest/junk/x", "");
    let done = host.state("file.recurse", with(&args, json!({"clean": true})), false);
    assert_eq!(changes(&done), json!({"removed": [format!("{path}/junk")]}));
    let refused = host.state(
        "file.recurse",
        json!({"name": path, "source": "salt://none"}),
        false,
    );
    assert_eq!(
        refused.comment,
        "Recurse failed: none of the specified sources were found"
    );
    let refused = host.state(
        "file.recurse",
        json!({"name": path, "source": "/tree"}),
        false,
    );
    assert_eq!(
        refused.comment,
        "Recurse failed: Invalid source '/tree' (must be a salt:// URI)"
    );
    let shallow = json!({"name": host.path("flat"), "source": "salt://tree", "maxdepth": 0});
    let done = host.state("file.recurse", shallow, false);
    assert_eq!(done.changes.len(), 1, "{done:?}");
}
