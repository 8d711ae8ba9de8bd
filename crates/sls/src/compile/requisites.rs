//! What the results of others mean for a state.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::graph::Requisite;
use super::record;

/// What is to be done with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Some of what it waits for did not run yet.
    Unmet,
    /// Some of what it waits for is running.
    Pending,
    /// A requisite failed.
    Fail,
    /// Another state asked to skip what depends on it.
    SkipReq,
    /// It runs; another state asked to skip its `mod_watch`.
    SkipWatch,
    /// The state that it prepares would change nothing.
    Pre,
    /// Nothing failed that it would mend.
    Onfail,
    /// Nothing changed that it would follow.
    Onchanges,
    /// It runs, and what it watches changed.
    Change,
    /// It runs.
    Met,
}

/// What is known of one state that another waits for.
pub(super) enum Other<'a> {
    /// Nothing.
    NotRun,
    /// It is running.
    Running,
    /// Its record.
    Ran(&'a Map<String, Value>),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Unmet,
    Pending,
    SkipReq,
    Onfail,
    Onchanges,
    OnchangesMet,
    Fail,
    Change,
    PreMet,
    Pre,
    Met,
}

/// Judges all requisites of a state together.
pub(super) fn status<'a>(requisites: impl Iterator<Item = (Requisite, Vec<Other<'a>>)>) -> Status {
    let mut all = BTreeSet::new();
    for (requisite, others) in requisites {
        let mut signs = BTreeSet::new();
        for other in &others {
            read(requisite.base(), other, &mut signs);
        }
        settle(requisite, &mut signs);
        all.extend(signs);
    }
    let has = |sign| all.contains(&sign);
    if has(Sign::Unmet) {
        Status::Unmet
    } else if has(Sign::Pending) {
        Status::Pending
    } else if has(Sign::Fail) {
        Status::Fail
    } else if has(Sign::SkipReq) && (has(Sign::OnchangesMet) || has(Sign::PreMet)) {
        Status::SkipReq
    } else if has(Sign::SkipReq) && has(Sign::Change) {
        Status::SkipWatch
    } else if has(Sign::Pre) {
        if has(Sign::PreMet) {
            Status::Met
        } else {
            Status::Pre
        }
    } else if has(Sign::Onfail) && !has(Sign::OnchangesMet) {
        Status::Onfail
    } else if has(Sign::Onchanges) && !has(Sign::OnchangesMet) {
        Status::Onchanges
    } else if has(Sign::Change) {
        Status::Change
    } else if has(Sign::Onfail) {
        Status::Onfail
    } else {
        Status::Met
    }
}

/// What one state means for a requisite on it.
fn read(requisite: Requisite, other: &Other<'_>, signs: &mut BTreeSet<Sign>) {
    let record = match other {
        Other::NotRun => {
            signs.insert(Sign::Unmet);
            return;
        }
        Other::Running => {
            signs.insert(Sign::Pending);
            return;
        }
        Other::Ran(record) => record,
    };
    if record.get("skip_req").is_some_and(super::value::is_truthy) {
        signs.insert(Sign::SkipReq);
    }
    let result = record::result(record);
    let has_changes = record::has_changes(record);
    let ran = record.get("__state_ran__") != Some(&Value::Bool(false));
    let sign = match requisite {
        Requisite::Onfail if result == Some(true) => Some(Sign::Onfail),
        // A failure is no trigger, and no failure of the one that waits for a change.
        Requisite::Onchanges if result == Some(false) || !has_changes => Some(Sign::Onchanges),
        Requisite::Onchanges => Some(Sign::OnchangesMet),
        Requisite::Onfail => ran.then_some(Sign::Met),
        _ if result == Some(false) => Some(Sign::Fail),
        Requisite::Watch if has_changes => Some(Sign::Change),
        Requisite::Prereq if result.is_none() => Some(Sign::PreMet),
        Requisite::Prereq => Some(Sign::Pre),
        _ => ran.then_some(Sign::Met),
    };
    signs.extend(sign);
}

/// Lets the good signs of one kind outweigh the bad ones, or the reverse, as the kind wants it.
fn settle(requisite: Requisite, signs: &mut BTreeSet<Sign>) {
    if requisite.is_any() {
        if signs.contains(&Sign::Met) || signs.contains(&Sign::Change) {
            signs.remove(&Sign::Fail);
        }
        if signs.contains(&Sign::OnchangesMet) {
            signs.remove(&Sign::Onchanges);
            signs.remove(&Sign::Fail);
        }
        // Of a mending state, one failure is enough.
        if signs.contains(&Sign::Met) {
            signs.remove(&Sign::Onfail);
        }
    }
    if requisite == Requisite::OnfailAll && signs.contains(&Sign::Onfail) {
        signs.remove(&Sign::Met);
    }
}
