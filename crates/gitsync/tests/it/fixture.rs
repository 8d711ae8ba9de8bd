//! A git repository to mirror.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gitsync::{CommitId, EnvironmentRule, Limits, Mirror, Remote, Snapshot};
use tempfile::TempDir;

/// A remote with a work tree, and room for mirrors beside it.
pub struct Fixture {
    pub dir: TempDir,
}

impl Fixture {
    /// An empty remote whose `HEAD` names `main`.
    pub fn new() -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(fixture.remote_dir()).unwrap();
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture
    }

    /// A remote with one commit: `top.sls` and an executable `run.sh`.
    pub fn with_commit() -> (Self, CommitId) {
        let fixture = Self::new();
        fixture.write("run.sh", "#!/bin/sh\n");
        fixture.git(&["add", "run.sh"]);
        fixture.git(&["update-index", "--chmod=+x", "run.sh"]);
        let commit = fixture.commit("top.sls", "base: {}\n");
        (fixture, commit)
    }

    pub fn remote_dir(&self) -> PathBuf {
        self.dir.path().join("remote")
    }

    pub fn remote(&self) -> Remote {
        Remote::new(format!("file://{}", self.remote_dir().display()))
    }

    pub fn mirror_dir(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    pub fn mirror(&self) -> Mirror {
        self.mirror_with(EnvironmentRule::default(), Limits::default())
    }

    pub fn mirror_with(&self, rule: EnvironmentRule, limits: Limits) -> Mirror {
        Mirror::open_with(&self.mirror_dir(), rule, limits).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.remote_dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits one file to the branch that is checked out.
    pub fn commit(&self, path: &str, text: &str) -> CommitId {
        self.write(path, text);
        self.git(&["add", "--", path]);
        self.git(&["commit", "-q", "-m", path]);
        self.head()
    }

    pub fn head(&self) -> CommitId {
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    /// Runs git in the remote and returns what it printed, trimmed.
    pub fn git_with(&self, args: &[&str], stdin: &[u8]) -> String {
        let mut child = git(&self.remote_dir())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn blob(&self, text: &[u8]) -> String {
        self.git_with(&["hash-object", "-w", "--stdin"], text)
    }

    /// Writes a tree as git itself would refuse to: any mode, any name.
    pub fn raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend(*name);
            bytes.push(0);
            bytes.extend(id.parse::<CommitId>().unwrap().as_bytes());
        }
        self.git_with(
            &["hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
            &bytes,
        )
    }

    /// Points `main` at a new commit of a tree.
    pub fn commit_tree(&self, tree: &str) -> CommitId {
        let commit = self.git(&["commit-tree", "-m", "tree", tree]);
        self.git(&["update-ref", "refs/heads/main", &commit]);
        commit.parse().unwrap()
    }

    /// The path of a loose object of the remote.
    pub fn object(&self, id: &str) -> PathBuf {
        self.remote_dir()
            .join(".git/objects")
            .join(&id[..2])
            .join(&id[2..])
    }
}

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Test")
            .env(format!("GIT_{who}_EMAIL"), "test@example.com");
    }
    command
}

/// The content of a file, as text.
pub fn read(snapshot: &Snapshot, env: &str, path: &str) -> Option<String> {
    let file = snapshot.read(env, path).unwrap()?;
    assert_eq!(file.size, file.bytes.len() as u64);
    Some(String::from_utf8(file.bytes).unwrap())
}

pub fn paths(snapshot: &Snapshot, env: &str) -> Vec<String> {
    snapshot
        .list(env)
        .unwrap()
        .iter()
        .map(|entry| entry.path.clone())
        .collect()
}
