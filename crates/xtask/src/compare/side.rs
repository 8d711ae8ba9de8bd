//! Something that answers calls about a tree.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::case::Case;

/// Real Salt, or our minion.
pub trait Side {
    /// Answers calls, in order, as a minion with these grains; its own files go below `work`.
    fn answers(
        &self,
        case: &Case,
        grains: &Map<String, Value>,
        asks: &[Ask],
        work: &Path,
    ) -> anyhow::Result<Vec<Answer>>;
}

/// What the configurations of both sides have in common: who the minion is, and where its roots are.
pub fn common(case: &Case, grains: &Map<String, Value>) -> Map<String, Value> {
    let mut all = grains.clone();
    all.extend(case.grains.clone());
    let mut pillar_roots = case.pillar_roots.clone();
    if pillar_roots.is_empty() {
        // Neither side may read a pillar of this host.
        pillar_roots.insert("base".to_owned(), json!([]));
    }
    Map::from_iter([
        ("id".to_owned(), json!(case.id)),
        ("file_client".to_owned(), json!("local")),
        ("file_roots".to_owned(), json!(case.file_roots)),
        ("pillar_roots".to_owned(), json!(pillar_roots)),
        ("grains".to_owned(), Value::Object(all)),
    ])
}

/// Writes a configuration with the tree's folder in its place. YAML reads JSON.
pub fn write(case: &Case, config: &Map<String, Value>, work: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(work)?;
    let path = work.join("minion");
    let text = serde_json::to_string_pretty(config)?;
    std::fs::write(&path, case.in_place(&text))?;
    Ok(path)
}
