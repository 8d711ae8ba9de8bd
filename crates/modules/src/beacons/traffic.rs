//! The beacon `network_info`: counters of network interfaces that pass a number.

use serde_json::{Map, Value, json};

use super::kinds::{item, only, told};
use super::{Caller, Memory, Told};

const COUNTERS: [&str; 8] = [
    "bytes_sent",
    "bytes_recv",
    "packets_sent",
    "packets_recv",
    "errin",
    "errout",
    "dropin",
    "dropout",
];

/// What is said of one interface.
struct Wish {
    /// More than the number is told, and not the number alone.
    greater: bool,
    limits: Vec<(&'static str, u64)>,
}

impl Wish {
    fn read(interface: &str, said: &Value) -> Result<Wish, String> {
        let said = said
            .as_object()
            .ok_or("Configuration for network_info beacon must be a list of dictionaries.")?;
        let mut wish = Wish {
            greater: false,
            limits: Vec::new(),
        };
        for (key, value) in said {
            if key == "type" {
                wish.greater = match value.as_str() {
                    Some("greater") => true,
                    Some("equal") => false,
                    _ => {
                        return Err(format!(
                            "network_info: type of {interface} is equal or greater"
                        ));
                    }
                };
                continue;
            }
            let counter = COUNTERS.iter().find(|counter| *counter == key);
            let counter = counter
                .ok_or_else(|| format!("network_info: {interface} has no counter {key:?}"))?;
            let limit = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            let limit =
                limit.ok_or_else(|| format!("network_info: {key} of {interface} is a number"))?;
            wish.limits.push((counter, limit));
        }
        match wish.limits.is_empty() {
            true => Err("Invalid configuration item in Beacon configuration.".to_owned()),
            false => Ok(wish),
        }
    }

    fn is_met(&self, counters: &Map<String, Value>) -> bool {
        self.limits.iter().any(|(counter, limit)| {
            let count = counters.get(*counter).and_then(Value::as_u64);
            count.is_some_and(|count| match self.greater {
                true => count > *limit,
                false => count == *limit,
            })
        })
    }
}

fn wishes(items: &[(String, Value)]) -> Result<Vec<(&String, Wish)>, String> {
    let interfaces = item(items, "interfaces").and_then(Value::as_object);
    let interfaces = interfaces.ok_or("network_info: interfaces is a map")?;
    interfaces
        .iter()
        .map(|(name, said)| Ok((name, Wish::read(name, said)?)))
        .collect()
}

pub(super) fn check(items: &[(String, Value)]) -> Result<(), String> {
    only(items, "network_info", &["interfaces"])?;
    wishes(items).map(|_| ())
}

pub(super) fn look(
    items: &[(String, Value)],
    _: &mut Memory,
    call: &Caller,
) -> Result<Vec<Told>, String> {
    let mut all = Vec::new();
    for (interface, wish) in wishes(items)? {
        // One that is not there now may come.
        let counters = call("ps.network_io_counters", vec![json!(interface)])?;
        if counters.as_object().is_some_and(|found| wish.is_met(found)) {
            let data = json!({"interface": interface, "network_info": counters});
            all.push(told("", data));
        }
    }
    Ok(all)
}
