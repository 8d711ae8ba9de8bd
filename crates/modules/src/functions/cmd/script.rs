//! Scripts: fetched or given as text, run from a temporary file.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempPath;

use super::options::{Options, Report, rendered};
use super::{Answer, Args, Env, Failure, start_in_background};
use crate::call::{Call, Outcome};
use crate::process::{self, Identity};
use crate::python;
use crate::source;

pub(super) fn script(args: &Args, env: &Env) -> Answer {
    let options = Options::read(args)?;
    let saltenv = args.optional_text("saltenv")?;
    let source = args.text("source")?;
    let content = match source::fetch(env.ctx, &source, saltenv.as_deref())
        .and_then(|path| fs::read(&path).map_err(|error| Failure::io(path, error)))
        .and_then(|content| rendered(args, env, &path_below_roots(&source), content))
    {
        Ok(content) => content,
        Err(failure) => {
            env.set_retcode(Outcome::GENERIC_FAILURE);
            let stderr = failure.to_string();
            return Ok(
                json!({"pid": 0, "retcode": 1, "stdout": "", "stderr": stderr, "cache_error": true}),
            );
        }
    };
    let directory = args.optional_text("cwd")?.map(PathBuf::from);
    let extension = Path::new(&source)
        .extension()
        .map(|extension| extension.to_string_lossy().into_owned());
    let file = executable_file(
        &content,
        directory.as_deref(),
        extension.as_deref(),
        options.identity.as_ref(),
    )?;
    let path = file.to_string_lossy().into_owned();
    // `exec` by the shell also runs a script without an interpreter line, which the system alone refuses.
    let mut argv = match options.uses_shell {
        true => vec![
            options.shell.clone(),
            "-c".to_owned(),
            "exec \"$0\" \"$@\"".to_owned(),
            path,
        ],
        false => vec![path],
    };
    argv.extend(script_args(args)?);
    let spec = options.spec(argv);
    if args.flag("bg") {
        let pid = start_in_background(&options, spec)?;
        // The script is read while it runs, so its file has to stay.
        file.keep()
            .map_err(|error| Failure::command(error.to_string()))?;
        return Ok(json!({"pid": pid, "retcode": 0, "stdout": "", "stderr": ""}));
    }
    options
        .run(spec, env)
        .map(|finished| options.report(finished, Report::All))
}

/// Where templates find what stands beside a source.
fn path_below_roots(text: &str) -> String {
    match source::Source::parse(text) {
        Ok(source::Source::Hub { path, .. }) => path,
        _ => text.to_owned(),
    }
}

pub(super) fn exec_code(args: &Args, env: &Env) -> Answer {
    let runas = args.extra_kwargs.get("runas").map(python::text);
    let identity = Identity::resolve(runas.as_deref(), None)?;
    let file = executable_file(args.text("code")?.as_bytes(), None, None, identity.as_ref())?;
    let mut words = vec![args.text("lang")?, file.to_string_lossy().into_owned()];
    match args.value("args") {
        Value::Null => {}
        Value::Array(items) => words.extend(items.iter().map(python::text)),
        value => words.push(python::text(value)),
    }
    let mut kwargs = args.extra_kwargs.clone();
    kwargs.insert("cwd".to_owned(), args.value("cwd").clone());
    kwargs.insert("python_shell".to_owned(), json!(false));
    let outcome = env.call(&Call {
        fun: "cmd.run_all".to_owned(),
        args: vec![json!(words)],
        kwargs,
    })?;
    env.set_retcode(outcome.retcode);
    Ok(outcome.value)
}

fn script_args(args: &Args) -> Result<Vec<String>, Failure> {
    match args.value("args") {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.iter().map(python::text).collect()),
        value => {
            let text = python::text(value);
            shlex::split(&text)
                .ok_or_else(|| Failure::invocation(format!("No closing quotation: {text}")))
        }
    }
}

/// A temporary file that its owner may read and execute; removed when the path is dropped.
fn executable_file(
    content: &[u8],
    directory: Option<&Path>,
    extension: Option<&str>,
    identity: Option<&Identity>,
) -> Result<TempPath, Failure> {
    let directory = directory.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let suffix = extension
        .map(|extension| format!(".{extension}"))
        .unwrap_or_default();
    let failed = |error| Failure::io(&directory, error);
    // A child forked by another thread meanwhile would hold the file open for writing, and the system does not execute
    // a file that somebody may write.
    process::without_forks(|| {
        let mut file = tempfile::Builder::new()
            .prefix("script-")
            .suffix(&suffix)
            .tempfile_in(&directory)
            .map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.as_file()
            .set_permissions(Permissions::from_mode(0o500))
            .map_err(failed)?;
        if let Some(identity) = identity {
            std::os::unix::fs::fchown(file.as_file(), Some(identity.uid.as_raw()), None)
                .map_err(failed)?;
        }
        Ok(file.into_temp_path())
    })
}
