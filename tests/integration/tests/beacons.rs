//! Beacons: what a minion sees, told where somebody reads it.

use std::fs;

use integration::{Follower, Tree, wait_for};
use serde_json::{Value, json};

fn call(tree: &Tree, words: &[&str]) -> Value {
    let ledger = tree.top().run(0, words);
    ledger.returned("m1").clone()
}

/// A change of a file is told in Salt's shape as long as somebody reads it; what `beacons.*` saved is there after a restart.
#[test]
fn what_a_beacon_sees_is_told_where_it_is_read() {
    let mut tree = Tree::new();
    let place = tree.directory().join("watched");
    fs::create_dir(&place).expect("a folder");
    let settings = format!(
        "beacons:\n  inotify:\n    - files:\n        {}:\n          mask: [create]\n  wrong:\n    - x: y\n",
        place.display()
    );
    tree.new_minion("m1", &["top"], &settings);
    tree.settle();
    fs::write(place.join("unread"), "x").expect("a file");
    let follower = Follower::of(&tree.top(), &["salt/beacon/*"]);
    // Nothing tells when the minion has begun to look.
    let mut nth = 0;
    let event = wait_for("a change is told", || {
        nth += 1;
        fs::write(place.join(nth.to_string()), "x").expect("a file");
        follower.within(std::time::Duration::from_millis(300))
    });
    let watched = place.display().to_string();
    assert_eq!(event["tag"], format!("salt/beacon/m1/inotify/{watched}"));
    assert_eq!(event["data"]["id"], "m1");
    assert_eq!(event["data"]["change"], "IN_CREATE");
    let path = event["data"]["path"].as_str().expect("a path");
    assert!(
        path.starts_with(&watched) && !path.ends_with("unread"),
        "{path}"
    );

    let data = "[{processes: {no-such-process: stopped}}, {interval: 1}]";
    let added = call(&tree, &["m1", "beacons.add", "ps", data]);
    assert_eq!(added["comment"], "Added beacon: ps.");
    let stopped = json!("Stopped");
    wait_for("a process is missed", || {
        let event = follower.within(std::time::Duration::from_secs(5))?;
        (event["data"]["no-such-process"] == stopped).then_some(())
    });
    call(&tree, &["m1", "beacons.save"]);
    let wrong = tree.top().run(1, &["m1", "beacons.add", "sh", "[]"]);
    let wrong = wrong.returned("m1")["comment"].as_str().unwrap_or_default();
    assert!(wrong.contains("Beacon \"sh\" is not available."), "{wrong}");
    tree.node_mut("m1").restart();
    tree.settle();
    let listed = call(&tree, &["m1", "beacons.list", "return_yaml=False"]);
    assert_eq!(listed["ps"][1]["interval"], 1, "{listed}");
    wait_for("it is missed again", || {
        let event = follower.within(std::time::Duration::from_secs(5))?;
        (event["data"]["no-such-process"] == stopped).then_some(())
    });
}
