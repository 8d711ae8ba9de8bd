//! `grains` on a small minion with a grains file.

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::grains::read_static;
use crate::python;
use crate::testing::Host;

fn call(host: &Host, fun: &str, args: Value) -> Value {
    let args = args.as_array().unwrap().clone();
    host.call(Call {
        fun: fun.to_owned(),
        args,
        kwargs: Map::new(),
    })
    .value
}

#[test]
fn reading() {
    let host = Host::new();
    let check = |fun: &str, args: Value, expected: Value| {
        assert_eq!(call(&host, fun, args), expected, "{fun}")
    };
    check("grains.get", json!(["os"]), json!("Debian"));
    check("grains.get", json!(["deep:er:est"]), json!(7));
    check("grains.get", json!(["deep/er/est", "", "/"]), json!(7));
    check("grains.get", json!(["none"]), json!(""));
    check("grains.get", json!(["none", "x"]), json!("x"));
    check("grains.fetch", json!(["roles:0"]), json!("web"));
    check("grains.has_value", json!(["deep:er"]), json!(true));
    check("grains.has_value", json!(["none"]), json!(false));
    check(
        "grains.item",
        json!(["os", "none"]),
        json!({"os": "Debian", "none": ""}),
    );
    check("grains.equals", json!(["deep:er:est", "7"]), json!(true));
    check(
        "grains.ls",
        json!([]),
        json!(["deep", "kernel", "os", "os_family", "roles", "serialnumber"]),
    );
    let sanitized = host
        .call(Call::new("grains.items").kwarg("sanitize", true))
        .value;
    assert_eq!(
        (&sanitized["serialnumber"], &sanitized["os"]),
        (&json!("ABCDEFXX"), &json!("Debian"))
    );
}

#[test]
fn filters() {
    let host = Host::new();
    let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
    let by = |lookup: Value| Call::new("grains.filter_by").arg(lookup);
    check(by(json!({"Debian": 1, "RedHat": 2})), json!(1));
    check(by(json!({"RedHat": 2})), json!(null));
    check(by(json!({"RedHat": 2, "default": 3})), json!(3));
    check(
        by(json!({"RedHat": 2, "other": 4})).kwarg("default", "other"),
        json!(4),
    );
    check(
        by(json!({"d*": 2, "db": 3})).kwarg("grain", "roles"),
        json!(2),
    );
    let nested = json!({"default": {"a": {"x": 1}, "b": 2}, "Debian": {"a": {"y": 3}}});
    check(
        by(nested.clone()).kwarg("base", "default"),
        json!({"b": 2, "a": {"x": 1, "y": 3}}),
    );
    check(
        by(nested).kwarg("merge", json!({"a": {"z": 1}})),
        json!({"a": {"y": 3, "z": 1}}),
    );
    assert!(
        !host
            .call(by(json!({"default": {}, "Debian": 1})).kwarg("base", "default"))
            .success
    );
}

/// The static grains after some calls, each with the answer that it must give.
fn check_file(host: &Host, calls: &[(&str, Value, Value)], expected: Value) {
    for (fun, args, answer) in calls {
        assert_eq!(call(host, fun, args.clone()), *answer, "{fun} {args}");
    }
    assert_eq!(
        Value::Object(read_static(&host.dir.path().join("grains")).unwrap()),
        expected
    );
}

#[test]
fn writing() {
    check_file(
        &Host::new(),
        &[
            ("grains.setval", json!(["a", 1]), json!({"a": 1})),
            (
                "grains.setvals",
                json!([{"b": "yes", "c": [1]}]),
                json!({"b": "yes", "c": [1]}),
            ),
            ("grains.setval", json!(["a", null]), json!({"a": null})),
            (
                "grains.setval",
                json!(["c", null, true]),
                json!({"c": null}),
            ),
        ],
        json!({"a": null, "b": "yes"}),
    );
    check_file(
        &Host::new(),
        &[
            (
                "grains.append",
                json!(["roles", "web"]),
                json!("The val web was already in the list roles"),
            ),
            (
                "grains.append",
                json!(["roles", "new"]),
                json!({"roles": ["web", "db", "new"]}),
            ),
            (
                "grains.append",
                json!(["os", "x"]),
                json!("The key os is not a valid list"),
            ),
            ("grains.append", json!(["x:y", 1]), json!({"x": {"y": [1]}})),
            (
                "grains.remove",
                json!(["roles", "gone"]),
                json!("The val gone was not in the list roles"),
            ),
        ],
        json!({"roles": ["web", "db", "new"], "x": {"y": [1]}}),
    );
    check_file(
        &Host::new(),
        &[(
            "grains.remove",
            json!(["roles", "db"]),
            json!({"roles": ["web"]}),
        )],
        json!({"roles": ["web"]}),
    );
}

#[test]
fn setting_paths() {
    let done = |changes: Value| json!({"comment": "", "changes": changes, "result": true});
    check_file(
        &Host::new(),
        &[
            (
                "grains.set",
                json!(["app:port", 80]),
                done(json!({"app": {"port": 80}})),
            ),
            (
                "grains.set",
                json!(["os", "Debian"]),
                json!({"comment": "Grain is already set", "changes": {}, "result": true}),
            ),
            (
                "grains.set",
                json!(["deep:er:est", 8]),
                done(json!({"deep": {"er": {"est": 8}}})),
            ),
            (
                "grains.set",
                json!(["roles:web", 1]),
                done(json!({"roles": [{"web": 1}, "db"]})),
            ),
            ("grains.delkey", json!(["os"]), done(json!({"os": null}))),
        ],
        json!({"app": {"port": 80}, "deep": {"er": {"est": 8}}, "roles": [{"web": 1}, "db"]}),
    );
    let host = Host::new();
    let refused = |args: Value| {
        let answer = call(&host, "grains.set", args);
        assert_eq!(answer["result"], json!(false), "{answer}");
        answer["comment"].as_str().unwrap().to_owned()
    };
    assert!(
        refused(json!(["roles", "x"]))
            .starts_with("The key 'roles' exists but is a dict or a list.")
    );
    assert!(refused(json!(["os", [1]])).contains("the given value is a dict or a list"));
    assert!(
        refused(json!(["os:sub", 1])).contains("which is different from the provided key 'sub'")
    );
    assert_eq!(
        call(&host, "grains.set", json!(["roles", "x", true]))["result"],
        json!(true)
    );
}

#[test]
fn a_broken_file_is_left_alone() {
    let host = Host::new();
    let path = host.write("grains", "a: [\n");
    let outcome = host.call(Call::new("grains.setval").arg("a").arg(1));
    assert!(
        !outcome.success
            && python::text(&outcome.value).contains("Unable to read existing grains file")
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), "a: [\n");
}

#[test]
fn a_host_without_the_folder_of_grains_gets_one() {
    let mut host = Host::new();
    host.grains_file = host.dir.path().join("etc/banyan/grains");
    assert_eq!(
        call(&host, "grains.setval", json!(["role", "web"])),
        json!({"role": "web"})
    );
    assert_eq!(call(&host, "grains.get", json!(["role"])), json!("web"));
}
