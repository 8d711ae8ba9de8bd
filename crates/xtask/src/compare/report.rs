//! What the comparison of all trees came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::difference::{Compared, Piece};
use super::known::{Known, shown};

/// Most letters that are shown of a value.
const VALUE_LETTERS_MAX: usize = 160;

/// Counts of one kind of piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    compared: usize,
    equal: usize,
    known: usize,
}

/// A piece that differs, in a tree.
#[derive(Debug)]
struct Difference {
    tree: String,
    compared: Compared,
    /// Why, when it is known.
    reason: Option<String>,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    counts: BTreeMap<Piece, Counts>,
    differences: Vec<Difference>,
    /// Trees that could not be compared, and why.
    broken: Vec<(String, String)>,
}

impl Report {
    /// Takes in the pieces of a tree.
    pub fn add(&mut self, tree: &str, pieces: Vec<Compared>, known: &[Known]) {
        for compared in pieces {
            let counts = self.counts.entry(compared.piece).or_default();
            counts.compared += 1;
            if compared.differences.is_empty() {
                counts.equal += 1;
                continue;
            }
            let reason = known.iter().find(|known| known.is(tree, &compared));
            counts.known += usize::from(reason.is_some());
            self.differences.push(Difference {
                tree: tree.to_owned(),
                compared,
                reason: reason.map(|known| known.reason.clone()),
            });
        }
    }

    /// Takes in a tree that could not be compared.
    pub fn add_broken(&mut self, tree: &str, error: &anyhow::Error) {
        self.broken.push((tree.to_owned(), format!("{error:#}")));
    }

    /// Whether everything is equal or known.
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.differences.iter().all(|one| one.reason.is_some())
    }

    /// For people: what differs and is not known, each once, then the table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (lines, places) in self.grouped() {
            let more = places.len() - 1;
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let _ = writeln!(text, "{}{more}\n{lines}", places[0]);
        }
        for (tree, error) in &self.broken {
            let _ = writeln!(text, "{tree}: not compared: {error}");
        }
        text.push_str("| compared | pieces | equal | share | known | differ |\n| --- | --- | --- | --- | --- | --- |\n");
        for (piece, counts) in &self.counts {
            let share = counts.equal as f64 * 100.0 / counts.compared as f64;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {share:.1} % | {} | {} |",
                piece.name(),
                counts.compared,
                counts.equal,
                counts.known,
                counts.compared - counts.equal - counts.known
            );
        }
        let reasons = self.reasons();
        if !reasons.is_empty() {
            text.push_str("\n| known differences | pieces | trees |\n| --- | --- | --- |\n");
        }
        for (reason, (pieces, trees)) in reasons {
            let _ = writeln!(text, "| {reason} | {pieces} | {} |", trees.len());
        }
        text
    }

    fn reasons(&self) -> BTreeMap<&str, (usize, BTreeSet<&str>)> {
        let mut reasons: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
        for one in &self.differences {
            if let Some(reason) = &one.reason {
                let row = reasons.entry(reason).or_default();
                row.0 += 1;
                row.1.insert(&one.tree);
            }
        }
        reasons
    }

    /// The places of each difference that is not known: equal ones are one.
    fn grouped(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: BTreeMap<(Piece, String), Vec<String>> = BTreeMap::new();
        for one in self.differences.iter().filter(|one| one.reason.is_none()) {
            let compared = &one.compared;
            let mut lines = String::new();
            for leaf in &compared.differences {
                let (salt, ours) = (short(leaf.salt.as_ref()), short(leaf.ours.as_ref()));
                let _ = writeln!(lines, "  {}\n    salt {salt}\n    ours {ours}", leaf.path);
            }
            let place = format!("{} {}: {}", one.tree, compared.piece.name(), compared.place);
            groups
                .entry((compared.piece, lines))
                .or_default()
                .push(place);
        }
        groups
            .into_iter()
            .map(|((_, lines), places)| (lines, places))
            .collect()
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let counts = self.counts.iter().map(|(piece, counts)| {
            let row =
                json!({"compared": counts.compared, "equal": counts.equal, "known": counts.known});
            (piece.name().to_owned(), row)
        });
        let differences = self.differences.iter().map(|one| {
            let leaves = one.compared.differences.iter();
            json!({
                "tree": one.tree,
                "piece": one.compared.piece.name(),
                "place": one.compared.place,
                "reason": one.reason,
                "differences": leaves
                    .map(|leaf| json!({"path": leaf.path, "salt": leaf.salt, "ours": leaf.ours}))
                    .collect::<Vec<_>>(),
            })
        });
        let broken = self.broken.iter();
        json!({
            "counts": counts.collect::<serde_json::Map<_, _>>(),
            "differences": differences.collect::<Vec<_>>(),
            "broken": broken.map(|(tree, error)| json!({"tree": tree, "error": error})).collect::<Vec<_>>(),
        })
    }
}

/// A value in one line that is not long.
fn short(value: Option<&Value>) -> String {
    let text = shown(value).replace('\n', "\\n");
    match text.char_indices().nth(VALUE_LETTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::difference::Leaf;
    use super::super::known;
    use super::*;

    fn compared(place: &str, ours: Option<&str>) -> Compared {
        let leaf = ours.map(|ours| Leaf {
            path: "/x".to_owned(),
            salt: Some(json!("theirs")),
            ours: Some(json!(ours)),
        });
        Compared {
            piece: Piece::Pillar,
            place: place.to_owned(),
            differences: leaf.into_iter().collect(),
        }
    }

    #[test]
    fn equal_differences_are_told_once() {
        let mut report = Report::default();
        let known = known::read("- {ours: mine, reason: it is on purpose}").unwrap();
        report.add(
            "t",
            vec![
                compared("a", None),
                compared("b", Some("mine")),
                compared("c", Some("other")),
                compared("d", Some("other")),
            ],
            &known,
        );
        assert!(!report.is_clean());
        let text = report.text();
        assert!(
            text.starts_with("t pillar: c and 1 more\n  /x\n    salt theirs\n    ours other\n"),
            "{text}"
        );
        assert!(
            text.contains("| pillar | 4 | 1 | 25.0 % | 1 | 2 |"),
            "{text}"
        );
        assert!(text.contains("| it is on purpose | 1 | 1 |"), "{text}");
        assert_eq!(
            report.json()["differences"][0]["reason"],
            "it is on purpose"
        );
    }

    #[test]
    fn what_is_known_is_clean() {
        let mut report = Report::default();
        let known = known::read("- {ours: mine, reason: it is on purpose}").unwrap();
        report.add("t", vec![compared("b", Some("mine"))], &known);
        assert!(report.is_clean());
        report.add_broken("u", &anyhow::anyhow!("no folder"));
        assert!(!report.is_clean());
    }
}
