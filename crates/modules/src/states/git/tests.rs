use super::*;
use crate::testing::{Host, checked};

/// A repository with commits, and a place for checkouts.
struct Fixture {
    host: Host,
    origin: String,
    target: String,
}

impl Fixture {
    fn new() -> Option<Fixture> {
        crate::process::which("git")?;
        let host = Host::new();
        let (origin, target) = (host.path("origin"), host.path("work/checkout"));
        let fixture = Fixture {
            host,
            origin,
            target,
        };
        fixture.git("/", &["init", "-q", "-b", "main", &fixture.origin]);
        fixture.commit("one");
        Some(fixture)
    }

    fn git(&self, cwd: &str, args: &[&str]) -> String {
        let identity = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "commit.gpgsign=false",
        ];
        self.host.with_env(|env| {
            let git = Git::new(env, None, &[], "base").unwrap();
            git.run(cwd, &[&identity[..], args].concat()).unwrap()
        })
    }

    fn commit(&self, text: &str) -> String {
        self.host.write("origin/file", text);
        self.git(&self.origin, &["add", "file"]);
        self.git(&self.origin, &["commit", "-q", "-m", text]);
        self.git(&self.origin, &["rev-parse", "HEAD"])
    }

    fn state(&self, fun: &str, more: Value, is_test: bool) -> Return {
        let mut args = json!({"name": self.origin, "target": self.target});
        args.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        self.host.state(fun, args, is_test)
    }

    fn check(
        &self,
        fun: &str,
        more: Value,
        is_test: bool,
        result: Option<bool>,
        comment: &str,
    ) -> Value {
        Value::Object(checked(self.state(fun, more, is_test), result, comment).changes)
    }
}

#[test]
fn checkouts_follow_their_branch() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let (origin, target) = (&fixture.origin, &fixture.target);
    let first = fixture.git(origin, &["rev-parse", "HEAD"]);
    let main = || json!({"rev": "main"});
    let new = format!("{origin} => {target}");
    let changes = fixture.check(
        "git.latest",
        main(),
        true,
        None,
        &format!("Repository {origin} would be cloned to {target}"),
    );
    assert_eq!(changes, json!({"new": new}));
    let changes = fixture.check(
        "git.latest",
        main(),
        false,
        Some(true),
        &format!("{origin} cloned to {target}"),
    );
    assert_eq!(
        changes,
        json!({"new": new, "revision": {"old": null, "new": first}})
    );
    let same = format!("Repository {target} is up-to-date");
    for is_test in [true, false] {
        assert_eq!(
            fixture.check("git.latest", main(), is_test, Some(true), &same),
            json!({})
        );
    }
    let second = fixture.commit("two");
    let (short_first, short_second) = (short(&first), short(&second));
    let told = format!(
        "Remote 'origin' would be fetched. Repository would be updated from {short_first} to {short_second}."
    );
    let revision = json!({"revision": {"old": first, "new": second}});
    assert_eq!(
        fixture.check("git.latest", main(), true, None, &told),
        revision
    );
    let told = format!(
        "{origin} was fetched, resulting in updated refs. Repository was fast-forwarded to origin/main ({short_second})."
    );
    assert_eq!(
        fixture.check("git.latest", main(), false, Some(true), &told),
        revision
    );
    fixture.host.write("work/checkout/file", "changed here");
    let told = format!(
        "{same}, but with uncommitted changes. Set 'force_reset' to True to purge uncommitted changes."
    );
    fixture.check("git.latest", main(), false, Some(true), &told);
    let third = fixture.commit("three");
    let told = format!(
        "Repository would be updated from {short_second} to {}, but there are uncommitted changes. Set 'force_reset' to True (or \
         'remote-changes') to force this update and discard these changes.",
        short(&third)
    );
    fixture.check("git.latest", main(), false, Some(false), &told);
    let forced = json!({"rev": "main", "force_reset": true});
    let answer = fixture.state("git.latest", forced, false);
    assert_eq!(
        answer.changes["revision"],
        json!({"old": second, "new": third})
    );
    let branch = json!({"rev": "main", "branch": "dev"});
    let told = format!(
        "New branch 'dev' was checked out, with origin/main ({}) as a starting point",
        short(&third)
    );
    let answer = fixture.state("git.latest", branch, false);
    assert!(answer.comment.contains(&told), "{answer:?}");
    let lacking = "No revision matching 'none' exists in the remote repository";
    fixture.check(
        "git.latest",
        json!({"rev": "none"}),
        false,
        Some(false),
        lacking,
    );
}

#[test]
fn tags_and_heads_are_checked_out() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let (origin, target) = (&fixture.origin, &fixture.target);
    fixture.git(origin, &["tag", "v1"]);
    let first = fixture.git(origin, &["rev-parse", "HEAD"]);
    fixture.commit("two");
    let told = format!(
        "{origin} cloned to {target}. Repository was reset to v1 ({}). Tracking branch was unset.",
        short(&first)
    );
    fixture.check("git.latest", json!({"rev": "v1"}), false, Some(true), &told);
    let same = format!("Repository {target} is up-to-date");
    fixture.check("git.latest", json!({"rev": "v1"}), false, Some(true), &same);
    let answer = fixture.state("git.latest", json!({}), false);
    assert_eq!(answer.result, Some(true), "{answer:?}");
    let relative = json!({"target": "here"});
    fixture.check(
        "git.latest",
        relative,
        false,
        Some(false),
        "target 'here' is not an absolute path",
    );
    let bare = json!({"target": fixture.host.path("bare"), "bare": true});
    let told = format!(
        "{origin} cloned to {} as bare repository",
        fixture.host.path("bare")
    );
    fixture.check("git.latest", bare, false, Some(true), &told);
}

#[test]
fn commits_are_checked_out_without_a_branch() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let (origin, target) = (&fixture.origin, &fixture.target);
    let first = fixture.git(origin, &["rev-parse", "HEAD"]);
    let second = fixture.commit("two");
    let at_first = json!({"rev": first});
    fixture.check(
        "git.detached",
        at_first.clone(),
        true,
        None,
        &format!("Repository {origin} would be cloned to {target}"),
    );
    let told =
        format!("{origin} cloned to {target}. Commit ID {first} was checked out at {target}.");
    fixture.check("git.detached", at_first.clone(), false, Some(true), &told);
    fixture.check(
        "git.detached",
        at_first,
        false,
        Some(true),
        "Already checked out at correct revision",
    );
    let at_main = fixture.state("git.detached", json!({"rev": "main"}), false);
    assert_eq!(
        at_main.changes["HEAD"],
        json!({"old": first, "new": second})
    );
}

#[test]
fn repositories_are_cloned_and_made() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let (origin, target) = (&fixture.origin, &fixture.target);
    fixture.git(origin, &["branch", "dev"]);
    fixture.check(
        "git.cloned",
        json!({}),
        true,
        None,
        &format!("{origin} would be cloned to {target}"),
    );
    fixture.check(
        "git.cloned",
        json!({}),
        false,
        Some(true),
        &format!("{origin} cloned to {target}"),
    );
    fixture.check(
        "git.cloned",
        json!({}),
        false,
        Some(true),
        &format!("Repository already exists at {target}"),
    );
    let dev = json!({"branch": "dev"});
    fixture.check(
        "git.cloned",
        dev.clone(),
        true,
        None,
        "Branch would be changed to 'dev'",
    );
    fixture.check(
        "git.cloned",
        dev.clone(),
        false,
        Some(true),
        "Branch changed to 'dev'",
    );
    fixture.check(
        "git.cloned",
        dev,
        false,
        Some(true),
        &format!("Repository already exists at {target} and is checked out to branch 'dev'"),
    );
    let bare = fixture.host.path("new.git");
    let present = |is_test| {
        fixture
            .host
            .state("git.present", json!({"name": bare}), is_test)
    };
    assert_eq!(
        present(true).comment,
        "New bare repository would be created"
    );
    assert_eq!(
        present(false).comment,
        format!("Initialized bare repository in {bare}")
    );
    assert_eq!(present(false).changes.len(), 0);
}

#[test]
fn options_are_set_and_taken_away() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
        let mut args = args;
        args["repo"] = json!(fixture.origin);
        Value::Object(checked(fixture.host.state(fun, args, is_test), result, comment).changes)
    };
    let email = || json!({"name": "banyan.email", "value": "a@example.com"});
    check(
        "git.config_set",
        email(),
        true,
        None,
        "'banyan.email' would be added as 'a@example.com'",
    );
    let changes = check(
        "git.config_set",
        email(),
        false,
        Some(true),
        "'banyan.email' was added as 'a@example.com'",
    );
    assert_eq!(
        changes,
        json!({"banyan.email": {"old": null, "new": ["a@example.com"]}})
    );
    check(
        "git.config_set",
        email(),
        false,
        Some(true),
        "'banyan.email' is already set to 'a@example.com'",
    );
    let many = json!({"name": "remote.x.fetch", "multivar": ["a", "b"]});
    check(
        "git.config_set",
        many,
        false,
        Some(true),
        "'remote.x.fetch' was added as ['a', 'b']",
    );
    let gone = |all: bool| json!({"name": "remote.x.fetch", "all": all});
    let text = "Multivar(s) matched by the key expression (set 'all' to True to force removal): remote.x.fetch (a, b)";
    check("git.config_unset", gone(false), false, Some(false), text);
    check(
        "git.config_unset",
        gone(true),
        true,
        None,
        "1 key(s) would have value(s) unset",
    );
    let changes = check(
        "git.config_unset",
        gone(true),
        false,
        Some(true),
        "Value(s) successfully unset",
    );
    assert_eq!(changes, json!({"remote.x.fetch": ["a", "b"]}));
    check(
        "git.config_unset",
        gone(true),
        false,
        Some(true),
        "No matching keys are set",
    );
}
