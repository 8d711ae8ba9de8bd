//! Our minion, called without a hub.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use daemon::config::Program;
use daemon::config::keys::KEYS;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::case::Case;
use super::side::{self, Side};

/// The built program.
pub struct Ours {
    program: PathBuf,
}

/// What a process said.
struct Said {
    is_success: bool,
    out: String,
    errors: String,
}

impl Ours {
    /// This program.
    pub fn new(program: &Path) -> anyhow::Result<Ours> {
        let program = std::path::absolute(program)?;
        anyhow::ensure!(program.exists(), "{} is not built", program.display());
        Ok(Ours { program })
    }

    /// The configuration of a tree's minion.
    pub fn config(case: &Case, grains: &Map<String, Value>) -> Map<String, Value> {
        let mut config = side::common(case, grains);
        let known = |name: &str| {
            KEYS.iter()
                .any(|key| key.name == name && key.programs.contains(&Program::Minion))
        };
        // What is no key of ours may be looked at by templates.
        let (keys, others): (Map<_, _>, Map<_, _>) = case
            .options
            .clone()
            .into_iter()
            .partition(|(name, _)| known(name));
        config.extend(keys);
        if !others.is_empty() {
            config.insert("opts".to_owned(), Value::Object(others));
        }
        config
    }

    fn call(&self, config: &Path, ask: &Ask, work: &Path) -> anyhow::Result<Said> {
        let mut command = Command::new(&self.program);
        command
            .arg("--root-dir")
            .arg(work)
            .arg("--config")
            .arg(config)
            .args([
                "--log-level",
                "error",
                "call",
                "--local",
                "--out",
                "json",
                &ask.fun,
            ])
            .args(ask.args.iter().map(word))
            .args(
                ask.kwargs
                    .iter()
                    .map(|(name, value)| format!("{name}={}", word(value))),
            )
            .stdin(Stdio::null());
        let output = command
            .output()
            .with_context(|| self.program.display().to_string())?;
        Ok(Said {
            is_success: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// A value as an argument of the command line, where YAML is read.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

impl Side for Ours {
    fn answers(
        &self,
        case: &Case,
        grains: &Map<String, Value>,
        asks: &[Ask],
        work: &Path,
    ) -> anyhow::Result<Vec<Answer>> {
        let path = side::write(case, &Ours::config(case, grains), work)?;
        let answers = asks.iter().map(|ask| {
            let said = self.call(&path, ask, work)?;
            read(&ask.fun, &said, work)
        });
        answers.collect()
    }
}

fn read(fun: &str, said: &Said, root: &Path) -> anyhow::Result<Answer> {
    let Ok(document) = serde_json::from_str::<Value>(&said.out) else {
        return Ok(Answer::Failed(vec![said.errors.trim().to_owned()]));
    };
    let value = document
        .get("local")
        .cloned()
        .unwrap_or_else(|| json!(null));
    match value {
        Value::String(reason) if !said.is_success => Ok(Answer::Failed(vec![reason])),
        value => Answer::read(fun, &value.to_string(), root),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_success: bool, out: &str, expected: &Answer) {
        let said = Said {
            is_success,
            out: out.to_owned(),
            errors: "minion: it is wrong\n".to_owned(),
        };
        assert_eq!(
            &read("state.apply", &said, Path::new("/w")).unwrap(),
            expected
        );
    }

    #[test]
    fn failures_are_told_from_values() {
        let failed = |text: &str| Answer::Failed(vec![text.to_owned()]);
        check(true, r#"{"local": "x"}"#, &Answer::Value(json!("x")));
        check(false, r#"{"local": "x"}"#, &failed("x"));
        check(false, r#"{"local": ["a"]}"#, &failed("a"));
        check(
            false,
            r#"{"local": {"a": 1}}"#,
            &Answer::Value(json!({"a": 1})),
        );
        check(false, "", &failed("minion: it is wrong"));
    }
}
