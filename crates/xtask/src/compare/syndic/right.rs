//! What is right, and what of it a side got wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Deserializer, Map, Value};

use super::book::Deeds;

/// How a minion that did not answer stands in a line of text.
const SILENT: &str = "Minion did not return";
/// Most letters that are shown of an answer.
const SHOWN_MAX: usize = 120;

/// What is right; what is not said is not judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Right {
    /// Whose answers are printed, one line each.
    pub answered: Option<BTreeSet<String>>,
    /// How many answer, whoever they are.
    pub answers: Option<usize>,
    /// Who is named as one that did not answer; judged with `answered`.
    pub silent: BTreeSet<String>,
    /// How it ends.
    pub exit: Option<Exit>,
    /// Texts that are printed.
    pub prints: Vec<String>,
    /// Texts that are not printed.
    pub lacks: Vec<String>,
    /// The document, lists in any order.
    pub data: Option<Value>,
    /// Who began it, once each.
    pub ran: Option<BTreeSet<String>>,
    /// Who ended it, once each.
    pub ended: Option<BTreeSet<String>>,
    /// How many work at the same time, at most.
    pub at_once: Option<usize>,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Zero,
    /// A script has to notice.
    NotZero,
}

/// What happened.
#[derive(Debug)]
pub struct Happened<'a> {
    /// The exit code; None when the command did not end.
    pub exit: Option<i32>,
    /// What the command printed, and behind it what a listener printed.
    pub out: &'a str,
    pub err: &'a str,
    pub deeds: &'a Deeds,
}

impl Right {
    /// The same with what words in it stand for.
    pub fn filled(&self, fill: impl Fn(&str) -> String) -> anyhow::Result<Right> {
        let data = self
            .data
            .as_ref()
            .map(|data| serde_json::from_str(&fill(&data.to_string())));
        Ok(Right {
            prints: self.prints.iter().map(|text| fill(text)).collect(),
            lacks: self.lacks.iter().map(|text| fill(text)).collect(),
            data: data.transpose()?,
            ..self.clone()
        })
    }

    /// What is wrong, in words; nothing when all is right.
    pub fn faults(&self, happened: &Happened<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        let (answered, silent) = answers(happened.out);
        if self.answers.is_some_and(|right| right != answered.len()) {
            faults.push(format!("{} answers", answered.len()));
        }
        if let Some(right) = &self.answered {
            fault(&mut faults, "no answer of", right.difference(&answered));
            fault(&mut faults, "an answer of", answered.difference(right));
            fault(
                &mut faults,
                "does not name",
                self.silent.difference(&silent),
            );
            fault(
                &mut faults,
                "names as silent",
                silent.difference(&self.silent),
            );
        }
        faults.extend(self.exit.and_then(|right| right.fault(happened.exit)));
        let prints = |text: &String| happened.out.contains(text) || happened.err.contains(text);
        let missing = self.prints.iter().filter(|text| !prints(text));
        fault(&mut faults, "does not print", missing);
        fault(
            &mut faults,
            "prints",
            self.lacks.iter().filter(|text| prints(text)),
        );
        if let Some(right) = &self.data {
            let data = document(happened.out);
            if data.as_ref() != Some(&without_order(right.clone())) {
                let data = data.map_or_else(|| "no document".to_owned(), |data| shown(&data));
                faults.push(format!("answers {data}"));
            }
        }
        let deeds = happened.deeds;
        for (right, done, verb) in [
            (&self.ran, &deeds.began, "ran it"),
            (&self.ended, &deeds.ended, "ran it to the end"),
        ] {
            if let Some(right) = right {
                faults.extend(counted(right, done, verb));
            }
        }
        if self.at_once.is_some_and(|most| deeds.at_once > most) {
            faults.push(format!("{} at once", deeds.at_once));
        }
        faults
    }
}

impl Exit {
    fn fault(self, exit: Option<i32>) -> Option<String> {
        match (self, exit) {
            (_, None) => Some("does not end".to_owned()),
            (Exit::Zero, Some(0)) => None,
            (Exit::NotZero, Some(code)) if code != 0 => None,
            (_, Some(code)) => Some(format!("ends with {code}")),
        }
    }
}

fn fault<'a>(faults: &mut Vec<String>, what: &str, ids: impl Iterator<Item = &'a String>) {
    let ids: Vec<&str> = ids.map(String::as_str).collect();
    if !ids.is_empty() {
        faults.push(format!("{what} {}", ids.join(", ")));
    }
}

/// Who answered and who is named as silent, by lines `ID: ANSWER`. Of one that is silent another line may say why.
fn answers(out: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let lines = out.lines().filter_map(|line| line.split_once(": "));
    let nodes = lines.filter(|(id, _)| !id.is_empty() && !id.contains([' ', '#']) && *id != "jid");
    let (silent, answered): (Vec<_>, Vec<_>) =
        nodes.partition(|(_, answer)| answer.starts_with(SILENT));
    let ids = |all: Vec<(&str, &str)>| -> BTreeSet<String> {
        all.iter().map(|(id, _)| (*id).to_owned()).collect()
    };
    let silent = ids(silent);
    (&ids(answered) - &silent, silent)
}

/// All documents as one, each of which may have one minion.
fn document(out: &str) -> Option<Value> {
    let documents = Deserializer::from_str(out).into_iter::<Value>();
    let documents: Vec<Value> = documents.collect::<Result<_, _>>().ok()?;
    if let [document] = &documents[..] {
        return Some(without_order(document.clone()));
    }
    let mut all = Map::new();
    for document in documents {
        all.extend(document.as_object()?.clone());
    }
    Some(without_order(Value::Object(all)))
}

fn without_order(value: Value) -> Value {
    match value {
        Value::Array(all) => {
            let mut all: Vec<Value> = all.into_iter().map(without_order).collect();
            all.sort_by_key(Value::to_string);
            all.into()
        }
        Value::Object(all) => {
            let all = all.into_iter();
            all.map(|(name, value)| (name, without_order(value)))
                .collect()
        }
        value => value,
    }
}

/// The beginning of a document.
fn shown(data: &Value) -> String {
    let text = data.to_string();
    let mut short: String = text.chars().take(SHOWN_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn counted(right: &BTreeSet<String>, done: &BTreeMap<String, u32>, verb: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, times) in done {
        if !right.contains(id) {
            faults.push(format!("{id} {verb}"));
        } else if *times > 1 {
            faults.push(format!("{id} {verb} {times} times"));
        }
    }
    let idle = right.iter().filter(|id| !done.contains_key(*id));
    faults.extend(idle.map(|id| format!("{id} never {verb}")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(right: &Right, exit: i32, out: &str, deeds: &Deeds, expected: &[&str]) {
        let happened = Happened {
            exit: Some(exit),
            out,
            err: "",
            deeds,
        };
        assert_eq!(right.faults(&happened), expected);
    }

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn who_answered() {
        let right = Right {
            answered: Some(ids(&["a", "b"])),
            silent: ids(&["c"]),
            exit: Some(Exit::NotZero),
            ..Right::default()
        };
        let none = Deeds::default();
        let all = "a: True\nb: True\nc: Minion did not return. [Not connected]\nc: since noon\n";
        check(&right, 1, all, &none, &[]);
        check(
            &right,
            0,
            "a: True\ns: Minion did not return. [No response]\nx: 1\n",
            &none,
            &[
                "no answer of b",
                "an answer of x",
                "does not name c",
                "names as silent s",
                "ends with 0",
            ],
        );
    }

    #[test]
    fn how_many_answered() {
        let right = Right {
            answers: Some(1),
            ..Right::default()
        };
        let none = Deeds::default();
        check(&right, 0, "a: True\n", &none, &[]);
        check(&right, 0, "a: True\nb: True\n", &none, &["2 answers"]);
    }

    #[test]
    fn what_was_printed() {
        let right = Right {
            prints: vec!["4 of 4".to_owned()],
            lacks: vec!["dead".to_owned()],
            ..Right::default()
        };
        let none = Deeds::default();
        check(&right, 0, "it is 4 of 4", &none, &[]);
        check(
            &right,
            0,
            "dead",
            &none,
            &["does not print 4 of 4", "prints dead"],
        );
        let right = Right {
            data: Some(serde_json::json!({"a": [1, 2], "b": 1})),
            ..Right::default()
        };
        check(&right, 0, "{\"a\": [2, 1]} {\"b\": 1}", &none, &[]);
        check(&right, 0, "{\"a\": []}", &none, &["answers {\"a\":[]}"]);
        check(&right, 0, "ERROR", &none, &["answers no document"]);
    }

    #[test]
    fn what_was_done() {
        let right = Right {
            ran: Some(ids(&["a", "b"])),
            at_once: Some(1),
            ..Right::default()
        };
        let deeds = Deeds {
            began: [("a".to_owned(), 2), ("x".to_owned(), 1)].into(),
            ended: BTreeMap::new(),
            at_once: 2,
        };
        check(
            &right,
            0,
            "",
            &deeds,
            &[
                "a ran it 2 times",
                "x ran it",
                "b never ran it",
                "2 at once",
            ],
        );
    }
}
