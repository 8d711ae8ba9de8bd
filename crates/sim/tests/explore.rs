//! All runs of small trees with one job: every order of deliveries, saves, deaths and cuts. The deep ones have a command of
//! their own: `cargo run --release -p sim --example explore -- 1 1 20000000 s m1`.

use sim::explore::{Bounds, explore};
use sim::shape::Shape;

/// What a debug build looks at in about ten seconds.
const STATES_MAX: usize = 500_000;

fn check(nodes: &[&str], deaths: u8, cuts: u8, states_at_least: usize) {
    let explored = explore(Bounds {
        shape: Shape::of(nodes),
        deaths,
        cuts,
        states_max: STATES_MAX,
    });
    let explored = explored.unwrap_or_else(|wrong| panic!("{nodes:?}: {wrong}"));
    println!("{nodes:?}, {deaths} deaths, {cuts} cuts: {explored:?}");
    assert!(explored.states >= states_at_least, "{explored:?}");
    assert!(explored.ends > 0, "{explored:?}");
}

#[test]
fn a_top_and_a_minion() {
    check(&["m"], 1, 1, 1_000);
}

#[test]
fn a_site_with_a_death() {
    check(&["s", "m1"], 1, 0, 1_000);
}

#[test]
fn a_site_with_a_cut() {
    check(&["s", "m1"], 0, 1, 1_000);
}

#[test]
fn a_minion_with_two_hubs() {
    check(&["s", "s", "m12"], 0, 0, 1_000);
}
