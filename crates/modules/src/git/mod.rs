//! Git checkouts, by the git program.

mod address;
mod checkout;
mod config;

use std::path::{Path, PathBuf};

use crate::call::Call;
use crate::cancel::Cancel;
use crate::failure::Failure;
use crate::process::{self, Identity, Spec};
use crate::python;
use crate::registry::Env;

pub(crate) use self::address::{redacted, with_credentials};
pub(crate) use self::config::Scope;

/// Options of ssh with a key: nothing is asked for, and hosts that were never seen are taken as they are.
const SSH: &str = "ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new -oPasswordAuthentication=no -oIdentitiesOnly=yes";

/// How git failed.
#[derive(Debug)]
pub(crate) struct GitFailure {
    command: String,
    said: String,
}

impl GitFailure {
    /// What git said, or the whole where it said nothing.
    pub(crate) fn said(&self) -> String {
        if self.said.is_empty() {
            self.to_string()
        } else {
            self.said.clone()
        }
    }
}

impl std::fmt::Display for GitFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.command.is_empty() {
            return f.write_str(&self.said);
        }
        write!(f, "Command '{}' failed", self.command)?;
        if self.said.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.said)
        }
    }
}

impl From<Failure> for GitFailure {
    fn from(failure: Failure) -> GitFailure {
        GitFailure {
            command: String::new(),
            said: failure.to_string(),
        }
    }
}

impl From<GitFailure> for Failure {
    fn from(failure: GitFailure) -> Failure {
        Failure::Command(failure.to_string())
    }
}

/// The answer of git.
pub(crate) type Told = Result<String, GitFailure>;

/// Git, as a user and with keys.
pub(crate) struct Git<'a> {
    cancel: &'a Cancel,
    user: Option<Identity>,
    /// Files of private keys, tried one after the other.
    keys: Vec<PathBuf>,
}

impl<'a> Git<'a> {
    /// `keys`: paths, or sources of the hub in an environment.
    pub(crate) fn new(
        env: &'a Env<'a>,
        user: Option<&str>,
        keys: &[String],
        saltenv: &str,
    ) -> Result<Git<'a>, Failure> {
        let user = Identity::resolve(user.filter(|user| !user.is_empty()), None)?;
        let local = |key: &String| -> Result<PathBuf, Failure> {
            if !key.starts_with("salt://") {
                let home = user
                    .as_ref()
                    .map(|user| user.home.clone())
                    .or_else(|| std::env::var_os("HOME").map(PathBuf::from));
                return Ok(match key.strip_prefix("~/") {
                    Some(rest) => home.unwrap_or_default().join(rest),
                    None => PathBuf::from(key),
                });
            }
            let cached = env.call(&Call::new("cp.cache_file").arg(key.as_str()).arg(saltenv))?;
            match cached.value.as_str() {
                Some(path) => Ok(PathBuf::from(path)),
                None => Err(Failure::command(format!(
                    "identity '{key}' does not exist."
                ))),
            }
        };
        let keys = keys.iter().map(local).collect::<Result<_, _>>()?;
        Ok(Git {
            cancel: env.cancel,
            user,
            keys,
        })
    }

    /// Runs git in a directory and answers its output.
    pub(crate) fn run(&self, cwd: &str, args: &[&str]) -> Told {
        self.start(cwd, args, false)
    }

    /// The same with standard error among the output.
    pub(crate) fn run_merged(&self, cwd: &str, args: &[&str]) -> Told {
        self.start(cwd, args, true)
    }

    /// Runs git where a key may be needed: with each until one is taken.
    pub(crate) fn run_remote(&self, cwd: &str, args: &[&str]) -> Told {
        if self.keys.is_empty() {
            return self.run_merged(cwd, args);
        }
        let (missing, there): (Vec<&PathBuf>, Vec<&PathBuf>) =
            self.keys.iter().partition(|key| !key.is_file());
        let mut errors = Vec::new();
        for key in there {
            let key = key.to_string_lossy();
            let ssh = format!("{SSH} -i {}", shlex::try_quote(&key).unwrap_or_default());
            match self.start_with(cwd, args, true, Some(ssh)) {
                Ok(told) => return Ok(told),
                Err(failure) => errors.push(failure.said),
            }
        }
        let mut said = format!(
            "Unable to authenticate using identity file:\n\n{}",
            errors.join("\n")
        );
        if !missing.is_empty() {
            let names: Vec<String> = missing
                .iter()
                .map(|key| key.display().to_string())
                .collect();
            let space = if errors.is_empty() { "" } else { "\n\n" };
            said += &format!(
                "{space}The following identity file(s) were not found: {}",
                names.join(", ")
            );
        }
        Err(GitFailure {
            command: String::new(),
            said,
        })
    }

    fn start(&self, cwd: &str, args: &[&str], merge_stderr: bool) -> Told {
        self.start_with(cwd, args, merge_stderr, None)
    }

    fn start_with(
        &self,
        cwd: &str,
        args: &[&str],
        merge_stderr: bool,
        ssh: Option<String>,
    ) -> Told {
        let program =
            process::which("git").ok_or_else(|| Failure::MissingProgram("git".to_owned()))?;
        let mut spec = Spec::new(args);
        spec.argv.insert(0, program.to_string_lossy().into_owned());
        if !Path::new(cwd).is_dir() {
            return Err(Failure::command(format!(
                "Specified cwd '{cwd}' either not absolute or does not exist"
            ))
            .into());
        }
        spec.cwd = PathBuf::from(cwd);
        spec.merge_stderr = merge_stderr;
        let mut set = |name: &str, value: String| spec.env.push((name.to_owned(), value));
        set("LC_ALL", "C".to_owned());
        // Nobody is there to be asked.
        set("GIT_TERMINAL_PROMPT", "0".to_owned());
        if let Some(user) = &self.user {
            set("HOME", user.home.to_string_lossy().into_owned());
            set("USER", user.name.clone());
            set("LOGNAME", user.name.clone());
        }
        if let Some(ssh) = ssh {
            set("GIT_SSH_COMMAND", ssh);
        }
        spec.identity = self.user.clone();
        let mut finished =
            process::run(spec, self.cancel).map_err(|error| Failure::io(&program, error))?;
        finished.stdout.strip_end();
        finished.stderr.strip_end();
        if finished.retcode == 0 {
            return Ok(finished.stdout.to_string());
        }
        let said = if merge_stderr {
            finished.stdout
        } else {
            finished.stderr
        };
        Err(GitFailure {
            command: redacted(&format!("git {}", args.join(" "))),
            said: redacted(&said),
        })
    }
}

/// Options of git as callers write them: a list, or words of a text.
pub(crate) fn options(value: &serde_json::Value) -> Result<Vec<String>, Failure> {
    match value {
        serde_json::Value::Null => Ok(Vec::new()),
        serde_json::Value::Array(items) => Ok(items.iter().map(python::text).collect()),
        text => shlex::split(&python::text(text))
            .ok_or_else(|| Failure::invocation("No closing quotation")),
    }
}
