//! `file.patch`: the patch program.

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function, call_of, path};
use crate::{process, python};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "file.patch",
    "originalfile, patchfile, options='', dry_run=False",
    "Apply a patch to a file or directory by the patch program. options: more of its options. dry_run: only say whether \
     it fits. Answers pid, retcode, stdout and stderr.",
    "file.patch /opt/file.txt /tmp/file.txt.patch",
    patch,
)];

fn patch(args: &Args, env: &Env) -> Answer {
    let program = process::which("patch").ok_or_else(|| {
        let text = "patch executable not found. Is the distribution's patch package installed?";
        Failure::command(text)
    })?;
    let mut argv = vec![program.to_string_lossy().into_owned()];
    match args.value("options") {
        Value::Array(items) => argv.extend(items.iter().map(python::text)),
        Value::Null => {}
        text => argv.extend(
            shlex::split(&python::text(text))
                .ok_or_else(|| Failure::invocation("'options' has a quote that is not closed"))?,
        ),
    }
    let has = |argv: &[String], options: &[&str]| {
        let begins = |word: &String| options.iter().any(|option| word.starts_with(option));
        argv.iter().any(begins)
    };
    if args.flag("dry_run") {
        argv.push("--dry-run".to_owned());
    }
    // It must never ask somebody, and never leave files beside the patched one.
    if !argv.iter().any(|word| word == "-N" || word == "--forward") {
        argv.push("--forward".to_owned());
    }
    if !argv
        .iter()
        .any(|word| word == "-r" || word.starts_with("-r ") || word.starts_with("--reject-file"))
    {
        argv.push("--reject-file=-".to_owned());
    }
    argv.extend(["-i".to_owned(), args.text("patchfile")?]);
    let original = path(args, "originalfile")?;
    let name = original.to_string_lossy().into_owned();
    if original.is_dir() {
        argv.extend(["-d".to_owned(), name]);
        if !has(&argv, &["-p", "--strip="]) {
            argv.push("--strip=0".to_owned());
        }
    } else {
        argv.push(name);
    }
    let call = call_of("cmd.run_all", vec![json!(argv)]).kwarg("python_shell", false);
    Ok(env.call(&call)?.value)
}
