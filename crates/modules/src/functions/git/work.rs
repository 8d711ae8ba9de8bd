//! What the functions of `git` do, and what they share.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::{Answer, Args, Env, Failure};
use crate::git::{self, Git, Scope, redacted, with_credentials};
use crate::python;

/// Words before the options of a command, and after them.
pub(super) type Words = Result<(Vec<String>, Vec<String>), Failure>;

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(super) fn flag(args: &Args, name: &str) -> bool {
    args.extra_kwargs.get(name).is_some_and(python::truthy)
}

pub(super) fn git<'a>(args: &Args, env: &'a Env<'a>) -> Result<Git<'a>, Failure> {
    let keys = match args.value("identity") {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(python::text).collect(),
        key => vec![python::text(key)],
    };
    let saltenv = args
        .optional_text("saltenv")?
        .unwrap_or_else(|| "base".to_owned());
    Git::new(env, args.optional_text("user")?.as_deref(), &keys, &saltenv)
}

pub(super) fn run(args: &Args, env: &Env, words: fn(&Args) -> Words, is_remote: bool) -> Answer {
    let (head, tail) = words(args)?;
    let all = [
        git::options(args.value("git_opts"))?,
        head,
        git::options(args.value("opts"))?,
        tail,
    ]
    .concat();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (git, cwd) = (git(args, env)?, args.text("cwd")?);
    let told = if is_remote {
        git.run_remote(&cwd, &all)
    } else {
        git.run_merged(&cwd, &all)
    };
    Ok(json!(told?))
}

pub(super) fn credentials(
    args: &Args,
    url: &str,
    user: &str,
    password: &str,
) -> Result<String, Failure> {
    with_credentials(
        url,
        args.optional_text(user)?.as_deref(),
        args.optional_text(password)?.as_deref(),
    )
}

pub(super) fn clone(args: &Args, env: &Env) -> Answer {
    let Some(url) = args.optional_text("url")?.filter(|url| !url.is_empty()) else {
        return Err(Failure::invocation("Missing 'url' argument"));
    };
    let url = credentials(args, &url, "https_user", "https_pass")?;
    let cwd = args.text("cwd")?;
    let target = match args.optional_text("name")? {
        Some(name) => Path::new(&cwd).join(name).to_string_lossy().into_owned(),
        None => cwd,
    };
    let options = git::options(args.value("opts"))?;
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    git(args, env)?.clone_to(&target, &url, &options)?;
    Ok(json!(true))
}

pub(super) fn init(args: &Args, env: &Env) -> Answer {
    let mut all = git::options(args.value("git_opts"))?;
    all.push("init".to_owned());
    if args.flag("bare") {
        all.push("--bare".to_owned());
    }
    for (name, option) in [
        ("template", "--template"),
        ("separate_git_dir", "--separate-git-dir"),
        ("shared", "--shared"),
    ] {
        if let Some(value) = args.optional_text(name)? {
            all.push(format!("{option}={value}"));
        }
    }
    all.extend(git::options(args.value("opts"))?);
    all.extend(["--".to_owned(), args.text("cwd")?]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Ok(json!(git(args, env)?.run("/", &all)?))
}

pub(super) fn references(
    args: &Args,
    env: &Env,
    cwd: &str,
    parameter: &str,
    options: &[String],
) -> Result<Map<String, Value>, Failure> {
    let url = credentials(args, &args.text(parameter)?, "https_user", "https_pass")?;
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let found = git(args, env)?.remote_references(cwd, &options, &url)?;
    Ok(found
        .into_iter()
        .map(|(name, hash)| (name, json!(hash)))
        .collect())
}

pub(super) fn remotes(args: &Args, git: &Git, cwd: &str) -> Result<Map<String, Value>, Failure> {
    let shown = |url: &str| {
        if args.flag("redact_auth") {
            redacted(url)
        } else {
            url.to_owned()
        }
    };
    let all = git.remotes(cwd)?.into_iter();
    Ok(all
        .map(|(name, remote)| {
            (
                name,
                json!({"fetch": shown(&remote.fetch), "push": shown(&remote.push)}),
            )
        })
        .collect())
}

pub(super) fn remote_set(args: &Args, env: &Env) -> Answer {
    let (cwd, remote, git) = (args.text("cwd")?, args.text("remote")?, git(args, env)?);
    let url = credentials(args, &args.text("url")?, "https_user", "https_pass")?;
    git.set_remote(&cwd, &remote, &url, (None, None))?;
    if let Some(url) = args.optional_text("push_url")? {
        let url = credentials(args, &url, "push_https_user", "push_https_pass")?;
        git.run(&cwd, &["remote", "set-url", "--push", &remote, &url])?;
    }
    let known = git.remotes(&cwd)?.remove(&remote).unwrap_or_default();
    Ok(json!({"fetch": redacted(&known.fetch), "push": redacted(&known.push)}))
}

/// Git and where its options are.
pub(super) fn with_scope<R>(
    args: &Args,
    env: &Env,
    work: impl FnOnce(&Git, Scope) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let (cwd, is_global) = (args.optional_text("cwd")?, flag(args, "global"));
    if cwd.is_none() && !is_global {
        return Err(Failure::invocation(
            "'cwd' argument required unless global=True",
        ));
    }
    let scope = Scope {
        repo: cwd.as_deref(),
        is_global,
    };
    work(&git(args, env)?, scope)
}

pub(super) fn config_set(args: &Args, env: &Env) -> Answer {
    let value = args.optional_text("value")?;
    let values = args.texts("multivar");
    if value.is_some() && !values.is_empty() {
        return Err(Failure::invocation(
            "Only one of 'value' and 'multivar' is permitted",
        ));
    }
    let values = value.map_or(values, |value| vec![value]);
    with_scope(args, env, |git, scope| {
        let key = args.text("key")?;
        git.set_option(scope, &key, &values, flag(args, "add"))?;
        Ok(json!(git.option_values(scope, &key)))
    })
}
