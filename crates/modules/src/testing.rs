//! A small minion for tests: a temporary directory, settable grains and jobs, files from a folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Call, Cancel, CancelKind, Context, FileHash, FileSource, Outcome, Registry, RunningJob,
};

pub(crate) struct Host {
    pub(crate) dir: TempDir,
    registry: Registry,
    grains: Mutex<Arc<Value>>,
    grains_file: PathBuf,
    files: Folder,
    pub(crate) signals: Mutex<Vec<(String, CancelKind)>>,
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
            dir,
            registry: Registry::new(),
            grains: Mutex::new(Arc::new(grains)),
            signals: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn call(&self, call: Call) -> Outcome {
        self.call_with(&call, &Cancel::new())
    }

    pub(crate) fn call_with(&self, call: &Call, cancel: &Cancel) -> Outcome {
        self.registry.call(call, self, cancel)
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

impl Context for Host {
    fn minion_id(&self) -> &str {
        "m1"
    }

    fn grains(&self) -> Arc<Value> {
        self.grains.lock().unwrap().clone()
    }

    fn refresh_grains(&self) -> Arc<Value> {
        let mut grains = (*self.grains()).clone();
        if let Ok(text) = std::fs::read_to_string(&self.grains_file) {
            grains["__static"] = json!(text);
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

    fn config(&self, key: &str) -> Option<Value> {
        match key {
            "master" => Some(json!("hub.example")),
            "ports" => Some(json!({"http": 8080})),
            _ => None,
        }
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
