//! What nodes keep on disk: the database of a hub and the journal of a minion.
//!
//! Two promises rest on this crate. *Durable*: what [`HubStore::commit`] or [`Journal::append`] returned `Ok` for is there
//! after a kill or a power cut. *Honest*: a damaged file is reported by name; nothing is ever recreated in silence.
//!
//! An error of a write or a sync is final. The kernel may forget that a page failed to reach the disk, so that a second
//! `fsync` answers "ok" for data that is gone; therefore nothing here retries, the handle refuses further writes, and the
//! program is to stop. A restart recovers from what the disk really has. One failure is no such error: a journal that finds no
//! room for more bytes cuts off what it wrote of them and says so, since nothing that it had before is in doubt.
//!
//! It never decides anything: what is saved, and when a job is closed, is the relay machines' choice. It knows no
//! network, no clock and no signal. The programs of hubs and minions use it; it is the only user of SQLite.

mod calls;
mod changes;
mod committer;
mod error;
mod hub;
mod jobs;
mod journal;
mod journal_file;
mod lock;
mod own_runs;
mod owners;
mod prune;
mod recovered;
mod runs;
mod schema;
mod search;
mod space;
mod tables;

pub use calls::{CALLS_BYTES_MAX, CALLS_MAX};
pub use changes::Change;
pub use committer::{Committed, Committer, CommitterGone, GROUP_RECORDS_MAX, QUEUE_BATCHES_MAX};
pub use error::{JournalError, StoreError};
pub use hub::{HubReader, HubStore};
pub use jobs::{LIST_MAX, StoredJob};
pub use journal::{
    CLOCK_SLACK_MS, GARBAGE_BYTES_MAX, Journal, JournalRecovered, Quarantine, VALUE_LOADED_MAX,
};
pub use own_runs::OWN_RUNS_MAX;
pub use prune::{PRUNE_ROWS_MAX, Pruned};
pub use recovered::Recovered;
pub use schema::SCHEMA_VERSION;
pub use space::free_bytes;
