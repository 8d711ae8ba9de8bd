//! A whole schedule: its jobs, and what holds for all of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::entry::{Entry, EntryError, Range, Splay, read_splay, truth};

/// Jobs in one schedule, at most.
pub const ENTRIES_MAX: usize = 1_024;
/// Names in the map of a schedule that are no jobs, and hold for all of them.
pub const GLOBAL_KEYS: [&str; 4] = ["enabled", "skip_during_range", "skip_function", "splay"];

/// Why a map is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is no map.
    #[error("a schedule is a map of names to jobs")]
    NoMap,
    /// It has too many jobs.
    #[error("a schedule has at most {ENTRIES_MAX} jobs, and this one has {0}")]
    Many(usize),
    /// What holds for all of them is wrong.
    #[error("{0}")]
    Global(#[from] EntryError),
}

/// A whole schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its jobs by name. One that is wrong does not keep the others from running.
    pub entries: BTreeMap<String, Result<Entry, EntryError>>,
    /// Whether any of them may run.
    pub enabled: bool,
    /// Runs in the place of a job that is skipped for its range, or by order.
    pub skip_function: Option<String>,
    /// As a job's own, for those without.
    pub skip_during_range: Option<Range>,
    /// As a job's own, for those without.
    pub splay: Option<Splay>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            entries: BTreeMap::new(),
            enabled: true,
            skip_function: None,
            skip_during_range: None,
            splay: None,
        }
    }
}

impl Plan {
    /// Reads a schedule; null is an empty one. `whens` are names for times.
    ///
    /// # Errors
    /// When it is none at all. What is wrong with one job stands in its place.
    pub fn read(value: &Value, whens: &Map<String, Value>) -> Result<Plan, PlanError> {
        let map = match value {
            Value::Null => return Ok(Plan::default()),
            Value::Object(map) => map,
            _ => return Err(PlanError::NoMap),
        };
        if map.len() > ENTRIES_MAX {
            return Err(PlanError::Many(map.len()));
        }
        let global = |key: &str| map.get(key).filter(|value| !value.is_null());
        let jobs = map
            .iter()
            .filter(|(name, _)| !GLOBAL_KEYS.contains(&name.as_str()));
        Ok(Plan {
            entries: jobs
                .map(|(name, value)| (name.clone(), Entry::read(value, whens)))
                .collect(),
            enabled: match global("enabled") {
                Some(value) => truth("enabled", value)?,
                None => true,
            },
            skip_function: match global("skip_function") {
                None => None,
                Some(Value::String(name)) => Some(name.clone()),
                Some(_) => return Err(EntryError::value("skip_function", "a name").into()),
            },
            skip_during_range: global("skip_during_range")
                .map(|value| Range::read("skip_during_range", value))
                .transpose()?,
            splay: global("splay").map(read_splay).transpose()?.flatten(),
        })
    }

    /// The job of this name, when it is one.
    pub fn job(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name).and_then(|entry| entry.as_ref().ok())
    }
}
