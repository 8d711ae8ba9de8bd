//! Programs that are the interface to a part of the host, such as package managers and the tools of accounts.

use std::path::PathBuf;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::failure::Failure;
use crate::process::{self, Finished, Spec};
use crate::registry::Env;

/// How often a program that finds the database locked is started again, after 2, 4, 8 … seconds.
const LOCK_TRIES: u32 = 10;

/// Runs programs with English messages, without a terminal and without input.
pub(crate) struct Tools<'a> {
    cancel: &'a Cancel,
    /// Where the programs are, for tests; else along `PATH`.
    bin: Option<PathBuf>,
    /// The root directory that files are below, for tests.
    root: PathBuf,
    use_scope: bool,
}

/// How one program is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// Variables over the minion's own.
    pub(crate) env: Vec<(String, String)>,
    /// The program is ended after this time.
    pub(crate) timeout: Option<Duration>,
    /// Standard input.
    pub(crate) stdin: Option<String>,
    /// Runs in a unit of its own, so that an upgrade of the minion does not end it.
    pub(crate) scope: bool,
}

impl Way {
    /// The way of what may upgrade the minion itself.
    pub(crate) fn in_scope() -> Way {
        Way {
            scope: true,
            ..Way::default()
        }
    }
}

impl<'a> Tools<'a> {
    pub(crate) fn new(env: &'a Env<'a>) -> Tools<'a> {
        let is_wanted = env
            .ctx
            .config("systemd.scope")
            .is_none_or(|wanted| wanted != serde_json::Value::Bool(false));
        Tools {
            cancel: env.cancel,
            bin: None,
            root: PathBuf::from("/"),
            use_scope: is_wanted
                && std::path::Path::new("/run/systemd/system").is_dir()
                && process::which("systemd-run").is_some(),
        }
    }

    /// Programs and files of a test.
    #[cfg(test)]
    pub(crate) fn fake(cancel: &'a Cancel, root: PathBuf) -> Tools<'a> {
        Tools {
            cancel,
            bin: Some(root.join("bin")),
            root,
            use_scope: false,
        }
    }

    /// Whether the host's own files and services of names count, not those of a test.
    pub(crate) fn is_host(&self) -> bool {
        self.bin.is_none()
    }

    /// A path of the host.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The path of a program, `None` when it is not installed.
    pub(crate) fn which(&self, name: &str) -> Option<PathBuf> {
        match &self.bin {
            Some(bin) => process::which(&bin.join(name).to_string_lossy()),
            None => process::which(name),
        }
    }

    /// Runs a program to its end; its exit code is for the caller to judge.
    pub(crate) fn run(&self, argv: &[&str], way: &Way) -> Result<Finished, Failure> {
        let name = argv.first().copied().unwrap_or_default();
        let program = self
            .which(name)
            .ok_or_else(|| Failure::MissingProgram(name.to_owned()))?;
        let mut spec = Spec::new(argv);
        spec.argv[0] = program.to_string_lossy().into_owned();
        if way.scope && self.use_scope {
            let scope = ["systemd-run", "--quiet", "--scope", "--"];
            spec.argv.splice(0..0, scope.map(str::to_owned));
        }
        spec.env = vec![
            ("LC_ALL".to_owned(), "C".to_owned()),
            ("LANGUAGE".to_owned(), "C".to_owned()),
        ];
        spec.env.extend(way.env.iter().cloned());
        spec.timeout = way.timeout;
        spec.stdin = way.stdin.as_ref().map(|text| text.clone().into_bytes());
        let mut tries = 0;
        loop {
            let mut finished = process::run(spec.clone(), self.cancel)
                .map_err(|error| Failure::io(&program, error))?;
            finished.stdout.strip_end();
            finished.stderr.strip_end();
            let is_locked = finished.stderr.holds("Could not get lock");
            if !is_locked
                || tries >= LOCK_TRIES
                || self.cancel.sleep(Duration::from_secs(1 << (tries + 1)))
            {
                return Ok(finished);
            }
            tries += 1;
        }
    }

    /// The standard output of a program that only tells something, whatever its exit code.
    pub(crate) fn output(&self, argv: &[&str]) -> Result<String, Failure> {
        let finished = self.run(argv, &Way::default())?;
        if finished.stdout.is_cut() {
            // Half an answer would be taken for a whole one.
            return Err(Failure::command(format!(
                "{} answers too much",
                argv.join(" ")
            )));
        }
        Ok(finished.stdout.to_string())
    }
}
