//! Jobs: each form of results, each exit code, Ctrl-C, and the end of the wait.

use std::sync::Arc;

use wire::OutcomeKind::{self, *};
use wire::choice::Confirm;
use wire::control::{Failure, FailureKind, Ledger};

use super::*;
use crate::interrupt::OnInterrupt;
use fake::{jid, ledger};

/// A daemon that takes the job, and tells this account of it.
fn with_ledger(ledger: Ledger) -> Place {
    let progress = ledger.progress.clone();
    Place::telling(vec![
        accepted(),
        Tell::Progress(progress),
        Tell::Ledger(Box::new(ledger)),
    ])
    .0
}

#[test]
fn each_form() {
    let place = with_ledger(ledger(&[Ok, Ok, Running]));
    let check = |options: &[&str], out: &str| {
        let outcome = place.call(&[&["run", "*", "test.ping"], options].concat());
        assert_eq!(
            outcome,
            Outcome {
                code: 3,
                out: out.to_owned(),
                err: String::new()
            },
            "{options:?}"
        );
    };
    let silent = "Minion did not return. [No response] [Still running]";
    check(
        &[],
        &format!("m1:\n    True\nm2:\n    True\nm3:\n    {silent}\n"),
    );
    check(
        &["--out", "txt"],
        &format!("m1: True\nm2: True\nm3: {silent}\n"),
    );
    check(
        &["--out", "raw", "--static"],
        &format!("{{'m1': True, 'm2': True, 'm3': '{silent}'}}\n"),
    );
    check(
        &["--out", "json", "-s"],
        &format!("{{\n    \"m1\": true,\n    \"m2\": true,\n    \"m3\": \"{silent}\"\n}}\n"),
    );
    check(
        &["--out", "yaml"],
        &format!("m1: true\nm2: true\nm3: {silent}\n"),
    );
    check(&["--out", "quiet"], "");
    check(
        &["--group"],
        &format!("2 minions: True\n    m1, m2\n1 minion: {silent}\n    m3\n"),
    );
    check(
        &["--group", "--color", "always"],
        &format!(
            "\x1b[1m2 minions\x1b[0m: \x1b[32mTrue\x1b[0m\n    \x1b[36mm1, m2\x1b[0m\n\x1b[1m1 minion\x1b[0m: \x1b[31m{silent}\x1b[0m\n    \x1b[36mm3\x1b[0m\n"
        ),
    );
}

#[test]
fn returns_do_not_act_on_the_terminal() {
    let mut account = ledger(&[Ok]);
    account.values[0] = r#""a\u001b[2J\u202e""#.as_bytes().into();
    let place = with_ledger(account);
    let check = |form: &str, out: &str| {
        let outcome = place.call(&["run", "*", "test.ping", "--color", "never", "--out", form]);
        assert_eq!((outcome.code, outcome.out.as_str()), (0, out), "{form}");
    };
    check("nested", "m1:\n    a\\x1b[2J\\u202e\n");
    check("txt", "m1: a\\x1b[2J\\u202e\n");
    check("raw", "{'m1': 'a\\x1b[2J\\u202e'}\n");
    check("json", "{\n    \"m1\": \"a\\u001b[2J\\u202e\"\n}\n");
    check("yaml", "m1: a\\x1b[2J\\u202e\n");
}

#[test]
fn the_ledger_is_one_document() {
    let place = with_ledger(ledger(&[Ok, Failed]));
    let outcome = place.call(&["run", "*", "test.ping", "--out", "ledger", "--summary"]);
    let document: serde_json::Value =
        serde_json::from_str(&outcome.out).expect("one JSON document");
    assert_eq!(document["jid"], "20261122231556000001");
    assert_eq!(document["counts"]["failed"], 1);
    assert_eq!(document["minions"]["m1"]["outcome"], "ok");
    assert_eq!(document["minions"]["m2"]["return"], true);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.err.contains("1 of 2 minions failed: m2\n"),
        "{}",
        outcome.err
    );
    assert!(
        outcome.err.contains("# of minions targeted: 2\n"),
        "{}",
        outcome.err
    );
}

#[test]
fn each_outcome_has_its_code() {
    let check = |kinds: &[OutcomeKind], code, err: &str| {
        let place = with_ledger(ledger(kinds));
        let outcome = place.call(&["run", "*", "test.ping", "--out", "txt"]);
        assert_eq!(
            (outcome.code, outcome.err.as_str()),
            (code, err),
            "{kinds:?}"
        );
    };
    check(&[Ok], 0, "");
    check(&[Ok, Failed, Lost], 1, "1 of 3 minions failed: m2\n");
    check(&[], 2, "No minion matches the target.\n");
    check(&[Ok, Unreachable], 3, "");
    check(&[Ok, Lost], 3, "");
    check(&[Ok, Expired], 3, "");
    check(&[Ok, Refused], 4, "");

    let mut account = ledger(&[Ok]);
    account.unknown.push("m9".to_owned());
    let outcome = with_ledger(account).call(&["run", "-L", "m1,m9", "test.ping", "--out", "txt"]);
    assert_eq!(
        outcome,
        Outcome {
            code: 3,
            out: "m1: True\n".to_owned(),
            err: "No minion has this id: m9\n".to_owned()
        }
    );
}

#[test]
fn each_failure_has_its_code() {
    let check = |kind, code| {
        let failure = Failure {
            kind,
            text: "why \x1b[2J".to_owned(),
        };
        let outcome =
            Place::telling(vec![Tell::Failed(failure)])
                .0
                .call(&["run", "*", "test.ping"]);
        assert_eq!(
            outcome,
            Outcome {
                code,
                out: String::new(),
                err: "top-master: why \\x1b[2J\n".to_owned()
            }
        );
    };
    check(FailureKind::Usage, 64);
    check(FailureKind::NotFound, 2);
    check(FailureKind::Refused, 4);
    check(FailureKind::Internal, 70);
}

#[test]
fn without_a_daemon() {
    let outcome = Place::new().call(&["run", "*", "test.ping"]);
    let err = "top-master: no daemon answers at ROOT/run/banyan/top-master.sock: No such file or directory (os error 2)\nStart it with: top-master serve --root-dir ROOT\n";
    assert_eq!(
        outcome,
        Outcome {
            code: 69,
            out: String::new(),
            err: err.to_owned()
        }
    );
}

#[test]
fn a_daemon_that_goes_away() {
    let outcome = Place::telling(vec![]).0.call(&["run", "*", "test.ping"]);
    assert_eq!(
        (outcome.code, outcome.err.as_str()),
        (
            69,
            "top-master: the daemon ended the connection without an answer\n"
        )
    );

    let outcome = Place::telling(vec![accepted()])
        .0
        .call(&["run", "*", "test.ping"]);
    let err = "top-master: the connection to the daemon ended; job 20261122231556000001 goes on without this command\nFollow it with: top-master jobs watch 20261122231556000001 --root-dir ROOT\n";
    assert_eq!(
        outcome,
        Outcome {
            code: 69,
            out: String::new(),
            err: err.to_owned()
        }
    );

    let outcome = Place::telling(vec![Tell::Done])
        .0
        .call(&["run", "*", "test.ping"]);
    assert_eq!(
        (outcome.code, outcome.err.as_str()),
        (
            70,
            "top-master: the daemon gave an answer to another question\n"
        )
    );
}

#[test]
fn wrong_settings() {
    let place = Place::new();
    let file = place.root.path().join("settings");
    std::fs::write(&file, "port: many\n").expect("a file");
    let outcome = place.call_bare(&["tree", "--config", file.to_str().expect("a path of text")]);
    assert_eq!((outcome.code, outcome.out.as_str()), (78, ""));
    assert!(
        outcome
            .err
            .starts_with("top-master: the settings are wrong\n")
            && outcome.err.contains("port"),
        "{}",
        outcome.err
    );
}

#[test]
fn detached_jobs_are_an_id() {
    let (place, asked) = Place::telling(vec![accepted()]);
    let outcome = place.call(&["run", "*", "test.ping", "--async"]);
    assert_eq!(
        outcome,
        Outcome {
            code: 0,
            out: "20261122231556000001\n".to_owned(),
            err: String::new()
        }
    );
    let outcome = place.call(&["run", "*", "test.ping", "--async", "--out", "json"]);
    assert_eq!(outcome.out, "{\n    \"jid\": \"20261122231556000001\"\n}\n");
    let asked = asked.lock().expect("no thread panicked");
    assert!(
        asked
            .iter()
            .all(|ask| matches!(ask, Ask::Run(run) if run.detach)),
        "{asked:?}"
    );
}

/// Asks back as a hub does that is set to take no more than two minions without a word.
fn asking() -> (Place, fake::Asked) {
    let expect = |ask: &Ask| match ask {
        Ask::Run(run) => run.choice.expect,
        Ask::Retry(retry) => retry.expect,
        other => panic!("{other:?}"),
    };
    Place::with(move |ask, peer| match expect(&ask) {
        None => peer.tell(Tell::Confirm(Confirm { count: 3, above: 2 })),
        Some(_) => {
            peer.tell(accepted());
            peer.tell(Tell::Ledger(Box::new(ledger(&[Ok, Ok, Ok]))));
        }
    })
}

#[test]
fn the_count_is_asked_for_on_a_terminal() {
    for command in [
        vec!["run", "*", "test.ping", "--out", "quiet"],
        vec!["jobs", "retry", "20261122231556000001", "--out", "quiet"],
        vec!["run", "*", "test.ping", "--async"],
    ] {
        let (mut place, asked) = asking();
        place.terminals.input = true;
        place.input = "3\n";
        let outcome = place.call(&command);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        assert_eq!(
            outcome.err,
            "The job is for 3 minions, more than the 2 of confirm_above. Type 3 to go on:\n"
        );
        assert_eq!(asked.lock().expect("no thread panicked").len(), 2);
    }
    for answer in ["", "2\n", "y\n"] {
        let (mut place, asked) = asking();
        place.terminals.input = true;
        place.input = answer;
        let outcome = place.call(&["run", "*", "test.ping"]);
        assert_eq!((outcome.code, outcome.out.as_str()), (4, ""), "{outcome:?}");
        assert_eq!(asked.lock().expect("no thread panicked").len(), 1);
    }
}

#[test]
fn without_a_terminal_the_count_is_told() {
    let (mut place, asked) = asking();
    place.input = "3\n";
    let outcome = place.call(&["run", "*", "test.ping"]);
    assert_eq!(outcome.code, 4, "{outcome:?}");
    assert!(outcome.err.contains("--expect 3"), "{outcome:?}");
    assert_eq!(asked.lock().expect("no thread panicked").len(), 1);
    let outcome = place.call(&["run", "*", "test.ping", "--expect", "3", "--out", "quiet"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

#[test]
fn the_wait_ends_and_the_job_goes_on() {
    let (place, _) = Place::with(|ask, peer| match ask {
        Ask::Run(_) => {
            peer.tell(accepted());
            peer.hold();
        }
        Ask::Show { .. } => peer.tell(Tell::Ledger(Box::new(ledger(&[Ok, Running])))),
        other => panic!("{other:?}"),
    });
    let outcome = place.call(&["run", "*", "test.ping", "-t", "0.2", "--out", "txt"]);
    let out = "m1: True\nm2: Minion did not return. [No response] [Still running]\n";
    let err = "The wait is over; job 20261122231556000001 goes on. Follow it with: top-master jobs watch 20261122231556000001 --root-dir ROOT\n";
    assert_eq!(
        outcome,
        Outcome {
            code: 3,
            out: out.to_owned(),
            err: err.to_owned()
        }
    );
}

#[test]
fn a_daemon_that_takes_no_job_in_time() {
    let (place, _) = Place::with(|_, peer| peer.hold());
    let outcome = place.call(&["run", "*", "test.ping", "-t", "0.05"]);
    assert_eq!(
        (outcome.code, outcome.err.as_str()),
        (69, "top-master: the daemon did not take the job in time\n")
    );
}

const CANCELLING: &str = "Cancelling job 20261122231556000001 and waiting for its outcome. Ctrl-C again leaves at once.\n";

/// A place whose daemon takes a job, presses Ctrl-C, and when the job is cancelled ends it or presses again.
fn with_ctrl_c(second_press: bool, on_cancel: Tell) -> (Arc<Place>, Asked) {
    // The daemon needs the place for its Ctrl-C, and the place the daemon's socket: the slot breaks the circle.
    let slot: Arc<Mutex<Option<Arc<Place>>>> = Arc::default();
    let (cancelled, until_cancelled) = std::sync::mpsc::channel();
    let until_cancelled = Mutex::new(until_cancelled);
    let cancelled = Mutex::new(cancelled);
    let from_daemon = slot.clone();
    let (place, asked) = Place::with(move |ask, peer| match ask {
        Ask::Run(_) | Ask::Watch { .. } => {
            peer.tell(accepted());
            let place = from_daemon
                .lock()
                .expect("no thread panicked")
                .clone()
                .expect("set before the call");
            let mut press: OnInterrupt = place
                .on_interrupt
                .lock()
                .expect("no thread panicked")
                .take()
                .expect("a command listens");
            drop(place);
            press();
            // A command that cancels nothing leaves this thread waiting, and is not disturbed by it.
            let until_cancelled = until_cancelled.lock().expect("no thread panicked");
            until_cancelled.recv().expect("its sender lives as long");
            if second_press {
                press();
            } else {
                peer.tell(Tell::Ledger(Box::new(ledger(&[Failed]))));
            }
            peer.hold();
        }
        Ask::Cancel { .. } => {
            peer.tell(on_cancel.clone());
            let _ = cancelled.lock().expect("no thread panicked").send(());
        }
        other => panic!("{other:?}"),
    });
    let place = Arc::new(place);
    *slot.lock().expect("no thread panicked") = Some(place.clone());
    (place, asked)
}

#[test]
fn ctrl_c_cancels_and_waits_for_the_outcome() {
    let (place, asked) = with_ctrl_c(false, accepted());
    let outcome = place.call(&["run", "*", "test.ping", "--out", "txt"]);
    let err = format!("{CANCELLING}1 of 1 minion failed: m1\n");
    assert_eq!(
        outcome,
        Outcome {
            code: 1,
            out: "m1: True\n".to_owned(),
            err
        }
    );
    assert!(
        matches!(&asked.lock().expect("no thread panicked")[1], Ask::Cancel { jid: cancelled, .. } if *cancelled == jid())
    );
}

#[test]
fn a_second_ctrl_c_leaves() {
    let (place, _) = with_ctrl_c(true, accepted());
    let outcome = place.call(&["run", "*", "test.ping"]);
    let left = "Left job 20261122231556000001 before its end. Follow it with: top-master jobs watch 20261122231556000001 --root-dir ROOT\n";
    assert_eq!(
        outcome,
        Outcome {
            code: 3,
            out: String::new(),
            err: format!("{CANCELLING}{left}")
        }
    );
}

#[test]
fn a_job_that_only_is_watched_is_left() {
    let (place, asked) = with_ctrl_c(false, Tell::Done);
    let outcome = place.call(&["jobs", "watch", "20261122231556000001"]);
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.err.starts_with("Left job 20261122231556000001"),
        "{}",
        outcome.err
    );
    assert_eq!(asked.lock().expect("no thread panicked").len(), 1);
}

#[test]
fn a_cancellation_that_is_refused_is_told() {
    let failure = Failure {
        kind: FailureKind::Refused,
        text: "not yours".to_owned(),
    };
    let (place, _) = with_ctrl_c(false, Tell::Failed(failure));
    let outcome = place.call(&["run", "*", "test.ping", "--out", "quiet"]);
    assert_eq!(outcome.code, 1);
    // The job's end and the refusal come over two connections, so the refusal may come too late to be told.
    let told = format!("{CANCELLING}top-master: not yours\nThe job is not cancelled.\n");
    assert!(
        outcome.err == told || outcome.err == CANCELLING,
        "{}",
        outcome.err
    );
}

#[test]
fn show_and_cancel() {
    let (place, asked) = Place::with(|ask, peer| {
        if matches!(ask, Ask::Cancel { .. }) {
            peer.tell(accepted());
        }
        peer.tell(Tell::Ledger(Box::new(ledger(&[Ok]))));
    });
    for command in ["show", "cancel"] {
        let outcome = place.call(&["jobs", command, "20261122231556000001", "--out", "txt"]);
        assert_eq!(
            outcome,
            Outcome {
                code: 0,
                out: "m1: True\n".to_owned(),
                err: String::new()
            }
        );
    }
    let asked = asked.lock().expect("no thread panicked");
    assert!(
        matches!(asked[..], [Ask::Show { .. }, Ask::Cancel { .. }]),
        "{asked:?}"
    );
}

#[test]
fn progress_is_for_terminals() {
    let running = ledger(&[Ok, Running]);
    let (mut place, _) = Place::with(move |_, peer| {
        peer.tell(accepted());
        peer.tell(Tell::Progress(running.progress.clone()));
        // Longer than the time in which a job shows no progress.
        std::thread::sleep(std::time::Duration::from_millis(400));
        peer.tell(Tell::Ledger(Box::new(ledger(&[Ok, Ok]))));
    });
    assert_eq!(place.call(&["run", "*", "test.ping"]).err, "");
    place.terminals.err = true;
    let shown = "\x1b[?7l20261122231556000001  1/2 returned, 1 running\x1b[K\n\x1b[?7h\x1b[J";
    assert_eq!(
        place.call(&["run", "*", "test.ping"]).err,
        format!("{shown}\r\x1b[1A\x1b[J")
    );
}

fn accepted() -> Tell {
    Tell::Accepted {
        jid: jid(),
        wait_ms: None,
    }
}

#[test]
fn without_a_typed_wait_the_hubs_setting_counts() {
    let (place, _) = Place::with(|ask, peer| match ask {
        Ask::Run(_) => {
            peer.tell(Tell::Accepted {
                jid: jid(),
                wait_ms: Some(1),
            });
            peer.hold();
        }
        Ask::Show { .. } => peer.tell(Tell::Ledger(Box::new(ledger(&[Ok, Running])))),
        other => panic!("{other:?}"),
    });
    let outcome = place.call(&["run", "*", "test.ping", "--out", "quiet"]);
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.err.starts_with("The wait is over"),
        "{}",
        outcome.err
    );
}
