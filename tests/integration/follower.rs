//! Somebody who follows the event bus of a hub.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::command::plain;
use crate::{Cli, PATIENCE};

/// Follows the event bus until it is dropped.
#[derive(Debug)]
pub struct Follower {
    child: Child,
    lines: Receiver<String>,
    complaints: Receiver<String>,
    out: Option<ChildStdout>,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Follower {
    /// Begins; what happens after this returns is heard.
    ///
    /// # Panics
    /// When the hub does not take it.
    #[track_caller]
    pub fn of(cli: &Cli, globs: &[&str]) -> Follower {
        let mut follower = Follower::that_sleeps(cli, globs);
        follower.wake();
        follower
    }

    /// As [`Follower::of`], and does not read what is printed for it before [`Follower::wake`].
    ///
    /// # Panics
    /// When the hub does not take it.
    #[track_caller]
    pub fn that_sleeps(cli: &Cli, globs: &[&str]) -> Follower {
        let mut command: Command = cli.command(&["events", "--out", "json"]);
        plain(command.args(globs));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let complaints = lines(child.stderr.take().expect("it is piped"));
        let out = child.stdout.take();
        let first = complaints.recv_timeout(PATIENCE).unwrap_or_default();
        assert!(first.starts_with("Following"), "{first}");
        Follower {
            child,
            lines: channel().1,
            complaints,
            out,
        }
    }

    /// Begins to read.
    pub fn wake(&mut self) {
        if let Some(out) = self.out.take() {
            self.lines = lines(out);
        }
    }

    /// The next event: an object with tag and data.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn next(&self) -> Value {
        self.within(PATIENCE).expect("an event")
    }

    /// The next event, when one comes in time.
    ///
    /// # Panics
    /// When the program has ended.
    #[track_caller]
    pub fn within(&self, limit: Duration) -> Option<Value> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(serde_json::from_str(&line).expect("a line is JSON")),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("nobody follows any more"),
        }
    }

    /// The next event of this tag; others are passed over.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn tagged(&self, tag: &str) -> Value {
        loop {
            let event = self.next();
            if event["tag"] == tag {
                return event["data"].clone();
            }
        }
    }

    /// What it said beside events until now.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.try_iter().collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
