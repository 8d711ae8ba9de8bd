//! Modules in Python, with the Python of this host.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{DISKS, SITE, text};
use crate::testing::Host;
use crate::{Call, Cancel, CancelKind};

#[test]
fn python_modules_run_with_the_names_of_salt() {
    let host = Host::with_custom(&[("_modules/disks.py", DISKS)]);
    assert_eq!(
        text(&host.call(Call::new("disk2.own"))),
        "'disk2.own' is not available."
    );
    assert_eq!(host.sync("saltutil.sync_modules"), json!(["modules.disks"]));
    let check = |call: Call, expected: Value| {
        let outcome = host.call(call);
        assert_eq!((outcome.value, outcome.success), (expected, true));
    };
    check(
        Call::new("disk2.list")
            .arg("/dev")
            .arg(2)
            .kwarg("size", 3)
            .kwarg("x", "y"),
        json!({"path": "/dev", "more": [2], "size": 3, "kwargs": {"x": "y"}}),
    );
    check(
        Call::new("disk2.seen"),
        json!(["Debian", "hello", "hub.example", 1, null]),
    );
    check(Call::new("disk2.asks").arg("a"), json!("a!own"));
    check(
        Call::new("disk2.no_file"),
        json!("FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file'"),
    );
    check(
        Call::new("disk2.missing"),
        json!("KeyError 'no.such', True"),
    );
    check(
        Call::new("disk2.sets"),
        json!({"a": [1], "2": "bytes", "null": [1, 2.5], "n": "nan"}),
    );
    let outcome = host.call(Call::new("disk2.retcode"));
    assert_eq!(
        (outcome.value, outcome.retcode, outcome.success),
        (json!("seven"), 7, false)
    );
    let broken = host.call(Call::new("disk2.fails"));
    assert!(
        text(&broken).starts_with(
            "The minion function caused an exception: Traceback (most recent call last):\n"
        ) && text(&broken).contains("disks.py\", line")
            && text(&broken).contains("ValueError: broken on purpose")
            && !text(&broken).contains("<bridge>"),
        "{broken:?}"
    );
    let few = host.call(Call::new("disk2.list"));
    let expected = "Passed invalid arguments to disk2.list: list_() missing 1 required positional argument: 'path'\nAll of them.";
    assert!(text(&few).starts_with(expected), "{few:?}");
    assert!(text(&host.call(Call::new("disk2._private"))).contains("is not available"));
}

#[test]
fn they_are_listed_and_documented() {
    let host = Host::with_custom(&[
        ("_modules/disks.py", DISKS),
        (
            "_modules/over.py",
            "__virtualname__ = 'test'\ndef __virtual__():\n    return 'test'\ndef ping():\n    'Ours.'\n    return 'pong'\n",
        ),
    ]);
    assert_eq!(
        host.sync("saltutil.sync_all")["modules"],
        json!(["modules.disks", "modules.over"])
    );
    assert_eq!(host.sync("test.ping"), json!("pong"));
    let doc = host
        .call(Call::new("sys.doc").arg("test.ping").arg("disk2.list"))
        .value;
    assert_eq!(
        doc["test.ping"],
        json!(
            "Ours.\n\nComes from _modules/over.py, and stands in for the function of this name that is built in.\n"
        )
    );
    assert_eq!(
        doc["disk2.list"],
        json!("All of them.\n\n    disk2.list /dev\n\nComes from _modules/disks.py.\n")
    );
    let listed = host
        .call(Call::new("sys.list_functions").arg("disk2.l*"))
        .value;
    assert_eq!(listed, json!(["disk2.list"]));
    let spec = host.call(Call::new("sys.argspec").arg("disk2.list")).value;
    assert_eq!(
        spec["disk2.list"],
        json!({"args": ["path", "size"], "defaults": [1], "varargs": true, "kwargs": true})
    );
    assert_eq!(
        host.call(Call::new("sys.list_modules").arg("disk2")).value,
        json!(["disk2"])
    );
    let rendered = host.with_env(|env| {
        let source = sls::render::Source {
            text: b"{{ salt['disk2.own']() }} {{ salt.disk2.own() }}",
            saltenv: "base",
            ..Default::default()
        };
        crate::rendering::template(env, &source, "jinja")
    });
    assert_eq!(rendered.unwrap(), "own own");
}

#[test]
fn what_is_not_available_says_why() {
    let host = Host::with_custom(&[
        ("_modules/disks.py", DISKS),
        ("_modules/bad.py", "import no_such_library\n"),
        (
            "_modules/wants.py",
            "import salt.no_such_part\ndef f():\n    return 1\n",
        ),
        ("_modules/odd.py", "def f(:\n"),
        (
            "_states/gone.py",
            "def __virtual__():\n    return False, 'no gone here'\ndef done(name):\n    return {}\n",
        ),
    ]);
    *host.grains.lock().unwrap() = Arc::new(json!({"os": "Arch"}));
    host.sync("saltutil.sync_all");
    let check = |fun: &str, expected: &str| {
        let outcome = host.call(Call::new(fun));
        assert!(
            text(&outcome).contains(expected) && !outcome.success,
            "{outcome:?}"
        );
    };
    check(
        "disk2.own",
        "'disk2' __virtual__ returned False: only on Debian",
    );
    check(
        "bad.f",
        "_modules/bad.py cannot be loaded: ModuleNotFoundError: No module named 'no_such_library'",
    );
    check(
        "wants.f",
        "'import salt.no_such_part' needs Salt's library, which ",
    );
    check("odd.f", "_modules/odd.py cannot be loaded: SyntaxError");
    let returned = host.state("gone.done", json!({"name": "x", "__sls__": "web"}), false);
    assert_eq!(
        returned.comment,
        "State 'gone.done' was not found in SLS 'web'\nReason: 'gone' __virtual__ returned False: no gone here\n"
    );
    // The grains say otherwise now.
    *host.grains.lock().unwrap() = Arc::new(json!({"os": "Debian"}));
    host.sync("saltutil.refresh_modules");
    assert_eq!(host.sync("disk2.own"), json!("own"));
}

#[test]
fn states_run_in_test_mode_and_for_real() {
    let host = Host::with_custom(&[("_states/site.py", SITE)]);
    assert_eq!(host.sync("saltutil.sync_states"), json!(["states.site"]));
    let arguments =
        json!({"name": "a", "extra": 1, "require": [], "__id__": "i", "__env__": "dev"});
    let foretold = host.state("site.present", arguments.clone(), true);
    assert_eq!(
        (foretold.result, foretold.comment.as_str()),
        (None, "would")
    );
    let returned = host.state("site.present", arguments, false);
    assert_eq!(
        (returned.result, returned.comment.as_str()),
        (Some(true), "done\nso"),
        "{returned:?}"
    );
    assert_eq!(
        Value::Object(returned.changes),
        json!({"port": 80, "id": "i", "env": "dev", "inner": "Success!", "more": {"extra": 1}})
    );
    let check = |fun: &str, args: Value, expected: &str| {
        let returned = host.state(fun, args, false);
        assert_eq!(returned.result, Some(false));
        assert!(returned.comment.contains(expected), "{returned:?}");
    };
    check(
        "site.broken",
        json!({"name": "a"}),
        "An exception occurred in this state: Traceback (most recent call last):\n",
    );
    check("site.broken", json!({"name": "a"}), "RuntimeError: no");
    check(
        "site.broken",
        json!({"name": "a", "more": 1}),
        "'more' is an invalid keyword argument for 'site.broken'",
    );
    check(
        "site.malformed",
        json!({"name": "a"}),
        "Malformed state return, return must be a dict",
    );
    check(
        "site.listed",
        json!({"name": "a"}),
        "An exception occurred in this state: 'Changes' should be a dictionary.",
    );
    let word = host.state("site.word", json!({"name": "a"}), false);
    assert_eq!(word.result, Some(true));
    let watched = json!({"name": "a", "sfun": "present", "__reqs__": {}, "port": 1, "order": 2});
    let watched = host.state("site.mod_watch", watched, false);
    assert_eq!(
        Value::Object(watched.changes),
        json!({"sfun": "present", "others": ["__reqs__", "port"]})
    );
    check(
        "site.half",
        json!({"name": "a"}),
        "The following keys were not present in the state return: changes,comment",
    );
}

#[test]
fn a_cancel_ends_a_module() {
    let host = Host::with_custom(&[("_modules/disks.py", DISKS)]);
    host.sync("saltutil.sync_all");
    let cancel = Cancel::new();
    let other = cancel.clone();
    let ender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.cancel(CancelKind::Term);
    });
    let outcome = host.call_with(&Call::new("disk2.sleep"), &cancel);
    ender.join().unwrap();
    assert!(
        text(&outcome).contains("it was ended with the job"),
        "{outcome:?}"
    );
}
