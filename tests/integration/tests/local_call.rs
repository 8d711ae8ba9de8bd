//! `minion call` on a host of the tree: by its daemon, and without one.

use std::fs;
use std::path::Path;

use integration::{Cli, Follower, Remote, Running, Sleepers, Tree, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// States and pillar from a remote; `slow` runs a command that its caller names, and then leaves a mark.
fn remote() -> Remote {
    let remote = Remote::new();
    let write = |path: &str, text: &str| {
        let path = remote.checkout().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("salt/top.sls", "base:\n  '*': [app]\n");
    write(
        "salt/app.sls",
        "told:\n  test.show_notification:\n    - text: {{ pillar['role'] }} with {{ pillar.get('more', 'nothing') }}\n",
    );
    write("salt/bad.sls", "bad:\n  test.fail_without_changes: []\n");
    write(
        "salt/slow.sls",
        "slow:\n  cmd.run:\n    - name: {{ pillar['work'] }}\nafter:\n  file.touch:\n    - name: {{ pillar['mark'] }}\n",
    );
    write("pillar/top.sls", "base:\n  '*': [roles]\n");
    write("pillar/roles.sls", "role: web\n");
    remote.push("salt/text", "of the roots\n");
    remote
}

/// `web1` below `ams-hub` below `top`.
fn tree(remote: &Remote) -> Tree {
    let settings = format!("{}  root: salt\n  pillar_root: pillar\n", remote.settings());
    let mut tree = Tree::with_top(&settings);
    tree.syndic("ams-hub", "ams", &["top"]);
    tree.new_minion("web1", &["ams-hub"], "process_count_max: 1\n");
    tree.settle();
    wait_for("the site serves the roots", || {
        tree.top().call(&["roots", "update", "--wait=30"]);
        let rows = tree.top().json(&["roots", "status"]);
        let rows = rows.as_array()?;
        let serves = |row: &Value| row["report"]["commit"].is_string();
        (rows.len() == 2 && rows.iter().all(serves)).then_some(())
    });
    tree
}

/// What a call prints, which has to end with `code`.
#[track_caller]
fn call(host: &Cli, code: i32, words: &[&str]) -> Value {
    let words = [&["call", "--out", "json"], words].concat();
    host.expect(code, &words).json()["local"].clone()
}

/// The only record of a state with this id.
#[track_caller]
fn record<'a>(records: &'a Value, id: &str) -> &'a Value {
    let all = records.as_object().expect("records");
    let found = all.values().find(|record| record["__id__"] == id);
    found.unwrap_or_else(|| panic!("{id} in {records}"))
}

/// Starts states that run for as long as these processes, and then leave a mark.
fn slow(host: &Cli, sleepers: &Sleepers, mark: &Path) -> Running {
    let pillar = format!(
        "pillar={{work: '{}', mark: '{}'}}",
        sleepers.command(),
        mark.display()
    );
    let running = host.start(&["call", "--out", "json", "state.apply", "slow", &pillar]);
    sleepers.wait_for(2);
    running
}

/// P7, P8: the daemon runs the function, with the files and the pillar of its hub, its mine, its events and its locks.
#[test]
fn the_daemon_of_the_host_runs_what_is_called() {
    let remote = remote();
    let tree = tree(&remote);
    let (top, host) = (tree.top(), tree.cli("web1"));
    let states = call(&host, 0, &["state.apply", "pillar={more: 'a word'}"]);
    assert_eq!(record(&states, "told")["comment"], "web with a word");
    let states = call(&host, 0, &["state.highstate", "test=True"]);
    assert_eq!(record(&states, "told")["comment"], "web with nothing");
    assert_eq!(call(&host, 0, &["pillar.items"]), json!({"role": "web"}));
    call(&host, 1, &["state.apply", "bad"]);
    call(&host, 2, &["--retcode-passthrough", "state.apply", "bad"]);
    call(&host, 3, &["--retcode-passthrough", "cmd.run", "exit 3"]);
    let dest = tree.directory().join("text");
    let dest = dest.to_str().expect("text");
    assert_eq!(call(&host, 0, &["cp.get_file", "salt://text", dest]), dest);
    assert_eq!(fs::read_to_string(dest).expect("a file"), "of the roots\n");
    let told = call(&host, 0, &["--metadata", "test.echo", "hi"]);
    assert_eq!(
        (&told["fun"], &told["return"], &told["fun_args"]),
        (&json!("test.echo"), &json!("hi"), &json!(["hi"]))
    );

    // Its events and its mine are those of the minion.
    let follower = Follower::of(&top, &["my/*", "salt/job/*/ret/web1"]);
    assert_eq!(call(&host, 0, &["event.send", "my/tag", "x=1"]), true);
    assert_eq!(follower.tagged("my/tag")["data"]["x"], 1);
    let told = follower.next();
    assert_eq!(told["data"]["fun"], "event.send", "{told}");
    call(&host, 0, &["--no-return-event", "test.ping"]);
    assert_eq!(call(&host, 0, &["mine.send", "test.arg", "one"]), true);
    assert_eq!(follower.next()["data"]["fun"], "mine.send");
    let given = call(&host, 0, &["mine.get", "*", "test.arg"]);
    assert!(given["web1"].is_object(), "{given}");

    // A call takes no place of jobs: one may wait for another.
    let minion = host_program();
    let nested = format!(
        "{minion} --root-dir {} call grains.get id",
        host.root().display()
    );
    let ledger = top.run(0, &["web1", "cmd.run", &nested]);
    assert_eq!(ledger.returned("web1"), "local:\n    web1");
    host.expect(4, &["call", "--id", "other", "test.ping"])
        .complains("is web1, and not other");
}

/// The program of minions, for commands that call it.
fn host_program() -> String {
    let program = integration::Release::Present.program("minion");
    program.display().to_string()
}

/// One state run at a time, whoever began it; and a call that goes takes its run along.
#[test]
fn a_call_is_locked_out_by_jobs_and_ends_with_its_command() {
    let remote = remote();
    let tree = tree(&remote);
    let (top, host) = (tree.top(), tree.cli("web1"));
    let mark = tree.directory().join("mark");
    let is_idle = || {
        wait_for("the run has ended", || {
            let running = call(&host, 0, &["state.running"]);
            (running == json!([])).then_some(())
        });
    };

    let sleepers = Sleepers::new();
    let running = slow(&host, &sleepers, &mark);
    let refused = top.run(1, &["web1", "state.apply", "app"]);
    let words = refused.returned("web1").to_string();
    assert!(
        words.contains("\\\"state.apply\\\" is running as PID"),
        "{words}"
    );
    let words = call(&host, 1, &["state.apply", "app"]).to_string();
    assert!(words.contains("is running as PID"), "{words}");
    // Killed in the middle: what it began ends, and what would follow does not begin.
    running.signal(Signal::SIGKILL);
    sleepers.wait_for(0);
    is_idle();
    assert!(!mark.exists());

    let sleepers = Sleepers::new();
    let running = slow(&host, &sleepers, &mark);
    running.signal(Signal::SIGINT);
    let said = running.finish();
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.out.contains("was cancelled by"), "{said:#?}");
    assert_eq!(sleepers.count(), 0);
    is_idle();
    assert!(!mark.exists());

    // A hub ends it as any other run, and one that waits for its turn has it.
    let sleepers = Sleepers::new();
    let running = slow(&host, &sleepers, &mark);
    let waits = host.start(&["call", "--out", "json", "state.apply", "app", "queue=True"]);
    let jobs = call(&host, 0, &["saltutil.running"]);
    let job = jobs.as_array().and_then(|jobs| {
        let mut jobs = jobs.iter();
        jobs.find(|job| job["arg"][0] == "slow")
    });
    let jid = job.expect("the run")["jid"].as_str().expect("a jid");
    top.run(0, &["web1", "saltutil.term_job", jid]);
    assert_eq!(running.finish().code, Some(1));
    let said = waits.finish();
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert!(said.out.contains("web with nothing"), "{said:#?}");
}

/// Without a daemon the call is the minion: once, for as long as it lasts, and only where a hub is needed.
#[test]
fn without_a_daemon_the_call_is_the_minion() {
    let remote = remote();
    let mut tree = tree(&remote);
    let (top, host) = (tree.top(), tree.cli("web1"));
    let mark = tree.directory().join("mark");
    tree.node("web1").signal(Signal::SIGTERM);
    tree.node_mut("web1").ended();
    tree.minion_is("web1", "down");
    assert_eq!(call(&host, 0, &["test.ping"]), true);
    let states = call(&host, 0, &["state.apply", "pillar={more: 'a word'}"]);
    assert_eq!(record(&states, "told")["comment"], "web with a word");
    let follower = Follower::of(&top, &["my/*"]);
    assert_eq!(call(&host, 0, &["event.send", "my/tag"]), true);
    follower.tagged("my/tag");
    tree.minion_is("web1", "down");

    // It comes once and goes once. A job that comes meanwhile is refused, and a second call goes by the first.
    let follower = Follower::of(&top, &["salt/presence/change"]);
    let sleepers = Sleepers::new();
    let running = slow(&host, &sleepers, &mark);
    tree.minion_is("web1", "up");
    let came = follower.next();
    assert_eq!(came["data"]["new"], json!(["web1"]), "{came}");
    let ledger = top.run(4, &["web1", "cmd.run", "true"]);
    assert_eq!(ledger.ids("refused"), ["web1"]);
    let reason = ledger.minion("web1")["reason"].to_string();
    assert!(reason.contains("only a call"), "{reason}");
    let words = call(&host, 1, &["state.apply", "app"]).to_string();
    assert!(words.contains("is running as PID"), "{words}");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().code, Some(1));
    let left = follower.next();
    assert_eq!(left["data"]["lost"], json!(["web1"]), "{left}");

    // A daemon that starts waits for the end of the call, and is the minion then.
    let running = slow(&host, &sleepers, &mark);
    tree.node_mut("web1").start();
    wait_for("the daemon waits", || {
        let log = tree.node("web1").log();
        log.contains("waits for the end of a call").then_some(())
    });
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().code, Some(1));
    assert_eq!(sleepers.count(), 0);
    assert!(!mark.exists());
    wait_for("the daemon runs jobs", || {
        let said = top.call(&["run", "web1", "test.ping"]);
        (said.code == Some(0)).then_some(())
    });

    // What a killed one left running ends with the next.
    tree.node("web1").signal(Signal::SIGTERM);
    tree.node_mut("web1").ended();
    let running = slow(&host, &sleepers, &mark);
    running.signal(Signal::SIGKILL);
    assert_eq!(running.finish().code, None);
    assert_eq!(call(&host, 0, &["test.ping"]), true);
    sleepers.wait_for(0);
    assert!(!mark.exists());
}

/// Who is no member yet runs functions, and says what keeps it from states.
#[test]
fn a_stranger_says_what_keeps_it_from_its_hub() {
    let mut tree = Tree::new();
    let settings = tree.child_settings(&["top"]);
    tree.add(
        "minion",
        "new",
        &format!("{}{settings}", integration::settings("new")),
    );
    let host = tree.cli("new");
    assert_eq!(call(&host, 0, &["test.ping"]), true);
    let words = call(&host, 1, &["state.apply"]).to_string();
    assert!(
        words.contains("no hub is connected") && words.contains("accept"),
        "{words}"
    );
    tree.accept("new");
    let words = call(&host, 1, &["state.apply"]).to_string();
    assert!(!words.contains("no hub is connected"), "{words}");
}
