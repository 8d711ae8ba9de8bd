//! The mine: what minions give for others to read, at one hub and over sites.

use std::fs;

use integration::{Cli, Remote, Tree, wait_for};
use serde_json::{Value, json};

fn call(top: &Cli, id: &str, words: &[&str]) -> Value {
    let words = [&[id], words].concat();
    top.run(0, &words).returned(id).clone()
}

/// What a minion of one hub gives, others read: from functions, states and the runner; what is not for them, they do not get.
#[test]
fn what_is_given_is_read_by_whom_it_is_for() {
    let remote = Remote::new();
    let state = "{% for id, word in salt['mine.get']('*', 'open')|dictsort %}\nof-{{ id }}:\n  test.show_notification:\n    - text: {{ word }}\n{% endfor %}\n";
    fs::write(remote.checkout().join("app.sls"), state).expect("a file");
    remote.push("README", "x");
    let mut tree = Tree::with_top(&remote.settings());
    let of = |word: &str| {
        format!(
            "grains:\n  role: {word}\nmine_functions:\n  open:\n    - mine_function: test.echo\n    - {word}\n  \
             closed:\n    mine_function: test.echo\n    text: secret-{word}\n    allow_tgt: 'role:db'\n    allow_tgt_type: grain\n"
        )
    };
    tree.new_minion("m1", &["top"], &of("web"));
    tree.new_minion("m2", &["top"], &of("db"));
    tree.settle();
    tree.top().call(&["roots", "update", "--wait=30"]);
    let top = tree.top();
    let both = json!({"m1": "web", "m2": "db"});
    wait_for("both gave at their start", || {
        (call(&top, "m1", &["mine.get", "*", "open"]) == both).then_some(())
    });
    let grain = call(
        &top,
        "m2",
        &["mine.get", "role:web", "open,closed", "tgt_type=grain"],
    );
    assert_eq!(
        grain,
        json!({"open": {"m1": "web"}, "closed": {"m1": "secret-web"}})
    );
    assert_eq!(call(&top, "m1", &["mine.get", "*", "closed"]), json!({}));
    let other = call(
        &top,
        "m1",
        &["mine.get", "*", "open", "exclude_minion=True"],
    );
    assert_eq!(other, json!({"m2": "db"}));
    let states = call(&top, "m1", &["state.apply", "app"]);
    assert_eq!(
        states.as_object().map(serde_json::Map::len),
        Some(2),
        "{states}"
    );

    let runner = |words: &[&str]| tree.top().json(&[&["runner"], words].concat());
    assert_eq!(runner(&["mine.get", "*", "open"]), both);
    assert_eq!(runner(&["cache.mine", "m1"])["m1"]["closed"], "secret-web");

    // The hub forgets nothing when it is killed, and hears what it missed.
    tree.node_mut("m2").kill();
    tree.node_mut("top").kill();
    tree.node_mut("top").start();
    tree.answers("top");
    let top = tree.top();
    wait_for("m1 is back", || {
        let said = top.call(&[
            "run",
            "m1",
            "mine.send",
            "open",
            "again",
            "mine_function=test.echo",
        ]);
        (said.code == Some(0)).then_some(())
    });
    let now = json!({"m1": "again", "m2": "db"});
    assert_eq!(call(&top, "m1", &["mine.get", "*", "open"]), now);
    assert_eq!(call(&top, "m1", &["mine.delete", "open"]), true);
    assert_eq!(
        call(&top, "m1", &["mine.get", "*", "open"]),
        json!({"m2": "db"})
    );

    let long = "x".repeat(10_000);
    let words = ["m1", "mine.send", "long", &long, "mine_function=test.echo"];
    for name in ["a", "b"] {
        let words = [&words[..2], &[name], &words[3..]].concat();
        assert_eq!(top.run(0, &words).outcome("m1"), "ok");
    }
    let ledger = top.run(1, &words);
    let said = ledger.returned("m1").as_str().expect("words");
    assert!(said.contains("at most 256 and 28672 are kept"), "{said}");
}

/// Of other sites a minion reads what is exported, and nothing else; each only for whom it is.
#[test]
fn other_sites_read_what_is_exported() {
    let tree = Tree::of_two_sites();
    let top = tree.top();
    let echo = "mine_function=test.echo";
    call(&top, "fra-db1", &["mine.send", "home", "a", echo]);
    call(
        &top,
        "fra-db1",
        &["mine.send", "abroad", "b", echo, "export=True"],
    );
    let rules = ["export=True", "allow_tgt=ams-web2"];
    call(
        &top,
        "fra-db1",
        &[&["mine.send", "for-web2", "c", echo][..], &rules].concat(),
    );
    let all = "home,abroad,for-web2";
    let own = call(&top, "fra-db2", &["mine.get", "*", all]);
    assert_eq!(
        own,
        json!({"home": {"fra-db1": "a"}, "abroad": {"fra-db1": "b"}})
    );
    let abroad = json!({"abroad": {"fra-db1": "b"}});
    wait_for("the export is there", || {
        (call(&top, "ams-web1", &["mine.get", "*", all]) == abroad).then_some(())
    });
    let for_web2 = call(
        &top,
        "ams-web2",
        &["mine.get", "role:db", "for-web2", "tgt_type=grain"],
    );
    assert_eq!(for_web2, json!({"fra-db1": "c"}));
    // What is changed and taken back follows.
    call(
        &top,
        "fra-db1",
        &["mine.send", "abroad", "d", echo, "export=True"],
    );
    wait_for("the change is there", || {
        let found = call(&top, "ams-web1", &["mine.get", "*", "abroad"]);
        (found == json!({"fra-db1": "d"})).then_some(())
    });
    call(&top, "fra-db1", &["mine.flush"]);
    wait_for("it is taken back", || {
        (call(&top, "ams-web1", &["mine.get", "*", "abroad"]) == json!({})).then_some(())
    });
    // A site that is cut off answers for itself.
    call(&top, "ams-web1", &["mine.send", "home", "e", echo]);
    tree.wire("eu-wan").cut();
    let hub = tree.cli("ams-hub");
    let said = hub.json(&["runner", "mine.get", "*", "home"]);
    assert_eq!(said, json!({"ams-web1": "e"}));
}
