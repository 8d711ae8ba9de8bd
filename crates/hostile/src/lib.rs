//! What a hostile peer may say, put before everything that hears one.
//!
//! Each [`Target`] takes any bytes, makes of them what a peer could send, gives that to a decoder or a machine of the
//! product, and asserts what must hold whatever was said: no panic, accounts that add up, answers that are bounded. The
//! fuzzer (`fuzz/`) looks for bytes that break it; the test of this crate plays the kept ones again. No product uses this
//! crate.

mod events;
mod hub;
mod journal;
mod keys;
mod leaf;
mod messages;
mod script;
mod texts;
mod words;

/// One thing that hears a peer.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folders below `fuzz/seeds` and `fuzz/regressions`.
    pub name: &'static str,
    /// Lets it hear these bytes; panics when it breaks a promise.
    pub hears: fn(&[u8]),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn target(name: &'static str, hears: fn(&[u8])) -> Target {
    Target { name, hears }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target("frames", messages::frames),
    target("messages", messages::messages),
    target("hub_below", hub::below),
    target("hub_above", hub::above),
    target("leaf", leaf::leaf),
    target("orders", keys::orders),
    target("chains", keys::chains),
    target("enrolment", keys::enrolment),
    target("journal", journal::journal),
    target("targets", texts::targets),
    target("yaml", texts::yaml),
    target("arguments", texts::arguments),
    target("values", texts::values),
    target("events", events::bus),
    target("reactions", events::reactions),
];

/// Lets the target of this name hear.
///
/// # Panics
/// When there is none, or when it breaks a promise.
pub fn hear(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").hears)(bytes);
}
