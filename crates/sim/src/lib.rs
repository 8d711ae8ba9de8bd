//! The simulation: whole trees of relay machines with a fake clock, faults and a seed.
//!
//! A [`world::World`] holds the machines of [`relay`] as nodes with disks that lose what was not saved, and links
//! that delay, cut and forget. A small [`model`] beside it knows what is true, and after every step the promises
//! are checked under their names (P1 to P9). The same seed gives the same run, event for event.
//!
//! It opens no socket and no file, and reads no clock. It is a test: nothing uses it.

pub mod check;
pub mod disk;
pub mod explore;
pub mod faults;
pub mod hunt;
pub mod model;
pub mod net;
pub mod node;
pub mod operator;
pub mod orders;
pub mod plan;
pub mod rng;
pub mod scenario;
pub mod shape;
pub mod shrink;
pub mod trace;
pub mod world;
