use super::*;
use crate::states::Return;
use crate::states::pkg::fake::Fake;
use crate::testing::checked;

fn check(fake: &Fake, args: Value, is_test: bool, result: Option<bool>, comment: &str) -> Return {
    checked(
        fake.state(super::super::INSTALLED, args, is_test, installed),
        result,
        comment,
    )
}

const THERE: &str = "All specified packages are already installed";

#[test]
fn packages_are_installed_once() {
    let fake = Fake::new()
        .offers("a", "1.1")
        .offers("a", "1.0")
        .offers("a-package-with-a-name", "2");
    let one = json!({"name": "a"});
    let told = "The following packages would be installed/updated: a";
    let answer = check(&fake, one.clone(), true, None, told);
    assert_eq!(
        Value::Object(answer.changes),
        json!({"a": {"new": "1.1", "old": ""}})
    );
    let answer = check(
        &fake,
        one.clone(),
        false,
        Some(true),
        "The following packages were installed/updated: a",
    );
    assert_eq!(
        Value::Object(answer.changes),
        json!({"a": {"new": "1.1", "old": ""}})
    );
    for is_test in [true, false] {
        assert!(
            check(&fake, one.clone(), is_test, Some(true), THERE)
                .changes
                .is_empty()
        );
    }
    let two = json!({"name": "x", "pkgs": ["a", "a-package-with-a-name"]});
    let comment = "1 targeted package was installed/updated.\nThe following packages were already installed: a";
    check(&fake, two, false, Some(true), comment);
    // The first state fetches the lists, the others do not.
    assert_eq!(fake.refreshes.get(), 1);
    check(
        &fake,
        json!({"name": "x", "pkgs": []}),
        false,
        Some(true),
        "No packages to install provided",
    );
}

#[test]
fn versions_are_kept() {
    let fake = Fake::new()
        .with("a", "1.0-1")
        .offers("a", "1.1")
        .offers("a", "1.0-1");
    let at_version = "All specified packages are already installed and are at the desired version";
    for version in ["1.0-1", "1.0*", ">=1.0", "<1.1,>0.9", "=1.0-1"] {
        check(
            &fake,
            json!({"name": "a", "version": version}),
            false,
            Some(true),
            at_version,
        );
    }
    check(
        &fake,
        json!({"name": "a", "version": "1.0", "allow_updates": true}),
        false,
        Some(true),
        at_version,
    );
    let told = "The following packages would be installed/updated: a";
    check(
        &fake,
        json!({"name": "a", "version": ">1.0-1"}),
        true,
        None,
        told,
    );
    let answer = check(
        &fake,
        json!({"name": "a", "version": "latest"}),
        false,
        Some(true),
        "The following packages were installed/updated: a=1.1",
    );
    assert_eq!(answer.changes["a"]["new"], json!("1.1"));
    check(
        &fake,
        json!({"name": "a", "version": "latest"}),
        false,
        Some(true),
        at_version,
    );
}

#[test]
fn failures_tell_what_the_program_said() {
    let fake = Fake::new().offers("a", "1");
    let comment = "Problem encountered installing package(s). Additional info follows:\n\nerrors:\n    - E: Unable to locate package zz";
    let answer = check(
        &fake,
        json!({"name": "x", "pkgs": ["a", "zz"]}),
        false,
        Some(false),
        comment,
    );
    assert_eq!(answer.changes["a"]["new"], json!("1"));
    let both = json!({"name": "x", "pkgs": ["a"], "sources": [{"a": "/x.deb"}]});
    check(
        &fake,
        both,
        false,
        Some(false),
        "Only one of \"pkgs\" and \"sources\" is permitted.",
    );
    let form = "Invalidly formatted 'sources' parameter. See minion log.";
    check(
        &fake,
        json!({"name": "x", "sources": ["a"]}),
        false,
        Some(false),
        form,
    );
    check(
        &fake,
        json!({"name": "a", "pkg_verify": true}),
        false,
        Some(false),
        "pkg.verify not implemented",
    );
}

#[test]
fn packages_are_held() {
    let fake = Fake::new().with("a", "1").offers("b", "2");
    let comment = format!("{THERE}.\nPackage a is now being held.");
    let answer = check(
        &fake,
        json!({"name": "a", "hold": true}),
        false,
        Some(true),
        &comment,
    );
    assert_eq!(
        answer.changes["a"],
        json!({"old": "install", "new": "hold"})
    );
    let comment = "The following packages were installed/updated: b\nPackage b is now being held.";
    let answer = check(
        &fake,
        json!({"name": "b", "hold": true}),
        false,
        Some(true),
        comment,
    );
    assert_eq!(
        answer.changes["b"],
        json!({"old": "install", "new": "2\nhold"})
    );
}

#[test]
fn packages_are_installed_again_when_asked() {
    let fake = Fake::new().with("a", "1").offers("a", "1");
    let again = json!({"name": "a", "reinstall": true});
    check(
        &fake,
        again.clone(),
        true,
        None,
        "The following packages would be reinstalled: a",
    );
    check(
        &fake,
        again,
        false,
        Some(true),
        "Package a was reinstalled.",
    );
}
