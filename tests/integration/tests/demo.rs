//! The demonstration shows what it says, and cleans up.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration::{Running, directory};

#[test]
fn the_demonstration_runs_through_and_leaves_nothing_behind() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo.sh");
    let place = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(script);
    command
        .env("BANYAN_BIN", directory())
        .env("TMPDIR", place.path());
    let said = Running::start(command).finish();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("== All as expected"), "{}", said.out);

    let left: Vec<_> = fs::read_dir(place.path())
        .expect("the directory is still there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let of_demo = place.path().display().to_string();
    let processes: Vec<_> = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&of_demo))
        .collect();
    assert!(processes.is_empty(), "{processes:?}");
}
