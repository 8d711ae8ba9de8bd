//! States over the tree: one remote, one commit, each site's own hub serves files and pillar, and nobody sees another's secrets.

use std::fs;
use std::process::Command;

use integration::{Release, Remote, Tree, git, wait_for};
use serde_json::Value;

const ALL: [&str; 4] = ["ams-web1", "ams-web2", "fra-db1", "fra-db2"];

/// A remote with states in `salt` and pillar in `pillar`; each minion touches the files that its pillar names.
fn remote() -> Remote {
    let remote = Remote::new();
    for folder in ["salt/app", "pillar/hosts"] {
        fs::create_dir_all(remote.checkout().join(folder)).expect("a folder");
    }
    let write = |path: &str, text: &str| {
        fs::write(remote.checkout().join(path), text).expect("a file");
    };
    write("salt/top.sls", "base:\n  '*': [app]\n");
    write(
        "salt/app/init.sls",
        concat!(
            "{% from 'app/map.jinja' import edition with context %}\n",
            "told:\n  test.show_notification:\n",
            "    - name: {{ grains['id'] }}\n",
            "    - text: {{ edition }} for {{ pillar['role'] }} with {{ salt['pillar.get']('secret') }}\n",
            "changed:\n  test.succeed_with_changes:\n    - require:\n      - test: told\n",
        ),
    );
    write(
        "pillar/top.sls",
        concat!(
            "base:\n",
            "  'role:web': [{match: grain}, web]\n",
            "  'role:db': [{match: grain}, db]\n",
            "{% for id in ['ams-web1', 'ams-web2', 'fra-db1', 'fra-db2'] %}",
            "  {{ id }}: [hosts.{{ id }}]\n",
            "{% endfor %}",
        ),
    );
    write("pillar/web.sls", "role: web\n");
    write("pillar/db.sls", "role: db\n");
    for id in ALL {
        write(
            &format!("pillar/hosts/{id}.sls"),
            &format!("secret: secret of {id}\n"),
        );
    }
    write("salt/app/map.jinja", "{% set edition = 'first' %}\n");
    remote.push("README", "roots\n");
    remote
}

fn tree(remote: &Remote) -> Tree {
    let settings = format!("{}  root: salt\n  pillar_root: pillar\n", remote.settings());
    Tree::of_two_sites_with(&settings)
}

#[track_caller]
fn update(tree: &Tree, commit: &str) {
    tree.top().call(&["roots", "update", "--wait=30"]);
    wait_for("every hub serves the commit", || {
        let rows = tree.top().json(&["roots", "status"]);
        let rows = rows.as_array()?;
        let serves = |row: &Value| row["report"]["commit"] == commit;
        (rows.len() == 4 && rows.iter().all(serves)).then_some(())
    });
}

fn head(remote: &Remote) -> String {
    git(&remote.checkout(), &["rev-parse", "HEAD"])
}

/// The comment of a state's record.
fn comment(records: &Value, id: &str) -> String {
    let records = records.as_object().expect("records");
    let found = records.values().find(|record| record["__id__"] == id);
    let comment = found.and_then(|record| record["comment"].as_str());
    comment
        .unwrap_or_else(|| panic!("{id} in {records:?}"))
        .to_owned()
}

/// P7, P8: every site applies the commit that the job names, with the pillar of that commit, each minion with its own.
#[test]
fn a_highstate_is_applied_at_one_commit_with_each_minions_own_pillar() {
    let remote = remote();
    let tree = tree(&remote);
    let first = head(&remote);
    update(&tree, &first);

    let ledger = tree.top().run(0, &["*", "state.apply"]);
    ledger.all_ok(&ALL);
    for id in ALL {
        let role = if id.starts_with("ams") { "web" } else { "db" };
        assert_eq!(
            comment(ledger.returned(id), "told"),
            format!("first for {role} with secret of {id}")
        );
    }

    // Pushed and served: the job of now reads the new commit, that of the old commit the old one, pillar included.
    fs::write(remote.checkout().join("pillar/web.sls"), "role: frontend\n").expect("a file");
    let second = remote.push("salt/app/map.jinja", "{% set edition = 'second' %}\n");
    update(&tree, &second);
    let told = |options: &[&str]| {
        let ledger = tree
            .top()
            .run(0, &[&["ams-web1", "state.apply"], options].concat());
        comment(ledger.returned("ams-web1"), "told")
    };
    assert_eq!(told(&[]), "second for frontend with secret of ams-web1");
    assert_eq!(
        told(&["--roots", &first]),
        "first for web with secret of ams-web1"
    );
    assert_eq!(
        told(&["pillar={secret: given}"]),
        "second for frontend with given"
    );

    // In test mode nothing is changed, and it is said.
    let ledger = tree.top().run(0, &["*", "state.apply", "test=True"]);
    let records = ledger.returned("fra-db1").as_object().expect("records");
    assert!(records.values().any(|record| record["result"].is_null()));
}

/// P8: what is pillar is no file, and a minion has no way to the pillar of another.
#[test]
fn pillar_goes_to_its_minion_alone() {
    let remote = remote();
    let tree = tree(&remote);
    update(&tree, &head(&remote));
    let top = tree.top();

    let listed = top.run(0, &["ams-web1", "cp.list_master"]);
    let listed = listed
        .returned("ams-web1")
        .as_array()
        .expect("paths")
        .clone();
    assert!(!listed.is_empty());
    assert!(
        listed
            .iter()
            .all(|path| !path.to_string().contains("hosts")),
        "{listed:?}"
    );
    for path in [
        "pillar/hosts/fra-db1.sls",
        "../pillar/hosts/fra-db1.sls",
        "hosts/fra-db1.sls",
    ] {
        let read = format!("salt://{path}");
        let said = top.call(&["run", "ams-web1", "cp.get_file_str", &read]);
        assert!(!said.out.contains("secret of"), "{said:#?}");
    }
    // A minion may say of itself what it likes: its id is that of its certificate.
    let grains = ["run", "ams-web1", "grains.setval", "id", "fra-db1"];
    top.call(&grains);
    let items = top.run(0, &["ams-web1", "pillar.items"]);
    assert_eq!(items.returned("ams-web1")["secret"], "secret of ams-web1");
    // Also a commit that is no state of the roots is read by the same rule.
    let commit = head(&remote);
    let listed = top.run(0, &["fra-db1", "cp.list_master", "--roots", &commit]);
    assert!(!listed.returned("fra-db1").to_string().contains("hosts"));
}

/// An error in pillar keeps states from running, and says why.
#[test]
fn an_error_in_pillar_stops_states() {
    let remote = remote();
    let tree = tree(&remote);
    let commit = remote.push("pillar/db.sls", "role: {{ nothing.at.all }}\n");
    update(&tree, &commit);
    let ledger = tree.top().run(1, &["*", "state.apply"]);
    assert_eq!(ledger.ids("ok"), ["ams-web1", "ams-web2"]);
    assert_eq!(ledger.ids("failed"), ["fra-db1", "fra-db2"]);
    let told = ledger.returned("fra-db1").to_string();
    assert!(
        told.contains("Pillar failed to render with the following messages"),
        "{told}"
    );
    assert!(told.contains("Rendering SLS 'db' failed"), "{told}");
    assert_eq!(ledger.minion("fra-db1")["retcode"], 5);
}

/// P5: a site that is cut off while it applies states goes on, and its results are told when it is back.
#[test]
fn a_site_that_is_cut_off_goes_on_applying() {
    let remote = remote();
    let tree = tree(&remote);
    let flag = tree.directory().join("go");
    let wait = format!(
        "waits:\n  test.nop:\n    - onlyif: 'while ! test -e {}; do sleep 0.1; done'\n",
        flag.display()
    );
    let commit = remote.push("salt/waits.sls", &wait);
    update(&tree, &commit);
    let jid = tree.top().submit(&["ams*", "state.apply", "waits"]);
    tree.top().job_becomes(&jid, "both have begun", |ledger| {
        ledger.count("running") == 2
    });
    tree.wire("ams-wan").cut();
    tree.minion_is("ams-web1", "cut-off");
    fs::write(&flag, "").expect("a flag");
    tree.wire("ams-wan").heal();
    let ledger = tree
        .top()
        .job_becomes(&jid, "both are told", |ledger| ledger.count("ok") == 2);
    assert_eq!(comment(ledger.returned("ams-web1"), "waits"), "Success!");
}

/// Who waits for a run at a terminal of the top sees how many states are done on all minions below a syndic, while it goes on.
#[test]
fn a_terminal_shows_how_far_states_are() {
    let remote = Remote::new();
    let mut tree = Tree::with_top(&format!("{}  root: salt\n", remote.settings()));
    tree.syndic("ams-hub", "ams", &["top"]);
    for id in ["ams-web1", "ams-web2"] {
        tree.new_minion(id, &["ams-hub"], "");
    }
    tree.settle();
    let flag = |number: usize| tree.directory().join(format!("go-{number}"));
    let waits = |number| {
        let flag = flag(number);
        let flag = flag.display();
        format!(
            "step-{number}:\n  test.nop:\n    - onlyif: 'while ! test -e {flag}; do sleep 0.1; done'\n"
        )
    };
    fs::create_dir_all(remote.checkout().join("salt")).expect("a folder");
    remote.push("salt/steps.sls", &(1..=3).map(waits).collect::<String>());
    tree.top().call(&["roots", "update", "--wait=30"]);

    let mut terminal = tree
        .top()
        .on_terminal(&["run", "*", "state.apply", "steps"]);
    terminal.shows("0 of 6 states done");
    fs::write(flag(1), "").expect("a flag");
    terminal.shows("2 of 6 states done");
    fs::write(flag(2), "").expect("a flag");
    terminal.shows("4 of 6 states done");
    fs::write(flag(3), "").expect("a flag");
    assert_eq!(terminal.finish(), Some(0), "{}", terminal.written());
    let written = terminal.written();
    let done: Vec<u64> = written
        .lines()
        .filter_map(|line| line.split_once(" of 6 states done")?.0.trim().parse().ok())
        .collect();
    assert!(done.is_sorted(), "{done:?}");
    // What is over is not left on the screen.
    let after = written.rsplit("states done").next().unwrap_or_default();
    assert!(
        after.contains("\x1b[J") && after.contains("Succeeded: 3"),
        "{after}"
    );
}

/// A host without a hub applies its own roots: templates of its pillar may call what the host has, and a command that fails is no error of the pillar.
#[test]
fn a_host_applies_its_own_roots_without_a_hub() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("a file");
        dir.path().display().to_string()
    };
    write("pillar/top.sls", "base:\n  '*': [told]\n");
    write(
        "pillar/told.sls",
        "told: {{ salt['cmd.run']('echo out; exit 3') }}\n",
    );
    let root = write(
        "salt/app.sls",
        "a: {test.show_notification: [{text: {{ pillar.told }}}]}\nb: {test.fail_without_changes: []}\n",
    );
    let (files, pillar) = (format!("{root}/salt"), format!("{root}/pillar"));
    let call = [
        "--root-dir",
        &root,
        "call",
        "--file-root",
        &files,
        "--pillar-root",
        &pillar,
        "--id",
        "alone",
        "--retcode-passthrough",
        "--out",
        "json",
        "state.apply",
        "app",
    ];
    let output = Command::new(Release::Present.program("minion"))
        .args(call)
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(comment(&answer["local"], "a"), "out");
    assert_eq!(comment(&answer["local"], "b"), "Failure!");
}
