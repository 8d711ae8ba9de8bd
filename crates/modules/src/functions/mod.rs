//! The functions, one file for each module of Salt that is served (small ones share a file).

mod accounts;
mod archive;
mod cmd;
mod config;
mod cp;
mod disk;
mod file;
mod grains;
mod hashutil;
mod network;
mod pkg;
mod ps;
mod saltutil;
mod service;
mod status;
mod sys;
mod test;

pub(crate) use archive::guessed_format;
pub(crate) use file::{expand_user, normal};

use serde_json::Value;

use crate::failure::Failure;
use crate::registry::{Env, Function};
use crate::signature::Args;

/// What a function gives back to the registry.
type Answer = Result<Value, Failure>;

/// The tables of all modules.
pub(crate) const MODULES: &[&[Function]] = &[
    accounts::FUNCTIONS,
    archive::FUNCTIONS[0],
    archive::FUNCTIONS[1],
    archive::FUNCTIONS[2],
    archive::FUNCTIONS[3],
    cmd::FUNCTIONS,
    config::FUNCTIONS,
    cp::FUNCTIONS,
    disk::FUNCTIONS,
    file::FUNCTIONS[0],
    file::FUNCTIONS[1],
    file::FUNCTIONS[2],
    file::FUNCTIONS[3],
    file::FUNCTIONS[4],
    file::FUNCTIONS[5],
    file::FUNCTIONS[6],
    file::FUNCTIONS[7],
    file::FUNCTIONS[8],
    file::FUNCTIONS[9],
    file::FUNCTIONS[10],
    grains::FUNCTIONS,
    hashutil::FUNCTIONS,
    network::FUNCTIONS,
    pkg::FUNCTIONS,
    ps::FUNCTIONS,
    saltutil::FUNCTIONS,
    service::FUNCTIONS,
    status::FUNCTIONS,
    sys::FUNCTIONS,
    test::FUNCTIONS,
];
