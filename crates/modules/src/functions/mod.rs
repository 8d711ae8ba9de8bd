//! The functions, one file for each module of Salt that is served (small ones share a file).

mod accounts;
#[cfg(test)]
mod as_salt;
mod cmd;
mod config;
mod cp;
pub(crate) mod cron;
mod defaults;
mod dig;
mod disk;
mod dnsutil;
mod environ;
pub(crate) mod file;
mod filter;
mod grains;
mod hashutil;
pub(crate) mod hosts;
mod log;
mod matching;
mod network;
mod pillar;
mod pkg;
mod ps;
mod random;
mod saltutil;
mod service;
mod slsutil;
mod state;
mod status;
mod sys;
pub(crate) mod sysctl;
mod test;

pub(crate) use file::expand_user;

use serde_json::Value;

use crate::failure::Failure;
use crate::registry::{Env, Function};
use crate::signature::Args;

/// What a function gives back to the registry.
type Answer = Result<Value, Failure>;

/// The tables of all modules.
pub(crate) const MODULES: &[&[Function]] = &[
    accounts::FUNCTIONS,
    cmd::FUNCTIONS,
    config::FUNCTIONS,
    cp::FUNCTIONS,
    cron::FUNCTIONS,
    defaults::FUNCTIONS,
    dig::FUNCTIONS,
    disk::FUNCTIONS,
    dnsutil::FUNCTIONS,
    environ::FUNCTIONS,
    file::FUNCTIONS[0],
    file::FUNCTIONS[1],
    file::FUNCTIONS[2],
    file::FUNCTIONS[3],
    file::FUNCTIONS[4],
    file::FUNCTIONS[5],
    grains::FUNCTIONS,
    hashutil::FUNCTIONS,
    hosts::FUNCTIONS,
    log::FUNCTIONS,
    matching::FUNCTIONS,
    network::FUNCTIONS,
    pillar::FUNCTIONS,
    pkg::FUNCTIONS,
    ps::FUNCTIONS,
    random::FUNCTIONS,
    saltutil::FUNCTIONS,
    service::FUNCTIONS,
    state::FUNCTIONS[0],
    state::FUNCTIONS[1],
    state::FUNCTIONS[2],
    slsutil::FUNCTIONS,
    status::FUNCTIONS,
    sys::FUNCTIONS,
    sysctl::FUNCTIONS,
    test::FUNCTIONS,
];
