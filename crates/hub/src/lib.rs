//! The shell of a hub: what top-masters and syndics are made of around the relay machine.
//!
//! It joins link, store, roots, keys and configuration, and decides nothing that the machine decides: the loop in
//! [`engine`] moves messages, bytes and time. The programs `top-master` and `syndic` use it, nobody else.

mod above;
mod adopt;
mod caller;
mod choice;
pub mod contents;
pub mod control;
pub mod disk;
pub mod engine;
pub mod errands;
mod event_return;
pub mod events;
mod gatekeeper;
pub mod grants;
pub mod guard;
pub mod init;
mod inquiry;
pub mod job_cache;
pub mod job_journal;
mod jobs;
pub mod links;
mod mine;
pub mod moment;
pub mod orchestrate;
mod outage;
mod own_runs;
pub mod parents;
mod pillars;
pub mod places;
pub mod pruning;
mod reactor;
pub mod report;
pub mod requests;
pub mod roots;
mod rows;
pub mod runners;
pub mod serve;
pub mod service;
pub mod standing;
mod store_work;
pub mod submit;
pub mod surroundings;
pub mod timetable;
pub mod trust;
mod undecided;

/// Thousands of sessions make and drop small things all the time: the system's allocator takes some 8 % more of a hub's processor
/// time for the same jobs, and as much memory (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
