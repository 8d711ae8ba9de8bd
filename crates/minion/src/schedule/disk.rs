//! What of the schedule outlives the process: what `schedule.*` changed, and what ran already.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use schedule::Kept;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of what `schedule.*` may change.
const OWN_BYTES_MAX: usize = 1 << 20;

/// What `schedule.*` changed of the settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    /// Jobs that were added or replaced; null for those that were removed.
    pub(super) jobs: BTreeMap<String, Value>,
    /// Whether any job runs.
    pub(super) enabled: Option<bool>,
}

impl Own {
    /// These jobs with the changes.
    pub(super) fn over(&self, mut jobs: Map<String, Value>) -> Map<String, Value> {
        for (name, job) in &self.jobs {
            if job.is_null() {
                jobs.remove(name);
            } else {
                jobs.insert(name.clone(), job.clone());
            }
        }
        let enabled = self
            .enabled
            .map(|enabled| ("enabled".to_owned(), enabled.into()));
        jobs.extend(enabled);
        jobs
    }

    /// Takes in one change: null removes.
    pub(super) fn set(&mut self, name: &str, job: Value, is_of_settings: bool) {
        if job.is_null() && !is_of_settings {
            self.jobs.remove(name);
        } else {
            self.jobs.insert(name.to_owned(), job);
        }
    }
}

/// What happened.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Past {
    /// What ran already.
    pub(super) jobs: Kept,
    /// How each job ended last.
    #[serde(default)]
    pub(super) ended: BTreeMap<String, Value>,
}

/// The files.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    pub(super) fn new(folder: &Path) -> Disk {
        Disk {
            folder: folder.to_owned(),
        }
    }

    pub(super) fn own(&self) -> Result<Own, String> {
        self.read("jobs")
    }

    pub(super) fn past(&self) -> Result<Past, String> {
        self.read("past")
    }

    pub(super) fn write_own(&self, own: &Own) -> Result<(), String> {
        let text = serde_json::to_vec(own).map_err(|error| error.to_string())?;
        if text.len() > OWN_BYTES_MAX {
            return Err(format!(
                "the schedule would have {} bytes, and at most {OWN_BYTES_MAX} are kept",
                text.len()
            ));
        }
        self.write("jobs", &text)
    }

    pub(super) fn write_past(&self, past: &Past) -> Result<(), String> {
        let text = serde_json::to_vec(past).map_err(|error| error.to_string())?;
        self.write("past", &text)
    }

    fn read<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, String> {
        let path = self.folder.join(name);
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| said(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
            Err(error) => Err(said(&error)),
        }
    }

    /// Replaces a file: after a crash it is the old one or the new one.
    fn write(&self, name: &str, text: &[u8]) -> Result<(), String> {
        let path = self.folder.join(name);
        let written = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(text)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            std::fs::File::open(&self.folder)?.sync_all()
        };
        written().map_err(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_lie_over_the_settings_and_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("schedule"));
        assert_eq!(disk.own().unwrap(), Own::default());
        let settings = json!({"a": 1, "b": 2}).as_object().cloned().unwrap();
        let mut own = Own::default();
        own.set("a", Value::Null, true);
        own.set("c", json!(3), false);
        own.set("d", json!(4), false);
        own.set("d", Value::Null, false);
        own.enabled = Some(false);
        disk.write_own(&own).unwrap();
        let read = disk.own().unwrap();
        assert_eq!(read, own);
        let expected = json!({"b": 2, "c": 3, "enabled": false});
        assert_eq!(Value::Object(read.over(settings)), expected);
        own.set("e", json!("x".repeat(OWN_BYTES_MAX)), false);
        assert!(disk.write_own(&own).unwrap_err().contains("at most"));
        std::fs::write(dir.path().join("schedule/past"), "{").unwrap();
        assert!(disk.past().unwrap_err().contains("schedule/past"));
    }
}
