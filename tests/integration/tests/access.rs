//! What other users of the host than the hub's own may do, and what rules forbid to all.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use integration::{Cli, Ledger, Tree, wait_for};

const RULES: &str = "
publisher_acl:
  games: ['test.*', '@runner', '@jobs']
policy:
  - {who: '%news', may: ['grains.*', test.ping], sites: [eu/ams], at_most: 2}
  - {who: '*', deny: ['cmd.*'], target: 'G@role:db', outside: {days: mon-sun}}
  - {who: '*', deny: ['state.*'], target: 'G@role:db'}
";

/// A command line of the top-master for another user; None when the test is not root.
fn user(tree: &Tree, name: &str) -> Option<Cli> {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root can ask as somebody else");
        return None;
    }
    let open = |path| fs::set_permissions(path, Permissions::from_mode(0o755)).expect("is opened");
    open(tree.directory());
    let place = tree.directory().join("for-all");
    fs::create_dir_all(&place).expect("a directory");
    Some(tree.top().of_user(name, &place))
}

#[test]
fn without_rules_the_socket_is_shut() {
    let tree = Tree::of_minions(&["m1"]);
    let Some(games) = user(&tree, "games") else {
        return;
    };
    games
        .expect(69, &["run", "*", "test.ping"])
        .complains("not allowed to talk to the daemon");
}

#[test]
fn users_get_what_rules_give_them_and_no_more() {
    let tree = Tree::of_two_sites_with(RULES);
    let Some(games) = user(&tree, "games") else {
        return;
    };
    let news = user(&tree, "news").expect("root");
    let top = tree.top();

    // Salt's form: functions by user, and the word for looking at the tree.
    games
        .run(0, &["*", "test.ping"])
        .all_ok(&["ams-web1", "ams-web2", "fra-db1", "fra-db2"]);
    games.expect(0, &["tree"]);
    games
        .expect(4, &["run", "*", "cmd.run", "id"])
        .complains("no rule lets games run cmd.run now");
    games
        .expect(4, &["keys", "list"])
        .complains("no rule has @wheel");
    games
        .expect(4, &["token", "create", "--role", "minion", "--ttl", "1h"])
        .complains("no rule has @wheel");

    // A rule covers a job as a whole, over the whole tree.
    news.run(0, &["ams-*", "grains.get", "role"])
        .all_ok(&["ams-web1", "ams-web2"]);
    news.expect(4, &["run", "*", "test.ping"])
        .complains("but not on fra-db");
    news.expect(4, &["tree"]).complains("no rule has @runner");

    // Jobs have the name that the kernel knows, and are their own.
    let of_root = top.submit(&["*", "test.ping"]);
    let of_news = news.submit(&["ams-web1", "test.ping"]);
    let jobs = news.json(&["jobs", "list"]);
    let jobs = jobs.as_array().expect("a list");
    assert!(jobs.iter().all(|job| job["user"] == "news"), "{jobs:?}");
    assert!(jobs.iter().any(|job| job["jid"] == *of_news), "{jobs:?}");
    news.job_becomes(&of_news, "its owner sees it", Ledger::is_finished);
    news.expect(4, &["jobs", "show", &of_root])
        .complains("news has no job");
    news.expect(4, &["jobs", "cancel", &of_root])
        .complains("news has no job");

    // Runners: what they do counts, and jobs are judged as if they were run.
    games.expect(0, &["runner", "manage.up"]);
    games.expect(0, &["runner", "jobs.list_jobs"]);
    for wheel in ["key.list_all", "wheel.key.list_all", "config.values"] {
        games
            .expect(4, &["runner", wheel])
            .complains("no rule has @wheel");
    }
    games
        .expect(4, &["runner", "pillar.show_pillar", "ams-web1"])
        .complains("no rule has @wheel");
    games
        .expect(4, &["runner", "manage.down", "removekeys=true"])
        .complains("no rule has @wheel");
    games.expect(0, &["runner", "salt.execute", "*", "test.ping"]);
    games
        .expect(4, &["runner", "salt.execute", "*", "cmd.run", "[id]"])
        .complains("no rule lets games run cmd.run");
    news.expect(4, &["runner", "manage.up"])
        .complains("no rule has @runner");

    // Who may end a job needs no rule for how that is done.
    let asleep = games.submit(&["ams-web1", "test.sleep", "100"]);
    games.expect(0, &["jobs", "cancel", &asleep]);
    top.job_becomes(&asleep, "ended", Ledger::is_finished);

    // The question costs nothing.
    let yes = games.expect(0, &["may-i", "ams-*", "test.ping"]);
    assert_eq!(
        yes.out,
        "yes: publisher_acl of games lets games run test.ping on 2 minions\n"
    );
    let no = news.expect(4, &["may-i", "*", "grains.items"]);
    assert!(
        no.out
            .starts_with("no: rule 1 of policy lets news run grains.items, but not on fra-db"),
        "{}",
        no.out
    );
}

/// Command lines that stay take only the places of other users.
#[test]
fn other_users_cannot_shut_out_the_owner() {
    let tree = Tree::with_top(RULES);
    let Some(games) = user(&tree, "games") else {
        return;
    };
    let readers: Vec<_> = (0..70).map(|_| games.start(&["events"])).collect();
    wait_for("their places are taken", || {
        let said = games.call(&["tree"]);
        (said.code == Some(4)).then(|| said.complains("too many command lines"))
    });
    tree.top().expect(0, &["tree"]);
    drop(readers);
    wait_for("there are places again", || {
        (games.call(&["tree"]).code == Some(0)).then_some(())
    });
}

#[test]
fn what_is_forbidden_needs_a_reason() {
    let tree = Tree::of_two_sites_with(RULES);
    let top = tree.top();
    top.expect(4, &["run", "*", "state.apply"])
        .complains("rule 3 of policy forbids state.apply now on fra-db");
    // It names the minions: others may.
    top.run(1, &["ams-*", "state.apply", "nothing"]);
    // The rule that never holds forbids nothing.
    top.run(0, &["*", "cmd.run", "exit 0"]);
    top.run(
        1,
        &[
            "--override",
            "disk full on fra",
            "*",
            "state.apply",
            "nothing",
        ],
    );
    let log = tree.node("top").log();
    assert!(log.contains("disk full on fra"), "{log}");
    assert!(log.contains("passed over rule 3 of policy"), "{log}");
}

#[test]
fn wrong_rules_keep_the_daemon_from_starting() {
    let mut tree = Tree::new();
    let top = tree.node_mut("top");
    top.kill();
    top.configure("id: top\npolicy:\n- {who: alice, may: '('}\n- {deny: x}\n");
    let said = top.cli().call(&["serve"]);
    assert_ne!(said.code, Some(0));
    said.complains("rule 1 of policy: `(` is no regular expression");
    said.complains("rule 2 of policy: it needs `who`");
}
