//! Equal results folded: how many minions said what.

use indexmap::IndexMap;
use serde_json::Value;

use crate::LISTED_IDS_MAX;
use crate::escape::escape;
use crate::highstate::{self, States};
use crate::nested;
use crate::number::{count, grouped};
use crate::report::{self, Report, Row, Said};
use crate::style::{Style, Tone};
use wire::OutcomeKind;

/// What minions of one group share.
#[derive(PartialEq, Eq, Hash)]
struct Shared {
    kind: OutcomeKind,
    retcode: Option<i32>,
    /// The value as JSON text, or the words of those that did not return.
    said: String,
}

struct Group<'a> {
    value: Option<&'a Value>,
    ids: Vec<&'a str>,
}

/// Each group with its number, its value and its first ids; the largest group first, equal ones by their first id.
pub(crate) fn groups(report: &Report<'_>, style: Style, states: &States) -> String {
    let mut groups: IndexMap<Shared, Group<'_>> = IndexMap::new();
    let rows: Vec<_> = report.rows().collect();
    let is_of_states = highstate::is_of_states(&report.ledger().fun);
    for row in &rows {
        let (said, value) = match row.said {
            // Runs of the same states take different times, and are equal for all that.
            Said::Value(value) if is_of_states => (highstate::key(value), Some(value)),
            Said::Value(value) => (value.to_string(), Some(value)),
            Said::Nothing(_) => (silence(row), None),
        };
        let shared = Shared {
            kind: row.entry.kind,
            retcode: row.entry.retcode,
            said,
        };
        groups
            .entry(shared)
            .or_insert(Group { value, ids: vec![] })
            .ids
            .push(&row.entry.id);
    }
    // The sort is stable and the rows come by id.
    groups.sort_by(|_, a, _, b| b.ids.len().cmp(&a.ids.len()));
    groups
        .iter()
        .map(|(shared, group)| {
            let of_states = group
                .value
                .filter(|value| is_of_states && highstate::is_result(value))
                .and_then(|value| highstate::shared(&heading(shared, group), value, style, states));
            of_states.map_or_else(
                || print(shared, group, style),
                |text| text + &names(group, style),
            )
        })
        .collect()
}

/// The words on a minion without value on one line, and without the time, so that equal ones fold.
fn silence(row: &Row<'_>) -> String {
    let headline = report::headline(row.entry);
    match &row.entry.reason {
        Some(reason) => format!("{headline} {}", report::because(reason)),
        None => headline.to_owned(),
    }
}

fn heading(shared: &Shared, group: &Group<'_>) -> String {
    let mut heading = count(group.ids.len() as u64, "minion");
    if let (OutcomeKind::Failed, Some(retcode)) = (shared.kind, shared.retcode) {
        heading.push_str(&format!(", failed with {retcode}"));
    }
    heading
}

fn names(group: &Group<'_>, style: Style) -> String {
    format!("    {}\n", style.paint(Tone::Name, &listed(&group.ids)))
}

fn print(shared: &Shared, group: &Group<'_>, style: Style) -> String {
    let is_bad = shared.kind != OutcomeKind::Ok;
    let heading = heading(shared, group);
    let text = match group.value {
        Some(value) => nested::one_line(value),
        None => Some(shared.said.clone()),
    };
    let mut out = style.paint(Tone::Heading, &heading);
    match &text {
        Some(text) if text.is_empty() => out.push_str(": (empty)\n"),
        Some(text) => {
            let tone = if is_bad { Tone::Bad } else { Tone::Text };
            out.push_str(&format!(": {}\n", style.paint(tone, text)));
        }
        None => out.push_str(":\n"),
    }
    out.push_str(&names(group, style));
    if let (None, Some(value)) = (text, group.value) {
        out.push_str(&nested::value(value, 8, is_bad, style));
    }
    out
}

/// The first ids, and how many more there are.
pub(crate) fn listed<S: AsRef<str>>(ids: &[S]) -> String {
    let shown: Vec<_> = ids
        .iter()
        .take(LISTED_IDS_MAX)
        .map(|id| escape(id.as_ref()))
        .collect();
    let mut out = shown.join(", ");
    if ids.len() > LISTED_IDS_MAX {
        out.push_str(&format!(
            " and {} more",
            grouped((ids.len() - LISTED_IDS_MAX) as u64)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use wire::ReasonCode;

    #[test]
    fn folds_equal_results() {
        let mut minions: Vec<_> = (1..=1_203)
            .map(|n| sample::returned(&format!("web{n:04}"), OutcomeKind::Ok, n % 2))
            .collect();
        minions.push(sample::returned("x1", OutcomeKind::Failed, 0));
        minions.push(sample::returned("x2", OutcomeKind::Ok, 2));
        minions.push(sample::returned("x3", OutcomeKind::Ok, 3));
        for id in ["y1", "y2"] {
            let mut row = sample::silent(
                id,
                OutcomeKind::Unreachable,
                Some((ReasonCode::MinionDown, "down")),
            );
            row.reason
                .iter_mut()
                .for_each(|reason| reason.since += minions.len() as u64);
            minions.push(row);
        }
        // The same value under two numbers is still the same value.
        let ledger = sample::account(minions, &["true", "true ", r#"{"a": 1}"#, r#""""#]);
        let expected = "\
1,203 minions: True
    web0001, web0002, web0003, web0004, web0005, web0006, web0007, web0008, web0009, web0010 and 1,193 more
2 minions: Minion did not return. [Not connected] down
    y1, y2
1 minion, failed with 1: True
    x1
1 minion:
    x2
        ----------
        a:
            1
1 minion: (empty)
    x3
";
        assert_eq!(
            groups(&Report::new(&ledger), Style::PLAIN, &States::default()),
            expected
        );
    }
}
