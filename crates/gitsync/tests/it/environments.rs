//! Environments from branches, tags and folders.

use gitsync::{CommitId, EnvironmentRule, Error, Layout, Limits, Mirror, SkippedReason};

use crate::fixture::{Fixture, paths, read};

/// main, with folders `dev` and `prod`; branches dev and feature/x; tag v1. Each has its own `who.sls`.
fn remote() -> Fixture {
    let fixture = Fixture::new();
    fixture.commit("who.sls", "main");
    fixture.commit("dev/who.sls", "folder dev");
    fixture.commit("prod/who.sls", "folder prod");
    for (branch, text) in [
        ("dev", "branch dev"),
        ("feature/x", "branch x"),
        ("old", "tag v1"),
    ] {
        fixture.git(&["checkout", "-q", "-b", branch, "main"]);
        fixture.commit("who.sls", text);
    }
    fixture.git(&["tag", "-a", "v1", "-m", "v1"]);
    fixture.git(&["checkout", "-q", "main"]);
    fixture.git(&["branch", "-q", "-D", "old"]);
    fixture
}

fn rule(layout: Layout) -> EnvironmentRule {
    EnvironmentRule {
        layout,
        ..EnvironmentRule::default()
    }
}

fn served(mirror: &Mirror, state: CommitId) -> Vec<String> {
    let snapshot = mirror.snapshot(state).unwrap();
    let who = |env: &str| read(&snapshot, env, "who.sls").unwrap_or("-".into());
    snapshot
        .environments()
        .map(|(env, _)| format!("{env}: {}", who(env)))
        .collect()
}

fn check(rule: EnvironmentRule, expected: &[&str]) {
    let fixture = remote();
    let mirror = fixture.mirror_with(rule.clone(), Limits::default());
    let state = mirror.fetch(&fixture.remote()).unwrap().state;
    assert_eq!(served(&mirror, state), expected);
    let record = mirror.state().unwrap();
    assert_eq!(record.id(), state);
    assert_eq!(record.envs.len(), expected.len());
    drop(mirror);
    // Another hub, another time: the same id and the same files.
    assert_eq!(
        served(&fixture.mirror_with(rule, Limits::default()), state),
        expected
    );
}

#[test]
fn every_layout_serves_its_own() {
    check(rule(Layout::Base), &["base: main"]);
    check(
        rule(Layout::Branches),
        &["base: main", "dev: branch dev", "feature/x: branch x"],
    );
    check(
        rule(Layout::BranchesAndTags),
        &[
            "base: main",
            "dev: branch dev",
            "feature/x: branch x",
            "v1: tag v1",
        ],
    );
    check(
        rule(Layout::Folders),
        &["dev: folder dev", "prod: folder prod"],
    );
    check(
        EnvironmentRule {
            base: Some("dev".into()),
            ..rule(Layout::Base)
        },
        &["base: branch dev"],
    );
    check(
        EnvironmentRule {
            root: "prod".into(),
            ..rule(Layout::Base)
        },
        &["base: folder prod"],
    );
    let overrides = [("prod".to_owned(), "v1".to_owned())];
    check(
        EnvironmentRule {
            overrides: overrides.clone().into(),
            ..rule(Layout::Base)
        },
        &["base: main", "prod: tag v1"],
    );
    check(
        EnvironmentRule {
            overrides: overrides.into(),
            ..rule(Layout::Folders)
        },
        &["dev: folder dev", "prod: tag v1"],
    );
}

#[test]
fn the_id_of_one_branch_is_its_commit_and_of_more_a_record() {
    let fixture = remote();
    let main = fixture.head();
    let mirror = fixture.mirror_with(rule(Layout::Folders), Limits::default());
    assert_eq!(mirror.fetch(&fixture.remote()).unwrap().state, main);
    drop(mirror);

    let mirror = fixture.mirror();
    let first = mirror.fetch(&fixture.remote()).unwrap();
    assert_ne!(first.state, main);
    assert_eq!(first.head, main);
    fixture.git(&["checkout", "-q", "dev"]);
    fixture.commit("who.sls", "newer dev");
    fixture.git(&["checkout", "-q", "main"]);
    let second = mirror.fetch(&fixture.remote()).unwrap();
    assert_eq!(second.head, main);
    assert_eq!(served(&mirror, first.state)[1], "dev: branch dev");
    assert_eq!(served(&mirror, second.state)[1], "dev: newer dev");
    assert_eq!(
        served(&mirror, main),
        ["base: main"],
        "a commit alone is base"
    );
}

#[test]
fn a_missing_root_is_an_empty_environment_and_said() {
    let fixture = remote();
    let rule = EnvironmentRule {
        root: "salt/roots".into(),
        ..rule(Layout::Base)
    };
    let mirror = fixture.mirror_with(rule, Limits::default());
    let state = mirror.fetch(&fixture.remote()).unwrap().state;
    let snapshot = mirror.snapshot(state).unwrap();
    assert!(snapshot.list("base").unwrap().is_empty());
    assert_eq!(snapshot.skipped()[0].reason, SkippedReason::NoRoot);
}

/// P8: what is pillar is never a file, in whichever layout and by whichever commit it is asked for.
#[test]
fn pillar_is_never_served_as_files() {
    let fixture = Fixture::new();
    fixture.commit("who.sls", "files");
    fixture.commit("pillar/who.sls", "secret");
    let head = fixture.commit("pillar/dev/who.sls", "secret of dev");
    let (files, secrets) = (["who.sls"], ["dev/who.sls", "who.sls"]);
    let with = |layout: Layout, root: &str, pillar: &str| EnvironmentRule {
        root: root.to_owned(),
        pillar_root: Some(pillar.to_owned()),
        ..rule(layout)
    };
    let check = |rule: EnvironmentRule, files: &[(&str, &[&str])], secrets: &[(&str, &[&str])]| {
        let mirror = fixture.mirror_with(rule, Limits::default());
        let state = mirror.fetch(&fixture.remote()).unwrap().state;
        for commit in [state, head] {
            let snapshot = mirror.snapshot(commit).unwrap();
            let pillar = snapshot.pillar().unwrap();
            for (snapshot, expected) in [(&snapshot, files), (&pillar, secrets)] {
                let all = snapshot
                    .environments()
                    .map(|(env, _)| (env.to_owned(), paths(snapshot, env)));
                let expected = expected.iter().map(|(env, paths)| {
                    let paths = paths.iter().map(|path| (*path).to_owned());
                    ((*env).to_owned(), paths.collect())
                });
                assert_eq!(all.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
        }
    };
    check(
        with(Layout::Base, "", "pillar"),
        &[("base", &files)],
        &[("base", &secrets)],
    );
    check(
        with(Layout::Branches, "", "pillar/"),
        &[("base", &files)],
        &[("base", &secrets)],
    );
    check(
        with(Layout::Folders, "", "pillar"),
        &[],
        &[("dev", &["who.sls"])],
    );
    // Two folders side by side, and a parent's rule that a child takes over.
    fixture.commit("salt/who.sls", "files");
    let mirror = Mirror::open_following(&fixture.mirror_dir(), Limits::default()).unwrap();
    let state = mirror.fetch(&fixture.remote()).unwrap().state;
    assert_eq!(paths(&mirror.snapshot(state).unwrap(), "base").len(), 4);
    mirror
        .follow_rule(with(Layout::Base, "salt", "pillar"))
        .unwrap();
    assert_eq!(paths(&mirror.snapshot(state).unwrap(), "base"), files);
    drop(mirror);
    let mirror = Mirror::open_following(&fixture.mirror_dir(), Limits::default()).unwrap();
    let snapshot = mirror.snapshot(state).unwrap();
    assert_eq!(paths(&snapshot, "base"), files);
    assert_eq!(paths(&snapshot.pillar().unwrap(), "base"), secrets);
    drop(mirror);
    for (root, pillar) in [("", ""), ("salt", "salt"), ("salt/x", "salt")] {
        let refused = Mirror::open_with(
            &fixture.mirror_dir(),
            with(Layout::Base, root, pillar),
            Limits::default(),
        );
        assert!(matches!(refused, Err(Error::PillarRoot)), "{root} {pillar}");
    }
}

/// Trees of states link files and folders within themselves; out of them, and into the pillar, no link leads.
#[test]
fn links_are_served_as_what_they_lead_to() {
    let fixture = Fixture::new();
    fixture.write("app/files/conf", "conf");
    fixture.write("pillar/secret.sls", "secret");
    for (link, target) in [
        ("app/current", "files"),
        ("conf", "app/current/conf"),
        ("app/up", "../conf"),
        ("stolen", "pillar/secret.sls"),
        ("all", "pillar"),
        ("outside", "../../../etc/passwd"),
        ("absolute", "/etc/passwd"),
        ("nowhere", "nothing"),
        ("circle", "circle"),
    ] {
        std::os::unix::fs::symlink(target, fixture.remote_dir().join(link)).unwrap();
    }
    fixture.git(&["add", "."]);
    fixture.commit("top.sls", "top");
    let rule = EnvironmentRule {
        pillar_root: Some("pillar".to_owned()),
        ..rule(Layout::Base)
    };
    let mirror = fixture.mirror_with(rule, Limits::default());
    let state = mirror.fetch(&fixture.remote()).unwrap().state;
    let snapshot = mirror.snapshot(state).unwrap();
    assert_eq!(
        paths(&snapshot, "base"),
        [
            "app/current/conf",
            "app/files/conf",
            "app/up",
            "conf",
            "top.sls"
        ]
    );
    for path in ["app/current/conf", "app/up", "conf"] {
        assert_eq!(read(&snapshot, "base", path).as_deref(), Some("conf"));
    }
    let mut skipped: Vec<_> = snapshot.skipped().iter().map(|s| s.path.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        ["absolute", "all", "circle", "nowhere", "outside", "stolen"]
    );
}

#[test]
fn a_branch_that_goes_takes_its_environment_along_but_base_must_stay() {
    let fixture = remote();
    let mirror = fixture.mirror();
    let before = mirror.fetch(&fixture.remote()).unwrap().state;
    fixture.git(&["branch", "-D", "dev"]);
    let after = mirror.fetch(&fixture.remote()).unwrap().state;
    assert_eq!(
        served(&mirror, after),
        ["base: main", "feature/x: branch x"]
    );
    assert_eq!(served(&mirror, before).len(), 3);

    fixture.git(&["checkout", "-q", "feature/x"]);
    fixture.git(&["branch", "-D", "main"]);
    fixture.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    assert!(matches!(
        mirror.fetch(&fixture.remote()),
        Err(Error::NoReference { .. })
    ));
    assert_eq!(mirror.state().unwrap().id(), after);
}

#[test]
fn an_environment_with_an_impossible_name_is_a_configuration_error() {
    let fixture = Fixture::new();
    for name in ["", "..", "a\nenv", "a//b", ".git"] {
        let rule = EnvironmentRule {
            overrides: [(name.to_owned(), "main".to_owned())].into(),
            ..EnvironmentRule::default()
        };
        let opened = Mirror::open_with(&fixture.mirror_dir(), rule, Limits::default());
        assert!(
            matches!(opened, Err(Error::EnvironmentName { .. })),
            "{name:?}"
        );
    }
}
