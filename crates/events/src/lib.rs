//! The event bus of a tree, without its wires: what a tag may be, which tags somebody reads, what waits for a reader, how many
//! are too many. Hubs and minions drive it.

mod event;
mod filters;
mod outbox;
mod queue;
mod rate;
pub mod reaction;
mod seen;
pub mod tag;

pub use event::{Event, of_minion, stamp};
pub use filters::{FilterError, Filters, is_covered, widened};
pub use outbox::Outbox;
pub use queue::{Item, Queue};
pub use rate::Rate;
pub use seen::Seen;

/// Events that one minion may have a second, as its hub sees it; what is more is dropped and counted. A minion keeps to half of it by itself.
pub const MINION_PER_SECOND: u32 = 1_000;
/// Events that one syndic may tell a second.
pub const SYNDIC_PER_SECOND: u32 = 10_000;
/// Events that wait for one reader, at most.
pub const WAITING_MAX: usize = 4_096;
/// And bytes of them.
pub const WAITING_BYTES_MAX: usize = 8 << 20;
