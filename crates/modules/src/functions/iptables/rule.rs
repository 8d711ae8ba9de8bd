//! Rules in the words of the iptables program, built of keyword arguments.

use serde_json::{Map, Value};

use crate::python;

/// Matches that take `--name`, which is given as `name_`.
const NAMED_MATCHES: [&str; 3] = ["pknock", "quota2", "recent"];

/// Arguments of the caller that are no part of a rule.
const NO_PART: [&str; 5] = ["name", "state", "chain", "save", "table"];

/// The jump and what belongs to jumps: it stands at the end of a rule, in this order.
#[rustfmt::skip]
const AFTER_JUMP: &[&str] = &[
    "j", "jump", "add-set", "and-mark", "and-tos", "checksum-fill", "clamp-mss-to-pmtu", "clustermac", "ctevents",
    "ctmask", "del-set", "ecn-tcp-remove", "exist", "expevents", "gateway", "hash-init", "hashmode", "helper",
    "label", "local-node", "log-ip-options", "log-level", "log-prefix", "log-tcp-options", "log-tcp-sequence",
    "log-uid", "map-set", "mask", "mss", "new", "nfmask", "nflog-group", "nflog-prefix", "nflog-range",
    "nflog-threshold", "nodst", "notrack", "on-ip", "on-port", "or-mark", "or-tos", "persistent", "queue-balance",
    "queue-bypass", "queue-num", "random", "random-fully", "rateest-ewmalog", "rateest-interval", "rateest-name",
    "reject-with", "restore", "restore-mark", "sack-perm", "save-mark", "selctx", "set-class", "set-dscp",
    "set-dscp-class", "set-mark", "set-mss", "set-tos", "set-xmark", "strip-options", "timeout", "timestamp", "to",
    "to-destination", "to-ports", "to-source", "total-nodes", "tproxy-mark", "ttl-dec", "ttl-inc", "ttl-set", "type",
    "ulog-cprange", "ulog-nlgroup", "ulog-prefix", "ulog-qthreshold", "wscale", "xor-mark", "xor-tos", "zone",
    "zone-orig", "zone-reply", "dst-pfx", "hl-dec", "hl-inc", "hl-set", "hmark-dport-mask", "hmark-dst-prefix",
    "hmark-mod", "hmark-offset", "hmark-proto-mask", "hmark-rnd", "hmark-spi-mask", "hmark-sport-mask",
    "hmark-src-prefix", "hmark-tuple", "led-always-blink", "led-delay", "led-trigger-id", "queue-cpu-fanout",
    "src-pfx", "to-port", "addr", "and-mask", "delude", "honeypot", "or-mask", "prefix", "reset", "reuse", "set-mac",
    "shift", "static", "tarpit", "tname", "ttl",
];

/// Builds a rule. The error is a text that functions answer.
pub(super) fn build(said: &Map<String, Value>) -> Result<String, &'static str> {
    let mut said = said.clone();
    if let Some(target) = said.shift_remove("target") {
        said.insert("jump".to_owned(), target);
    }
    said.retain(|name, _| !NO_PART.contains(&name.as_str()) && !sls::compile::is_for_engine(name));
    let mut words = Vec::new();
    for (name, option) in [("if", "-i"), ("of", "-o")] {
        if let Some(value) = said.shift_remove(name) {
            words.push(with_option(option, &value));
        }
    }
    let has_protocol = protocol(&mut said, &mut words);
    matches(&mut said, &mut words);
    ports(&mut said, &mut words, has_protocol)?;
    if let Some(comment) = said.shift_remove("comment") {
        need_match(&mut words, "-m comment");
        words.push(format!("--comment \"{}\"", python::text(&comment)));
    }
    if said.get("set").is_some_and(python::truthy) {
        let set = said.shift_remove("set").unwrap_or_default();
        words.push(with_option("--match-set", &set));
    }
    let jump: Vec<String> = AFTER_JUMP
        .iter()
        .filter_map(|name| {
            said.shift_remove(*name)
                .map(|value| jump_word(name, &value))
        })
        .collect();
    for (name, value) in &said {
        let dashes = if name.chars().count() == 1 { "-" } else { "--" };
        let option = format!("{dashes}{name}");
        words.push(match is_empty(value) {
            true => option,
            false => with_option(&option, value),
        });
    }
    words.extend(jump);
    Ok(words.join(" "))
}

/// The protocol, but that of the match `policy`. True when there is one.
fn protocol(said: &mut Map<String, Value>, words: &mut Vec<String>) -> bool {
    let is_policy = said.get("match").is_some_and(|name| name == "policy");
    let mut protocol = said.shift_remove("protocol");
    if !is_policy {
        protocol = said.shift_remove("proto").or(protocol);
    }
    if let Some(protocol) = &protocol {
        words.push(with_option("-p", protocol));
    }
    protocol.is_some()
}

fn matches(said: &mut Map<String, Value>, words: &mut Vec<String>) {
    if let Some(value) = said.shift_remove("match") {
        let names: Vec<String> = match &value {
            Value::Array(names) => names.iter().map(python::text).collect(),
            value => python::text(value).split(',').map(str::to_owned).collect(),
        };
        for name in names {
            words.push(format!("-m {name}"));
            if NAMED_MATCHES.contains(&name.trim())
                && let Some(name) = said.shift_remove("name_")
            {
                words.push(format!("--name {}", python::text(&name)));
            }
        }
        if value == "policy"
            && let Some(protocol) = said.shift_remove("proto")
        {
            words.push(with_option("--proto", &protocol));
        }
    }
    let sets = match said.shift_remove("match-set") {
        Some(Value::Array(sets)) => sets,
        Some(set) => vec![set],
        None => Vec::new(),
    };
    for set in sets {
        words.push(format!("-m set {}", with_option("--match-set", &set)));
    }
    if let Some(states) = said.shift_remove("connstate") {
        need_match(words, "-m state");
        words.push(with_option("--state", &states));
    }
}

fn ports(
    said: &mut Map<String, Value>,
    words: &mut Vec<String>,
    has_protocol: bool,
) -> Result<(), &'static str> {
    for (name, option) in [("dport", "--dport"), ("sport", "--sport")] {
        if let Some(port) = said.shift_remove(name) {
            words.push(with_option(option, &port));
        }
    }
    for (name, option) in [("dports", "--dports"), ("sports", "--sports")] {
        let Some(ports) = said.shift_remove(name) else {
            continue;
        };
        if !words.iter().any(|word| word == "-m multiport") {
            words.push("-m multiport".to_owned());
            if !has_protocol {
                return Err("Error: protocol must be specified");
            }
        }
        let ports: Vec<String> = match ports {
            Value::Array(ports) => ports.iter().map(python::text).collect(),
            one => vec![python::text(&one)],
        };
        let mark = if ports.iter().any(|port| is_negated(port)) {
            "! "
        } else {
            ""
        };
        let plain: Vec<String> = ports
            .iter()
            .map(|port| match mark {
                "" => port.clone(),
                _ => plain(port),
            })
            .collect();
        words.push(format!("{mark}{option} {}", plain.join(",")));
    }
    Ok(())
}

/// Loads a match unless the rule does already.
fn need_match(words: &mut Vec<String>, load: &str) {
    if !words.iter().any(|word| word == load) {
        words.push(load.to_owned());
    }
}

fn jump_word(name: &str, value: &Value) -> String {
    let text = python::text(value);
    if is_empty(value) {
        format!("--{name}")
    } else if text.contains([' ', '\t', '\n', '\r', '\x0b', '\x0c']) {
        format!("--{name} \"{text}\"")
    } else {
        format!("--{name} {text}")
    }
}

/// Options without an argument are given as empty ones.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// An option with its value; one that begins with `!` or `not` is negated.
fn with_option(option: &str, value: &Value) -> String {
    let text = python::text(value);
    if is_negated(&text) {
        format!("! {option} {}", plain(&text))
    } else {
        format!("{option} {text}")
    }
}

fn is_negated(text: &str) -> bool {
    text.starts_with('!') || text.starts_with("not")
}

/// A text without any mark of negation, and without the blank behind each.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('!').or_else(|| rest.strip_prefix("not")) {
            rest = after.strip_prefix(char::is_whitespace).unwrap_or(after);
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_salt() {
        let cases: Value = serde_json::from_str(include_str!("rules.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let said = case[0].as_object().unwrap();
            let built = build(said).unwrap_or_else(str::to_owned);
            assert_eq!(built, case[1], "{}", case[0]);
        }
    }
}
