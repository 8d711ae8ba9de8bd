use super::present::REDACTED;
use super::*;
use crate::accounts::fake::{self, Fake};
use crate::testing::{Host, checked};

fn told(fake: &Fake, args: Value, is_test: bool) -> Return {
    let accounts = fake.accounts();
    Host::new()
        .with_state(PRESENT, args, is_test, |args, env| {
            present::present(&accounts, args, env)
        })
        .unwrap()
}

fn check(fake: &Fake, args: Value, is_test: bool, result: Option<bool>, comment: &str) -> Value {
    Value::Object(checked(told(fake, args, is_test), result, comment).changes)
}

#[test]
fn users_are_made_changed_and_removed() {
    if !fake::is_possible() {
        return;
    }
    let fake = Fake::new();
    let home = fake.dir.path().join("home").display().to_string();
    let foo = || {
        json!({
            "name": "foo", "uid": 1500, "groups": ["adm"], "optional_groups": ["none"], "fullname": "Foo Bar", "home": home,
            "shell": "/bin/sh", "password": "$6$salt$hash", "maxdays": 90,
        })
    };
    check(&fake, foo(), true, None, "User foo set to be added");
    let changes = check(&fake, foo(), false, Some(true), "New user foo created");
    assert_eq!(
        (&changes["uid"], &changes["groups"], &changes["fullname"]),
        (&json!(1500), &json!(["adm", "foo"]), &json!("Foo Bar"))
    );
    assert_eq!(
        (&changes["password"], &changes["maxdays"]),
        (&json!(REDACTED), &json!(90))
    );
    for is_test in [true, false] {
        let changes = check(
            &fake,
            foo(),
            is_test,
            Some(true),
            "User foo is present and up to date",
        );
        assert_eq!(changes, json!({}));
    }
    let mut other = foo();
    other["groups"] = json!(["wheel"]);
    other["shell"] = json!("/bin/bash");
    other["password"] = json!("$6$salt$other");
    other["roomnumber"] = json!(7);
    other["mindays"] = json!(1);
    let foretold = format!(
        "The following user attributes are set to be changed:\ngroups: ['wheel']\nshell: /bin/bash\npasswd: {REDACTED}\n\
        mindays: 1\nroomnumber: 7\n"
    );
    check(&fake, other.clone(), true, None, &foretold);
    let changes = check(&fake, other.clone(), false, Some(true), "Updated user foo");
    let expected = json!({
        "groups": ["foo", "wheel"], "shell": "/bin/bash", "roomnumber": "7", "passwd": REDACTED, "min": 1,
    });
    let mut without_day = changes;
    without_day.as_object_mut().unwrap().remove("lstchg");
    assert_eq!(without_day, expected);
    check(
        &fake,
        other,
        false,
        Some(true),
        "User foo is present and up to date",
    );
    let kept =
        json!({"name": "foo", "groups": ["adm"], "remove_groups": false, "createhome": false});
    assert_eq!(
        check(&fake, kept, false, Some(true), "Updated user foo"),
        json!({"groups": ["adm", "foo", "wheel"]})
    );
    let moved = json!({"name": "foo", "uid": 1501, "createhome": false});
    let refused = "Encountered error checking for needed changes. Additional info follows:\n\n- Changing uid (1500 -> 1501) not permitted, \
        set allow_uid_change to True to force this change. Note that this will not change file ownership.";
    check(&fake, moved, false, Some(false), refused);
    let locked = json!({"name": "foo", "password_lock": true, "createhome": false});
    assert_eq!(
        check(&fake, locked, false, Some(true), "Updated user foo")["passwd"],
        json!(REDACTED)
    );
    let accounts = fake.accounts();
    let gone = |is_test| {
        let args = json!({"name": "foo"});
        Host::new()
            .with_state(ABSENT, args, is_test, |args, env| {
                absent(&accounts, args, env)
            })
            .unwrap()
    };
    assert_eq!(gone(true).comment, "User foo set for removal");
    let removed = gone(false);
    assert_eq!(removed.comment, "Removed user foo");
    assert_eq!(removed.changes["foo"], json!("removed"));
    assert_eq!(gone(false).comment, "User foo is not present");
}

#[test]
fn what_cannot_be_is_told() {
    let fake = Fake::new();
    let missing = json!({"name": "foo", "groups": ["adm", "none"]});
    check(
        &fake,
        missing.clone(),
        false,
        Some(false),
        "The following group(s) are not present: none",
    );
    check(
        &fake,
        missing,
        true,
        None,
        "User foo set to be added (pending groups: none)",
    );
    check(
        &fake,
        json!({"name": "foo", "fullname": "a,b"}),
        false,
        Some(false),
        "Unsupported char ',' in a,b",
    );
}

#[test]
fn passwords_are_hashed_with_the_salt_that_stands() {
    let fake = Fake::new();
    let hash = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    fake.write("etc/shadow", &format!("root:{hash}:20000:0:99999:7:::\n"));
    let root = json!({"name": "root", "password": "Hello world!", "hash_password": true, "createhome": false});
    check(
        &fake,
        root,
        false,
        Some(true),
        "User root is present and up to date",
    );
}
