//! Counts are exact in a tree of thousands. `cargo run --release -p sim --example large -- 1000000 20` takes a million.

use sim::large::large;

#[test]
fn counts_are_exact_with_a_site_cut_off_and_with_all() {
    let minions = 5_000;
    let done = large(5, minions);
    assert_eq!(done.behind, 1_000);
    assert_eq!(done.cut.expected, minions as u64);
    assert_eq!(done.cut.unreachable, done.behind);
    assert_eq!(done.cut.returned(), minions as u64 - done.behind);
    assert_eq!((done.whole.expected, done.whole.returned()), (5_000, 5_000));
}
