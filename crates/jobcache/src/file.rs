//! A file with a line of JSON for each return, as Salt's `rawfile_json` writes it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::{Batch, CacheError, Event, EventBatch};

/// Appends the returns of a batch and waits until they are on disk. A process that is killed in between leaves a batch that is
/// written again: a file has no transactions.
pub(crate) fn append(path: &Path, batch: &Batch) -> Result<(), CacheError> {
    let lines = batch.returns.iter().map(|answer| answer.full().to_string());
    write(path, lines)
}

/// Appends events, each a line with its tag and data.
pub(crate) fn append_events(path: &Path, batch: &EventBatch) -> Result<(), CacheError> {
    write(path, batch.events.iter().map(Event::line))
}

fn write(path: &Path, lines: impl Iterator<Item = String>) -> Result<(), CacheError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    if text.is_empty() {
        return Ok(());
    }
    let append = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // Returns and events may go to one file.
        file.lock()?;
        let length = file.metadata()?.len();
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a batch must not stay, since the whole comes again.
            let _ = file.set_len(length);
        }
        written
    };
    append().map_err(|said| CacheError::File {
        path: path.to_owned(),
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::answer;

    #[test]
    fn a_line_for_each_event() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let event = Event {
            tag: "a/\"b\"".to_owned(),
            data: r#"{"z":1,"a":2}"#.to_owned(),
            heard: 0,
        };
        let batch = EventBatch {
            token: 1,
            events: vec![event; 2],
        };
        append_events(&path, &batch).unwrap();
        let line = "{\"data\":{\"z\":1,\"a\":2},\"tag\":\"a/\\\"b\\\"\"}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line.repeat(2));
    }

    #[test]
    fn a_line_for_each_return() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let batch = Batch {
            returns: vec![answer(); 2],
            ..Batch::default()
        };
        append(&path, &batch).unwrap();
        append(&path, &batch).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4);
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["return"], true);
        assert_eq!(line["_stamp"], "2023-11-14T22:13:20.000000");
        let missing = dir.path().join("no/such");
        let error = append(&missing, &batch).unwrap_err().to_string();
        assert!(error.contains("no/such"), "{error}");
    }
}
