//! The relay: what hubs and minions decide, as machines without IO.
//!
//! [`Hub`] is the machine of top-masters and syndics, [`Leaf`] that of minions. Both take inputs and the time, and hand back
//! outputs: bytes to save, messages to send, functions to start. Neither opens a socket or a file, reads a
//! clock, spawns a task or draws a random number; the same inputs give the same outputs, so that the simulation
//! can replay them. The programs' shells, the simulation and the benchmarks use it; it uses `wire` and `targeting`.
//!
//! Whatever promises durability (an acknowledgement, a manifest, a finished job) is held back until the shell
//! says that the records before it are on disk: see [`saving`].

mod account;
mod adoption;
mod arrivals;
mod bounds;
mod child;
mod dispatch;
mod exchange;
mod gate;
pub mod hub;
mod inquiry;
mod job;
mod keys;
pub mod leaf;
mod meant;
mod node;
mod plan;
pub mod planted;
mod probe;
mod question;
mod recall;
mod rollout;
mod roster;
pub mod saving;
mod settlement;
mod spool;
mod state;
mod steps;
mod unsaved;
mod uplink;
mod witness;

pub use account::{JobView, NameOf, Replay, Returned};
pub use exchange::{HubConfig, HubInput, HubOutput, HubRecovered, HubStats, RecoveredJob};
pub use gate::{Authorized, Peer, Violation, authorize, may_tell};
pub use hub::{AWAITED_MAX, Hub};
pub use inquiry::Inquiry;
pub use job::BATCH_RUN_MS;
pub use leaf::{Leaf, LeafConfig, LeafInput, LeafOutput, LeafRecovered, Verify};
pub use node::{NodeFacts, RosterView};
pub use question::Answer;
pub use roster::Decision;
pub use unsaved::{GATHER_MS, SAVE_BYTES_MAX};

/// Names one session of a link, from its start to its end; given by the shell, never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);
