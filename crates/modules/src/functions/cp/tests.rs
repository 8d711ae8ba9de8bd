//! Files of a folder that stands for the hub.

use std::fs;

use serde_json::{Value, json};

use crate::call::Call;
use crate::testing::Host;

#[test]
fn files_are_fetched() {
    let host = Host::new();
    let cached = host.write("roots/base/a/one.txt", "one\n");
    host.write("roots/base/a/b/two.txt", "two\n");
    host.write("roots/base/web/init.sls", "");
    host.write("roots/dev/three.txt", "three\n");
    let dest = host.path("dest");
    let check = |call: Call, expected: Value| {
        assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
    };
    check(
        Call::new("cp.cache_file").arg("salt://a/one.txt"),
        json!(cached),
    );
    check(Call::new("cp.cache_file").arg("salt://none"), json!(false));
    check(
        Call::new("cp.cache_files").arg("salt://a/one.txt,salt://none"),
        json!([cached, false]),
    );
    check(
        Call::new("cp.get_file_str").arg("salt://three.txt?saltenv=dev"),
        json!("three\n"),
    );
    check(
        Call::new("cp.get_file_str").arg("salt://three.txt"),
        json!(false),
    );
    let get = |path: &str, dest: &str| Call::new("cp.get_file").arg(path).arg(dest);
    check(get("salt://a/one.txt", &format!("{dest}/x")), json!(""));
    check(
        get("salt://a/one.txt", &format!("{dest}/x")).kwarg("makedirs", true),
        json!(format!("{dest}/x")),
    );
    check(
        get("salt://three.txt?saltenv=dev", &dest),
        json!(format!("{dest}/three.txt")),
    );
    check(get("salt://none", &dest), json!(""));
    assert_eq!(fs::read_to_string(format!("{dest}/x")).unwrap(), "one\n");
    let files = json!([format!("{dest}/a/b/two.txt"), format!("{dest}/a/one.txt")]);
    check(
        Call::new("cp.get_dir").arg("salt://a").arg(dest.as_str()),
        files,
    );
    check(
        Call::new("cp.list_master"),
        json!(["a/b/two.txt", "a/one.txt", "web/init.sls"]),
    );
    check(
        Call::new("cp.list_master").kwarg("prefix", "a/b"),
        json!(["a/b/two.txt"]),
    );
    check(
        Call::new("cp.list_master_dirs"),
        json!([".", "a", "a/b", "web"]),
    );
    check(Call::new("cp.list_states"), json!(["web"]));
    check(Call::new("cp.envs"), json!(["base"]));
}

#[test]
fn templates_and_copies_are_made() {
    let host = Host::new();
    host.write("roots/base/t/x.jinja", "{{ a }} {{ grains.os }}\n");
    host.write("roots/base/t/y.txt", "y");
    let dest = host.path("out");
    let call = Call::new("cp.get_template")
        .arg("salt://t/x.jinja")
        .arg(dest.as_str())
        .kwarg("a", 1);
    assert_eq!(host.call(call).value, json!(dest));
    assert_eq!(fs::read_to_string(&dest).unwrap(), "1 Debian\n");
    let call = Call::new("cp.get_template").arg("salt://t/x.jinja").arg("");
    let place = host.path("cache/extrn_files/base/t/x.jinja");
    assert!(!host.call(call).success, "a name is not defined");
    let call = Call::new("cp.get_template")
        .arg("salt://t/x.jinja")
        .arg("")
        .kwarg("context", json!({"a": 2}));
    assert_eq!(host.call(call).value, json!(place));
    let call = Call::new("cp.cache_dir")
        .arg("salt://t")
        .kwarg("exclude_pat", "*.jinja");
    assert_eq!(
        host.call(call).value,
        json!([host.path("roots/base/t/y.txt")])
    );
    let copy = host
        .call(Call::new("cp.cache_local_file").arg(dest.as_str()))
        .value;
    assert_eq!(
        host.call(Call::new("cp.is_cached").arg(dest.as_str()))
            .value,
        copy
    );
    assert_eq!(
        host.call(Call::new("cp.is_cached").arg("salt://none"))
            .value,
        json!("")
    );
    let place = Call::new("cp.cache_dest").arg("https://u:p@h:1/a?b");
    assert_eq!(
        host.call(place).value,
        json!(host.path("cache/extrn_files/base/h1/a-b"))
    );
    let templated = Call::new("cp.get_file")
        .arg("salt://t/{{ 'y' }}.txt")
        .arg(format!("{dest}{{{{ 1 }}}}"))
        .kwarg("template", "jinja");
    assert_eq!(host.call(templated).value, json!(format!("{dest}1")));
}

#[test]
fn hashes_are_checked() {
    let host = Host::new();
    let cached = host.write("roots/base/f", "abc");
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let url = |hash: &str| {
        Call::new("cp.get_url")
            .arg("salt://f")
            .kwarg("source_hash", hash)
    };
    assert_eq!(host.call(url(sha256)).value, json!(cached));
    assert_eq!(
        host.call(url("md5=900150983cd24fb0d6963f7d28e17f72").kwarg("dest", Value::Null))
            .value,
        json!("abc")
    );
    assert!(!host.call(url("00150983cd24fb0d6963f7d28e17f729")).success);
    assert!(
        !host
            .call(Call::new("cp.get_url").arg("ftp://example.com/x"))
            .success
    );
    let expected = json!({"hsum": sha256, "hash_type": "sha256"});
    assert_eq!(
        host.call(Call::new("cp.hash_file").arg("salt://f")).value,
        expected
    );
    assert_eq!(
        host.call(Call::new("cp.hash_file").arg(cached)).value,
        expected
    );
    assert_eq!(
        host.call(Call::new("cp.hash_file").arg("salt://none"))
            .value,
        json!({})
    );
}
