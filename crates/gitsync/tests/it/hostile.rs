//! Trees that git would not make.

use gitsync::{EnvironmentRule, Error, Limits, SkippedReason};

use crate::fixture::{Fixture, paths, read};

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn hostile_entries_are_reported_and_never_served() {
    let fixture = Fixture::new();
    let blob = fixture.blob(b"payload");
    let sub = fixture.raw_tree(&[("100644", b"config", &blob)]);
    let inner = fixture.raw_tree(&[("100644", b"..", &blob), ("100644", b"good", &blob)]);
    let tree = fixture.raw_tree(&[
        ("100644", b"..", &blob),
        ("100644", b"a\rb", &blob),
        ("100644", b"a\\b", &blob),
        ("100644", b"good.sls", &blob),
        ("100755", b"script", &blob),
        ("40000", b".GIT", &sub),
        ("40000", b"git~1", &sub),
        ("40000", b"in", &inner),
        ("120000", b"link", &blob),
        ("160000", b"module", &"1".repeat(40)),
        ("100600", b"private", &blob),
        ("100644", b"bad\xff", &blob),
    ]);
    let commit = fixture.commit_tree(&tree);
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();
    let snapshot = mirror.snapshot(commit).unwrap();
    assert_eq!(paths(&snapshot, "base"), ["good.sls", "in/good", "script"]);
    let mut skipped: Vec<_> = snapshot
        .skipped()
        .iter()
        .map(|skipped| (skipped.path.as_str(), skipped.reason))
        .collect();
    skipped.sort();
    use SkippedReason::*;
    assert_eq!(
        skipped,
        [
            ("..", Name),
            (".GIT", Name),
            ("a\\\\b", Name),
            ("a\\rb", Name),
            ("bad\u{fffd}", Name),
            ("git~1", Name),
            ("in/..", Name),
            ("link", Symlink),
            ("module", Submodule),
            ("private", Mode),
        ]
    );
    for path in [
        "..",
        "in/..",
        "in/../good.sls",
        ".GIT/config",
        "link",
        "module",
    ] {
        assert_eq!(read(&snapshot, "base", path), None, "{path}");
    }
}

#[test]
fn entries_beyond_a_bound_are_left_out() {
    let fixture = Fixture::new();
    fixture.write("big", &"x".repeat(101));
    fixture.write("fits", &"x".repeat(100));
    fixture.write("a/b/c", "deep enough");
    fixture.write("a/b/c2/d", "too deep");
    fixture.write(&"n".repeat(21), "name too long");
    fixture.write("twelve bytes/and twelve", "path too long");
    fixture.git(&["add", "."]);
    let commit = fixture.commit("ok", "ok");
    let limits = limits(|limits| {
        limits.file_bytes = 100;
        limits.tree_depth = 2;
        limits.component_bytes = 20;
        limits.path_bytes = 22;
    });
    let mirror = fixture.mirror_with(EnvironmentRule::default(), limits);
    mirror.fetch(&fixture.remote()).unwrap();
    let snapshot = mirror.snapshot(commit).unwrap();
    assert_eq!(paths(&snapshot, "base"), ["a/b/c", "fits", "ok"]);
    let reasons = snapshot.skipped().iter().map(|skipped| skipped.reason);
    let mut reasons: Vec<_> = reasons.collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            SkippedReason::TooLarge,
            SkippedReason::PathTooLong,
            SkippedReason::PathTooLong,
            SkippedReason::TooDeep
        ]
    );
}

/// A fetch over a bound fails, and what was in service stays.
fn check_refused(limits: Limits, grow: impl FnOnce(&Fixture)) {
    let (fixture, first) = Fixture::with_commit();
    let mirror = fixture.mirror_with(EnvironmentRule::default(), limits);
    mirror.fetch(&fixture.remote()).unwrap();
    grow(&fixture);
    let error = mirror.fetch(&fixture.remote()).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error:?}");
    assert_eq!(mirror.state().unwrap().id(), first);
    assert!(read(&mirror.snapshot(first).unwrap(), "base", "top.sls").is_some());
    let left = std::fs::read_dir(fixture.mirror_dir()).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("incoming"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn totals_beyond_a_bound_are_refused() {
    check_refused(limits(|limits| limits.files = 10), |fixture| {
        for n in 0..10 {
            fixture.write(&format!("f{n}"), "x");
        }
        fixture.git(&["add", "."]);
        fixture.commit("last", "x");
    });
    check_refused(limits(|limits| limits.refs = 4), |fixture| {
        for n in 0..5 {
            fixture.git(&["branch", &format!("b{n}")]);
        }
    });
    check_refused(limits(|limits| limits.objects = 12), |fixture| {
        for n in 0..5 {
            fixture.commit("f", &n.to_string());
        }
    });
    check_refused(
        limits(|limits| limits.repository_bytes = 50_000),
        |fixture| {
            // Text that does not compress, from the hashes of a counter.
            let noise: String = (0..2_000).map(|n: u32| fixture_hash(n)).collect();
            fixture.commit("noise", &noise);
        },
    );
}

fn fixture_hash(n: u32) -> String {
    blake3::hash(&n.to_le_bytes()).to_string()
}

#[test]
fn a_tree_that_multiplies_is_stopped() {
    // Twelve levels of ten times the same folder: a trillion paths from a dozen objects.
    check_refused(Limits::default(), |fixture| {
        let mut tree = fixture.raw_tree(&[("100644", b"leaf", &fixture.blob(b"x"))]);
        for _ in 0..12 {
            let names: Vec<String> = (0..10).map(|n| format!("d{n}")).collect();
            let entries: Vec<_> = names
                .iter()
                .map(|name| ("40000", name.as_bytes(), tree.as_str()))
                .collect();
            tree = fixture.raw_tree(&entries);
        }
        let commit = fixture.git(&["commit-tree", "-p", "HEAD", "-m", "bomb", &tree]);
        fixture.git(&["update-ref", "refs/heads/main", &commit]);
    });
}

#[test]
fn an_endless_chain_of_folders_is_stopped() {
    check_refused(Limits::default(), |fixture| {
        let mut tree = fixture.blob(b"x");
        let mut mode = "100644";
        for _ in 0..1_100 {
            tree = fixture.raw_tree(&[(mode, b"d", &tree)]);
            mode = "40000";
        }
        let commit = fixture.git(&["commit-tree", "-p", "HEAD", "-m", "chain", &tree]);
        fixture.git(&["update-ref", "refs/heads/main", &commit]);
    });
}

#[test]
fn a_commit_that_poses_as_a_record_is_refused() {
    let (fixture, first) = Fixture::with_commit();
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();
    let text = format!(
        "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent {first}\nauthor banyan <> 0 +0000\ncommitter banyan <> 0 +0000\n\n\
         banyan roots 1\nenv {first} base\nenv {first} prod\n"
    );
    fixture.git_with(&["hash-object", "-w", "-t", "tree", "--stdin"], b"");
    let commit = fixture.git_with(
        &[
            "hash-object",
            "-w",
            "-t",
            "commit",
            "--literally",
            "--stdin",
        ],
        text.as_bytes(),
    );
    fixture.git(&["update-ref", "refs/heads/main", &commit]);
    let error = mirror.fetch(&fixture.remote()).unwrap_err();
    assert!(error.to_string().contains("poses as a record"), "{error}");
    assert_eq!(mirror.state().unwrap().id(), first);
}
