//! What a command came to, and how two of them differ.

use std::path::Path;

use serde_json::{Deserializer, Value, json};

use super::super::answer::without_times;
use super::super::difference::{Compared, Piece, leaves};
use super::hunk::hunks;
use super::table::Line;
use super::words;
use crate::bench::salt::side::Ended;

/// What a command came to, without what is of the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Its exit code; None when it did not end.
    exit: Option<i32>,
    out: String,
    err: String,
    /// The file that it left.
    file: Option<String>,
}

impl Outcome {
    /// Of a side that keeps its own files at `place`, which is below the work.
    pub fn new(ended: Ended, file: Option<String>, place: &Path) -> Outcome {
        Outcome {
            exit: ended.exit,
            out: words::lasting(&ended.out, place),
            err: words::lasting(&ended.err, place),
            file: file.map(|text| words::lasting(&text, place)),
        }
    }

    /// For a file.
    pub fn json(&self) -> Value {
        json!({"exit": self.exit, "out": self.out, "err": self.err, "file": self.file})
    }

    /// Of a file.
    pub fn of_json(value: &Value) -> Outcome {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Outcome {
            exit: value["exit"].as_i64().map(|code| code as i32),
            out: text("out").unwrap_or_default(),
            err: text("err").unwrap_or_default(),
            file: text("file"),
        }
    }

    /// Its output as documents, in no order: each minion may have its own. None when it is none.
    fn documents(&self) -> Option<Value> {
        let documents = Deserializer::from_str(&self.out).into_iter::<Value>();
        let documents = documents.map(|value| value.map(without_times));
        let mut documents: Vec<Value> = documents.collect::<Result<_, _>>().ok()?;
        documents.sort_by_key(Value::to_string);
        Some(documents.into())
    }

    /// Its output as lines.
    fn lines(&self, are_in_order: bool) -> Vec<String> {
        let lines = words::lines(&self.out);
        if are_in_order {
            lines
        } else {
            words::sorted(lines)
        }
    }
}

/// The pieces of a command that are compared: its exit code, its output as data or as text, its errors, and its file.
pub fn compare(line: &Line, salt: &Outcome, ours: &Outcome) -> Vec<Compared> {
    let compared = |piece, differences| Compared {
        piece,
        place: line.text.clone(),
        differences,
    };
    let values = |salt: Value, ours: Value| leaves(Some(&salt), Some(&ours));
    let errors = |outcome: &Outcome| words::unlogged(words::lines(&outcome.err));
    let mut all = vec![
        compared(Piece::ExitCode, values(salt.exit.into(), ours.exit.into())),
        compared(Piece::Errors, hunks(&errors(salt), &errors(ours))),
    ];
    let file = |outcome: &Outcome| outcome.file.as_deref().map(words::lines);
    if let (Some(salt), Some(ours)) = (file(salt), file(ours)) {
        all.push(compared(Piece::File, hunks(&salt, &ours)));
    }
    // Only minions answer in any order.
    let are_in_order = line.program != "salt";
    all.push(match (salt.documents(), ours.documents()) {
        (Some(salt), Some(ours)) if line.is_json() => compared(Piece::Data, values(salt, ours)),
        _ => {
            let differences = hunks(&salt.lines(are_in_order), &ours.lines(are_in_order));
            compared(Piece::Text, differences)
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcome(exit: i32, out: &str, err: &str) -> Outcome {
        let ended = Ended {
            wall: Duration::ZERO,
            exit: Some(exit),
            out: out.to_owned(),
            err: err.to_owned(),
        };
        Outcome::new(ended, None, Path::new("/w/x"))
    }

    fn differing(command: &str, salt: &Outcome, ours: &Outcome) -> Vec<&'static str> {
        let table = format!("- {command}\n");
        let line = &super::super::table::read(&table).unwrap()[0];
        let compared = compare(line, salt, ours);
        let differing = compared.iter().filter(|one| !one.differences.is_empty());
        differing.map(|one| one.piece.name()).collect()
    }

    #[test]
    fn data_are_compared_without_order_and_times() {
        let salt = outcome(
            0,
            r#"{"b": {"x": {"__run_num__": 0, "duration": 1}}} {"a": 1}"#,
            "[WARNING ] old",
        );
        let ours = outcome(
            0,
            r#"{"a": 1}{"b": {"x": {"__run_num__": 0, "duration": 2}}}"#,
            "",
        );
        let command = "salt x f --out=json";
        assert!(differing(command, &salt, &ours).is_empty());
        let ours = outcome(1, r#"{"a": 2}"#, "ERROR");
        assert_eq!(
            differing(command, &salt, &ours),
            ["exit code", "errors", "data"]
        );
        let ours = outcome(0, "no JSON", "");
        assert_eq!(differing(command, &salt, &ours), ["text"]);
    }

    #[test]
    fn text_of_minions_has_no_order() {
        let (salt, ours) = (outcome(0, "a: 1\nb: 2\n", ""), outcome(0, "b: 2\na: 1", ""));
        assert!(differing("salt x f --out=txt", &salt, &ours).is_empty());
        assert_eq!(differing("salt-key -L", &salt, &ours), ["text"]);
    }
}
