//! Many worlds, each of a seed: calm ones, ones with faults, and ones where operators decide about keys meanwhile.

use std::panic::catch_unwind;

use sim::operator::Plan;
use sim::rng::Rng;
use sim::shape::Shape;
use sim::world::{DAWN, World};

type MakePlan = fn() -> Plan;

/// Seeds that led to a mend in the machines, with what they caught.
const CAUGHT: [(u64, MakePlan, &str); 7] = [
    (
        10_634,
        Plan::chaos,
        "a decision about a key of a site that was cut off got lost",
    ),
    (
        10_787,
        Plan::chaos,
        "a key that was removed and let in again in a cut left its run open",
    ),
    (
        528,
        Plan::faults,
        "a return without its order passed for a whole manifest",
    ),
    (
        1012,
        Plan::faults,
        "a hub that was never asked made a finished account incomplete",
    ),
    (
        2068,
        Plan::chaos,
        "the refusal of a second key for one id got lost in a cut",
    ),
    (
        10_693,
        Plan::chaos,
        "who left before a restart was never told to the parent",
    ),
    (
        20_165,
        Plan::chaos,
        "a parent was told what was not on disk yet, and a crash took it back",
    ),
];

fn world(seed: u64, plan: MakePlan, name: &str) -> World {
    let run = catch_unwind(|| {
        let mut world = World::new(seed, plan(), false);
        world.run();
        world
    });
    run.unwrap_or_else(|_| {
        panic!("replay: BANYAN_SIM_PLAN={name} BANYAN_SIM_SEED={seed} cargo test -p sim replay -- --nocapture")
    })
}

#[test]
fn calm_worlds() {
    for seed in 0..300 {
        let world = world(seed, Plan::calm, "calm");
        for (jid, job) in &world.model.jobs {
            assert!(job.accepted, "seed {seed}: {jid} was not taken");
        }
    }
}

#[test]
fn worlds_with_faults() {
    for seed in 0..800 {
        world(seed, Plan::faults, "faults");
    }
}

#[test]
fn worlds_with_faults_and_decisions() {
    for seed in 10_000..10_800 {
        world(seed, Plan::chaos, "chaos");
    }
}

#[test]
fn seeds_that_caught_something() {
    for (seed, plan, what) in CAUGHT {
        let run = catch_unwind(|| World::new(seed, plan(), false).run());
        assert!(run.is_ok(), "seed {seed} is back: {what}");
    }
}

#[test]
fn a_seed_replays() {
    for seed in [1, 77, 10_077] {
        let (first, again) = (
            world(seed, Plan::chaos, "chaos"),
            world(seed, Plan::chaos, "chaos"),
        );
        assert_eq!(first.trace.hash(), again.trace.hash(), "seed {seed}");
        assert_eq!(first.steps, again.steps, "seed {seed}");
    }
    let (one, other) = (
        world(1, Plan::chaos, "chaos"),
        world(2, Plan::chaos, "chaos"),
    );
    assert_ne!(one.trace.hash(), other.trace.hash());
}

/// P6: without faults a job takes the way down, the way up, the saves on it, and nothing else.
#[test]
fn prompt_without_faults() {
    /// Hubs on the longest way from a top-master to a minion, and the minion.
    const LEVELS: u64 = 5;
    /// A slow disk, as the simulation has it.
    const SAVE_MS: u64 = 400;
    /// A short function.
    const RUN_MS: u64 = 20;
    for seed in 0..100 {
        let plan = Plan {
            latency_max: 50,
            active_ms: 0,
            ..Plan::calm()
        };
        let mut rng = Rng::new(seed);
        let shape = Shape::random(&mut rng);
        let mut world = World::with_shape(rng, shape, plan, false);
        while world.step(DAWN + 5_000) {}
        let jid = world.submit(0, sim::orders::Target::All, "ping", 30_000);
        while world.step(DAWN + 20_000) {}
        let job = &world.model.jobs[&jid];
        // Each level saves on the way down, and twice on the way up: what runs, and what returned.
        let bound = LEVELS * (2 * 2 * 50 + 4 * SAVE_MS) + RUN_MS;
        let took = job.finished.map(|at| at - job.submitted);
        assert!(took.is_some_and(|ms| ms <= bound), "seed {seed}: {took:?}");
    }
}

/// For whoever looks for a fault: prints everything that happens in one world.
#[test]
fn replay() {
    let Some(seed) = std::env::var("BANYAN_SIM_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
    else {
        return;
    };
    let plan = match std::env::var("BANYAN_SIM_PLAN").as_deref() {
        Ok("calm") => Plan::calm(),
        Ok("faults") => Plan::faults(),
        _ => Plan::chaos(),
    };
    World::new(seed, plan, true).run();
}
