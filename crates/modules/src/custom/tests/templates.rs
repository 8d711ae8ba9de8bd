//! State files and templates in Python.

use serde_json::json;

use crate::Call;
use crate::testing::Host;

#[test]
fn state_files_and_templates_in_python() {
    let host = Host::new();
    let sls = r#"#!py
import os

def run():
    """Data of states."""
    name = "%s %s %s" % (__grains__["os"], __pillar__["motd"], __sls__)
    return {name: {"test.configurable_test_state": [{"changes": False}, {"comment": __salt__["test.echo"](saltenv)}]}}
"#;
    host.write("roots/base/web/py.sls", sls);
    host.write("roots/base/none.sls", "#!py\nx = 1\n");
    host.write(
        "roots/base/bad.sls",
        "#!py\ndef run():\n    return {}['no']\n",
    );
    let outcome = host.call(Call::new("state.apply").arg("web.py"));
    let records = outcome.value.as_object().unwrap();
    let (tag, record) = records.iter().next().unwrap();
    assert_eq!(
        (tag.as_str(), &record["comment"]),
        (
            "test_|-Debian hello web.py_|-Debian hello web.py_|-configurable_test_state",
            &json!("base")
        ),
        "{outcome:?}"
    );
    let check = |mods: &str, expected: &[&str]| {
        let outcome = host.call(Call::new("state.apply").arg(mods));
        let text = outcome.value.to_string();
        for expected in expected {
            assert!(text.contains(expected), "{text}");
        }
    };
    check(
        "none",
        &["Rendering SLS 'base:none' failed: renderer 'py': it has no function run()"],
    );
    check("bad", &["line 3, in run", "KeyError: 'no'"]);
    let source = sls::render::Source {
        text: b"def run():\n    return '%s %s %s %s\\n' % (more, salt['test.echo']('x'), grains['os'], tplfile)\n",
        saltenv: "base",
        path: "x/a.tmpl",
        context: serde_json::Map::from_iter([("more".to_owned(), json!([1]))]),
        ..Default::default()
    };
    let rendered = host.with_env(|env| crate::rendering::template(env, &source, "py"));
    assert_eq!(rendered.unwrap(), "[1] x Debian x/a.tmpl\n");
    host.set("python_executable", json!("/no/python"));
    check(
        "web.py",
        &["renderer 'py'", "there is no program '/no/python'"],
    );
}
