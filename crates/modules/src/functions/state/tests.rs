//! State runs over a small tree of files.

use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::testing::Host;

const TOP: &str = "base:\n  '*':\n    - web\n  'db*':\n    - never\n";
const WEB: &str = concat!(
    "include:\n  - common\n",
    "first:\n  test.succeed_with_changes:\n    - name: {{ pillar.motd }}\n",
    "second:\n  test.nop:\n    - require:\n      - test: first\n    - unless: 'true'\n",
    "third:\n  test.succeed_without_changes:\n    - watch:\n      - test: first\n",
);

fn host() -> Host {
    let host = Host::new();
    host.write("roots/base/top.sls", TOP);
    host.write("roots/base/web/init.sls", WEB);
    host.write("roots/base/common.sls", "shared:\n  test.nop: []\n");
    host.write("roots/base/bad.sls", "x:\n  test.nop\n   - y: z\n");
    host.write(
        "roots/base/fails.sls",
        "f:\n  test.fail_without_changes: []\n",
    );
    host
}

fn call(host: &Host, fun: &str, args: Value, kwargs: Value) -> Outcome {
    let call = Call {
        fun: fun.to_owned(),
        args: args.as_array().cloned().unwrap_or_default(),
        kwargs: kwargs.as_object().cloned().unwrap_or_default(),
    };
    host.call(call)
}

/// Tags of the records with their results and comments, in the order in which they ran.
fn told(outcome: &Outcome) -> Vec<String> {
    let records = outcome.value.as_object().expect("records");
    let mut records: Vec<_> = records.iter().collect();
    records.sort_by_key(|(_, record)| record["__run_num__"].as_u64());
    let line = |(tag, record): (&String, &Value)| {
        let id = tag.split("_|-").nth(1).unwrap_or_default();
        let comment = record["comment"].as_str().unwrap_or_default();
        format!("{id} {} {comment}", record["result"])
    };
    records.into_iter().map(line).collect()
}

#[test]
fn a_highstate_runs_what_the_top_file_says() {
    let host = host();
    let outcome = call(&host, "state.apply", json!([]), json!({}));
    assert_eq!(
        told(&outcome),
        [
            "shared true Success!",
            "first true Success!",
            "second true unless condition is true",
            "third true Watch statement fired.",
        ]
    );
    assert_eq!((outcome.retcode, outcome.success), (0, true));
    let record = &outcome.value["test_|-first_|-hello_|-succeed_with_changes"];
    assert_eq!(
        (&record["name"], &record["__sls__"], &record["__id__"]),
        (&json!("hello"), &json!("web"), &json!("first"))
    );
    let foretold = call(&host, "state.highstate", json!([]), json!({"test": true}));
    assert_eq!(
        foretold.value["test_|-first_|-hello_|-succeed_with_changes"]["result"],
        Value::Null
    );
    let terse = call(&host, "state.apply", json!(["web"]), json!({"terse": true}));
    assert_eq!(terse.value.as_object().unwrap().len(), 2);
    let excluded = call(
        &host,
        "state.apply",
        json!([]),
        json!({"exclude": "common"}),
    );
    assert_eq!(told(&excluded).len(), 3);
}

#[test]
fn arguments_of_a_run_hold_for_it_alone() {
    let host = host();
    let pillar = json!({"pillar": {"motd": "other"}});
    let outcome = call(&host, "state.sls", json!(["web"]), pillar);
    assert!(
        outcome
            .value
            .get("test_|-first_|-other_|-succeed_with_changes")
            .is_some()
    );
    let outcome = call(&host, "state.sls", json!(["web"]), json!({}));
    assert!(
        outcome
            .value
            .get("test_|-first_|-hello_|-succeed_with_changes")
            .is_some()
    );
    let outcome = call(&host, "state.apply", json!(["web"]), json!({"pillar": "x"}));
    assert!(
        !outcome.success
            && outcome
                .value
                .as_str()
                .unwrap()
                .contains("formatted as a dictionary")
    );
}

#[test]
fn failures_have_return_codes() {
    let host = host();
    let check = |mods: &str, retcode: i32, text: &str| {
        let outcome = call(&host, "state.sls", json!([mods]), json!({}));
        assert_eq!(outcome.retcode, retcode, "{outcome:?}");
        assert!(!outcome.success);
        assert!(outcome.value.to_string().contains(text), "{outcome:?}");
    };
    check("fails", 2, "Failure!");
    check(
        "bad",
        1,
        "[\"Rendering SLS 'base:bad' failed: mapping values",
    );
    check("none", 1, "No matching sls found for 'none' in env 'base'");
    *host.pillar.lock().unwrap() =
        std::sync::Arc::new(json!({"_errors": ["Rendering SLS 'x' failed"]}));
    check(
        "web",
        5,
        "Pillar failed to render with the following messages:",
    );
}

#[test]
fn what_would_run_is_shown() {
    let host = host();
    let value = |fun: &str, args: Value| call(&host, fun, args, json!({})).value;
    assert_eq!(value("state.show_top", json!([])), json!({"base": ["web"]}));
    assert_eq!(
        value("state.show_states", json!([])),
        json!(["common", "web"])
    );
    let low = value("state.show_lowstate", json!([]));
    let ids: Vec<&Value> = low
        .as_array()
        .unwrap()
        .iter()
        .map(|chunk| &chunk["__id__"])
        .collect();
    assert_eq!(ids, ["shared", "first", "second", "third"]);
    assert_eq!(value("state.show_low_sls", json!(["web"])), low);
    assert_eq!(
        value("state.show_highstate", json!([]))["first"]["__sls__"],
        json!("web")
    );
    assert_eq!(
        value("state.show_sls", json!(["common"]))["shared"]["__sls__"],
        json!("common")
    );
    assert_eq!(
        value("state.sls_exists", json!(["web,common"])),
        json!(true)
    );
    assert_eq!(value("state.sls_exists", json!(["none"])), json!(false));
    assert_eq!(
        value("state.id_exists", json!(["first,second", "web"])),
        json!(true)
    );
    assert_eq!(
        value("state.id_exists", json!(["first,other", "web"])),
        json!(false)
    );
}

#[test]
fn single_states_run_outside_of_the_roots() {
    let host = host();
    let outcome = call(
        &host,
        "state.single",
        json!(["test.show_notification", "x"]),
        json!({"text": "t"}),
    );
    assert_eq!(told(&outcome), ["x true t"]);
    let outcome = call(&host, "state.single", json!(["nothing", "x"]), json!({}));
    assert_eq!(
        (outcome.value, outcome.retcode),
        (json!("Invalid function passed"), 1)
    );
    let outcome = call(
        &host,
        "state.single",
        json!(["nothing.here", "x"]),
        json!({}),
    );
    assert_eq!(
        told(&outcome),
        ["x false Specified state 'nothing.here' was not found\n"]
    );
    let low = json!([{"state": "test", "fun": "fail_without_changes", "name": "x"}]);
    let outcome = call(&host, "state.low", low, json!({}));
    assert_eq!(
        (outcome.value["comment"].clone(), outcome.retcode),
        (json!("Failure!"), 2)
    );
    let high = json!([{"x": {"test": ["nop"], "__sls__": "s", "__env__": "base"}}]);
    let outcome = call(&host, "state.high", high, json!({}));
    assert_eq!(told(&outcome), ["x true Success!"]);
    let path = host.write("once.sls", "{{ grains.os }}:\n  test.nop: []\n");
    let outcome = call(&host, "state.template", json!([path]), json!({}));
    assert_eq!(told(&outcome), ["Debian true Success!"]);
    let outcome = call(
        &host,
        "state.template_str",
        json!(["y: {test: [nop]}"]),
        json!({}),
    );
    assert_eq!(told(&outcome), ["y true Success!"]);
    let outcome = call(&host, "state.sls_id", json!(["second", "web"]), json!({}));
    assert_eq!(told(&outcome).len(), 2, "{outcome:?}");
    let outcome = call(&host, "state.sls_id", json!(["none", "web"]), json!({}));
    assert!(
        outcome
            .value
            .as_str()
            .unwrap()
            .contains("No matches for ID 'none' found in SLS 'web'")
    );
}

#[test]
fn conditions_and_checks_decide() {
    let host = host();
    let sls = concat!(
        "a: {test.nop: [{onlyif: [{fun: test.echo, args: ['']}]}]}\n",
        "b: {test.nop: [{onlyif: [{fun: test.arg, args: [1], get_return: args}]}]}\n",
        "c: {test.nop: [{creates: /}]}\n",
        "d: {test.nop: [{check_cmd: ['false']}]}\n",
        "e: {test.fail_without_changes: [{check_cmd: ['true']}]}\n",
        "f: {test.fail_without_changes: [{retry: {attempts: 2, interval: 0}}]}\n",
        "g: {test.nop: [{parallel: true}]}\n",
    );
    let outcome = call(&host, "state.template_str", json!([sls]), json!({}));
    let mut lines = told(&outcome);
    lines.sort();
    assert_eq!(
        lines,
        [
            "a true onlyif condition is false",
            "b true Success!",
            "c true / exists",
            "d false check_cmd determined the state failed",
            "e true check_cmd determined the state succeeded",
            "f false Attempt 1: Returned a result of \"False\", with the following comment: \"Failure!\"\nFailure!",
            "g true Success!",
        ]
    );
}

#[test]
fn slots_are_filled_when_a_state_is_called() {
    let host = host();
    let sls = concat!(
        "a: {test.show_notification: [{text: '__slot__:salt:test.echo(hi) ~ \" there\"'}]}\n",
        "b: {test.nop: [{onlyif: [{fun: test.true, unknown: '__slot__:salt:no.such(1)'}]}]}\n",
        "c: {test.show_notification: [{text: '__slot__:salt:test.exception(boom)'}]}\n",
        "d: {test.show_notification: [{name: '__slot__:salt:test.echo(named)'}, {text: x}]}\n",
        "e: {test.show_notification: [{text: '__slot__:salt:test.arg(1, k=v).kwargs.k'}]}\n",
        "f: {test.show_notification: [{text: '__slot__:salt:no.such(1)'}]}\n",
    );
    let outcome = call(&host, "state.template_str", json!([sls]), json!({}));
    assert_eq!(
        told(&outcome),
        [
            "a true hi there",
            "b true onlyif condition is false",
            "c false An exception occurred in this state: Exception: boom",
            "d true x",
            "e true v",
            "f true __slot__:salt:no.such(1)",
        ]
    );
}

#[test]
fn what_cannot_be_called_fails_whatever_its_conditions_say() {
    let host = host();
    let sls = concat!(
        "a: {test.nop: [{names: [80]}, {onlyif: 'false'}]}\n",
        "b: {nothing.here: [{onlyif: 'false'}]}\n",
    );
    let outcome = call(&host, "state.template_str", json!([sls]), json!({}));
    assert_eq!(
        told(&outcome),
        [
            "a false ID '80' in SLS '<string>' is not formed as a string, but is a int\n",
            "b false State 'nothing.here' was not found in SLS '<string>'\nReason: 'nothing.here' is not available.\n",
        ]
    );
}

#[test]
fn states_may_be_switched_off() {
    let host = host();
    let value = |fun: &str, args: Value| call(&host, fun, args, json!({})).value;
    assert_eq!(
        value("state.disable", json!(["web"]))["msg"],
        json!("Info: web state disabled.")
    );
    *host.grains.lock().unwrap() =
        std::sync::Arc::new(json!({"state_runs_disabled": ["highstate", "web"]}));
    assert_eq!(
        value("state.list_disabled", json!([])),
        json!(["highstate", "web"])
    );
    assert_eq!(
        value("state.highstate", json!([]))["comment"],
        json!("Disabled")
    );
    let refused = call(&host, "state.sls", json!(["web"]), json!({}));
    assert_eq!(refused.retcode, 1);
    assert!(
        refused.value[0]
            .as_str()
            .unwrap()
            .contains("currently disabled")
    );
}

#[test]
fn files_of_stateconf_set_values_of_others() {
    let host = Host::new();
    let own = "#!stateconf\ninclude:\n  - .own.conf\nextend:\n  .own.conf::params:\n    stateconf.set:\n      - port: 8080\n";
    let conf = "#!stateconf\n.params:\n  stateconf.set:\n    - port: 80\n# --- end of state config ---\n.on-{{ params.port }}:\n  test.nop: []\n";
    host.write("roots/base/own/init.sls", own);
    host.write("roots/base/own/conf.sls", conf);
    let outcome = call(&host, "state.apply", json!(["own"]), json!({}));
    assert_eq!(
        told(&outcome),
        [
            "own.conf::params true ",
            "own.conf::on-8080 true Success!",
            "own.conf::goal true ",
            "own::goal true ",
        ]
    );
}

#[test]
fn a_cleaned_directory_keeps_what_required_states_put_there() {
    let host = host();
    let root = host.path("own");
    let sls = format!(
        "{root}:\n  file.directory:\n    - clean: True\n    - require: [{{file: one}}]\n\
         one:\n  file.managed:\n    - name: {root}/one\n    - contents: x\n    - makedirs: True\n\
         two:\n  file.managed:\n    - name: {root}/two\n    - contents: x\n    - require_in: [{{file: {root}}}]\n"
    );
    host.write("roots/base/clean.sls", &sls);
    host.write("own/stray", "");
    let outcome = call(&host, "state.apply", json!(["clean"]), json!({}));
    assert_eq!(outcome.retcode, 0, "{:?}", outcome.value);
    let mut left: Vec<_> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["one", "two"]);
}

#[test]
fn a_umask_holds_for_its_call_alone() {
    use std::os::unix::fs::PermissionsExt;
    let host = host();
    let path = |name: &str| host.path(name);
    let sls = format!(
        "{}: {{file.touch: [{{umask: '077'}}]}}\n{}: {{file.touch: [{{parallel: true}}]}}\n{}: {{test.nop: [{{umask: '9'}}]}}\n",
        path("own"),
        path("shared"),
        path("wrong"),
    );
    let outcome = call(&host, "state.template_str", json!([sls]), json!({}));
    assert!(
        told(&outcome)
            .iter()
            .any(|line| line.ends_with("false Invalid umask: 9"))
    );
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    let usual = 0o666 & !crate::files::mode::umask();
    assert_eq!((mode("own"), mode("shared")), (0o600, usual));
}

#[test]
fn what_is_not_to_be_logged_is_not_returned() {
    let host = host();
    let sls = "x: {test.succeed_with_changes: [{comment: secret, no_log: true}]}\n";
    let outcome = call(&host, "state.template_str", json!([sls]), json!({}));
    let record = &outcome.value["test_|-x_|-x_|-succeed_with_changes"];
    let mask = "**********";
    assert_eq!(
        (&record["name"], &record["comment"], &record["result"]),
        (&json!(mask), &json!(mask), &json!(true))
    );
    assert_eq!(
        record["changes"],
        json!({"testing": {"old": mask, "new": mask}})
    );
}
