//! A file with a line of JSON for each return, as Salt's `rawfile_json` writes it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::{Batch, CacheError};

/// Appends the returns of a batch and waits until they are on disk. A process that is killed in between leaves a batch that is
/// written again: a file has no transactions.
pub(crate) fn append(path: &Path, batch: &Batch) -> Result<(), CacheError> {
    let mut lines = String::new();
    for answer in &batch.returns {
        lines.push_str(&answer.full().to_string());
        lines.push('\n');
    }
    if lines.is_empty() {
        return Ok(());
    }
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        let written = file
            .write_all(lines.as_bytes())
            .and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a batch must not stay, since the whole comes again.
            let _ = file.set_len(length);
        }
        written
    };
    write().map_err(|said| CacheError::File {
        path: path.to_owned(),
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::answer;

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
