//! What the comparison of all trees came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::difference::{COLUMNS, Compared, Piece};
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

/// Words of a state that does not run for those that it requires.
const REQUISITES_FAILED: &str = "One or more requisite failed: ";

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    counts: BTreeMap<Piece, Counts>,
    /// States whose columns are equal, in the order of [`COLUMNS`].
    columns: [usize; COLUMNS.len()],
    differences: Vec<Difference>,
    /// Trees that could not be compared, and why.
    broken: Vec<(String, String)>,
}

impl Report {
    /// Takes in the pieces of a tree.
    pub fn add(&mut self, tree: &str, pieces: Vec<Compared>, known: &[Known]) {
        let mut differences = Vec::new();
        for compared in pieces {
            let counts = self.counts.entry(compared.piece).or_default();
            counts.compared += 1;
            if compared.piece == Piece::State {
                for (column, equal) in COLUMNS.iter().zip(&mut self.columns) {
                    let path = format!("/{column}");
                    let differs = compared
                        .differences
                        .iter()
                        .any(|leaf| leaf.path.starts_with(&path));
                    *equal += usize::from(!differs);
                }
            }
            if compared.differences.is_empty() {
                counts.equal += 1;
                continue;
            }
            let reason = known.iter().find(|known| known.is(tree, &compared));
            differences.push(Difference {
                tree: tree.to_owned(),
                compared,
                reason: reason.map(|known| known.reason.clone()),
            });
        }
        explain_by_others(&mut differences);
        for one in differences.iter().filter(|one| one.reason.is_some()) {
            self.counts.entry(one.compared.piece).or_default().known += 1;
        }
        self.differences.extend(differences);
    }

    /// Takes in a tree that could not be compared.
    pub fn add_broken(&mut self, tree: &str, error: &anyhow::Error) {
        self.broken.push((tree.to_owned(), format!("{error:#}")));
    }

    /// Whether everything is equal or known.
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.differences.iter().all(|one| one.reason.is_some())
    }

    /// Prints the report, writes it where `json` says, and removes `work` when nothing differs that is not known. `kept` are words for what is in it.
    ///
    /// # Errors
    /// When the file cannot be written, or the folder not removed.
    pub fn conclude(
        &self,
        json: Option<&Path>,
        work: &Path,
        kept: &str,
    ) -> anyhow::Result<ExitCode> {
        print!("{}", self.text());
        if let Some(path) = json {
            std::fs::write(path, serde_json::to_string_pretty(&self.json())?)?;
        }
        if self.is_clean() {
            std::fs::remove_dir_all(work)?;
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("{kept}: {}", work.display());
        Ok(ExitCode::FAILURE)
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
        let states = self
            .counts
            .get(&Piece::State)
            .map_or(0, |counts| counts.compared);
        for (column, equal) in COLUMNS.iter().zip(self.columns).filter(|_| states > 0) {
            let share = equal as f64 * 100.0 / states as f64;
            let _ = writeln!(
                text,
                "| {column} of a state | {states} | {equal} | {share:.1} % | | |"
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
        let columns = COLUMNS.iter().zip(self.columns);
        let columns = columns.map(|(name, equal)| ((*name).to_owned(), json!(equal)));
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
            "equal_columns_of_states": columns.collect::<serde_json::Map<_, _>>(),
            "differences": differences.collect::<Vec<_>>(),
            "broken": broken.map(|(tree, error)| json!({"tree": tree, "error": error})).collect::<Vec<_>>(),
        })
    }
}

/// A state that does not run for others, all of which differ for known reasons, differs for the same.
fn explain_by_others(differences: &mut [Difference]) {
    loop {
        let explained: BTreeMap<String, String> = differences
            .iter()
            .filter_map(|one| Some((id(&one.compared.place)?, one.reason.clone()?)))
            .collect();
        let mut is_news = false;
        for one in differences.iter_mut().filter(|one| one.reason.is_none()) {
            let leaves = one.compared.differences.iter();
            let said = leaves
                .filter(|leaf| leaf.path == "/comment")
                .find_map(|leaf| {
                    leaf.ours
                        .as_ref()?
                        .as_str()?
                        .strip_prefix(REQUISITES_FAILED)
                });
            // The comment has the SLS and the id of each.
            let reason = said.map(|said| {
                let others = said.split(", ").map(|other| {
                    let ids = other
                        .match_indices('.')
                        .map(|(place, _)| &other[place + 1..]);
                    ids.filter_map(|id| explained.get(id)).next()
                });
                others.collect::<Option<Vec<&String>>>()
            });
            if let Some(reason) = reason
                .flatten()
                .and_then(|reasons| reasons.first().copied())
            {
                one.reason = Some(reason.clone());
                is_news = true;
            }
        }
        if !is_news {
            return;
        }
    }
}

/// The id in the place of a state, `highstate pkg_|-ID_|-name_|-installed`.
fn id(place: &str) -> Option<String> {
    place.split("_|-").nth(1).map(str::to_owned)
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
    fn what_follows_from_known_differences_is_known() {
        let state = |id: &str, comment: &str| Compared {
            piece: Piece::State,
            place: format!("highstate pkg_|-{id}_|-x_|-installed"),
            differences: vec![Leaf {
                path: "/comment".to_owned(),
                salt: Some(json!("fine")),
                ours: Some(json!(comment)),
            }],
        };
        let known = known::read("- {ours: mine, reason: it is on purpose}").unwrap();
        let mut report = Report::default();
        let pieces = vec![
            state("c", "One or more requisite failed: web.b"),
            state("b", "One or more requisite failed: web.sub.a.1"),
            state("a.1", "mine"),
            state("d", "One or more requisite failed: web.a.1, web.e"),
            state("e", "other"),
        ];
        report.add("t", pieces, &known);
        let unknown = report.differences.iter().filter(|one| one.reason.is_none());
        let ids: Vec<_> = unknown.filter_map(|one| id(&one.compared.place)).collect();
        assert_eq!(ids, ["d", "e"]);
        assert!(
            report
                .text()
                .contains("| comment of a state | 5 | 0 | 0.0 % | | |")
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
