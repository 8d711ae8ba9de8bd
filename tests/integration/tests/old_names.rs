//! Salt's commands by their old names, over a tree with a site that is cut off.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use integration::{Running, Said, Tree, directory};
use serde_json::{Value, json};

/// Calls a program by another name, with the configuration of a node.
fn call(place: &Path, name: &str, root: &Path, words: &[&str]) -> Said {
    let mut command = Command::new(place.join(name));
    command.args(words).arg("--root-dir").arg(root);
    Running::start(command).finish()
}

#[test]
fn scripts_for_salt_go_on_working() {
    let tree = Tree::of_two_sites();
    let place = tempfile::tempdir().expect("a directory");
    let programs = directory();
    for (program, names) in [
        (
            "top-master",
            &["salt", "salt-run", "salt-key", "salt-cp"][..],
        ),
        ("minion", &["salt-call"]),
    ] {
        for name in names {
            symlink(programs.join(program), place.path().join(name)).expect("a link");
        }
    }
    let top = tree.node("top").root().to_owned();
    let salt = |code: i32, words: &[&str]| {
        let said = call(place.path(), "salt", &top, words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:#?}");
        said
    };

    // Results.
    let said = salt(0, &["*", "test.ping", "--static", "--out=json"]);
    let all = json!({"ams-web1": true, "ams-web2": true, "fra-db1": true, "fra-db2": true});
    assert_eq!(said.json(), all);
    let said = salt(0, &["-G", "role:web", "test.echo", "hi", "--out", "txt"]);
    assert_eq!(said.out, "ams-web1: hi\nams-web2: hi\n");
    let said = salt(0, &["-L", "ams-web1 fra-db1", "test.ping", "-v"]);
    assert!(
        said.out.starts_with("Executing job with jid 20"),
        "{}",
        said.out
    );
    let said = salt(0, &["*", "test.ping", "--async"]);
    let jid = said
        .out
        .trim()
        .strip_prefix("Executed command with job ID: ");
    assert_eq!(jid.map(str::len), Some(20), "{}", said.out);
    let said = salt(0, &["*", "-d", "test.ping"]);
    assert!(said.out.starts_with("test.ping:\n"), "{}", said.out);
    let said = salt(0, &["fra*", "test.ping", "--preview-target", "--out=yaml"]);
    assert!(said.out.contains("fra-db1"), "{}", said.out);

    // Several functions in one job.
    let words = [
        "ams*",
        "test.ping,test.kwarg",
        ",",
        "x=1",
        "--static",
        "--out=json",
    ];
    let each = json!({"test.ping": true, "test.kwarg": {"x": 1}});
    assert_eq!(
        salt(0, &words).json(),
        json!({"ams-web1": each, "ams-web2": each})
    );
    salt(1, &["ams-web1", "test.ping,cmd.run", ",exit 3"]);
    salt(42, &["*", "test.ping,test.echo"]).complains("without defining all arguments");

    // Turn by turn.
    let said = salt(3, &["-b", "1", "ams*", "cmd.run", "exit 3", "--out=txt"]);
    for id in ["ams-web1", "ams-web2"] {
        let turn = format!("\nExecuting run on ['{id}']\n\n");
        assert!(said.out.contains(&turn), "{said:#?}");
        assert!(said.out.contains(&format!("{id}: \n")), "{said:#?}");
    }
    assert_eq!(said.out.matches("retcode: 3\n").count(), 2, "{said:#?}");
    assert_eq!(said.out.matches("jid: 20").count(), 2, "{said:#?}");
    let said = salt(2, &["-b", "1", "nobody*", "test.ping"]);
    said.complains("ERROR: No return received");

    // Ends that are not well.
    let said = salt(2, &["nobody*", "test.ping"]);
    assert!(
        said.out
            .contains("No minions matched the target. No command was sent, no jid was assigned.")
    );
    said.complains("ERROR: No return received");
    let said = salt(1, &["fra-db1", "test.fail"]);
    said.complains("ERROR: Minions returned with non-zero exit code");
    let said = salt(64, &["*", "test.ping", "--return", "mysql"]);
    said.complains("ext_job_cache");
    let said = salt(64, &["*", "test.ping", "--no-such-option"]);
    assert!(said.err.contains("no-such-option"), "{}", said.err);

    let said = salt(42, &["*"]);
    said.complains("Incomplete options passed.");

    // Files.
    let source = place.path().join("source");
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&source, &content).expect("a file");
    let dest = place.path().join("dest");
    let said = call(
        place.path(),
        "salt-cp",
        &top,
        &[
            "ams-web1",
            source.to_str().expect("text"),
            dest.to_str().expect("text"),
            "--out=json",
        ],
    );
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert_eq!(
        said.json(),
        json!({"ams-web1": { dest.to_str().expect("text"): true }})
    );
    assert_eq!(fs::read(&dest).expect("it came"), content);

    // Keys.
    let key = |code: i32, words: &[&str]| {
        let said = call(place.path(), "salt-key", &top, words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:#?}");
        said
    };
    let said = key(0, &["-L"]);
    assert!(
        said.out.starts_with("Accepted Keys:\nams-hub\nams-web1\n"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .ends_with("Denied Keys:\nUnaccepted Keys:\nRejected Keys:\n"),
        "{}",
        said.out
    );
    let said = key(0, &["-l", "un", "--out=json"]);
    assert_eq!(said.json(), json!({"minions_pre": []}));
    let said = key(0, &["-a", "nobody*", "-y"]);
    assert_eq!(
        said.out,
        "The key glob 'nobody*' does not match any unaccepted keys.\n"
    );
    let said = key(0, &["-d", "fra-db2", "-y"]);
    assert_eq!(
        said.out,
        "The following keys are going to be deleted:\nAccepted Keys:\nfra-db2\nKey for minion fra-db2 deleted.\n"
    );

    // A runner, and a function here and now.
    let said = call(place.path(), "salt-run", &top, &["manage.up", "--out=json"]);
    let up: Value = said.json();
    assert!(
        up.as_array()
            .is_some_and(|ids| ids.contains(&json!("ams-web1"))),
        "{up}"
    );
    let said = call(place.path(), "salt-run", &top, &["manage.nosuch"]);
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(
        said.out.starts_with("'manage.nosuch' is not available.\n"),
        "{said:#?}"
    );
    let minion = tree.node("ams-web1").root();
    let said = call(
        place.path(),
        "salt-call",
        minion,
        &["test.echo", "hi", "--out=json"],
    );
    assert_eq!(said.json(), json!({"local": "hi"}));
    let said = call(
        place.path(),
        "salt-call",
        minion,
        &["cmd.retcode", "exit 3", "--retcode-passthrough"],
    );
    assert!(said.out.contains('3'), "{}", said.out);

    // A site that is cut off is told, and is no success.
    tree.wire("ams-wan").cut();
    tree.minion_is("ams-web1", "cut-off");
    let said = salt(1, &["*", "test.ping", "--static", "--out=json"]);
    let value = said.json();
    assert_eq!(value["fra-db1"], true);
    let silent = value["ams-web1"].as_str().expect("words");
    assert!(
        silent.starts_with("Minion did not return. [Site cut off]"),
        "{silent}"
    );
    let said = salt(
        0,
        &["*", "test.ping", "--hide-timeout", "--static", "--out=json"],
    );
    assert_eq!(said.json(), json!({"fra-db1": true}));
}

#[test]
fn names_are_made_as_links() {
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().to_str().expect("text");
    for (program, name) in [("top-master", "salt-run"), ("minion", "salt-call")] {
        let install = |code: i32, more: &[&str]| {
            let mut command = Command::new(directory().join(program));
            command.args(["install-names", "--dir", dir]).args(more);
            let said = Running::start(command).finish();
            assert_eq!(said.code, Some(code), "{said:#?}");
            said
        };
        install(0, &[]);
        let link = place.path().join(name);
        assert_eq!(
            fs::read_link(&link).expect("a link").file_name(),
            Some(program.as_ref())
        );
        fs::remove_file(&link).expect("the link goes");
        fs::write(&link, "another program").expect("a file");
        install(70, &[]).complains("--force");
        install(0, &["--force"]);
        assert!(fs::read_link(&link).is_ok());
    }
}
