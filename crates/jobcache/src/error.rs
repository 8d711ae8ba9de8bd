//! What can go wrong outside, in the words of an operator. No text holds a password.

use crate::Host;

/// Why a batch was not written, or whether it was is not known. All of them may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The database, or the way there, said no. Its text holds what it follows from, so the chain ends here.
    #[error("the database: {0}")]
    Database(sqlx::Error),
    /// The server answers, and is not the one to write to.
    #[error("not in service: {0}")]
    NotReady(String),
    /// Each host of a database failed in its own way.
    #[error("{}", all(.0))]
    Hosts(Vec<(Host, CacheError)>),
    /// No answer in time; what was begun may or may not be done.
    #[error("no answer within {0} s")]
    Slow(u64),
    /// The file can't be written.
    #[error("{}: {said}", path.display())]
    File {
        /// Which one.
        path: std::path::PathBuf,
        /// What the system said.
        said: std::io::Error,
    },
    /// A table or column is missing or is not readable.
    #[error("table {table}: {said}")]
    Table {
        /// Which one.
        table: &'static str,
        /// What the database said.
        said: sqlx::Error,
    },
}

fn all(failures: &[(Host, CacheError)]) -> String {
    let texts: Vec<String> = failures
        .iter()
        .map(|(host, error)| format!("{host}: {error}"))
        .collect();
    texts.join("; ")
}

impl From<sqlx::Error> for CacheError {
    fn from(error: sqlx::Error) -> CacheError {
        CacheError::Database(error)
    }
}

impl CacheError {
    /// Whether the database only asks for the same transaction again: a serialization failure or a deadlock.
    pub(crate) fn is_conflict(&self) -> bool {
        let CacheError::Database(sqlx::Error::Database(error)) = self else {
            return false;
        };
        // The class of rolled back transactions, in both protocols.
        error.code().is_some_and(|code| code.starts_with("40"))
    }
}
