//! Two top-masters over two sites: one orders and dies, at each moment of its jobs, the other one adopts them, and the first
//! comes back, sooner or later. That nobody runs anything twice, and that budgets are kept, is checked with each start.

use sim::node::{Fate, Machine};
use sim::operator::Ask;
use sim::orders::Target;
use sim::plan::Plan;
use sim::shape::Shape;
use sim::world::{DAWN, Event, World};
use wire::{Amount, BatchPlan, Jid, OutcomeKind, Role};

/// When the jobs are ordered.
const ORDERED: u64 = DAWN + 2_000;

fn ask(hold: bool, plan: Option<BatchPlan>) -> Ask {
    Ask {
        target: Target::All,
        fun: "few",
        start_within: 120_000,
        hold,
        plan,
    }
}

/// The world at its end, when a job is ordered at the first top-master, which dies `after` and is back when `back` has passed; with
/// nought it lives, and somebody was mistaken.
fn run(seed: u64, ask: Ask, after: u64, back: u64) -> (World, Jid) {
    let (mut world, jid) = ordered(seed, ask, after, back, 0);
    world.pass_until(ORDERED + after + 30);
    world.adopt(1, jid);
    // Long enough for a rollout of one at a time.
    world.pass_until(ORDERED + after + back.max(90_000));
    world.run();
    (world, jid)
}

/// The world up to the moment after which the first top-master dies.
fn ordered(seed: u64, ask: Ask, after: u64, back: u64, adopt_after_ms: u64) -> (World, Jid) {
    let plan = Plan {
        active_ms: 0,
        latency_max: 20,
        adopt_after_ms,
        // It is not a calm world.
        decisions: true,
        ..Plan::CALM
    };
    let shape = Shape::of_tops(2, &["s", "f", "m2", "m2", "m3", "m3"]);
    let mut world = World::with_shape(seed, shape, plan, false);
    world.pass_until(ORDERED);
    let jid = world.ask(0, ask);
    world.pass_until(ORDERED + after);
    let fate = Fate::Lost;
    if back > 0 {
        world.schedule(
            0,
            Event::Crash {
                node: 0,
                fate,
                back,
            },
        );
    }
    (world, jid)
}

/// Whether the second top-master owns the job, and everyone has returned in its account.
#[track_caller]
fn is_taken_over(world: &World, jid: Jid, text: &str) -> bool {
    let Machine::Hub(hub) = &world.nodes[1].machine else {
        panic!("{text}: it does not run")
    };
    let Some(job) = hub.job(jid) else {
        // Nobody but the first one had it.
        return false;
    };
    assert!(job.is_finished(), "{text}: {:?}", job.counts());
    let minions = world.nodes.iter().map(|node| &node.spec.peer);
    let minions = minions.filter(|peer| peer.role == Role::Minion);
    let counts = job.counts();
    let returned = counts.of(OutcomeKind::Ok) + counts.of(OutcomeKind::Failed);
    assert_eq!(returned, minions.count() as u64, "{text}: {counts:?}");
    job.is_adopted()
}

fn sweep(name: &str, hold: bool, plan: Option<&BatchPlan>, moments: impl Iterator<Item = u64>) {
    let mut taken = 0;
    for (seed, after) in (0..).zip(moments) {
        for back in [0, 50, 5_000, 80_000] {
            let (world, jid) = run(seed, ask(hold, plan.cloned()), after, back);
            let text = format!("{name}, seed {seed}, after {after} ms, back after {back} ms");
            taken += u32::from(is_taken_over(&world, jid, &text));
        }
    }
    println!("{name}: {taken} jobs were taken over");
    assert!(taken > 0, "{name}");
}

#[test]
fn a_plain_job() {
    sweep("plain", false, None, (0..120).step_by(2));
    sweep("plain, later", false, None, (200..6_000).step_by(200));
}

#[test]
fn a_job_that_is_kept() {
    sweep("kept", true, None, (0..120).step_by(4));
}

#[test]
fn a_rollout_of_one_at_a_time() {
    let plan = BatchPlan {
        size: Some(Amount::Count(1)),
        ..BatchPlan::default()
    };
    sweep("turns", false, Some(&plan), (0..200).step_by(4));
    sweep(
        "turns, later",
        false,
        Some(&plan),
        (300..9_000).step_by(300),
    );
}

#[test]
fn a_rollout_in_stages() {
    let plan = BatchPlan {
        stages: vec![Amount::Count(1), Amount::Count(2)],
        between: wire::Between::Pause(500),
        ..BatchPlan::default()
    };
    sweep("stages", false, Some(&plan), (0..6_000).step_by(150));
}

/// How long owners may be gone where nobody has to say that they are.
const ADOPT_AFTER_MS: u64 = 6_000;

/// Jobs that were taken over by themselves, when the first top-master is back after each of these times.
fn by_themselves(name: &str, plan: Option<&BatchPlan>, backs: &[u64]) -> usize {
    let mut taken = 0;
    for (seed, after) in (0..).zip((0..120).step_by(8).chain((300..6_000).step_by(300))) {
        for &back in backs {
            let ask = ask(false, plan.cloned());
            let (mut world, jid) = ordered(seed, ask, after, back, ADOPT_AFTER_MS);
            world.pass_until(ORDERED + after + back.max(90_000));
            world.run();
            let text = format!("{name}, seed {seed}, after {after} ms, back after {back} ms");
            taken += usize::from(is_taken_over(&world, jid, &text));
        }
    }
    taken
}

#[test]
fn jobs_of_a_dead_owner_are_adopted_without_an_operator() {
    let turns = BatchPlan {
        size: Some(Amount::Count(1)),
        ..BatchPlan::default()
    };
    // It is back in the middle of it, and long after.
    let backs = [9_000, 12_000, 80_000];
    assert!(by_themselves("plain", None, &backs) > 0);
    assert!(by_themselves("turns", Some(&turns), &backs) > 20);
}

#[test]
fn an_owner_that_is_back_in_time_keeps_its_jobs() {
    // Whether it lived all the time, or was away for a moment: also when a job takes longer than that.
    let turns = BatchPlan {
        size: Some(Amount::Count(1)),
        ..BatchPlan::default()
    };
    let backs = [0, 50, ADOPT_AFTER_MS / 2];
    assert_eq!(by_themselves("turns", Some(&turns), &backs), 0);
}

/// A bug that these worlds are to find.
#[cfg(feature = "planted")]
#[test]
fn a_planted_bug_is_found() {
    use relay::planted::{Bug, plant};
    let plan = BatchPlan {
        size: Some(Amount::Count(1)),
        ..BatchPlan::default()
    };
    plant(Some(Bug::TakesOverBlind));
    let found = std::panic::catch_unwind(|| {
        sweep("turns", false, Some(&plan), (300..9_000).step_by(300));
    });
    plant(None);
    assert!(found.is_err(), "nobody saw it");
}
