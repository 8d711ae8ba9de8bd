//! Jobs by the clock, with Salt's keys: which of them is due now, and when the next one is. No clock of its own, no disk, no thread.
//!
//! A [`Plan`] is read from the map that settings and pillar call `schedule`. The [`Scheduler`] gets it and the time, says which jobs
//! are due ([`Firing`]), and when it wants to be asked again. What it has to know after a restart is [`Kept`].
//!
//! A time that passed while nobody asked is not made up for in a heap: a job is due once, however many of its times went by. Jobs
//! with `when` and `once` are not due at all when they are more than [`GRACE`] late.

mod cron;
mod entry;
mod every;
mod plan;
mod scheduler;
mod skipped;
mod trigger;
mod when;

use jiff::SignedDuration;

pub use entry::{Entry, EntryError, KEYS, Range, Splay};
pub use plan::{ENTRIES_MAX, GLOBAL_KEYS, Plan, PlanError};
pub use scheduler::{Firing, Kept, Scheduler, SetBack};
pub use skipped::Skipped;
pub use trigger::Trigger;
pub use when::{When, WhenError};

/// A job with `when` or `once` whose time is longer ago than this is not run any more.
pub const GRACE: SignedDuration = SignedDuration::from_secs(60);
