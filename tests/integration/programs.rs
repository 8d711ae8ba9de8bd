//! Where the built programs are: the present ones, and those of the previous release.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const PROGRAMS: [&str; 4] = ["top-master", "syndic", "minion", "swarm"];

/// Of which release a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The sources of this very tree.
    Present,
    /// The release that `previous.txt` names; built once, by `tests/previous.sh`.
    Previous,
}

impl Release {
    /// A program of this release.
    ///
    /// # Panics
    /// When it can't be built.
    pub fn program(self, name: &str) -> PathBuf {
        match self {
            Release::Present => directory().join(name),
            Release::Previous => previous().join(name),
        }
    }

    /// What a program of this release says of itself, `0.1.0`.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn version(self) -> String {
        let mut command = Command::new(self.program(PROGRAMS[0]));
        let output = command.arg("--version").output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().last();
        version.expect("a program and its version").to_owned()
    }
}

/// The directory of the programs: `BANYAN_BIN`, else where the test programs are built. Missing ones are built once.
///
/// # Panics
/// When they can't be built.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match std::env::var_os("BANYAN_BIN") {
        Some(given) => PathBuf::from(given)
            .canonicalize()
            .expect("BANYAN_BIN is a directory"),
        None => built(),
    })
}

/// `target/PROFILE`, where this test program is.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("this test program has a path");
    // target/PROFILE/deps/TEST
    let profile = test.ancestors().nth(2);
    profile.expect("a test program lies in deps").to_owned()
}

/// Where the profiles are, and what is made once for all of them.
pub(crate) fn target() -> PathBuf {
    let profile = profile();
    let target = profile.parent().expect("a profile lies in a target");
    target.to_owned()
}

fn previous() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../previous.sh");
        let mut build = Command::new(script);
        build
            .env("CARGO_TARGET_DIR", target())
            .stderr(Stdio::inherit());
        let output = build.output().expect("the script starts");
        assert!(
            output.status.success(),
            "the previous release can't be built"
        );
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

fn built() -> PathBuf {
    let profile = profile();
    if PROGRAMS.iter().any(|name| !profile.join(name).exists()) {
        let mut build = Command::new(env!("CARGO"));
        build
            .arg("build")
            .args(PROGRAMS.iter().flat_map(|name| ["-p", name]))
            .arg("--target-dir")
            .arg(profile.parent().expect("a profile lies in a target"))
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo starts");
        assert!(status.success(), "the programs can't be built");
    }
    profile
}
