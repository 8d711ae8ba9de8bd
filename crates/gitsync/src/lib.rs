//! Mirrors one git remote into a bare repository and serves read-only snapshots of it, by commit.
//!
//! A [`Mirror`] fetches (or receives a pack from a parent hub), verifies everything it got, and only then switches: the
//! new state is one small file, renamed into place, so a reader sees the old state or the new one and nothing between.
//! Whatever goes wrong before the rename, the last good state stays in service. A [`Snapshot`] reads straight from the
//! object database, so there is no checkout to tear.
//!
//! **One state, one id.** A state says which commit each environment serves. When one commit decides all of it (only
//! `base`, or folders of one branch), the id of the state is that commit. Otherwise the id is a *record*: a git commit
//! object made by the mirror from the environments alone, whose parents are their commits. Hubs with equal environments
//! make equal records without talking. Since a record is a commit, a job pins it, [`Mirror::snapshot`] opens it and
//! [`Mirror::pack`] carries it, with everything below it, as any other commit.
//!
//! **What it never does**: check out files, run hooks, filters or programs, read git's configuration of the user or the
//! system, follow a redirect to another host, follow symbolic links or submodules, accept an unknown host key, or rewind an environment
//! unasked. Content is named by SHA-1 here; who may trust it is decided above, by signatures.
//!
//! **Who may use it**: hubs. It is the only user of git2. Nothing is async: callers bring threads.

mod connectivity;
mod deadline;
mod environments;
mod error;
mod hostkey;
mod id;
mod incoming;
mod limits;
mod lock;
mod mirror;
mod names;
mod objects;
mod pack;
mod process;
mod record;
mod remote;
mod service;
mod snapshot;
mod symlinks;
mod tree;
mod update;
mod upstream;

pub use environments::{EnvironmentRule, Layout};
pub use error::Error;
pub use id::{BlobId, CommitId, NotAnId};
pub use limits::Limits;
pub use mirror::{Fetched, Mirror, RootsState, STATE_REF};
pub use remote::{Auth, HostKeys, Remote, SshKey};
pub use snapshot::{File, Snapshot};
pub use tree::{Entry, Skipped, SkippedReason};
