//! The functions, one file for each module of Salt that is served (small ones share a file).

mod cmd;
mod config;
mod cp;
pub(crate) mod debconf;
mod disk;
mod file;
mod git;
mod grains;
mod group;
mod hashutil;
mod network;
mod pip;
mod pkg;
mod ps;
mod saltutil;
mod service;
mod shadow;
mod status;
mod sys;
mod test;
mod user;
mod virtualenv;

use serde_json::Value;

use crate::failure::Failure;
use crate::registry::{Env, Function};
use crate::signature::Args;

/// What a function gives back to the registry.
type Answer = Result<Value, Failure>;

/// The tables of all modules.
pub(crate) const MODULES: &[&[Function]] = &[
    cmd::FUNCTIONS,
    config::FUNCTIONS,
    cp::FUNCTIONS,
    debconf::FUNCTIONS,
    disk::FUNCTIONS,
    file::FUNCTIONS[0],
    file::FUNCTIONS[1],
    file::FUNCTIONS[2],
    file::FUNCTIONS[3],
    file::FUNCTIONS[4],
    git::FUNCTIONS,
    grains::FUNCTIONS,
    group::FUNCTIONS,
    hashutil::FUNCTIONS,
    network::FUNCTIONS,
    pip::FUNCTIONS,
    pkg::FUNCTIONS,
    pkg::repos::FUNCTIONS,
    ps::FUNCTIONS,
    saltutil::FUNCTIONS,
    service::FUNCTIONS,
    shadow::FUNCTIONS,
    status::FUNCTIONS,
    sys::FUNCTIONS,
    test::FUNCTIONS,
    user::FUNCTIONS,
    virtualenv::FUNCTIONS,
];
