//! Targets by pillar: each hub decides for its own minions, and nothing of a pillar leaves it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use integration::{Remote, Tree, git, wait_for};
use serde_json::Value;

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];
const MORE: &str =
    "nodegroups:\n  front: 'I@role:web and not N@second'\n  second: 'J@number:[2-9]'\n";

/// Pillars in which each minion has a role and a number by its id, and a secret.
const PILLAR: &str = concat!(
    "role: {{ grains['id'][4:-1] }}\n",
    "number: {{ grains['id'][-1] }}\n",
    "secret: {of: {{ grains['id'] }}}\n",
);

fn remote() -> Remote {
    let remote = Remote::new();
    for folder in ["salt", "pillar"] {
        fs::create_dir_all(remote.checkout().join(folder)).expect("a folder");
    }
    let top = "base:\n  '*': [roles]\n";
    fs::write(remote.checkout().join("pillar/top.sls"), top).expect("a file");
    fs::write(remote.checkout().join("pillar/roles.sls"), PILLAR).expect("a file");
    remote.push("README", "roots\n");
    remote
}

fn tree(remote: &Remote, more: &str) -> Tree {
    let settings = format!(
        "{}  root: salt\n  pillar_root: pillar\n{more}",
        remote.settings()
    );
    let tree = Tree::of_two_sites_with(&settings);
    update(&tree, remote);
    tree
}

#[track_caller]
fn update(tree: &Tree, remote: &Remote) {
    let commit = git(&remote.checkout(), &["rev-parse", "HEAD"]);
    tree.top().call(&["roots", "update", "--wait=30"]);
    wait_for("every hub serves the commit", || {
        let rows = tree.top().json(&["roots", "status"]);
        let serves = |row: &Value| row["report"]["commit"] == *commit;
        rows.as_array()?.iter().all(serves).then_some(())
    });
}

/// Alone, in compounds and nodegroups, with another delimiter, in turns, at any depth and any commit.
#[test]
fn a_target_by_pillar_means_who_has_it() {
    let remote = remote();
    let tree = tree(&remote, MORE);
    let top = tree.top();
    let check = |target: &[&str], expected: &[&str]| {
        let ledger = top.run(0, &[target, &["test.ping"]].concat());
        ledger.all_ok(expected);
        assert_eq!(ledger.count("expected"), expected.len());
    };
    let web = ["ams-web1", "ams-web2"];
    check(&["-I", "role:web"], &web);
    check(&["-I", "role:W*"], &web);
    check(
        &["-I", "secret|of|fra-db2", "--delimiter", "|"],
        &["fra-db2"],
    );
    check(&["-J", "role:(web|db)$"], &ALL);
    check(
        &["-C", "I@role:db and not J@number:2 or ams-web2"],
        &["ams-web2", "fra-db1"],
    );
    check(&["-N", "front"], &["ams-web1"]);
    check(&["-I", "role:web", "--site", "eu/ams"], &web);
    check(&["-I", "role:db", "-b", "1"], &["fra-db1", "fra-db2"]);
    top.expect(2, &["run", "-I", "role:mail", "test.ping"]);
    top.expect(64, &["run", "-I", "role", "test.ping"])
        .complains("the target is not `key:value`");

    let old = git(&remote.checkout(), &["rev-parse", "HEAD"]);
    remote.push("pillar/roles.sls", "role: mail\n");
    update(&tree, &remote);
    check(&["-I", "role:mail"], &ALL);
    check(&["-I", "role:web", "--roots", &old], &web);
}

/// A minion whose pillar can't be made is named, and what went wrong stays at its hub.
#[test]
fn a_pillar_that_cannot_be_made_leaves_its_minion_undecided() {
    let remote = remote();
    let tree = tree(&remote, "");
    let broken = format!(
        "{PILLAR}{{% if grains['id'] == 'fra-db2' %}}\nbad: {{{{ 'a secret word' | nosuch }}}}\n{{% endif %}}\n"
    );
    remote.push("pillar/roles.sls", &broken);
    update(&tree, &remote);
    let ledger = tree.top().run(3, &["-I", "role:db", "test.ping"]);
    assert_eq!(ledger.ids("ok"), ["fra-db1"]);
    assert_eq!(ledger.count("expected"), 1);
    let undecided = ledger.field("undecided");
    assert_eq!(
        undecided.as_object().map(|all| all.len()),
        Some(1),
        "{undecided}"
    );
    let reason = undecided["fra-db2"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("its pillar can't be made"), "{reason}");
    assert!(!reason.contains("secret word"), "{reason}");
    assert!(tree.node("fra-hub").log().contains("nosuch"));
}

/// What the asked hub can say of its own minions it says; the others it calls undecided.
/// Grains travel with the question for the pillar: a hub takes as long ones as it keeps.
#[test]
fn large_grains_ask_for_their_pillar() {
    let remote = remote();
    let mut tree = tree(&remote, "");
    let grains = format!("grains:\n  inventory: {}\n", "x".repeat(200_000));
    tree.new_minion("ams-web3", &["ams-hub"], &grains);
    tree.settle();
    let top = tree.top();
    let said = top.run(0, &["ams-web3", "pillar.get", "number"]);
    assert_eq!(said.returned("ams-web3"), 3);
    let said = top.run(0, &["ams-web3", "pillar.items", "pillar={more: given}"]);
    assert_eq!(said.returned("ams-web3")["more"], "given");
    let log = tree.node("ams-hub").log();
    let is_end = |line: &&str| line.contains("child gone") && line.contains("ams-web3");
    assert_eq!(log.lines().find(is_end), None, "its session lives on");
}

#[test]
fn previews_and_choices_know_what_the_asked_hub_knows() {
    let remote = remote();
    let mut tree = tree(&remote, "confirm_above: 4\n");
    tree.new_minion("top-web7", &["top"], "");
    tree.new_minion("top-db8", &["top"], "");
    tree.settle();
    let top = tree.top();
    let preview = |target: &[&str]| {
        let arguments = [&["run"], target, &["--dry-run", "--out", "json"]].concat();
        top.call(&arguments).json()
    };
    let seen = preview(&["-I", "role:web"]);
    assert_eq!(seen["counts"]["meant"], 1, "{seen}");
    assert_eq!(seen["counts"]["undecided"], 4, "{seen}");
    let below = ["--site", "eu"];
    let seen = preview(&[&["-I", "role:web"], &below[..]].concat());
    assert_eq!(seen["counts"]["meant"], 0, "{seen}");

    // Chance chooses among those that are decided.
    top.run(0, &["-I", "role:web", "--subset", "3", "test.ping"])
        .all_ok(&["top-web7"]);
    top.expect(
        2,
        &[
            "run",
            "-I",
            "role:web",
            "--site",
            "eu",
            "--subset",
            "1",
            "test.ping",
        ],
    )
    .complains("can't be decided here for the 4 minions");
    // Whoever may be meant is counted.
    top.expect(4, &["run", "-I", "role:web", "test.ping"])
        .complains("5");
    let ledger = top.run(0, &["-I", "role:web", "--expect", "5", "test.ping"]);
    ledger.all_ok(&["ams-web1", "ams-web2", "top-web7"]);
    top.expect(4, &["run", "-I", "role:web", "--expect", "3", "test.ping"])
        .complains("4 of them undecided here");
}

/// Who is limited to some minions hears nothing of what stands in the pillars of others, and can't spell out values.
#[test]
fn other_users_learn_nothing_from_targets() {
    let rules = "policy:\n- {who: games, may: [test.ping, '@runner'], target: 'ams-*'}\n";
    let remote = remote();
    let mut tree = tree(&remote, rules);
    tree.new_minion("top-web7", &["top"], "");
    tree.settle();
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root can ask as somebody else");
        return;
    }
    let open = |path| fs::set_permissions(path, Permissions::from_mode(0o755)).expect("is opened");
    open(tree.directory());
    let place = tree.directory().join("for-all");
    fs::create_dir_all(&place).expect("a directory");
    let games = tree.top().of_user("games", &place);

    games
        .run(0, &["-C", "ams-* and I@number:2", "test.ping"])
        .all_ok(&["ams-web2"]);
    // The answer is the same whatever stands in the pillar of the others.
    let said = |value: &str| {
        let target = format!("secret:of:{value}");
        let said = games.expect(4, &["run", "-I", &target, "test.ping"]);
        said.complains("but not on");
        said.err
    };
    assert_eq!(said("top-web7"), said("top-web0"));
    for target in [
        "ams-* and I@number:[12]",
        "ams-* and J@number:2",
        "ams-* and I@*:2",
    ] {
        games
            .expect(4, &["run", "-C", target, "test.ping"])
            .complains("and not search for one");
    }
    // Nor from a preview, of the hub's own minions.
    let preview = |value: &str| {
        let target = format!("secret:of:{value}");
        games
            .call(&["run", "-I", &target, "--dry-run", "--out", "json"])
            .json()["counts"]
            .clone()
    };
    assert_eq!(preview("top-web7"), preview("top-web0"));
}
