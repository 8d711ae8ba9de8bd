//! The event bus, followed.

use std::time::{Duration, Instant};

use super::*;

fn event(tag: &str) -> Tell {
    Tell::Event {
        tag: tag.to_owned(),
        data: br#"{"_stamp":"2026"}"#.as_slice().into(),
    }
}

#[test]
fn events_are_printed_until_there_were_enough() {
    let tells = vec![Tell::Done, event("a/1"), Tell::EventsLost(7), event("a/2")];
    let (place, asked) = Place::telling(tells);
    let said = place.call(&["events", "a/*", "b", "--count", "2"]);
    assert_eq!(said.code, output::OK);
    assert_eq!(
        said.out,
        "a/1\t{\"_stamp\":\"2026\"}\na/2\t{\"_stamp\":\"2026\"}\n"
    );
    assert_eq!(
        said.err,
        "Following a/* b\n7 events are missing here: there were too many\n"
    );
    let asked = asked.lock().expect("no thread panicked");
    let globs = vec!["a/*".to_owned(), "b".to_owned()];
    assert_eq!(*asked, [Ask::Events { globs }]);
}

#[test]
fn without_globs_all_are_followed_and_quiet_prints_none() {
    let (place, asked) = Place::telling(vec![Tell::Done, event("a")]);
    let said = place.call(&["events", "--quiet", "--count", "1"]);
    let nothing = Outcome {
        code: output::OK,
        out: String::new(),
        err: String::new(),
    };
    assert_eq!(said, nothing);
    let asked = asked.lock().expect("no thread panicked");
    let globs = vec!["*".to_owned()];
    assert_eq!(*asked, [Ask::Events { globs }]);
}

#[test]
fn a_wait_that_is_over_is_told_from_one_that_was_met() {
    let silent = |_: Ask, peer: &mut Peer| {
        peer.tell(Tell::Done);
        // Longer than the command waits; the thread ends with the test.
        std::thread::park_timeout(Duration::from_secs(60));
    };
    let (place, _) = Place::with(silent);
    let began = Instant::now();
    let said = place.call(&["events", "--count", "1", "--timeout", "1"]);
    assert_eq!(said.code, output::UNKNOWN, "{said:?}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let said = place.call(&["events", "--timeout", "1"]);
    assert_eq!(said.code, output::OK, "{said:?}");
}

#[test]
fn a_daemon_that_goes_is_said() {
    let (place, _) = Place::telling(vec![Tell::Done]);
    let said = place.call(&["events"]);
    assert_ne!(said.code, output::OK, "{said:?}");
    assert!(said.err.starts_with("Following *\n"), "{said:?}");
}
