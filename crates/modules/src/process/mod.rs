//! Processes that functions start: each in a process group of its own, with bounded output and a deadline.

mod capture;
mod identity;
mod program;
mod run;
mod spawn;

pub(crate) use capture::Output;
pub(crate) use identity::Identity;
pub(crate) use program::{is_executable, query, which};
pub(crate) use run::{Finished, run, run_in_background};

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::environment;

/// Held shared while a child is started, exclusively by [`without_forks`].
static FORKING: RwLock<()> = RwLock::new(());

/// Does something while no child of this crate is between fork and exec, where it would hold copies of all open files.
pub(crate) fn without_forks<T>(work: impl FnOnce() -> T) -> T {
    let _guard = FORKING.write().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// A command that is ready to start.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Program and arguments; never empty.
    pub(crate) argv: Vec<String>,
    /// Working directory, absolute.
    pub(crate) cwd: PathBuf,
    /// Variables over (or, with `clean_env`, instead of) the minion's own.
    pub(crate) env: Vec<(String, String)>,
    /// Start from an empty environment.
    pub(crate) clean_env: bool,
    /// Bytes for standard input; without them it is `/dev/null`.
    pub(crate) stdin: Option<Vec<u8>>,
    /// Send standard error into standard output.
    pub(crate) merge_stderr: bool,
    /// Run as somebody else.
    pub(crate) identity: Option<Identity>,
    /// File mode mask of the process.
    pub(crate) umask: Option<u32>,
    /// The whole process group is ended after this time.
    pub(crate) timeout: Option<Duration>,
}

impl Spec {
    /// A command with the minion's own environment and identity, in `/`.
    pub(crate) fn new(argv: &[&str]) -> Spec {
        Spec {
            argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
            cwd: PathBuf::from("/"),
            env: Vec::new(),
            clean_env: false,
            stdin: None,
            merge_stderr: false,
            identity: None,
            umask: None,
            timeout: None,
        }
    }

    fn start(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> io::Result<std::process::Child> {
        use std::os::unix::process::CommandExt;
        let (program, args) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = std::process::Command::new(program);
        command
            .args(args)
            .current_dir(&self.cwd)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        if self.clean_env {
            command.env_clear();
        } else {
            environment::apply(&mut command);
        }
        // The service manager listens for the minion on this socket, not for its children.
        command.env_remove("NOTIFY_SOCKET");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if self.identity.is_some() || self.umask.is_some() {
            spawn::switch_before_exec(&mut command, self.identity.as_ref(), self.umask);
        }
        let _guard = FORKING.read().unwrap_or_else(PoisonError::into_inner);
        command.spawn()
    }
}
