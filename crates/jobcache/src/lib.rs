//! Job caches outside of the hub: MySQL or MariaDB and PostgreSQL in Salt's own tables, a file, and the host's log.
//!
//! It writes what it is given, in order, and says what went wrong; what is new, when to try again and what an operator is told
//! is the hub's affair. A batch is in a database once, whatever was lost on the way: its rows and the hub's mark go in one
//! transaction, which begins with a lock on that mark, so a transaction of a lost connection is over before the next one looks;
//! and each changes the mark, so that a cluster without common locks lets one of two through.
//! Only plain SQL is used, so that databases that speak either protocol serve as well. It is the only user of sqlx.

mod cache;
mod error;
mod events;
mod file;
mod insert;
mod json;
mod readiness;
mod rows;
mod schema;
mod server;
mod session;
mod syslog;
mod tables;

pub use cache::{Cache, Loss, Place, Report};
pub use error::CacheError;
pub use events::{Event, EventBatch};
pub use rows::{Batch, Job, Return};
pub use schema::{Dialect, schema};
pub use server::{Host, Server, Tls};
pub use syslog::Syslog;
