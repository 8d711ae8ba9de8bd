//! `file` on real files in a temporary directory.

use std::os::unix::fs::PermissionsExt;

use nix::unistd::Uid;
use serde_json::{Map, Value, json};

use crate::testing::Host;
use crate::{Call, Outcome};

fn call(host: &Host, fun: &str, args: Value) -> Outcome {
    host.call(Call {
        fun: format!("file.{fun}"),
        args: args.as_array().unwrap().clone(),
        kwargs: Map::new(),
    })
}

fn check(host: &Host, fun: &str, args: Value, expected: Value) {
    let outcome = call(host, fun, args.clone());
    assert_eq!(outcome.value, expected, "file.{fun} {args}");
}

fn refuses(host: &Host, fun: &str, args: Value, expected: &str) {
    let outcome = call(host, fun, args);
    assert!(!outcome.success, "file.{fun}: {:?}", outcome.value);
    assert!(
        outcome.value.as_str().unwrap().contains(expected),
        "{:?}",
        outcome.value
    );
}

#[test]
fn paths() {
    let host = Host::new();
    check(&host, "basename", json!(["/a/b"]), json!("b"));
    check(&host, "basename", json!(["/a/"]), json!(""));
    check(&host, "dirname", json!(["/a/b"]), json!("/a"));
    check(&host, "dirname", json!(["/a"]), json!("/"));
    check(&host, "dirname", json!(["a"]), json!(""));
    check(&host, "join", json!(["/", "usr", "bin"]), json!("/usr/bin"));
    check(&host, "join", json!(["a", "/b", "c"]), json!("/b/c"));
    refuses(&host, "join", json!([]), "at least one part");
    let file = host.write("d/f.txt", "x");
    let dir = host.path("d");
    check(&host, "file_exists", json!([file]), json!(true));
    check(&host, "file_exists", json!([dir]), json!(false));
    check(&host, "directory_exists", json!([dir]), json!(true));
    check(
        &host,
        "path_exists_glob",
        json!([format!("{dir}/*.t?t")]),
        json!(true),
    );
    check(
        &host,
        "path_exists_glob",
        json!([format!("{dir}/*.md")]),
        json!(false),
    );
    check(&host, "readdir", json!([dir]), json!([".", "..", "f.txt"]));
    refuses(&host, "readdir", json!(["d"]), "must be absolute");
    let link = host.path("link");
    check(&host, "symlink", json!(["d/f.txt", link]), json!(true));
    check(&host, "symlink", json!(["d/f.txt", link]), json!(true));
    refuses(
        &host,
        "symlink",
        json!(["other", link]),
        "Found existing symlink",
    );
    check(&host, "is_link", json!([link]), json!(true));
    check(&host, "readlink", json!([link]), json!("d/f.txt"));
    check(
        &host,
        "readlink",
        json!([link, true]),
        json!(std::fs::canonicalize(&file).unwrap().to_str().unwrap()),
    );
    refuses(
        &host,
        "readlink",
        json!([file]),
        "A valid link was not specified",
    );
    check(
        &host,
        "symlink",
        json!(["other", link, false, true]),
        json!(true),
    );
    check(&host, "readlink", json!([link]), json!("other"));
    check(&host, "symlink", json!(["d", link, true]), json!(true));
    refuses(
        &host,
        "symlink",
        json!(["d", file]),
        "Existing path is not a symlink",
    );
}

#[test]
fn attributes() {
    let host = Host::new();
    let file = host.write("d/f", "abc");
    check(&host, "set_mode", json!([file, 640]), json!("0640"));
    check(&host, "set_mode", json!([file, "0600"]), json!("0600"));
    check(
        &host,
        "set_mode",
        json!([file, "abc"]),
        json!("Invalid Mode abc"),
    );
    check(&host, "get_mode", json!([file]), json!("0600"));
    refuses(
        &host,
        "set_mode",
        json!([host.path("none"), 600]),
        "File not found",
    );
    refuses(
        &host,
        "get_mode",
        json!([host.path("none")]),
        "Path not found",
    );
    check(
        &host,
        "get_uid",
        json!([file]),
        json!(Uid::effective().as_raw()),
    );
    check(&host, "user_to_uid", json!(["root"]), json!(0));
    check(&host, "user_to_uid", json!(["no-such-user"]), json!(""));
    check(&host, "uid_to_user", json!([0]), json!("root"));
    check(&host, "gid_to_group", json!([0]), json!("root"));
    check(&host, "access", json!([file, "r"]), json!(true));
    check(&host, "access", json!([file, "x"]), json!(false));
    refuses(
        &host,
        "access",
        json!([file, "q"]),
        "Invalid mode specified.",
    );
    check(&host, "diskusage", json!([file]), json!(3));
    std::fs::hard_link(&file, host.path("d/again")).unwrap();
    host.write("d/deep/er", "12345");
    check(&host, "diskusage", json!([host.path("d")]), json!(8));
    let stats = call(&host, "stats", json!([file, "md5"])).value;
    assert_eq!(
        (
            &stats["size"],
            &stats["type"],
            &stats["mode"],
            &stats["sum"]
        ),
        (
            &json!(3),
            &json!("file"),
            &json!("0600"),
            &json!("900150983cd24fb0d6963f7d28e17f72")
        )
    );
    assert_eq!(
        call(&host, "lstat", json!([file])).value["st_size"],
        json!(3)
    );
    check(&host, "lstat", json!([host.path("none")]), json!({}));
    check(
        &host,
        "chown",
        json!([file, "no-such-user", "no-such-group"]),
        json!("User does not exist\nGroup does not exist\n"),
    );
    check(
        &host,
        "chown",
        json!([host.path("none"), "root", "root"]),
        json!("File not found"),
    );
    if Uid::effective().is_root() {
        check(&host, "chown", json!([file, "nobody", ""]), json!(null));
        check(&host, "get_user", json!([file]), json!("nobody"));
        check(&host, "chgrp", json!([file, "daemon"]), json!(null));
        check(&host, "get_group", json!([file]), json!("daemon"));
    }
}

#[test]
fn content() {
    let host = Host::new();
    let file = host.write("f", "one\n  two\n#three\n");
    check(&host, "read", json!([file]), json!("one\n  two\n#three\n"));
    refuses(
        &host,
        "read",
        json!([host.path("none")]),
        "No such file or directory",
    );
    check(&host, "contains", json!([file, "  two "]), json!(true));
    check(&host, "contains", json!([file, "four"]), json!(false));
    check(
        &host,
        "contains",
        json!([host.path("none"), "x"]),
        json!(false),
    );
    check(&host, "contains_regex", json!([file, "^two"]), json!(false));
    check(
        &host,
        "contains_regex",
        json!([file, "^two", " "]),
        json!(true),
    );
    check(
        &host,
        "search",
        json!([file, "^#THREE$", ["IGNORECASE", "MULTILINE"]]),
        json!(true),
    );
    check(&host, "search", json!([file, "^#THREE$"]), json!(false));
    refuses(
        &host,
        "search",
        json!([file, "("]),
        "the regular expression",
    );
    check(&host, "seek_read", json!([file, 3, 6]), json!("two"));
    let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let abc = host.write("abc", "abc");
    check(&host, "get_hash", json!([abc]), json!(sha));
    check(
        &host,
        "get_sum",
        json!([abc, "md5"]),
        json!("900150983cd24fb0d6963f7d28e17f72"),
    );
    check(
        &host,
        "get_sum",
        json!([host.path("none")]),
        json!("File not found"),
    );
    check(&host, "check_hash", json!([abc, sha]), json!(true));
    check(
        &host,
        "check_hash",
        json!([abc, format!("sha256={sha}")]),
        json!(true),
    );
    check(&host, "check_hash", json!([abc, "md5:00"]), json!(false));
    refuses(&host, "check_hash", json!([abc, "123"]), "(length: 3)");
    let grep = call(
        &host,
        "grep",
        json!([format!("{file}*"), "TWO", "-i", "-c"]),
    );
    assert_eq!(
        (grep.value["stdout"].clone(), grep.retcode),
        (json!("1"), 0)
    );
    assert_eq!(call(&host, "grep", json!([file, "-e"])).retcode, 1);
    refuses(
        &host,
        "grep",
        json!([file, "x", "-i -c"]),
        "separately: -i -c",
    );
}

#[test]
fn changes() {
    let host = Host::new();
    let file = host.path("f");
    check(
        &host,
        "write",
        json!([file, "a", "b"]),
        json!(format!("Wrote 2 lines to \"{file}\"")),
    );
    std::fs::write(&file, "a\nb").unwrap();
    check(
        &host,
        "append",
        json!([file, "c"]),
        json!(format!("Wrote 1 lines to \"{file}\"")),
    );
    check(&host, "read", json!([file]), json!("a\nb\nc\n"));
    check(
        &host,
        "touch",
        json!([host.path("t"), 100, 200]),
        json!(true),
    );
    assert_eq!(
        call(&host, "stats", json!([host.path("t")])).value["mtime"],
        json!(200.0)
    );
    let deep = host.path("x/y/z");
    check(&host, "makedirs", json!([deep]), json!(null));
    check(
        &host,
        "directory_exists",
        json!([host.path("x/y")]),
        json!(true),
    );
    check(&host, "directory_exists", json!([deep]), json!(false));
    let outcome = host.call(
        Call::new("file.mkdir")
            .arg(deep.as_str())
            .kwarg("mode", 700),
    );
    assert_eq!(outcome, Outcome::ok(true));
    assert_eq!(
        std::fs::metadata(&deep).unwrap().permissions().mode() & 0o777,
        0o700
    );
    check(
        &host,
        "rename",
        json!([file, host.path("x/g")]),
        json!(true),
    );
    refuses(
        &host,
        "rename",
        json!([file, host.path("h")]),
        "Could not rename",
    );
    check(&host, "copy", json!([host.path("x/g"), file]), json!(true));
    refuses(
        &host,
        "copy",
        json!([host.path("x"), host.path("w")]),
        "without recurse flag",
    );
    refuses(
        &host,
        "copy",
        json!([host.path("x"), host.path("x/w"), true]),
        "into itself",
    );
    check(
        &host,
        "copy",
        json!([host.path("x"), host.path("w"), true]),
        json!(true),
    );
    check(&host, "read", json!([host.path("w/g")]), json!("a\nb\nc\n"));
    check(
        &host,
        "get_mode",
        json!([host.path("w/y/z")]),
        json!("0700"),
    );
    check(&host, "rmdir", json!([host.path("x")]), json!(false));
    check(&host, "remove", json!([host.path("x")]), json!(true));
    check(&host, "remove", json!([host.path("x")]), json!(false));
    refuses(&host, "remove", json!(["/"]), "root directory");
    refuses(&host, "remove", json!(["f"]), "must be absolute");
    // A link is removed, not what it points to.
    std::os::unix::fs::symlink(host.path("w"), host.path("l")).unwrap();
    check(&host, "remove", json!([host.path("l")]), json!(true));
    check(&host, "file_exists", json!([host.path("w/g")]), json!(true));
}

#[test]
fn find() {
    let host = Host::new();
    host.write("d/a.txt", "needle");
    host.write("d/B.TXT", &"x".repeat(3000));
    host.write("d/sub/c.txt", "");
    std::os::unix::fs::symlink("a.txt", host.path("d/link")).unwrap();
    call(&host, "touch", json!([host.path("d/sub/c.txt"), 100, 100]));
    let check = |options: Value, expected: &[&str]| {
        let kwargs = options.as_object().unwrap().clone();
        let outcome = host.call(Call {
            fun: "file.find".to_owned(),
            args: vec![json!(host.path("d"))],
            kwargs,
        });
        let expected: Vec<String> = expected.iter().map(|name| host.path(name)).collect();
        assert_eq!(outcome.value, json!(expected), "{options}");
    };
    check(json!({"name": "*.txt"}), &["d/a.txt", "d/sub/c.txt"]);
    check(
        json!({"iname": "*.txt", "maxdepth": 1}),
        &["d/B.TXT", "d/a.txt"],
    );
    check(json!({"regex": "[ac]\\.", "mindepth": 2}), &["d/sub/c.txt"]);
    check(json!({"type": "d"}), &["d", "d/sub"]);
    check(json!({"type": "l"}), &["d/link"]);
    check(json!({"type": "f", "size": "+1k"}), &["d/B.TXT"]);
    check(
        json!({"type": "f", "size": "-10b"}),
        &["d/a.txt", "d/sub/c.txt"],
    );
    check(json!({"type": "f", "size": "6"}), &["d/a.txt"]);
    check(json!({"type": "f", "mtime": "+1d"}), &["d/sub/c.txt"]);
    check(
        json!({"type": "f", "mtime": "-1w2d"}),
        &["d/B.TXT", "d/a.txt"],
    );
    check(json!({"grep": "ne+dle"}), &["d/a.txt"]);
    let find = |call: Call| host.call(call).value;
    let base = || Call::new("file.find").arg(host.path("d"));
    assert_eq!(
        find(base().kwarg("name", "a*").kwarg("print", "name,size,type")),
        json!([["a.txt", 6, "f"]])
    );
    assert_eq!(
        find(base().kwarg("size", "many")),
        json!("error: invalid size: \"many\"")
    );
    assert_eq!(
        find(base().kwarg("colour", "red")),
        json!("error: invalid option \"colour\"")
    );
    assert_eq!(
        find(base().kwarg("mtime", "soon")),
        json!("error: invalid time interval: 'soon'")
    );
    assert_eq!(
        find(base().arg("delete").kwarg("name", "c*").kwarg("test", true)),
        json!([host.path("d/sub/c.txt")])
    );
    assert_eq!(
        find(base().arg("delete").kwarg("name", "c*")),
        json!([host.path("d/sub/c.txt")])
    );
    assert_eq!(find(base().kwarg("name", "c*")), json!([]));
}

#[test]
fn directories_and_files_are_moved_and_removed() {
    let host = Host::new();
    let file = host.write("a/f", "x");
    host.write("b/x/y/.keep", "");
    let to = host.path("g");
    check(
        &host,
        "move",
        json!([file, to]),
        json!({"result": true, "comment": format!("'{file}' moved to '{to}'")}),
    );
    refuses(
        &host,
        "move",
        json!(["f", to]),
        "Source path must be absolute",
    );
    refuses(&host, "move", json!([file, to]), "Unable to move");
    std::fs::remove_file(host.path("b/x/y/.keep")).unwrap();
    check(&host, "rmdir", json!([host.path("b")]), json!(false));
    check(
        &host,
        "rmdir",
        json!([host.path("b"), true, false, 1]),
        json!(true),
    );
    assert!(std::path::Path::new(&host.path("b/x/y")).exists());
    let deleted = [host.path("b/x/y"), host.path("b/x"), host.path("b")];
    check(
        &host,
        "rmdir",
        json!([host.path("b"), true, true]),
        json!({"deleted": deleted, "errors": [], "result": true}),
    );
    check(&host, "normpath", json!(["/a//b/../c/."]), json!("/a/c"));
    check(&host, "normpath", json!(["../a/.."]), json!(".."));
    check(&host, "pardir", json!([]), json!(".."));
}

#[test]
fn nodes_and_names() {
    let host = Host::new();
    let (file, link, pipe) = (host.write("f", ""), host.path("l"), host.path("p"));
    check(&host, "is_hardlink", json!([file]), json!(false));
    check(&host, "link", json!([file, link]), json!(true));
    check(&host, "is_hardlink", json!([file]), json!(true));
    refuses(&host, "link", json!([file, link]), "Could not create");
    let made = call(&host, "mknod_fifo", json!([pipe, null, null, "0622"]));
    assert_eq!(
        made.value["changes"]["new"],
        json!(format!("Fifo pipe {pipe} created."))
    );
    check(&host, "get_mode", json!([pipe]), json!("0622"));
    check(&host, "is_fifo", json!([pipe]), json!(true));
    check(&host, "is_chrdev", json!(["/dev/null"]), json!(true));
    check(&host, "is_blkdev", json!(["/dev/null"]), json!(false));
    check(&host, "get_devmm", json!(["/dev/null"]), json!([1, 3]));
    check(&host, "get_devmm", json!([file]), json!([0, 0]));
    let again = call(&host, "mknod", json!([pipe, "p"]));
    assert!(!again.success);
    let size = call(&host, "statvfs", json!([file])).value;
    assert!(size["f_bsize"].as_u64().unwrap() > 0);
    let held = std::fs::File::open(&file).unwrap();
    let open = call(&host, "open_files", json!([])).value;
    let real = std::fs::canonicalize(&file).unwrap();
    let pids = open[real.to_str().unwrap()].as_array().unwrap();
    assert!(pids.contains(&json!(std::process::id())));
    drop(held);
}

#[test]
fn permissions_are_settled() {
    let host = Host::new();
    let file = host.write("f", "");
    let found = call(&host, "check_perms", json!([file, {}, null, null, "0600"])).value;
    assert_eq!(found[0]["changes"], json!({"mode": "0600"}));
    assert_eq!(found[0]["result"], json!(true));
    assert_eq!(found[1]["lmode"], json!("0644"));
    check(&host, "get_mode", json!([file]), json!("0600"));
    refuses(&host, "chattr", json!([file]), "Need an operator");
    refuses(&host, "lsattr", json!(["/none"]), "does not exist");
}
