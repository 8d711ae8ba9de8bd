//! More ways than one: a site with two syndics, a tree with two top-masters.

use std::fs;

use integration::{Tree, wait_for};

const ALL: [&str; 2] = ["web1", "web2"];

/// Two top-masters over two syndics of one site, with minions that keep a connection to both.
fn doubled() -> Tree {
    let mut tree = Tree::new();
    tree.second_top("top2");
    for hub in ["ams-hub1", "ams-hub2"] {
        tree.syndic(hub, "ams", &["top", "top2"]);
    }
    for id in ALL {
        tree.new_minion(id, &["ams-hub1", "ams-hub2"], "");
    }
    tree.settle();
    tree
}

/// P1, P4: whoever orders, a minion with several ways to it is one minion, and runs the job once.
#[test]
fn a_minion_with_several_parents_counts_once_and_runs_once() {
    let mut tree = doubled();
    for top in ["top", "top2"] {
        let cli = tree.cli(top);
        wait_for(&format!("{top} counts both minions"), || {
            let tree = cli.json(&["tree"]);
            let hubs = tree["sites"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|site| site["path"] == "ams")
                .flat_map(|site| site["hubs"].as_array().into_iter().flatten())
                .filter(|hub| hub["presence"] == "up")
                .count();
            (tree["totals"]["up"] == 2 && tree["totals"]["accepted"] == 2 && hubs == 2)
                .then_some(())
        });
        let deeds = tree.directory().join(format!("deeds-{top}"));
        let work = format!("echo $NODE >> {}", deeds.display());
        let ledger = cli.run(0, &["*", "cmd.run", &work]);
        ledger.all_ok(&ALL);
        assert_eq!(ledger.field("origin"), top);
        let text = fs::read_to_string(&deeds).expect("the minions have written");
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ALL);
    }

    // One way is enough.
    tree.node_mut("ams-hub1").kill();
    wait_for("the site has one hub", || {
        let site = tree.site("ams");
        let hubs = site["hubs"].as_array()?;
        let is_up = |id: &str| {
            hubs.iter()
                .any(|hub| hub["id"] == id && hub["presence"] == "up")
        };
        (!is_up("ams-hub1") && is_up("ams-hub2")).then_some(())
    });
    assert_eq!(tree.roster()["totals"]["up"], 2);
    for top in ["top", "top2"] {
        tree.cli(top).run(0, &["*", "test.ping"]).all_ok(&ALL);
    }
    tree.node_mut("ams-hub1").start();
    tree.heals();
    tree.top().run(0, &["*", "test.ping"]).all_ok(&ALL);
}
