//! Runners and wheel functions over a tree of two sites.

use std::fs;

use integration::{Cli, Follower, Ledger, Remote, Tree, wait_for};
use serde_json::{Value, json};

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// A remote with files in `salt` and pillar in `pillar`.
fn remote() -> Remote {
    let remote = Remote::new();
    for folder in ["salt/app/files", "pillar"] {
        fs::create_dir_all(remote.checkout().join(folder)).expect("a folder");
    }
    let write = |path: &str, text: &str| {
        fs::write(remote.checkout().join(path), text).expect("a file");
    };
    write(
        "salt/app/init.sls",
        "told:\n  test.show_notification:\n    - text: hello\n",
    );
    write("salt/app/files/motd", "hello\n");
    write(
        "pillar/top.sls",
        "base:\n  'role:web': [{match: grain}, web]\n",
    );
    write("pillar/web.sls", "secret: of {{ grains['id'] }}\n");
    remote.push("README", "roots\n");
    remote
}

/// What a runner answers.
#[track_caller]
fn runner(cli: &Cli, arguments: &[&str]) -> Value {
    cli.json(&[&["runner"], arguments].concat())
}

fn tree(remote: &Remote) -> Tree {
    let settings = format!(
        "{}  root: salt\n  pillar_root: pillar\n  password: hush\nmysql.pass: hush\n",
        remote.settings()
    );
    let tree = Tree::of_two_sites_with(&settings);
    tree.top().call(&["roots", "update", "--wait=30"]);
    tree
}

/// Answered from the roster, over the whole tree: nobody is asked.
#[test]
fn the_roster_says_who_is_there() {
    let mut tree = Tree::of_two_sites();
    tree.node_mut("fra-db2").kill();
    let top = tree.top();
    wait_for("the roster knows of it", || {
        let down = runner(&top, &["manage.down"]);
        (down == json!(["fra-db2"])).then_some(())
    });
    let up = json!(["ams-web1", "ams-web2", "fra-db1"]);
    assert_eq!(
        runner(&top, &["manage.status"]),
        json!({"up": up, "down": ["fra-db2"]})
    );
    let of_role = ["manage.status", "tgt=role:db", "tgt_type=grain"];
    assert_eq!(
        runner(&top, &of_role),
        json!({"up": ["fra-db1"], "down": ["fra-db2"]})
    );
    for alive in ["manage.alived", "manage.present", "minions.connected"] {
        assert_eq!(runner(&top, &[alive]), up, "{alive}");
    }
    assert_eq!(
        runner(&top, &["manage.not_alived", "subset=[fra-db2, ams-web1]"]),
        json!(["fra-db2"])
    );
    let versions = runner(&top, &["manage.versions"]);
    assert_eq!(versions["Up to date"]["fra-db1"], versions["Master"]);
    assert_eq!(versions["Minion offline"]["fra-db2"], false);
    let region = runner(&tree.cli("ams-hub"), &["manage.up"]);
    assert_eq!(region, json!(["ams-web1", "ams-web2"]));

    // Grains of who is down are known as well.
    let grains = runner(&top, &["cache.grains", "fra-*"]);
    assert_eq!(grains["fra-db2"]["role"], "db");
    assert_eq!(grains.as_object().map(|grains| grains.len()), Some(2));
    let matches = |expression: &str| {
        runner(&top, &["match.compound_matches", expression, "fra-db1"])["res"].clone()
    };
    assert_eq!(matches("G@role:db and fra-*"), "fra-db1");
    assert_eq!(matches("G@role:web"), false);

    // What makes no sense is told before anything is done.
    let wrong = |code: i32, arguments: &[&str], words: &str| {
        top.expect(code, &[&["runner"], arguments].concat())
            .complains(words);
    };
    wrong(
        2,
        &["manage.nobody"],
        "near ones are manage.status, manage.up",
    );
    wrong(2, &["nosuch.fun"], "there are those of");
    wrong(
        64,
        &["manage.versions", "x"],
        "takes 0 positional arguments",
    );
    wrong(64, &["manage.up", "no_such=1"], "not valid: no_such=1");
    wrong(64, &["match.compound_matches", "*"], "'minion_id'");
    wrong(64, &["manage.present", "show_ip=true"], "addresses");
    wrong(
        64,
        &["manage.up", "tgt_type=nosuch"],
        "unknown kind of target",
    );

    // Only keys of who is surely gone are taken away.
    assert_eq!(
        runner(&top, &["manage.down", "removekeys=true"]),
        json!(["fra-db2"])
    );
    assert_eq!(runner(&top, &["manage.down"]), json!([]));
}

#[test]
fn jobs_are_told_in_salts_shapes() {
    let remote = remote();
    let tree = tree(&remote);
    let top = tree.top();
    let early = top.submit(&["*", "test.echo", "hello"]);
    let first = top.submit(&["ams-*", "state.apply", "app", "metadata={ticket: 7}"]);
    let failed = top.submit(&["fra-db1", "cmd.run", "exit 3"]);
    for jid in [&early, &first, &failed] {
        top.job_becomes(jid, "ended", Ledger::is_finished);
    }

    let job = runner(&top, &["jobs.list_job", &early]);
    let words = json!({
        "jid": early,
        "Function": "test.echo",
        "Arguments": ["hello"],
        "Target": "*",
        "Target-type": "glob",
        "User": job["User"],
        "StartTime": job["StartTime"],
        "Minions": ALL,
        "Result": ALL.iter().map(|id| {
            let result = json!({"return": "hello", "retcode": 0, "success": true});
            ((*id).to_owned(), result)
        }).collect::<serde_json::Map<_, _>>(),
    });
    assert_eq!(job, words);
    assert_eq!(
        runner(&top, &["jobs.lookup_jid", &early])["fra-db1"],
        "hello"
    );
    assert_eq!(
        runner(&top, &["jobs.print_job", &early])[&early]["Function"],
        "test.echo"
    );
    assert_eq!(
        runner(&top, &["jobs.exit_success", &early]),
        json!({"ams-web1": true, "ams-web2": true, "fra-db1": true, "fra-db2": true})
    );
    let states = runner(&top, &["jobs.lookup_jid", &first]);
    assert!(states["ams-web1"].is_object(), "{states}");
    let shown = top.expect(0, &["runner", "jobs.lookup_jid", &first]);
    assert!(shown.out.contains("Summary for ams-web1"), "{}", shown.out);

    let ids = |arguments: &[&str]| -> Vec<String> {
        let jobs = runner(&top, &[&["jobs.list_jobs"], arguments].concat());
        jobs.as_object()
            .expect("a dictionary")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(ids(&[]), [early.as_str(), &first, &failed]);
    assert_eq!(
        ids(&["search_function=state.*,cmd.*"]),
        [first.as_str(), &failed]
    );
    assert_eq!(ids(&["search_target=ams*"]), [first.as_str()]);
    assert_eq!(ids(&["search_metadata={ticket: 7}"]), [first.as_str()]);
    assert_eq!(ids(&["search_metadata={ticket: 8}"]), [""; 0]);
    assert_eq!(ids(&["end_time=2020-01-01"]), [""; 0]);
    let newest = runner(&top, &["jobs.list_jobs_filter", "2"]);
    let newest: Vec<&Value> = newest
        .as_array()
        .into_iter()
        .flatten()
        .map(|job| &job["JID"])
        .collect();
    assert_eq!(newest, [&json!(first), &json!(failed)]);
    let last = runner(&top, &["jobs.last_run", "function=test.*"]);
    assert!(last[&early].is_object(), "{last}");
    assert_eq!(runner(&top, &["jobs.last_run", "function=no.such"]), false);
    let unknown = runner(&top, &["jobs.list_job", "20200101000000000001"]);
    assert!(
        unknown["Error"]
            .as_str()
            .is_some_and(|words| words.contains("no job")),
        "{unknown}"
    );
    assert_eq!(
        runner(&top, &["jobs.lookup_jid", "20200101000000000001"]),
        json!({})
    );
    top.expect(64, &["runner", "jobs.lookup_jid", "7"])
        .complains("twenty digits");
    top.expect(64, &["runner", "jobs.list_jobs", "ext_source=mysql"])
        .complains("own store");

    // What runs is known without asking.
    let asleep = top.submit(&["fra-db2", "test.sleep", "100"]);
    top.job_becomes(&asleep, "is running", |job| {
        job.ids("running") == ["fra-db2"]
    });
    let active = runner(&top, &["jobs.active"]);
    assert_eq!(
        active[&asleep]["Running"],
        json!([{"fra-db2": null}]),
        "{active}"
    );
    assert_eq!(active.as_object().map(|jobs| jobs.len()), Some(1));
    assert_eq!(
        runner(&top, &["jobs.lookup_jid", &asleep, "missing=true"]),
        json!({"fra-db2": "Minion did not return"})
    );
    top.expect(0, &["jobs", "cancel", &asleep]);

    // The list of the command line, by the same index.
    let listed = |arguments: &[&str]| -> Vec<String> {
        let jobs = top.json(&[&["jobs", "list"], arguments].concat());
        let jids = jobs
            .as_array()
            .into_iter()
            .flatten()
            .map(|job| job["jid"].as_str());
        jids.flatten().map(str::to_owned).collect()
    };
    assert_eq!(
        listed(&["--state", "failed", "--function", "cmd.*"]),
        [failed.as_str()]
    );
    assert_eq!(listed(&["--minion", "ams-web1"]), [first.as_str(), &early]);
    assert_eq!(
        listed(&["--target", "ams*", "--since", "1h"]),
        [first.as_str()]
    );
    assert_eq!(listed(&["--before", &first]), [early.as_str()]);
    assert_eq!(listed(&["--user", "nobody-at-all"]), [""; 0]);
    top.expect(0, &["jobs", "list", "--limit", "1"])
        .complains("the next page is that with --before");

    // The history and its index survive a restart.
    drop(active);
    let mut tree = tree;
    tree.node_mut("top").restart();
    tree.answers("top");
    let top = tree.top();
    assert_eq!(
        runner(&top, &["jobs.lookup_jid", &early])["fra-db1"],
        "hello"
    );
    let again = top.json(&["jobs", "list", "--function", "test.echo"]);
    assert_eq!(again[0]["jid"], early);
}

#[test]
fn keys_are_decided_as_in_salt() {
    let mut tree = Tree::of_minions(&["web1"]);
    for id in ["new1", "new2"] {
        tree.new_minion(id, &["top"], "");
        tree.key_is(id, "pending");
    }
    let top = tree.top();
    let all = runner(&top, &["wheel.key.list_all"]);
    assert_eq!(
        all,
        json!({
            "minions": ["web1"],
            "minions_pre": ["new1", "new2"],
            "minions_rejected": [],
            "minions_denied": [],
            "local": ["master.pub"],
        })
    );
    assert_eq!(
        runner(&top, &["key.list", "pre"]),
        json!({"minions_pre": ["new1", "new2"]})
    );
    assert_eq!(
        runner(&top, &["key.accept", "new1"]),
        json!({"minions": ["new1"]})
    );
    assert_eq!(
        runner(&top, &["key.reject_dict", "{minions_pre: [new2]}"]),
        json!({"minions_rejected": ["new2"]})
    );
    // A rejected key is accepted only where that is said.
    assert_eq!(
        runner(&top, &["key.accept", "new*"])["minions_rejected"],
        json!(["new2"])
    );
    assert_eq!(
        runner(&top, &["key.accept", "new*", "include_rejected=true"]),
        json!({"minions": ["new1", "new2"]})
    );
    let listed = top.json(&["keys", "finger", "web1"]);
    let finger = runner(&top, &["key.finger", "web1"]);
    assert_eq!(finger["minions"]["web1"], listed[0]["fingerprint"]);
    let own = runner(&top, &["key.finger_master"]);
    assert_eq!(own["local"]["master.pub"], tree.fingerprint());
    assert_eq!(runner(&top, &["key.delete", "new*"]), json!({}));
    assert_eq!(
        runner(&top, &["key.list", "acc"]),
        json!({"minions": ["web1"]})
    );
    top.expect(64, &["runner", "key.list", "some"])
        .complains("no standing");
}

#[test]
fn roots_pillar_and_jobs_are_reached() {
    let remote = remote();
    let tree = tree(&remote);
    let top = tree.top();
    assert_eq!(runner(&top, &["fileserver.envs"]), json!(["base"]));
    assert_eq!(
        runner(&top, &["fileserver.file_list"]),
        json!(["app/files/motd", "app/init.sls"])
    );
    assert_eq!(
        runner(&top, &["fileserver.dir_list"]),
        json!(["app", "app/files"])
    );
    fs::write(remote.checkout().join("salt/more"), "more\n").expect("a file");
    remote.push("README", "more\n");
    assert_eq!(runner(&top, &["fileserver.update"]), true);
    let files = runner(&top, &["fileserver.file_list", "backend=git"]);
    assert!(
        files
            .as_array()
            .is_some_and(|files| files.contains(&json!("more"))),
        "{files}"
    );
    top.expect(64, &["runner", "fileserver.envs", "backend=s3fs"])
        .complains("one git remote");
    let updated = runner(&top, &["git_pillar.update"]);
    assert_eq!(
        updated.as_object().and_then(|done| done.values().next()),
        Some(&json!(true))
    );

    assert_eq!(
        runner(&top, &["pillar.show_pillar", "ams-web1"]),
        json!({"secret": "of ams-web1"})
    );
    assert_eq!(
        runner(&top, &["pillar.show_top", "ams-web1"]),
        json!({"base": ["web"]})
    );
    assert_eq!(runner(&top, &["pillar.show_pillar", "fra-db1"]), json!({}));
    let as_web = ["pillar.show_pillar", "unknown", "role=web"];
    assert_eq!(runner(&top, &as_web), json!({"secret": "of unknown"}));
    top.expect(64, &["runner", "pillar.show_pillar"])
        .complains("one minion");
    assert_eq!(runner(&top, &["saltutil.sync_all"])["runners"], json!([]));

    assert_eq!(
        runner(&top, &["salt.execute", "ams-*", "test.echo", "[hello]"]),
        json!({"ams-web1": "hello", "ams-web2": "hello"})
    );
    let full = [
        "salt.execute",
        "role:db",
        "cmd.run",
        "arg=exit 3",
        "tgt_type=grain",
        "full_return=true",
    ];
    assert_eq!(runner(&top, &full)["fra-db1"]["retcode"], 3);
    top.expect(4, &["runner", "salt.execute", "*", "test.ping", "expect=3"])
        .complains("4");
    assert_eq!(
        runner(&top, &["salt.cmd", "slsutil.merge", "{a: 1}", "{b: 2}"]),
        json!({"a": 1, "b": 2})
    );
    top.expect(2, &["runner", "salt.cmd", "cmd.run", "id"])
        .complains("not available at a hub");
    let pools = runner(&top, &["survey.diff", "*", "grains.get", "role"]);
    assert_eq!(
        pools[0],
        json!({"pool": ["ams-web1", "ams-web2"], "result": "web"})
    );
    assert_eq!(pools[1]["pool"], json!(["fra-db1", "fra-db2"]));
    assert!(
        pools[1]["diff"]
            .as_str()
            .is_some_and(|diff| diff.contains("-web\n+db\n")),
        "{pools}"
    );

    // Settings are shown, secrets are not.
    let values = runner(&top, &["config.values"]);
    assert_eq!(values["id"], "top");
    assert_eq!(values["mysql.pass"], "********");
    assert_eq!(values["roots"]["password"], "********");
    assert!(!values.to_string().contains("hush"));
    assert_eq!(runner(&top, &["test.get_opts"]), values);
    let words = json!({"args": [1, "a"], "kwargs": {"b": true}});
    assert_eq!(runner(&top, &["test.arg", "1", "a", "b=true"]), words);
    let docs = runner(&top, &["doc.runner"]);
    assert!(
        docs["manage.up"]
            .as_str()
            .is_some_and(|doc| doc.contains("tgt=")),
        "{docs}"
    );
    assert!(runner(&top, &["doc.wheel", "key"])["key.accept"].is_string());
    assert!(runner(&top, &["doc.execution"])["test.ping"].is_string());
}

/// Each call has an id and events in Salt's shape, and is among those that are under way.
#[test]
fn calls_are_told_by_events() {
    let tree = Tree::of_minions(&["web1"]);
    let top = tree.top();
    let follower = Follower::of(&top, &["salt/run/*", "salt/wheel/*"]);
    runner(&top, &["test.arg", "x", "y=1"]);
    let new = follower.next();
    let jid = new["data"]["jid"].as_str().expect("an id").to_owned();
    assert_eq!(new["tag"], format!("salt/run/{jid}/new"));
    assert_eq!(new["data"]["fun"], "runner.test.arg");
    assert_eq!(
        new["data"]["fun_args"],
        json!(["x", {"y": 1, "__kwarg__": true}])
    );
    let ret = follower.tagged(&format!("salt/run/{jid}/ret"));
    assert_eq!(ret["return"], json!({"args": ["x"], "kwargs": {"y": 1}}));
    assert_eq!(ret["success"], true);

    top.expect(64, &["runner", "key.list", "some"]);
    let new = follower.next();
    assert_eq!(new["data"]["fun"], "wheel.key.list");
    let jid = new["data"]["jid"].as_str().expect("an id").to_owned();
    let ret = follower.tagged(&format!("salt/wheel/{jid}/ret"));
    assert_eq!(ret["success"], false);
    assert!(
        ret["return"]
            .as_str()
            .is_some_and(|words| words.contains("no standing")),
        "{ret}"
    );

    // The answer is kept, and found by the id of the call as those of jobs are.
    let jid = top.expect(0, &["runner", "--async", "test.arg", "later"]);
    let jid = jid.out.trim();
    follower.tagged(&format!("salt/run/{jid}/ret"));
    let kept = runner(&top, &["jobs.lookup_jid", jid]);
    assert_eq!(kept["top"]["return"]["args"], json!(["later"]), "{kept}");
    let job = runner(&top, &["jobs.list_job", jid]);
    assert_eq!(job["Function"], "runner.test.arg");
    assert_eq!(job["Result"]["top"]["success"], true);
    top.expect(64, &["runner", "--async", "manage.versions", "x"])
        .complains("takes 0 positional arguments");

    let asleep = top.start(&["runner", "test.sleep", "1000"]);
    let under_way = || runner(&top, &["jobs.master"]);
    let running = wait_for("it is under way", || {
        let running = under_way();
        running
            .as_array()
            .is_some_and(|all| !all.is_empty())
            .then_some(running)
    });
    assert_eq!(running[0]["fun"], "runner.test.sleep");
    asleep.signal(nix::sys::signal::Signal::SIGTERM);
    asleep.finish();
    wait_for("nobody waits for it, so it ends", || {
        (under_way() == json!([])).then_some(())
    });
}
