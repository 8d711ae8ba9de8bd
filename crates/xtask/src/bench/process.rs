//! A program that runs under measurement.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::PATIENCE;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The top of the tree.
    Top,
    /// Between the top and minions; in the floor, the side that sends commands.
    Hub,
    /// The minions.
    Minions,
}

/// A child process; ended when dropped.
#[derive(Debug)]
pub struct Process {
    pub part: Part,
    /// Peers of hubs that it is.
    peers: u32,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it; what it says on standard error goes to `log`.
    pub fn start(part: Part, command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(OpenOptions::new().create(true).append(true).open(log)?)
            .spawn()
            .with_context(|| format!("can't start {command:?}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("no output")?;
        let (said, lines) = mpsc::channel();
        // Ends with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Process {
            part,
            peers: 1,
            child,
            input,
            lines,
        })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As so many peers of hubs, each of which gives signs of life.
    pub fn with_peers(mut self, peers: u32) -> Process {
        self.peers = peers;
        self
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("no input")?;
        writeln!(input, "{line}")?;
        Ok(())
    }

    /// The next line that it says.
    pub fn hear(&self) -> anyhow::Result<String> {
        self.lines
            .recv_timeout(PATIENCE)
            .with_context(|| format!("process {} says nothing", self.child.id()))
    }

    /// CPU time that its threads have used: of those that live, to the nanosecond.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end while we look.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let first = text.split_whitespace().next();
            total += first.and_then(|ns| ns.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(total))
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory that it had since [`forget_peak`](Self::forget_peak), in bytes.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// The most resident memory that it had so far is of no interest.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        // "5" resets the peak (proc_pid_clear_refs(5)).
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")
            .context("can't reset the peak of a process's memory")
    }

    /// Bytes in a row of the process's status.
    fn status(&self, row: &str) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(row));
        let kib: u64 = line
            .and_then(|rest| rest.split_whitespace().next())
            .with_context(|| format!("no {row} the process has ended"))?
            .parse()?;
        Ok(kib << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end, which must be a good one; what it prints is thrown away.
pub fn timed(command: &mut Command) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let took = began.elapsed();
    let status = status.with_context(|| format!("can't start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}

/// Sends processes a signal, by its name without SIG.
pub fn signal(name: &str, processes: &[u32]) -> anyhow::Result<()> {
    if processes.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("kill");
    command.arg(format!("-{name}"));
    command.args(processes.iter().map(u32::to_string));
    // One of them may have ended meanwhile.
    command
        .stderr(Stdio::null())
        .status()
        .context("can't start kill")?;
    Ok(())
}

/// CPU time by part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub top: Duration,
    pub hubs: Duration,
    pub minions: Duration,
}

impl Usage {
    /// Of these processes, since they were started.
    pub fn of(processes: &[&Process]) -> anyhow::Result<Usage> {
        let mut usage = Usage::default();
        for process in processes {
            let part = match process.part {
                Part::Top => &mut usage.top,
                Part::Hub => &mut usage.hubs,
                Part::Minions => &mut usage.minions,
            };
            *part += process.cpu()?;
        }
        Ok(usage)
    }

    /// What was used since then.
    pub fn since(&self, before: &Usage) -> Usage {
        Usage {
            top: self.top.saturating_sub(before.top),
            hubs: self.hubs.saturating_sub(before.hubs),
            minions: self.minions.saturating_sub(before.minions),
        }
    }

    fn total(&self) -> Duration {
        self.top + self.hubs + self.minions
    }
}

/// Quiet is: less than this in each of so many looks in a row.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 3;
const NOISE: Duration = Duration::from_millis(3);
/// And as much for each peer: a sign of life each 25 s takes both ends some 40 us.
const NOISE_OF_A_PEER: Duration = Duration::from_nanos(200);

/// Waits until the processes have nothing left to do.
pub fn quiet(processes: &[&Process]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let peers = processes.iter().map(|process| process.peers).sum();
    let noise = NOISE + NOISE_OF_A_PEER * peers;
    let mut before = Usage::of(processes)?;
    let mut looks = 0;
    while looks < LOOKS {
        if Instant::now() > deadline {
            bail!("the processes never come to rest");
        }
        std::thread::sleep(LOOK);
        let now = Usage::of(processes)?;
        looks = if now.since(&before).total() < noise {
            looks + 1
        } else {
            0
        };
        before = now;
    }
    Ok(())
}
