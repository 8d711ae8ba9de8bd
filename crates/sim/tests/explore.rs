//! All runs of small trees with one job: every order of deliveries, saves, deaths and cuts. The deep ones have a command of
//! their own, as in `cargo run --release -p sim --example explore -- s m1 m1 budget=1 delays=1 deaths=1 early=1`.
//!
//! What that looked at to its end, with `budget=1` (states): `m m deaths=1` (325,395), `m m deaths=1 hold=1` (341,134),
//! `m m cuts=1` (55,672), `s m1 m1` (143), `s s m1 m2` (582), `s s m12` (3,779,454). With `delays=1`: `s m1 m1 deaths=1 early=1`
//! (2,262,573), `s m1 m1 cuts=1 early=1` (1,467,515), `s m1 m1 hold=1 cuts=1 early=1` (2,085,383), `s s m1 m2 deaths=1 early=1`
//! (6,277,125), `s s m12 deaths=1 early=1` (8,302,175), `m m cuts=1 early=2` (1,849,080).

use sim::explore::{Bounds, explore};
use sim::shape::Shape;

/// What a debug build looks at in a few seconds.
const STATES_MAX: usize = 350_000;

fn look(nodes: &[&str], bounds: impl Fn(&mut Bounds)) -> sim::explore::Explored {
    let mut all = Bounds::calm(Shape::of(nodes), STATES_MAX);
    bounds(&mut all);
    let text = format!("{nodes:?}, {} deaths, {} cuts", all.deaths, all.cuts);
    let explored = explore(all).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    println!("{text}: {explored:?}");
    assert!(explored.ends > 0, "{text}: {explored:?}");
    explored
}

fn check(nodes: &[&str], deaths: u8, cuts: u8) {
    let explored = look(nodes, |bounds| {
        bounds.deaths = deaths;
        bounds.cuts = cuts;
    });
    assert!(explored.states >= 1_000, "{explored:?}");
}

/// All of a rollout of one at a time.
fn check_turns(nodes: &[&str], bounds: impl Fn(&mut Bounds)) {
    let explored = look(nodes, |all| {
        all.budget = Some(1);
        bounds(all);
    });
    assert!(explored.is_all, "{explored:?}");
}

#[test]
fn a_top_and_a_minion() {
    check(&["m"], 1, 1);
}

#[test]
fn a_site_with_a_death() {
    check(&["s", "m1"], 1, 0);
}

#[test]
fn a_site_with_a_cut() {
    check(&["s", "m1"], 0, 1);
}

#[test]
fn a_minion_with_two_hubs() {
    check(&["s", "s", "m12"], 0, 0);
}

#[test]
fn turns_when_nothing_fails() {
    for nodes in [&["m", "m"][..], &["s", "m1", "m1"], &["s", "s", "m1", "m2"]] {
        check_turns(nodes, |_| {});
    }
}

#[test]
fn turns_at_a_hub_with_a_death() {
    check_turns(&["m", "m"], |all| all.deaths = 1);
}

#[test]
fn turns_at_a_hub_with_a_cut() {
    check_turns(&["m", "m"], |all| all.cuts = 1);
}

#[test]
fn turns_that_are_held_at_a_hub() {
    check_turns(&["m", "m"], |all| {
        (all.hold, all.deaths, all.down) = (true, 1, vec![2]);
        all.delays = Some(1);
    });
}

/// A top with a site of two minions, with two sites, with two hubs of one site: with a hold and without. In any order but that
/// one thing is put off: more than that is too much for each run.
fn check_turns_at_sites(set: impl Fn(&mut Bounds)) {
    for nodes in [
        &["s", "m1", "m1"][..],
        &["s", "s", "m1", "m2"],
        &["s", "s", "m12"],
    ] {
        for hold in [false, true] {
            check_turns(nodes, |all| {
                (all.hold, all.delays) = (hold, Some(1));
                set(all);
            });
        }
    }
}

#[test]
fn turns_at_sites_with_a_death() {
    check_turns_at_sites(|all| all.deaths = 1);
}

#[test]
fn turns_at_sites_with_a_cut() {
    check_turns_at_sites(|all| all.cuts = 1);
}

#[test]
fn turns_that_an_operator_stops() {
    check_turns(&["s", "m1", "m1"], |all| all.halts = true);
    check_turns(&["m", "m"], |all| {
        (all.halts, all.deaths, all.delays) = (true, 1, Some(1));
    });
}

#[test]
fn turns_of_minions_that_are_down() {
    for hold in [false, true] {
        check_turns(&["s", "m1", "m1"], |all| {
            (all.down, all.stops, all.hold) = (vec![2], true, hold);
        });
    }
}

/// Leases run out while orders, saves and news are under way.
#[test]
fn turns_that_end_by_time() {
    for (deaths, cuts, behind) in [(1, 0, 0), (0, 1, 0), (0, 1, 59_999)] {
        check_turns(&["m", "m"], |all| {
            (all.deaths, all.cuts, all.early) = (deaths, cuts, 1);
            (all.behind_ms, all.delays) = (behind, Some(1));
        });
    }
    check_turns(&["s", "m1", "m1"], |all| {
        (all.early, all.delays) = (1, Some(1));
    });
}
