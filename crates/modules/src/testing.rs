//! A small minion for tests: a temporary directory, settable grains and jobs, files from a folder.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::custom::Bridges;
use crate::registry::Env;
use crate::signature::{Args, Signature};
use crate::states::{Return, Shared, StateEnv};

use crate::{
    Call, Cancel, CancelKind, Context, FileHash, FileSource, Mine, Outcome, Part, PillarWish,
    Registry, RunningJob, Timetable,
};

pub(crate) struct Host {
    pub(crate) dir: TempDir,
    registry: Registry,
    /// What the states of the host share.
    pub(crate) shared: Shared,
    own_grains: Value,
    /// The grains; settable.
    pub(crate) grains: Mutex<Arc<Value>>,
    pub(crate) grains_file: PathBuf,
    files: Folder,
    cache: PathBuf,
    /// The configuration; settable.
    pub(crate) options: Mutex<Arc<Value>>,
    /// The pillar; settable.
    pub(crate) pillar: Mutex<Arc<Value>>,
    pub(crate) signals: Mutex<Vec<(String, CancelKind)>>,
    /// The job that functions run in.
    pub(crate) jid: Option<&'static str>,
    /// Events: tag and data.
    pub(crate) fired: Mutex<Vec<(String, Value)>>,
    /// Jobs by the clock.
    pub(crate) timetable: Jobs,
    /// The mine.
    pub(crate) mine: OwnMine,
}

impl Host {
    pub(crate) fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let grains = json!({
            "os": "Debian", "os_family": "Debian", "roles": ["web", "db"], "serialnumber": "ABCDEFGH",
            "deep": {"er": {"est": 7}}, "kernel": "Linux",
        });
        Host {
            grains_file: dir.path().join("grains"),
            files: Folder {
                root: dir.path().join("roots"),
            },
            cache: dir.path().join("cache"),
            options: Mutex::new(Arc::new(
                json!({"master": "hub.example", "ports": {"http": 8080}}),
            )),
            pillar: Mutex::new(Arc::new(json!({"users": {"root": 0}, "motd": "hello"}))),
            dir,
            registry: Registry::new(),
            shared: Shared::default(),
            grains: Mutex::new(Arc::new(grains.clone())),
            own_grains: grains,
            signals: Mutex::new(Vec::new()),
            jid: None,
            fired: Mutex::default(),
            timetable: Jobs::default(),
            mine: OwnMine::default(),
        }
    }

    pub(crate) fn call(&self, call: Call) -> Outcome {
        self.call_with(&call, &Cancel::new())
    }

    pub(crate) fn call_with(&self, call: &Call, cancel: &Cancel) -> Outcome {
        self.registry.call(call, self, cancel)
    }

    /// Lends the surroundings of a function.
    pub(crate) fn with_env<R>(&self, work: impl FnOnce(&Env) -> R) -> R {
        let (cancel, bridges) = (Cancel::new(), Bridges::default());
        work(&Env::new(
            "test.ping",
            self,
            &cancel,
            &self.registry,
            &bridges,
        ))
    }

    /// Calls a state function with these arguments (a JSON object, `name` in it), for real or in test mode.
    pub(crate) fn state(&self, fun: &str, args: Value, is_test: bool) -> Return {
        let (state, function) = fun.split_once('.').unwrap();
        let mut low = args.as_object().cloned().unwrap();
        let name = low["name"].clone();
        for (key, value) in [
            ("state", json!(state)),
            ("fun", json!(function)),
            ("__id__", name),
        ] {
            low.entry(key).or_insert(value);
        }
        self.with_state_env(&low, is_test, |env| self.registry.state(env))
    }

    fn with_state_env<R>(
        &self,
        low: &Map<String, Value>,
        is_test: bool,
        work: impl FnOnce(&StateEnv) -> R,
    ) -> R {
        self.with_env(|env| {
            work(&StateEnv {
                env,
                is_test,
                low,
                records: &Map::new(),
                shared: &self.shared,
            })
        })
    }

    /// Forgets what states noted for each other, as the next run does.
    pub(crate) fn forget_notes(&self) {
        self.shared.forget();
    }

    /// Lends what a state function gets for these arguments, to test its parts.
    pub(crate) fn with_state<R>(
        &self,
        signature: &'static str,
        args: Value,
        is_test: bool,
        work: impl FnOnce(&Args, &StateEnv) -> R,
    ) -> R {
        let low = args.as_object().cloned().unwrap();
        let signature = Signature::parse(signature).unwrap();
        let args = Args::of_state(&signature, "test.state", &low, |_| false).unwrap();
        self.with_state_env(&low, is_test, |env| work(&args, env))
    }

    /// Applies a state for real, after test mode has changed nothing and foretold the change, and a second time without a change.
    pub(crate) fn applies(&self, fun: &str, args: Value) -> Return {
        let foretold = self.state(fun, args.clone(), true);
        assert_eq!(foretold.result, None, "{fun} in test mode: {foretold:?}");
        let first = self.state(fun, args.clone(), false);
        assert_eq!(first.result, Some(true), "{fun}: {first:?}");
        assert!(!first.changes.is_empty(), "{fun}: {first:?}");
        for is_test in [true, false] {
            let again = self.state(fun, args.clone(), is_test);
            assert_eq!(again.result, Some(true), "{fun} again: {again:?}");
            assert!(again.changes.is_empty(), "{fun} again: {again:?}");
        }
        first
    }

    /// Puts the host's files below `root` of the host's directory, until the answer is dropped. Programs are looked for in its `bin` first.
    pub(crate) fn lend_root(&self) -> crate::root::lent::Lent {
        crate::root::lent::lend(self.dir.path().join("root"))
    }

    /// Writes a shell script that is found as a program after [`Host::lend_root`].
    pub(crate) fn program(&self, name: &str, script: &str) {
        write_script(&self.dir.path().join("root/bin").join(name), script);
    }

    /// Sets a key of the configuration.
    pub(crate) fn set(&self, key: &str, value: Value) {
        let mut options = self.options.lock().unwrap();
        let mut changed = (**options).clone();
        changed[key] = value;
        *options = Arc::new(changed);
    }

    /// The path of a file in the host's directory, as text for an argument.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into the host's directory.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Writes a shell script that can be run as a program, with the directories to it.
pub(crate) fn write_script(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // A child that holds the file open for writing would keep it from being run.
    crate::process::without_forks(|| {
        std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    });
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Hands back what a state answers when it is as expected.
#[track_caller]
pub(crate) fn checked(answer: Return, result: Option<bool>, comment: impl AsRef<str>) -> Return {
    assert_eq!(
        (answer.result, answer.comment.as_str()),
        (result, comment.as_ref()),
        "{:?}",
        answer.changes
    );
    answer
}

/// A sequence of calls on a file: the file at its start, or none; then function, arguments, test mode, what Salt answered, and the file
/// that it left.
type Sequence = (
    Option<String>,
    Vec<(String, Value, bool, Value, Option<String>)>,
);

/// Plays sequences, a JSON text, on one file of the host. What `set_up` answers is kept until the end of a sequence.
pub(crate) fn play<Guard>(
    sequences: &str,
    file: &str,
    set_up: impl Fn(&Host) -> Guard,
    adapted: impl Fn(&Host, Value) -> Value,
) {
    let sequences: Vec<Sequence> = serde_json::from_str(sequences).unwrap();
    let mut different = Vec::new();
    for (start, steps) in sequences {
        let host = Host::new();
        let _guard = set_up(&host);
        if let Some(start) = start {
            host.write(file, &start);
        }
        for (fun, args, is_test, expected, left) in steps {
            let args = adapted(&host, args);
            let done = host.state(&fun, args.clone(), is_test);
            let mut answered =
                json!({"result": done.result, "comment": done.comment, "changes": done.changes});
            if expected.get("name").is_some() {
                answered["name"] = done.name.map_or(args["name"].clone(), Value::from);
            }
            if expected.get("warnings").is_some() {
                answered["warnings"] = done.others.get("warnings").cloned().unwrap_or_default();
            }
            let found = std::fs::read_to_string(host.path(file)).ok();
            if (&answered, &found) != (&expected, &left) {
                different.push(format!(
                    "{fun} {args} {is_test}:\n  {answered} {found:?}\n  {expected} {left:?}"
                ));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

impl Context for Host {
    fn minion_id(&self) -> &str {
        "m1"
    }

    fn jid(&self) -> Option<&str> {
        self.jid
    }

    fn fire(&self, tag: &str, data: &Value) -> Result<bool, String> {
        let fired = (tag.to_owned(), data.clone());
        self.fired.lock().unwrap().push(fired);
        Ok(true)
    }

    fn is_read_below(&self, _prefix: &str) -> bool {
        true
    }

    fn timetable(&self) -> Option<&dyn Timetable> {
        Some(&self.timetable)
    }

    fn mine(&self) -> Option<&dyn Mine> {
        Some(&self.mine)
    }

    fn grains(&self) -> Arc<Value> {
        self.grains.lock().unwrap().clone()
    }

    fn refresh_grains(&self) -> Arc<Value> {
        let mut grains = self.own_grains.clone();
        if let Ok(text) = std::fs::read_to_string(&self.grains_file) {
            grains["__static"] = json!(text);
        }
        for (name, value) in crate::grains::read_static(&self.grains_file).unwrap_or_default() {
            grains[name] = value;
        }
        let grains = Arc::new(grains);
        *self.grains.lock().unwrap() = grains.clone();
        grains
    }

    fn grains_file(&self) -> &Path {
        &self.grains_file
    }

    fn running(&self) -> Vec<RunningJob> {
        let job = |jid: &str, fun: &str| RunningJob {
            jid: jid.to_owned(),
            fun: fun.to_owned(),
            args: vec![json!("x")],
            pid: 42,
            started: SystemTime::UNIX_EPOCH,
            user: "root".to_owned(),
        };
        vec![
            job("20260101000000000001", "cmd.run"),
            job("20260101000000000002", "test.sleep"),
        ]
    }

    fn signal_job(&self, jid: &str, kind: CancelKind) -> Option<RunningJob> {
        let job = self.running().into_iter().find(|job| job.jid == jid)?;
        self.signals.lock().unwrap().push((jid.to_owned(), kind));
        Some(job)
    }

    fn files(&self) -> &dyn FileSource {
        &self.files
    }

    fn options(&self) -> Arc<Value> {
        self.options.lock().unwrap().clone()
    }

    fn pillar(&self) -> Result<Arc<Value>, String> {
        Ok(self.pillar.lock().unwrap().clone())
    }

    fn refresh_pillar(&self, wish: &PillarWish) -> Result<Arc<Value>, String> {
        let mut pillar = (*self.pillar()?).clone();
        for (key, value) in &wish.values {
            pillar[key] = value.clone();
        }
        Ok(Arc::new(pillar))
    }

    fn cache_dir(&self) -> &Path {
        &self.cache
    }

    fn version(&self) -> &str {
        "1.2.3"
    }

    fn path(&self) -> &str {
        "eu/ams"
    }
}

/// Serves `root/ENV/PATH`.
struct Folder {
    root: PathBuf,
}

impl FileSource for Folder {
    fn fetch(&self, path: &str, env: &str) -> Result<PathBuf, String> {
        let file = self.root.join(env).join(path);
        if file.is_file() {
            Ok(file)
        } else {
            Err(format!("salt://{path} is not in {env}"))
        }
    }

    fn list(&self, env: &str, prefix: &str) -> Result<Vec<String>, String> {
        fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(root, &path, found);
                } else {
                    found.push(
                        path.strip_prefix(root)
                            .unwrap()
                            .to_str()
                            .unwrap()
                            .to_owned(),
                    );
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.root.join(env), &self.root.join(env), &mut found);
        found.retain(|path| path.starts_with(prefix));
        found.sort();
        Ok(found)
    }

    fn hash(&self, path: &str, env: &str) -> Result<Option<FileHash>, String> {
        let file = self.root.join(env).join(path);
        let hsum = crate::digest::of_file(crate::digest::Algorithm::Sha256, &file, 4096).ok();
        Ok(hsum.map(|hsum| FileHash {
            hash_type: "sha256".to_owned(),
            hsum,
        }))
    }

    fn envs(&self) -> Result<Vec<String>, String> {
        Ok(vec!["base".to_owned()])
    }
}

/// A timetable that keeps what it is told, and runs nothing.
#[derive(Default)]
pub(crate) struct Jobs {
    own: Mutex<Map<String, Value>>,
    of_pillar: Mutex<Map<String, Value>>,
}

impl Jobs {
    /// Sets what comes from the pillar.
    pub(crate) fn pillar(&self, jobs: Value) {
        *self.of_pillar.lock().unwrap() = jobs.as_object().cloned().unwrap();
    }
}

impl Timetable for Jobs {
    fn list(&self, part: Part) -> Map<String, Value> {
        let (own, of_pillar) = (self.own.lock().unwrap(), self.of_pillar.lock().unwrap());
        match part {
            Part::All => of_pillar.clone().into_iter().chain(own.clone()).collect(),
            Part::Own | Part::Saved => own.clone(),
            Part::Pillar => of_pillar.clone(),
        }
    }

    fn check(&self, job: &Value) -> Result<(), String> {
        match job["function"] == "wrong" {
            true => Err("wrong".to_owned()),
            false => Ok(()),
        }
    }

    fn set(&self, name: &str, job: Option<Value>, _: bool) -> Result<(), String> {
        let mut own = self.own.lock().unwrap();
        match job {
            Some(job) => own.insert(name.to_owned(), job),
            None => own.remove(name),
        };
        Ok(())
    }

    fn set_enabled(&self, enabled: bool, _: bool) -> Result<(), String> {
        self.set("enabled", Some(enabled.into()), true)
    }

    fn save(&self) -> Result<(), String> {
        Ok(())
    }

    fn reload(&self) -> Result<bool, String> {
        Ok(true)
    }

    fn run(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn put_off(&self, _: &str, _: &str, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }

    fn next_fire_time(&self, _: &str) -> Option<String> {
        None
    }

    fn status(&self, _: &str) -> Map<String, Value> {
        Map::new()
    }
}

/// A mine that keeps what it is given, and says of two minions what it was asked.
#[derive(Default)]
pub(crate) struct OwnMine(Mutex<Map<String, Value>>);

impl Mine for OwnMine {
    fn own(&self) -> Map<String, Value> {
        self.0.lock().unwrap().clone()
    }

    fn give(&self, entries: Map<String, Value>) -> Result<(), String> {
        *self.0.lock().unwrap() = entries;
        Ok(())
    }

    fn get(&self, tgt: &str, _: &str, funs: &[String]) -> Result<Map<String, Value>, String> {
        let values = json!({"m1": tgt, "m2": tgt});
        let found = funs.iter().map(|fun| (fun.clone(), values.clone()));
        Ok(found.collect())
    }
}
