//! The record: how many instructions each benchmark took when somebody last looked.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::Count;

/// Where the record lies, from the root.
const PATH: &str = "crates/sim/examples/counts/record.json";
/// More than this above the record is a fault. Runs of one build differ by up to 0.1 % (seeds of hash maps); the rest
/// is for what the compiler makes of unchanged code beside changed code.
const TOLERANCE: f64 = 0.03;
/// The same with another compiler than that of the record.
const TOLERANCE_OTHER: f64 = 0.15;

/// Who made the code that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// Its version.
    pub rustc: String,
    /// What it compiles for.
    pub host: String,
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {} on {}", self.rustc, self.host)
    }
}

/// Instructions of record, by benchmark.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub compiler: Compiler,
    instructions: BTreeMap<String, u64>,
}

/// How a benchmark stands to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within the tolerance.
    Same,
    /// Above it.
    More,
    /// Below it.
    Less,
    /// It has no record.
    Unknown,
}

impl Record {
    /// A record of what was counted now.
    pub fn of(compiler: Compiler, counts: &[Count]) -> Record {
        let instructions = counts.iter().map(|c| (c.name.clone(), c.instructions));
        Record {
            compiler,
            instructions: instructions.collect(),
        }
    }

    /// The one in the repository.
    pub fn read(root: &Path) -> anyhow::Result<Record> {
        let text = std::fs::read_to_string(root.join(PATH))
            .with_context(|| format!("can't read {PATH}; cargo xtask counts --record writes it"))?;
        Record::parse(&text).with_context(|| format!("{PATH} is no record"))
    }

    fn parse(text: &str) -> anyhow::Result<Record> {
        let value: Value = serde_json::from_str(text)?;
        let word = |key: &str| {
            let word = value[key].as_str().map(str::to_owned);
            word.with_context(|| format!("no text under {key:?}"))
        };
        let instructions = value["instructions"]
            .as_object()
            .context("no object under \"instructions\"")?
            .iter()
            .map(|(name, number)| {
                let number = number.as_u64();
                Ok((
                    name.clone(),
                    number.with_context(|| format!("no number under {name:?}"))?,
                ))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Record {
            compiler: Compiler {
                rustc: word("rustc")?,
                host: word("host")?,
            },
            instructions,
        })
    }

    /// Replaces the one in the repository.
    pub fn write(&self, root: &Path) -> anyhow::Result<()> {
        std::fs::write(root.join(PATH), self.text()?).with_context(|| format!("can't write {PATH}"))
    }

    fn text(&self) -> anyhow::Result<String> {
        let value = json!({
            "rustc": self.compiler.rustc,
            "host": self.compiler.host,
            "instructions": self.instructions,
        });
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    }

    /// How much a count may differ from its record, as a part of it; None: machines of another kind can't be compared.
    pub fn tolerance(&self, compiler: &Compiler) -> Option<f64> {
        match (
            self.compiler == *compiler,
            self.compiler.host == compiler.host,
        ) {
            (true, _) => Some(TOLERANCE),
            (false, true) => Some(TOLERANCE_OTHER),
            (false, false) => None,
        }
    }

    /// How a count stands to its record.
    pub fn judge(&self, count: &Count, tolerance: f64) -> Verdict {
        match self.ratio(count) {
            None => Verdict::Unknown,
            Some(ratio) if ratio > 1.0 + tolerance => Verdict::More,
            Some(ratio) if ratio < 1.0 - tolerance => Verdict::Less,
            Some(_) => Verdict::Same,
        }
    }

    fn ratio(&self, count: &Count) -> Option<f64> {
        let recorded = self.instructions.get(&count.name)?;
        Some(count.instructions as f64 / *recorded as f64)
    }

    /// Benchmarks that were not counted any more.
    pub fn gone(&self, counts: &[Count]) -> Vec<&str> {
        let is_gone = |name: &&str| !counts.iter().any(|count| count.name == **name);
        self.instructions
            .keys()
            .map(String::as_str)
            .filter(is_gone)
            .collect()
    }

    /// The counts beside the record.
    pub fn table(&self, counts: &[Count]) -> String {
        let mut text = "| benchmark | instructions | of record | ratio | each |\n".to_owned();
        text.push_str("| --- | --- | --- | --- | --- |\n");
        for count in counts {
            let recorded = self.instructions.get(&count.name);
            let recorded = recorded.map_or("-".to_owned(), u64::to_string);
            let ratio = self.ratio(count);
            let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            let _ = writeln!(
                text,
                "| {} | {} | {recorded} | {ratio} | {} a {} |",
                count.name,
                count.instructions,
                count.instructions / count.units.max(1),
                count.unit,
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler(rustc: &str, host: &str) -> Compiler {
        Compiler {
            rustc: rustc.to_owned(),
            host: host.to_owned(),
        }
    }

    fn count(name: &str, instructions: u64) -> Count {
        Count {
            name: name.to_owned(),
            instructions,
            units: 10,
            unit: "frame".to_owned(),
        }
    }

    fn record() -> Record {
        let counts = [count("a", 1_000), count("b", 2_000)];
        Record::of(compiler("1.95.0", "x86_64"), &counts)
    }

    #[test]
    fn counts_are_judged_by_the_record() {
        let check = |name: &str, instructions, tolerance, expected| {
            let verdict = record().judge(&count(name, instructions), tolerance);
            assert_eq!(verdict, expected, "{name} {instructions} {tolerance}");
        };
        check("a", 1_000, 0.03, Verdict::Same);
        check("a", 1_029, 0.03, Verdict::Same);
        check("a", 1_031, 0.03, Verdict::More);
        check("a", 971, 0.03, Verdict::Same);
        check("a", 969, 0.03, Verdict::Less);
        check("a", 1_031, 0.15, Verdict::Same);
        check("b", 1_000, 0.15, Verdict::Less);
        check("c", 1_000, 0.15, Verdict::Unknown);
    }

    #[test]
    fn benchmarks_do_not_vanish_unseen() {
        assert_eq!(record().gone(&[count("b", 1)]), ["a"]);
        assert!(record().gone(&[count("b", 1), count("a", 1)]).is_empty());
    }

    #[test]
    fn another_compiler_is_given_more_room_and_another_machine_no_verdict() {
        let check = |rustc, host, expected| {
            let tolerance = record().tolerance(&compiler(rustc, host));
            assert_eq!(tolerance, expected, "{rustc} {host}");
        };
        check("1.95.0", "x86_64", Some(TOLERANCE));
        check("1.96.0", "x86_64", Some(TOLERANCE_OTHER));
        check("1.95.0", "aarch64", None);
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = record().text().unwrap();
        assert_eq!(Record::parse(&text).unwrap(), record());
        assert!(Record::parse("{}").is_err());
        assert!(
            Record::parse(r#"{"rustc": "1", "host": "a", "instructions": {"a": "b"}}"#).is_err()
        );
    }

    #[test]
    fn the_table_shows_what_one_costs() {
        let table = record().table(&[count("a", 1_500), count("new", 70)]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| a | 1500 | 1000 | 1.500 | 150 a frame |",
                "| new | 70 | - | - | 7 a frame |"
            ]
        );
    }
}
