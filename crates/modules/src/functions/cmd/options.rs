//! The options that all functions of `cmd` share.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, Uid, User, access};
use serde_json::Value;

use super::{Args, Env, Failure, all};
use crate::failure::os_text;
use crate::process::{self, Finished, Identity, Output, Spec, is_executable};
use crate::{python, rendering, source};

/// Shell of commands when the minion's environment names none.
const DEFAULT_SHELL: &str = "/bin/sh";

/// Set to C, so that programs speak the language that scripts expect.
const LOCALE_VARIABLES: [&str; 13] = [
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_TIME",
    "LC_COLLATE",
    "LC_MONETARY",
    "LC_MESSAGES",
    "LC_PAPER",
    "LC_NAME",
    "LC_ADDRESS",
    "LC_TELEPHONE",
    "LC_MEASUREMENT",
    "LC_IDENTIFICATION",
    "LANGUAGE",
];

/// Which part of a finished command a function answers.
#[derive(Clone, Copy)]
pub(super) enum Report {
    Output,
    Stderr,
    Retcode,
    All,
}

/// Options after they were checked.
pub(super) struct Options {
    pub(super) shell: String,
    pub(super) uses_shell: bool,
    pub(super) identity: Option<Identity>,
    pub(super) cwd: PathBuf,
    env: Vec<(String, String)>,
    clean_env: bool,
    stdin: Option<Vec<u8>>,
    umask: Option<u32>,
    timeout: Option<Duration>,
    rstrip: bool,
    hide_output: bool,
    quiet: bool,
    ignore_retcode: bool,
    success_retcodes: Vec<i64>,
    success_stdout: Vec<String>,
    success_stderr: Vec<String>,
}

impl Options {
    pub(super) fn read(args: &Args) -> Result<Options, Failure> {
        refuse_unsupported(args)?;
        let shell = match args.optional_text("shell")? {
            Some(shell) => shell,
            None => std::env::var("SHELL").unwrap_or_else(|_| DEFAULT_SHELL.to_owned()),
        };
        if !is_executable(Path::new(&shell)) {
            return Err(Failure::command(format!(
                "The shell {shell} is not available"
            )));
        }
        let runas = args.optional_text("runas")?;
        let identity =
            Identity::resolve(runas.as_deref(), args.optional_text("group")?.as_deref())?;
        let python_shell = args.value("python_shell");
        Ok(Options {
            shell,
            uses_shell: python_shell.is_null() || python::truthy(python_shell),
            cwd: directory(args.optional_text("cwd")?, identity.as_ref())?,
            env: environment(args, identity.as_ref())?,
            identity,
            clean_env: args.flag("clean_env"),
            stdin: args
                .optional_text("stdin")?
                .map(|text| text.replace("\\n", "\n").into_bytes()),
            umask: args
                .optional_text("umask")?
                .map(|text| parse_umask(&text))
                .transpose()?,
            timeout: args
                .seconds("timeout")?
                .filter(|timeout| !timeout.is_zero()),
            rstrip: args.flag("rstrip"),
            hide_output: args.flag("hide_output"),
            quiet: args.optional_text("output_loglevel")?.as_deref() == Some("quiet"),
            ignore_retcode: args.flag("ignore_retcode"),
            success_retcodes: success_retcodes(args)?,
            success_stdout: args.texts("success_stdout"),
            success_stderr: args.texts("success_stderr"),
        })
    }

    pub(super) fn spec(&self, argv: Vec<String>) -> Spec {
        Spec {
            argv,
            cwd: self.cwd.clone(),
            env: self.env.clone(),
            clean_env: self.clean_env,
            stdin: self.stdin.clone(),
            merge_stderr: false,
            identity: self.identity.clone(),
            umask: self.umask,
            timeout: self.timeout,
        }
    }

    /// Runs a command, judges its exit code, and makes that the return code of the job.
    pub(super) fn run(&self, spec: Spec, env: &Env) -> Result<Finished, Failure> {
        let argv = spec.argv.clone();
        if !self.quiet {
            tracing::info!(fun = env.fun, cwd = %self.cwd.display(), "executing {}", self.shown(&argv));
        }
        let mut finished =
            process::run(spec, env.cancel).map_err(|error| self.not_started(&argv, &error))?;
        if finished.timed_out {
            let seconds = self.timeout.unwrap_or_default().as_secs_f64();
            finished.stdout =
                format!("{} : Timed out after {seconds} seconds", self.shown(&argv)).into();
            finished.stderr = Output::default();
            finished.retcode = 1;
        } else {
            self.judge(&mut finished);
        }
        env.set_retcode(if self.ignore_retcode {
            0
        } else {
            finished.retcode
        });
        if self.hide_output {
            finished.stdout = Output::default();
            finished.stderr = Output::default();
        }
        Ok(finished)
    }

    pub(super) fn report(&self, finished: Finished, report: Report) -> Value {
        match report {
            Report::Output => finished.stdout.into_value(),
            Report::Stderr => finished.stderr.into_value(),
            Report::Retcode => finished.retcode.into(),
            Report::All => all(finished),
        }
    }

    /// The failure of a command that could not be started. The environment stays out of it: it may hold secrets.
    pub(super) fn not_started(&self, argv: &[String], error: &io::Error) -> Failure {
        let shown = if self.quiet {
            "REDACTED".to_owned()
        } else {
            self.shown(argv)
        };
        let user = match &self.identity {
            Some(identity) => format!(" as user '{}'", identity.name),
            None => String::new(),
        };
        Failure::command(format!(
            "Unable to run command '{shown}'{user} in '{}', reason: {}",
            self.cwd.display(),
            os_text(error)
        ))
    }

    /// The command as the operator knows it, without the shell around it.
    fn shown(&self, argv: &[String]) -> String {
        match argv {
            [shell, flag, script] if self.uses_shell && *shell == self.shell && flag == "-c" => {
                script.clone()
            }
            argv => python::repr(&Value::from(argv)),
        }
    }

    fn judge(&self, finished: &mut Finished) {
        if self.rstrip {
            finished.stdout.strip_end();
            finished.stderr.strip_end();
        }
        let holds_any =
            |output: &Output, texts: &[String]| texts.iter().any(|text| output.holds(text));
        if self.success_retcodes.contains(&i64::from(finished.retcode))
            || holds_any(&finished.stdout, &self.success_stdout)
            || holds_any(&finished.stderr, &self.success_stderr)
        {
            finished.retcode = 0;
        }
    }
}

fn refuse_unsupported(args: &Args) -> Result<(), Failure> {
    if args.flag("use_vt") {
        return Err(Failure::invocation(
            "use_vt: commands run without a terminal",
        ));
    }
    if let Some(encoding) = args.optional_text("output_encoding")? {
        let plain: String = encoding
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        if !matches!(plain.as_str(), "utf8" | "ascii" | "usascii") {
            return Err(Failure::invocation(format!(
                "output_encoding '{encoding}' is not supported, only utf-8 is"
            )));
        }
    }
    Ok(())
}

/// A text as the template that `template` names renders it; the text itself where it names none. `path` is where the text comes from.
pub(super) fn rendered(
    args: &Args,
    env: &Env,
    path: &str,
    text: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    let Some(engine) = args
        .optional_text("template")?
        .filter(|engine| !engine.is_empty())
    else {
        return Ok(text);
    };
    let saltenv = source::environment(env.ctx, None, args.optional_text("saltenv")?.as_deref());
    let context = args.value("context").as_object().cloned();
    let template = sls::render::Source {
        saltenv: &saltenv,
        path,
        text: &text,
        context: context.unwrap_or_default(),
        ..sls::render::Source::default()
    };
    rendering::template(env, &template, &engine).map(String::into_bytes)
}

/// The given directory, else the home of the user if it can be read, else `/`.
fn directory(cwd: Option<String>, identity: Option<&Identity>) -> Result<PathBuf, Failure> {
    if let Some(cwd) = cwd.filter(|cwd| !cwd.is_empty()) {
        let path = PathBuf::from(&cwd);
        if !path.is_absolute() || !path.is_dir() {
            return Err(Failure::command(format!(
                "Specified cwd '{cwd}' either not absolute or does not exist"
            )));
        }
        return Ok(path);
    }
    let home = match identity {
        Some(identity) => Some(identity.home.clone()),
        None => {
            let own = || {
                User::from_uid(Uid::effective())
                    .ok()
                    .flatten()
                    .map(|user| user.dir)
            };
            std::env::var_os("HOME").map(PathBuf::from).or_else(own)
        }
    };
    let is_usable = |home: &PathBuf| {
        home.is_absolute() && home.is_dir() && access(home, AccessFlags::R_OK).is_ok()
    };
    Ok(home.filter(is_usable).unwrap_or_else(|| PathBuf::from("/")))
}

fn environment(args: &Args, identity: Option<&Identity>) -> Result<Vec<(String, String)>, Failure> {
    let mut variables = Vec::new();
    let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
    if args.flag("reset_system_locale") {
        for name in LOCALE_VARIABLES {
            set(name, "C".to_owned());
        }
    }
    if let Some(identity) = identity {
        set("HOME", identity.home.to_string_lossy().into_owned());
        set("USER", identity.name.clone());
        set("LOGNAME", identity.name.clone());
        set("SHELL", identity.shell.to_string_lossy().into_owned());
    }
    let given = args.value("env");
    let maps: Vec<&Value> = match given {
        value if !python::truthy(value) => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        value => vec![value],
    };
    for map in maps {
        let map = map.as_object().ok_or_else(|| {
            Failure::invocation("env must be a dictionary or a list of dictionaries of variables")
        })?;
        for (name, value) in map {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Failure::invocation(format!(
                    "'{name}' cannot be the name of a variable"
                )));
            }
            set(
                name,
                if value.is_null() {
                    String::new()
                } else {
                    python::text(value)
                },
            );
        }
    }
    if let Some(front) = args.optional_text("prepend_path")? {
        let given = variables
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map(|(_, path)| path.clone());
        let path = given
            .or_else(|| crate::environment::get("PATH"))
            .unwrap_or_default();
        variables.push(("PATH".to_owned(), format!("{front}:{path}")));
    }
    Ok(variables)
}

fn parse_umask(text: &str) -> Result<u32, Failure> {
    let digits = text.trim_start_matches('0');
    if digits.is_empty() {
        return Err(Failure::command("Zero umask is not allowed."));
    }
    let mask = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mask| *mask <= 0o777);
    mask.ok_or_else(|| Failure::command(format!("Invalid umask: '{text}'")))
}

fn success_retcodes(args: &Args) -> Result<Vec<i64>, Failure> {
    if args.value("success_retcodes").is_null() {
        return Ok(vec![0]);
    }
    let codes = args.texts("success_retcodes");
    let codes: Result<Vec<i64>, _> = codes.iter().map(|code| code.trim().parse()).collect();
    codes.map_err(|_| Failure::invocation("success_retcodes must be a list of integers"))
}
