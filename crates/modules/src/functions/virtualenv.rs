//! `virtualenv`: virtual environments of Python.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::pip::commands;
use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "virtualenv.create",
    "path, venv_bin=None, system_site_packages=False, distribute=False, clear=False, python=None, extra_search_dir=None, \
     never_download=None, prompt=None, pip=False, symlinks=None, upgrade=None, user=None, use_vt=False, saltenv='base', **kwargs",
    "Make a virtual environment, by virtualenv, or with venv_bin=venv or a Python there by Python's own module.",
    "virtualenv.create /path/to/new/virtualenv",
    create,
)];

fn is_python(name: &str) -> bool {
    let base = Path::new(name)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    base.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

fn create(args: &Args, env: &Env) -> Answer {
    let configured = || env.ctx.config("venv_bin").map(|bin| python::text(&bin));
    let usual = || {
        let programs = ["virtualenv", "venv"];
        programs
            .iter()
            .find(|program| **program == "venv" || which(program).is_some())
            .map(|program| (*program).to_owned())
    };
    let bin = args
        .optional_text("venv_bin")?
        .or_else(configured)
        .or_else(usual)
        .unwrap_or_default();
    let python = args
        .optional_text("python")?
        .filter(|python| !python.trim().is_empty());
    let found = |name: &str| {
        which(name)
            .map(|path| path.to_string_lossy().into_owned())
            .ok_or_else(|| Failure::command(format!("Cannot find requested python ({name}).")))
    };
    let is_module = bin == "venv" || is_python(&bin);
    let mut words = if bin == "venv" {
        vec![
            found(python.as_deref().unwrap_or("python3"))?,
            "-m".to_owned(),
            "venv".to_owned(),
        ]
    } else if is_python(&bin) {
        if python.is_some() {
            return Err(Failure::command(
                "Pass the target interpreter either as `venv_bin` or as `python`, not both.",
            ));
        }
        vec![found(&bin)?, "-m".to_owned(), "venv".to_owned()]
    } else {
        let program = which(&bin).ok_or_else(|| Failure::MissingProgram(bin.clone()))?;
        vec![program.to_string_lossy().into_owned()]
    };
    let unsupported = |parameter: &str| {
        let option = parameter.replace('_', "-");
        Err(Failure::command(format!(
            "The `{parameter}`(`--{option}`) option is not supported by '{bin}'"
        )))
    };
    let prompt = args
        .optional_text("prompt")?
        .filter(|prompt| !prompt.trim().is_empty());
    if is_module || bin.contains("venv") {
        if !is_module && python.is_some() {
            return unsupported("python");
        }
        if args.flag("extra_search_dir") {
            return unsupported("extra_search_dir");
        }
        if !args.value("never_download").is_null() {
            return unsupported("never_download");
        }
        words.extend(
            [("upgrade", "--upgrade"), ("symlinks", "--symlinks")]
                .iter()
                .filter(|(name, _)| args.flag(name))
                .map(|(_, word)| (*word).to_owned()),
        );
    } else {
        for name in ["upgrade", "symlinks"] {
            if !args.value(name).is_null() {
                return unsupported(name);
            }
        }
        if let Some(python) = &python {
            words.push(format!("--python={}", found(python)?));
        }
        words.extend(
            args.texts("extra_search_dir")
                .iter()
                .filter(|entry| !entry.is_empty())
                .map(|entry| format!("--extra-search-dir={entry}")),
        );
        match args.value("never_download") {
            Value::Bool(true) => words.push("--never-download".to_owned()),
            Value::Bool(false) => words.push("--download".to_owned()),
            _ => {}
        }
    }
    words.extend(
        prompt
            .into_iter()
            .flat_map(|prompt| ["--prompt".to_owned(), prompt]),
    );
    words.extend(
        [
            ("clear", "--clear"),
            ("system_site_packages", "--system-site-packages"),
        ]
        .iter()
        .filter(|(name, _)| args.flag(name))
        .map(|(_, word)| (*word).to_owned()),
    );
    let path = args.text("path")?;
    let was_there = Path::new(&path).exists();
    words.push(path.clone());
    let mut call = Call::new("cmd.run_all")
        .arg(json!(words))
        .kwarg("python_shell", false);
    call.kwargs.extend(commands(args));
    if let Some(user) = args.optional_text("user")? {
        call = call.kwarg("runas", user);
    }
    let ran = env.call(&call)?.value;
    if ran["retcode"] != json!(0) && !was_there && Path::new(&path).is_dir() {
        // Half an environment would be taken for a whole one the next time.
        fs::remove_dir_all(&path).map_err(|error| Failure::io(&path, error))?;
    }
    Ok(ran)
}
