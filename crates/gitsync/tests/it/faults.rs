//! Remotes that fail, and processes that die.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gitsync::{Error, Limits, Mirror, Remote};

use crate::fixture::{Fixture, read};

/// A fetch after `damage` fails, the commit in service stays and reads, and after `repair` all is well again.
fn check(
    damage: impl FnOnce(&Fixture),
    expected: impl FnOnce(&Error) -> bool,
    repair: impl FnOnce(&Fixture),
) {
    let (fixture, first) = Fixture::with_commit();
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();
    let second = fixture.commit("second.sls", "second");
    damage(&fixture);
    let error = mirror.fetch(&fixture.remote()).unwrap_err();
    assert!(expected(&error), "{error:?}");
    assert_eq!(mirror.state().unwrap().id(), first);
    assert_eq!(
        read(&mirror.snapshot(first).unwrap(), "base", "top.sls").as_deref(),
        Some("base: {}\n")
    );
    assert!(!mirror.contains(second));
    repair(&fixture);
    assert_eq!(mirror.fetch(&fixture.remote()).unwrap().state, second);
}

#[test]
fn a_remote_that_vanishes_and_comes_back() {
    let moved = |fixture: &Fixture| fixture.dir.path().join("elsewhere");
    check(
        |fixture| std::fs::rename(fixture.remote_dir(), moved(fixture)).unwrap(),
        |error| matches!(error, Error::Remote { .. }),
        |fixture| std::fs::rename(moved(fixture), fixture.remote_dir()).unwrap(),
    );
}

#[test]
fn a_remote_that_loses_an_object() {
    let blob = |fixture: &Fixture| fixture.object(&fixture.git(&["rev-parse", "HEAD:second.sls"]));
    check(
        |fixture| std::fs::remove_file(blob(fixture)).unwrap(),
        |error| matches!(error, Error::Corrupt { .. }),
        |fixture| drop(fixture.blob(b"second")),
    );
}

#[test]
fn a_remote_with_a_damaged_object() {
    let commit = |fixture: &Fixture| fixture.object(&fixture.git(&["rev-parse", "HEAD"]));
    let saved = |fixture: &Fixture| fixture.dir.path().join("saved");
    check(
        |fixture| {
            let path = commit(fixture);
            let mut bytes = std::fs::read(&path).unwrap();
            std::fs::rename(&path, saved(fixture)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
            std::fs::write(&path, bytes).unwrap();
        },
        |error| matches!(error, Error::Corrupt { .. } | Error::Remote { .. }),
        |fixture| {
            let id =
                std::fs::read_to_string(fixture.remote_dir().join(".git/refs/heads/main")).unwrap();
            std::fs::rename(saved(fixture), fixture.object(id.trim())).unwrap();
        },
    );
}

#[test]
fn a_remote_that_is_emptied() {
    let head = |fixture: &Fixture| fixture.remote_dir().join(".git/refs/heads/main");
    let saved = |fixture: &Fixture| fixture.dir.path().join("saved");
    check(
        |fixture| std::fs::rename(head(fixture), saved(fixture)).unwrap(),
        |error| matches!(error, Error::Empty),
        |fixture| std::fs::rename(saved(fixture), head(fixture)).unwrap(),
    );
}

#[test]
fn an_empty_remote_is_an_error_and_no_state() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    assert!(matches!(mirror.fetch(&fixture.remote()), Err(Error::Empty)));
    assert!(mirror.state().is_none());
}

#[test]
fn refused_urls_never_reach_the_library() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    for url in [
        "ext::sh -c 'touch /tmp/x'",
        "git://127.0.0.1/x",
        "http://127.0.0.1/x",
        "-x",
        "relative",
    ] {
        assert!(
            matches!(mirror.fetch(&Remote::new(url)), Err(Error::Url { .. })),
            "{url}"
        );
    }
}

#[test]
fn a_remote_that_never_answers_is_left_in_time() {
    // Accepts connections (the kernel does) and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (fixture, first) = Fixture::with_commit();
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.remote()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut remote = Remote::new(format!("https://127.0.0.1:{port}/roots"));
    remote.timeout = Duration::from_millis(300);
    let start = Instant::now();
    let error = mirror.fetch(&remote).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert!(matches!(mirror.fetch(&fixture.remote()), Err(Error::Busy)));
    assert_eq!(mirror.state().unwrap().id(), first);
    assert!(mirror.contains(first));

    // Once the connection dies the mirror takes updates again, as often as it takes to notice.
    drop(listener);
    let until = Instant::now() + Duration::from_secs(90);
    let healed = loop {
        match mirror.fetch(&fixture.remote()) {
            Err(Error::Busy) if Instant::now() < until => std::thread::yield_now(),
            other => break other,
        }
    };
    assert!(!healed.unwrap().changed);
}

#[test]
fn no_time_at_all_changes_nothing() {
    let (fixture, _) = Fixture::with_commit();
    let mirror = fixture.mirror();
    let mut remote = fixture.remote();
    remote.timeout = Duration::ZERO;
    assert!(matches!(
        mirror.fetch(&remote),
        Err(Error::Timeout { .. } | Error::Busy)
    ));
    assert!(mirror.state().is_none());
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused() {
    let (fixture, _) = Fixture::with_commit();
    let mut remote = Remote::new("https://127.0.0.1:1/roots");
    remote.ca_file = Some("/nonexistent/ca.pem".into());
    assert!(matches!(
        fixture.mirror().fetch(&remote),
        Err(Error::KeyFile { .. })
    ));
}

#[test]
fn what_a_killed_fetch_leaves_heals_at_the_next_open() {
    let (fixture, first) = Fixture::with_commit();
    fixture.mirror().fetch(&fixture.remote()).unwrap();
    let dir = fixture.mirror_dir();
    // A lock file of a dead process, half a pack, a pack moved without its index, a state file not yet renamed.
    std::fs::write(dir.join("lock"), "999999\n").unwrap();
    std::fs::create_dir_all(dir.join("incoming-x1y2/objects/pack")).unwrap();
    std::fs::write(dir.join("incoming-x1y2/objects/pack/pack_abc.tmp"), "PACK").unwrap();
    std::fs::write(dir.join("repository/objects/pack/pack-00.pack"), "PACK").unwrap();
    std::fs::write(dir.join("state.new"), "banyan mir").unwrap();

    let second = fixture.commit("a.sls", "a");
    let mirror = fixture.mirror();
    assert!(!dir.join("incoming-x1y2").exists());
    assert_eq!(mirror.state().unwrap().id(), first);
    assert!(mirror.contains(first));
    assert_eq!(mirror.fetch(&fixture.remote()).unwrap().state, second);
}

#[test]
fn a_live_owner_keeps_others_out() {
    let fixture = Fixture::new();
    let _mirror = fixture.mirror();
    assert!(matches!(
        Mirror::open(&fixture.mirror_dir(), Limits::default()),
        Err(Error::Locked { .. })
    ));
}

#[test]
fn a_damaged_state_file_is_said_not_guessed() {
    let (fixture, _) = Fixture::with_commit();
    fixture.mirror().fetch(&fixture.remote()).unwrap();
    let path = fixture.mirror_dir().join("state");
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"ref x\n")
        .unwrap();
    assert!(matches!(
        Mirror::open(&fixture.mirror_dir(), Limits::default()),
        Err(Error::State { .. })
    ));
}

/// Where the victim makes its mirrors, and what they follow.
const VICTIM_DIR: &str = "GITSYNC_VICTIM_DIR";
const VICTIM_REMOTE: &str = "GITSYNC_VICTIM_REMOTE";
/// What the victim says before each fetch.
const VICTIM_LINE: &str = "fetching into mirror";

/// Not a test of its own: the process that the test below kills.
#[test]
#[ignore = "runs as the victim of fetches_killed_at_any_moment_heal"]
fn victim() {
    let dir = PathBuf::from(std::env::var_os(VICTIM_DIR).expect("run by the test below"));
    let remote = Remote::new(std::env::var(VICTIM_REMOTE).unwrap());
    for round in 0.. {
        let mirror = Mirror::open(&dir.join(round.to_string()), Limits::default()).unwrap();
        println!("{VICTIM_LINE}");
        mirror.fetch(&remote).unwrap();
    }
}

#[test]
fn fetches_killed_at_any_moment_heal() {
    let (fixture, _) = Fixture::with_commit();
    for n in 0..30 {
        fixture.commit("top.sls", &format!("round {n}\n"));
    }
    let head = fixture.head();
    for fetches in 1..=8 {
        let dir = fixture.dir.path().join(format!("victim-{fetches}"));
        let mut victim = Command::new(std::env::current_exe().unwrap());
        victim.args(["--exact", "faults::victim", "--ignored", "--nocapture"]);
        victim
            .env(VICTIM_DIR, &dir)
            .env(VICTIM_REMOTE, fixture.remote().url);
        let mut victim = victim
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let begun = lines
            .map(Result::unwrap)
            .filter(|line| line.contains(VICTIM_LINE))
            .take(fetches)
            .count();
        assert_eq!(begun, fetches, "the victim died early");
        victim.kill().unwrap();
        victim.wait().unwrap();

        for entry in std::fs::read_dir(&dir).unwrap() {
            let mirror = Mirror::open(&entry.unwrap().path(), Limits::default()).unwrap();
            if let Some(state) = mirror.state() {
                assert_eq!(state.id(), head);
            }
            assert_eq!(mirror.fetch(&fixture.remote()).unwrap().state, head);
            let snapshot = mirror.snapshot(head).unwrap();
            assert_eq!(
                read(&snapshot, "base", "top.sls").as_deref(),
                Some("round 29\n")
            );
        }
    }
}

#[test]
fn a_mirror_on_a_bad_disk_never_serves_wrong_bytes() {
    let (fixture, _) = Fixture::with_commit();
    let text = "a line that is served as it was committed, or not at all\n";
    let commit = fixture.commit("file", text);
    fixture.mirror().fetch(&fixture.remote()).unwrap();
    let packs = std::fs::read_dir(fixture.mirror_dir().join("repository/objects/pack")).unwrap();
    let packs = packs.map(|entry| entry.unwrap().path());
    let pack = packs
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "pack"))
        .unwrap();
    let good = std::fs::read(&pack).unwrap();
    let write = |bytes: &[u8]| {
        // Packs are read-only files; a new one takes its place.
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, bytes).unwrap();
    };
    let mut errors = 0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x04;
        write(&bad);
        let mirror = fixture.mirror();
        let served = mirror
            .snapshot(commit)
            .and_then(|snapshot| snapshot.read("base", "file"));
        match served {
            Ok(Some(file)) => assert_eq!(file.bytes, text.as_bytes(), "flipped at {at}"),
            Ok(None) => panic!("flipped at {at}: the file is gone without an error"),
            Err(_) => errors += 1,
        }
    }
    assert!(
        errors > good.len() / 4,
        "only {errors} of {} flips were seen",
        good.len()
    );
    write(&good);
    assert!(fixture.mirror().contains(commit));
}
