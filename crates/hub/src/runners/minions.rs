//! The wheel module `minions`.

use super::{Runner, manage, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("minions.connected", "", manage::connected, "Ids of the minions that are connected."),
];
