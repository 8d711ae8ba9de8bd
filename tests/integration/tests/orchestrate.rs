//! Orchestrations: states of the hub that order jobs over two sites, in their order, and what is left of them when they are ended.

use std::fs;

use integration::{Deeds, Ledger, Remote, Tree, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const AMS: [&str; 2] = ["ams-web1", "ams-web2"];

/// What stands where in the roots.
fn remote(files: &[(&str, &str)]) -> Remote {
    let remote = Remote::new();
    fs::create_dir_all(remote.checkout().join("orch")).expect("a folder");
    for (path, text) in files {
        fs::write(remote.checkout().join(path), text).expect("a file");
    }
    remote.push("README", "roots\n");
    remote
}

fn tree(remote: &Remote) -> Tree {
    let tree = Tree::of_two_sites_with(&remote.settings());
    tree.top().expect(0, &["roots", "update", "--wait=60"]);
    tree
}

const MINIONS: &str = "\
ready:
  test.succeed_with_changes:
    - name: v{{ pillar.get('version', 'none') }}
";

const DEPLOY: &str = "\
{% set up = salt['saltutil.runner']('manage.up') %}
databases:
  salt.state:
    - tgt: 'role:db'
    - tgt_type: grain
    - sls: app
    - pillar: {version: {{ pillar['version'] }}}
    - require_in:
      - salt: webs
webs:
  salt.state:
    - tgt: 'eu/ams/*'
    - sls: [app]
    - batch: 1
ping:
  salt.function:
    - name: test.ping
    - tgt: '*'
    - require:
      - salt: webs
roster:
  salt.runner:
    - name: manage.up
    - require:
      - salt: ping
both:
  salt.parallel_runners:
    - runners:
        one:
          - name: state.orchestrate
          - kwarg: {mods: orch.inner}
        two:
          - name: state.orchestrate
          - kwarg: {mods: orch.inner}
    - onchanges:
      - salt: databases
skipped:
  salt.function:
    - name: test.ping
    - tgt: '*'
    - unless:
      - fun: pillar.get
        args: [version]
told:
  test.check_pillar:
    - string: [name]
    - integer: [version]
changed:
  test.succeed_with_changes: []
heard:
  test.nop:
    - watch:
      - test: changed
count_{{ up | length }}:
  salt.runner:
    - name: manage.down
";

const INNER: &str = "\
inner:
  salt.function:
    - name: test.echo
    - tgt: fra-db1
    - arg: [inner]
";

/// The records of an orchestration, in the order in which they ran: the id, and the record.
fn records(data: &Value) -> Vec<(String, Value)> {
    let records = data["top_master"].as_object().expect("records");
    let mut records: Vec<_> = records
        .values()
        .map(|record| {
            let id = record["__id__"].as_str().expect("an id").to_owned();
            (id, record.clone())
        })
        .collect();
    records.sort_by_key(|(_, record)| record["__run_num__"].as_u64());
    records
}

#[track_caller]
fn record<'r>(records: &'r [(String, Value)], id: &str) -> &'r Value {
    let found = records.iter().find(|(known, _)| known == id);
    &found.unwrap_or_else(|| panic!("{id}: {records:#?}")).1
}

/// Over both sites, in their order, at one commit; each job is a job, and all of it is in the history.
#[test]
fn states_order_jobs_over_the_sites_in_their_order() {
    let remote = remote(&[
        ("app.sls", MINIONS),
        ("orch/deploy.sls", DEPLOY),
        ("orch/inner.sls", INNER),
    ]);
    let tree = tree(&remote);
    let top = tree.top();
    let follower = integration::Follower::of(&top, &["salt/run/*"]);
    let typed = [
        "runner",
        "state.orchestrate",
        "orch.deploy",
        "pillar={version: 7, name: x}",
    ];
    let answer = top.json(&typed);
    let records = records(&answer);
    let ids: Vec<&str> = records.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "databases",
            "webs",
            "ping",
            "roster",
            "both",
            "skipped",
            "told",
            "changed",
            "heard",
            "count_4"
        ]
    );
    for (id, record) in &records {
        assert_eq!(record["result"], true, "{id}: {record:#}");
    }
    let databases = record(&records, "databases");
    assert_eq!(
        databases["comment"],
        "States ran successfully. Updating fra-db1, fra-db2."
    );
    let changes = &databases["changes"];
    assert_eq!(changes["out"], "highstate");
    let of_minion = &changes["ret"]["fra-db1"]["test_|-ready_|-v7_|-succeed_with_changes"];
    assert_eq!(of_minion["result"], true, "{changes:#}");
    let ping = record(&records, "ping");
    assert_eq!(
        ping["changes"]["ret"].as_object().map(|ret| ret.len()),
        Some(4)
    );
    let roster = record(&records, "roster");
    assert_eq!(roster["comment"], "Runner function 'manage.up' executed.");
    assert_eq!(
        roster["changes"]["return"].as_array().map(Vec::len),
        Some(4)
    );
    assert_eq!(
        record(&records, "skipped")["comment"],
        "unless condition is true"
    );

    assert_eq!(
        record(&records, "heard")["comment"],
        "Watch statement fired."
    );

    // Each job stands for itself, at the commit of the orchestration.
    let commit = top.json(&["roots", "status"])[0]["report"]["commit"].clone();
    let webs = record(&records, "webs")["__jid__"]
        .as_str()
        .expect("a jid")
        .to_owned();
    let job = top.show(&webs);
    job.all_ok(&AMS);
    assert_eq!(job.field("roots"), &commit);
    // The orchestration is one of the jobs, and so are those that it ran itself.
    let jobs = top.json(&["jobs", "list", "--limit", "100"]);
    let jobs = jobs.as_array().expect("a list");
    let of = |fun: &str| jobs.iter().filter(|job| job["fun"] == fun).count();
    assert_eq!(of("runner.state.orchestrate"), 3, "{jobs:#?}");
    assert_eq!(of("test.echo"), 2);
    let begun = follower.next();
    let jid = begun["data"]["jid"].as_str().expect("a jid").to_owned();
    assert_eq!(begun["tag"], format!("salt/run/{jid}/new"));
    assert_eq!(begun["data"]["fun"], "runner.state.orchestrate");
    let ordered = follower.tagged(&format!("salt/run/{jid}/args"));
    assert_eq!(
        (&ordered["type"], &ordered["args"]["arg"]),
        (&json!("state"), &json!(["app"])),
        "{ordered:#}"
    );
    let ended = follower.tagged(&format!("salt/run/{jid}/ret"));
    assert_eq!(ended["return"]["data"], answer, "{ended:#}");
    assert_eq!(ended["return"]["outputter"], "highstate");
    assert_eq!(ended["return"]["retcode"], 0);
    assert_eq!(ended["success"], true);
    let shown = top.show(&jid);
    shown.all_ok(&["top_master"]);
    assert_eq!(shown.returned("top_master"), &answer["top_master"]);
    let text = top.expect(0, &["jobs", "show", &jid]).out;
    assert!(text.contains("Function: salt.state"), "{text}");

    // The same as a command of its own; in test mode nothing is ordered.
    let before = jobs.len();
    let typed = [
        "orchestrate",
        "orch.deploy",
        "pillar={version: 8, name: x}",
        "test=True",
    ];
    let data = top.json(&typed);
    let told = self::records(&data);
    let would = "Function test.ping would be executed on target *";
    assert_eq!(record(&told, "ping")["comment"], would);
    assert_eq!(record(&told, "ping")["result"], Value::Null);
    let jobs = top.json(&["jobs", "list", "--limit", "100"]);
    // Two state runs in test mode, and the orchestration itself.
    assert_eq!(jobs.as_array().map(Vec::len), Some(before + 3), "{jobs:#}");
    let shown = top.json(&["runner", "state.orch_show_sls", "orch.inner"]);
    assert_eq!(
        shown["top_master"]["inner"]["__sls__"], "orch.inner",
        "{shown:#}"
    );
    let single = [
        "runner",
        "state.orchestrate_single",
        "fun=salt.runner",
        "name=manage.up",
    ];
    top.json(&single);
    let none = top.expect(1, &["runner", "state.orchestrate", "orch.none"]);
    assert!(
        none.out.contains("No matching sls found for 'orch.none'"),
        "{none:#?}"
    );
}

const CAREFUL: &str = "\
careful:
  salt.state:
    - tgt: '*'
    - sls: app
    - timeout: 2
after:
  salt.function:
    - name: test.ping
    - tgt: ams-web1
    - require:
      - salt: careful
rescue:
  salt.function:
    - name: test.echo
    - arg: [rescued]
    - tgt: ams-web1
    - onfail:
      - salt: careful
careless:
  salt.state:
    - tgt: '*'
    - sls: app
    - timeout: 2
    - allow_fail: 2
broken:
  salt.function:
    - name: cmd.run
    - arg: ['exit 3']
    - tgt: ams-web1
command:
  salt.function:
    - name: test.ping
    - tgt: '*'
    - onlyif: 'true'
";

/// A site that can't be reached is a failure by name, and not a silence.
#[test]
fn who_does_not_return_makes_its_state_fail() {
    let remote = remote(&[("app.sls", MINIONS), ("orch/careful.sls", CAREFUL)]);
    let tree = tree(&remote);
    tree.wire("fra-wan").cut();
    tree.minion_is("fra-db1", "cut-off");
    let answer = tree
        .top()
        .expect(
            1,
            &["runner", "state.orch", "orch.careful", "--out", "json"],
        )
        .json();
    let records = records(&answer);
    let careful = record(&records, "careful");
    let comment = careful["comment"].as_str().expect("a comment");
    assert_eq!(careful["result"], false);
    assert!(
        comment.starts_with("Run failed on minions: fra-db1, fra-db2\nMinion fra-db1 did not return a state result: it is unreachable"),
        "{comment}"
    );
    assert_eq!(careful["changes"]["ret"]["fra-db1"], false);
    assert_eq!(record(&records, "after")["__state_ran__"], false);
    assert_eq!(record(&records, "rescue")["result"], true);
    assert_eq!(record(&records, "careless")["result"], true);
    let broken = record(&records, "broken");
    assert_eq!(broken["result"], false, "{broken:#}");
    let command = record(&records, "command");
    assert_eq!(command["result"], false);
    assert!(
        command["comment"]
            .to_string()
            .contains("starts no programs")
    );
}

/// Ctrl-C ends the orchestration and not what it ordered.
#[test]
fn an_interrupted_orchestration_leaves_its_jobs() {
    let slow = "\
slow:
  salt.function:
    - name: cmd.run
    - arg: [{{ pillar['work'] | json }}]
    - tgt: ams-web1
never:
  salt.function:
    - name: cmd.run
    - arg: [{{ pillar['other'] | json }}]
    - tgt: ams-web1
    - require:
      - salt: slow
";
    let remote = remote(&[("orch/slow.sls", slow)]);
    let mut tree = tree(&remote);
    let top = tree.top();
    let pillar = |name: &str| {
        let (work, other) = (Deeds::new(&tree, name), Deeds::new(&tree, "other"));
        let values = serde_json::json!({"work": work.work(5), "other": other.work(0)});
        (work, format!("pillar={values}"))
    };
    let other = Deeds::new(&tree, "other");

    // Of a command of its own, which hears the end.
    let (first, values) = pillar("first");
    let running = top.start(&["orchestrate", "orch.slow", &values, "--out", "ledger"]);
    first.all("begin", &["ams-web1"]);
    running.signal(Signal::SIGINT);
    let said = running.finish();
    assert_eq!(said.code, Some(1), "{said:#?}");
    let ledger = Ledger::parse(&said.out);
    let value = ledger.returned("top_master");
    let slow = &value["salt_|-slow_|-cmd.run_|-function"];
    let comment = slow["comment"].as_str().expect("a comment");
    assert!(comment.contains("interrupted: cancelled by"), "{comment}");
    let words: Vec<&str> = comment.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Job").expect("a job");
    let job = top.job_becomes(words[at + 1], "its job ends", Ledger::is_finished);
    job.all_ok(&["ams-web1"]);
    assert_eq!(first.of("end"), ["ams-web1"]);

    // Of a runner, whose caller is gone.
    let (second, values) = pillar("second");
    let running = top.start(&["runner", "state.orchestrate", "orch.slow", &values]);
    second.all("begin", &["ams-web1"]);
    running.signal(Signal::SIGKILL);
    running.finish();
    let newest = |fun: &str| {
        let jobs = top.json(&["jobs", "list"]);
        let jobs = jobs.as_array().expect("a list").clone();
        let found = jobs.into_iter().find(|job| job["fun"] == fun);
        found.expect("a job")["jid"]
            .as_str()
            .expect("a jid")
            .to_owned()
    };
    let jid = newest("runner.state.orchestrate");
    let ledger = top.job_becomes(&jid, "it is interrupted", Ledger::is_finished);
    assert_eq!(ledger.ids("failed"), ["top_master"]);
    second.all("end", &["ams-web1"]);

    // Of a hub that is killed: it is lost, and begun by nobody again.
    let (third, values) = pillar("third");
    let jid = top
        .expect(0, &["orchestrate", "orch.slow", &values, "--async"])
        .out;
    let jid = jid.trim().to_owned();
    third.all("begin", &["ams-web1"]);
    let ordered = newest("cmd.run");
    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    tree.heals();
    let top = tree.top();
    let ledger = top.job_becomes(&jid, "it is over", Ledger::is_finished);
    assert_eq!(ledger.ids("lost"), ["top_master"]);
    let why = ledger.minion("top_master")["reason"].to_string();
    assert!(why.contains(&format!("slow {ordered}")), "{why}");
    third.all("end", &["ams-web1"]);
    let job = top.job_becomes(&ordered, "its job ends", Ledger::is_finished);
    job.all_ok(&["ams-web1"]);
    for deeds in [&first, &second, &third] {
        assert_eq!(deeds.of("begin"), ["ams-web1"]);
    }
    assert_eq!(other.of("begin"), [""; 0]);
}

/// An orchestration goes on when each minion was seen, and the runner of events prints them.
#[test]
fn events_are_waited_for() {
    let waits = "\
seen:
  salt.wait_for_event:
    - name: work/done
    - id_list: [ams-web1, fra-db1]
    - timeout: 60
unseen:
  salt.wait_for_event:
    - name: work/never
    - id_list: [ams-web1]
    - timeout: 1
";
    let remote = remote(&[("orch/waits.sls", waits)]);
    let tree = tree(&remote);
    let top = tree.top();
    let printing = top.start(&["runner", "state.event", "work/*", "count=1"]);
    let running = top.start(&["runner", "state.orchestrate", "orch.waits", "--out", "json"]);
    let mut running = Some(running);
    // Who reads is told down to the minions, and a state begins when it begins: so it is said until it is heard.
    let said = wait_for("both were seen", || {
        for id in ["ams-web1", "fra-db1"] {
            top.call(&["run", id, "event.send", "work/done"]);
        }
        let mut process = running.take()?;
        if process.is_running() {
            running = Some(process);
            return None;
        }
        Some(process.finish())
    });
    assert_eq!(said.code, Some(1), "{said:#?}");
    let records = records(&said.json());
    let seen = record(&records, "seen");
    assert_eq!(seen["result"], true, "{seen:#}");
    assert!(seen["comment"].to_string().contains("All events seen in "));
    assert_eq!(
        seen["changes"]["minions_seen"].as_array().map(Vec::len),
        Some(2)
    );
    let unseen = record(&records, "unseen");
    assert_eq!(
        (&unseen["result"], &unseen["comment"]),
        (&false.into(), &"Timeout value reached.".into())
    );
    let printed = printing.finish();
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    assert!(printed.out.starts_with("work/done\t{"), "{printed:#?}");
}

/// Who may call runners, and no functions of keys, gets none by way of an orchestration; nor jobs that no rule lets out.
#[test]
fn rights_are_those_of_who_orders() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root can ask as somebody else");
        return;
    }
    let all = "\
keys:
  salt.wheel:
    - name: key.list_all
jinja:
  salt.runner:
    - name: manage.up
command:
  salt.function:
    - name: cmd.run
    - arg: [id]
    - tgt: ams-web1
ping:
  salt.function:
    - name: test.ping
    - tgt: ams-web1
";
    let remote = remote(&[("orch/all.sls", all)]);
    let rules = "publisher_acl:\n  games: ['test.*', '@runner']\n";
    let tree = Tree::of_two_sites_with(&format!("{}{rules}", remote.settings()));
    tree.top().expect(0, &["roots", "update", "--wait=60"]);
    let open = |path: &std::path::Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, mode).expect("is opened");
    };
    open(tree.directory());
    let place = tree.directory().join("for-all");
    fs::create_dir_all(&place).expect("a directory");
    let games = tree.top().of_user("games", &place);
    let said = games.expect(1, &["orchestrate", "orch.all", "--out", "json"]);
    let records = records(&said.json());
    for (id, is_ok, words) in [
        ("keys", false, "no rule has @wheel"),
        ("jinja", true, "executed"),
        ("command", false, "no rule lets games run cmd.run now"),
        ("ping", true, "ran successfully"),
    ] {
        let record = record(&records, id);
        assert_eq!(record["result"], is_ok, "{record:#}");
        assert!(record.to_string().contains(words), "{record:#}");
    }
    let jobs = games.json(&["jobs", "list"]);
    let jobs = jobs.as_array().expect("a list");
    assert_eq!(jobs.len(), 2, "{jobs:#?}");
    assert!(jobs.iter().all(|job| job["user"] == "games"), "{jobs:#?}");
}
