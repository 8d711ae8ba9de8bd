//! Pillars by chance beside what real Salt made of them. `record_random.py` made both.

use serde_json::Value;

use crate::tree::pillar_of;

const RANDOM: &str = include_str!("random.jsonl");

/// Fewest cases, so that a lost part of the file is seen.
const CASES_MIN: usize = 100;

#[test]
fn as_salt() {
    let mut differences = Vec::new();
    let mut count = 0;
    for line in RANDOM.lines() {
        count += 1;
        let recorded: Value = serde_json::from_str(line).unwrap();
        let (case, salts) = (&recorded["case"], &recorded["pillar"]);
        let ours = pillar_of(case);
        // Where Salt breaks off with an exception, the minion has to hear of an error here.
        let is_same = match salts.get("failed") {
            Some(_) => ours.values.contains_key("_errors"),
            None => Value::Object(ours.values.clone()) == *salts,
        };
        if !is_same {
            let ours = Value::Object(ours.values);
            differences.push(format!("{count}: {case}\n  ours  {ours}\n  Salt  {salts}"));
        }
    }
    assert!(count >= CASES_MIN);
    assert!(
        differences.is_empty(),
        "{} of {count} differ\n{}",
        differences.len(),
        differences.join("\n")
    );
}
