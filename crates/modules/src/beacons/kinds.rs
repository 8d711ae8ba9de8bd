//! The kinds of beacons, with Salt's names, keys and data.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Caller, Memory, Told, files, log, traffic};
use crate::processes;
use crate::python;

/// What settings say, in their order.
type Items = [(String, Value)];
type Told1 = Result<Vec<Told>, String>;

/// A kind of beacon.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Whether it can be set so.
    pub(super) check: fn(&Items) -> Result<(), String>,
    /// Looks.
    pub(super) look: fn(&Items, &mut Memory, &Caller) -> Told1,
}

/// All of them, sorted by name.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "diskusage",
        check: check_disks,
        look: disks,
    },
    Kind {
        name: "inotify",
        check: files::check,
        look: files::look,
    },
    Kind {
        name: "load",
        check: check_load,
        look: load,
    },
    Kind {
        name: "log",
        check: log::check,
        look: log::look,
    },
    Kind {
        name: "memusage",
        check: check_percent,
        look: |items, _, call| used(items, call, "ps.virtual_memory", "memusage"),
    },
    Kind {
        name: "network_info",
        check: traffic::check,
        look: traffic::look,
    },
    Kind {
        name: "ps",
        check: check_processes,
        look: processes,
    },
    Kind {
        name: "service",
        check: check_services,
        look: services,
    },
    Kind {
        name: "status",
        check: |_| Ok(()),
        look: status,
    },
    Kind {
        name: "swapusage",
        check: check_percent,
        look: |items, _, call| used(items, call, "ps.swap_memory", "swapusage"),
    },
];

pub(super) fn item<'a>(items: &'a Items, key: &str) -> Option<&'a Value> {
    items
        .iter()
        .rev()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

/// Refuses keys that this kind does not have.
pub(super) fn only(items: &Items, kind: &str, keys: &[&str]) -> Result<(), String> {
    match items.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
        Some((key, _)) => Err(format!("the beacon {kind} has no key {key:?}")),
        None => Ok(()),
    }
}

pub(super) fn told(tag: &str, data: Value) -> Told {
    Told {
        tag: tag.to_owned(),
        data: match data {
            Value::Object(data) => data,
            other => Map::from_iter([("data".to_owned(), other)]),
        },
    }
}

/// `63%`, `63`.
fn percent(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().trim_end_matches('%').trim().parse().ok(),
        value => value.as_f64(),
    }
}

fn mounts(items: &Items) -> Result<Vec<(fancy_regex::Regex, f64)>, String> {
    let mount = |(mount, limit): &(String, Value)| {
        let end = if mount.ends_with('$') { "" } else { "$" };
        let pattern = fancy_regex::Regex::new(&format!("^(?:{mount}{end})"));
        let pattern = pattern.map_err(|error| format!("diskusage: {mount}: {error}"))?;
        let limit = percent(limit);
        let limit = limit.ok_or_else(|| format!("diskusage: {mount} needs a share as 63%"))?;
        Ok((pattern, limit))
    };
    items.iter().map(mount).collect()
}

fn check_disks(items: &Items) -> Result<(), String> {
    mounts(items).map(|_| ())
}

fn disks(items: &Items, _: &mut Memory, call: &Caller) -> Told1 {
    let mut all = Vec::new();
    let parts = call("ps.disk_partitions", vec![json!(true)])?;
    let parts: Vec<&str> = parts
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| part["mountpoint"].as_str())
        .collect();
    for (pattern, limit) in mounts(items)? {
        for mount in &parts {
            if !pattern.is_match(mount).unwrap_or(false) {
                continue;
            }
            // A mount that nobody may look at is no reason to miss the others.
            let Ok(usage) = call("ps.disk_usage", vec![json!(mount)]) else {
                continue;
            };
            if usage["percent"].as_f64().is_some_and(|used| used >= limit) {
                all.push(told(
                    "",
                    json!({"diskusage": usage["percent"], "mount": mount}),
                ));
            }
        }
    }
    Ok(all)
}

fn check_percent(items: &Items) -> Result<(), String> {
    only(items, "for memory", &["percent"])?;
    let limit = item(items, "percent").and_then(percent);
    limit
        .map(|_| ())
        .ok_or_else(|| "Configuration for this beacon requires percent.".to_owned())
}

fn used(items: &Items, call: &Caller, fun: &str, word: &str) -> Told1 {
    let limit = item(items, "percent").and_then(percent).unwrap_or(100.0);
    let memory = call(fun, Vec::new())?;
    let is_over = memory["percent"].as_f64().is_some_and(|used| used >= limit);
    Ok(if is_over {
        vec![told("", json!({word: memory["percent"]}))]
    } else {
        Vec::new()
    })
}

const AVERAGES: [(&str, &str); 3] = [("1m", "1-min"), ("5m", "5-min"), ("15m", "15-min")];

/// The lowest and the highest of an average that are not told.
fn bounds(items: &Items, average: &str) -> Result<Option<(f64, f64)>, String> {
    let Some(bounds) = item(items, "averages").and_then(|averages| averages.get(average)) else {
        return Ok(None);
    };
    let number = |value: &Value| percent(value);
    match bounds.as_array().map(Vec::as_slice) {
        Some([low, high]) => match (number(low), number(high)) {
            (Some(low), Some(high)) => Ok(Some((low, high))),
            _ => Err(format!("load: the bounds of {average} have to be numbers")),
        },
        _ => Err(
            "Configuration for load beacon: 1m, 5m and 15m items must be a list of two items."
                .to_owned(),
        ),
    }
}

fn check_flag(items: &Items, kind: &str, key: &str) -> Result<(), String> {
    match item(items, key) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(format!(
            "Configuration for {kind} beacon option {key} must be a boolean."
        )),
    }
}

fn check_load(items: &Items) -> Result<(), String> {
    only(
        items,
        "load",
        &["averages", "emitatstartup", "onchangeonly"],
    )?;
    check_flag(items, "load", "emitatstartup")?;
    check_flag(items, "load", "onchangeonly")?;
    let mut any = false;
    for (average, _) in AVERAGES {
        any |= bounds(items, average)?.is_some();
    }
    if any {
        Ok(())
    } else {
        Err("Averages configuration is required for load beacon.".to_owned())
    }
}

fn is_set(items: &Items, key: &str, unset: bool) -> bool {
    item(items, key).and_then(Value::as_bool).unwrap_or(unset)
}

fn load(items: &Items, memory: &mut Memory, call: &Caller) -> Told1 {
    let found = call("status.loadavg", Vec::new())?;
    let now: Map<String, Value> = AVERAGES
        .iter()
        .map(|(name, of_status)| ((*name).to_owned(), found[*of_status].clone()))
        .collect();
    let only_changes = is_set(items, "onchangeonly", false);
    let is_first = memory.seen.is_empty();
    if only_changes && is_first {
        memory.seen.clone_from(&now);
        if !is_set(items, "emitatstartup", true) {
            return Ok(Vec::new());
        }
    }
    let number = |map: &Map<String, Value>, name: &str| map[name].as_f64().unwrap_or(0.0);
    let mut tells = false;
    for (name, _) in AVERAGES {
        let Some((low, high)) = bounds(items, name)? else {
            continue;
        };
        let value = number(&now, name);
        tells |= if only_changes && !is_first {
            let before = number(&memory.seen, name);
            (value > high && before < high) || (value < low && before > low)
        } else {
            value < low || value > high
        };
    }
    if only_changes {
        memory.seen.clone_from(&now);
    }
    Ok(if tells {
        vec![told("", now.into())]
    } else {
        Vec::new()
    })
}

fn check_processes(items: &Items) -> Result<(), String> {
    only(items, "ps", &["processes"])?;
    match item(items, "processes") {
        Some(Value::Object(_)) => Ok(()),
        Some(_) => Err("Processes for ps beacon must be a dictionary.".to_owned()),
        None => Err("Configuration for ps beacon requires processes.".to_owned()),
    }
}

fn processes(items: &Items, _: &mut Memory, _: &Caller) -> Told1 {
    let running: BTreeSet<String> = processes::all().into_iter().map(|one| one.name).collect();
    let wanted = item(items, "processes").and_then(Value::as_object);
    let mut all = Vec::new();
    for (name, state) in wanted.into_iter().flatten() {
        let said = match (state.as_str(), running.contains(name)) {
            (Some("running"), true) => json!("Running"),
            (Some("stopped"), false) => json!("Stopped"),
            (Some("running" | "stopped"), _) | (_, true) => continue,
            (_, false) => json!(false),
        };
        all.push(told("", json!({name: said})));
    }
    Ok(all)
}

fn check_services(items: &Items) -> Result<(), String> {
    only(items, "service", &["services"])?;
    let services = item(items, "services")
        .ok_or("Configuration for service beacon requires services.")?
        .as_object()
        .ok_or("Services configuration item for service beacon must be a dictionary.")?;
    const KEYS: [&str; 5] = [
        "emitatstartup",
        "is_running_state",
        "oncleanshutdown",
        "onchangeonly",
        "uncleanshutdown",
    ];
    for (name, said) in services {
        let said: Vec<(String, Value)> = match said {
            Value::Object(said) => said.clone().into_iter().collect(),
            Value::Null => Vec::new(),
            _ => {
                return Err(
                    "Configuration for service beacon must be a list of dictionaries.".to_owned(),
                );
            }
        };
        only(&said, &format!("service for {name}"), &KEYS)?;
        for key in ["emitatstartup", "onchangeonly", "is_running_state"] {
            check_flag(&said, "service", key)?;
        }
    }
    Ok(())
}

fn services(items: &Items, memory: &mut Memory, call: &Caller) -> Told1 {
    let services = item(items, "services").and_then(Value::as_object);
    let mut all = Vec::new();
    for (name, said) in services.into_iter().flatten() {
        let flag = |key: &str, unset: bool| said.get(key).and_then(Value::as_bool).unwrap_or(unset);
        let running = python::truthy(&call("service.status", vec![json!(name)])?);
        let mut state = json!({"running": running});
        let pid_file = said.get("uncleanshutdown").and_then(Value::as_str);
        if let (Some(pid_file), false) = (pid_file, running) {
            state["uncleanshutdown"] = json!(Path::new(pid_file).exists());
        }
        let wanted = said.get("is_running_state").and_then(Value::as_bool);
        if wanted.is_some_and(|wanted| wanted != running) {
            continue;
        }
        let tells = if flag("onchangeonly", false) {
            let before = memory.seen.insert(name.clone(), json!(running));
            before.map_or(flag("emitatstartup", true), |before| {
                before != json!(running)
            })
        } else {
            true
        };
        if tells {
            all.push(told(name, json!({name: state, "service_name": name})));
        }
    }
    Ok(all)
}

fn status(items: &Items, _: &mut Memory, call: &Caller) -> Told1 {
    let usual = ["loadavg", "cpustats", "meminfo", "vmstats", "time"];
    let usual = usual.map(|fun| (fun.to_owned(), json!(["all"])));
    let items = if items.is_empty() { &usual[..] } else { items };
    let mut data = Map::new();
    for (fun, wanted) in items {
        // What this host does not have is left empty, as the other functions count.
        let Ok(found) = call(&format!("status.{fun}"), Vec::new()) else {
            data.insert(fun.clone(), json!({}));
            continue;
        };
        let names = match wanted {
            Value::Array(names) => names.iter().map(python::text).collect(),
            name => vec![python::text(name)],
        };
        let part = if names.iter().any(|name| name == "all") {
            found
        } else {
            let part = |name: &String| {
                let value = found.get(name).cloned();
                let value = value.or_else(|| found.get(name.parse::<usize>().ok()?).cloned());
                value.map(|value| (name.clone(), value))
            };
            match names.iter().find(|name| part(name).is_none()) {
                Some(name) => json!(format!("Status beacon is incorrectly configured: '{name}'")),
                None => Value::Object(names.iter().filter_map(part).collect()),
            }
        };
        data.insert(fun.clone(), part);
    }
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6f");
    Ok(vec![told(&now.to_string(), json!({"data": data}))])
}
