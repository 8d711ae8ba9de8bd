//! `file.open_files`: which processes have which files open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Answer, Args, Env, Function, check_cancelled};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "file.open_files",
    "by_pid=False",
    "The files that are open, with the processes that have them; by_pid: the processes, with the files that they have.",
    "file.open_files by_pid=True",
    open_files,
)];

fn open_files(args: &Args, env: &Env) -> Answer {
    let mut by_file: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let mut by_pid: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        check_cancelled(env)?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let own = by_pid.entry(pid).or_default();
        for file in of_process(&entry.path()) {
            by_file.entry(file.clone()).or_default().insert(pid);
            own.insert(file);
        }
    }
    if !args.flag("by_pid") {
        return Ok(json!(by_file));
    }
    let pids = by_pid
        .into_iter()
        .map(|(pid, files)| (pid.to_string(), json!(files)));
    Ok(Value::Object(pids.collect()))
}

/// The files of a process and its threads that are still there; processes come and go meanwhile.
fn of_process(process: &Path) -> BTreeSet<String> {
    let names = |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten();
    let mut links: Vec<PathBuf> = names(process.join("fd"))
        .map(|entry| entry.path())
        .collect();
    for thread in names(process.join("task")) {
        links.push(thread.path().join("exe"));
        links.extend(names(thread.path().join("fd")).map(|entry| entry.path()));
    }
    links
        .iter()
        .filter_map(|link| fs::canonicalize(link).ok())
        .map(|file| file.to_string_lossy().into_owned())
        .collect()
}
