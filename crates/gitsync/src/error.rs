//! What can go wrong, and whose fault it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::CommitId;

/// Why the mirror could not do what was asked. After any of these the last good state is still in service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The remote's URL is not one that is allowed. Configuration error.
    #[error("remote `{url}` refused: {reason}")]
    Url {
        /// The URL as configured, without its password.
        url: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The remote's host key is not one that is pinned. Someone may be listening, or the key was rotated.
    #[error("host key of {host} is not pinned: it presented {presented}")]
    HostKey {
        /// The host, as named in the URL.
        host: String,
        /// Type and SHA-256 fingerprint of the key that it presented.
        presented: String,
    },
    /// An environment in the configured rule has a name that cannot be served. Configuration error.
    #[error("environment `{name}` refused: its name is not one a file could have")]
    EnvironmentName {
        /// The name, with anything unprintable escaped.
        name: String,
    },
    /// The folder of the pillar holds that of the files, or is the same: pillar would be served as files. Configuration error.
    #[error(
        "`pillar_root` must be a folder that `root` does not lie in: what is below it is never served as files"
    )]
    PillarRoot,
    /// A file with keys or certificates could not be used. Configuration error.
    #[error("{path}: {reason}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The remote refused the credentials, or asked for a kind that is not configured.
    #[error("remote refused the credentials: {detail}")]
    Auth {
        /// What the remote or the library said.
        detail: String,
    },
    /// The remote could not be reached or broke off. A retry may help.
    #[error("remote failed: {detail}")]
    Remote {
        /// What the library said.
        detail: String,
    },
    /// The fetch took longer than it may. A retry may help.
    #[error("remote not done after {} s", after.as_secs_f32())]
    Timeout {
        /// The configured time.
        after: Duration,
    },
    /// Another fetch or receive of this mirror is still running.
    #[error("another update of this mirror is running")]
    Busy,
    /// The remote has no branch at all.
    #[error("remote has no branches")]
    Empty,
    /// An environment names a reference that the remote does not have.
    #[error("environment `{environment}`: remote has no `{reference}`")]
    NoReference {
        /// The environment.
        environment: String,
        /// The branch or tag that was looked for.
        reference: String,
    },
    /// A branch behind an environment was force-pushed. To accept it, call
    /// [`Mirror::fetch_accepting_rewind`](crate::Mirror::fetch_accepting_rewind).
    #[error(
        "`{reference}` was rewound from {from} to {to}; refused until an operator accepts the rewind"
    )]
    Rewound {
        /// The full name of the reference.
        reference: String,
        /// The commit in service.
        from: CommitId,
        /// The commit that is offered, which does not follow from it.
        to: CommitId,
    },
    /// A limit would be exceeded.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of, with its unit.
        what: &'static str,
        /// The bound, from [`Limits`](crate::Limits).
        limit: u64,
    },
    /// Objects are missing or damaged.
    #[error("damaged or incomplete: {detail}")]
    Corrupt {
        /// Which object, and how.
        detail: String,
    },
    /// No branch, tag or commit has this name here.
    #[error("no branch, tag or commit `{text}` in this mirror")]
    Unknown {
        /// What was asked for.
        text: String,
    },
    /// The snapshot has no such environment.
    #[error("no environment `{environment}` at {commit}")]
    NoEnvironment {
        /// The environment.
        environment: String,
        /// The commit of the snapshot.
        commit: CommitId,
    },
    /// A live process holds this mirror.
    #[error("{dir} is in use by process {owner}")]
    Locked {
        /// The mirror's directory.
        dir: PathBuf,
        /// The process id in the lock file, or `?`.
        owner: String,
    },
    /// The state file is not one that this version can read.
    #[error("{path}: {reason}")]
    State {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The local disk failed.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    }

    /// An object that should be here cannot be read.
    pub(crate) fn corrupt(what: impl std::fmt::Display) -> impl FnOnce(git2::Error) -> Error {
        move |error| Error::Corrupt {
            detail: format!("{what}: {}", error.message()),
        }
    }
}
