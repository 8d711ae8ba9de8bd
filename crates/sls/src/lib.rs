//! State files: from their texts to the calls that a minion makes, as Salt does it.
//!
//! This crate never touches a file, a clock, the environment or a thread: what it needs comes in through small traits, and what
//! has to happen goes out as values. The minion may use it.

pub mod compile;
