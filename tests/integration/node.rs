//! One node: a daemon with its own root directory.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use cable::Namespace;
use nix::sys::signal::{Signal, kill};

use crate::command::{pid, plain};
use crate::{Cli, Disk, Release, wait_for};

/// Lines of a log that are shown when a test fails.
const LAST_WORDS: usize = 12;

/// A top-master, a syndic or a minion. Its process ends with it.
#[derive(Debug)]
pub struct Node {
    program: &'static str,
    id: String,
    root: PathBuf,
    /// Its network; none is that of the test.
    network: Option<Namespace>,
    disk: Option<Disk>,
    release: Release,
    /// Calls of the next process that fail, as strace is told.
    failing: Option<String>,
    process: Option<Child>,
}

impl Node {
    /// A node that does not run yet, with this configuration.
    ///
    /// # Panics
    /// When its directory can't be written.
    pub fn new(program: &'static str, id: &str, root: PathBuf, configuration: &str) -> Node {
        let node = Node {
            program,
            id: id.to_owned(),
            root,
            network: None,
            disk: None,
            release: Release::Present,
            failing: None,
            process: None,
        };
        node.configure(configuration);
        node
    }

    /// The same node in another network than that of the test.
    pub fn within(mut self, network: Option<Namespace>) -> Node {
        self.network = network;
        self
    }

    /// Writes another configuration, for the next start.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn configure(&self, configuration: &str) {
        let directory = self.root.join("etc/banyan");
        fs::create_dir_all(&directory).expect("a directory for the configuration");
        fs::write(directory.join(self.program), configuration).expect("a configuration");
    }

    /// From the next start on, and from the next command on, it is of this release.
    pub fn set_release(&mut self, release: Release) {
        self.release = release;
    }

    /// Of which release it is.
    pub fn release(&self) -> Release {
        self.release
    }

    /// Which program it is.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Everything of the node lies below this directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its command line.
    pub fn cli(&self) -> Cli {
        Cli::of(self.release, self.program, &self.root)
    }

    /// The directory of what must not be lost.
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/banyan").join(self.program)
    }

    /// Moves its state to this disk, on which it lies from the next start on.
    ///
    /// # Panics
    /// When it runs, or when the disk is too small.
    pub fn put_on(&mut self, disk: Disk) {
        assert!(self.process.is_none(), "{} runs", self.id);
        fs::create_dir_all(self.state()).expect("a directory");
        let place = self.root.join("disk");
        fs::create_dir_all(&place).expect("a directory");
        let copied = disk
            .run(&place, "cp".as_ref())
            .arg("-a")
            .arg(self.state().join("."))
            .arg(&place)
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "the copy");
        self.disk = Some(disk);
    }

    /// Fills its disk but for so many bytes.
    ///
    /// # Panics
    /// When it does not run, or has no disk of its own.
    pub fn fill(&self, left: u64) {
        self.disk().fill(self.pid(), &self.state(), left);
    }

    /// Makes room on its disk again.
    ///
    /// # Panics
    /// When it does not run, or was not filled.
    pub fn empty(&self) {
        self.disk().empty(self.pid(), &self.state());
    }

    /// Cuts the power of its disk. The process goes on until it notices.
    ///
    /// # Panics
    /// When it does not run, or has no disk of its own.
    pub fn cut_power(&self) {
        self.disk().cut_power(self.pid(), &self.state());
    }

    /// At the next start only: the n-th of these calls of each thread fails with this error. False, with a message, where
    /// calls can't be made to fail.
    pub fn fail_once(&mut self, calls: &str, error: &str, nth: u32) -> bool {
        let works = Command::new("strace")
            .args(["-D", "-f", "-qq", "-o", "/dev/null", "true"])
            .status()
            .is_ok_and(|status| status.success());
        if works {
            self.failing = Some(format!("inject={calls}:error={error}:when={nth}"));
        } else {
            println!("skipped: strace is not there, or may not look at processes");
        }
        works
    }

    fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("a node on a disk of its own")
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    /// Starts the daemon. Commands that it runs see its id as `$NODE`.
    ///
    /// # Panics
    /// When it runs already, or does not start.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs", self.id);
        let failing = self.failing.take();
        let log = || -> File {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log_file())
                .expect("a log")
        };
        let program = self.release.program(self.program);
        let mut command = match (&self.disk, failing) {
            (Some(disk), _) => disk.run(&self.state(), &program),
            (None, Some(failing)) => {
                // With -D the daemon is the child of this process, and strace ends with it.
                let mut command = Command::new("strace");
                command
                    .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &failing])
                    .arg(program);
                command
            }
            (None, None) => Command::new(program),
        };
        command
            .arg("--root-dir")
            .arg(&self.root)
            .arg("serve")
            .env("NODE", &self.id);
        plain(&mut command);
        command.stdin(Stdio::null()).stdout(log()).stderr(log());
        let process = cable::within(self.network.as_ref(), || command.spawn());
        self.process = Some(process.expect("the daemon starts"));
    }

    /// Sends a signal to the daemon.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the node runs");
        kill(pid(process), signal).expect("the node runs");
    }

    /// Whether the daemon has ended by itself.
    ///
    /// # Panics
    /// When it was not started.
    pub fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut().expect("the node was started");
        matches!(process.try_wait(), Ok(Some(_)))
    }

    /// Waits until the daemon has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node runs");
        let status = wait_for("the daemon ends", || process.try_wait().ok().flatten());
        drop(process);
        status
    }

    /// Ends the daemon as a service manager does, and starts it anew.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn restart(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended();
        assert!(status.success(), "{}: {status}", self.id);
        self.start();
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the node runs");
        let _ = process.kill();
        let _ = process.wait();
    }

    /// The end of the log, for a test that failed.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let end = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        format!("--- {}\n{}\n", self.id, end.join("\n"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // KILL also ends a process that is stopped.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
