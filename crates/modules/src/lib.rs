//! Execution functions and grains of a minion, under Salt's names and with Salt's meaning.
//!
//! This is the only crate of the workspace that touches the host: processes, `/proc`, `/sys`, files, accounts.
//! It never opens a connection to a hub, never decides who may call what, keeps no state between calls, and starts no
//! runtime: a function runs on the thread of its caller until it answers or its [`Cancel`] is used. Programs that act as
//! a minion may use it; hubs may not.
//!
//! A [`Registry`] maps names such as `cmd.run` to functions. The minion hands over a [`Call`], its [`Context`] and a
//! [`Cancel`], and gets an [`Outcome`]: always a value for the operator, never a panic.
//!
//! Linux only.

#[cfg(not(target_os = "linux"))]
compile_error!("a minion's functions read /proc and use Linux process groups");

mod accounts;
mod apply;
mod banner;
pub mod beacons;
mod call;
mod cancel;
mod context;
mod crypt;
mod custom;
pub mod cut;
mod digest;
mod edit;
mod environment;
mod extensions;
mod failure;
mod fallback;
mod files;
mod functions;
mod git;
pub mod grains;
mod interfaces;
mod mask;
mod mine;
mod moment;
mod nested;
pub mod orphans;
mod packages;
mod pattern;
mod pip;
mod postgres;
mod process;
mod processes;
mod random;
mod registry;
mod rendering;
mod repositories;
mod root;
mod services;
mod signature;
mod source;
mod states;
#[cfg(test)]
mod testing;
mod timetable;
mod twister;

use data::python;
mod tools;

pub use call::{Call, Outcome};
pub use cancel::{Cancel, CancelKind};
pub use context::{Context, FileHash, FileSource, PillarWish, RunningJob};
pub use custom::grains as custom_grains;
pub use mine::Mine;
pub use registry::Registry;
pub use timetable::{Part, Timetable};
