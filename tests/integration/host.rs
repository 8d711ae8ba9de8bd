//! A Debian host of its own, for what changes a host: users, packages, services. `tests/host.sh` makes it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::{Release, Running, Said};

/// The script's exit code where no such host can be made.
const IMPOSSIBLE: i32 = 69;

/// A root in which the minion applies the states of `tests/host`. What is changed in it is gone when it is dropped.
#[derive(Debug)]
pub struct Host {
    layer: TempDir,
}

/// What is at a path of a host: its mode, owners and contents.
type Entry = (u32, u32, u32, Vec<u8>);

impl Host {
    /// A host; None, with a message, where this machine or this user can't have one.
    ///
    /// # Panics
    /// When it should be possible and fails.
    pub fn new() -> Option<Host> {
        let mut make = script();
        let output = make.arg("make").output().expect("the script starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(IMPOSSIBLE) {
            println!("skipped: no Debian host can be made here: {errors}");
            return None;
        }
        assert!(output.status.success(), "no Debian host: {errors}");
        let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        // What an overlay is written to lies beside what it is over.
        let layer = tempfile::tempdir_in(root.parent().expect("a folder")).expect("a directory");
        let config = layer.path().join("upper/etc/banyan/minion");
        fs::create_dir_all(config.parent().expect("a folder")).expect("a folder");
        let tree = tree();
        let roots = |folder: &str| format!("{{base: ['{}']}}", tree.join(folder).display());
        let text = format!(
            "id: minion\nfile_roots: {}\npillar_roots: {}\n",
            roots("salt"),
            roots("pillar")
        );
        fs::write(config, text).expect("a configuration");
        Some(Host { layer })
    }

    /// Runs a program of the host.
    pub fn run(&self, program: &[&str]) -> Said {
        let minion = Release::Present.program("minion");
        let shown = [minion.as_path(), &tree()].map(|path| path.display().to_string());
        let mut command = script();
        command
            .env("HOST_BINDS", shown.join(" "))
            .arg("run")
            .arg(self.layer.path())
            .args(program);
        Running::start(command).finish()
    }

    /// Applies an SLS at a stage of its life, and answers the exit code and the records.
    ///
    /// # Panics
    /// When there are no records.
    #[track_caller]
    pub fn apply(&self, sls: &str, stage: &str, is_test: bool) -> (i32, Map<String, Value>) {
        let minion = Release::Present.program("minion").display().to_string();
        let pillar = format!("pillar={{stage: {stage}}}");
        let mut words = vec![minion.as_str(), "call", "--local"];
        words.extend([
            "--retcode-passthrough",
            "--out=json",
            "state.apply",
            sls,
            &pillar,
        ]);
        if is_test {
            words.push("test=True");
        }
        let said = self.run(&words);
        let records = said.json()["local"].as_object().cloned();
        let records = records.unwrap_or_else(|| panic!("{sls}: {said:#?}"));
        (said.code.unwrap_or(-1), records)
    }

    /// All that was changed since the host was made, but for logs, caches and the minion's own files.
    ///
    /// # Panics
    /// When it can't be read.
    pub fn changed(&self) -> BTreeMap<String, Entry> {
        let mut found = BTreeMap::new();
        walk(&self.layer.path().join("upper"), "", &mut found);
        found
    }
}

fn walk(upper: &Path, below: &str, found: &mut BTreeMap<String, Entry>) {
    for entry in fs::read_dir(upper.join(below.trim_start_matches('/'))).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        let own = [
            "/etc/banyan",
            "/tmp",
            "/var/cache",
            "/var/lib/banyan",
            "/var/log",
        ];
        if own.contains(&path.as_str()) {
            continue;
        }
        let data = entry.path().symlink_metadata().expect("it is there");
        let contents = if data.is_file() {
            fs::read(entry.path()).expect("a file")
        } else {
            Vec::new()
        };
        if data.is_dir() {
            walk(upper, &path, found);
        }
        found.insert(path, (data.mode(), data.uid(), data.gid(), contents));
    }
}

fn tree() -> PathBuf {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host");
    tree.canonicalize().expect("the tree of the tests")
}

fn script() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../host.sh"));
    command.env("CARGO_TARGET_DIR", crate::programs::target());
    command
}
