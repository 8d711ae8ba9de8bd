//! The event bus over the tree.

use std::fs;
use std::process::Command;
use std::time::Duration;

use integration::{Follower, Release, Remote, Tree, free_port, metric, settings, wait_for};

fn sent(port: u16) -> u64 {
    metric(port, "banyan_events_total", "\"sent\"") as u64
}

/// An event of a minion three levels down arrives at the top in Salt's shape, once, and only while it is read.
#[test]
fn an_event_arrives_from_far_below_where_it_is_read_and_nowhere_else() {
    let mut tree = Tree::of_two_sites();
    let port = free_port();
    tree.new_minion("ams-x", &["ams-hub"], &format!("metrics_port: {port}\n"));
    tree.settle();
    let send = |tag: &str| {
        let ledger = tree
            .top()
            .run(0, &["ams-x", "event.send", tag, "what=cake"]);
        assert_eq!(ledger.returned("ams-x"), true);
    };
    send("bakery/nobody");
    assert_eq!(sent(port), 0, "nobody reads, so nothing is sent");

    let follower = Follower::of(&tree.top(), &["bakery/*"]);
    send("brewery/done");
    send("bakery/done");
    let event = follower.next();
    assert_eq!(event["tag"], "bakery/done");
    assert_eq!(event["data"]["id"], "ams-x");
    assert_eq!(event["data"]["site"], "eu/ams");
    assert_eq!(event["data"]["cmd"], "_minion_event");
    assert_eq!(event["data"]["data"]["what"], "cake");
    assert_eq!(event["data"]["tag"], "bakery/done");
    assert!(
        event["data"]["_stamp"]
            .as_str()
            .is_some_and(|at| at.len() == 26)
    );
    assert_eq!(sent(port), 1, "what nobody reads stays at home");

    // Another site's hub hears nothing of it, the minion's own does, and each event once.
    let own = Follower::of(&tree.cli("ams-hub"), &["bakery/*"]);
    let other = Follower::of(&tree.cli("fra-hub"), &["*"]);
    send("bakery/again");
    assert_eq!(follower.next()["tag"], "bakery/again");
    assert_eq!(own.next()["tag"], "bakery/again");
    assert_eq!(sent(port), 2);
    while let Some(event) = other.within(Duration::from_millis(300)) {
        assert_ne!(event["tag"], "bakery/again");
    }

    drop((follower, own, other));
    wait_for("nobody reads any more", || {
        let before = sent(port);
        send("bakery/late");
        (sent(port) == before).then_some(())
    });
}

/// What a hub knows by itself: jobs and their returns one by one, presence, keys, sites.
#[test]
fn a_hub_tells_what_it_knows_by_itself() {
    let mut tree = Tree::of_two_sites();
    let follower = Follower::of(&tree.top(), &["salt/*", "banyan/*"]);
    let jid = tree.top().submit(&["*", "test.echo", "hello"]);
    let new = follower.tagged(&format!("salt/job/{jid}/new"));
    assert_eq!(new["fun"], "test.echo");
    assert_eq!(new["arg"][0], "hello");
    let mut returned = Vec::new();
    while returned.len() < 4 {
        let event = follower.next();
        let tag = event["tag"].as_str().expect("a tag");
        let Some(id) = tag.strip_prefix(&format!("salt/job/{jid}/ret/")) else {
            continue;
        };
        assert_eq!(event["data"]["return"], "hello");
        assert_eq!(event["data"]["retcode"], 0);
        assert_eq!(event["data"]["success"], true);
        assert_eq!(event["data"]["id"], id);
        returned.push(id.to_owned());
    }
    returned.sort();
    assert_eq!(returned, ["ams-web1", "ams-web2", "fra-db1", "fra-db2"]);
    let done = follower.tagged(&format!("banyan/job/{jid}/done"));
    assert_eq!(done["counts"]["ok"], 4, "{done}");

    tree.node_mut("ams-web1").kill();
    let change = follower.tagged("salt/presence/change");
    assert_eq!(change["lost"][0], "ams-web1", "{change}");
    tree.node_mut("ams-web1").start();
    let started = follower.tagged("salt/minion/ams-web1/start");
    assert_eq!(started["id"], "ams-web1");
    let present = follower.tagged("salt/presence/present");
    assert_eq!(present["present"].as_array().map(Vec::len), Some(4));

    tree.wire("fra-wan").cut();
    let cut = follower.tagged("banyan/site/eu/fra/cut");
    assert_eq!(cut["minions"], 2, "{cut}");
    tree.wire("fra-wan").heal();
    follower.tagged("banyan/site/eu/fra/back");

    tree.new_minion("new", &["top"], "");
    tree.key_is("new", "pending");
    let auth = follower.tagged("salt/auth");
    assert_eq!(
        (auth["act"].as_str(), auth["id"].as_str()),
        (Some("pend"), Some("new"))
    );
    tree.top().expect(0, &["keys", "accept", "new", "-y"]);
    let key = follower.tagged("salt/key");
    assert_eq!(
        (key["act"].as_str(), key["id"].as_str()),
        (Some("accept"), Some("new"))
    );
}

/// `fire_event` and `state_events` have Salt's tags, and a minion has no other tag below `salt/`.
#[test]
fn states_fire_events_with_salts_tags() {
    let remote = Remote::new();
    fs::write(
        remote.checkout().join("app.sls"),
        concat!(
            "one:\n  test.succeed_with_changes:\n    - fire_event: true\n",
            "two:\n  test.succeed_without_changes:\n    - fire_event: my/own\n",
            "three:\n  test.fail_without_changes\n",
        ),
    )
    .expect("a file");
    let commit = remote.push("README", "x");
    let mut tree = Tree::with_top(&remote.settings());
    tree.new_minion("m1", &["top"], "");
    tree.new_minion("m2", &["top"], "state_events: true\n");
    tree.settle();
    tree.top().call(&["roots", "update", "--wait=30"]);
    let follower = Follower::of(&tree.top(), &["salt/state_result/*", "salt/job/*/prog/*"]);
    let jid = tree
        .top()
        .submit(&["m1", "state.apply", "app", "--roots", &commit]);
    for (name, state) in [("one", "one"), ("my/own", "two")] {
        let event = follower.next();
        assert_eq!(event["tag"], format!("salt/state_result/{jid}/m1/{name}"));
        assert_eq!(event["data"]["data"]["ret"]["__id__"], state);
        assert_eq!(event["data"]["data"]["ret"]["result"], true);
        assert_eq!(event["data"]["jid"], jid);
    }
    let jid = tree
        .top()
        .submit(&["m2", "state.apply", "app", "--roots", &commit]);
    let tags: Vec<_> = (0..3).map(|_| follower.next()).collect();
    assert_eq!(tags[2]["tag"], format!("salt/job/{jid}/prog/m2/2"));
    assert_eq!(tags[2]["data"]["data"]["len"], 3);
    assert_eq!(tags[2]["data"]["data"]["ret"]["result"], false);

    let forged = tree
        .top()
        .run(1, &["m1", "event.send", "salt/minion/m2/start"]);
    let words = forged.returned("m1").to_string();
    assert!(words.contains("made by hubs"), "{words}");
}

/// A flood of one minion, and one who does not read: gaps are said, and jobs go on.
#[test]
fn a_flood_is_counted_and_harms_nobody() {
    let mut tree = Tree::new();
    let port = free_port();
    tree.new_minion("loud", &["top"], &format!("metrics_port: {port}\n"));
    tree.new_minion("calm", &["top"], "");
    tree.settle();
    let mut slow = Follower::that_sleeps(&tree.top(), &["flood/*"]);
    let reader = Follower::of(&tree.top(), &["flood/*"]);
    // One job fires 20,000 events as fast as it can.
    let script = "\
{% for n in range(20000) %}{% do salt['event.send']('flood/' ~ n, text='x' * 400) %}{% endfor %}";
    let jid = tree.top().submit(&[
        "loud",
        "slsutil.renderer",
        &format!("string={script}"),
        "default_renderer=jinja",
    ]);
    let mut pings = 0;
    let ledger = loop {
        tree.top().run(0, &["calm", "test.ping"]).all_ok(&["calm"]);
        tree.top().run(0, &["loud", "test.ping"]).all_ok(&["loud"]);
        pings += 1;
        let ledger = tree.top().show(&jid);
        if ledger.is_finished() {
            break ledger;
        }
    };
    assert_eq!(ledger.outcome("loud"), "ok", "{ledger:#?}");
    assert!(pings > 0);
    let dropped = || metric(port, "banyan_events_total", "\"dropped\"") as u64;
    wait_for("all are sent or counted", || {
        (sent(port) + dropped() == 20_000).then_some(())
    });
    let (came, missing) = tally(&reader);
    assert_eq!(came + missing, 20_000, "{came} came, {missing} are missing");
    assert!(came >= sent(port), "the reader hears whatever was sent");

    slow.wake();
    let (came, missing) = tally(&slow);
    assert_eq!(came + missing, 20_000, "{came} came, {missing} are missing");
}

/// How many events came, and how many are said to be missing.
fn tally(follower: &Follower) -> (u64, u64) {
    let mut came = 0;
    while follower.within(Duration::from_secs(3)).is_some() {
        came += 1;
    }
    let missing = follower
        .complaints()
        .iter()
        .filter_map(|line| {
            line.split_once(" events are missing here")?
                .0
                .parse::<u64>()
                .ok()
        })
        .sum();
    (came, missing)
}

/// A minion with two hubs below one top tells both, and the top counts each event once; nodes of an older release hear of no filters.
#[test]
fn an_event_counts_once_and_older_nodes_are_left_alone() {
    let mut tree = Tree::with_top("");
    for hub in ["hub1", "hub2"] {
        tree.syndic(hub, "ams", &["top"]);
    }
    tree.new_minion("both", &["hub1", "hub2"], "");
    tree.add(
        "minion",
        "old",
        &format!("{}{}", settings("old"), tree.child_settings(&["hub1"])),
    );
    tree.node_mut("old").set_release(Release::Previous);
    tree.node_mut("old").start();
    tree.settle();
    wait_for("the minion is at both hubs", || {
        let at = |hub: &str| {
            let roster = tree.cli(hub).json(&["tree", "--minions"]);
            let minions = roster["minions"].as_array()?.clone();
            let is_up = |row: &serde_json::Value| row["id"] == "both" && row["state"] == "up";
            minions.iter().any(is_up).then_some(())
        };
        at("hub1").and(at("hub2"))
    });
    let follower = Follower::of(&tree.top(), &["mine/*"]);
    for number in 0..5 {
        let tag = format!("mine/{number}");
        tree.top().run(0, &["both", "event.send", &tag]);
    }
    for number in 0..5 {
        assert_eq!(follower.next()["tag"], format!("mine/{number}"));
    }
    assert_eq!(follower.within(Duration::from_millis(500)), None);
    tree.top()
        .run(0, &["*", "test.ping"])
        .all_ok(&["both", "old"]);
    assert!(
        !tree
            .node("old")
            .log()
            .contains("no message of this protocol")
    );
}

/// Without a hub events go nowhere, and nothing fails for that.
#[test]
fn a_host_without_a_hub_fires_into_the_void() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().display().to_string();
    fs::write(
        dir.path().join("app.sls"),
        concat!(
            "one:\n  test.succeed_with_changes:\n    - fire_event: true\n",
            "a/b:\n  event.send:\n    - data: {x: 1}\n",
        ),
    )
    .expect("a file");
    let call = |function: &[&str]| {
        let before = [
            "--root-dir",
            &root,
            "call",
            "--file-root",
            &root,
            "--id",
            "alone",
        ];
        let output = Command::new(Release::Present.program("minion"))
            .args(before)
            .args(["--out", "json"])
            .args(function)
            .env("BANYAN_STATE_EVENTS", "true")
            .output()
            .expect("it starts");
        let answer: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        answer["local"].clone()
    };
    assert_eq!(call(&["event.send", "a/b"]), true);
    assert_eq!(call(&["event.fire_master", "{x: 1}", "a/b"]), false);
    let records = call(&["state.apply", "app"]);
    let records = records.as_object().expect("records");
    let result = |id: &str| {
        let record = records.values().find(|record| record["__id__"] == id);
        record.expect("its record")["result"].clone()
    };
    assert_eq!(result("one"), true);
    assert_eq!(result("a/b"), true);
}
