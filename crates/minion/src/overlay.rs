//! What functions changed of the settings, over the settings; and files that outlive the process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of one overlay.
const BYTES_MAX: usize = 1 << 20;

/// What functions changed of a map in the settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Entries that were added or replaced; null for those that were removed.
    pub entries: BTreeMap<String, Value>,
    /// Whether any of them is in force.
    pub enabled: Option<bool>,
}

impl Overlay {
    /// These entries with the changes.
    pub fn over(&self, mut jobs: Map<String, Value>) -> Map<String, Value> {
        for (name, job) in &self.entries {
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
    pub fn set(&mut self, name: &str, job: Value, is_of_settings: bool) {
        if job.is_null() && !is_of_settings {
            self.entries.remove(name);
        } else {
            self.entries.insert(name.to_owned(), job);
        }
    }
}

/// A folder of such files.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// This folder; it need not exist.
    pub fn new(folder: &Path) -> Disk {
        Disk {
            folder: folder.to_owned(),
        }
    }

    /// Writes an overlay.
    ///
    /// # Errors
    /// When it is too long, or cannot be written.
    pub fn write_overlay(&self, name: &str, overlay: &Overlay) -> Result<(), String> {
        let text = serde_json::to_vec(overlay).map_err(|error| error.to_string())?;
        if text.len() > BYTES_MAX {
            return Err(format!(
                "the changes would have {} bytes, and at most {BYTES_MAX} are kept",
                text.len()
            ));
        }
        self.write(name, &text)
    }

    /// Reads a file; what is not there is empty.
    ///
    /// # Errors
    /// When it cannot be read, or has what this program did not write.
    pub fn read<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, String> {
        let path = self.folder.join(name);
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| said(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
            Err(error) => Err(said(&error)),
        }
    }

    /// Replaces a file: after a crash it is the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &[u8]) -> Result<(), String> {
        let path = self.folder.join(name);
        daemon::files::replace(&path, text).map_err(|error| format!("{}: {error}", path.display()))
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
        assert_eq!(disk.read::<Overlay>("own").unwrap(), Overlay::default());
        let settings = json!({"a": 1, "b": 2}).as_object().cloned().unwrap();
        let mut own = Overlay::default();
        own.set("a", Value::Null, true);
        own.set("c", json!(3), false);
        own.set("d", json!(4), false);
        own.set("d", Value::Null, false);
        own.enabled = Some(false);
        disk.write_overlay("own", &own).unwrap();
        let read = disk.read::<Overlay>("own").unwrap();
        assert_eq!(read, own);
        let expected = json!({"b": 2, "c": 3, "enabled": false});
        assert_eq!(Value::Object(read.over(settings)), expected);
        own.set("e", json!("x".repeat(BYTES_MAX)), false);
        assert!(
            disk.write_overlay("own", &own)
                .unwrap_err()
                .contains("at most")
        );
        std::fs::write(dir.path().join("schedule/past"), "{").unwrap();
        assert!(
            disk.read::<Overlay>("past")
                .unwrap_err()
                .contains("schedule/past")
        );
    }
}
