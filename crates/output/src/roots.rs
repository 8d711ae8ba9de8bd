//! Which commit each hub serves.

use wire::Presence;
use wire::control::RootsRow;

use crate::escape::escape;
use crate::table::{Align, table};
use crate::time::iso;
use crate::tree::{presence_word, site_name};

/// Hubs with what they serve, since when, when their remote last answered, and what is wrong.
pub fn roots(rows: &[RootsRow]) -> String {
    let when = |instant| {
        if instant == 0 {
            "never".to_owned()
        } else {
            iso(instant)
        }
    };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let report = &row.report;
            let (commit, since) = if report.commit.is_empty() {
                ("none".to_owned(), String::new())
            } else {
                (escape(&report.commit).into_owned(), when(report.since))
            };
            let mut trouble = Vec::new();
            if row.presence != Presence::Up {
                trouble.push(format!("{}, as of then", presence_word(row.presence)));
            }
            trouble.extend(
                report
                    .error
                    .as_deref()
                    .map(|error| escape(error.trim()).into_owned()),
            );
            vec![
                site_name(&row.path),
                escape(&row.id).into_owned(),
                commit,
                since,
                when(report.checked),
                trouble.join("; "),
            ]
        })
        .collect();
    let left = |name| (name, Align::Left);
    table(
        &["SITE", "HUB", "COMMIT", "SINCE", "CHECKED", "TROUBLE"].map(left),
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::NOW;
    use wire::RootsReport;

    #[test]
    fn shows_what_each_hub_serves() {
        let row = |id: &str, presence, report| RootsRow {
            id: id.to_owned(),
            path: "eu".to_owned(),
            report,
            presence,
        };
        let served = RootsReport {
            commit: "a".repeat(40),
            since: NOW,
            checked: NOW,
            error: Some("no\nroute".to_owned()),
        };
        assert_eq!(
            roots(&[row("eu1", Presence::Up, served), row("eu2", Presence::CutOff, RootsReport::default())]),
            "\
SITE  HUB  COMMIT                                    SINCE                     CHECKED                   TROUBLE
eu    eu1  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  2026-11-22T23:15:56.000Z  2026-11-22T23:15:56.000Z  no\\x0aroute
eu    eu2  none                                                                never                     cut off, as of then
"
        );
    }
}
