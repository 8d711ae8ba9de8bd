//! What rules permit and forbid, as an operator writes them.

use access::{Area, Asker, Moment, Order, Permission, Policy, Refusal};
use serde_json::{Value, json};
use targeting::{Facts, Nodegroups};

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
    policy.run(asker, fun, NOON, false, minions)
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
        .run(OWNER, "state.apply", NOON, true, facts)
        .expect("overridden");
    assert_eq!(permission.overridden, ["rule 1 of policy"]);
    let night = Moment {
        weekday: 5,
        minute: 3 * 60,
    };
    let facts = ams.iter().map(|minion| minion as &dyn Facts);
    assert!(
        policy
            .run(OWNER, "state.apply", night, false, facts)
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
    policy.refusals(Order { user, origin, fun }, NOON, &minions)
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
        origin: "top2",
        fun: "cmd.run",
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
