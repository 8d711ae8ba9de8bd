//! `aliases`: who gets the mail of a name on this host.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::process::{query, which};
use crate::python;
use crate::root;

/// The file of aliases; `aliases.file` of the options names another.
const FILE: &str = "/etc/aliases";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "aliases.get_target",
        "alias",
        "Who gets the mail of a name; empty when it has no alias.",
        "aliases.get_target alias",
        |args, env| Ok(json!(target(env, &args.text("alias")?)?)),
    ),
    Function::new(
        "aliases.has_target",
        "alias, target",
        "Whether the mail of a name goes to somebody, or to a list of them.",
        "aliases.has_target alias target",
        |args, env| {
            let wanted = wanted(args)?;
            Ok(json!(target(env, &args.text("alias")?)? == wanted))
        },
    ),
    Function::new(
        "aliases.list_aliases",
        "",
        "All aliases with their targets.",
        "aliases.list_aliases",
        |_, env| {
            let entries = read(env)?.into_iter().filter_map(|line| match line {
                Line::Alias { name, target, .. } => Some((name, json!(target))),
                Line::Other(_) => None,
            });
            Ok(Value::Object(entries.collect::<Map<_, _>>()))
        },
    ),
    Function::new(
        "aliases.rm_alias",
        "alias",
        "Remove an alias.",
        "aliases.rm_alias alias",
        |args, env| {
            let alias = args.text("alias")?;
            let mut lines = read(env)?;
            let count = lines.len();
            lines.retain(|line| !line.is_of(&alias));
            if lines.len() != count {
                write(env, &lines)?;
            }
            Ok(json!(true))
        },
    ),
    Function::new(
        "aliases.set_target",
        "alias, target",
        "Let the mail of a name go to somebody, or to a list of them.",
        "aliases.set_target alias target",
        set_target,
    ),
];

/// A line of the file.
enum Line {
    Alias {
        name: String,
        target: String,
        /// With the blanks in front of it.
        comment: String,
    },
    Other(String),
}

impl Line {
    fn of(line: &str) -> Line {
        let parsed = || {
            let (name, rest) = line.split_once(':')?;
            let name = name.trim();
            if name.is_empty() || name.contains('#') {
                return None;
            }
            // A comment begins with a # behind a blank.
            let at = rest
                .match_indices('#')
                .map(|(at, _)| at)
                .find(|at| rest[..*at].ends_with(char::is_whitespace));
            let (target, _) = rest.split_at(at.unwrap_or(rest.len()));
            let comment = rest[target.trim_end().len()..].trim_end();
            let target = target.trim();
            (!target.is_empty()).then(|| Line::Alias {
                name: name.to_owned(),
                target: target.to_owned(),
                comment: comment.to_owned(),
            })
        };
        parsed().unwrap_or_else(|| Line::Other(line.to_owned()))
    }

    fn is_of(&self, alias: &str) -> bool {
        matches!(self, Line::Alias { name, .. } if name == alias)
    }

    fn text(&self) -> String {
        match self {
            Line::Alias {
                name,
                target,
                comment,
            } => format!("{name}: {target}{comment}\n"),
            Line::Other(text) => format!("{text}\n"),
        }
    }
}

fn path(env: &Env) -> PathBuf {
    match env.ctx.config("aliases.file") {
        Some(Value::String(path)) => PathBuf::from(path),
        _ => root::path(FILE),
    }
}

fn read(env: &Env) -> Result<Vec<Line>, Failure> {
    let path = path(env);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(Line::of).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::io(path, error)),
    }
}

/// Writes the file, and lets the mail system read it where it has to be told.
fn write(env: &Env, lines: &[Line]) -> Result<(), Failure> {
    let path = path(env);
    let text: String = lines.iter().map(Line::text).collect();
    replace(&path, text.as_bytes(), PUBLIC_MODE).map_err(|error| Failure::io(&path, error))?;
    if which("newaliases").is_some() {
        let done = query(&["newaliases"], env.cancel)?;
        if done.retcode != 0 {
            tracing::warn!("newaliases: {}", done.stderr.trim_end());
        }
    }
    Ok(())
}

fn target(env: &Env, alias: &str) -> Result<String, Failure> {
    let mut lines = read(env)?;
    lines.reverse();
    let found = lines.into_iter().find_map(|line| match line {
        Line::Alias { name, target, .. } if name == alias => Some(target),
        _ => None,
    });
    Ok(found.unwrap_or_default())
}

fn wanted(args: &Args) -> Result<String, Failure> {
    let wanted = match args.value("target") {
        Value::Array(targets) => {
            let targets: Vec<String> = targets.iter().map(python::text).collect();
            targets.join(", ")
        }
        _ => args.text("target")?,
    };
    if wanted.is_empty() {
        return Err(Failure::invocation("target can not be an empty string"));
    }
    Ok(wanted)
}

fn set_target(args: &Args, env: &Env) -> Answer {
    let (alias, wanted) = (args.text("alias")?, wanted(args)?);
    if alias.is_empty() {
        return Err(Failure::invocation("alias can not be an empty string"));
    }
    if target(env, &alias)? == wanted {
        return Ok(json!(true));
    }
    let mut lines = Vec::new();
    let mut is_set = false;
    for line in read(env)? {
        match line {
            // Later lines of the same name would be errors of the mail system.
            Line::Alias { name, comment, .. } if name == alias => {
                if !is_set {
                    lines.push(Line::Alias {
                        name,
                        target: wanted.clone(),
                        comment,
                    });
                }
                is_set = true;
            }
            line => lines.push(line),
        }
    }
    if !is_set {
        lines.push(Line::Alias {
            name: alias,
            target: wanted,
            comment: String::new(),
        });
    }
    write(env, &lines)?;
    Ok(json!(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn aliases_are_set_and_removed() {
        let host = Host::new();
        let _root = host.lend_root();
        let text = "# See man 5 aliases\n\npostmaster:    root # who\nsupport: a, b\nsupport: c\n";
        let path = host.write("root/etc/aliases", text);
        let call = |call: Call| host.call(call).value;
        let has = Call::new("aliases.has_target").arg("support");
        assert_eq!(call(has.clone().arg(json!(["a", "b"]))), json!(false));
        assert_eq!(
            call(Call::new("aliases.get_target").arg("postmaster")),
            json!("root")
        );
        let set = Call::new("aliases.set_target")
            .arg("support")
            .arg(json!(["a", "b"]));
        assert_eq!(call(set), json!(true));
        assert_eq!(call(has.arg(json!(["a", "b"]))), json!(true));
        let set = Call::new("aliases.set_target").arg("postmaster").arg("me");
        assert_eq!(call(set), json!(true));
        assert_eq!(
            call(Call::new("aliases.set_target").arg("new").arg("me")),
            json!(true)
        );
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# See man 5 aliases\n\npostmaster: me # who\nsupport: a, b\nnew: me\n"
        );
        assert_eq!(
            call(Call::new("aliases.rm_alias").arg("support")),
            json!(true)
        );
        assert_eq!(
            call(Call::new("aliases.list_aliases")),
            json!({"postmaster": "me", "new": "me"})
        );
        assert!(
            !host
                .call(Call::new("aliases.set_target").arg("x").arg(""))
                .success
        );
    }
}
