//! Policies of SELinux: the labels of files by their paths, and of ports.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, answered, filled};
use crate::process::query;

/// Kinds of files: the letter and the words of the program.
const KINDS: [(&str, &str); 8] = [
    ("a", "all files"),
    ("f", "regular file"),
    ("d", "directory"),
    ("c", "character device"),
    ("b", "block device"),
    ("s", "socket"),
    ("l", "symbolic link"),
    ("p", "named pipe"),
];

/// The parts of a label.
const LABEL: [&str; 4] = ["sel_user", "sel_role", "sel_type", "sel_level"];

/// A policy of files.
pub(crate) struct Files {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) label_type: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) level: Option<String>,
}

impl Files {
    pub(crate) fn of(args: &Args) -> Result<Files, Failure> {
        Ok(Files {
            name: args.text("name")?,
            kind: filled(args, "filetype")?,
            label_type: filled(args, "sel_type")?,
            user: filled(args, "sel_user")?,
            level: filled(args, "sel_level")?,
        })
    }
}

/// A policy of ports.
pub(crate) struct Ports {
    pub(crate) label_type: Option<String>,
    pub(crate) protocol: String,
    pub(crate) port: String,
    pub(crate) range: Option<String>,
}

impl Ports {
    /// Reads `tcp/80` from the name, or else protocol and port.
    pub(crate) fn of(args: &Args) -> Result<Ports, Failure> {
        let shape = pattern(r"^(tcp|udp)/(\d+-?\d+)$")?;
        let name = args.text("name")?;
        let text = |name: &str| {
            Ok::<String, Failure>(filled(args, name)?.unwrap_or_else(|| "None".to_owned()))
        };
        let (protocol, port) = (text("protocol")?, text("port")?);
        let other = format!("{protocol}/{port}");
        let found = shape.captures(&name).or_else(|| shape.captures(&other)).ok_or_else(|| {
            Failure::invocation(format!(
                "Invalid name \"{name}\" format and protocol and port not provided or invalid: \"{protocol}\" \"{port}\"."
            ))
        })?;
        Ok(Ports {
            label_type: filled(args, "sel_type")?,
            protocol: found[1].to_owned(),
            port: found[2].to_owned(),
            range: filled(args, "sel_range")?,
        })
    }
}

fn pattern(text: &str) -> Result<Regex, Failure> {
    Regex::new(text).map_err(|error| Failure::command(error.to_string()))
}

/// The words for a kind of files.
pub(crate) fn file_kind(letter: &str) -> Result<&'static str, Failure> {
    let found = KINDS.iter().find(|(known, _)| *known == letter);
    found.map(|(_, words)| *words).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|(letter, _)| *letter).collect();
        Failure::invocation(format!(
            "Invalid file type code '{letter}'; expected one of: {}",
            known.join(", ")
        ))
    })
}

fn label(text: &str) -> Result<Map<String, Value>, Failure> {
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    if parts.len() < 4 || parts.contains(&"") {
        return Err(Failure::invocation(format!(
            "Invalid SELinux context string: {text}. Expected \"sel_user:sel_role:sel_type:sel_level\""
        )));
    }
    Ok(LABEL
        .iter()
        .zip(parts)
        .map(|(name, part)| ((*name).to_owned(), json!(part)))
        .collect())
}

/// The policy of files that is there.
pub(crate) fn files(env: &Env, wanted: &Files) -> Result<Option<Value>, Failure> {
    let escaped = |text: &Option<String>| text.as_deref().map_or("[^:]+".to_owned(), regex::escape);
    let kind = match wanted.kind.as_deref() {
        Some(letter) => regex::escape(file_kind(letter)?),
        None => "[[:alpha:] ]+?".to_owned(),
    };
    let shape = pattern(&format!(
        r"^({}) +({kind}) +({}:[^:]+:{}:{})[ |\t]*$",
        regex::escape(&wanted.name),
        escaped(&wanted.user),
        escaped(&wanted.label_type),
        escaped(&wanted.level)
    ))?;
    let done = query(&["semanage", "fcontext", "--list"], env.cancel)?;
    let Some(found) = done.stdout.lines().find_map(|line| shape.captures(line)) else {
        return Ok(None);
    };
    let mut policy = Map::from_iter([
        ("filespec".to_owned(), json!(found[1])),
        ("filetype".to_owned(), json!(found[2].trim())),
    ]);
    policy.extend(label(found[3].trim())?);
    Ok(Some(Value::Object(policy)))
}

/// Adds or deletes a policy of files.
pub(crate) fn change_files(env: &Env, action: &str, wanted: &Files) -> Answer {
    let mut action = action;
    if action == "add" {
        let done = query(&["semanage", "fcontext", "--list"], env.cancel)?;
        let start = format!("{} ", wanted.name);
        if done.stdout.lines().any(|line| line.contains(&start)) {
            action = "modify";
        }
    }
    let action = format!("--{action}");
    let mut argv = vec!["semanage", "fcontext", &action];
    if let Some(letter) = wanted.kind.as_deref().filter(|letter| *letter != "a") {
        file_kind(letter)?;
        argv.extend(["--ftype", letter]);
    }
    for (option, value) in [
        ("--type", &wanted.label_type),
        ("--seuser", &wanted.user),
        ("--range", &wanted.level),
    ] {
        argv.extend(
            value
                .as_deref()
                .into_iter()
                .flat_map(|value| [option, value]),
        );
    }
    argv.push(&wanted.name);
    answered(env, &argv)
}

/// What applying the policy would change, in the words of the program.
pub(crate) fn unapplied(env: &Env, name: &str, is_recursive: bool) -> Result<String, Failure> {
    let mut argv = vec!["restorecon", "-n", "-v"];
    argv.extend(is_recursive.then_some("-R"));
    argv.push(name);
    Ok(query(&argv, env.cancel)?.stdout.trim_end().to_owned())
}

/// Gives files the labels of their policy.
pub(crate) fn apply(env: &Env, name: &str, is_recursive: bool) -> Answer {
    let foretold = unapplied(env, name, is_recursive)?;
    let mut argv = vec!["restorecon", "-v", "-F"];
    argv.extend(is_recursive.then_some("-R"));
    argv.push(name);
    let mut done = answered(env, &argv)?;
    if done["retcode"] != json!(0) {
        return Ok(done);
    }
    let shape = if foretold.starts_with("Would relabel") {
        pattern(r"(?m)Would relabel (.*) from (.*) to (.*)$")?
    } else if foretold.starts_with("restorecon reset") {
        pattern(r"(?m)restorecon reset (.*) context (.*)->(.*)$")?
    } else {
        done["retcode"] = json!(1);
        done["error"] = json!("Unrecognized response from restorecon command.");
        return Ok(done);
    };
    let mut changes = Map::new();
    for found in shape.captures_iter(&foretold) {
        let (mut old, mut new) = (label(&found[2])?, label(&found[3])?);
        old.retain(|part, value| new.get(part) != Some(value));
        let all = label(&found[2])?;
        new.retain(|part, value| all.get(part) != Some(value));
        changes.insert(found[1].to_owned(), json!({"old": old, "new": new}));
    }
    done["changes"] = Value::Object(changes);
    Ok(done)
}

/// The policy of a port that is there.
pub(crate) fn ports(env: &Env, wanted: &Ports) -> Result<Option<Value>, Failure> {
    let done = query(&["semanage", "port", "--list"], env.cancel)?;
    for line in done.stdout.lines() {
        let mut words = line.split_whitespace();
        let (Some(label_type), Some(protocol)) = (words.next(), words.next()) else {
            continue;
        };
        let ports: Vec<&str> = words.map(|port| port.trim_end_matches(',')).collect();
        let is_type = wanted
            .label_type
            .as_deref()
            .is_none_or(|wanted| wanted == label_type);
        if is_type && protocol == wanted.protocol && ports.contains(&wanted.port.as_str()) {
            let policy =
                json!({"sel_type": label_type, "protocol": protocol, "port": ports.join(", ")});
            return Ok(Some(policy));
        }
    }
    Ok(None)
}

/// Adds, modifies or deletes a policy of ports.
pub(crate) fn change_ports(env: &Env, action: &str, wanted: &Ports) -> Answer {
    if action == "add" && wanted.label_type.is_none() {
        return Err(Failure::invocation(
            "SELinux Type is required to add a policy",
        ));
    }
    let option = format!("--{action}");
    let mut argv = vec!["semanage", "port", &option, "--proto", &wanted.protocol];
    for (option, value) in [("--type", &wanted.label_type), ("--range", &wanted.range)] {
        argv.extend(
            value
                .as_deref()
                .into_iter()
                .flat_map(|value| [option, value]),
        );
    }
    argv.push(&wanted.port);
    answered(env, &argv)
}
