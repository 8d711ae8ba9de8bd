//! What differs between the answers of two sides, piece by piece.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::Answer;
use super::ask::{Ask, Kind};

/// Most places that are shown of one piece that differs.
const PLACES_MAX: usize = 3;

/// A column of the table: what pieces are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// A name of the pillar.
    Pillar,
    /// An environment of the top files.
    Top,
    /// An id of the highstate.
    High,
    /// A low chunk.
    Low,
    /// The high data of an SLS.
    Sls,
    /// What a run says of a state: its comment, result and changes.
    State,
    /// The order in which states ran.
    Order,
    /// Whether a call fails.
    Failure,
    /// Why it fails, in words.
    Reasons,
    /// What a call ends with.
    ExitCode,
    /// A file that was changed.
    File,
    /// What a command printed, as data.
    Data,
    /// What a command printed, as text.
    Text,
    /// What a command printed on standard error.
    Errors,
}

impl Piece {
    /// As reports and the file of known differences call it.
    pub fn name(self) -> &'static str {
        match self {
            Piece::Pillar => "pillar",
            Piece::Top => "top",
            Piece::High => "highstate",
            Piece::Low => "lowstate",
            Piece::Sls => "sls",
            Piece::State => "state",
            Piece::Order => "order",
            Piece::Failure => "failure",
            Piece::Reasons => "reasons",
            Piece::ExitCode => "exit code",
            Piece::File => "file",
            Piece::Data => "data",
            Piece::Text => "text",
            Piece::Errors => "errors",
        }
    }
}

/// One piece that both sides were compared in.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What it is.
    pub piece: Piece,
    /// The SLS or run, and the id, name or place in it.
    pub place: String,
    /// What differs; nothing when the sides are equal.
    pub differences: Vec<Leaf>,
}

/// A place in two values where they part.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Names and numbers on the way to it, with slashes.
    pub path: String,
    /// Salt's value; none where it has none.
    pub salt: Option<Value>,
    /// Ours.
    pub ours: Option<Value>,
}

/// Compares the answers to a call.
pub fn compare(ask: &Ask, salt: &Answer, ours: &Answer) -> Vec<Compared> {
    let Some(kind) = ask.kind else {
        return Vec::new();
    };
    let about = |piece, differences| Compared {
        piece,
        place: format!("{} {}", ask.fun, ask.about).trim_end().to_owned(),
        differences,
    };
    let whole = |answer: &Answer| Some(answer.json());
    match (salt, ours) {
        (Answer::Failed(theirs), Answer::Failed(reasons)) => {
            let theirs = Value::from(theirs.clone());
            let reasons = Value::from(reasons.clone());
            vec![
                about(Piece::Failure, Vec::new()),
                about(Piece::Reasons, leaves(Some(&theirs), Some(&reasons))),
            ]
        }
        (Answer::Value(theirs), Answer::Value(value)) => {
            let mut compared = vec![about(Piece::Failure, Vec::new())];
            compared.extend(pieces(kind, &ask.about, theirs, value));
            compared
        }
        (salt, ours) => {
            let leaf = Leaf {
                path: String::new(),
                salt: whole(salt),
                ours: whole(ours),
            };
            vec![about(Piece::Failure, vec![leaf])]
        }
    }
}

fn pieces(kind: Kind, about: &str, salt: &Value, ours: &Value) -> Vec<Compared> {
    let by_name = |piece| {
        let pairs = pairs(names(salt), names(ours));
        pairs
            .into_iter()
            .map(|(name, theirs, value)| Compared {
                piece,
                place: name,
                differences: leaves(theirs, value),
            })
            .collect()
    };
    match kind {
        Kind::Pillar => by_name(Piece::Pillar),
        Kind::Top => by_name(Piece::Top),
        Kind::High => by_name(Piece::High),
        Kind::Low => by_name(Piece::Low),
        Kind::Sls => vec![Compared {
            piece: Piece::Sls,
            place: about.to_owned(),
            differences: leaves(Some(salt), Some(ours)),
        }],
        Kind::Apply => records(about, salt, ours),
    }
}

/// The parts of a map or list by name.
fn names(value: &Value) -> BTreeMap<String, &Value> {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            // Zeros keep the order of numbers that are names.
            numbered
                .map(|(place, item)| (format!("{place:05}"), item))
                .collect()
        }
        other => BTreeMap::from([(String::new(), other)]),
    }
}

type Pair<'a> = (String, Option<&'a Value>, Option<&'a Value>);

fn pairs<'a>(
    salt: BTreeMap<String, &'a Value>,
    ours: BTreeMap<String, &'a Value>,
) -> Vec<Pair<'a>> {
    let mut pairs: BTreeMap<String, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (name, value) in salt {
        pairs.entry(name).or_default().0 = Some(value);
    }
    for (name, value) in ours {
        pairs.entry(name).or_default().1 = Some(value);
    }
    pairs
        .into_iter()
        .map(|(name, (salt, ours))| (name, salt, ours))
        .collect()
}

/// What is compared of the record of a state.
pub const COLUMNS: [&str; 3] = ["comment", "result", "changes"];

/// The records of a run, and their order.
fn records(about: &str, salt: &Value, ours: &Value) -> Vec<Compared> {
    let pairs = pairs(names(salt), names(ours));
    let states = pairs.into_iter().map(|(tag, theirs, value)| {
        let differences = COLUMNS.iter().flat_map(|name| {
            let column =
                |record: Option<&Value>| record.and_then(|record| record.get(*name)).cloned();
            let mut found = Vec::new();
            let (theirs, value) = (column(theirs), column(value));
            part(
                &format!("/{name}"),
                theirs.as_ref(),
                value.as_ref(),
                &mut found,
            );
            found
        });
        Compared {
            piece: Piece::State,
            place: format!("{about} {tag}"),
            differences: differences.collect(),
        }
    });
    let mut compared: Vec<Compared> = states.collect();
    let (theirs, order) = (order(salt), order(ours));
    compared.push(Compared {
        piece: Piece::Order,
        place: about.to_owned(),
        differences: leaves(Some(&theirs), Some(&order)),
    });
    compared
}

fn order(records: &Value) -> Value {
    let empty = Map::new();
    let records = records.as_object().unwrap_or(&empty);
    let mut tags: Vec<(u64, &String)> = records
        .iter()
        .filter_map(|(tag, record)| Some((record.get("__run_num__")?.as_u64()?, tag)))
        .collect();
    tags.sort();
    tags.into_iter().map(|(_, tag)| tag.clone()).collect()
}

/// The first places where two values part; none when they are equal.
pub fn leaves(salt: Option<&Value>, ours: Option<&Value>) -> Vec<Leaf> {
    let mut found = Vec::new();
    part("", salt, ours, &mut found);
    found
}

fn part(path: &str, salt: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Leaf>) {
    if salt == ours || found.len() >= PLACES_MAX {
        return;
    }
    match (salt, ours) {
        (Some(theirs @ Value::Object(_)), Some(value @ Value::Object(_)))
        | (Some(theirs @ Value::Array(_)), Some(value @ Value::Array(_))) => {
            for (name, theirs, value) in pairs(names(theirs), names(value)) {
                part(&format!("{path}/{name}"), theirs, value, found);
            }
        }
        _ => found.push(Leaf {
            path: path.to_owned(),
            salt: salt.cloned(),
            ours: ours.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(kind: Kind) -> Ask {
        Ask {
            kind: Some(kind),
            about: "web".to_owned(),
            fun: "f".to_owned(),
            args: Vec::new(),
            kwargs: Map::new(),
        }
    }

    fn told(kind: Kind, salt: Answer, ours: Answer) -> Vec<String> {
        let compared = compare(&ask(kind), &salt, &ours);
        let differing = compared.iter().filter(|one| !one.differences.is_empty());
        differing
            .map(|one| {
                let leaf = &one.differences[0];
                let shown = |value: &Option<Value>| value.clone().unwrap_or(json!("-"));
                let (salt, ours) = (shown(&leaf.salt), shown(&leaf.ours));
                format!(
                    "{}|{}|{}|{salt}|{ours}",
                    one.piece.name(),
                    one.place,
                    leaf.path
                )
            })
            .collect()
    }

    #[test]
    fn maps_are_compared_by_name_whatever_their_order() {
        let salt = json!({"a": {"x": [1, 2]}, "b": 1});
        let ours = json!({"b": 1, "a": {"x": [1, 3]}, "c": 0});
        assert_eq!(
            told(
                Kind::Pillar,
                Answer::Value(salt.clone()),
                Answer::Value(ours)
            ),
            ["pillar|a|/x/00001|2|3", r#"pillar|c||"-"|0"#]
        );
        let reordered = json!({"b": 1, "a": {"x": [1, 2]}});
        assert!(told(Kind::Pillar, Answer::Value(salt), Answer::Value(reordered)).is_empty());
    }

    #[test]
    fn runs_are_compared_by_state_and_order() {
        let record = |comment: &str, number: u32| json!({"result": null, "comment": comment, "changes": {}, "__run_num__": number});
        let salt = json!({"a": record("x", 0), "b": record("y", 1)});
        let ours = json!({"a": record("z", 1), "b": record("y", 0)});
        assert_eq!(
            told(Kind::Apply, Answer::Value(salt), Answer::Value(ours)),
            [
                r#"state|web a|/comment|"x"|"z""#,
                r#"order|web|/00000|"a"|"b""#
            ]
        );
    }

    #[test]
    fn failures_are_one_piece_and_their_reasons_another() {
        let failed = |text: &str| Answer::Failed(vec![text.to_owned()]);
        assert_eq!(
            told(Kind::Sls, failed("a"), failed("b")),
            [r#"reasons|f web|/00000|"a"|"b""#]
        );
        let told = told(Kind::Sls, Answer::Value(json!({})), failed("b"));
        assert_eq!(told, [r#"failure|f web||{"value":{}}|{"failed":["b"]}"#]);
    }
}
