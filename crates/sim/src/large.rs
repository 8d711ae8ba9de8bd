//! Big trees: many minions below a few sites, one of them cut off, and one job for all.

use wire::{Counts, Jid};

use crate::node::Machine;
use crate::orders::Target;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::world::{DAWN, World};

/// Where the job is submitted, and the site that is cut off before that.
const TOP: usize = 0;
const CUT: usize = 1;

/// What a big tree did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Large {
    /// The account while a site is cut off, when the job ended.
    pub cut: Counts,
    /// Minions of the site that is cut off.
    pub behind: u64,
    /// The account of a second job, when the site is back.
    pub whole: Counts,
    /// Events.
    pub steps: u64,
}

/// Runs a job for so many minions below so many sites, with one of the sites cut off, and another one when it is back.
pub fn large(sites: usize, minions: usize) -> Large {
    let plan = Plan {
        active_ms: 0,
        latency_max: 20,
        ..Plan::CALM
    };
    let mut world = World::with_shape(1, Shape::wide(sites, minions), plan, false);
    // An account of so many rows is checked at its end, and not after each step.
    world.check_every = u64::MAX;
    world.pass_until(DAWN + 10_000);
    let behind = world
        .nodes
        .iter()
        .filter(|n| n.spec.parents == [CUT])
        .count() as u64;
    for (session, side) in world.net.of(CUT) {
        if side == crate::net::Side::Child {
            world.net.block(CUT, TOP, u64::MAX);
            world.cut(session);
        }
    }
    world.pass_until(DAWN + 50_000);
    let cut = world.submit(TOP, Target::All, "ping", 30_000);
    world.pass_until(DAWN + 100_000);
    let cut = counts(&world, cut);
    world.net.unblock();
    world.pass_until(DAWN + 120_000);
    let whole = world.submit(TOP, Target::All, "ping", 30_000);
    world.pass_until(DAWN + 170_000);
    Large {
        cut,
        behind,
        whole: counts(&world, whole),
        steps: world.steps,
    }
}

fn counts(world: &World, jid: Jid) -> Counts {
    match &world.nodes[TOP].machine {
        Machine::Hub(hub) => hub.counts(jid).unwrap_or_default(),
        _ => Counts::default(),
    }
}
