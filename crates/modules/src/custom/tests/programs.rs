//! Programs that speak the protocol.

use std::time::Duration;

use serde_json::{Value, json};

use super::text;
use crate::testing::Host;
use crate::{Call, Cancel, CancelKind};

/// A program that speaks the protocol with what every shell has.
const VOLUMES: &str = r#"#!/bin/sh
read -r request
case "$request" in
*'"describe":true'*)
    echo '{"return":{"functions":{"size":{"args":["path","unit"],"defaults":["M"],"doc":"The size."},"ask":{},"fail":{},"die":{},"chat":{},"never":{}}}}' ;;
*'"call":"volumes.size"'*) echo '{"log":"info","text":"asked"}'; printf '{"return":{"size":7,"request":%s}}\n' "$request" ;;
*'"call":"volumes.ask"'*)
    echo '{"call":"test.echo","args":["hi"]}'; read -r first
    echo '{"call":"no.such"}'; read -r second
    echo '{"has":"test.ping","kind":"modules"}'; read -r third
    printf '{"return":[%s,%s,%s],"retcode":4}\n' "$first" "$second" "$third" ;;
*'"call":"volumes.fail"'*) echo '{"error":"no such volume"}' ;;
*'"call":"volumes.die"'*) echo 'out of order' >&2; exit 3 ;;
*'"call":"volumes.chat"'*) echo hello ;;
*'"call":"volumes.never"'*) exec sleep 1000 ;;
esac
"#;

const LINKS: &str = r#"#!/bin/sh
read -r request
case "$request" in
*'"describe":true'*) echo '{"return":{"functions":{"up":{"args":["name"]}}}}' ;;
*'"test":true'*) echo '{"return":{"name":"eth0","result":null,"changes":{},"comment":"would be up"}}' ;;
*) echo '{"return":{"name":"eth0","result":true,"changes":{"eth0":"up"},"comment":"is up"}}' ;;
esac
"#;

const PLACE: &str = r#"#!/bin/sh
read -r request
case "$request" in
*'"describe":true'*) echo '{"return":{"functions":{"main":{}}}}' ;;
*) echo '{"return":{"place":"cellar"}}' ;;
esac
"#;

#[test]
fn programs_speak_the_protocol() {
    let host = Host::with_custom(&[
        ("_modules/volumes.sh", VOLUMES),
        ("_modules/mute", "#!/bin/sh\nexit 0\n"),
        ("_states/link.sh", LINKS),
        ("_grains/place.sh", PLACE),
    ]);
    let all = host.sync("saltutil.sync_all");
    assert_eq!(all["modules"], json!(["modules.mute", "modules.volumes"]));
    let outcome = host.call(Call::new("volumes.size").arg("/srv").kwarg("unit", "G"));
    let request = &outcome.value["request"];
    assert_eq!(outcome.value["size"], json!(7), "{outcome:?}");
    for (key, expected) in [
        ("version", json!(1)),
        ("args", json!(["/srv"])),
        ("kwargs", json!({"unit": "G"})),
        ("test", json!(false)),
    ] {
        assert_eq!(request[key], expected, "{key}");
    }
    assert_eq!(
        (
            &request["grains"]["os"],
            &request["pillar"]["motd"],
            &request["opts"]["master"]
        ),
        (&json!("Debian"), &json!("hello"), &json!("hub.example"))
    );
    let asked = host.call(Call::new("volumes.ask"));
    assert_eq!(asked.retcode, 4);
    assert_eq!(
        asked.value,
        json!([{"return": "hi"}, {"error": "'no.such' is not available.", "kind": "KeyError"}, {"return": true}])
    );
    let check = |call: Call, expected: &str| {
        let outcome = host.call(call);
        assert!(
            text(&outcome).contains(expected) && !outcome.success,
            "{outcome:?}"
        );
    };
    check(Call::new("volumes.fail"), "ERROR: no such volume");
    check(
        Call::new("volumes.die"),
        "_modules/volumes.sh: it ended without an answer: out of order",
    );
    check(
        Call::new("volumes.chat"),
        "it has to say JSON objects, one in each line, and says: hello",
    );
    check(
        Call::new("volumes.size"),
        "size() missing 1 required positional argument: 'path'",
    );
    check(
        Call::new("volumes.size").arg("/").kwarg("x", 1),
        "keyword arguments are not valid: x=1",
    );
    check(
        Call::new("mute.f"),
        "_modules/mute cannot be loaded: _modules/mute: it ended without an answer",
    );
    let returned = host.state("link.up", json!({"name": "eth0"}), true);
    assert_eq!(
        (returned.result, returned.comment.as_str()),
        (None, "would be up")
    );
    let returned = host.state("link.up", json!({"name": "eth0"}), false);
    assert_eq!(
        (returned.result, &returned.changes["eth0"]),
        (Some(true), &json!("up"))
    );
    let options = host.options.lock().unwrap().clone();
    let found = crate::custom::grains(
        &options,
        &host.dir.path().join("cache"),
        &serde_json::Map::new(),
    );
    assert_eq!(Value::Object(found), json!({"place": "cellar"}));
    let cancel = Cancel::new();
    let other = cancel.clone();
    let ender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.cancel(CancelKind::Term);
    });
    let outcome = host.call_with(&Call::new("volumes.never"), &cancel);
    ender.join().unwrap();
    assert!(
        text(&outcome).contains("it was ended with the job"),
        "{outcome:?}"
    );
}

#[test]
fn modules_in_a_circle_are_stopped() {
    let host = Host::with_custom(&[(
        "_modules/round.sh",
        "#!/bin/sh\nread -r request\ncase \"$request\" in\n*describe*) echo '{\"return\":{\"functions\":{\"go\":{}}}}' ;;\n\
         *) echo '{\"call\":\"round.go\"}'; read -r answer; echo \"$answer\" ;;\nesac\n",
    )]);
    host.sync("saltutil.sync_modules");
    let outcome = host.call(Call::new("round.go"));
    assert!(
        text(&outcome).contains("do they call one another in a circle?"),
        "{outcome:?}"
    );
}
