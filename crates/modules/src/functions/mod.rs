//! The functions, one file for each module of Salt that is served (small ones share a file).

mod aliases;
pub(crate) mod alternatives;
pub(crate) mod apache;
mod archive;
#[cfg(test)]
mod as_salt;
pub(crate) mod augeas;
mod beacons;
mod cmd;
mod config;
mod cp;
pub(crate) mod cron;
pub(crate) mod debconf;
mod defaults;
mod dig;
mod disk;
mod dnsutil;
pub(crate) mod environ;
mod event;
pub(crate) mod file;
mod filter;
pub(crate) mod firewalld;
pub(crate) mod gem;
mod git;
mod grains;
mod group;
mod hashutil;
pub(crate) mod hosts;
pub(crate) mod http;
pub(crate) mod ini;
pub(crate) mod iptables;
pub(crate) mod kmod;
pub(crate) mod locale;
mod log;
pub(crate) mod logrotate;
mod matching;
mod mine;
pub(crate) mod mount;
mod network;
pub(crate) mod npm;
mod pillar;
mod pip;
mod pkg;
mod postgres;
mod ps;
pub(crate) mod rabbitmq;
mod random;
mod saltutil;
mod schedule;
pub(crate) mod selinux;
mod service;
mod shadow;
mod slsutil;
pub(crate) mod ssh;
mod state;
mod status;
pub(crate) mod supervisord;
mod sync;
mod sys;
pub(crate) mod sysctl;
mod system;
mod test;
pub(crate) mod timezone;
mod user;
mod virtualenv;

pub(crate) use archive::guessed_format;
pub(crate) use file::{expand_user, normal};

use serde_json::Value;

use crate::failure::Failure;
use crate::python;
use crate::registry::{Env, Function};
use crate::signature::Args;

/// What a function gives back to the registry.
type Answer = Result<Value, Failure>;

/// The tables of all modules.
pub(crate) const MODULES: &[&[Function]] = &[
    aliases::FUNCTIONS,
    alternatives::FUNCTIONS,
    apache::FUNCTIONS,
    archive::FUNCTIONS[0],
    archive::FUNCTIONS[1],
    archive::FUNCTIONS[2],
    archive::FUNCTIONS[3],
    augeas::FUNCTIONS,
    beacons::FUNCTIONS,
    cmd::FUNCTIONS,
    config::FUNCTIONS,
    cp::FUNCTIONS,
    cron::FUNCTIONS,
    debconf::FUNCTIONS,
    defaults::FUNCTIONS,
    dig::FUNCTIONS,
    disk::FUNCTIONS,
    dnsutil::FUNCTIONS,
    environ::FUNCTIONS,
    event::FUNCTIONS,
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
    file::FUNCTIONS[11],
    firewalld::FUNCTIONS,
    gem::FUNCTIONS,
    git::FUNCTIONS,
    grains::FUNCTIONS,
    group::FUNCTIONS,
    hashutil::FUNCTIONS,
    hosts::FUNCTIONS,
    http::FUNCTIONS,
    ini::FUNCTIONS,
    iptables::FUNCTIONS,
    kmod::FUNCTIONS,
    locale::FUNCTIONS,
    log::FUNCTIONS,
    logrotate::FUNCTIONS,
    matching::FUNCTIONS,
    mine::FUNCTIONS,
    mount::FUNCTIONS,
    network::FUNCTIONS,
    npm::FUNCTIONS,
    pillar::FUNCTIONS,
    pip::FUNCTIONS,
    pkg::FUNCTIONS,
    pkg::repos::FUNCTIONS,
    postgres::FUNCTIONS,
    ps::FUNCTIONS,
    rabbitmq::FUNCTIONS,
    random::FUNCTIONS,
    saltutil::FUNCTIONS,
    schedule::FUNCTIONS,
    selinux::FUNCTIONS,
    service::FUNCTIONS,
    shadow::FUNCTIONS,
    slsutil::FUNCTIONS,
    ssh::FUNCTIONS,
    state::FUNCTIONS[0],
    state::FUNCTIONS[1],
    state::FUNCTIONS[2],
    status::FUNCTIONS,
    supervisord::FUNCTIONS,
    sync::FUNCTIONS,
    sys::FUNCTIONS,
    sysctl::FUNCTIONS,
    system::FUNCTIONS,
    test::FUNCTIONS,
    timezone::FUNCTIONS,
    user::FUNCTIONS,
    virtualenv::FUNCTIONS,
];

/// Whether a function that changes what the minion does shall only say so: by its own `test`, else by that of the settings.
fn is_test(args: &Args, env: &Env) -> bool {
    let said = args.extra_kwargs.get("test").map(python::truthy);
    said.unwrap_or_else(|| {
        env.ctx
            .config("test")
            .is_some_and(|test| python::truthy(&test))
    })
}
