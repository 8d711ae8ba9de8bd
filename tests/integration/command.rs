//! Commands: what is typed, and what comes back.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{LOOK_AGAIN, Ledger, PATIENCE, Release, Terminal};

/// A command's bound; waits inside of the programs are shorter.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// How often an ended command is looked for; the precision of [`Said::took`].
const LOOK: Duration = Duration::from_millis(2);

/// The command line of one node.
#[derive(Debug, Clone)]
pub struct Cli {
    program: PathBuf,
    root: PathBuf,
    /// The login name under which it runs, where that is not the test's own.
    user: Option<String>,
}

impl Cli {
    /// The command line of this program, for the node that lives below `root`.
    pub fn new(name: &str, root: &Path) -> Cli {
        Cli::of(Release::Present, name, root)
    }

    /// As [`Cli::new`], of one of the releases.
    pub fn of(release: Release, name: &str, root: &Path) -> Cli {
        Cli {
            program: release.program(name),
            root: root.to_owned(),
            user: None,
        }
    }

    /// The same for another user of this host, who gets a copy of the program in `place`, since the real one may lie where only
    /// its owner comes. Only root can do this.
    ///
    /// # Panics
    /// When it can't be copied.
    pub fn of_user(&self, user: &str, place: &Path) -> Cli {
        let program = place.join(self.program.file_name().expect("a program has a name"));
        if !program.exists() {
            // Not by this process: a program that another thread starts just then would hold the file open for writing until its
            // `exec`, and meanwhile the copy can't be run.
            let mut copy = Command::new("cp");
            let done = copy.arg(&self.program).arg(&program).status();
            assert!(done.expect("cp starts").success(), "the program is copied");
        }
        Cli {
            program,
            root: self.root.clone(),
            user: Some(user.to_owned()),
        }
    }

    /// The root directory of the node.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn call(&self, arguments: &[&str]) -> Said {
        self.start(arguments).finish()
    }

    /// Runs a command that has to end with `code`.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.call(arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:#?}");
        said
    }

    /// Runs a command that has to succeed and print JSON.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--out", "json"]].concat();
        self.expect(0, &arguments).json()
    }

    /// Runs `run ARGUMENTS --out ledger`, which has to end with `code`, and checks its account.
    ///
    /// # Panics
    /// When it does not, or the account is wrong.
    #[track_caller]
    pub fn run(&self, code: i32, arguments: &[&str]) -> Ledger {
        let arguments = [&["run", "--out", "ledger"], arguments].concat();
        Ledger::parse(&self.expect(code, &arguments).out)
    }

    /// The account of a job as it stands.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn show(&self, jid: &str) -> Ledger {
        let said = self.call(&["jobs", "show", jid, "--out", "ledger"]);
        assert!(said.out.starts_with('{'), "job {jid}: {said:#?}");
        Ledger::parse(&said.out)
    }

    /// Waits until the account of a job is as it should be, and gives it.
    ///
    /// # Panics
    /// When it does not become so within [`PATIENCE`]; the message holds the account.
    #[track_caller]
    pub fn job_becomes(&self, jid: &str, what: &str, is_so: impl Fn(&Ledger) -> bool) -> Ledger {
        let begin = Instant::now();
        loop {
            let ledger = self.show(jid);
            if is_so(&ledger) {
                return ledger;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}: {ledger:#?}"
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Starts a job, and gives its id.
    ///
    /// # Panics
    /// When it is not taken.
    #[track_caller]
    pub fn submit(&self, arguments: &[&str]) -> String {
        let arguments = [&["run", "--async"], arguments].concat();
        self.expect(0, &arguments).out.trim().to_owned()
    }

    /// Starts a command.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        Running::start(self.command(arguments))
    }

    /// Starts a command on a terminal.
    #[track_caller]
    pub fn on_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(self.command(arguments))
    }

    /// A command that was not started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = match &self.user {
            None => Command::new(&self.program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--init-groups", "--regid"]);
                command.arg(user_group(user)).arg(&self.program);
                command
            }
        };
        command.arg("--root-dir").arg(&self.root).args(arguments);
        command
    }
}

/// The number of a user's own group.
fn user_group(user: &str) -> String {
    let found = nix::unistd::User::from_name(user).expect("the book of users is read");
    found.expect("the user is there").gid.to_string()
}

/// A command that was started. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    begin: Instant,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts it in a plain environment, so that no setting of the person who runs the tests counts.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(mut command: Command) -> Running {
        plain(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = child.stdout.take().map(collect);
        let err = child.stderr.take().map(collect);
        Running {
            child,
            begin: Instant::now(),
            out,
            err,
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has ended already.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).expect("the command still runs");
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn finish(mut self) -> Said {
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("the command can be awaited") {
                break status.code();
            }
            if self.begin.elapsed() > COMMAND_MAX {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let said = self.said(None);
                panic!("a command that does not end: {said:#?}");
            }
            std::thread::sleep(LOOK);
        };
        self.said(code)
    }

    fn said(&mut self, code: Option<i32>) -> Said {
        let took = self.begin.elapsed();
        let text = |reader: &mut Option<JoinHandle<String>>| {
            reader
                .take()
                .and_then(|reader| reader.join().ok())
                .unwrap_or_default()
        };
        Said {
            code,
            took,
            out: text(&mut self.out),
            err: text(&mut self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// The exit code; none: a signal ended it.
    pub code: Option<i32>,
    /// How long it ran.
    pub took: Duration,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Checks that standard error says this.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn complains(&self, words: &str) {
        assert!(self.err.contains(words), "{words:?} is not in {self:#?}");
    }
}

/// Clears the environment but for what programs need.
pub(crate) fn plain(command: &mut Command) {
    // What the test itself has set for this command stays.
    let own: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let kept = ["PATH", "TMPDIR", "LD_LIBRARY_PATH"];
    command
        .env_clear()
        .envs(
            kept.iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .envs(own);
}

pub(crate) fn pid(child: &Child) -> Pid {
    // A process id of Linux is positive and fits.
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

// A command that hangs is the command's fault, and not that of whoever waits for something else.
const _: () = assert!(COMMAND_MAX.as_secs() > PATIENCE.as_secs());
