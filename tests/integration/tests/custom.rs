//! Code of the roots over the tree: modules in Python at minions that want them, and pillar that its hub opens.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use integration::{Remote, Tree, wait_for};

/// Runs a program of the host and gives its output.
fn run(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect(program);
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} {args:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A folder of keys of gpg, whose agent ends with it.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Keys {
        // The path of an agent's socket is short.
        let folder = tempfile::Builder::new().prefix("k").tempdir_in("/tmp");
        let keys = Keys(folder.expect("a folder"));
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(keys.path(), mode).expect("its mode");
        keys.gpg(&["--passphrase", "", "--quick-generate-key", "hub"], "");
        keys
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn gpg(&self, args: &[&str], input: &str) -> String {
        let home = self.path().to_str().expect("a plain path");
        run(
            "gpg",
            &[&["--homedir", home, "--batch"], args].concat(),
            input,
        )
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let home = self.path().to_str().expect("a plain path");
        run("gpgconf", &["--homedir", home, "--kill", "all"], "");
    }
}

#[test]
fn modules_run_where_they_are_wanted_and_hubs_open_what_is_sealed() {
    let keys = Keys::new();
    let seal = [
        "--armor",
        "--trust-model",
        "always",
        "--encrypt",
        "-r",
        "hub",
    ];
    let sealed = keys.gpg(&seal, "open sesame").replace('\n', "\n  ");
    let remote = Remote::new();
    for folder in ["salt/_modules", "salt/_states", "salt/_grains", "pillar"] {
        fs::create_dir_all(remote.checkout().join(folder)).expect("a folder");
    }
    for (path, text) in [
        (
            "salt/_modules/door.py",
            "def word():\n    return '%s of %s' % (__pillar__['word'], __grains__['id'])\n",
        ),
        (
            "salt/_states/door.py",
            "def opened(name):\n    return {'name': name, 'result': True, 'changes': {}, 'comment': __salt__['door.word']()}\n",
        ),
        (
            "salt/_grains/door.py",
            "def doors():\n    return {'doors': 2}\n",
        ),
        ("salt/top.sls", "base:\n  '*': [cave]\n"),
        ("salt/cave.sls", "cave:\n  door.opened: []\n"),
        ("pillar/top.sls", "base:\n  '*': [sealed]\n"),
        (
            "pillar/sealed.sls",
            &format!("#!yaml|gpg\nword: |\n  {sealed}\n"),
        ),
    ] {
        fs::write(remote.checkout().join(path), text).expect("a file");
    }
    let commit = remote.push("README", "roots\n");
    let settings = format!(
        "{}  root: salt\n  pillar_root: pillar\ngpg_keydir: {}\n",
        remote.settings(),
        keys.path().display()
    );
    let mut tree = Tree::with_top(&settings);
    tree.new_minion("ali", &["top"], "custom_modules: true\n");
    tree.new_minion("kasim", &["top"], "");
    tree.settle();
    let top = tree.top();
    wait_for("the hub serves the commit", || {
        let rows = top.json(&["roots", "status"]);
        let rows = rows.as_array()?;
        let serves = rows
            .iter()
            .all(|row| row["report"]["commit"] == commit.as_str());
        serves.then_some(())
    });

    let applied = top.run(0, &["ali", "state.apply"]);
    let record = &applied.returned("ali")["door_|-cave_|-cave_|-opened"];
    assert_eq!(record["comment"], "open sesame of ali", "{record}");
    let doors = top.run(0, &["ali", "grains.get", "doors"]);
    assert_eq!(*doors.returned("ali"), 2);
    let word = top.run(0, &["ali", "door.word"]);
    assert_eq!(*word.returned("ali"), "open sesame of ali");
    // The other minion has the pillar, and runs none of it.
    let applied = top.run(1, &["kasim", "state.apply"]);
    let record = &applied.returned("kasim")["door_|-cave_|-cave_|-opened"];
    assert_eq!(
        record["comment"],
        "State 'door.opened' was not found in SLS 'cave'\nReason: 'door.opened' is not available.\n"
    );
    let refused = top.run(1, &["kasim", "saltutil.sync_all"]);
    let text = refused.returned("kasim").to_string();
    assert!(text.contains("set custom_modules: true"), "{text}");
}
