//! Fetch, switch, serve.

use std::sync::atomic::{AtomicBool, Ordering};

use gitsync::{BlobId, EnvironmentRule, Error, Limits, STATE_REF};

use crate::fixture::{Fixture, paths, read};

#[test]
fn a_fetch_serves_the_remote_as_it_is() {
    let (fixture, commit) = Fixture::with_commit();
    let mirror = fixture.mirror();
    assert!(mirror.refs().is_empty() && mirror.state().is_none() && !mirror.contains(commit));

    let fetched = mirror.fetch(&fixture.remote()).unwrap();
    assert!(fetched.changed && !fetched.rewound);
    assert_eq!((fetched.head, fetched.state), (commit, commit));
    assert_eq!(
        fetched.refs,
        [
            ("refs/heads/main".to_owned(), commit),
            (STATE_REF.to_owned(), commit)
        ]
        .into()
    );
    assert_eq!(mirror.refs(), fetched.refs);
    assert!(mirror.contains(commit));

    let snapshot = mirror.snapshot(commit).unwrap();
    assert_eq!(paths(&snapshot, "base"), ["run.sh", "top.sls"]);
    assert_eq!(
        read(&snapshot, "base", "top.sls").as_deref(),
        Some("base: {}\n")
    );
    let script = snapshot.entry("base", "run.sh").unwrap().unwrap();
    let blob: BlobId = fixture.git(&["rev-parse", "HEAD:run.sh"]).parse().unwrap();
    assert_eq!(
        (script.executable, script.size, script.blob),
        (true, 10, blob)
    );
    for path in [
        "",
        "/",
        "/top.sls",
        "../top.sls",
        "top.sls/",
        "missing",
        "TOP.SLS",
    ] {
        assert_eq!(snapshot.read("base", path).unwrap(), None, "{path}");
    }
    assert!(matches!(
        snapshot.list("prod"),
        Err(Error::NoEnvironment { .. })
    ));
    assert!(!fixture.mirror_dir().join("repository/hooks").exists());
}

#[test]
fn the_same_again_changes_nothing() {
    let (fixture, _) = Fixture::with_commit();
    let mirror = fixture.mirror();
    let first = mirror.fetch(&fixture.remote()).unwrap();
    let second = mirror.fetch(&fixture.remote()).unwrap();
    assert!(!second.changed);
    assert_eq!(second.refs, first.refs);
}

#[test]
fn a_reopened_mirror_serves_old_and_new() {
    let (fixture, first) = Fixture::with_commit();
    fixture.mirror().fetch(&fixture.remote()).unwrap();
    let second = fixture.commit("top.sls", "base: {'*': [new]}\n");
    fixture.mirror().fetch(&fixture.remote()).unwrap();

    let mirror = fixture.mirror();
    assert_eq!(mirror.state().unwrap().id(), second);
    assert_eq!(
        read(&mirror.snapshot(first).unwrap(), "base", "top.sls").as_deref(),
        Some("base: {}\n")
    );
    assert_eq!(
        read(&mirror.snapshot(second).unwrap(), "base", "top.sls").as_deref(),
        Some("base: {'*': [new]}\n")
    );
}

#[test]
fn a_force_push_waits_for_an_operator() {
    let (fixture, first) = Fixture::with_commit();
    let second = fixture.commit("a.sls", "a");
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();

    fixture.git(&["reset", "-q", "--hard", &first.to_string()]);
    let third = fixture.commit("b.sls", "b");
    match mirror.fetch(&fixture.remote()) {
        Err(Error::Rewound {
            reference,
            from,
            to,
        }) => assert_eq!(
            (reference.as_str(), from, to),
            ("refs/heads/main", second, third)
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(mirror.state().unwrap().id(), second);
    assert!(!mirror.contains(third));

    let fetched = mirror.fetch_accepting_rewind(&fixture.remote()).unwrap();
    assert!(fetched.rewound && fetched.changed);
    assert_eq!(mirror.state().unwrap().id(), third);
    assert!(
        mirror.contains(second),
        "a job may still pin what was in service"
    );
    assert!(!mirror.fetch(&fixture.remote()).unwrap().changed);
}

#[test]
fn names_resolve_to_commits() {
    let (fixture, first) = Fixture::with_commit();
    fixture.git(&["tag", "-a", "v1", "-m", "v1"]);
    let second = fixture.commit("a.sls", "a");
    fixture.git(&["branch", "release/1"]);
    fixture.git(&["tag", "odd", &fixture.blob(b"no commit")]);
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();
    let hash = first.to_string();
    for (text, expected) in [
        ("main", Some(second)),
        ("release/1", Some(second)),
        ("v1", Some(first)),
        ("refs/tags/v1", Some(first)),
        (hash.as_str(), Some(first)),
        (&hash[..7], Some(first)),
        (&hash[..6], None),
        ("0000000", None),
        ("odd", None),
        ("gone", None),
        ("main^", None),
        ("HEAD~1", None),
        ("", None),
        ("-x", None),
    ] {
        assert_eq!(mirror.resolve(text).ok(), expected, "{text}");
    }
    let blob = fixture.git(&["rev-parse", "HEAD:top.sls"]);
    assert!(mirror.resolve(&blob).is_err());
    assert!(!mirror.contains(blob.parse().unwrap()));
}

#[test]
fn readers_see_the_old_state_or_the_new() {
    const ROUNDS: usize = 40;
    let fixture = Fixture::new();
    fixture.write("a.sls", "0");
    fixture.git(&["add", "."]);
    fixture.commit("b.sls", "0");
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = || {
            let mut last = 0;
            while !done.load(Ordering::Acquire) {
                let snapshot = mirror.snapshot(mirror.state().unwrap().id()).unwrap();
                let (a, b) = (
                    read(&snapshot, "base", "a.sls"),
                    read(&snapshot, "base", "b.sls"),
                );
                assert_eq!(a, b);
                let now: usize = a.unwrap().parse().unwrap();
                assert!(now >= last, "state went back from {last} to {now}");
                last = now;
            }
        };
        let readers = [
            scope.spawn(reader),
            scope.spawn(reader),
            scope.spawn(reader),
        ];
        // More rounds than packs are left apart, so that combining them is read through as well.
        for round in 1..=ROUNDS {
            fixture.write("a.sls", &round.to_string());
            fixture.git(&["add", "."]);
            fixture.commit("b.sls", &round.to_string());
            assert!(mirror.fetch(&fixture.remote()).unwrap().changed);
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    let packs = std::fs::read_dir(fixture.mirror_dir().join("repository/objects/pack"))
        .unwrap()
        .count();
    assert!(packs < ROUNDS, "{packs} files: packs were never combined");
    for commit in fixture.git(&["rev-list", "HEAD"]).lines() {
        assert!(mirror.contains(commit.parse().unwrap()), "{commit}");
    }
}

#[test]
fn states_beyond_those_kept_make_room() {
    const KEPT: usize = 3;
    let (fixture, first) = Fixture::with_commit();
    let limits = Limits {
        kept_states: KEPT,
        ..Limits::default()
    };
    let mirror = fixture.mirror_with(EnvironmentRule::default(), limits);
    let mut states = Vec::new();
    for round in 0..40 {
        fixture.git(&["reset", "-q", "--hard", &first.to_string()]);
        fixture.commit("top.sls", &round.to_string());
        states.push(
            mirror
                .fetch_accepting_rewind(&fixture.remote())
                .unwrap()
                .state,
        );
    }
    states.reverse();
    let contained = |states: &[_]| {
        states
            .iter()
            .filter(|state| mirror.contains(**state))
            .count()
    };
    assert_eq!(contained(&states[..=KEPT]), KEPT + 1);
    assert_eq!(
        contained(&states[20..]),
        0,
        "packs were combined since, without these"
    );
}
