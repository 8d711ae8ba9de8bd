//! The functions, one file for each module of Salt that is served (small ones share a file).

mod accounts;
pub(crate) mod alternatives;
pub(crate) mod augeas;
mod cmd;
mod config;
mod cp;
pub(crate) mod cron;
mod disk;
pub(crate) mod environ;
pub(crate) mod file;
mod grains;
mod hashutil;
pub(crate) mod hosts;
pub(crate) mod ini;
pub(crate) mod kmod;
pub(crate) mod locale;
pub(crate) mod logrotate;
pub(crate) mod mount;
mod network;
mod pkg;
mod ps;
mod saltutil;
pub(crate) mod selinux;
mod service;
pub(crate) mod ssh;
mod status;
mod sys;
pub(crate) mod sysctl;
mod test;
pub(crate) mod timezone;

use serde_json::Value;

use crate::failure::Failure;
use crate::registry::{Env, Function};
use crate::signature::Args;

/// What a function gives back to the registry.
type Answer = Result<Value, Failure>;

/// The tables of all modules.
pub(crate) const MODULES: &[&[Function]] = &[
    accounts::FUNCTIONS,
    alternatives::FUNCTIONS,
    augeas::FUNCTIONS,
    cmd::FUNCTIONS,
    config::FUNCTIONS,
    cp::FUNCTIONS,
    cron::FUNCTIONS,
    disk::FUNCTIONS,
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
    ini::FUNCTIONS,
    kmod::FUNCTIONS,
    locale::FUNCTIONS,
    logrotate::FUNCTIONS,
    mount::FUNCTIONS,
    network::FUNCTIONS,
    pkg::FUNCTIONS,
    ps::FUNCTIONS,
    saltutil::FUNCTIONS,
    selinux::FUNCTIONS,
    service::FUNCTIONS,
    ssh::FUNCTIONS,
    status::FUNCTIONS,
    sys::FUNCTIONS,
    sysctl::FUNCTIONS,
    test::FUNCTIONS,
    timezone::FUNCTIONS,
];
