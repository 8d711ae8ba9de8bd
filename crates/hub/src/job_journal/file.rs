//! The file of the journal: lines go to its end, whole or not at all.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

/// Bytes of lines that wait for room, at most; above it the oldest are lost.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Who may read it: it says what everybody did.
const MODE: u32 = 0o640;

/// A file that is written at its end.
pub(super) struct File {
    path: PathBuf,
    open: fs::File,
    waiting: VecDeque<String>,
    waiting_bytes: usize,
    /// Lines that nobody will read, of which the file does not say so yet.
    lost: u64,
    fails: bool,
}

impl File {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        Ok(File {
            open: open(path)?,
            path: path.to_owned(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            lost: 0,
            fails: false,
        })
    }

    /// Takes a line that is to be written; how many are lost for that.
    pub(super) fn take(&mut self, line: String) -> u64 {
        let mut lost = 0;
        self.waiting_bytes += line.len();
        self.waiting.push_back(line);
        while self.waiting_bytes > WAITING_BYTES_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.waiting_bytes -= oldest.len();
            lost += 1;
        }
        self.lost += lost;
        lost
    }

    /// So many lines are lost that never came here.
    pub(super) fn note_lost(&mut self, lines: u64) {
        self.lost += lines;
    }

    /// Lines that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes what waits, to the file that has the name now. What can't be written stays, and the log says so once.
    pub(super) fn write(&mut self) {
        if self.waiting.is_empty() && self.lost == 0 {
            return;
        }
        match self.append() {
            Ok(()) => {
                self.waiting.clear();
                self.waiting_bytes = 0;
                self.lost = 0;
                if std::mem::take(&mut self.fails) {
                    tracing::info!(path = %self.path.display(), "the journal of jobs is written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!(alarm = true, path = %self.path.display(), "the journal of jobs can't be written, jobs go on: {error}");
                }
            }
        }
    }

    fn append(&mut self) -> io::Result<()> {
        self.follow_name()?;
        let mut text = String::with_capacity(self.waiting_bytes);
        if self.lost > 0 {
            let hole = json!({"event": "lost", "lines": self.lost});
            text.push_str(&format!("{hole}\n"));
        }
        text.extend(self.waiting.iter().map(String::as_str));
        let length = self.open.metadata()?.len();
        let written = self
            .open
            .write_all(text.as_bytes())
            .and_then(|()| self.open.sync_data());
        if written.is_err() {
            // Half of it must not stay, since the whole comes again.
            let _ = self.open.set_len(length);
        }
        written
    }

    /// A rotation of logs moved the file away: the next line begins a new one.
    fn follow_name(&mut self) -> io::Result<()> {
        let ours = self.open.metadata()?;
        let is_ours = match fs::metadata(&self.path) {
            Ok(named) => (named.dev(), named.ino()) == (ours.dev(), ours.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_ours {
            self.open = open(&self.path)?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(MODE).open(path)
}

#[cfg(test)]
mod tests {
    use super::{File, WAITING_BYTES_MAX};

    #[test]
    fn lines_go_to_the_file_that_has_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.journal");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let mut file = File::open(&path).unwrap();
        let mut say = |line: &str| {
            file.take(format!("{line}\n"));
            file.write();
        };
        say("a");
        std::fs::rename(&path, dir.path().join("old")).unwrap();
        say("b");
        std::fs::remove_file(&path).unwrap();
        say("c");
        assert_eq!(read("old"), "a\n");
        assert_eq!(read("jobs.journal"), "c\n");
    }

    #[test]
    fn what_cannot_be_written_waits_within_bounds_and_a_line_says_what_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("logs");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("jobs.journal");
        let mut file = File::open(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        file.take("a\n".to_owned());
        file.write();
        assert_eq!(file.waiting(), 1, "there is no place for it");
        let long = "x".repeat(WAITING_BYTES_MAX);
        assert_eq!(file.take(long.clone()), 1, "the oldest");
        file.take("b\n".to_owned());
        file.note_lost(2);
        std::fs::create_dir(&folder).unwrap();
        file.write();
        assert_eq!(file.waiting(), 0);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"event\":\"lost\",\"lines\":4}\nb\n");
    }
}
