//! Salt's answers in a file, so that a second comparison takes seconds.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::table::Line;

/// Writes what came of each command.
pub fn write(path: &Path, lines: &[Line], outcomes: &[Outcome]) -> anyhow::Result<()> {
    let rows = lines.iter().zip(outcomes);
    let rows: Vec<Value> = rows
        .map(|(line, outcome)| json!({"command": line.text, "outcome": outcome.json()}))
        .collect();
    std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    Ok(())
}

/// Reads what came of these commands; None when there is no such file yet.
///
/// # Errors
/// When it was written for other commands.
pub fn read(path: &Path, lines: &[Line]) -> anyhow::Result<Option<Vec<Outcome>>> {
    if !path.exists() {
        return Ok(None);
    }
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path)?)
        .with_context(|| path.display().to_string())?;
    let commands = rows.iter().map(|row| row["command"].as_str());
    ensure!(
        commands.eq(lines.iter().map(|line| Some(line.text.as_str()))),
        "{} has the answers to other commands: remove it",
        path.display()
    );
    let outcomes = rows.iter().map(|row| Outcome::of_json(&row["outcome"]));
    Ok(Some(outcomes.collect()))
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers");
        let lines = table::read("- salt x f\n- salt-key\n").unwrap();
        assert!(read(&path, &lines).unwrap().is_none());
        let outcome = |exit: i32| {
            Outcome::of_json(&json!({"exit": exit, "out": "a\n", "err": "", "file": "b"}))
        };
        let outcomes = [outcome(0), outcome(2)];
        write(&path, &lines, &outcomes).unwrap();
        assert_eq!(read(&path, &lines).unwrap().unwrap(), outcomes);
        assert!(read(&path, &lines[1..]).is_err());
    }
}
