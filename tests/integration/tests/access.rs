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
        "yes: publisher_acl of games lets games run test.ping on 2 minions\nmay run: 2: ams-web1, ams-web2\n"
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

/// The same hub with rules.
fn rule(tree: &mut Tree, hub: &str, site: &str, rules: &str) {
    let wan = format!("{site}-wan");
    let head = tree.hub_settings(hub);
    let up = tree.child_settings(&[&wan]);
    let node = tree.node_mut(hub);
    node.configure(&format!("{head}site: {site}\n{up}{rules}"));
    node.restart();
}

/// Orders from above are held against the rules of each site; what a site refuses is counted by id, and says by which rule.
#[test]
fn a_site_has_rules_of_its_own_for_orders_from_above() {
    let mut tree = Tree::of_two_sites();
    rule(
        &mut tree,
        "fra-hub",
        "fra",
        "policy:\n- {who: '*', deny: [test.fib], target: fra-db1, within: {days: mon-sun}}\n",
    );
    rule(
        &mut tree,
        "ams-hub",
        "ams",
        concat!(
            "policy:\n- {who: '*', deny: ['*'], outside: {days: mon-sun}}\n",
            "- {who: '*', from: top, may: ['test.*'], at_most: 1}\n",
        ),
    );
    tree.heals();
    let top = tree.top();
    let reason = |ledger: &Ledger, id: &str| {
        let reason = &ledger.minion(id)["reason"];
        reason.as_str().expect("a reason").to_owned()
    };

    // The window of fra is now, that of ams is not; in ams the rule that lets such orders in counts.
    let ledger = top.run(4, &["*", "test.fib", "3"]);
    assert_eq!(ledger.ids("ok"), ["fra-db2"]);
    assert_eq!(ledger.count("refused"), 3);
    assert_eq!(ledger.count("expected"), 4);
    assert_eq!(
        reason(&ledger, "fra-db1"),
        "refused by policy of site eu/fra: rule 1 of policy forbids test.fib now"
    );
    for id in ["ams-web1", "ams-web2"] {
        let reason = reason(&ledger, id);
        assert!(
            reason.starts_with("refused by policy of site eu/ams: rule 2 of policy lets"),
            "{reason}"
        );
        assert!(
            reason.ends_with("run test.fib on 1 minions at most, and these are 2"),
            "{reason}"
        );
    }
    top.run(0, &["-L", "ams-web1,fra-db1,fra-db2", "test.ping"])
        .all_ok(&["ams-web1", "fra-db1", "fra-db2"]);
    let ledger = top.run(4, &["ams-web1", "grains.get", "role"]);
    assert!(reason(&ledger, "ams-web1").ends_with("of top run grains.get on it now"));
    // In turns, too: whoever is refused takes no place.
    let ledger = top.run(4, &["*", "test.fib", "3", "-b", "1"]);
    assert_eq!(ledger.ids("ok"), ["fra-db2"]);

    // What runs can be ended, whatever the rules.
    let asleep = top.submit(&["ams-web1", "test.sleep", "100"]);
    top.job_becomes(&asleep, "it runs", |ledger| ledger.count("running") == 1);
    top.expect(0, &["jobs", "cancel", &asleep]);
    top.job_becomes(&asleep, "it is ended", Ledger::is_finished);
    assert!(
        tree.node("fra-hub")
            .log()
            .contains("rule 1 of policy forbids test.fib now")
    );
}

/// A reason that was given at the asked hub passes over the rules of sites that let it, and of no other; it stands in their logs.
#[test]
fn an_override_passes_over_the_rules_of_sites_that_let_it() {
    let mut tree = Tree::of_two_sites();
    let rules = "policy:\n- {who: '*', deny: [test.fib]}\n";
    rule(
        &mut tree,
        "ams-hub",
        "ams",
        &format!("{rules}policy_overrides_from: 'to*'\n"),
    );
    rule(
        &mut tree,
        "fra-hub",
        "fra",
        &format!("{rules}policy_overrides_from: [other]\n"),
    );
    tree.heals();
    let top = tree.top();
    let ledger = top.run(4, &["*", "test.fib", "3"]);
    assert_eq!(ledger.count("refused"), 4);
    let ledger = top.run(4, &["--override", "it burns", "*", "test.fib", "3"]);
    assert_eq!(ledger.ids("ok"), ["ams-web1", "ams-web2"]);
    assert_eq!(ledger.ids("refused"), ["fra-db1", "fra-db2"]);
    let reason = ledger.minion("fra-db1")["reason"]
        .as_str()
        .expect("a reason");
    assert!(
        reason.contains("`policy_overrides_from` of the site lets no order of that hub pass"),
        "{reason}"
    );
    let log = tree.node("ams-hub").log();
    assert!(
        log.contains("passed over: rule 1 of policy forbids test.fib now"),
        "{log}"
    );
    assert!(log.contains("it burns"), "{log}");
    // In turns it is the same.
    top.run(
        0,
        &[
            "--override",
            "it burns",
            "ams-*",
            "test.fib",
            "3",
            "-b",
            "1",
        ],
    );
    top.expect(
        64,
        &[
            "run",
            "--override",
            &"x".repeat(3_000),
            "ams-*",
            "test.fib",
            "3",
        ],
    )
    .complains("the reason of `--override` has at most");
}

/// `may-i` and previews ask the sites, which judge by their own rules and by the groups that the hub above vouches for; nothing runs.
#[test]
fn sites_are_asked_how_an_order_would_fare() {
    let mut tree = Tree::of_two_sites_with(
        "publisher_acl:\n  news: ['.*', '@runner']\n  games: ['test.ping', {'*': [{test.echo: {args: ['x.*']}}]}]\n",
    );
    rule(
        &mut tree,
        "fra-hub",
        "fra",
        "policy:\n- {who: '%news', from: top, may: ['test.*']}\n",
    );
    rule(
        &mut tree,
        "ams-hub",
        "ams",
        "policy:\n- {who: '*', deny: [test.fib], target: ams-web1}\n",
    );
    tree.heals();
    let top = tree.top();
    let of_ams = "refused: 1, refused by policy of site eu/ams: rule 1 of policy forbids test.fib now: ams-web1";

    // Root is no member of the group that fra asks for.
    let no = top.expect(4, &["may-i", "*", "test.fib", "3"]);
    let lines: Vec<&str> = no.out.lines().collect();
    assert!(
        lines[0].ends_with("but their sites refuse it on 3"),
        "{no:?}"
    );
    assert!(lines[1].ends_with("may run: 1: ams-web2"), "{no:?}");
    assert!(lines.contains(&of_ams), "{no:?}");
    assert!(
        no.out.contains(
            "refused: 2, refused by policy of site eu/fra: no rule lets root of top run test.fib on it now: fra-db1, fra-db2"
        ),
        "{no:?}"
    );
    let fates = |preview: &serde_json::Value| -> Vec<String> {
        let rows = preview["minions"].as_array().expect("rows");
        let stance = |row: &serde_json::Value| row["fate"]["stance"].as_str().map(str::to_owned);
        rows.iter()
            .map(|row| stance(row).expect("a fate"))
            .collect()
    };
    let preview = top.json(&["run", "--dry-run", "*", "test.fib", "3"]);
    assert_eq!(fates(&preview), ["refused", "let", "refused", "refused"]);
    let said = top.expect(0, &["run", "--dry-run", "*", "test.fib", "3"]);
    said.complains("1 minion would not get it: refused by policy of site eu/ams");

    if let Some(news) = user(&tree, "news") {
        let games = user(&tree, "games").expect("root");
        let yes = news.expect(0, &["may-i", "*", "test.ping"]);
        assert!(yes.out.contains("may run: 4:"), "{yes:?}");
        news.run(0, &["*", "test.ping"])
            .all_ok(&["ams-web1", "ams-web2", "fra-db1", "fra-db2"]);
        let no = games.expect(4, &["may-i", "*", "test.ping"]);
        assert!(no.out.contains("no rule lets games of top run"), "{no:?}");
        let ledger = games.run(4, &["*", "test.ping"]);
        assert_eq!(ledger.ids("ok"), ["ams-web1", "ams-web2"]);

        // Arguments count where a rule names them.
        games.run(0, &["ams-*", "test.echo", "xyz"]);
        for arguments in [
            &["test.echo", "y"][..],
            &["test.echo"],
            &["test.echo", "text=xyz"],
        ] {
            let asked = [&["run", "ams-*"], arguments].concat();
            games
                .expect(4, &asked)
                .complains("no rule lets games run test.echo with these arguments now");
        }
        games.expect(0, &["may-i", "ams-*", "test.echo", "xyz"]);
        games.expect(4, &["may-i", "ams-*", "test.echo", "yz"]);

        // Root asks for others, and hears what each rule says; others ask for themselves.
        let said = top.expect(4, &["may-i", "--user", "games", "ams-*", "grains.items"]);
        assert!(
            said.out
                .starts_with("no: no rule lets games run grains.items now\n"),
            "{said:?}"
        );
        assert!(
            said.out
                .contains("publisher_acl of games is not about grains.items"),
            "{said:?}"
        );
        assert!(
            said.out
                .contains("publisher_acl of news is not about games"),
            "{said:?}"
        );
        top.expect(0, &["may-i", "--user", "news", "*", "test.ping"]);
        games
            .expect(4, &["may-i", "--user", "news", "*", "test.ping"])
            .complains("games may ask for himself alone");
    }
    top.expect(
        2,
        &["may-i", "--user", "nobody-of-this-name", "*", "test.ping"],
    );

    // Nothing of it was a job, and who is out of reach is named.
    let jobs = top.json(&["jobs", "list"]);
    let jobs = jobs.as_array().expect("a list");
    assert!(jobs.iter().all(|job| job["fun"] != "test.fib"), "{jobs:?}");
    tree.node_mut("ams-hub").kill();
    tree.minion_is("ams-web1", "cut-off");
    let said = top.call(&["may-i", "*", "test.fib", "3"]);
    assert!(
        said.out.contains(
            "not asked: 2, site eu/ams is cut off: no connection to its hub ams-hub: ams-web1, ams-web2"
        ),
        "{said:?}"
    );
}
