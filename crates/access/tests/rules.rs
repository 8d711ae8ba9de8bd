//! What rules permit and forbid, as an operator writes them.

use access::{Area, Asker, Moment, Permission, Policy, Refusal};
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
