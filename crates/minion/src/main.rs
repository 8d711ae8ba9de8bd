//! The minion: a leaf of the tree. It runs functions on its host when a signed order says so.
//!
//! The loop in `engine` drives the leaf machine of `relay`; `links` dials hubs, `executor` runs functions of
//! `modules`, `files` brings `salt://` files. `call` runs a function here and now: it asks the daemon of this host (`ask`, `control`),
//! is the minion itself where none runs (`visit`), or needs no hub (`alone`).

mod alone;
mod ask;
mod beacons;
mod call;
mod caller;
mod cli;
mod control;
mod engine;
mod executor;
mod files;
mod herald;
mod links;
mod local;
mod mine;
mod node;
mod orphans;
mod overlay;
mod own;
mod room;
mod roots;
mod salt_call;
mod schedule;
mod serve;
mod spool;
mod startup;
mod steps;
mod surroundings;
mod visit;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
