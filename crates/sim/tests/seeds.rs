//! Many worlds of each plan, and the seeds that once failed.

use sim::orders::Target;
use sim::plan::Plan;
use sim::rng::Rng;
use sim::scenario::Scenario;
use sim::shape::Shape;
use sim::shrink::shrink;
use sim::world::{DAWN, World};

/// Runs a scenario; when it fails, tells how to play the shortest one that fails alike.
fn world(scenario: &Scenario) -> World {
    scenario.run().unwrap_or_else(|failure| {
        let (smaller, how) = shrink(scenario, &failure);
        panic!(
            "{}\nreplay: cargo run -p sim --example soak -- {smaller}",
            how.text
        )
    })
}

fn worlds(plan: Plan, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        world(&Scenario::new(plan, seed));
    }
}

#[test]
fn calm_worlds() {
    for seed in 0..200 {
        let world = world(&Scenario::new(Plan::CALM, seed));
        for (jid, job) in &world.model.jobs {
            assert!(job.accepted, "seed {seed}: {jid} was not taken");
        }
    }
}

#[test]
fn worlds_with_faults() {
    worlds(Plan::FAULTS, 0..400);
}

#[test]
fn worlds_with_faults_and_decisions() {
    worlds(Plan::CHAOS, 10_000..10_400);
}

#[test]
fn worlds_with_clocks_that_differ() {
    worlds(Plan::CLOCKS, 20_000..20_200);
}

#[test]
fn worlds_with_lost_databases() {
    worlds(Plan::RESTORES, 30_000..30_200);
}

#[test]
fn worlds_in_which_jobs_find_new_owners_by_themselves() {
    worlds(Plan::HEIRS, 80_000..80_200);
}

#[test]
fn worlds_that_save_in_parts() {
    worlds(Plan::PARTS, 60_000..60_200);
}

#[test]
fn worlds_where_news_waits() {
    worlds(Plan::GATHERED, 20_000..20_200);
}

#[test]
fn worlds_of_days() {
    worlds(Plan::DAYS, 40_000..40_040);
}

#[test]
fn worlds_with_targets_by_pillar() {
    let calm = Plan {
        pillars: true,
        ..Plan::CALM
    };
    let mut by_pillar = 0;
    for seed in 0..100 {
        let world = world(&Scenario::new(calm, seed));
        for job in world.model.jobs.values() {
            assert!(job.accepted, "seed {seed}");
            by_pillar += usize::from(matches!(job.target, Target::Role(_)));
        }
    }
    assert!(by_pillar > 100, "{by_pillar}");
    worlds(Plan::PILLARS, 70_000..70_300);
}

#[test]
fn a_seed_replays() {
    for seed in [1, 77, 10_077] {
        let scenario = Scenario::new(Plan::CHAOS, seed);
        let (first, again) = (world(&scenario), world(&scenario));
        assert_eq!(first.trace.hash(), again.trace.hash(), "seed {seed}");
        assert_eq!(first.steps, again.steps, "seed {seed}");
    }
    let [one, other] = [1, 2].map(|seed| world(&Scenario::new(Plan::CHAOS, seed)));
    assert_ne!(one.trace.hash(), other.trace.hash());
}

/// P6: without faults a job takes the way down, the way up, the saves on it, and nothing else.
#[test]
fn prompt_without_faults() {
    /// Hubs on the longest way from a top-master to a minion, and the minion.
    const LEVELS: u64 = 6;
    /// A slow disk, as the simulation has it.
    const SAVE_MS: u64 = 400;
    /// A short function.
    const RUN_MS: u64 = 20;
    for seed in 0..100 {
        let plan = Plan {
            latency_max: 50,
            active_ms: 0,
            gather_ms: if seed % 2 == 0 { relay::GATHER_MS } else { 0 },
            ..Plan::CALM
        };
        let shape = Shape::random(&mut Rng::new(seed), 30);
        let mut world = World::with_shape(seed, shape, plan, false);
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
