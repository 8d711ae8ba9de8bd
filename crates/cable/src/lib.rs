//! Pieces of network for tests and benchmarks; no product uses it.
//!
//! A [`Cable`] carries UDP between the nodes that dial its port and one hub, as a router that translates addresses does.
//! Each direction has its [`Weather`]: delay, loss, reordering, duplicates, damage, a longest packet, a bandwidth. What
//! becomes of the n-th packet of a direction follows from a seed alone ([`Dice`]), so that a run can be repeated.
//!
//! A [`Namespace`] is a network of its own, in which a cable may have either of its ends: nodes in different namespaces
//! reach each other over cables and in no other way. It has no name on the machine, and goes with the process.

mod cable;
mod carrier;
mod dice;
mod namespace;
mod weather;

pub use cable::{Cable, Ends, Traffic, Way};
pub use dice::Dice;
pub use namespace::{Namespace, within};
pub use weather::Weather;
