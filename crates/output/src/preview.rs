//! Whom a job would be for.

use std::collections::BTreeMap;

use wire::Stance;
use wire::choice::{Preview, PreviewCounts};

use crate::escape::escape;
use crate::group::listed;
use crate::number::{count, grouped};
use crate::table::{Align, table};
use crate::time::iso;
use crate::tree::{presence_word, site_name};

/// A table of sites with a line of totals, and a table of the minions.
pub fn preview(preview: &Preview) -> String {
    let mut sites: Vec<Vec<String>> = preview
        .sites
        .iter()
        .map(|site| {
            let cut = site.cut_since.map(iso).unwrap_or_default();
            row(site_name(&site.path), &site.counts, cut)
        })
        .collect();
    sites.push(row("total".to_owned(), &preview.counts, String::new()));
    let columns = [
        ("SITE", Align::Left),
        ("MINIONS", Align::Right),
        ("UP", Align::Right),
        ("DOWN", Align::Right),
        ("CUT OFF", Align::Right),
        ("UNDECIDED", Align::Right),
        ("CUT OFF SINCE", Align::Left),
    ];
    let mut out = table(&columns, &sites);
    if !preview.minions.is_empty() {
        let rows: Vec<Vec<String>> = preview
            .minions
            .iter()
            .map(|minion| {
                let state = presence_word(minion.presence);
                let state = match minion.fate.as_ref().map(|fate| fate.stance) {
                    Some(Stance::Refused) => format!("{state}, refused"),
                    Some(Stance::NotAsked) => format!("{state}, not asked"),
                    Some(Stance::NotMeant) => format!("{state}, not meant"),
                    Some(Stance::Let | Stance::Undecided) | None => state.to_owned(),
                };
                let state = match minion.undecided {
                    true => format!("{state}, undecided"),
                    false => state,
                };
                vec![
                    escape(&minion.id).into_owned(),
                    site_name(&minion.path),
                    state,
                    iso(minion.since),
                ]
            })
            .collect();
        let left = |name| (name, Align::Left);
        out.push('\n');
        out.push_str(&table(
            &["MINION", "SITE", "STATE", "SINCE"].map(left),
            &rows,
        ));
    }
    out
}

fn row(site: String, counts: &PreviewCounts, cut: String) -> Vec<String> {
    let numbers = [
        counts.meant,
        counts.up,
        counts.down,
        counts.cut_off,
        counts.undecided,
    ];
    std::iter::once(site)
        .chain(numbers.map(grouped))
        .chain([cut])
        .collect()
}

/// What is to be said beside it.
pub fn preview_notes(preview: &Preview) -> Vec<String> {
    let mut notes = Vec::new();
    let counts = &preview.counts;
    if !preview.unknown.is_empty() {
        notes.push(format!("Nobody has the id {}.", listed(&preview.unknown)));
    }
    if counts.undecided > 0 {
        notes.push(format!(
            "The target can't be decided here for {}, of whom not enough is known here: their own hub decides when the job comes.",
            count(counts.undecided, "minion")
        ));
    }
    notes.extend(fates(preview));
    let would = counts.meant + counts.undecided;
    if let Some(above) = preview.confirm_above.filter(|above| would > *above) {
        notes.push(format!(
            "More than the {} of confirm_above: the job is taken only with --expect {would}, or when the count is typed.",
            grouped(above)
        ));
    }
    notes.push("Nothing was run.".to_owned());
    notes
}

/// What sites would not do, by reason.
fn fates(preview: &Preview) -> Vec<String> {
    let mut reasons: BTreeMap<(Stance, &str), u64> = BTreeMap::new();
    let fates = preview.minions.iter().filter_map(|row| row.fate.as_ref());
    for fate in fates {
        *reasons
            .entry((fate.stance, fate.reason.as_str()))
            .or_default() += 1;
    }
    let words = |((stance, reason), number): ((Stance, &str), u64)| {
        let minions = count(number, "minion");
        let reason = escape(reason);
        match stance {
            Stance::Let | Stance::NotMeant => None,
            Stance::Refused => Some(format!("{minions} would not get it: {reason}.")),
            Stance::Undecided => Some(format!("Nobody can say of {minions}: {reason}.")),
            Stance::NotAsked => Some(format!("Nobody was asked about {minions}: {reason}.")),
        }
    };
    reasons.into_iter().filter_map(words).collect()
}

#[cfg(test)]
mod tests {
    use wire::Presence;
    use wire::choice::{PreviewRow, PreviewSite};

    use super::*;
    use crate::sample::NOW;

    #[test]
    fn names_minions_below_their_sites() {
        let minion = |id: &str, path: &str, presence, undecided| PreviewRow {
            id: id.to_owned(),
            path: path.to_owned(),
            presence,
            since: NOW,
            undecided,
            fate: None,
        };
        let minions = vec![
            minion("top-db", "", Presence::Up, false),
            minion("web1", "eu/ams", Presence::CutOff, false),
            minion("web2", "eu/ams", Presence::CutOff, true),
        ];
        let count = |rows: &[PreviewRow]| {
            let mut counts = PreviewCounts::default();
            rows.iter().for_each(|row| counts.add(row));
            counts
        };
        let words = Preview {
            target: "web*".to_owned(),
            fun: "test.ping".to_owned(),
            as_of: NOW,
            counts: count(&minions),
            confirm_above: Some(2),
            sites: vec![
                PreviewSite {
                    path: String::new(),
                    counts: count(&minions[..1]),
                    cut_since: None,
                },
                PreviewSite {
                    path: "eu/ams".to_owned(),
                    counts: count(&minions[1..]),
                    cut_since: Some(NOW),
                },
            ],
            minions,
            unknown: vec!["a\u{1b}".to_owned()],
        };
        let text = preview(&words);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[1], ["(top)", "1", "1", "0", "0", "0"]);
        assert_eq!(lines[2][..6], ["eu/ams", "1", "0", "0", "1", "1"]);
        assert_eq!(lines[3], ["total", "2", "1", "0", "1", "1"]);
        assert_eq!(lines[7][..4], ["web1", "eu/ams", "cut", "off"]);
        assert_eq!(
            lines[8][..5],
            ["web2", "eu/ams", "cut", "off,", "undecided"]
        );
        let notes = preview_notes(&words).join("\n");
        assert!(!notes.contains('\u{1b}'), "{notes}");
        assert!(notes.contains("--expect 3"), "{notes}");
        assert!(notes.contains("1 minion, of whom"), "{notes}");
        assert!(notes.ends_with("Nothing was run."), "{notes}");
    }
}
