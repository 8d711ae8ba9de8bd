//! The simulation: whole trees of relay machines with a fake clock, faults and a seed.
//!
//! A [`world::World`] holds the machines of [`relay`] as nodes with disks that lose what was not saved, and links
//! that delay, cut and forget. A small [`model`] beside it knows what is true, and after every step the promises
//! are checked under their names (P1 to P9). The same seed gives the same run, event for event.
//!
//! The commands beside `cargo test -p sim`:
//! - `cargo run -p sim --example soak -- PLAN FIRST COUNT` runs many seeds and shrinks what fails to one line, which the same
//!   command plays again and prints. The plans stand in [`plan::Plan`].
//! - `cargo test -p sim --features planted --test planted` looks for a sample of the bugs of `relay::planted`; with
//!   `-- --ignored --nocapture` for all of them, and prints how many seeds each needs.
//! - `cargo run --release -p sim --example explore -- DEATHS CUTS STATES NODE..` explores all runs of a small tree.
//! - `cargo run --release -p sim --example large -- MINIONS SITES` counts a big tree.
//!
//! It opens no socket and no file, and reads no clock. It is a test: nothing uses it.

mod beside;
pub mod check;
pub mod disk;
pub mod explore;
pub mod faults;
pub mod hunt;
pub mod large;
pub mod model;
pub mod net;
pub mod node;
pub mod operator;
pub mod orders;
pub mod pillars;
pub mod plan;
pub mod rng;
pub mod scenario;
pub mod shape;
pub mod shrink;
pub mod trace;
pub mod world;
