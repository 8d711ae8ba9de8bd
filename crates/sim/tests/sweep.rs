//! Death at each save and each send of each node of small trees in which nothing else goes wrong, with every fate of the
//! batch that was on its way to the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::node::{Deed, Doom, Fate};
use sim::operator::Ask;
use sim::orders::Target;
use sim::plan::Plan;
use sim::shape::Shape;
use sim::world::{DAWN, World};
use wire::{Amount, BatchPlan};

/// A node is back after so long: before its peers have given up what it had begun.
const BACK_MS: u64 = 700;

/// A plain job, one that is kept for whoever is down, and one in turns.
fn asks() -> [Ask; 3] {
    let plain = Ask {
        target: Target::All,
        fun: "few",
        start_within: 20_000,
        hold: false,
        plan: None,
    };
    let hold = Ask {
        fun: "unique",
        hold: true,
        ..plain.clone()
    };
    let turns = Ask {
        start_within: 60_000,
        plan: Some(BatchPlan {
            size: Some(Amount::Count(1)),
            ..BatchPlan::default()
        }),
        ..plain.clone()
    };
    [plain, hold, turns]
}

/// Runs the three jobs, with or without a death; the world at its end.
fn run(shape: &Shape, seed: u64, doomed: Option<(usize, Doom)>) -> World {
    let plan = Plan {
        active_ms: 0,
        latency_max: 20,
        // It is not a calm world.
        decisions: true,
        ..Plan::CALM
    };
    let mut world = World::with_shape(seed, shape.clone(), plan, false);
    if let Some((node, doom)) = doomed {
        world.nodes[node].doom = Some(doom);
    }
    for (nth, ask) in (1..).zip(asks()) {
        world.pass_until(DAWN + nth * 2_000);
        world.ask(0, ask);
    }
    world.pass_until(DAWN + 10_000);
    world.run();
    world
}

fn sweep(name: &str, shape: &Shape, seed: u64) {
    let calm = run(shape, seed, None);
    let mut runs = 0;
    for node in 0..shape.nodes.len() {
        for deed in [Deed::Save, Deed::Send] {
            let fates: &[Fate] = match deed {
                Deed::Save => &[Fate::Lost, Fate::Torn(1), Fate::Written],
                Deed::Send => &[Fate::Lost],
            };
            for left in 0..calm.nodes[node].deeds[deed as usize] {
                for &fate in fates {
                    let doom = Doom {
                        deed,
                        left,
                        fate,
                        back: BACK_MS,
                    };
                    runs += 1;
                    let run = AssertUnwindSafe(|| run(shape, seed, Some((node, doom))));
                    let died = catch_unwind(run);
                    assert!(died.is_ok(), "{name}, seed {seed}: node {node}, {doom:?}");
                }
            }
        }
    }
    println!("{name}, seed {seed}: {runs} deaths");
}

#[test]
fn a_top_with_minions() {
    sweep("a top with minions", &Shape::of(&["m", "m"]), 1);
}

#[test]
fn a_site_of_one_hub() {
    for seed in 0..2 {
        sweep("a site of one hub", &Shape::of(&["s", "m1", "m1"]), seed);
    }
}

#[test]
fn a_site_of_two_hubs() {
    sweep("a site of two hubs", &Shape::of(&["s", "s", "m12"]), 1);
}

#[test]
fn two_levels_of_sites() {
    sweep("two levels of sites", &Shape::of(&["s", "s1", "m2"]), 1);
}
