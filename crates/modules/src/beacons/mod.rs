//! Beacons: what a minion looks at again and again, to tell of it when it is worth an event. Each looks by way of execution functions.

mod desk;
mod files;
mod kinds;
mod log;
mod traffic;

use std::time::Duration;

use serde_json::{Map, Value};

pub use desk::Beacons;
use files::Files;

/// Time between two looks, when nothing is set.
const INTERVAL: Duration = Duration::from_secs(1);
/// Keys that each beacon has, beside those of its kind.
const COMMON: [&str; 6] = [
    "beacon_module",
    "disable_during_state_run",
    "enabled",
    "interval",
    "run_once",
    "_beacon_name",
];

/// Calls an execution function of this host with these arguments.
pub type Caller<'a> = dyn Fn(&str, Vec<Value>) -> Result<Value, String> + 'a;

/// What a beacon tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What comes after the beacon's name in the event's tag.
    pub tag: String,
    /// The event's data.
    pub data: Map<String, Value>,
}

/// One beacon, and what it saw last.
pub struct Beacon {
    kind: &'static kinds::Kind,
    given: Value,
    items: Vec<(String, Value)>,
    /// Time between two looks.
    pub interval: Duration,
    /// Whether it rests while states are applied.
    pub rests_for_states: bool,
    /// Whether it looks at all.
    pub enabled: bool,
    /// Whether it looks once alone.
    pub run_once: bool,
    memory: Memory,
}

/// What a beacon saw last.
#[derive(Default)]
struct Memory {
    seen: Map<String, Value>,
    files: Option<Files>,
    place: Option<log::Place>,
}

/// Names of all beacons, sorted.
pub fn available() -> impl Iterator<Item = &'static str> {
    kinds::KINDS.iter().map(|kind| kind.name)
}

impl Beacon {
    /// Reads what settings say of a beacon: a map, or a list of maps.
    ///
    /// # Errors
    /// Words for people: there is no such beacon, or it cannot be set so.
    pub fn read(name: &str, config: &Value) -> Result<Beacon, String> {
        let mut items = Vec::new();
        match config {
            Value::Object(map) => items.extend(map.clone()),
            Value::Array(list) => {
                for item in list {
                    match item {
                        Value::Object(map) => items.extend(map.clone()),
                        _ => return Err(format!("{name}: each item of its list is a map")),
                    }
                }
            }
            _ => return Err(format!("Configuration for {name} beacon must be a list.")),
        }
        let common = |key: &str| {
            let found = items.iter().rev().find(|(name, _)| name == key);
            found.map(|(_, value)| value.clone())
        };
        let flag = |key: &str, unset: bool| match common(key) {
            None | Some(Value::Null) => Ok(unset),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(format!("{name}: {key} has to be true or false")),
        };
        let interval = match common("interval") {
            None | Some(Value::Null) => INTERVAL,
            Some(value) => {
                let seconds = value.as_f64().filter(|s| (1.0..=31_622_400.0).contains(s));
                let seconds = seconds
                    .ok_or_else(|| format!("{name}: interval has to be seconds, 1 at least"))?;
                Duration::from_secs_f64(seconds)
            }
        };
        let module = common("beacon_module");
        let module = module.as_ref().and_then(Value::as_str).unwrap_or(name);
        let kind = kinds::KINDS.iter().find(|kind| kind.name == module);
        let kind = kind.ok_or_else(|| format!("Beacon \"{module}\" is not available."))?;
        let (enabled, run_once) = (flag("enabled", true)?, flag("run_once", false)?);
        let rests_for_states = flag("disable_during_state_run", false)?;
        items.retain(|(key, _)| !COMMON.contains(&key.as_str()));
        (kind.check)(&items)?;
        Ok(Beacon {
            kind,
            given: config.clone(),
            items,
            interval,
            rests_for_states,
            enabled,
            run_once,
            memory: Memory::default(),
        })
    }

    /// What it was read from.
    pub fn given(&self) -> &Value {
        &self.given
    }

    /// Forgets what it saw.
    pub fn forget(&mut self) {
        self.memory = Memory::default();
    }

    /// Looks.
    ///
    /// # Errors
    /// Words for people: it cannot look.
    pub fn look(&mut self, call: &Caller) -> Result<Vec<Told>, String> {
        (self.kind.look)(&self.items, &mut self.memory, call)
    }
}

#[cfg(test)]
mod tests;
