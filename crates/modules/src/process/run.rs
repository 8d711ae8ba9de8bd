//! Runs a command to its end: feeds its input, gathers its output, keeps its deadline, obeys its [`Cancel`].

use std::io::{self, BufRead, Cursor, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::Spec;
use super::capture::{Capture, Output};
use crate::cancel::Cancel;

/// How long a process group that has timed out may clean up between TERM and KILL.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long output is awaited after the command itself has ended, when something that it left behind (a daemon) still
/// holds its output open.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// Most bytes that are written to a pipe at once: what a pipe that is ready takes without blocking (PIPE_BUF).
const STDIN_CHUNK: usize = 4096;

/// Most commands that run in the background (`bg`) at one time.
const MAX_BACKGROUND: usize = 256;

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) pid: u32,
    /// Exit code, or the negative number of the signal that ended it.
    pub(crate) retcode: i32,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) timed_out: bool,
}

impl Finished {
    /// What the program says of its failure: its errors, or else its output.
    pub(crate) fn said(&self) -> &Output {
        if self.stderr.is_empty() {
            &self.stdout
        } else {
            &self.stderr
        }
    }
}

/// Starts a command and waits for it. An error means that it did not start.
pub(crate) fn run(mut spec: Spec, cancel: &Cancel) -> io::Result<Finished> {
    let (stdout, stdout_child) = io::pipe()?;
    let (stderr, stderr_child) = if spec.merge_stderr {
        (None, stdout_child.try_clone()?)
    } else {
        io::pipe().map(|(r, w)| (Some(r), w))?
    };
    let input = spec.stdin.take();
    let (stdin_child, stdin) = match &input {
        Some(_) => io::pipe().map(|(r, w)| (Stdio::from(r), Some(w)))?,
        None => (Stdio::null(), None),
    };
    let mut child = spec.start(stdin_child, stdout_child.into(), stderr_child.into())?;
    let group = Pid::from_raw(child.id().cast_signed());
    let exit = watch_exit(group).inspect_err(|_| {
        let _ = killpg(group, Signal::SIGKILL);
        let _ = child.wait();
    })?;
    let registration = cancel.register(group);
    let mut session = Session {
        group,
        exit,
        exited_at: None,
        stdin: stdin.zip(input.map(Cursor::new)),
        stdout: Stream {
            pipe: Some(stdout),
            capture: Capture::new(),
        },
        stderr: Stream {
            pipe: stderr,
            capture: Capture::new(),
        },
        deadline: spec
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout)),
        timed_out: false,
    };
    let ended = session.until_end(cancel);
    if session.timed_out || cancel.is_cancelled() || ended.is_err() {
        // The leader is not reaped yet, so the group's number is still ours. Whoever ignored TERM ends here.
        let _ = killpg(group, Signal::SIGKILL);
    }
    drop(registration);
    let retcode = reap(&mut child)?;
    ended?;
    Ok(Finished {
        pid: child.id(),
        retcode,
        timed_out: session.timed_out,
        stdout: session.stdout.capture.into_output(),
        stderr: session.stderr.capture.into_output(),
    })
}

/// Starts a command and returns its process id at once. Its output goes nowhere; a thread reaps it. It is not under any
/// [`Cancel`], as it outlives the function that started it.
pub(crate) fn run_in_background(spec: Spec) -> io::Result<u32> {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    if RUNNING.fetch_add(1, Ordering::Relaxed) >= MAX_BACKGROUND {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        return Err(io::Error::other(format!(
            "{MAX_BACKGROUND} commands already run in the background"
        )));
    }
    let started = spec.start(Stdio::null(), Stdio::null(), Stdio::null());
    let mut child = started.inspect_err(|_| {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    })?;
    let pid = child.id();
    let reaper = move || {
        let _ = child.wait();
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    };
    thread::Builder::new()
        .name("reaper".to_owned())
        .spawn(reaper)?;
    Ok(pid)
}

/// A running command with the minion's ends of its pipes.
struct Session {
    group: Pid,
    /// Reaches its end when the process has ended.
    exit: PipeReader,
    exited_at: Option<Instant>,
    stdin: Option<(PipeWriter, Cursor<Vec<u8>>)>,
    stdout: Stream,
    stderr: Stream,
    /// Next step of the timeout: TERM first, KILL a grace later.
    deadline: Option<Instant>,
    timed_out: bool,
}

struct Stream {
    pipe: Option<PipeReader>,
    capture: Capture,
}

impl Session {
    /// Moves bytes until the command has ended and its output is read, or its time is over.
    fn until_end(&mut self, cancel: &Cancel) -> io::Result<()> {
        loop {
            let now = Instant::now();
            if self.is_over(now, cancel) {
                return Ok(());
            }
            self.keep_deadline(now);
            self.transfer(now, cancel)?;
        }
    }

    fn is_over(&self, now: Instant, cancel: &Cancel) -> bool {
        let is_read = self.stdout.pipe.is_none() && self.stderr.pipe.is_none();
        self.exited_at.is_some()
            && (is_read
                || self
                    .give_up_at(cancel)
                    .is_none_or(|give_up_at| now >= give_up_at))
    }

    /// When to stop waiting for output of what the command left behind. Whatever was told to end may first clean up.
    fn give_up_at(&self, cancel: &Cancel) -> Option<Instant> {
        let exited_at = self.exited_at?;
        if self.timed_out {
            return self.deadline;
        }
        let grace = if cancel.is_cancelled() {
            TERM_GRACE
        } else {
            DRAIN_GRACE
        };
        Some(exited_at + grace)
    }

    fn keep_deadline(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let signal = if self.timed_out {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        // A group that is already gone needs no signal.
        let _ = killpg(self.group, signal);
        self.deadline = (!self.timed_out).then(|| now + TERM_GRACE);
        self.timed_out = true;
    }

    /// Waits until a pipe is ready or a deadline has come, and serves each ready pipe once.
    fn transfer(&mut self, now: Instant, cancel: &Cancel) -> io::Result<()> {
        let wake = [self.deadline, self.give_up_at(cancel)]
            .into_iter()
            .flatten()
            .min();
        let timeout = match wake {
            // Rounded up, so that the loop does not spin through the last fraction of a millisecond.
            Some(wake) => {
                let millis = wake
                    .saturating_duration_since(now)
                    .as_micros()
                    .div_ceil(1000);
                PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
            }
            None => PollTimeout::NONE,
        };
        let is_running = self.exited_at.is_none();
        let [exit_ready, stdout_ready, stderr_ready, stdin_ready] = ready(
            [
                is_running.then(|| (self.exit.as_fd(), PollFlags::POLLIN)),
                self.stdout
                    .pipe
                    .as_ref()
                    .map(|pipe| (pipe.as_fd(), PollFlags::POLLIN)),
                self.stderr
                    .pipe
                    .as_ref()
                    .map(|pipe| (pipe.as_fd(), PollFlags::POLLIN)),
                self.stdin
                    .as_ref()
                    .map(|(pipe, _)| (pipe.as_fd(), PollFlags::POLLOUT)),
            ],
            timeout,
        )?;
        if exit_ready {
            self.exited_at = Some(Instant::now());
        }
        if stdout_ready {
            self.stdout.read();
        }
        if stderr_ready {
            self.stderr.read();
        }
        if stdin_ready {
            self.feed();
        }
        Ok(())
    }

    fn feed(&mut self) {
        let Some((pipe, bytes)) = &mut self.stdin else {
            return;
        };
        let left = bytes.fill_buf().unwrap_or_default();
        let chunk = left.len().min(STDIN_CHUNK);
        match pipe.write(&left[..chunk]) {
            Ok(count) if count < left.len() => bytes.consume(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // All is written, or the command does not want to read on; that is its affair.
            Ok(_) | Err(_) => self.stdin = None,
        }
    }
}

impl Stream {
    fn read(&mut self) {
        if let Some(pipe) = &mut self.pipe
            && !self.capture.read_from(pipe)
        {
            self.pipe = None;
        }
    }
}

/// Polls those descriptors that are there; tells which are ready (or broken, which their next use finds out).
pub(super) fn ready<const N: usize>(
    wanted: [Option<(std::os::fd::BorrowedFd<'_>, PollFlags)>; N],
    timeout: PollTimeout,
) -> io::Result<[bool; N]> {
    let mut fds: Vec<PollFd> = wanted
        .iter()
        .flatten()
        .map(|(fd, flags)| PollFd::new(*fd, *flags))
        .collect();
    match poll(&mut fds, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok([false; N]),
        Err(errno) => return Err(errno.into()),
    }
    let mut events = fds.iter().map(|fd| fd.any().unwrap_or(false));
    Ok(wanted.map(|fd| fd.is_some() && events.next().unwrap_or(false)))
}

/// A pipe that reaches its end when the process ends. The process stays unreaped, so its number stays valid.
pub(super) fn watch_exit(pid: Pid) -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    let watch = move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR)
        {
        }
        drop(writer);
    };
    thread::Builder::new()
        .name("exit-watch".to_owned())
        .spawn(watch)?;
    Ok(reader)
}

fn reap(child: &mut Child) -> io::Result<i32> {
    let status = child.wait()?;
    Ok(status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or(0)))
}
