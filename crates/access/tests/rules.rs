//! What rules permit and forbid, as an operator writes them.

use std::sync::LazyLock;

use access::{Area, Asker, Moment, Order, Permission, Policy, Refusal};
use serde_json::{Map, Value, json};
use targeting::{Facts, Nodegroups};
use wire::Called;

struct Minion(&'static str, &'static str, Option<Value>);

impl Facts for Minion {
    fn id(&self) -> &str {
        self.0
    }
    fn path(&self) -> &str {
        self.1
    }
    fn grains(&self) -> Option<&Value> {
        self.2.as_ref()
    }
}

const NOON: Moment = Moment {
    weekday: 2,
    minute: 12 * 60,
};

fn policy(acl: Value, blacklist: Value, rules: Value) -> Policy {
    Policy::read(&acl, &blacklist, &rules, &Nodegroups::default()).expect("rules")
}

fn asks<'a>(user: &'a str, groups: &'a [String]) -> Asker<'a> {
    Asker {
        user,
        groups,
        is_owner: false,
    }
}

fn call(fun: &str) -> Called<'_> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    Called {
        fun,
        args: &[],
        kwargs: &NONE,
    }
}

const OWNER: Asker<'static> = Asker {
    user: "root",
    groups: &[],
    is_owner: true,
};

fn run(
    policy: &Policy,
    asker: Asker<'_>,
    fun: &str,
    minions: &[Minion],
) -> Result<Permission, Refusal> {
    let minions = minions.iter().map(|minion| minion as &dyn Facts);
    policy.run(asker, call(fun), NOON, false, minions)
}

fn refusal(answer: Result<Permission, Refusal>) -> String {
    answer.expect_err("a refusal").text
}

#[test]
fn without_rules_only_the_owner_may() {
    let policy = policy(Value::Null, Value::Null, Value::Null);
    assert!(!policy.opens());
    assert!(run(&policy, OWNER, "cmd.run", &[Minion("a", "", None)]).is_ok());
    let text = refusal(run(&policy, asks("alice", &[]), "test.ping", &[]));
    assert_eq!(text, "no rule lets alice run test.ping now");
}

#[test]
fn publisher_acl_is_read_as_salt_writes_it() {
    let acl = json!({"alice": ["test.*", {"web*": ["state.apply"]}], "%ops": ".*"});
    let policy = policy(acl, Value::Null, Value::Null);
    let alice = asks("alice", &[]);
    let all = [Minion("web1", "eu", None), Minion("db1", "eu", None)];
    assert!(run(&policy, alice, "test.ping", &all).is_ok());
    assert_eq!(
        refusal(run(&policy, alice, "state.apply", &all)),
        "publisher_acl of alice lets alice run state.apply, but not on db1"
    );
    let permission = run(&policy, alice, "state.apply", &all[..1]).expect("permitted");
    assert_eq!(
        permission.within.map(|on| on.to_string()).as_deref(),
        Some("web*")
    );
    assert!(run(&policy, alice, "cmd.run", &all[..1]).is_err());
    let groups = ["ops".to_owned()];
    assert!(run(&policy, asks("bob", &groups), "cmd.run", &all).is_ok());
    assert!(run(&policy, asks("ops", &[]), "cmd.run", &all).is_err());
}

#[test]
fn the_blacklist_wins() {
    let acl = json!({"*": [".*", "@wheel"]});
    let blacklist = json!({"users": ["mallory"], "modules": ["cmd.*"]});
    let policy = policy(acl, blacklist, Value::Null);
    assert!(run(&policy, asks("alice", &[]), "test.ping", &[]).is_ok());
    assert!(run(&policy, asks("alice", &[]), "cmd.run", &[]).is_err());
    assert!(run(&policy, asks("mallory", &[]), "test.ping", &[]).is_err());
    assert!(!policy.may(asks("mallory", &[]), Area::Wheel, NOON));
    assert!(run(&policy, OWNER, "cmd.run", &[]).is_ok());
}

#[test]
fn a_job_is_covered_as_a_whole() {
    let rules = json!([
        {"who": "alice", "may": "state.*", "target": "G@role:web", "sites": ["eu"], "at_most": 2},
    ]);
    let policy = policy(Value::Null, Value::Null, rules);
    let alice = asks("alice", &[]);
    let web = |id, site| Minion(id, site, Some(json!({"role": "web"})));
    assert!(
        run(
            &policy,
            alice,
            "state.apply",
            &[web("a", "eu"), web("b", "eu/ams")]
        )
        .is_ok()
    );
    let too_many = [web("a", "eu"), web("b", "eu"), web("c", "eu")];
    assert_eq!(
        refusal(run(&policy, alice, "state.apply", &too_many)),
        "rule 1 of policy lets alice run state.apply on 2 minions at most, and these are 3"
    );
    let abroad = [web("a", "eu"), web("b", "us")];
    assert!(refusal(run(&policy, alice, "state.apply", &abroad)).ends_with("not on b"));
    // Whose grains nobody knows might be anyone.
    let unknown = [Minion("x", "eu", None)];
    assert!(refusal(run(&policy, alice, "state.apply", &unknown)).ends_with("not on x"));
}

/// A pattern never takes several functions for one name that it matches.
#[test]
fn several_functions_are_judged_one_by_one() {
    let rules = json!([
        {"who": "alice", "may": ["test.*", "grains.items"]},
        {"who": "alice", "may": "cmd.run"},
        {"who": "alice", "deny": "test.exception"},
    ]);
    let blacklist = json!({"modules": ["shadow.*"]});
    let policy = policy(Value::Null, blacklist, rules);
    let alice = asks("alice", &[]);
    let minions = [Minion("a", "eu", None)];
    let may = |fun| run(&policy, alice, fun, &minions).is_ok();
    assert!(may("test.ping,grains.items,test.echo"));
    for fun in [
        "test.ping,cmd.run_all",
        "cmd.run_all,test.ping",
        "test.ping,test.exception",
        "test.ping,shadow.info",
        // Each is permitted, and by no rule together.
        "test.ping,cmd.run",
    ] {
        assert!(!may(fun), "{fun}");
    }
}

#[test]
fn what_is_forbidden_binds_the_owner_until_there_is_a_reason() {
    let rules = json!([
        {"who": "*", "deny": "state.*", "sites": "eu/ams",
         "outside": {"days": "sat-sun", "hours": "02:00-06:00"}},
    ]);
    let policy = policy(Value::Null, Value::Null, rules);
    assert!(!policy.opens());
    let ams = [Minion("a", "eu/ams", None)];
    let refusal = run(&policy, OWNER, "state.apply", &ams).expect_err("outside of the window");
    assert_eq!(
        refusal.text,
        "rule 1 of policy forbids state.apply now on a"
    );
    assert!(refusal.can_be_overridden);
    assert!(run(&policy, OWNER, "test.ping", &ams).is_ok());
    assert!(
        run(
            &policy,
            OWNER,
            "state.apply",
            &[Minion("b", "eu/fra", None)]
        )
        .is_ok()
    );
    let facts = ams.iter().map(|minion| minion as &dyn Facts);
    let permission = policy
        .run(OWNER, call("state.apply"), NOON, true, facts)
        .expect("overridden");
    assert_eq!(permission.overridden, ["rule 1 of policy"]);
    let night = Moment {
        weekday: 5,
        minute: 3 * 60,
    };
    let facts = ams.iter().map(|minion| minion as &dyn Facts);
    assert!(
        policy
            .run(OWNER, call("state.apply"), night, false, facts)
            .is_ok()
    );
}

#[test]
fn areas_are_named_by_their_words() {
    let rules = json!([
        {"who": "alice", "may": ["test.*", "@runner"]},
        {"who": "bob", "may": "*"},
    ]);
    let policy = policy(Value::Null, Value::Null, rules);
    assert!(policy.may(asks("alice", &[]), Area::Runner, NOON));
    assert!(!policy.may(asks("alice", &[]), Area::Wheel, NOON));
    // All functions are not all keys.
    assert!(!policy.may(asks("bob", &[]), Area::Wheel, NOON));
    assert!(policy.may(OWNER, Area::Wheel, NOON));
}

#[test]
fn each_fault_is_named_with_its_rule() {
    let acl = json!({"alice": ["(", {"G@": ["x"]}, 3]});
    let blacklist = json!({"people": ["x"]});
    let rules = json!([
        {"may": "x"},
        {"who": "a", "may": "x", "deny": "y"},
        {"who": "a", "may": "x", "when": "now"},
        {"who": "a", "deny": "x", "at_most": 3},
        {"who": "a", "may": "x", "within": "always"},
        "x",
    ]);
    let faults = Policy::read(&acl, &blacklist, &rules, &Nodegroups::default());
    let faults = faults.expect_err("faults");
    for (nth, rule) in (1..).zip(&faults[4..]) {
        assert!(
            rule.starts_with(&format!("rule {nth} of policy: ")),
            "{rule}"
        );
    }
    assert_eq!(faults.len(), 10, "{faults:#?}");
}

fn refusals(policy: &Policy, user: &str, fun: &str, minions: &[Minion]) -> Vec<Option<String>> {
    let minions: Vec<_> = minions.iter().map(|minion| minion as &dyn Facts).collect();
    let origin = "top1";
    let order = Order {
        user,
        groups: &[],
        origin,
        call: call(fun),
    };
    policy.refusals(order, NOON, &minions)
}

#[test]
fn a_site_forbids_what_it_forbids_to_orders_from_above_too() {
    let rules = json!([
        {"who": "*", "deny": "state.*", "target": "G@role:db", "outside": {"days": "sun"}},
        {"who": "*", "deny": "cmd.*", "within": {"days": "sun"}},
        {"who": "%ops", "deny": "test.*"},
        {"who": "bob", "may": "grains.*"},
    ]);
    let policy = policy(Value::Null, Value::Null, rules);
    assert!(policy.binds_above());
    let of_role = |id, role| Minion(id, "eu", Some(json!({ "role": role })));
    let minions = [
        of_role("a", "db"),
        of_role("b", "web"),
        Minion("c", "eu", None),
    ];
    let forbidden = Some("rule 1 of policy forbids state.apply now".to_owned());
    assert_eq!(
        refusals(&policy, "root", "state.apply", &minions),
        [forbidden.clone(), None, forbidden],
        "what is not known is taken for the worse"
    );
    // Not in these hours; groups are not known; a rule for users here permits and forbids nothing above.
    for fun in ["cmd.run", "test.ping", "grains.items", "pkg.install"] {
        assert_eq!(
            refusals(&policy, "bob", fun, &minions),
            [None, None, None],
            "{fun}"
        );
    }
}

#[test]
fn rules_with_from_are_about_hubs_above_alone() {
    let rules = json!([
        {"who": ["root", "ann"], "from": "top*", "may": "*", "sites": "eu/ams", "at_most": 2},
        {"who": "ann", "from": ["top2"], "may": "*"},
        {"who": "*", "from": "top1", "deny": "cmd.*"},
    ]);
    let policy = policy(Value::Null, Value::Null, rules);
    assert!(policy.binds_above() && !policy.opens() && !policy.binds_owner());
    assert!(run(&policy, OWNER, "cmd.run", &[]).is_ok());
    assert!(run(&policy, asks("ann", &[]), "test.ping", &[]).is_err());
    let ams = |id| Minion(id, "eu/ams", None);
    let two = [ams("a"), ams("b")];
    assert_eq!(refusals(&policy, "ann", "test.ping", &two), [None, None]);
    assert_eq!(
        refusals(&policy, "ann", "cmd.run", &two[..1]),
        [Some("rule 3 of policy forbids cmd.run now".to_owned())]
    );
    let three = [ams("a"), ams("b"), Minion("c", "eu/fra", None)];
    let many = "rule 1 of policy lets ann run test.ping on 2 minions at most, and these are 3";
    let uncovered = "no rule lets ann of top1 run test.ping on it now";
    let texts = [many, many, uncovered].map(|text| Some(text.to_owned()));
    assert_eq!(refusals(&policy, "ann", "test.ping", &three), texts);
    assert_eq!(
        refusals(&policy, "eve", "test.ping", &two[..1]),
        [Some(
            "no rule lets eve of top1 run test.ping on it now".to_owned()
        )]
    );
    let elsewhere = Order {
        user: "ann",
        groups: &[],
        origin: "top2",
        call: call("cmd.run"),
    };
    let minions: Vec<_> = three.iter().map(|minion| minion as &dyn Facts).collect();
    assert_eq!(
        policy.refusals(elsewhere, NOON, &minions),
        [None, None, None]
    );
}

#[test]
fn a_site_without_such_rules_refuses_nothing_from_above() {
    let acl = json!({"alice": ["test.*"]});
    let policy = policy(
        acl,
        json!({"users": ["root"]}),
        json!([{"who": "bob", "may": "*"}]),
    );
    assert!(!policy.binds_above());
    assert_eq!(
        refusals(&policy, "root", "cmd.run", &[Minion("a", "", None)]),
        [None]
    );
}

#[test]
fn targets_of_rules_and_empty_hubs_are_refused() {
    let read = |rule: Value| {
        Policy::read(
            &Value::Null,
            &Value::Null,
            &json!([rule]),
            &Nodegroups::default(),
        )
    };
    let faults =
        read(json!({"who": "a", "may": "*", "target": "I@role:web"})).expect_err("a fault");
    assert!(
        faults[0].contains("can't be decided by the pillar"),
        "{faults:?}"
    );
    let faults = read(json!({"who": "a", "may": "*", "from": []})).expect_err("a fault");
    assert!(faults[0].contains("ids of hubs above"), "{faults:?}");
}

#[test]
fn groups_count_above_when_the_hub_above_vouches_for_them() {
    let rules = json!([{"who": "%ops", "from": "top*", "may": "test.*"}]);
    let policy = policy(Value::Null, Value::Null, rules);
    let minion = Minion("a", "eu", None);
    let said = |groups: &[String]| {
        let order = Order {
            user: "ann",
            groups,
            origin: "top1",
            call: call("test.ping"),
        };
        policy.refusals(order, NOON, &[&minion])
    };
    assert_eq!(said(&["ops".to_owned()]), [None]);
    for groups in [&[][..], &["web".to_owned()][..]] {
        let text = "no rule lets ann of top1 run test.ping on it now";
        assert_eq!(said(groups), [Some(text.to_owned())]);
    }
    assert!(policy.names_group("ops") && !policy.names_group("web"));
}

/// What Salt's master says of the same rules and calls (`__args_check`), by hand in another way.
fn naive(args: &[Option<&str>], kwargs: &[(&str, Option<&str>)], call: Called<'_>) -> bool {
    let is = |asked: Option<&str>, given: Option<&Value>| match (asked, given) {
        (_, None) => false,
        (None, _) => true,
        (Some("x.*"), Some(Value::String(text))) => text.starts_with('x'),
        (Some("True"), Some(given)) => *given == json!(true) || *given == json!("True"),
        (Some("3|None"), Some(given)) => {
            [json!(3), json!("3"), Value::Null, json!("None")].contains(given)
        }
        _ => false,
    };
    (0..args.len()).all(|nth| is(args[nth], call.args.get(nth)))
        && kwargs
            .iter()
            .all(|(name, asked)| is(*asked, call.kwargs.get(*name)))
}

#[test]
fn arguments_are_judged_as_by_a_naive_reader() {
    let patterns = [None, Some("x.*"), Some("True"), Some("3|None")];
    let values = [json!("xy"), json!("y"), json!(true), json!(3), Value::Null];
    let mut lists: Vec<Vec<Option<&str>>> = vec![vec![]];
    for first in patterns {
        lists.push(vec![first]);
        lists.extend(patterns.map(|second| vec![first, second]));
    }
    let mut given: Vec<Vec<Value>> = vec![vec![]];
    for first in &values {
        given.push(vec![first.clone()]);
        given.extend(
            values
                .iter()
                .map(|second| vec![first.clone(), second.clone()]),
        );
    }
    let (mut let_through, mut kept_out) = (0, 0);
    for args in &lists {
        for key in [&[][..], &[("k", None)], &[("k", Some("x.*"))]] {
            let kwargs: Map<String, Value> = key
                .iter()
                .map(|(name, asked)| ((*name).to_owned(), json!(asked)))
                .collect();
            let rule =
                json!({"alice": [{"*": [{"pkg.install": {"args": args, "kwargs": kwargs}}]}]});
            let policy = policy(rule, Value::Null, Value::Null);
            for args_given in &given {
                for named in [json!({}), json!({"k": "xk"}), json!({"k": "zk", "l": 1})] {
                    let Value::Object(named) = named else {
                        continue;
                    };
                    let call = Called {
                        fun: "pkg.install",
                        args: args_given,
                        kwargs: &named,
                    };
                    let minion = Minion("a", "", None);
                    let minions = [&minion as &dyn Facts].into_iter();
                    let said = policy.run(asks("alice", &[]), call, NOON, false, minions);
                    assert_eq!(
                        said.is_ok(),
                        naive(args, key, call),
                        "{args:?} {key:?} {call:?}"
                    );
                    match said {
                        Ok(_) => let_through += 1,
                        Err(refusal) => {
                            kept_out += 1;
                            assert_eq!(
                                refusal.text,
                                "no rule lets alice run pkg.install with these arguments now"
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(
        let_through > 100 && kept_out > 100,
        "{let_through} {kept_out}"
    );
}

#[test]
fn arguments_open_no_area_and_are_nothing_for_a_prohibition() {
    let acl = json!({"alice": [{"*": [{"@wheel": {"args": ["x"]}}, {".*": {"args": ["x"]}}]}]});
    let open = policy(acl, Value::Null, Value::Null);
    for area in [Area::Runner, Area::Jobs, Area::Wheel] {
        assert!(!open.may(asks("alice", &[]), area, NOON), "{area:?}");
    }
    let read = |acl: Value, rules: Value| {
        Policy::read(&acl, &Value::Null, &rules, &Nodegroups::default()).expect_err("faults")
    };
    let denied = json!([{"who": "bob", "deny": [{"pkg.install": {"args": ["x"]}}]}]);
    assert!(read(Value::Null, denied)[0].contains("whatever their arguments"));
    for (bad, why) in [
        (json!({"args": "x"}), "and no `args"),
        (json!({"arg": []}), "and no `arg"),
        (json!({"args": [3]}), "3 is no regular expression"),
        (json!({"args": ["("]}), "is no regular expression"),
        (json!("x"), "says nothing of the arguments"),
    ] {
        let acl = json!({"bob": [{"*": [{"pkg.install": bad}]}]});
        let faults = read(acl, Value::Null);
        assert!(faults[0].contains(why), "{faults:?}");
    }
}

#[test]
fn each_rule_says_why_it_decides_or_does_not() {
    let rules = json!([
        {"who": "bob", "may": "*"},
        {"who": "alice", "may": "state.*"},
        {"who": "alice", "may": [{"test.ping": {"args": ["x"]}}]},
        {"who": "alice", "may": "test.ping", "outside": {"days": "mon-sun"}},
        {"who": "alice", "may": "test.ping", "target": "a"},
        {"who": "alice", "may": "test.ping", "at_most": 1},
        {"who": "*", "deny": "test.ping", "target": "b"},
        {"who": "alice", "may": "test.ping"},
        {"who": "alice", "may": "test.ping", "from": "top"},
    ]);
    let policy = policy(Value::Null, json!({"modules": "cmd.*"}), rules);
    let minions = [Minion("a", "", None), Minion("b", "", None)];
    let minions: Vec<&dyn Facts> = minions.iter().map(|m| m as &dyn Facts).collect();
    let said = policy.explain(asks("alice", &[]), call("test.ping"), NOON, &minions);
    let expected = [
        "is not about alice",
        "is not about test.ping",
        "is not about these arguments",
        "does not hold at this hour",
        "does not let it on b",
        "lets it on 1 minions at most, and these are 2",
        "forbids it on b",
        "lets it",
    ];
    let expected: Vec<String> = (1..)
        .zip(expected)
        .map(|(nth, text)| format!("rule {nth} of policy {text}"))
        .collect();
    assert_eq!(said, expected);
    let barred = policy.explain(asks("alice", &[]), call("cmd.run"), NOON, &minions);
    assert_eq!(barred[0], "publisher_acl_blacklist names cmd.run");
}

#[test]
fn each_of_several_functions_has_its_own_arguments() {
    let acl = json!({"alice": [{"*": ["test.ping", {"pkg.install": {"args": ["nginx"], "kwargs": {"test": "True"}}}]}]});
    let policy = policy(acl, Value::Null, Value::Null);
    let may = |args: Value| {
        let Value::Array(args) = args else {
            return false;
        };
        let call = Called {
            fun: "test.ping,pkg.install",
            args: &args,
            kwargs: &Map::new(),
        };
        let minion = Minion("a", "", None);
        let minions = [&minion as &dyn Facts].into_iter();
        let said = policy.run(asks("alice", &[]), call, NOON, false, minions);
        said.is_ok()
    };
    let named = json!({"__kwarg__": true, "test": true});
    assert!(may(json!([[], ["nginx", named]])));
    assert!(may(json!([["x"], ["nginx", named]])));
    for args in [
        json!([["nginx", named], []]),
        json!([[], ["nginx"]]),
        json!([[], ["evil", named]]),
        json!([[], ["nginx", {"test": true}]]),
        json!(["nginx", named]),
        json!([]),
    ] {
        assert!(!may(args.clone()), "{args}");
    }
}
