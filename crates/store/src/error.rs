//! What can go wrong with files, in the words of an operator.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use wire::codec::CodecError;

/// Why the store of a hub could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The database said no.
    #[error("{}: {source}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// No room is left on the file system. Nothing of the batch was saved.
    #[error("{}: the disk is full", path.display())]
    DiskFull {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not what was written. It is left as it is; restore it or move it away.
    #[error("{} is damaged: {detail}; restore it, or move it away to begin with an empty store", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A newer release has changed the file's form.
    #[error("{} has version {found}, and this release reads up to version {known}: run the release that wrote it, or a newer one", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Version of the file.
        found: u32,
        /// Newest version that this build reads.
        known: u32,
    },
    /// Another process holds the file.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The database would not promise durability.
    #[error("{}: {pragma} is {found:?} and has to be {needed:?}, else acknowledged records could be lost", path.display())]
    NotDurable {
        /// Which file.
        path: PathBuf,
        /// Which setting.
        pragma: &'static str,
        /// What it is after it was set.
        found: String,
        /// What it has to be.
        needed: &'static str,
    },
    /// A record that does not fit into its limits. Nothing of the batch was saved.
    #[error("record: {0}")]
    Record(#[from] CodecError),
    /// An earlier write failed; nothing is written any more.
    #[error("{}: not written, since an earlier write failed", path.display())]
    Stopped {
        /// Which file.
        path: PathBuf,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError {
        move |source| {
            let path = path.to_owned();
            match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
                    path,
                    detail: source.to_string(),
                },
                _ => StoreError::Database { path, source },
            }
        }
    }

    pub(crate) fn damaged(path: &Path, detail: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            path: path.to_owned(),
            detail: detail.into(),
        }
    }
}

/// Why the journal of a minion could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system said no. After this from a write, nothing is written any more.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No room is left on the file system. Nothing of the batch counts as written; the same batch may be tried again.
    #[error("{}: the disk is full", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// A newer release has changed the file's form.
    #[error("{} was written by a newer release ({found:?}): run that release", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// First line of the file.
        found: String,
    },
    /// Another process holds the file.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// A record that does not fit into its limits. Nothing was written.
    #[error("record: {0}")]
    Record(#[from] CodecError),
    /// An earlier write failed; nothing is written any more.
    #[error("{}: not written, since an earlier write failed", path.display())]
    Stopped {
        /// Which file.
        path: PathBuf,
    },
}

impl JournalError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
        move |source| JournalError::Io {
            path: path.to_owned(),
            source,
        }
    }
}
