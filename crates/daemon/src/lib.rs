//! The shell around the machines of a program: settings, logs, metrics, health pages, signals, exit codes.
//!
//! It never decides what a node does: it reads what the operator wants before the first port is bound, and shows how the
//! process fares. It knows no message and opens no port but the one for metrics, which listens on loopback alone. The
//! programs of hubs and minions use it.

pub mod clock;
pub mod config;
pub mod exit;
pub mod files;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod names;
pub mod signals;
pub mod socket;
pub mod user;
