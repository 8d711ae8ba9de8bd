//! `firewalld`: zones and services of the firewall daemon.

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::nested::nested;
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "firewalld.present",
        "name, block_icmp=None, prune_block_icmp=False, default=None, masquerade=None, ports=None, prune_ports=False, \
         port_fwd=None, prune_port_fwd=False, services=None, prune_services=False, interfaces=None, prune_interfaces=False, \
         sources=None, prune_sources=False, rich_rules=None, prune_rich_rules=False",
        "Keep a zone with these things; with prune_… without all others of their kind. port_fwd: from:to:protocol[:address].",
        |args, env| loaded(env, "present", || told(present(args, env))),
    ),
    StateFunction::new(
        "firewalld.service",
        "name, ports=None, protocols=None",
        "Keep a service with exactly these ports and protocols.",
        |args, env| loaded(env, "service", || told(service(args, env))),
    ),
];

/// Runs a state where firewalld is installed.
fn loaded(env: &StateEnv, function: &str, run: impl FnOnce() -> StateAnswer) -> StateAnswer {
    if which("firewall-cmd").is_some() {
        return run();
    }
    let reason = "'firewalld' __virtual__ returned False: firewalld is not available, firewalld is probably not installed";
    Ok(env.not_loaded(&format!("firewalld.{function}"), reason))
}

/// A failure of the program as the comment of a state.
fn told(done: StateAnswer) -> StateAnswer {
    match done {
        Err(Failure::Command(text)) => Ok(returned(false, format!("Error: {text}"))),
        done => done,
    }
}

/// Things of which a zone has several.
struct Kind {
    /// The parameter, and with `prune_` in front of it the one that takes others away.
    parameter: &'static str,
    /// The name in the changes.
    shown: &'static str,
    list: &'static str,
    add: &'static str,
    remove: &'static str,
    /// The parameter of `add` and `remove`.
    item: &'static str,
}

const ICMP: Kind = Kind {
    parameter: "block_icmp",
    shown: "icmp_types",
    list: "firewalld.list_icmp_block",
    add: "firewalld.block_icmp",
    remove: "firewalld.allow_icmp",
    item: "icmp",
};

const PORTS: Kind = Kind {
    parameter: "ports",
    shown: "ports",
    list: "firewalld.list_ports",
    add: "firewalld.add_port",
    remove: "firewalld.remove_port",
    item: "port",
};

const FORWARDS: Kind = Kind {
    parameter: "port_fwd",
    shown: "port_fwd",
    list: "firewalld.list_port_fwd",
    add: "firewalld.add_port_fwd",
    remove: "firewalld.remove_port_fwd",
    item: "",
};

const OTHERS: [Kind; 4] = [
    Kind {
        parameter: "services",
        shown: "services",
        list: "firewalld.list_services",
        add: "firewalld.add_service",
        remove: "firewalld.remove_service",
        item: "service",
    },
    Kind {
        parameter: "interfaces",
        shown: "interfaces",
        list: "firewalld.get_interfaces",
        add: "firewalld.add_interface",
        remove: "firewalld.remove_interface",
        item: "interface",
    },
    Kind {
        parameter: "sources",
        shown: "sources",
        list: "firewalld.get_sources",
        add: "firewalld.add_source",
        remove: "firewalld.remove_source",
        item: "source",
    },
    Kind {
        parameter: "rich_rules",
        shown: "rich_rules",
        list: "firewalld.get_rich_rules",
        add: "firewalld.add_rich_rule",
        remove: "firewalld.remove_rich_rule",
        item: "rule",
    },
];

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let mut changes = Map::new();
    let zones = env.call(&Call::new("firewalld.get_zones"))?;
    if !list(&zones).contains(&json!(name)) {
        if !env.is_test {
            env.call(&Call::new("firewalld.new_zone").arg(name.as_str()))?;
        }
        changes.insert(name.clone(), json!({"old": zones, "new": name}));
    }
    let mut blocked = wanted(args, &ICMP);
    if !blocked.is_empty() {
        let known = env.call(&Call::new("firewalld.get_icmp_types"))?;
        blocked.retain(|kind| {
            let is_known = list(&known).contains(kind);
            if !is_known {
                tracing::error!("{} is an invalid ICMP type", python::text(kind));
            }
            is_known
        });
    }
    keep(args, env, &ICMP, blocked, &mut changes)?;
    if args.flag("default") {
        let current = env.call(&Call::new("firewalld.default_zone"))?;
        if current != json!(name) {
            if !env.is_test {
                env.call(&Call::new("firewalld.set_default_zone").arg(name.as_str()))?;
            }
            changes.insert("default".to_owned(), json!({"old": current, "new": name}));
        }
    }
    keep_masquerade(args, env, &mut changes)?;
    keep(args, env, &PORTS, wanted(args, &PORTS), &mut changes)?;
    let forwards: Result<Vec<Value>, Failure> = wanted(args, &FORWARDS)
        .iter()
        .map(|text| forward(&python::text(text)))
        .collect();
    keep(args, env, &FORWARDS, forwards?, &mut changes)?;
    for kind in &OTHERS {
        let mut items = wanted(args, kind);
        if kind.item == "rule" {
            for rule in &mut items {
                *rule = json!(normal_rule(&python::text(rule)));
            }
        }
        keep(args, env, kind, items, &mut changes)?;
    }
    if changes.is_empty() {
        let comment = format!("'{name}' is already in the desired state.");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let shown = nested(&Value::Object(changes));
        let comment = format!("Configuration for '{name}' will change:\n{shown}");
        return Ok(returned(None, comment));
    }
    env.call(&Call::new("firewalld.reload_rules"))?;
    Ok(configured(&name, changes))
}

fn configured(name: &str, changes: Map<String, Value>) -> Return {
    changed(true, format!("'{name}' was configured."), changes)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The items that a parameter asks for.
fn wanted(args: &Args, kind: &Kind) -> Vec<Value> {
    listed(args.value(kind.parameter))
}

/// A list, or one item as a list of it.
fn listed(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        value if python::truthy(value) => vec![value.clone()],
        _ => Vec::new(),
    }
}

/// Those of the first list that the second lacks, each once.
fn without(items: &[Value], others: &[Value]) -> Vec<Value> {
    let mut left: Vec<Value> = Vec::new();
    for item in items {
        if !others.contains(item) && !left.contains(item) {
            left.push(item.clone());
        }
    }
    left
}

/// Adds what the zone lacks of a kind, and takes away what is too much when the state says so.
fn keep(
    args: &Args,
    env: &StateEnv,
    kind: &Kind,
    items: Vec<Value>,
    changes: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let prunes = args.flag(&format!("prune_{}", kind.parameter));
    if !args.flag(kind.parameter) && !prunes {
        return Ok(());
    }
    let zone = args.value("name");
    let current = env.call(&Call::new(kind.list).kwarg("zone", zone.clone()))?;
    let added = without(&items, list(&current));
    let removed = if prunes {
        without(list(&current), &items)
    } else {
        Vec::new()
    };
    for (fun, items) in [(kind.add, &added), (kind.remove, &removed)] {
        for item in items.iter().filter(|_| !env.is_test) {
            let call = Call::new(fun).kwarg("zone", zone.clone());
            env.call(&match item {
                Value::Object(forward) => call
                    .kwarg("src", forward["Source port"].clone())
                    .kwarg("dest", forward["Destination port"].clone())
                    .kwarg("proto", forward["Protocol"].clone())
                    .kwarg("dstaddr", forward["Destination address"].clone()),
                item => call.kwarg(kind.item, item.clone()),
            })?;
        }
    }
    if added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    let new = if prunes {
        items
    } else {
        [added.as_slice(), list(&current)].concat()
    };
    changes.insert(kind.shown.to_owned(), json!({"old": current, "new": new}));
    Ok(())
}

fn keep_masquerade(
    args: &Args,
    env: &StateEnv,
    changes: &mut Map<String, Value>,
) -> Result<(), Failure> {
    if args.value("masquerade").is_null() {
        return Ok(());
    }
    let zone = args.value("name");
    let current = env.call(&Call::new("firewalld.get_masquerade").arg(zone.clone()))?;
    let (fun, word) = match (args.flag("masquerade"), current == true) {
        (true, false) => ("firewalld.add_masquerade", "set"),
        (false, true) => ("firewalld.remove_masquerade", "disabled"),
        _ => return Ok(()),
    };
    if !env.is_test {
        env.call(&Call::new(fun).arg(zone.clone()))?;
    }
    let new = format!("Masquerading successfully {word}.");
    changes.insert("masquerade".to_owned(), json!({"old": current, "new": new}));
    Ok(())
}

/// `from:to:protocol[:address]` as the function lists it.
fn forward(text: &str) -> Result<Value, Failure> {
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    let [source, destination, protocol, rest @ ..] = parts.as_slice() else {
        return Err(Failure::invocation(format!(
            "'{text}' forwards no port: from:to:protocol[:address] does"
        )));
    };
    Ok(json!({
        "Source port": source, "Destination port": destination, "Protocol": protocol,
        "Destination address": rest.first().copied().unwrap_or_default(),
    }))
}

/// A rich rule with its values in double quotes, as the program lists it.
fn normal_rule(rule: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        Some((key, value)) if !value.starts_with('"') && !value.ends_with('"') => {
            let bare = value
                .strip_prefix('\'')
                .and_then(|value| value.strip_suffix('\''));
            format!("{key}=\"{}\"", bare.unwrap_or(value))
        }
        _ => word.to_owned(),
    };
    let words: Vec<String> = rule.split(' ').map(word).collect();
    words.join(" ").trim_start().to_owned()
}

fn service(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let services = env.call(&Call::new("firewalld.get_services"))?;
    let exists = list(&services).contains(&json!(name));
    if !exists && !env.is_test {
        let new = Call::new("firewalld.new_service").arg(name.as_str());
        env.call(&new.kwarg("restart", false))?;
    }
    let mut changes = Map::new();
    for (parameter, item) in [("ports", "port"), ("protocols", "protocol")] {
        let current = if exists || !env.is_test {
            let fun = format!("firewalld.get_service_{parameter}");
            env.call(&Call::new(fun).arg(name.as_str()))?
        } else {
            json!([])
        };
        let items = listed(args.value(parameter));
        let (added, removed) = (
            without(&items, list(&current)),
            without(list(&current), &items),
        );
        for (word, items) in [("add", &added), ("remove", &removed)] {
            for value in items.iter().filter(|_| !env.is_test) {
                let fun = format!("firewalld.{word}_service_{item}");
                env.call(&Call::new(fun).arg(name.as_str()).arg(value.clone()))?;
            }
        }
        if !added.is_empty() || !removed.is_empty() {
            changes.insert(parameter.to_owned(), json!({"old": current, "new": items}));
        }
    }
    if changes.is_empty() {
        let comment = format!("'{name}' is already in the desired state.");
        return Ok(returned(true, comment));
    }
    if env.is_test {
        let comment = format!("Configuration for '{name}' will change.");
        return Ok(changed(None, comment, changes));
    }
    env.call(&Call::new("firewalld.reload_rules"))?;
    Ok(configured(&name, changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::firewalld::tests::fake;
    use crate::testing::Host;

    #[test]
    fn zones_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let args = json!({
            "name": "mine", "default": true, "masquerade": true, "ports": ["80/tcp", "443/tcp"], "services": ["ssh"],
            "rich_rules": ["rule family=ipv4 source address='10.0.0.0/8' accept"], "block_icmp": ["echo-reply", "none"],
            "port_fwd": ["80:8080:tcp"], "sources": ["10.0.0.0/8"], "interfaces": ["eth0"],
        });
        let foretold = host.state("firewalld.present", args.clone(), true);
        assert!(foretold.changes.is_empty());
        assert!(
            foretold.comment.starts_with("Configuration for 'mine' will change:\ndefault:\n    ----------\n    new:\n        mine\n"),
            "{}",
            foretold.comment
        );
        let done = host.state("firewalld.present", args.clone(), false);
        assert_eq!(
            (done.result, done.comment.as_str()),
            (Some(true), "'mine' was configured.")
        );
        assert_eq!(
            done.changes["ports"],
            json!({"old": [], "new": ["80/tcp", "443/tcp"]})
        );
        assert_eq!(done.changes["icmp_types"]["new"], json!(["echo-reply"]));
        assert_eq!(
            done.changes["rich_rules"]["new"],
            json!(["rule family=\"ipv4\" source address=\"10.0.0.0/8\" accept"])
        );
        assert_eq!(
            done.changes["masquerade"],
            json!({"old": false, "new": "Masquerading successfully set."})
        );
        let pruned = json!({"name": "mine", "ports": ["80/tcp"], "prune_ports": true});
        let done = host.applies("firewalld.present", pruned);
        assert_eq!(
            done.changes["ports"],
            json!({"old": ["80/tcp", "443/tcp"], "new": ["80/tcp"]})
        );
        let bad = json!({"name": "mine", "ports": ["bad"]});
        let failed = host.state("firewalld.present", bad, false);
        assert_eq!(
            failed.comment,
            "Error: firewall-cmd failed: Error: INVALID_PORT: bad"
        );
    }

    #[test]
    fn services_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let done = host.applies(
            "firewalld.service",
            json!({"name": "web", "ports": ["80/tcp"]}),
        );
        assert_eq!(
            done.changes,
            json!({"ports": {"old": [], "new": ["80/tcp"]}})
                .as_object()
                .unwrap()
                .clone()
        );
        let done = host.applies(
            "firewalld.service",
            json!({"name": "web", "ports": ["81/tcp"]}),
        );
        assert_eq!(done.changes["ports"]["old"], json!(["80/tcp"]));
    }
}
