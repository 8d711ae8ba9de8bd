//! `archive`: packing and unpacking, by the programs that the field uses.

mod compression;
mod listing;
mod tar;
mod zip;
mod zip_directory;

use serde_json::Value;

use super::file::expand_glob;
use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::process;
use crate::python;

pub(super) const FUNCTIONS: [&[Function]; 4] = [
    compression::FUNCTIONS,
    listing::FUNCTIONS,
    tar::FUNCTIONS,
    zip::FUNCTIONS,
];

pub(crate) use listing::guessed_format;

/// Sources as a list, or as names with commas, with shell patterns replaced by what they match.
fn sources(args: &Args) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for source in words(args.value("sources")) {
        if !source.contains(['*', '?', '[']) {
            found.push(source);
            continue;
        }
        let paths = expand_glob(std::path::Path::new(&source))?;
        found.extend(paths.iter().map(|path| path.to_string_lossy().into_owned()));
    }
    Ok(found)
}

/// A list, or names with commas.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(python::text).collect(),
        value => python::text(value)
            .split(',')
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect(),
    }
}

/// Runs a program without a shell, with what `cmd.run` makes of the parameters `cwd`, `template` and `runas` of the function.
fn run(fun: &str, argv: Vec<String>, args: &Args, env: &Env) -> Answer {
    if let Some(program) = argv.first()
        && process::which(program).is_none()
    {
        return Err(Failure::MissingProgram(program.clone()));
    }
    let mut call = Call::new(fun)
        .arg(Value::from(argv))
        .kwarg("python_shell", false);
    for name in ["cwd", "template", "runas"] {
        if !args.value(name).is_null() {
            call = call.kwarg(name, args.value(name).clone());
        }
    }
    Ok(env.call(&call)?.value)
}

/// The lines that a program prints.
fn run_lines(argv: Vec<String>, args: &Args, env: &Env) -> Answer {
    let output = run("cmd.run", argv, args, env)?;
    Ok(python::text(&output).lines().map(Value::from).collect())
}

/// The first of many files and a word on the rest, where `trim_output` says so.
fn trimmed(mut files: Vec<String>, trim_output: &Value) -> Value {
    let count = match trim_output {
        Value::Bool(false) | Value::Null => return Value::from(files),
        Value::Bool(true) => 100,
        value => value.as_u64().map_or(usize::MAX, |count| count as usize),
    };
    if files.len() > count {
        files.truncate(count);
        files.push(format!("List trimmed after {count} files."));
    }
    Value::from(files)
}

#[cfg(test)]
mod tests;
