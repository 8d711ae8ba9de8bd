//! `hosts`: addresses and names in the hosts file.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Env, Failure, Function};
use crate::edit::replace::{PUBLIC_MODE, replace};
use crate::edit::text::Text;
use crate::python;
use crate::root;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "hosts.add_host",
        "ip, alias",
        "Give an address a name more.",
        "hosts.add_host 192.0.2.7 host.example",
        |args, env| add(env, &args.text("ip")?, &args.text("alias")?).map(Value::from),
    ),
    Function::new(
        "hosts.get_alias",
        "ip",
        "The names of an address.",
        "hosts.get_alias 192.0.2.7",
        |args, env| Ok(json!(aliases(env, &args.text("ip")?)?)),
    ),
    Function::new(
        "hosts.get_ip",
        "host",
        "The first address that has a name.",
        "hosts.get_ip host.example",
        |args, env| {
            let (name, entries) = (args.text("host")?, read(env)?);
            let found = entries.iter().find_map(|entry| match entry {
                Entry::Host { ip, aliases, .. } if aliases.contains(&name) => Some(ip.as_str()),
                _ => None,
            });
            Ok(json!(found.unwrap_or_default()))
        },
    ),
    Function::new(
        "hosts.has_pair",
        "ip, alias",
        "Whether an address has a name, or all of a list.",
        "hosts.has_pair 192.0.2.7 host.example",
        |args, env| {
            let known = aliases(env, &args.text("ip")?)?;
            Ok(json!(match args.value("alias") {
                Value::Array(names) => names.iter().all(|name| known.contains(&python::text(name))),
                name => known.contains(&python::text(name)),
            }))
        },
    ),
    Function::new(
        "hosts.list_hosts",
        "",
        "All addresses with their names and comments.",
        "hosts.list_hosts",
        |_, env| Ok(report(&read(env)?)),
    ),
    Function::new(
        "hosts.rm_host",
        "ip, alias",
        "Take a name from an address.",
        "hosts.rm_host 192.0.2.7 host.example",
        |args, env| remove(env, &args.text("ip")?, &args.text("alias")?).map(Value::from),
    ),
    Function::new(
        "hosts.set_comment",
        "ip, comment",
        "Set the comment of an address; false when there is no such address.",
        "hosts.set_comment 192.0.2.7 'a comment'",
        |args, env| set_comment(env, &args.text("ip")?, &args.text("comment")?).map(Value::from),
    ),
    Function::new(
        "hosts.set_host",
        "ip, alias, comment=None",
        "Give an address these names and no others; no name removes it.",
        "hosts.set_host 192.0.2.7 host.example",
        |args, env| {
            let comment = args.optional_text("comment")?;
            set(
                env,
                &args.text("ip")?,
                &args.text("alias")?,
                comment.as_deref(),
            )
            .map(Value::from)
        },
    ),
];

/// A line of the file, or all lines of one address.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    Comment(String),
    Host {
        ip: String,
        aliases: Vec<String>,
        comment: Option<String>,
    },
}

fn path(env: &Env) -> PathBuf {
    let configured = env.ctx.config("hosts.file");
    let configured = configured.as_ref().and_then(Value::as_str);
    configured.map_or_else(|| root::path("/etc/hosts"), PathBuf::from)
}

fn text(env: &Env) -> Result<Text, Failure> {
    let path = path(env);
    if path.exists() {
        Text::read(&path)
    } else {
        Ok(Text::of_bytes(Vec::new()))
    }
}

fn write(env: &Env, text: &Text, new: &str) -> Result<bool, Failure> {
    let path = path(env);
    replace(&path, &text.bytes_of(new), PUBLIC_MODE).map_err(|error| Failure::io(&path, error))?;
    Ok(true)
}

/// The hosts file.
pub(crate) fn read(env: &Env) -> Result<Vec<Entry>, Failure> {
    Ok(parse(text(env)?.as_str()))
}

fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            entries.push(Entry::Comment(line.to_owned()));
            continue;
        }
        let (words, new_comment) = match line.split_once('#') {
            Some((words, comment)) => (words, Some(comment.trim_start().to_owned())),
            None => (line, None),
        };
        let new_comment = new_comment.filter(|comment| !comment.is_empty());
        let mut words = words.split_whitespace().map(str::to_owned);
        let Some(address) = words.next() else {
            continue;
        };
        let known = entries.iter_mut().find_map(|entry| match entry {
            Entry::Host {
                ip,
                aliases,
                comment,
            } if *ip == address => Some((aliases, comment)),
            _ => None,
        });
        match known {
            Some((aliases, comment)) => {
                aliases.extend(words);
                *comment = new_comment.or(comment.take());
            }
            None => entries.push(Entry::Host {
                ip: address,
                aliases: words.collect(),
                comment: new_comment,
            }),
        }
    }
    entries
}

fn render(entries: &[Entry]) -> String {
    let line = |entry: &Entry| match entry {
        Entry::Comment(line) => format!("{line}\n"),
        Entry::Host {
            ip,
            aliases,
            comment,
        } => {
            let line = format!("{ip}\t\t{}", aliases.join(" "));
            match comment {
                Some(comment) => format!("{}\n", format!("{line}\t\t# {comment}").trim()),
                None => format!("{}\n", line.trim()),
            }
        }
    };
    entries.iter().map(line).collect()
}

fn report(entries: &[Entry]) -> Value {
    let mut all = Map::new();
    let mut comments = 0;
    for entry in entries {
        match entry {
            Entry::Comment(line) => {
                all.insert(format!("comment-{comments}"), json!([line]));
                comments += 1;
            }
            Entry::Host {
                ip,
                aliases,
                comment,
            } => {
                let mut host = json!({"aliases": aliases});
                if let Some(comment) = comment {
                    host["comment"] = json!(comment);
                }
                all.insert(ip.clone(), host);
            }
        }
    }
    Value::Object(all)
}

/// The names of an address.
pub(crate) fn aliases(env: &Env, address: &str) -> Result<Vec<String>, Failure> {
    let entries = read(env)?.into_iter();
    let mut found = entries.filter_map(|entry| match entry {
        Entry::Host { ip, aliases, .. } if ip == address => Some(aliases),
        _ => None,
    });
    Ok(found.next().unwrap_or_default())
}

/// Gives an address a name more.
pub(crate) fn add(env: &Env, address: &str, name: &str) -> Result<bool, Failure> {
    let text = text(env)?;
    let mut entries = parse(text.as_str());
    let known = entries.iter_mut().find_map(|entry| match entry {
        Entry::Host { ip, aliases, .. } if ip == address => Some(aliases),
        _ => None,
    });
    match known {
        Some(aliases) if aliases.iter().any(|known| known == name) => return Ok(true),
        Some(aliases) => aliases.push(name.to_owned()),
        None => entries.push(Entry::Host {
            ip: address.to_owned(),
            aliases: vec![name.to_owned()],
            comment: None,
        }),
    }
    write(env, &text, &render(&entries))
}

/// Sets the comment of an address; false when there is no such address.
pub(crate) fn set_comment(env: &Env, address: &str, new: &str) -> Result<bool, Failure> {
    let text = text(env)?;
    let mut entries = parse(text.as_str());
    let known = entries.iter_mut().find_map(|entry| match entry {
        Entry::Host { ip, comment, .. } if ip == address => Some(comment),
        _ => None,
    });
    match known {
        None => Ok(false),
        Some(comment) if comment.as_deref() == Some(new) => Ok(true),
        Some(comment) => {
            *comment = Some(new.to_owned());
            write(env, &text, &render(&entries))
        }
    }
}

/// Whether a line is one of an address.
fn is_of(line: &str, address: &str) -> bool {
    let line = line.trim();
    !line.starts_with('#') && line.split_whitespace().next() == Some(address)
}

/// Gives an address these names and no others.
pub(crate) fn set(
    env: &Env,
    address: &str,
    names: &str,
    comment: Option<&str>,
) -> Result<bool, Failure> {
    let text = text(env)?;
    let mut wanted = match comment.filter(|comment| !comment.is_empty()) {
        _ if names.trim().is_empty() => String::new(),
        Some(comment) => format!("{address}\t\t{names}\t\t# {comment}\n"),
        None => format!("{address}\t\t{names}\n"),
    };
    let mut new = String::new();
    for line in text.as_str().split_inclusive('\n') {
        if is_of(line, address) {
            new.push_str(&std::mem::take(&mut wanted));
        } else {
            new.push_str(line);
        }
    }
    if !wanted.is_empty() {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(&wanted);
    }
    write(env, &text, &new)
}

/// Takes a name from an address; the address goes with its last name.
pub(crate) fn remove(env: &Env, address: &str, name: &str) -> Result<bool, Failure> {
    let text = text(env)?;
    let mut is_found = false;
    let mut new = String::new();
    for line in text.as_str().split_inclusive('\n') {
        if !is_of(line, address) {
            new.push_str(line);
            continue;
        }
        let (words, comment) = match line.trim().split_once('#') {
            Some((words, comment)) => (words.to_owned(), comment.trim_start().to_owned()),
            None => (line.to_owned(), String::new()),
        };
        let names: Vec<&str> = words.split_whitespace().skip(1).collect();
        is_found |= names.contains(&name);
        let kept: String = names
            .iter()
            .filter(|known| **known != name)
            .map(|known| format!("{known} "))
            .collect();
        if kept.is_empty() {
            continue;
        }
        let comment = if comment.is_empty() {
            comment
        } else {
            format!("# {comment}")
        };
        new.push_str(&format!("{address}\t\t{kept}{comment}\n"));
    }
    if !is_found {
        return Ok(true);
    }
    write(env, &text, &new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn names_come_and_go() {
        let host = Host::new();
        let _root = host.lend_root();
        let path = host.write(
            "root/etc/hosts",
            "# hello\n127.0.0.1 localhost\n\n::1 localhost ip6 # six\n",
        );
        let check = |call: Call, expected: Value, content: &str| {
            assert_eq!(host.call(call.clone()).value, expected, "{call:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content, "{call:?}");
        };
        let call = |fun: &str| Call::new(format!("hosts.{fun}"));
        let text =
            "# hello\n127.0.0.1\t\tlocalhost\n::1\t\tlocalhost ip6\t\t# six\n192.0.2.7\t\ta\n";
        check(
            call("add_host").arg("192.0.2.7").arg("a"),
            json!(true),
            text,
        );
        check(call("get_ip").arg("ip6"), json!("::1"), text);
        check(
            call("get_alias").arg("::1"),
            json!(["localhost", "ip6"]),
            text,
        );
        check(
            call("has_pair").arg("::1").arg(json!(["ip6", "x"])),
            json!(false),
            text,
        );
        let all = json!({
            "comment-0": ["# hello"], "127.0.0.1": {"aliases": ["localhost"]},
            "::1": {"aliases": ["localhost", "ip6"], "comment": "six"}, "192.0.2.7": {"aliases": ["a"]},
        });
        check(call("list_hosts"), all, text);
        check(
            call("set_comment").arg("192.0.2.8").arg("a"),
            json!(false),
            text,
        );
        let text = "# hello\n127.0.0.1\t\tlocalhost\n::1\t\tip6 # six\n192.0.2.7\t\ta\n";
        check(
            call("rm_host").arg("::1").arg("localhost"),
            json!(true),
            text,
        );
        let text = "# hello\n127.0.0.1\t\tlocalhost\n::1\t\tip6 # six\n192.0.2.7\t\tb c\n";
        check(
            call("set_host").arg("192.0.2.7").arg("b c"),
            json!(true),
            text,
        );
        let text = "# hello\n127.0.0.1\t\tlocalhost\n::1\t\tip6 # six\n";
        check(call("set_host").arg("192.0.2.7").arg(""), json!(true), text);
        let text = "# hello\n127.0.0.1\t\tlocalhost\n";
        check(call("rm_host").arg("::1").arg("ip6"), json!(true), text);
    }
}
