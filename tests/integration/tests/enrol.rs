//! Who is let into the tree, and who decides: keys, doubles, tokens, fingerprints.

use std::time::Duration;

use integration::{Tree, settings, wait_for, wait_within};

/// A key that is rejected is cut off within this time.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// Waits until a node has logged this.
#[track_caller]
fn logs(tree: &Tree, id: &str, words: &str) {
    wait_for(&format!("{id} logs {words:?}"), || {
        tree.node(id).log().contains(words).then_some(())
    });
}

fn has_minion(tree: &Tree, id: &str) -> bool {
    let roster = tree.roster();
    let minions = roster["minions"].as_array().expect("minions");
    minions.iter().any(|minion| minion["id"] == id)
}

/// Depth 3: the keys of minions two hubs away are listed, compared, accepted, rejected and deleted at the top.
#[test]
fn keys_of_far_minions_are_decided_at_the_top() {
    let mut tree = Tree::new();
    tree.syndic("eu-hub", "eu", &["top"]);
    tree.syndic("ams-hub", "ams", &["eu-hub"]);
    for id in ["web1", "web2", "web3"] {
        tree.new_minion(id, &["ams-hub"], "");
    }
    for id in ["web1", "web2", "web3"] {
        tree.key_is(id, "pending");
    }
    assert_eq!(tree.site("eu/ams")["counts"]["pending"], 3);
    assert_eq!(tree.top().call(&["run", "*", "test.ping"]).code, Some(2));

    // What the top shows is what the node says of itself.
    let keys = tree.top().json(&["keys", "finger", "web1"]);
    assert_eq!(keys[0]["path"], "eu/ams");
    let own = tree.cli("web1").expect(0, &["fingerprint"]).out;
    assert_eq!(keys[0]["fingerprint"], own.trim());

    tree.top()
        .expect(0, &["keys", "accept", "web1", "web2", "-y"]);
    tree.top().expect(0, &["keys", "reject", "web3", "-y"]);
    tree.minion_is("web1", "up");
    tree.minion_is("web2", "up");
    let listed = tree.top().expect(0, &["keys", "list"]).out;
    for line in [
        "Rejected Keys:\nweb3\n",
        "ams-hub (syndic of eu/ams)\n",
        "web1\nweb2\n",
    ] {
        assert!(listed.contains(line), "{line:?} is not in {listed}");
    }
    tree.top()
        .run(0, &["*", "test.ping"])
        .all_ok(&["web1", "web2"]);

    // An accepted key that is rejected is cut off, and stays out: also a fresh start does not let it in.
    let reject = ["keys", "reject", "web2", "--include-accepted", "-y"];
    tree.top().expect(0, &reject);
    wait_within(REVOKED_WITHIN, "web2 is cut off", || {
        (!has_minion(&tree, "web2")).then_some(())
    });
    tree.top().run(0, &["*", "test.ping"]).all_ok(&["web1"]);
    let said_before = tree.node("web2").log().len();
    tree.node_mut("web2").kill();
    tree.node_mut("web2").start();
    wait_for("web2 hears that it is rejected", || {
        tree.node("web2").log()[said_before..]
            .contains("an operator rejected this key")
            .then_some(())
    });
    assert_eq!(tree.standing("web2").as_deref(), Some("rejected"));
    tree.top().run(0, &["*", "test.ping"]).all_ok(&["web1"]);

    // A deleted key is forgotten: its node is cut off, comes again as a new one, and may be let in again.
    tree.top().expect(0, &["keys", "delete", "web1", "-y"]);
    tree.key_is("web1", "pending");
    tree.top().expect(0, &["keys", "accept", "web1", "-y"]);
    tree.minion_is("web1", "up");
    tree.top().run(0, &["*", "test.ping"]).all_ok(&["web1"]);
    tree.top().expect(2, &["keys", "accept", "nobody*", "-y"]);
}

#[test]
fn a_second_holder_of_an_id_is_refused_loudly_and_the_first_goes_on() {
    let mut tree = Tree::of_minions(&["twin"]);
    let double = format!("{}{}", settings("twin"), tree.child_settings(&["top"]));
    tree.add("minion", "double", &double);
    tree.node_mut("double").start();
    logs(&tree, "double", "another key holds");

    let keys = tree.top().json(&["keys", "list", "twin"]);
    let mut standings: Vec<_> = keys
        .as_array()
        .expect("keys")
        .iter()
        .filter_map(|key| key["standing"].as_str())
        .collect();
    standings.sort_unstable();
    assert_eq!(standings, ["accepted", "denied"]);
    let ledger = tree.top().run(0, &["*", "cmd.run", "echo $NODE"]);
    ledger.all_ok(&["twin"]);
    assert_eq!(ledger.returned("twin"), "twin");
}

#[test]
fn a_token_lets_in_what_it_is_for_and_nothing_else() {
    let mut tree = Tree::new();
    let token = |arguments: &[&str]| -> String {
        let arguments = [&["token", "create"], arguments].concat();
        let made = tree.top().json(&arguments);
        made["token"].as_str().expect("a token").to_owned()
    };
    let twice = token(&["--id", "web*", "--uses", "2"]);
    let short = token(&["--ttl", "1"]);
    let syndics = token(&["--role", "syndic"]);

    // Lists do not tell the secret.
    let listed = tree.top().expect(0, &["token", "list"]).out;
    let secret = twice.rsplit('-').next().expect("a secret");
    assert!(
        !listed.contains(secret) && listed.contains("web*"),
        "{listed}"
    );
    wait_for("the short-lived token is over", || {
        let tokens = tree.top().json(&["token", "list"]);
        (tokens.as_array().map(Vec::len) == Some(2)).then_some(())
    });

    // The token names the tree, so that nothing else has to be pinned.
    let hub = format!("master: 127.0.0.1:{}\n", tree.port("top"));
    let mut join = |id: &str, token: &str| {
        let text = format!("{}{hub}join_token: {token}\n", settings(id));
        tree.add("minion", id, &text);
        tree.node_mut(id).start();
    };
    join("web1", &twice);
    join("db1", &twice);
    join("web4", &short);
    join("web5", &syndics);
    logs(&tree, "db1", "the join token is not for this id");
    logs(&tree, "web4", "the join token has expired");
    logs(&tree, "web5", "the join token is for nodes of another role");
    tree.minion_is("web1", "up");
    // Refusals have not used it up.
    let text = format!("{}{hub}join_token: {twice}\n", settings("web2"));
    tree.add("minion", "web2", &text);
    tree.node_mut("web2").start();
    tree.minion_is("web2", "up");
    let text = format!("{}{hub}join_token: {twice}\n", settings("web3"));
    tree.add("minion", "web3", &text);
    tree.node_mut("web3").start();
    logs(&tree, "web3", "the join token");
    tree.top()
        .run(0, &["*", "test.ping"])
        .all_ok(&["web1", "web2"]);
}

#[test]
fn a_node_turns_away_from_a_tree_that_it_does_not_know() {
    let mut tree = Tree::new();
    let wrong = "ab".repeat(32);
    let text = format!(
        "{}master: 127.0.0.1:{}\nmaster_finger: {wrong}\n",
        settings("web1"),
        tree.port("top")
    );
    tree.add("minion", "web1", &text);
    tree.node_mut("web1").start();
    logs(
        &tree,
        "web1",
        "the hub belongs to another tree than the pinned one",
    );
    // It has told the hub nothing, not even that it exists.
    assert_eq!(tree.top().json(&["keys", "list"]), serde_json::json!([]));
}

/// P8: with a syndic's key everything that it vouches for is out, and the rest of the tree goes on.
#[test]
fn a_rejected_syndic_takes_its_site_with_it() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    top.expect(
        0,
        &[
            "delegate",
            "ams-hub",
            "--functions",
            "test.ping",
            "--ttl",
            "1h",
        ],
    );
    top.expect(
        0,
        &["keys", "reject", "ams-hub", "--include-accepted", "-y"],
    );
    wait_within(REVOKED_WITHIN, "the site is cut off", || {
        let up = tree.roster()["totals"]["up"].clone();
        (up == 2).then_some(())
    });
    let ledger = top.call(&["run", "*", "test.ping", "--out", "ledger"]);
    let ledger = integration::Ledger::parse(&ledger.out);
    assert_eq!(ledger.ids("ok"), ["fra-db1", "fra-db2"], "{ledger:#?}");
    assert_eq!(tree.standing("ams-hub").as_deref(), Some("rejected"));
    logs(&tree, "ams-hub", "an operator rejected this key");
    top.expect(0, &["run", "fra-*", "test.ping"]);
}
