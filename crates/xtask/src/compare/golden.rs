//! Golden files: what real Salt answered, for tests that run without it.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::case::Case;
use super::ours::Ours;

/// The file beside the roots of a tree.
const GOLDEN: &str = "expected.json";

/// Writes what Salt answered, and the configuration of a minion of ours that answers the same.
///
/// Grains are those of the case alone: trees with golden files look at no others.
pub fn write(case: &Case, asks: &[Ask], answers: &[Answer]) -> anyhow::Result<()> {
    let calls: Vec<Value> = asks
        .iter()
        .zip(answers)
        .map(|(ask, answer)| {
            let mut call = ask.json();
            call["expected"] = answer.json();
            call
        })
        .collect();
    let golden = json!({
        "config": Ours::config(case, &Map::new()),
        "calls": calls,
    });
    let mut text = serde_json::to_string_pretty(&golden)?;
    // Comments may name files of the tree.
    text = text.replace(&case.folder.display().to_string(), super::case::TREE);
    text.push('\n');
    std::fs::write(case.folder.join(GOLDEN), text)?;
    Ok(())
}
