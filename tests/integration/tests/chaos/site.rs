//! The tree that is struck: a top-master, a region, a site with two syndics, a site with one, and an office behind a line of
//! its own.

use std::time::Duration;

use integration::{Dice, Tree, Weather};

/// Minions with two hubs, with one, and in the office.
pub const MINIONS: [&str; 6] = ["ams-1", "ams-2", "ams-3", "fra-1", "fra-2", "fra-3"];
pub const NODES: [&str; 11] = [
    "top", "eu-hub", "ams-hub1", "ams-hub2", "fra-hub", "ams-1", "ams-2", "ams-3", "fra-1",
    "fra-2", "fra-3",
];
pub const CABLES: [&str; 5] = ["eu-wan", "ams-wan1", "ams-wan2", "fra-wan", "fra-office"];
/// Packets between sites need up to so long, always.
const DELAY_MAX: Duration = Duration::from_millis(20);

pub fn plant(seed: u64) -> Tree {
    let mut tree = Tree::new();
    let places: [&[&str]; 4] = [
        &["eu-hub"],
        &["ams-hub1", "ams-hub2", "ams-1", "ams-2", "ams-3"],
        &["fra-hub", "fra-1", "fra-2"],
        &["fra-3"],
    ];
    for place in places {
        if let Err(error) = tree.apart(place) {
            println!("all sites are on one loopback address: no namespaces ({error})");
            break;
        }
    }
    tree.cable_from(Some("eu-hub"), "eu-wan", "top");
    tree.syndic("eu-hub", "eu", &["eu-wan"]);
    for (wan, hub, site) in [
        ("ams-wan1", "ams-hub1", "ams"),
        ("ams-wan2", "ams-hub2", "ams"),
        ("fra-wan", "fra-hub", "fra"),
    ] {
        tree.cable_from(Some(hub), wan, "eu-hub");
        tree.syndic(hub, site, &[wan]);
    }
    tree.cable_from(Some("fra-3"), "fra-office", "fra-hub");
    for id in MINIONS {
        let hubs: &[&str] = match id {
            "fra-3" => &["fra-office"],
            _ if id.starts_with("ams") => &["ams-hub1", "ams-hub2"],
            _ => &["fra-hub"],
        };
        tree.new_minion(id, hubs, "");
    }
    tree.settle();
    let mut dice = Dice::new(seed);
    for cable in CABLES {
        tree.wire(cable)
            .set_both(Weather::far(dice.time(DELAY_MAX)));
    }
    tree
}
