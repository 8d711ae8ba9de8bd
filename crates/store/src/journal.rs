//! The journal of a minion: which jobs were started, and the returns that nobody else has yet.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wire::codec::{decode, encode};
use wire::record::JournalRecord;
use wire::{Jid, Reason, Return, UnixMillis};

use crate::JournalError;
use crate::journal_file::{HEADER, HEADER_NAME, Span, frame_at, next_frame, push_frame};
use crate::lock::{FILE_MODE, Lock, beside, remove_if_there, sync_directory_of};
use crate::space::is_full;

/// The file is rewritten when it holds more than this that nobody needs, and more of that than of the rest.
pub const GARBAGE_BYTES_MAX: u64 = 1 << 20;
/// Longer values are not read into memory when the journal is opened: there may be as many as the disk takes.
pub const VALUE_LOADED_MAX: usize = 4 << 10;
/// The start of a job is remembered for so long after its time: clocks of signer and minion may differ.
pub const CLOCK_SLACK_MS: u64 = 10 * 60 * 1_000;

/// What a minion finds in its journal when it starts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JournalRecovered {
    /// Every job that was started and is not forgotten, with the time after which it may be: none of them runs again.
    pub started: BTreeMap<Jid, UnixMillis>,
    /// Returns that are not settled, oldest first; without those that are long.
    pub returned: Vec<Return>,
    /// Returns that are not settled and longer than [`VALUE_LOADED_MAX`], with the bytes of their values:
    /// [`Journal::returned`] reads them.
    pub kept: Vec<(Jid, u64)>,
    /// Jobs that did not run, and are not settled.
    pub not_run: Vec<(Jid, Reason)>,
    /// Jobs that were started, and nothing more is known: the process ended while they ran.
    pub interrupted: Vec<Jid>,
    /// Bytes of a record at the end that was never acknowledged, since the process died while it wrote.
    pub torn_bytes: u64,
    /// Set when the file was damaged.
    pub quarantine: Option<Quarantine>,
}

/// A journal had damage in its middle. What is whole was taken over; a start that was in the damaged part is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Where the damaged file was copied; the newest such copy replaces an older one.
    pub copy: PathBuf,
    /// How many bytes could not be read.
    pub damaged_bytes: u64,
}

/// The append-only file of one minion. One process at a time.
pub struct Journal {
    path: PathBuf,
    file: File,
    end: u64,
    jobs: BTreeMap<Jid, Entry>,
    live_bytes: u64,
    unsettled_bytes: u64,
    /// There was no room to rewrite the file; it is tried again when it holds so much that nobody needs.
    rewrite_at: u64,
    /// Set by the first failed write and never taken back.
    stopped: bool,
    _lock: Lock,
}

/// What the file says of one job, and where.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    started: Option<(Span, UnixMillis)>,
    /// The return, or why there is none; until it is settled.
    outcome: Option<Span>,
    settled: Option<Span>,
}

impl Entry {
    fn spans(&self) -> impl Iterator<Item = Span> {
        [
            self.started.map(|(span, _)| span),
            self.outcome,
            self.settled,
        ]
        .into_iter()
        .flatten()
    }

    fn bytes(&self) -> u64 {
        self.spans().map(|span| span.len).sum()
    }

    fn unsettled_bytes(&self) -> u64 {
        self.outcome.map_or(0, |span| span.len)
    }
}

impl Journal {
    /// Opens the journal, or creates it. A record that was torn by a crash is cut off. A file with damage in its middle is
    /// copied aside and rewritten with what is whole. Both are reported, and neither is an error.
    ///
    /// # Errors
    /// [`JournalError::InUse`], [`JournalError::Newer`], or the system's own.
    pub fn open(path: &Path) -> Result<(Journal, JournalRecovered), JournalError> {
        let io = |e| JournalError::io(path)(e);
        let lock = Lock::take(path)
            .map_err(io)?
            .ok_or_else(|| JournalError::InUse {
                path: path.to_owned(),
            })?;
        remove_if_there(&beside(path, ".new")).map_err(io)?;
        if !path.try_exists().map_err(io)? {
            replace(path, |_| Ok(()))
                .map_err(Rewrite::into_error)
                .map_err(io)?;
        }
        let file = open_file(path).map_err(io)?;
        let end = file.metadata().map_err(io)?.len();
        check_version(&file, end, path)?;
        let mut journal = Journal {
            path: path.to_owned(),
            file,
            end,
            jobs: BTreeMap::new(),
            live_bytes: 0,
            unsettled_bytes: 0,
            rewrite_at: 0,
            stopped: false,
            _lock: lock,
        };
        let recovered = journal.scan().map_err(io)?;
        Ok((journal, recovered))
    }

    /// Writes the records with one write and one sync: all are durable when this returns.
    ///
    /// # Errors
    /// Any error but [`JournalError::Record`] and [`JournalError::Full`] means: stop the process; every later call answers
    /// [`JournalError::Stopped`].
    pub fn append(&mut self, records: &[JournalRecord]) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        let mut spans = Vec::with_capacity(records.len());
        for record in records {
            let at = bytes.len() as u64;
            push_frame(&mut bytes, &encode(record)?);
            spans.push(Span {
                at: self.end + at,
                len: bytes.len() as u64 - at,
            });
        }
        let is_full = self.guarded(|journal| {
            if let Err(error) = journal.file.write_all_at(&bytes, journal.end) {
                if !is_full(&error) {
                    return Err(error);
                }
                // Nothing was synced, so nothing is in doubt. What was written of the batch must not be found later.
                journal.file.set_len(journal.end)?;
                return Ok(true);
            }
            // An error here is final whatever it is: the kernel may have dropped the bytes, and would say "ok" next time.
            journal.file.sync_data()?;
            Ok(false)
        })?;
        if is_full {
            return Err(JournalError::Full {
                path: self.path.clone(),
            });
        }
        self.end += bytes.len() as u64;
        for (record, span) in records.iter().zip(spans) {
            self.note(record, span);
        }
        self.compact_when_worth_it()
    }

    /// Forgets the starts of settled jobs whose time is over by more than [`CLOCK_SLACK_MS`]: an order that old is refused
    /// anyway. To be called now and then; how many were forgotten. The file shrinks at its next rewriting.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn forget(&mut self, now: UnixMillis) -> Result<usize, JournalError> {
        let before = self.jobs.len();
        let live_bytes = &mut self.live_bytes;
        self.jobs.retain(|_, job| {
            let over = job
                .started
                .is_some_and(|(_, forget_after)| forget_after.saturating_add(CLOCK_SLACK_MS) < now);
            let keep = !over || job.settled.is_none();
            if !keep {
                *live_bytes -= job.bytes();
            }
            keep
        });
        self.compact_when_worth_it()?;
        Ok(before - self.jobs.len())
    }

    /// The return of a job that is not settled; None when there is none.
    ///
    /// # Errors
    /// When the file can't be read, or is not what was written.
    pub fn returned(&self, jid: Jid) -> Result<Option<Return>, JournalError> {
        let Some(span) = self.jobs.get(&jid).and_then(|job| job.outcome) else {
            return Ok(None);
        };
        let mut body = Vec::new();
        let io = |e| JournalError::io(&self.path)(e);
        let whole = frame_at(&self.file, span.at, self.end, &mut body).map_err(io)?;
        match whole.and_then(|_| decode(&body).ok()) {
            Some(JournalRecord::Returned(ret)) => Ok(Some(ret)),
            Some(_) => Ok(None),
            None => Err(io(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the return of job {jid} is damaged"),
            ))),
        }
    }

    /// Bytes of the returns that are not settled.
    pub fn unsettled_bytes(&self) -> u64 {
        self.unsettled_bytes
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.end
    }

    /// Runs a write; the first that fails closes the journal.
    fn guarded<T>(
        &mut self,
        write: impl FnOnce(&mut Journal) -> io::Result<T>,
    ) -> Result<T, JournalError> {
        if self.stopped {
            return Err(JournalError::Stopped {
                path: self.path.clone(),
            });
        }
        let result = write(self);
        self.stopped = result.is_err();
        result.map_err(JournalError::io(&self.path))
    }

    /// Takes a record of the file into account.
    fn note(&mut self, record: &JournalRecord, span: Span) {
        let (JournalRecord::Started { jid, .. }
        | JournalRecord::Returned(Return { jid, .. })
        | JournalRecord::NotRun { jid, .. }
        | JournalRecord::Settled { jid }) = record;
        let job = self.jobs.entry(*jid).or_default();
        self.live_bytes -= job.bytes();
        self.unsettled_bytes -= job.unsettled_bytes();
        match record {
            JournalRecord::Started { forget_after, .. } => {
                // A job starts once. A second start, as damage may make one, would stand behind the settlement in a rewritten
                // file, and pass for an interrupted run at the next start.
                job.started.get_or_insert((span, *forget_after));
            }
            // A settled job has nothing more to say.
            JournalRecord::Returned(_) | JournalRecord::NotRun { .. } => {
                job.outcome = job.settled.is_none().then_some(span);
            }
            JournalRecord::Settled { .. } => {
                job.outcome = None;
                job.settled = Some(span);
            }
        }
        self.live_bytes += job.bytes();
        self.unsettled_bytes += job.unsettled_bytes();
        if job.started.is_none() && job.settled.is_some() {
            // Without a start there is nothing that the settlement would have to explain.
            self.live_bytes -= job.bytes();
            self.jobs.remove(jid);
        }
    }

    /// Reads the whole file, repairs it, and says what is in it.
    fn scan(&mut self) -> io::Result<JournalRecovered> {
        let mut damaged_bytes = 0;
        let mut body = Vec::new();
        let has_header = has_header(&self.file, self.end)?;
        let mut at = if has_header { HEADER.len() as u64 } else { 0 };
        let mut torn_bytes = 0;
        while at < self.end {
            let whole = frame_at(&self.file, at, self.end, &mut body)?;
            let found = match whole {
                Some(span) => Some(span),
                None => next_frame(&self.file, at, self.end, &mut body)?,
            };
            let Some(span) = found else {
                torn_bytes = self.end - at;
                break;
            };
            damaged_bytes += span.at - at;
            match decode(&body) {
                Ok(record) => self.note(&record, span),
                Err(_) => damaged_bytes += span.len,
            }
            at = span.end();
        }
        // A file without its first line was not torn by a crash, since files are renamed into place when complete.
        if !has_header {
            damaged_bytes += std::mem::take(&mut torn_bytes).max(1);
        }
        let quarantine = if damaged_bytes > 0 {
            let copy = beside(&self.path, ".damaged");
            std::fs::copy(&self.path, &copy)?;
            File::open(&copy)?.sync_all()?;
            self.compact().map_err(Rewrite::into_error)?;
            Some(Quarantine {
                copy,
                damaged_bytes,
            })
        } else {
            if torn_bytes > 0 {
                self.end -= torn_bytes;
                self.file.set_len(self.end)?;
                self.file.sync_data()?;
            }
            None
        };
        self.recovered(torn_bytes, quarantine)
    }

    fn recovered(
        &self,
        torn_bytes: u64,
        quarantine: Option<Quarantine>,
    ) -> io::Result<JournalRecovered> {
        let mut recovered = JournalRecovered {
            torn_bytes,
            quarantine,
            ..JournalRecovered::default()
        };
        let mut outcomes = Vec::new();
        for (jid, job) in &self.jobs {
            if let Some((_, forget_after)) = job.started {
                recovered.started.insert(*jid, forget_after);
                if job.outcome.is_none() && job.settled.is_none() {
                    recovered.interrupted.push(*jid);
                }
            }
            outcomes.extend(job.outcome);
        }
        outcomes.sort_unstable();
        let mut body = Vec::new();
        for span in outcomes {
            frame_at(&self.file, span.at, self.end, &mut body)?;
            match decode(&body) {
                Ok(JournalRecord::Returned(ret)) if ret.value.len() > VALUE_LOADED_MAX => {
                    recovered.kept.push((ret.jid, ret.value.len() as u64));
                }
                Ok(JournalRecord::Returned(ret)) => recovered.returned.push(ret),
                Ok(JournalRecord::NotRun { jid, reason }) => recovered.not_run.push((jid, reason)),
                _ => return Err(io::Error::other("the file changed while it was read")),
            }
        }
        Ok(recovered)
    }

    fn compact_when_worth_it(&mut self) -> Result<(), JournalError> {
        let garbage = self.end - HEADER.len() as u64 - self.live_bytes;
        if garbage > GARBAGE_BYTES_MAX.max(self.live_bytes).max(self.rewrite_at) {
            let rewritten = self.guarded(|journal| match journal.compact() {
                Err(Rewrite::NoRoom) => Ok(false),
                Err(Rewrite::Failed(error)) => Err(error),
                Ok(()) => Ok(true),
            })?;
            // The old file is as good as before, only longer than it has to be.
            self.rewrite_at = if rewritten {
                0
            } else {
                garbage + GARBAGE_BYTES_MAX
            };
        }
        Ok(())
    }

    /// Rewrites the file with what is needed, in the same order, and puts it in place of the old one.
    fn compact(&mut self) -> Result<(), Rewrite> {
        let mut spans: Vec<Span> = self.jobs.values().flat_map(Entry::spans).collect();
        spans.sort_unstable();
        let mut moved = BTreeMap::new();
        let mut end = HEADER.len() as u64;
        let mut bytes = Vec::new();
        replace(&self.path, |new| {
            for span in &spans {
                bytes.resize(span.len as usize, 0);
                self.file.read_exact_at(&mut bytes, span.at)?;
                new.write_all_at(&bytes, end)?;
                moved.insert(span.at, end);
                end += span.len;
            }
            Ok(())
        })?;
        let to_new = |span: &mut Span| span.at = moved[&span.at];
        for job in self.jobs.values_mut() {
            if let Some((span, _)) = &mut job.started {
                to_new(span);
            }
            job.outcome.iter_mut().for_each(to_new);
            job.settled.iter_mut().for_each(to_new);
        }
        self.file = open_file(&self.path).map_err(Rewrite::Failed)?;
        self.end = end;
        Ok(())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Why a file was not rewritten.
#[derive(Debug)]
enum Rewrite {
    /// The new file found no room; the old one is untouched.
    NoRoom,
    /// Anything else.
    Failed(io::Error),
}

impl Rewrite {
    fn into_error(self) -> io::Error {
        match self {
            Rewrite::NoRoom => io::ErrorKind::StorageFull.into(),
            Rewrite::Failed(error) => error,
        }
    }
}

/// Writes a new journal beside the old one and renames it into place once it is complete and durable.
fn replace(path: &Path, fill: impl FnOnce(&File) -> io::Result<()>) -> Result<(), Rewrite> {
    let new = beside(path, ".new");
    match write_new(&new, fill) {
        Ok(()) => std::fs::rename(&new, path)
            .and_then(|()| sync_directory_of(path))
            .map_err(Rewrite::Failed),
        Err(error) if is_full(&error) => {
            remove_if_there(&new).map_err(Rewrite::Failed)?;
            Err(Rewrite::NoRoom)
        }
        Err(error) => Err(Rewrite::Failed(error)),
    }
}

fn write_new(new: &Path, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(FILE_MODE)
        .open(new)?;
    file.write_all_at(HEADER, 0)?;
    fill(&file)?;
    file.sync_all()
}

/// Whether the file begins with this version's first line.
fn has_header(file: &File, len: u64) -> io::Result<bool> {
    let mut line = [0; HEADER.len()];
    if len < line.len() as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut line, 0)?;
    Ok(line == HEADER)
}

/// Refuses the file of a newer release, and lets anything else pass: damage is dealt with later.
fn check_version(file: &File, len: u64, path: &Path) -> Result<(), JournalError> {
    let mut line = [0; HEADER.len()];
    let len = line.len().min(len as usize);
    file.read_exact_at(&mut line[..len], 0)
        .map_err(JournalError::io(path))?;
    match line[..len].strip_prefix(HEADER_NAME) {
        Some(version) if version.first().is_some_and(u8::is_ascii_digit) && line != HEADER => {
            Err(JournalError::Newer {
                path: path.to_owned(),
                found: String::from_utf8_lossy(&line[..len]).trim_end().to_owned(),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
