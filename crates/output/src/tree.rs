//! The tree: how many minions there are, and where.

use wire::Presence;
use wire::control::{HubRow, MinionCounts, Tree};

use crate::escape::escape;
use crate::number::grouped;
use crate::table::{Align, table};
use crate::time::iso;

/// The tree as a table of sites with a line of totals, and, when the tree has rows for minions, a table of those below.
pub fn tree(tree: &Tree) -> String {
    let mut rows: Vec<Vec<String>> = tree
        .sites
        .iter()
        .map(|site| {
            let hubs: Vec<_> = site.hubs.iter().map(hub).collect();
            let cut = site.cut_since.map(iso).unwrap_or_default();
            row(site_name(&site.path), &site.counts, cut, hubs.join(", "))
        })
        .collect();
    rows.push(row(
        "total".to_owned(),
        &tree.totals,
        String::new(),
        String::new(),
    ));
    let columns = [
        ("SITE", Align::Left),
        ("ACCEPTED", Align::Right),
        ("UP", Align::Right),
        ("DOWN", Align::Right),
        ("CUT OFF", Align::Right),
        ("PENDING", Align::Right),
        ("CUT OFF SINCE", Align::Left),
        ("HUBS", Align::Left),
    ];
    let mut out = table(&columns, &rows);
    if !tree.minions.is_empty() {
        out.push('\n');
        out.push_str(&minions(tree));
    }
    out
}

fn row(site: String, counts: &MinionCounts, cut: String, hubs: String) -> Vec<String> {
    let numbers = [
        counts.accepted,
        counts.up,
        counts.down,
        counts.cut_off,
        counts.pending,
    ];
    std::iter::once(site)
        .chain(numbers.map(grouped))
        .chain([cut, hubs])
        .collect()
}

fn hub(hub: &HubRow) -> String {
    let id = escape(&hub.id);
    match hub.presence {
        Presence::Up => format!("{id} up"),
        presence => format!("{id} {} since {}", presence_word(presence), iso(hub.since)),
    }
}

fn minions(tree: &Tree) -> String {
    let rows: Vec<Vec<String>> = tree
        .minions
        .iter()
        .map(|minion| {
            vec![
                escape(&minion.id).into_owned(),
                site_name(&minion.path),
                escape(&minion.state).into_owned(),
                iso(minion.since),
                escape(&minion.software).into_owned(),
            ]
        })
        .collect();
    let left = |name| (name, Align::Left);
    table(
        &["MINION", "SITE", "STATE", "SINCE", "VERSION"].map(left),
        &rows,
    )
}

/// The word for a presence.
pub(crate) fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Up => "up",
        Presence::Down => "down",
        Presence::CutOff => "cut off",
    }
}

/// A site's path; the top, whose path is empty, has a name that no site can have.
pub(crate) fn site_name(path: &str) -> String {
    if path.is_empty() {
        "(top)".to_owned()
    } else {
        escape(path).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::NOW;
    use wire::control::{MinionRow, SiteRow};

    #[test]
    fn counts_each_site() {
        let hub = |id: &str, presence| HubRow {
            id: id.to_owned(),
            presence,
            since: NOW,
            software: "0.1.0".to_owned(),
        };
        let counts = |up, down, cut_off, pending| MinionCounts {
            accepted: up + down + cut_off,
            up,
            down,
            cut_off,
            pending,
        };
        let site = |path: &str, hubs, counts, cut_since| SiteRow {
            path: path.to_owned(),
            hubs,
            counts,
            cut_since,
        };
        let mut words = Tree {
            id: "top1".to_owned(),
            path: String::new(),
            software: "0.1.0".to_owned(),
            as_of: NOW,
            totals: counts(1_202, 1, 40, 2),
            sites: vec![
                site(
                    "",
                    vec![hub("top1", Presence::Up)],
                    counts(2, 0, 0, 0),
                    None,
                ),
                site(
                    "eu/ams",
                    vec![hub("ams1", Presence::Up), hub("ams2", Presence::Down)],
                    counts(1_200, 1, 0, 2),
                    None,
                ),
                site(
                    "us",
                    vec![hub("us1", Presence::CutOff)],
                    counts(0, 0, 40, 0),
                    Some(NOW),
                ),
            ],
            minions: vec![],
        };
        let sites = "\
SITE    ACCEPTED     UP  DOWN  CUT OFF  PENDING  CUT OFF SINCE             HUBS
(top)          2      2     0        0        0                            top1 up
eu/ams     1,201  1,200     1        0        2                            ams1 up, ams2 down since 2026-11-22T23:15:56.000Z
us            40      0     0       40        0  2026-11-22T23:15:56.000Z  us1 cut off since 2026-11-22T23:15:56.000Z
total      1,243  1,202     1       40        2
";
        assert_eq!(tree(&words), sites);
        words.minions.push(MinionRow {
            id: "web1".to_owned(),
            path: "us".to_owned(),
            state: "cut-off".to_owned(),
            since: NOW,
            software: "0.1.0".to_owned(),
        });
        let minions = "\nMINION  SITE  STATE    SINCE                     VERSION\nweb1    us    cut-off  2026-11-22T23:15:56.000Z  0.1.0\n";
        assert_eq!(tree(&words), format!("{sites}{minions}"));
    }
}
