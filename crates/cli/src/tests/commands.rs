//! Keys, tokens, roots and the other commands of one question.

use wire::control::{KeyRow, RootsRow, Tree};
use wire::{KeyDecision, Presence, Role, RootsReport, Standing};

use super::*;

fn key(id: &str, standing: Standing) -> KeyRow {
    KeyRow {
        id: id.to_owned(),
        role: Role::Minion,
        path: "eu".to_owned(),
        standing,
        fingerprint: format!("aa:{id}"),
    }
}

/// A daemon with three keys, that decides as it is told.
fn with_keys() -> (Place, Asked) {
    let rows = vec![
        key("web1", Standing::Pending),
        key("web2", Standing::Accepted),
        key("db1", Standing::Pending),
    ];
    Place::with(move |ask, peer| match ask {
        Ask::Keys => peer.tell(Tell::Keys(rows.clone())),
        Ask::Decide { ids, .. } => {
            let changed = rows
                .iter()
                .filter(|row| ids.contains(&row.id) || ids == ["*"])
                .cloned();
            peer.tell(Tell::Keys(changed.collect()));
        }
        other => panic!("{other:?}"),
    })
}

fn decided(asked: &Asked) -> Vec<(Vec<String>, Vec<Standing>, KeyDecision)> {
    let asked = asked.lock().expect("no thread panicked");
    let decide = |ask: &Ask| match ask {
        Ask::Decide {
            ids,
            standings,
            decision,
            ..
        } => Some((ids.clone(), standings.clone(), *decision)),
        _ => None,
    };
    asked.iter().filter_map(decide).collect()
}

#[test]
fn keys_are_listed() {
    let (place, _) = with_keys();
    let check = |args: &[&str], code, out: &str| {
        assert_eq!(
            place.call(args),
            Outcome {
                code,
                out: out.to_owned(),
                err: String::new()
            },
            "{args:?}"
        );
    };
    check(
        &["keys", "list"],
        0,
        "Accepted Keys:\nweb2\nDenied Keys:\nUnaccepted Keys:\ndb1\nweb1\nRejected Keys:\n",
    );
    check(
        &["keys", "finger", "web*"],
        0,
        "Accepted Keys:\nweb2:  aa:web2\nUnaccepted Keys:\nweb1:  aa:web1\n",
    );
    check(
        &["keys", "list", "db?", "--out", "json"],
        0,
        "[\n    {\n        \"id\": \"db1\",\n        \"role\": \"minion\",\n        \"path\": \"eu\",\n        \"standing\": \"pending\",\n        \"fingerprint\": \"aa:db1\"\n    }\n]\n",
    );
    check(&["keys", "finger", "x*"], 2, "");
    let outcome = place.call(&["keys", "list", "[a"]);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (
            2,
            "Accepted Keys:\nDenied Keys:\nUnaccepted Keys:\nRejected Keys:\n"
        )
    );
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let (place, asked) = with_keys();
    let outcome = place.call(&["keys", "accept", "--all"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    assert!(
        outcome.out.starts_with("Key for minion web1 accepted.\n"),
        "{}",
        outcome.out
    );
    assert_eq!(
        decided(&asked),
        [(
            vec!["*".to_owned()],
            vec![Standing::Pending],
            KeyDecision::Accept
        )]
    );

    let outcome = place.call(&["keys", "delete", "nobody"]);
    assert_eq!(
        outcome,
        Outcome {
            code: 2,
            out: String::new(),
            err: "No key matches.\n".to_owned()
        }
    );
}

#[test]
fn on_a_terminal_what_is_shown_is_what_is_decided() {
    let ask = |input, args: &[&str]| {
        let (mut place, asked) = with_keys();
        place.input = input;
        place.terminals.input = true;
        (place.call(args), decided(&asked))
    };
    let question = "The following keys are going to be accepted:\nUnaccepted Keys:\nweb1:  aa:web1\nProceed? [n/Y]\n";
    let accepted = vec![(
        vec!["web1".to_owned()],
        vec![Standing::Pending],
        KeyDecision::Accept,
    )];
    for yes in ["\n", "y\n", "YES\n"] {
        let (outcome, decided) = ask(yes, &["keys", "accept", "web*"]);
        assert_eq!(
            outcome,
            Outcome {
                code: 0,
                out: "Key for minion web1 accepted.\n".to_owned(),
                err: question.to_owned()
            }
        );
        assert_eq!(decided, accepted);
    }
    for no in ["n\n", "", "what\n"] {
        let (outcome, decided) = ask(no, &["keys", "accept", "web*"]);
        assert_eq!(
            outcome,
            Outcome {
                code: 0,
                out: String::new(),
                err: format!("{question}Nothing is changed.\n")
            }
        );
        assert_eq!(decided, []);
    }
    let (outcome, decided) = ask("", &["keys", "accept", "web*", "-y"]);
    assert_eq!(
        (outcome.code, outcome.err.as_str(), decided[0].0.as_slice()),
        (2, "No key matches.\n", ["web*".to_owned()].as_slice())
    );
    let (outcome, decided) = ask("", &["keys", "accept", "nobody"]);
    assert_eq!((outcome.code, decided.len()), (2, 0));
}

#[test]
fn a_token_stands_alone_on_standard_output() {
    let (place, _) = Place::telling(vec![Tell::Token {
        token: "banyan-secret".to_owned(),
        name: "t1".to_owned(),
        expires: 1_795_389_356_000,
    }]);
    let err = "This is token t1; it ends 2026-11-22T23:15:56.000Z and is not shown again.\n";
    assert_eq!(
        place.call(&["token", "create"]),
        Outcome {
            code: 0,
            out: "banyan-secret\n".to_owned(),
            err: err.to_owned()
        }
    );
    let outcome = place.call(&["token", "create", "--out", "json"]);
    let out = "{\n    \"token\": \"banyan-secret\",\n    \"name\": \"t1\",\n    \"expires\": \"2026-11-22T23:15:56.000Z\"\n}\n";
    assert_eq!(
        outcome,
        Outcome {
            code: 0,
            out: out.to_owned(),
            err: String::new()
        }
    );
}

#[test]
fn a_fetch_is_judged_by_one_who_waited() {
    let row = |presence, error: Option<&str>| RootsRow {
        id: "eu1".to_owned(),
        path: "eu".to_owned(),
        report: RootsReport {
            error: error.map(str::to_owned),
            ..RootsReport::default()
        },
        presence,
    };
    let check = |rows: &[RootsRow], args: &[&str], code| {
        let (place, _) = Place::telling(vec![Tell::Roots(rows.to_vec())]);
        assert_eq!(place.call(args).code, code, "{rows:?} {args:?}");
    };
    let (well, bad, cut) = (
        row(Presence::Up, None),
        row(Presence::Up, Some("no route")),
        row(Presence::CutOff, Some("old")),
    );
    check(
        std::slice::from_ref(&well),
        &["roots", "update", "--wait"],
        0,
    );
    check(
        &[well.clone(), cut.clone(), bad.clone()],
        &["roots", "update", "--wait"],
        1,
    );
    check(&[well, cut.clone()], &["roots", "update", "--wait"], 3);
    check(&[cut.clone(), bad.clone()], &["roots", "update"], 0);
    check(&[cut, bad], &["roots", "status"], 0);
}

#[test]
fn plain_answers() {
    let (place, _) = Place::telling(vec![Tell::Done]);
    for args in [["token", "revoke", "t1"], ["delegate", "ams1", "--revoke"]] {
        assert_eq!(
            place.call(&args),
            Outcome {
                code: 0,
                out: String::new(),
                err: String::new()
            }
        );
    }
    let tree = Tree {
        id: "top1".to_owned(),
        path: String::new(),
        software: "0.1.0".to_owned(),
        as_of: 1_795_389_356_000,
        totals: Default::default(),
        sites: vec![],
        minions: vec![],
    };
    let (place, _) = Place::telling(vec![Tell::Tree(Box::new(tree))]);
    assert!(place.call(&["tree"]).out.starts_with("SITE"));
    let document: serde_json::Value =
        serde_json::from_str(&place.call(&["tree", "--out", "json"]).out).expect("JSON");
    assert_eq!(document["as_of"], "2026-11-22T23:15:56.000Z");
    assert_eq!(document["totals"]["accepted"], 0);
}
