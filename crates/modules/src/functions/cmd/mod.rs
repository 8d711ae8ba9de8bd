//! `cmd`: commands and scripts of the operator.

mod options;
mod script;

use std::path::Path;

use serde_json::{Value, json};

use self::options::{Options, Report, rendered};
use super::{Answer, Args, Env, Failure, Function};
use crate::process::{self, Finished, Spec};
use crate::python;

/// A signature: what is special to the function, then the options that all share.
macro_rules! signature {
    ($head:literal) => {
        concat!(
            $head,
            ", cwd=None, stdin=None, runas=None, group=None, shell=None, python_shell=None, env=None, \
             clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, \
             output_loglevel='debug', hide_output=False, timeout=None, reset_system_locale=True, \
             ignore_retcode=False, saltenv=None, use_vt=False, prepend_path=None, success_retcodes=None, \
             success_stdout=None, success_stderr=None"
        )
    };
    ($head:literal, $tail:literal) => {
        concat!(signature!($head), ", ", $tail)
    };
}

/// Documentation: what is special to the function, then the options that all share.
macro_rules! documented {
    ($text:literal) => {
        concat!(
            $text,
            "\n\n",
            "cwd: working directory, by default the home of the user.\n",
            "stdin: text for standard input (\\n stands for a line end); without it there is none.\n",
            "runas, group: run as this user (with all its groups) and group; only root may switch.\n",
            "shell: path of the shell, by default $SHELL or /bin/sh.\n",
            "python_shell: True (default from the command line) hands the command to the shell; False splits it into \
             words and starts it directly.\n",
            "env: variables, a dictionary or a list of dictionaries. clean_env: start without the minion's own.\n",
            "prepend_path: directory to put in front of PATH. reset_system_locale: run in the C locale (default).\n",
            "umask: file mode mask, octal. timeout: seconds until the whole process group gets TERM, then KILL.\n",
            "rstrip: drop white space at the end of the output (default). hide_output: answer no output.\n",
            "output_loglevel: 'quiet' keeps the command out of the minion's log. output_encoding: utf-8 only; other \
             bytes become replacement characters.\n",
            "ignore_retcode: report return code 0. success_retcodes, success_stdout, success_stderr: codes, or texts \
             in the output, that mean success.\n",
            "template: render the command or script by this engine (jinja), with saltenv. use_vt is refused when set. Output beyond 4 MiB is cut: in its place stand truncated, bytes \
             and sha256 (those of all output, so that sha256sum agrees), head and tail (64 KiB each). When the command has \
             ended but something that it started still holds its output open, two more seconds of output are read."
        )
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "cmd.exec_code",
        "lang, code, cwd=None, args=None, **kwargs",
        "Run code with an interpreter and answer its standard output. Further options as for cmd.run_all.",
        "cmd.exec_code ruby 'puts \"cheese\"'",
        |args, env| script::exec_code(args, env).map(|all| all["stdout"].clone()),
    ),
    Function::new(
        "cmd.exec_code_all",
        "lang, code, cwd=None, args=None, **kwargs",
        "Run code with an interpreter and answer pid, retcode, stdout and stderr. Further options as for cmd.run_all.",
        "cmd.exec_code_all python3 'print(1)'",
        script::exec_code,
    ),
    Function::new(
        "cmd.has_exec",
        "cmd",
        "Whether an executable of this name is in the PATH.",
        "cmd.has_exec cat",
        |args, _| Ok(json!(process::which(&args.text("cmd")?).is_some())),
    ),
    Function::new(
        "cmd.retcode",
        signature!("cmd"),
        documented!("Run a command and answer its exit code."),
        "cmd.retcode 'file /bin/bash'",
        |args, env| run(args, env, Report::Retcode, false),
    ),
    Function::new(
        "cmd.run",
        signature!("cmd", "redirect_stderr=True, bg=False, raise_err=False"),
        documented!(
            "Run a command and answer its output, standard error included (unless redirect_stderr=False). The exit \
             code of the command is the return code of the job. bg: start it and do not wait. raise_err: fail with \
             the output when the exit code is not 0."
        ),
        "cmd.run \"ls -l | awk '/foo/{print \\$2}'\"",
        |args, env| run(args, env, Report::Output, args.flag("redirect_stderr")),
    ),
    Function::new(
        "cmd.run_all",
        signature!("cmd", "redirect_stderr=False, bg=False"),
        documented!(
            "Run a command and answer pid, retcode, stdout and stderr. redirect_stderr: stderr into stdout."
        ),
        "cmd.run_all 'ls -l /nowhere'",
        |args, env| run(args, env, Report::All, args.flag("redirect_stderr")),
    ),
    Function::new(
        "cmd.run_bg",
        signature!("cmd"),
        documented!(
            "Start a command in the background and answer its pid. Its output goes nowhere."
        ),
        "cmd.run_bg 'fstrim-all' umask=22",
        run_in_background,
    ),
    Function::new(
        "cmd.run_stderr",
        signature!("cmd"),
        documented!("Run a command and answer its standard error."),
        "cmd.run_stderr 'ls /nowhere'",
        |args, env| run(args, env, Report::Stderr, false),
    ),
    Function::new(
        "cmd.run_stdout",
        signature!("cmd"),
        documented!("Run a command and answer its standard output, without standard error."),
        "cmd.run_stdout 'ls -l /etc'",
        |args, env| run(args, env, Report::Output, false),
    ),
    Function::new(
        "cmd.script",
        signature!("source, args=None", "bg=False, context=None"),
        documented!(
            "Fetch a script (salt://path, with saltenv or ?saltenv=ENV, or a path of the minion), run it with args, \
             remove it, and answer pid, retcode, stdout and stderr. When it cannot be fetched cache_error is true and \
             stderr says why."
        ),
        "cmd.script salt://scripts/runme.sh 'arg1 \"arg two\"'",
        script::script,
    ),
    Function::new(
        "cmd.script_retcode",
        signature!("source, args=None", "bg=False, context=None"),
        documented!("Fetch and run a script as cmd.script does, and answer its exit code."),
        "cmd.script_retcode salt://scripts/runme.sh",
        |args, env| script::script(args, env).map(|all| all["retcode"].clone()),
    ),
    Function::new(
        "cmd.shell",
        signature!("cmd", "redirect_stderr=True, bg=False, raise_err=False"),
        documented!("Run a command as cmd.run does, always with the shell."),
        "cmd.shell 'cat /proc/loadavg | cut -d\" \" -f1'",
        |args, env| run(args, env, Report::Output, args.flag("redirect_stderr")),
    ),
    Function::new(
        "cmd.shells",
        "",
        "The valid login shells of this host, from /etc/shells.",
        "cmd.shells",
        |_, _| {
            let text = std::fs::read_to_string("/etc/shells").unwrap_or_default();
            let lines = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            Ok(json!(lines.collect::<Vec<_>>()))
        },
    ),
    Function::new(
        "cmd.which",
        "cmd",
        "The path of an executable in the PATH, nothing when there is none.",
        "cmd.which cat",
        |args, _| Ok(path_value(process::which(&args.text("cmd")?).as_deref())),
    ),
    Function::new(
        "cmd.which_bin",
        "cmds",
        "The path of the first of these executables that is in the PATH, nothing when there is none.",
        "cmd.which_bin '[pip3, pip]'",
        |args, _| {
            let found = args
                .texts("cmds")
                .iter()
                .find_map(|name| process::which(name));
            Ok(path_value(found.as_deref()))
        },
    ),
];

fn path_value(path: Option<&Path>) -> Value {
    path.map_or(Value::Null, |path| json!(path.to_string_lossy()))
}

fn run(args: &Args, env: &Env, report: Report, merge_stderr: bool) -> Answer {
    let options = Options::read(args)?;
    let spec = Spec {
        merge_stderr,
        ..options.spec(command(args, env, &options)?)
    };
    if args.flag("bg") {
        let pid = start_in_background(&options, spec)?;
        return Ok(match report {
            Report::All => json!({"pid": pid, "retcode": 0, "stdout": "", "stderr": ""}),
            _ => json!(""),
        });
    }
    let finished = options.run(spec, env)?;
    if args.flag("raise_err") && finished.retcode != 0 {
        return Err(Failure::Command(python::text(
            &finished.stdout.into_value(),
        )));
    }
    Ok(options.report(finished, report))
}

fn run_in_background(args: &Args, env: &Env) -> Answer {
    let options = Options::read(args)?;
    let spec = options.spec(command(args, env, &options)?);
    Ok(json!({"pid": start_in_background(&options, spec)?}))
}

fn start_in_background(options: &Options, spec: Spec) -> Result<u32, Failure> {
    let argv = spec.argv.clone();
    process::run_in_background(Spec {
        stdin: None,
        ..spec
    })
    .map_err(|error| options.not_started(&argv, &error))
}

/// The words to execute: the shell with the command as script, or the command's own words.
fn command(args: &Args, env: &Env, options: &Options) -> Result<Vec<String>, Failure> {
    let words = match args.value("cmd") {
        Value::Array(items) => items.iter().map(python::text).collect(),
        value => {
            let text = rendered(args, env, "", python::text(value).into_bytes())?;
            let text = String::from_utf8_lossy(&text).into_owned();
            if options.uses_shell {
                return Ok(vec![options.shell.clone(), "-c".to_owned(), text]);
            }
            shlex::split(&text)
                .ok_or_else(|| Failure::invocation(format!("No closing quotation: {text}")))?
        }
    };
    if words.is_empty() {
        return Err(Failure::invocation("the command is empty"));
    }
    Ok(words)
}

/// What the functions that answer a dictionary show.
fn all(finished: Finished) -> Value {
    json!({
        "pid": finished.pid,
        "retcode": finished.retcode,
        "stdout": finished.stdout.into_value(),
        "stderr": finished.stderr.into_value(),
    })
}

#[cfg(test)]
mod tests;
