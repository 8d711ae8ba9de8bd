//! `alternatives`: which of several programs a name stands for.

use std::fs;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::process::{Finished, query};
use crate::root;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "alternatives.auto",
        "name",
        "Let priorities decide what a name stands for.",
        "alternatives.auto editor",
        |args, env| changed(env, &["--auto", &args.text("name")?]).map(Value::from),
    ),
    Function::new(
        "alternatives.check_exists",
        "name, path",
        "Whether a path is one that a name may stand for.",
        "alternatives.check_exists editor /usr/bin/vim.basic",
        |args, env| {
            Ok(json!(exists(
                env,
                &args.text("name")?,
                &args.text("path")?
            )?))
        },
    ),
    Function::new(
        "alternatives.check_installed",
        "name, path",
        "Whether a name stands for a path.",
        "alternatives.check_installed editor /usr/bin/vim.basic",
        |args, _| {
            Ok(json!(
                current(&args.text("name")?) == Some(args.text("path")?)
            ))
        },
    ),
    Function::new(
        "alternatives.display",
        "name",
        "What a name may stand for.",
        "alternatives.display editor",
        |args, env| display(env, &args.text("name")?).map(Value::from),
    ),
    Function::new(
        "alternatives.install",
        "name, link, path, priority",
        "Let a name stand for a path as well.",
        "alternatives.install editor /usr/bin/editor /usr/bin/vim.basic 50",
        |args, env| {
            let text = |name: &str| args.text(name);
            let (name, link, path, priority) = (
                text("name")?,
                text("link")?,
                text("path")?,
                text("priority")?,
            );
            changed(env, &["--install", &link, &name, &path, &priority]).map(Value::from)
        },
    ),
    Function::new(
        "alternatives.remove",
        "name, path",
        "Let a name stand for a path no more.",
        "alternatives.remove editor /usr/bin/vim.basic",
        |args, env| {
            changed(env, &["--remove", &args.text("name")?, &args.text("path")?]).map(Value::from)
        },
    ),
    Function::new(
        "alternatives.set",
        "name, path",
        "Let a name stand for a path whatever the priorities say.",
        "alternatives.set editor /usr/bin/vim.basic",
        |args, env| {
            changed(env, &["--set", &args.text("name")?, &args.text("path")?]).map(Value::from)
        },
    ),
    Function::new(
        "alternatives.show_current",
        "name",
        "What a name stands for; false when there is no such name.",
        "alternatives.show_current editor",
        |args, _| Ok(current(&args.text("name")?).map_or(json!(false), Value::from)),
    ),
    Function::new(
        "alternatives.show_link",
        "name",
        "The link that a name is about; false when there is no such name.",
        "alternatives.show_link editor",
        show_link,
    ),
];

fn run(env: &Env, args: &[&str]) -> Result<Finished, Failure> {
    let is_red_hat = env.ctx.grains()["os_family"] == "RedHat";
    let program = if is_red_hat {
        "alternatives"
    } else {
        "update-alternatives"
    };
    query(&[&[program], args].concat(), env.cancel)
}

/// Runs the program; answers what it says.
pub(crate) fn changed(env: &Env, args: &[&str]) -> Result<String, Failure> {
    let done = run(env, args)?;
    let said = if done.retcode > 0 && !done.stderr.is_empty() {
        &done.stderr
    } else {
        &done.stdout
    };
    Ok(said.trim_end().to_owned())
}

/// What a name may stand for, in the words of the program.
pub(crate) fn display(env: &Env, name: &str) -> Result<String, Failure> {
    changed(env, &["--display", name])
}

/// Whether a path is one that a name may stand for.
pub(crate) fn exists(env: &Env, name: &str, path: &str) -> Result<bool, Failure> {
    let done = run(env, &["--display", name])?;
    if done.retcode > 0 && !done.stderr.is_empty() {
        return Ok(false);
    }
    Ok(done.stdout.lines().any(|line| line.starts_with(path)))
}

/// What a name stands for.
pub(crate) fn current(name: &str) -> Option<String> {
    let link = root::path(&format!("/etc/alternatives/{name}"));
    let target = fs::read_link(link).ok()?;
    Some(target.to_string_lossy().into_owned())
}

fn show_link(args: &Args, env: &Env) -> Answer {
    let directory = match env.ctx.grains()["os_family"].as_str() {
        Some("RedHat") => "/var/lib",
        Some("Suse") => "/var/lib/rpm",
        _ => "/var/lib/dpkg",
    };
    let path = root::path(&format!("{directory}/alternatives/{}", args.text("name")?));
    let text = fs::read_to_string(path).unwrap_or_default();
    Ok(text.lines().nth(1).map_or(json!(false), Value::from))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::call::Call;
    use crate::process::which;
    use crate::testing::Host;

    /// The real program with directories of the test.
    pub(crate) fn fake(host: &Host) -> bool {
        let Some(real) = which("update-alternatives") else {
            return false;
        };
        let root = host.path("root");
        for directory in ["etc/alternatives", "var/lib/dpkg/alternatives"] {
            fs::create_dir_all(format!("{root}/{directory}")).unwrap();
        }
        host.program(
            "update-alternatives",
            &format!(
                "exec {} --altdir {root}/etc/alternatives --admindir {root}/var/lib/dpkg/alternatives --log /dev/null \"$@\"",
                real.display()
            ),
        );
        true
    }

    #[test]
    fn names_stand_for_paths() {
        let host = Host::new();
        let _root = host.lend_root();
        if !fake(&host) {
            return;
        }
        let (one, link) = (host.write("one", ""), host.path("link"));
        let install = Call::new("alternatives.install")
            .arg("thing")
            .arg(link.as_str())
            .arg(one.as_str())
            .arg(5);
        host.call(install);
        let check = |fun: &str, args: &[&str], expected: Value| {
            let call = args.iter().fold(Call::new(fun), |call, arg| call.arg(*arg));
            assert_eq!(host.call(call).value, expected, "{fun}");
        };
        check("alternatives.show_current", &["thing"], json!(one));
        check("alternatives.show_current", &["none"], json!(false));
        check("alternatives.show_link", &["thing"], json!(link));
        check("alternatives.check_exists", &["thing", &one], json!(true));
        check(
            "alternatives.check_installed",
            &["thing", "/x"],
            json!(false),
        );
    }
}
