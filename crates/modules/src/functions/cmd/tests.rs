//! Commands on the real system.

use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid};
use serde_json::{Value, json};

use crate::testing::Host;
use crate::{Call, Cancel, CancelKind, Outcome};

fn run(cmd: &str) -> Call {
    Call::new("cmd.run").arg(cmd)
}

#[test]
fn output_and_return_codes() {
    let host = Host::new();
    let check = |call: Call, value: Value, retcode: i32| {
        let expected = Outcome {
            value,
            retcode,
            success: retcode == 0,
        };
        assert_eq!(host.call(call.clone()), expected, "{call:?}");
    };
    check(run("echo out; echo err >&2"), json!("out\nerr"), 0);
    check(run("echo a | tr a b"), json!("b"), 0);
    check(run("exit 3"), json!(""), 3);
    check(run("kill -9 $$"), json!(""), -9);
    check(run("printf 'a\\377b  \\n'"), json!("a\u{fffd}b"), 0);
    check(
        run("printf 'a \\n'").kwarg("rstrip", false),
        json!("a \n"),
        0,
    );
    check(run("exit 3").kwarg("ignore_retcode", true), json!(""), 0);
    check(
        run("exit 3").kwarg("success_retcodes", json!([0, 3])),
        json!(""),
        0,
    );
    check(run("exit 3").kwarg("success_retcodes", "3,4"), json!(""), 0);
    check(
        run("echo fine; exit 3").kwarg("success_stdout", "fine"),
        json!("fine"),
        0,
    );
    check(
        run("echo out; echo err >&2").kwarg("redirect_stderr", false),
        json!("out"),
        0,
    );
    check(run("echo secret").kwarg("hide_output", true), json!(""), 0);
    check(
        run("echo $((1+1)) \"a b\"").kwarg("python_shell", false),
        json!("$((1+1)) a b"),
        0,
    );
    check(run("cat"), json!(""), 0);
    check(run("cat").kwarg("stdin", "one\\ntwo"), json!("one\ntwo"), 0);
    check(
        run("head -c 1").kwarg("stdin", "x".repeat(1 << 20)),
        json!("x"),
        0,
    );
    check(
        run("wc -c").kwarg("stdin", "x".repeat(1 << 20)),
        json!("1048576"),
        0,
    );
    check(run("pwd").kwarg("cwd", "/usr"), json!("/usr"), 0);
    check(run("umask").kwarg("umask", 27), json!("0027"), 0);
    check(
        run("echo $A$B").kwarg("env", json!({"A": "x", "B": 1})),
        json!("x1"),
        0,
    );
    check(
        run("echo $A$B").kwarg("env", json!([{"A": true}, {"B": null}])),
        json!("True"),
        0,
    );
    check(
        run("/usr/bin/env")
            .kwarg("clean_env", true)
            .kwarg("env", json!({"A": "b"}))
            .kwarg("python_shell", false)
            .kwarg("reset_system_locale", false),
        json!("A=b"),
        0,
    );
    check(
        run("echo ${PATH%%:*}").kwarg("prepend_path", "/opt/x"),
        json!("/opt/x"),
        0,
    );
    check(
        run("echo $0").kwarg("shell", "/bin/sh"),
        json!("/bin/sh"),
        0,
    );
    check(
        Call::new("cmd.run")
            .arg(json!(["echo", "a  b"]))
            .kwarg("python_shell", false),
        json!("a  b"),
        0,
    );
    check(Call::new("cmd.shell").arg("echo $((2*3))"), json!("6"), 0);
    check(
        Call::new("cmd.run_stdout").arg("echo out; echo err >&2"),
        json!("out"),
        0,
    );
    check(
        Call::new("cmd.run_stderr").arg("echo out; echo err >&2"),
        json!("err"),
        0,
    );
    check(Call::new("cmd.retcode").arg("exit 7"), json!(7), 7);
    check(Call::new("cmd.has_exec").arg("sh"), json!(true), 0);
    check(
        Call::new("cmd.has_exec").arg("no-such-program"),
        json!(false),
        0,
    );
    check(
        Call::new("cmd.which").arg("no-such-program"),
        json!(null),
        0,
    );
    check(
        Call::new("cmd.exec_code")
            .arg("sh")
            .arg("echo $1-$2")
            .kwarg("args", json!(["a", 2])),
        json!("a-2"),
        0,
    );
}

#[test]
fn run_all_has_all_parts() {
    let mut outcome =
        Host::new().call(Call::new("cmd.run_all").arg("echo out; echo err >&2; exit 2"));
    assert!(outcome.value["pid"].take().as_u64().unwrap() > 1);
    assert_eq!(
        outcome.value,
        json!({"pid": null, "retcode": 2, "stdout": "out", "stderr": "err"})
    );
    assert_eq!((outcome.retcode, outcome.success), (2, false));
}

#[test]
fn refusals_are_clear() {
    let host = Host::new();
    let check = |call: Call, expected: &str| {
        let outcome = host.call(call);
        assert!(
            !outcome.success && outcome.value.as_str().unwrap().contains(expected),
            "{:?}",
            outcome.value
        );
    };
    check(
        run("true").kwarg("cwd", "/nowhere"),
        "Specified cwd '/nowhere' either not absolute or does not exist",
    );
    check(run("true").kwarg("cwd", "usr"), "either not absolute");
    check(
        run("true").kwarg("runas", "no-such-user"),
        "User 'no-such-user' is not available",
    );
    check(
        run("true").kwarg("group", "no-such-group"),
        "Group 'no-such-group' is not available",
    );
    check(
        run("true").kwarg("shell", "/bin/nosh"),
        "The shell /bin/nosh is not available",
    );
    check(run("true").kwarg("umask", 0), "Zero umask is not allowed.");
    check(run("true").kwarg("umask", "99"), "Invalid umask: '99'");
    check(run("true").kwarg("template", "nope"), "nope");
    check(run("true").kwarg("use_vt", true), "without a terminal");
    check(run("true").kwarg("env", "A=b"), "env must be a dictionary");
    check(
        run("true").kwarg("timeout", "soon"),
        "must be a time in seconds",
    );
    check(
        run("no-such-program").kwarg("python_shell", false),
        "Unable to run command '['no-such-program']'",
    );
    check(
        run("echo 'open").kwarg("python_shell", false),
        "No closing quotation",
    );
    check(run("echo no; exit 1").kwarg("raise_err", true), "ERROR: no");
    check(
        run("true").kwarg("colour", "red"),
        "The following keyword arguments are not valid: colour=red",
    );
}

#[test]
fn timeout_ends_the_whole_group() {
    let host = Host::new();
    let pids = host.path("pids");
    // The child ignores TERM and holds the output open; its own child does so too.
    let cmd =
        format!("(trap '' TERM; echo $$ > {pids}; sleep 600 & echo $! >> {pids}; exec sleep 601)");
    let begin = Instant::now();
    let outcome = host.call(run(&cmd).kwarg("timeout", 0.5));
    assert_eq!(
        outcome.value,
        json!(format!("{cmd} : Timed out after 0.5 seconds"))
    );
    assert_eq!((outcome.retcode, outcome.success), (1, false));
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_gone(&pids);
}

#[test]
fn cancel_ends_the_whole_group() {
    for kind in [CancelKind::Term, CancelKind::Kill, CancelKind::Signal(2)] {
        let host = Host::new();
        let (pids, ready) = (host.path("pids"), host.path("ready"));
        nix::unistd::mkfifo(ready.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = format!(
            "sleep 600 & echo $! > {pids}; (sleep 601 & echo $! >> {pids}; echo > {ready}; wait); wait"
        );
        // Whoever runs the tests in the background has them ignore INT, and all that they start.
        let cmd = format!("exec env --default-signal=INT bash -c '{script}'");
        let cancel = Cancel::new();
        let other = cancel.clone();
        // Opening the pipe waits until the command has started its children.
        let canceller = std::thread::spawn(move || {
            std::fs::read(&ready).unwrap();
            other.cancel(kind);
        });
        // Background processes of a shell ignore INT: they end with the grace.
        assert!(!host.call_with(&run(&cmd), &cancel).success);
        canceller.join().unwrap();
        assert_gone(&pids);
    }
}

#[test]
fn a_cancelled_job_starts_nothing_that_lasts() {
    let cancel = Cancel::new();
    cancel.cancel(CancelKind::Kill);
    let outcome = Host::new().call_with(&run("sleep 600"), &cancel);
    assert_eq!((outcome.retcode, outcome.success), (-9, false));
}

#[test]
fn a_daemon_that_keeps_the_output_open_does_not_hang_the_job() {
    let host = Host::new();
    let pid = host.path("pid");
    let begin = Instant::now();
    let outcome = host.call(run(&format!(
        "echo started; setsid sleep 600 & echo $! > {pid}"
    )));
    assert_eq!(outcome.value, json!("started"));
    assert!(begin.elapsed() < Duration::from_secs(60));
    for pid in pids_of(&pid) {
        kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

#[test]
fn background_commands_are_not_awaited() {
    let host = Host::new();
    let ready = host.path("ready");
    nix::unistd::mkfifo(ready.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let outcome = host.call(run(&format!("echo done > {ready}")).kwarg("bg", true));
    assert_eq!(outcome, Outcome::ok(""));
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), "done\n");
    let outcome = host.call(Call::new("cmd.run_bg").arg("true"));
    assert!(outcome.value["pid"].as_u64().unwrap() > 1);
}

#[test]
fn runas_takes_on_the_whole_identity() {
    let host = Host::new();
    let call = run("echo $(id -un):$(id -gn):$(id -Gn):$HOME:$USER").kwarg("runas", "nobody");
    let outcome = host.call(call);
    if !Uid::effective().is_root() {
        assert!(
            outcome.value.as_str().unwrap().contains("is not root"),
            "{:?}",
            outcome.value
        );
        return;
    }
    let user = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let group = nix::unistd::Group::from_gid(user.gid)
        .unwrap()
        .unwrap()
        .name;
    assert_eq!(
        outcome.value,
        json!(format!(
            "nobody:{group}:{group}:{}:nobody",
            user.dir.display()
        ))
    );
    let outcome = host.call(
        run("id -gn")
            .kwarg("runas", "nobody")
            .kwarg("group", "daemon"),
    );
    assert_eq!(outcome.value, json!("daemon"));
}

#[test]
fn scripts_are_fetched_and_run() {
    let host = Host::new();
    host.write(
        "roots/base/s.sh",
        "#!/bin/sh\necho \"$0\" | grep -c '[.]sh$'; echo \"$1|$2\"; exit 4\n",
    );
    host.write("roots/dev/plain", "echo no interpreter line\n");
    let script = |source: &str| Call::new("cmd.script").arg(source);
    let check = |call: Call, stdout: &str, retcode: i32| {
        let outcome = host.call(call);
        assert_eq!(
            outcome.value["stdout"],
            json!(stdout),
            "{:?}",
            outcome.value
        );
        assert_eq!(
            (outcome.retcode, outcome.value["retcode"].clone()),
            (retcode, json!(retcode))
        );
    };
    check(script("salt://s.sh").arg("a 'b c'"), "1\na|b c", 4);
    check(
        script("salt://s.sh")
            .kwarg("args", json!(["x y", 3]))
            .kwarg("python_shell", false),
        "1\nx y|3",
        4,
    );
    check(script("salt://plain?saltenv=dev"), "no interpreter line", 0);
    check(
        script("salt://plain").kwarg("saltenv", "dev"),
        "no interpreter line",
        0,
    );
    check(
        script(&host.path("roots/dev/plain")),
        "no interpreter line",
        0,
    );
    if Uid::effective().is_root() {
        check(
            script("salt://plain")
                .kwarg("saltenv", "dev")
                .kwarg("runas", "nobody"),
            "no interpreter line",
            0,
        );
    }
    let outcome = host.call(script("salt://missing"));
    assert_eq!(outcome.value["cache_error"], json!(true));
    assert!(
        outcome.value["stderr"]
            .as_str()
            .unwrap()
            .contains("missing")
            && !outcome.success
    );
    assert_eq!(
        host.call(Call::new("cmd.script_retcode").arg("salt://s.sh"))
            .value,
        json!(4)
    );
}

fn pids_of(file: &str) -> Vec<Pid> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| Pid::from_raw(line.parse().unwrap()))
        .collect()
}

/// The processes named in the file are gone, or dead and only waiting for whoever reaps orphans here. A killed process
/// may need a moment to die.
fn assert_gone(file: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    for pid in pids_of(file) {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .next();
            if matches!(state, None | Some("Z" | "X")) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "process {pid} still runs: {stat}"
            );
            std::thread::yield_now();
        }
    }
}
