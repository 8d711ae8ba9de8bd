//! Drives mirrors against real repositories, made by the `git` program in temporary folders.

mod environments;
mod faults;
mod fetching;
mod fixture;
mod hostile;
mod https;
mod packs;
mod ssh;
