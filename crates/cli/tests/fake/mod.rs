//! A daemon for tests: listens where the real one does, and answers what the test says.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use wire::control::{Ask, Ledger, LedgerRow, Progress, Tell};
use wire::{Counts, Jid, OutcomeKind, codec};

/// The job of all tests.
pub fn jid() -> Jid {
    "20261122231556000001".parse().expect("twenty digits")
}

/// What was asked so far.
pub type Asked = Arc<Mutex<Vec<Ask>>>;

/// One connection.
pub struct Peer(UnixStream);

impl Peer {
    pub fn tell(&mut self, tell: Tell) {
        // A command that has gone hears nothing.
        let _ = self
            .0
            .write_all(&codec::frame(&tell).expect("it fits into a frame"));
    }

    /// Waits until the command hangs up.
    pub fn hold(&mut self) {
        let _ = self.0.read(&mut [0]);
    }
}

/// Listens at the socket; each connection has its thread and its call of `answer`, and is closed after it.
pub fn listen(socket: &Path, answer: impl Fn(Ask, &mut Peer) + Send + Sync + 'static) -> Asked {
    std::fs::create_dir_all(socket.parent().expect("a directory")).expect("a directory");
    let listener = UnixListener::bind(socket).expect("a socket");
    let asked = Asked::default();
    let recorded = asked.clone();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, recorded) = (answer.clone(), recorded.clone());
            let mut stream = stream.expect("a connection");
            thread::spawn(move || {
                let mut prefix = [0; codec::PREFIX];
                if stream.read_exact(&mut prefix).is_err() {
                    return;
                }
                let mut body = vec![0; codec::frame_len(prefix).expect("a length")];
                stream.read_exact(&mut body).expect("a whole frame");
                let ask: Ask = codec::decode(&body).expect("a question");
                recorded
                    .lock()
                    .expect("no test thread panicked")
                    .push(ask.clone());
                answer(ask, &mut Peer(stream));
            });
        }
    });
    asked
}

/// An account with one minion for each outcome, `m1` on; each value is `true`.
pub fn ledger(kinds: &[OutcomeKind]) -> Ledger {
    let mut counts = Counts::default();
    kinds.iter().for_each(|&kind| counts.add(kind));
    let minions = kinds.iter().zip(1..).map(|(&kind, number)| {
        let returned = matches!(kind, OutcomeKind::Ok | OutcomeKind::Failed);
        LedgerRow {
            id: format!("m{number}"),
            path: "eu/ams".to_owned(),
            kind,
            retcode: returned.then_some(i32::from(kind == OutcomeKind::Failed)),
            value: returned.then_some(0),
            started: None,
            duration_ms: None,
            reason: None,
        }
    });
    Ledger {
        progress: Progress {
            jid: jid(),
            complete: true,
            finished: counts.settled() == counts.expected,
            counts,
            rollout: None,
            steps: None,
            sites: vec![],
        },
        fun: "test.ping".to_owned(),
        args: b"[]".as_slice().into(),
        kwargs: b"{}".as_slice().into(),
        target: "*".to_owned(),
        user: "root".to_owned(),
        origin: "top1".to_owned(),
        roots: None,
        issued: 1_795_389_356_000,
        finished: None,
        minions: minions.collect(),
        values: vec![b"true".as_slice().into()],
        unknown: vec![],
        undecided: vec![],
        owner: None,
    }
}
