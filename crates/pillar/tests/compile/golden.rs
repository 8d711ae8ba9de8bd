//! Each pillar in `cases.yaml` beside what real Salt made of it. `record.py` made `golden.json`.

use serde_json::Value;

use crate::tree::pillar_of;

const CASES: &str = include_str!("cases.yaml");
const GOLDEN: &str = include_str!("golden.json");

/// Fewest cases, so that a lost part of the file is seen.
const CASES_MIN: usize = 40;

#[test]
fn as_salt() {
    let cases = yaml::parse(CASES).unwrap();
    let cases = cases.as_object().unwrap();
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    assert!(cases.len() >= CASES_MIN);
    let mut differences = Vec::new();
    for (name, case) in cases {
        let pillar = pillar_of(case);
        let (ours, salts) = (Value::Object(pillar.values), &golden[name]);
        if ours != *salts {
            differences.push(format!(
                "{name}\n  ours  {ours}\n  Salt  {salts}\n  {:?}",
                pillar.details
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} differ\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
}
