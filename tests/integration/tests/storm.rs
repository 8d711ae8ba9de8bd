//! Many at once: a hub that was killed, and all its minions that want back.

use std::process::Command;

use integration::{Ledger, Release, Running, Tree, wait_for};

const MINIONS: u64 = 400;

/// P5: all are back unaided, and the hub does its work meanwhile.
#[test]
fn hundreds_of_minions_come_back_to_a_hub_that_was_killed() {
    let mut tree = Tree::new();
    let top = tree.top();
    let uses = MINIONS.to_string();
    let token = top.json(&["token", "create", "--uses", &uses]);
    let mut command = Command::new(Release::Present.program("swarm"));
    command
        .args(["--hub", &format!("127.0.0.1:{}", tree.port("top"))])
        .args(["--token", token["token"].as_str().expect("a token")])
        .args(["--count", &uses, "--keep-alive", "1", "--roll"])
        .arg(tree.directory().join("roll"));
    let _swarm = Running::start(command);
    let all_are_up = || {
        let up = top.json(&["tree"])["totals"]["up"].as_u64();
        (up == Some(MINIONS)).then_some(())
    };
    wait_for("all are there", all_are_up);

    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    wait_for("the first one works", || {
        let said = top.call(&[
            "run",
            "m*",
            "test.ping",
            "--start-within",
            "1",
            "--out",
            "ledger",
        ]);
        let ledger = Ledger::parse(&said.out);
        (ledger.count("ok") > 0).then_some(())
    });
    wait_for("all are back", all_are_up);
    let ledger = top.run(0, &["*", "test.ping"]);
    assert_eq!(ledger.count("ok") as u64, MINIONS);
}
