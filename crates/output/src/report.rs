//! A job's account, ready to be shown: each minion with its parsed value, or with words on why there is none.

use serde_json::Value;
use wire::control::{Ledger, LedgerRow};
use wire::{OutcomeKind, Reason, ReasonCode};

use crate::escape::escape;
use crate::time::iso;

/// A ledger whose values are parsed; every form is made from this.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    ledger: &'a Ledger,
    values: Vec<Value>,
}

/// One expected minion.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Its row in the ledger.
    pub entry: &'a LedgerRow,
    /// What it said.
    pub said: Said<'a>,
}

/// What a minion said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said<'a> {
    /// It returned this.
    Value(&'a Value),
    /// Nothing: this is why, in lines for people, already escaped.
    Nothing(String),
}

impl<'a> Report<'a> {
    /// Parses each value once. Bytes that are no JSON become the string of what can be read of them.
    pub fn new(ledger: &'a Ledger) -> Report<'a> {
        let values = ledger
            .values
            .iter()
            .map(|json| {
                serde_json::from_slice(json)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(json).into_owned()))
            })
            .collect();
        Report { ledger, values }
    }

    /// The account itself.
    pub fn ledger(&self) -> &'a Ledger {
        self.ledger
    }

    /// Every expected minion, in order of id.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.ledger.minions.iter().map(|entry| Row {
            entry,
            said: self.said(entry),
        })
    }

    /// The value of a return.
    pub fn value(&self, entry: &LedgerRow) -> Option<&Value> {
        entry
            .value
            .and_then(|number| self.values.get(number as usize))
    }

    fn said(&self, entry: &LedgerRow) -> Said<'_> {
        match self.value(entry) {
            Some(value) => Said::Value(value),
            None => Said::Nothing(silence(entry)),
        }
    }
}

impl Row<'_> {
    /// The return, or the words on why there is none: for forms that hold one value for each minion.
    pub fn to_value(&self) -> Value {
        match &self.said {
            Said::Value(value) => (*value).clone(),
            Said::Nothing(words) => Value::String(words.clone()),
        }
    }
}

/// Why a minion has no value: Salt's sentence with a word in brackets, then what is known, with the time since when.
fn silence(entry: &LedgerRow) -> String {
    let mut words = headline(entry).to_owned();
    if let Some(reason) = &entry.reason {
        words.push('\n');
        words.push_str(&because(reason));
        words.push_str(&format!(" (since {})", iso(reason.since)));
    }
    words
}

/// The first line on a minion without a value.
pub(crate) fn headline(entry: &LedgerRow) -> &'static str {
    let is_cut_off = entry
        .reason
        .as_ref()
        .is_some_and(|reason| reason.code == ReasonCode::SiteCutOff);
    match entry.kind {
        OutcomeKind::Ok | OutcomeKind::Failed => "Minion returned, and its value is not kept.",
        OutcomeKind::Unreachable if is_cut_off => "Minion did not return. [Site cut off]",
        OutcomeKind::Unreachable => "Minion did not return. [Not connected]",
        OutcomeKind::Running => "Minion did not return. [No response] [Still running]",
        OutcomeKind::Queued if entry.reason.is_some() => "Minion did not return. [Kept for it]",
        OutcomeKind::Queued => "Minion did not return. [No response] [Not started yet]",
        OutcomeKind::Lost => "Minion did not return. [Lost]",
        OutcomeKind::Refused => "Minion did not return. [Refused]",
        OutcomeKind::Expired => "Minion did not return. [Expired]",
    }
}

/// The words of a reason on one line.
pub(crate) fn because(reason: &Reason) -> String {
    let text = reason.text.trim();
    if !text.is_empty() {
        return escape(text).into_owned();
    }
    match reason.code {
        ReasonCode::MinionDown => "the minion has no connection to its hub",
        ReasonCode::SiteCutOff => "a hub on the way has no connection to its parent",
        ReasonCode::ConnectionLost => "the connection ended after the job was sent",
        ReasonCode::Interrupted => "the minion restarted while it ran the job",
        ReasonCode::Refused => "the minion would not run it",
        ReasonCode::NotStarted => "not started in time",
        ReasonCode::NotDelivered => "a hub on the way was not told of the job",
        ReasonCode::Overload => "a hub or the minion had no room",
        ReasonCode::Removed => "the key is no longer accepted",
        ReasonCode::Halted => "the rollout stopped before its turn",
        ReasonCode::Cancelled => "the job was cancelled before it began",
        ReasonCode::TooOld => "its release can't do what the job asks for",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn silence_says_how_why_and_since_when() {
        let check = |kind, reason: Option<(ReasonCode, &str)>, expected: &str| {
            let entry = sample::silent("web1", kind, reason);
            assert_eq!(silence(&entry), expected);
        };
        check(
            OutcomeKind::Running,
            None,
            "Minion did not return. [No response] [Still running]",
        );
        check(
            OutcomeKind::Queued,
            None,
            "Minion did not return. [No response] [Not started yet]",
        );
        check(
            OutcomeKind::Unreachable,
            Some((ReasonCode::MinionDown, "")),
            "Minion did not return. [Not connected]\nthe minion has no connection to its hub (since 2026-11-22T23:15:56.000Z)",
        );
        check(
            OutcomeKind::Unreachable,
            Some((ReasonCode::SiteCutOff, "syndic ams1 is cut off\x1b[2J")),
            "Minion did not return. [Site cut off]\nsyndic ams1 is cut off\\x1b[2J (since 2026-11-22T23:15:56.000Z)",
        );
        check(
            OutcomeKind::Lost,
            Some((ReasonCode::Interrupted, "restarted")),
            "Minion did not return. [Lost]\nrestarted (since 2026-11-22T23:15:56.000Z)",
        );
    }

    #[test]
    fn bytes_that_are_no_json_are_shown_as_text() {
        let mut ledger = sample::ledger(&[("web1", "true")]);
        ledger.values = vec![b"{oops".as_slice().into()];
        let report = Report::new(&ledger);
        let said: Vec<_> = report.rows().map(|row| row.to_value()).collect();
        assert_eq!(said, [Value::String("{oops".to_owned())]);
        // A number that names no value is not an error either.
        ledger.values.clear();
        let report = Report::new(&ledger);
        assert!(
            report
                .rows()
                .all(|row| matches!(row.said, Said::Nothing(_)))
        );
    }
}
