//! The relay: what hubs and minions decide, as machines without IO.
//!
//! [`Hub`] is the machine of top-masters and syndics, [`Leaf`] that of minions. Both take inputs and the time, and hand back
//! outputs: bytes to save, messages to send, functions to start. Neither opens a socket or a file, reads a
//! clock, spawns a task or draws a random number; the same inputs give the same outputs, so that the simulation
//! can replay them. The programs' shells, the simulation and the benchmarks use it; it uses `wire` and `targeting`.
//!
//! Whatever promises durability (an acknowledgement, a manifest, a finished job) is held back until the shell
//! says that the records before it are on disk: see [`saving`].

mod arrivals;
mod child;
mod gate;
pub mod hub;
mod job;
pub mod leaf;
mod probe;
mod roster;
pub mod saving;
mod uplink;

pub use gate::{Authorized, Peer, Violation, authorize};
pub use hub::{Hub, HubConfig, HubInput, HubOutput, HubRecovered, HubStats};
pub use job::{JobView, Replay};
pub use leaf::{Leaf, LeafConfig, LeafInput, LeafOutput, LeafRecovered, Verdict, Verify};
pub use roster::{Decision, RosterView};

/// Names one session of a link, from its start to its end; given by the shell, never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);
