//! A process that is spoken with in lines: this side says one and hears the other's, until one of them ends.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Spec;
use super::run::{ready, watch_exit};
use crate::cancel::{Cancel, Registration};

/// Longest line that is heard, in bytes. What is in it becomes part of one return, of which escapes may be the larger part.
pub(crate) const LINE_BYTES_MAX: usize = 4 * crate::cut::WHOLE_BYTES_MAX;
/// Bytes of standard error that are kept: the last ones, for the words of an error.
const TOLD_BYTES_MAX: usize = 8 << 10;
/// Bytes that one read takes, or one write gives: what a pipe that is ready takes without blocking is PIPE_BUF.
const READ_CHUNK: usize = 64 << 10;
const WRITE_CHUNK: usize = 4 << 10;
/// How long a line is awaited after the process has ended, when something that it left behind holds its output open.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// The process, in a group of its own that ends with this value and is under a [`Cancel`] as long as it lives.
pub(crate) struct Dialog {
    child: Child,
    group: Pid,
    registration: Option<Registration>,
    exit: PipeReader,
    exited_at: Option<Instant>,
    stdin: Option<PipeWriter>,
    to_say: VecDeque<u8>,
    stdout: Option<PipeReader>,
    heard: Vec<u8>,
    /// Bytes of `heard` that hold no line break.
    searched: usize,
    stderr: Option<PipeReader>,
    told: Vec<u8>,
}

impl Dialog {
    /// Starts the process. Its standard input, output and error are pipes, whatever `spec` says of them.
    pub(crate) fn start(spec: &Spec, cancel: &Cancel) -> io::Result<Dialog> {
        let (stdin_child, stdin) = io::pipe()?;
        let (stdout, stdout_child) = io::pipe()?;
        let (stderr, stderr_child) = io::pipe()?;
        let mut child = spec.start(stdin_child.into(), stdout_child.into(), stderr_child.into())?;
        let group = Pid::from_raw(child.id().cast_signed());
        let exit = watch_exit(group).inspect_err(|_| {
            let _ = killpg(group, Signal::SIGKILL);
            let _ = child.wait();
        })?;
        Ok(Dialog {
            registration: Some(cancel.register(group)),
            child,
            group,
            exit,
            exited_at: None,
            stdin: Some(stdin),
            to_say: VecDeque::new(),
            stdout: Some(stdout),
            heard: Vec::new(),
            searched: 0,
            stderr: Some(stderr),
            told: Vec::new(),
        })
    }

    /// Says a line. It goes out while this side hears.
    pub(crate) fn say(&mut self, line: &str) {
        self.to_say.extend(line.as_bytes());
        self.to_say.push_back(b'\n');
    }

    /// Hears a line, without its end. None when the process has ended or closed its output; an error when the line is too long or `deadline` has come.
    pub(crate) fn hear(&mut self, deadline: Option<Instant>) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if self.heard.len() > LINE_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "it says a line of more than {LINE_BYTES_MAX} bytes"
                )));
            }
            let now = Instant::now();
            let give_up_at = self.exited_at.map(|at| at + DRAIN_GRACE);
            if self.stdout.is_none() || give_up_at.is_some_and(|at| now >= at) {
                return Ok(None);
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let wake = [deadline, give_up_at].into_iter().flatten().min();
            self.transfer(wake.map(|wake| wake.saturating_duration_since(now)))?;
        }
    }

    /// Lets it end by itself for a while after its last word.
    pub(crate) fn end(mut self, patience: Duration) {
        self.stdin = None;
        let deadline = Instant::now() + patience;
        // What it says now is for nobody.
        while let Ok(Some(_)) = self.hear(Some(deadline)) {}
    }

    /// The end of what it wrote to standard error.
    pub(crate) fn told(&mut self) -> String {
        while self.read_stderr_if_ready() {}
        String::from_utf8_lossy(&self.told).trim().to_owned()
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.heard.get(self.searched..).unwrap_or_default();
        let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.heard.len();
            return None;
        };
        let rest = self.heard.split_off(self.searched + at + 1);
        let mut line = std::mem::replace(&mut self.heard, rest);
        line.pop();
        self.searched = 0;
        Some(line)
    }

    /// Waits until something can be moved, or for this long, and moves it.
    fn transfer(&mut self, patience: Option<Duration>) -> io::Result<()> {
        let timeout = patience.map_or(PollTimeout::NONE, |patience| {
            let millis = patience.as_micros().div_ceil(1000);
            PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        let has_words = !self.to_say.is_empty();
        let [exit_ready, stdout_ready, stderr_ready, stdin_ready] = ready(
            [
                self.exited_at
                    .is_none()
                    .then(|| (self.exit.as_fd(), PollFlags::POLLIN)),
                self.stdout
                    .as_ref()
                    .map(|pipe| (pipe.as_fd(), PollFlags::POLLIN)),
                self.stderr
                    .as_ref()
                    .map(|pipe| (pipe.as_fd(), PollFlags::POLLIN)),
                self.stdin
                    .as_ref()
                    .filter(|_| has_words)
                    .map(|pipe| (pipe.as_fd(), PollFlags::POLLOUT)),
            ],
            timeout,
        )?;
        if exit_ready {
            self.exited_at = Some(Instant::now());
        }
        if stdout_ready {
            read(&mut self.stdout, &mut self.heard);
        }
        if stderr_ready {
            self.read_stderr();
        }
        if stdin_ready {
            self.feed();
        }
        Ok(())
    }

    fn feed(&mut self) {
        let Some(pipe) = &mut self.stdin else {
            return;
        };
        let (front, _) = self.to_say.as_slices();
        match pipe.write(front.get(..WRITE_CHUNK).unwrap_or(front)) {
            Ok(count) => drop(self.to_say.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It does not want to hear; what it says decides.
            Err(_) => {
                self.stdin = None;
                self.to_say.clear();
            }
        }
    }

    fn read_stderr(&mut self) {
        read(&mut self.stderr, &mut self.told);
        let surplus = self.told.len().saturating_sub(TOLD_BYTES_MAX);
        self.told.drain(..surplus);
    }

    fn read_stderr_if_ready(&mut self) -> bool {
        let Some(pipe) = &self.stderr else {
            return false;
        };
        let polled = ready([Some((pipe.as_fd(), PollFlags::POLLIN))], PollTimeout::ZERO);
        let is_ready = polled.is_ok_and(|[is_ready]| is_ready);
        if is_ready {
            self.read_stderr();
        }
        is_ready
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        // The leader is not reaped yet, so the group's number is still ours.
        let _ = killpg(self.group, Signal::SIGKILL);
        drop(self.registration.take());
        let _ = self.child.wait();
    }
}

/// Reads once; the end of the stream, or a failure, closes it.
fn read(stream: &mut Option<PipeReader>, into: &mut Vec<u8>) {
    let Some(pipe) = stream else {
        return;
    };
    let mut chunk = [0; READ_CHUNK];
    match pipe.read(&mut chunk) {
        Ok(0) => *stream = None,
        Ok(count) => into.extend(chunk.iter().take(count)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => *stream = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CancelKind;

    fn shell(script: &str, cancel: &Cancel) -> Dialog {
        Dialog::start(&Spec::new(&["/bin/sh", "-c", script]), cancel).unwrap()
    }

    #[test]
    fn lines_go_both_ways() {
        let mut dialog = shell(
            "while read word; do echo \"$word $word\"; done; echo end >&2",
            &Cancel::new(),
        );
        for word in ["a", "b"] {
            dialog.say(word);
            let line = dialog.hear(None).unwrap().unwrap();
            assert_eq!(line, format!("{word} {word}").as_bytes());
        }
        dialog.stdin = None;
        assert_eq!(dialog.hear(None).unwrap(), None);
        assert_eq!(dialog.told(), "end");
    }

    #[test]
    fn nobody_is_waited_for_without_bounds() {
        let mut dialog = shell("exec sleep 1000", &Cancel::new());
        let deadline = Instant::now() + Duration::from_millis(20);
        let error = dialog.hear(Some(deadline)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut dialog = shell("yes | tr -d '\\n'", &Cancel::new());
        assert!(
            dialog
                .hear(None)
                .unwrap_err()
                .to_string()
                .contains("a line of more than")
        );
        // What it left behind holds its output open.
        let mut dialog = shell("sleep 1000 & exit 3", &Cancel::new());
        assert_eq!(dialog.hear(None).unwrap(), None);
    }

    #[test]
    fn a_cancel_ends_it() {
        let cancel = Cancel::new();
        let mut dialog = shell("exec sleep 1000", &cancel);
        cancel.cancel(CancelKind::Term);
        assert_eq!(dialog.hear(None).unwrap(), None);
    }
}
