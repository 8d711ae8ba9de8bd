//! How modules come to this host, and grains with them.

use serde_json::{Value, json};

use super::{DISKS, SITE, text};
use crate::Call;
use crate::testing::Host;

#[test]
fn a_highstate_brings_what_it_needs() {
    let host = Host::with_custom(&[
        ("_states/site.py", SITE),
        ("_modules/disks.py", DISKS),
        (
            "_modules/count.py",
            "def up():\n    __context__['n'] = __context__.get('n', 0) + 1\n    return __context__['n']\n",
        ),
        ("top.sls", "base:\n  '*': [web]\n"),
        (
            "web.sls",
            "{{ salt['disk2.own']() }}{{ salt['count.up']() }}{{ salt['count.up']() }}:\n  site.present: []\n",
        ),
    ]);
    let outcome = host.call(Call::new("state.highstate"));
    let record = &outcome.value["site_|-own12_|-own12_|-present"];
    assert_eq!(record["result"], json!(true), "{outcome:?}");
    // What the roots have no longer goes with the next run.
    std::fs::remove_file(host.path("roots/base/_states/site.py")).unwrap();
    let outcome = host.call(Call::new("state.highstate"));
    let record = &outcome.value["site_|-own12_|-own12_|-present"];
    assert_eq!(
        record["comment"],
        json!(
            "State 'site.present' was not found in SLS 'web'\nReason: 'site.present' is not available.\n"
        ),
    );
}

#[test]
fn files_are_brought_by_content() {
    let host = Host::with_custom(&[
        ("_modules/a.py", "def f():\n    return 1\n"),
        (
            "_modules/pack/__init__.py",
            "from .part import g\ndef f():\n    return g()\n",
        ),
        ("_modules/pack/part.py", "def g():\n    return 'part'\n"),
        ("_modules/README.md", "# Read me\n"),
        ("_utils/shared.py", "def twice(n):\n    return 2 * n\n"),
        (
            "_modules/b.py",
            "def f():\n    return __utils__['shared.twice'](21)\n",
        ),
    ]);
    let all = host.sync("saltutil.sync_all");
    assert_eq!(
        all["modules"],
        json!([
            "modules.a",
            "modules.b",
            "modules.pack.__init__",
            "modules.pack.part"
        ])
    );
    assert_eq!(
        (&all["utils"], &all["returners"]),
        (&json!(["utils.shared"]), &json!([]))
    );
    assert!(!std::path::Path::new(&host.path("cache/extmods/modules/README.md")).exists());
    assert_eq!(host.sync("pack.f"), json!("part"));
    assert_eq!(host.sync("b.f"), json!(42));
    let index = host.path("cache/extmods/index.json");
    std::fs::remove_file(&index).unwrap();
    assert_eq!(host.sync("saltutil.sync_modules"), json!([]));
    assert!(std::path::Path::new(&index).exists());
    host.write("roots/base/_modules/a.py", "def f():\n    return 2\n");
    std::fs::remove_file(host.path("roots/base/_modules/b.py")).unwrap();
    let call = Call::new("saltutil.sync_modules").kwarg("extmod_blacklist", "pack.part");
    assert_eq!(host.call(call).value, json!(["modules.a"]));
    assert_eq!(host.sync("a.f"), json!(2));
    assert!(!host.call(Call::new("b.f")).success);
}

#[test]
fn nothing_runs_unless_configured() {
    let host = Host::with_custom(&[]);
    host.set("custom_modules", json!(false));
    assert_eq!(host.sync("saltutil.sync_modules"), json!([]));
    host.write("roots/base/_modules/a.py", "def f():\n    return 1\n");
    let refused = host.call(Call::new("saltutil.sync_all"));
    assert!(
        text(&refused).contains("set custom_modules: true"),
        "{refused:?}"
    );
    assert!(!std::path::Path::new(&host.path("cache/extmods")).exists());
    host.set("custom_modules", json!(true));
    host.set("python_executable", json!("no-such-python"));
    host.sync("saltutil.sync_all");
    let refused = host.call(Call::new("a.f"));
    assert!(
        text(&refused).contains("there is no program 'no-such-python'"),
        "{refused:?}"
    );
}

#[test]
fn grains_come_from_modules() {
    let host = Host::with_custom(&[
        (
            "_grains/rack.py",
            "def main(grains):\n    return {'rack': 'r1', 'of': grains['os']}\ndef none():\n    return 7\n",
        ),
        ("_grains/bad.py", "def f():\n    raise ValueError('x')\n"),
    ]);
    assert_eq!(
        host.sync("saltutil.sync_grains"),
        json!(["grains.bad", "grains.rack"])
    );
    let options = host.options.lock().unwrap().clone();
    let known = json!({"os": "Debian"});
    let found = crate::custom::grains(
        &options,
        &host.dir.path().join("cache"),
        known.as_object().unwrap(),
    );
    assert_eq!(Value::Object(found), json!({"rack": "r1", "of": "Debian"}));
}
