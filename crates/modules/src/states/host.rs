//! `host`: addresses and names in the hosts file.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::hosts::{self, Entry};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "host.absent",
        "name, ip",
        "Keep a name away from addresses.",
        absent,
    ),
    StateFunction::new(
        "host.only",
        "name, hostnames",
        "Keep these names of an address, and no others.",
        only,
    ),
    StateFunction::new(
        "host.present",
        "name, ip, comment='', clean=False",
        "Keep a name of addresses; clean: of no others.",
        present,
    ),
];

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(python::text).collect(),
        one => vec![python::text(one)],
    }
}

/// What a state is to do, in order: addresses that get the name, comments, addresses that lose it.
#[derive(Default)]
struct Plan {
    added: Vec<String>,
    commented: Vec<String>,
    removed: Vec<String>,
    warnings: Vec<String>,
    comments: Vec<String>,
    has_failed: bool,
}

fn plan(args: &Args, name: &str, comment: &str, entries: &[Entry]) -> Plan {
    let addresses = texts(args.value("ip"));
    let mut plan = Plan::default();
    let is_known = |address: &String| {
        entries
            .iter()
            .any(|entry| matches!(entry, Entry::Host { ip, .. } if ip == address))
    };
    for address in addresses.iter().filter(|address| !is_known(address)) {
        if !plan.added.contains(address) {
            plan.added.push(address.clone());
            plan.commented
                .extend((!comment.is_empty()).then(|| address.clone()));
        }
    }
    for entry in entries {
        let Entry::Host {
            ip,
            aliases,
            comment: known,
        } = entry
        else {
            continue;
        };
        let has_name = aliases.iter().any(|alias| alias == name);
        if !addresses.contains(ip) {
            if has_name && args.flag("clean") {
                plan.removed.push(ip.clone());
            } else if has_name {
                plan.warnings.push(format!(
                    "Host {name} present for IP address {ip}. To get rid of this warning, either run this state with 'clean' set to True to \
                     remove {name} from {ip}, or add {ip} to the 'ip' argument."
                ));
            }
        } else if has_name {
            if comment.is_empty() || known.as_deref() == Some(comment) {
                plan.comments
                    .push(format!("Host {name} ({ip}) already present"));
            } else {
                plan.commented.push(ip.clone());
            }
        } else if ip.parse::<IpAddr>().is_ok() {
            plan.added.push(ip.clone());
            plan.commented
                .extend((!comment.is_empty()).then(|| ip.clone()));
        } else {
            plan.has_failed = true;
            plan.comments
                .push(format!("Invalid IP Address for {name} ({ip})"));
        }
    }
    plan
}

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, comment) = (args.text("name")?, args.text("comment")?);
    let plan = plan(args, &name, &comment, &hosts::read(env.env)?);
    let mut done = returned(!plan.has_failed, "");
    let mut comments = plan.comments;
    for ip in &plan.added {
        if env.is_test {
            done.result = None;
            comments.push(format!("Host {name} ({ip}) would be added"));
        } else if hosts::add(env.env, ip, &name)? {
            comments.push(format!("Added host {name} ({ip})"));
        } else {
            done.result = Some(false);
            comments.push(format!("Failed to add host {name} ({ip})"));
            continue;
        }
        note(&mut done, "added", ip, &name);
    }
    for ip in &plan.commented {
        if env.is_test {
            comments.push(format!("Comment for {ip} ({comment}) would be added"));
        } else if hosts::set_comment(env.env, ip, &comment)? {
            comments.push(format!("Set comment for host {ip} ({comment})"));
        } else {
            done.result = Some(false);
            comments.push(format!("Failed to add comment for host {ip} ({comment})"));
            continue;
        }
        note(&mut done, "comment_added", ip, &comment);
    }
    for ip in &plan.removed {
        if env.is_test {
            done.result = None;
            comments.push(format!("Host {name} ({ip}) would be removed"));
        } else if hosts::remove(env.env, ip, &name)? {
            comments.push(format!("Removed host {name} ({ip})"));
        } else {
            done.result = Some(false);
            comments.push(format!("Failed to remove host {name} ({ip})"));
            continue;
        }
        note(&mut done, "removed", ip, &name);
    }
    done.comment = comments.join("\n");
    if !plan.warnings.is_empty() {
        done.others
            .insert("warnings".to_owned(), json!(plan.warnings));
    }
    Ok(done)
}

fn note(done: &mut Return, change: &str, ip: &str, what: &str) {
    let of_change = done.changes.entry(change).or_insert_with(|| json!({}));
    if of_change[ip].is_null() {
        of_change[ip] = json!([]);
    }
    if let Some(list) = of_change[ip].as_array_mut() {
        list.push(json!(what));
    }
}

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let mut done = returned(None, "");
    let mut comments = Vec::new();
    for ip in texts(args.value("ip")) {
        if !hosts::aliases(env.env, &ip)?.contains(&name) {
            done.result = Some(true);
            comments.push(format!("Host {name} ({ip}) already absent"));
        } else if env.is_test {
            comments.push(format!("Host {name} ({ip}) needs to be removed"));
        } else if hosts::remove(env.env, &ip, &name)? {
            done.changes = Map::from_iter([("host".to_owned(), json!(name))]);
            done.result = Some(true);
            comments.push(format!("Removed host {name} ({ip})"));
        } else {
            done.result = Some(false);
            comments.push("Failed to remove host".to_owned());
        }
    }
    done.comment = comments.join("\n");
    Ok(done)
}

fn only(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let old = hosts::aliases(env.env, &name)?.join(" ");
    let wanted = texts(args.value("hostnames"));
    let new = wanted
        .iter()
        .map(|name| name.trim())
        .collect::<Vec<_>>()
        .join(" ");
    if old == new {
        let comment = format!("IP address {name} already set to \"{new}\"");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment = format!("Would change {name} from \"{old}\" to \"{new}\"");
        return Ok(returned(None, comment));
    }
    if !hosts::set(env.env, &name, &new, None)? {
        let comment = format!("hosts.set_host failed to change {name} from \"{old}\" to \"{new}\"");
        return Ok(returned(false, comment));
    }
    let comment = format!("successfully changed {name} from \"{old}\" to \"{new}\"");
    let changes = json!({name.as_str(): {"old": old, "new": new}});
    Ok(changed(true, comment, changes))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Host, play};

    #[test]
    fn states_answer_as_salt_does() {
        play(
            include_str!("testdata/host.json"),
            "root/etc/hosts",
            Host::lend_root,
            |_, args| args,
        );
    }
}
