//! Where the built programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PROGRAMS: [&str; 3] = ["top-master", "syndic", "minion"];

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

/// A program.
pub fn program(name: &str) -> PathBuf {
    directory().join(name)
}

fn built() -> PathBuf {
    let test = std::env::current_exe().expect("this test program has a path");
    // target/PROFILE/deps/TEST
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test program lies in deps");
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
    profile.to_owned()
}
