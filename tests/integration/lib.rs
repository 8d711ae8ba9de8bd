//! Drives the built programs; holds no product code.
//!
//! A [`Tree`] is a tree of real processes on the loopback address, without root: each node has its own root directory,
//! hubs listen on free ports, a [`Cable`] between two nodes can be cut and healed, and has its [`Weather`]. As root, nodes may
//! have networks of their own, which cables alone connect. A test talks to the tree as an
//! operator does, through the command line ([`Cli`]), and judges what that prints ([`Said`], [`Ledger`]).
//!
//! Nothing here sleeps as a proof: [`wait_for`] asks again until the truth shows, within a bound for slow machines.

mod command;
mod deeds;
mod disk;
mod follower;
mod host;
mod ledger;
mod node;
mod pages;
mod ports;
mod programs;
mod remote;
mod sleepers;
mod terminal;
mod tree;

use std::time::{Duration, Instant};

pub use cable::{Cable, Dice, Way, Weather};
pub use command::{Cli, Running, Said};
pub use deeds::Deeds;
pub use disk::Disk;
pub use follower::Follower;
pub use host::Host;
pub use ledger::Ledger;
pub use node::Node;
pub use pages::{metric, page};
pub use ports::free_port;
pub use programs::{Release, directory};
pub use remote::{Remote, git};
pub use sleepers::Sleepers;
pub use terminal::Terminal;
pub use tree::{Releases, Tree, settings};

/// A bound for what takes a moment; reached only when something is broken, or the machine is very slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Silence after which the nodes of a [`Tree`] take a link for dead, as they are configured.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Pause between two looks at what is awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Asks until there is an answer, and gives it.
///
/// # Panics
/// When there is none within [`PATIENCE`].
#[track_caller]
pub fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, ask)
}

/// As [`wait_for`], with a bound of its own, where the bound is what is promised.
///
/// # Panics
/// When there is no answer in time.
#[track_caller]
pub fn wait_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}
