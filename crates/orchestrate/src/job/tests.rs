use super::*;
use sls::compile::Chunk;
use wire::control::{LedgerRow, Progress};
use wire::{Counts, OutcomeKind, Reason, ReasonCode};

fn read(fun: &str, more: Value) -> Result<Order, String> {
    let mut said = json!({"state": "salt", "fun": fun, "name": "n", "__id__": "n", "tgt": "*"});
    let fields = said.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap());
    match crate::deed(&Chunk(fields.clone()), false, false)? {
        Deed::Order(order) => Ok(*order),
        other => panic!("{other:?}"),
    }
}

/// An account of returns: the id, the value, the return code.
fn ledger(returns: &[(&str, Value, i32)], silent: &[(&str, OutcomeKind, &str)]) -> Ledger {
    let row = |id: &str, kind| LedgerRow {
        id: id.to_owned(),
        path: String::new(),
        kind,
        retcode: None,
        value: None,
        started: None,
        duration_ms: None,
        reason: None,
    };
    let returned = returns
        .iter()
        .enumerate()
        .map(|(at, (id, _, retcode))| LedgerRow {
            retcode: Some(*retcode),
            value: Some(at as u32),
            ..row(
                id,
                if *retcode == 0 {
                    OutcomeKind::Ok
                } else {
                    OutcomeKind::Failed
                },
            )
        });
    let silent = silent.iter().map(|(id, kind, text)| LedgerRow {
        reason: Some(Reason {
            code: ReasonCode::MinionDown,
            text: (*text).to_owned(),
            since: 0,
        }),
        ..row(id, *kind)
    });
    Ledger {
        progress: Progress {
            jid: "20261122223718000000".parse().unwrap(),
            complete: true,
            finished: true,
            counts: Counts::default(),
            rollout: None,
            steps: None,
            sites: vec![],
        },
        fun: String::new(),
        args: b"[]".as_slice().into(),
        kwargs: b"{}".as_slice().into(),
        target: String::new(),
        user: String::new(),
        origin: String::new(),
        roots: None,
        issued: 0,
        finished: None,
        minions: returned.chain(silent).collect(),
        values: returns
            .iter()
            .map(|(_, value, _)| value.to_string().into_bytes().into())
            .collect(),
        unknown: vec![],
        undecided: vec![],
        owner: None,
    }
}

#[track_caller]
fn check(fun: &str, said: Value, ledger: &Ledger, result: Option<bool>, comment: &str) -> Value {
    let told = read(fun, said).unwrap().judge.returned(ledger);
    assert_eq!((told.result, told.comment.as_str()), (result, comment));
    assert_eq!(told.others["__jid__"], "20261122223718000000");
    Value::Object(told.changes)
}

fn ok() -> Value {
    json!({"a_|-b_|-b_|-c": {"result": true, "changes": {}}})
}

fn changed() -> Value {
    json!({"a_|-b_|-b_|-c": {"result": true, "changes": {"x": 1}}})
}

fn bad() -> Value {
    json!({"a_|-b_|-b_|-c": {"result": false, "changes": {}}})
}

/// Results, comments and changes of `salt.states.saltmod.state` of Salt 3008.3 for the same returns.
#[test]
fn states_end_as_in_salt() {
    let x = || json!({"sls": "x"});
    let state = |said, returns: &[(&str, Value, i32)], result, comment: &str| {
        check("state", said, &ledger(returns, &[]), result, comment)
    };
    let fine = "States ran successfully. No changes made to m1.";
    assert_eq!(state(x(), &[("m1", ok(), 0)], Some(true), fine), json!({}));
    let both = [("m1", ok(), 0), ("m2", changed(), 0)];
    let updated = "States ran successfully. Updating m2. No changes made to m1.";
    assert_eq!(
        state(x(), &both, Some(true), updated),
        json!({"out": "highstate", "ret": {"m2": changed()}})
    );
    let failed = "Run failed on minions: m1";
    assert_eq!(
        state(x(), &[("m1", bad(), 2)], Some(false), failed),
        json!({"out": "highstate", "ret": {"m1": bad()}})
    );
    for (value, line) in [
        (json!(["e1", "e2"]), "Minion m1 returned errors: e1; e2"),
        (
            json!(false),
            "Minion m1 returned False instead of a state result.",
        ),
        (
            json!("text"),
            "Minion m1 returned 'text' instead of a state result.",
        ),
        (json!([]), "Minion m1 returned an empty error list."),
    ] {
        let comment = format!("{failed}\n{line}");
        let changes = state(x(), &[("m1", value.clone(), 1)], Some(false), &comment);
        assert_eq!(changes["ret"]["m1"], value);
    }
    let updated = "States ran successfully. Updating m1.";
    for may in [json!({"allow_fail": 1}), json!({"fail_minions": "m1, m9"})] {
        let mut said = x();
        said.as_object_mut()
            .unwrap()
            .extend(may.as_object().cloned().unwrap());
        state(said, &[("m1", bad(), 2)], Some(true), updated);
    }
    let test = || json!({"sls": "x", "test": true});
    state(test(), &[("m1", changed(), 0)], None, updated);
    state(test(), &[("m1", ok(), 0)], Some(true), fine);
    state(x(), &[], Some(false), "No minions returned");
    let unexpected = json!({"sls": "x", "expect_minions": false});
    state(unexpected, &[], Some(true), "States ran successfully.");
    for (said, comment) in [
        (
            json!({}),
            "No highstate or sls specified, no execution made",
        ),
        (
            json!({"sls": "x", "allow_fail": "q"}),
            "Passed invalid value for 'allow_fail', must be an int",
        ),
        (
            json!({"sls": "x", "concurrent": "q"}),
            "Must pass in boolean for value of 'concurrent'",
        ),
    ] {
        assert_eq!(read("state", said).unwrap_err(), comment);
    }
    let ignored = read("state", json!({"sls": "x", "fail_minions": 5})).unwrap();
    let told = ignored.judge.returned(&ledger(&[("m1", bad(), 2)], &[]));
    assert_eq!(
        told.others["warnings"],
        json!(["'fail_minions' needs to be a list or a comma separated string. Ignored."])
    );
}

/// Those of `salt.states.saltmod.function`.
#[test]
fn functions_end_as_in_salt() {
    let fun = |more: Value| {
        let mut said = json!({"name": "f.g"});
        said.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        said
    };
    let fine = "Function ran successfully. Function f.g ran on m1.";
    let failed = "Running function f.g failed on minions: m1 Function f.g ran on m1.";
    for (said, value, retcode, is_ok) in [
        (json!({}), json!("v"), 0, true),
        (json!({}), json!(false), 0, false),
        (json!({}), json!("v"), 3, false),
        (json!({"fail_minions": ["m1"]}), json!("v"), 3, false),
        (json!({"fail_minions": ["m1"]}), json!(false), 0, true),
    ] {
        let comment = if is_ok { fine } else { failed };
        let account = ledger(&[("m1", value.clone(), retcode)], &[]);
        let changes = check("function", fun(said), &account, Some(is_ok), comment);
        assert_eq!(changes, json!({"ret": {"m1": value}}));
    }
    let nobody = ledger(&[], &[]);
    let none = "No minions responded";
    check("function", fun(json!({})), &nobody, Some(false), none);
    let words = read("function", fun(json!({"arg": "a b"}))).unwrap();
    assert_eq!(&*words.ask.args, br#"["a","b"]"#);
    let told = words.judge.returned(&ledger(&[("m1", json!("v"), 0)], &[]));
    let warning = "Please specify 'arg' as a list of arguments.";
    assert_eq!(told.others["warnings"], json!([warning]));
}

/// Where we differ: who does not return has failed.
#[test]
fn whoever_does_not_return_has_failed() {
    let mut account = ledger(
        &[("m1", ok(), 0)],
        &[
            ("m2", OutcomeKind::Unreachable, "the site eu is cut off"),
            ("m3", OutcomeKind::Lost, ""),
        ],
    );
    account.unknown.push("m4".to_owned());
    let x = |more: Value| {
        let mut said = json!({"sls": "x"});
        said.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        said
    };
    let comment = "Run failed on minions: m2, m3, m4\n\
                   Minion m2 did not return a state result: it is unreachable: the site eu is cut off.\n\
                   Minion m3 did not return a state result: it is lost.\n\
                   Minion m4 did not return a state result: no accepted minion has this id.";
    let changes = check("state", x(json!({})), &account, Some(false), comment);
    assert_eq!(
        changes["ret"],
        json!({"m2": false, "m3": false, "m4": false})
    );
    let allowed = "States ran successfully. Updating m2, m3, m4. No changes made to m1.";
    check(
        "state",
        x(json!({"allow_fail": 3})),
        &account,
        Some(true),
        allowed,
    );
    let fine = "States ran successfully. No changes made to m1.";
    let careless = x(json!({"expect_minions": false}));
    check("state", careless, &account, Some(true), fine);

    let comment = "Running function test.ping failed on minions: m2 Function test.ping ran on m1.\n\
                   Minion m2 did not return: it is unreachable: down.";
    let account = ledger(
        &[("m1", json!(true), 0)],
        &[("m2", OutcomeKind::Unreachable, "down")],
    );
    let ping = json!({"name": "test.ping"});
    let changes = check("function", ping, &account, Some(false), comment);
    assert_eq!(changes, json!({"ret": {"m1": true, "m2": false}}));
}

#[test]
fn what_is_asked_for_is_a_job() {
    let said = json!({
        "tgt": ["a", "b"], "sls": ["x", "y"], "pillar": {"k": 1}, "saltenv": "dev", "queue": true,
        "batch": "10%", "failhard": true, "timeout": 5, "subset": 2,
    });
    let ask = read("state", said).unwrap().ask;
    assert_eq!(
        (ask.target_kind.as_str(), ask.target.as_str()),
        ("list", "a,b")
    );
    assert_eq!(
        (ask.fun.as_str(), &*ask.args),
        ("state.sls", &br#"["x,y"]"#[..])
    );
    let kwargs: Value = serde_json::from_slice(&ask.kwargs).unwrap();
    assert_eq!(
        kwargs,
        json!({"pillar": {"k": 1}, "saltenv": "dev", "queue": true, "concurrent": false})
    );
    let plan = ask.plan.unwrap();
    assert_eq!(
        (plan.size, plan.stops),
        (Some(Amount::Percent(1_000)), vec![AT_ONCE])
    );
    assert_eq!(ask.start_within_ms, 5_000);
    assert_eq!(ask.choice.subset, Some(2));
    let refused = |more: Value| read("function", more).unwrap_err();
    assert!(refused(json!({"ret": "mysql"})).starts_with("ret is not served"));
    assert!(refused(json!({"roster": "flat"})).starts_with("roster is not served"));
    assert!(refused(json!({"batch": "many"})).starts_with("batch: "));
    assert!(refused(json!({"timeout": 0})).starts_with("timeout has to be"));
    assert!(refused(json!({"subset": 0})).starts_with("subset has to be"));
    let grain = read(
        "state",
        json!({"highstate": true, "tgt_type": "grain_pcre"}),
    )
    .unwrap();
    assert_eq!(grain.ask.target_kind, "grain-pcre");
}
