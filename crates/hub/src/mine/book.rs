//! What minions gave to the mine, each under the key of its minion, in memory and in a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::limits::{MAX_MINE, MAX_MINE_ENTRIES};
use wire::{NodeId, SitePath, Uid};

/// Bytes of all that is here, as JSON.
const BYTES_MAX: usize = 256 << 20;

/// One value of the mine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) data: Value,
    /// Whom it is for; none: for all who may ask this hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) allow_tgt: Option<Value>,
    /// The kind of that target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) allow_tgt_type: Option<String>,
    /// Whether minions of other sites may have it, too.
    #[serde(default)]
    pub(super) export: bool,
}

/// What one minion gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) path: String,
    /// Whether it is a minion of this hub; else a hub below told of it.
    pub(super) is_own: bool,
    pub(super) entries: BTreeMap<String, Entry>,
    /// Whether it exports anything, or ever did: then parents hear of it.
    #[serde(default)]
    exports: bool,
    #[serde(skip)]
    bytes: usize,
    #[serde(skip)]
    revision: u64,
}

impl Record {
    /// Reads what came as JSON.
    pub(super) fn read(
        id: &NodeId,
        path: &SitePath,
        is_own: bool,
        json: &[u8],
    ) -> Result<Record, String> {
        if json.len() > MAX_MINE {
            return Err(format!(
                "the mine of {id} would have {} bytes, and at most {MAX_MINE} are kept for a minion",
                json.len()
            ));
        }
        let entries: BTreeMap<String, Entry> = serde_json::from_slice(json)
            .map_err(|error| format!("that is no data for the mine: {error}"))?;
        if entries.len() > MAX_MINE_ENTRIES {
            return Err(format!(
                "the mine of {id} would have {} values, and at most {MAX_MINE_ENTRIES} are kept for a minion",
                entries.len()
            ));
        }
        Ok(Record {
            exports: entries.values().any(|entry| entry.export),
            id: id.to_string(),
            path: path.to_string(),
            is_own,
            entries,
            bytes: json.len(),
            revision: 0,
        })
    }

    /// What minions of other sites may have, as JSON.
    pub(super) fn exported(&self) -> Vec<u8> {
        let entries = self.entries.iter().filter(|(_, entry)| entry.export);
        let entries: BTreeMap<&String, &Entry> = entries.collect();
        serde_json::to_vec(&entries).unwrap_or_default()
    }

    /// Its values by name.
    pub(super) fn values(&self) -> Map<String, Value> {
        let entries = self.entries.iter();
        entries
            .map(|(fun, entry)| (fun.clone(), entry.data.clone()))
            .collect()
    }
}

/// All records.
pub(super) struct Book {
    folder: PathBuf,
    records: BTreeMap<Uid, Record>,
    bytes: usize,
    revision: u64,
}

impl Book {
    /// What the folder has.
    pub(super) fn open(folder: &Path) -> std::io::Result<Book> {
        let mut book = Book {
            folder: folder.to_owned(),
            records: BTreeMap::new(),
            bytes: 0,
            revision: 0,
        };
        let files = match std::fs::read_dir(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(book),
            Err(error) => return Err(error),
        };
        for file in files {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(uid) = name.and_then(|name| name.parse::<Uid>().ok()) else {
                continue;
            };
            let text = std::fs::read(&path)?;
            match serde_json::from_slice::<Record>(&text) {
                Ok(mut record) => {
                    record.bytes = text.len();
                    book.take(uid, record);
                }
                // The minion tells it again when it is asked to update.
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a part of the mine is damaged")
                }
            }
        }
        Ok(book)
    }

    fn take(&mut self, uid: Uid, mut record: Record) {
        self.revision += 1;
        record.revision = self.revision;
        self.bytes += record.bytes;
        if let Some(old) = self.records.insert(uid, record) {
            self.bytes -= old.bytes;
        }
    }

    /// Keeps a record in the place of an older one: what is on disk is what is answered.
    pub(super) fn put(&mut self, uid: Uid, mut record: Record) -> Result<(), String> {
        let old = self.records.get(&uid);
        let is_same = |old: &Record| {
            (&old.id, &old.path, old.is_own, &old.entries)
                == (&record.id, &record.path, record.is_own, &record.entries)
        };
        if old.is_some_and(is_same) {
            return Ok(());
        }
        record.exports |= old.is_some_and(|old| old.exports);
        let before = old.map_or(0, |old| old.bytes);
        if self.bytes - before + record.bytes > BYTES_MAX {
            return Err(format!(
                "the mine of this hub is full: it holds at most {BYTES_MAX} bytes"
            ));
        }
        let text = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
        let written = daemon::files::replace(&self.folder.join(uid.to_string()), &text);
        written.map_err(|error| format!("the mine can't be written: {error}"))?;
        self.take(uid, record);
        Ok(())
    }

    /// Forgets the records of keys that are known no longer.
    pub(super) fn forget(&mut self, is_known: impl Fn(&Uid) -> bool) {
        let folder = self.folder.clone();
        let bytes = &mut self.bytes;
        self.records.retain(|uid, record| {
            let stays = is_known(uid);
            if !stays {
                *bytes -= record.bytes;
                if let Err(error) = std::fs::remove_file(folder.join(uid.to_string())) {
                    tracing::warn!(id = record.id, %error, "a part of the mine can't be removed");
                }
            }
            stays
        });
    }

    /// The keys of all records.
    pub(super) fn keys(&self) -> Vec<Uid> {
        self.records.keys().copied().collect()
    }

    pub(super) fn get(&self, uid: &Uid) -> Option<&Record> {
        self.records.get(uid)
    }

    /// The first record for parents that is newer than this revision, with its own.
    pub(super) fn after(&self, revision: u64) -> Option<(u64, Uid, &Record)> {
        let newer = self
            .records
            .iter()
            .filter(|(_, record)| record.exports && record.revision > revision);
        let next = newer.min_by_key(|(_, record)| record.revision);
        next.map(|(uid, record)| (record.revision, *uid, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Result<Record, String> {
        Record::read(
            &"web1".parse().unwrap(),
            &"eu".parse().unwrap(),
            true,
            json.as_bytes(),
        )
    }

    #[test]
    fn records_outlive_the_process_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mine");
        let mut book = Book::open(&folder).unwrap();
        let uid = Uid([7; 16]);
        let json = r#"{"a":{"data":1},"b":{"data":[2],"allow_tgt":"x*","export":true}}"#;
        book.put(uid, record(json).unwrap()).unwrap();
        let book = Book::open(&folder).unwrap();
        let read = book.get(&uid).unwrap();
        assert_eq!(
            Value::Object(read.values()),
            serde_json::json!({"a": 1, "b": [2]})
        );
        let exported: Value = serde_json::from_slice(&read.exported()).unwrap();
        assert_eq!(
            exported,
            serde_json::json!({"b": {"data": [2], "allow_tgt": "x*", "export": true}})
        );
        let (revision, ..) = book.after(0).unwrap();
        assert!(book.after(revision).is_none());
        let long = format!(r#"{{"a":{{"data":"{}"}}}}"#, "x".repeat(MAX_MINE));
        assert!(record(&long).unwrap_err().contains("at most"));
        let many: Map<String, Value> = (0..=MAX_MINE_ENTRIES)
            .map(|n| (n.to_string(), serde_json::json!({"data": 0})))
            .collect();
        assert!(
            record(&Value::Object(many).to_string())
                .unwrap_err()
                .contains("values")
        );
        assert!(record("[]").is_err());
    }

    #[test]
    fn a_newer_record_takes_the_place_of_the_older() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = Book::open(dir.path()).unwrap();
        let (one, two) = (Uid([1; 16]), Uid([2; 16]));
        let (export, other) = (r#"{"a":{"data":1,"export":true}}"#, r#"{"a":{"data":1}}"#);
        let untold = Uid([3; 16]);
        for (uid, json) in [
            (one, export),
            (two, export),
            (untold, "{}"),
            (one, other),
            (two, export),
        ] {
            book.put(uid, record(json).unwrap()).unwrap();
        }
        let first = book.after(0).map(|(revision, uid, _)| (revision, uid));
        assert_eq!(first, Some((2, two)), "what is the same is no change");
        let (_, uid, taken_back) = book.after(2).unwrap();
        assert_eq!((uid, &taken_back.exported()[..]), (one, &b"{}"[..]));
        assert_eq!(book.bytes, 2 + export.len() + other.len());
        book.forget(|uid| *uid == two);
        assert_eq!((book.keys(), book.bytes), (vec![two], export.len()));
        assert_eq!(Book::open(dir.path()).unwrap().keys(), [two]);
    }
}
