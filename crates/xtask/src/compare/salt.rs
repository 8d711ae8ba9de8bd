//! Real Salt, driven by a program in its own language.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::case::Case;
use super::side::{self, Side};

/// Answers calls in one process.
const DRIVER: &str = include_str!("driver.py");

/// Grains of the process and the moment, not of the host.
const VOLATILE: &[&str] = &["id", "master", "pid", "cwd", "uptime", "zmqversion"];

/// An installation of Salt.
pub struct Salt {
    python: PathBuf,
    driver: PathBuf,
}

impl Salt {
    /// That of a virtual environment; the driver is written below `work`.
    pub fn find(venv: &Path, work: &Path) -> anyhow::Result<Salt> {
        std::fs::create_dir_all(work)?;
        let driver = work.join("driver.py");
        std::fs::write(&driver, DRIVER)?;
        Ok(Salt {
            python: std::path::absolute(venv)?.join("bin/python"),
            driver,
        })
    }

    /// The grains of this host, as Salt finds them.
    pub fn grains(&self, work: &Path) -> anyhow::Result<Map<String, Value>> {
        let config = work.join("minion");
        let root = json!({"id": "minion", "file_client": "local", "root_dir": work, "enable_fqdns_grains": false});
        std::fs::create_dir_all(work)?;
        std::fs::write(&config, serde_json::to_string(&root)?)?;
        let answers = self.drive(
            &config,
            &[json!({"fun": "grains.items", "args": [], "kwargs": {}})],
            work,
        )?;
        let answer: Value = serde_json::from_str(answers.first().context("no answer")?)?;
        let Some(grains) = answer["value"].as_object() else {
            anyhow::bail!("grains.items answered {answer}");
        };
        let mut grains = grains.clone();
        grains.retain(|name, _| !VOLATILE.contains(&name.as_str()));
        Ok(grains)
    }

    /// The answers of the driver, as lines.
    fn drive(&self, config: &Path, calls: &[Value], work: &Path) -> anyhow::Result<Vec<String>> {
        let (asked, answered) = (work.join("calls.json"), work.join("answers.jsonl"));
        std::fs::write(&asked, serde_json::to_string(calls)?)?;
        let log = std::fs::File::create(work.join("driver.log"))?;
        let status = Command::new(&self.python)
            .arg(&self.driver)
            .args([config, &asked, &answered])
            // Sets and old dictionaries come in the same order each time.
            .env("PYTHONHASHSEED", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .status()
            .with_context(|| self.python.display().to_string())?;
        ensure!(
            status.success(),
            "Salt's driver ended with {status}; see {}",
            work.join("driver.log").display()
        );
        let text = std::fs::read_to_string(&answered)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        ensure!(
            lines.len() == calls.len(),
            "{} answers to {} calls",
            lines.len(),
            calls.len()
        );
        Ok(lines)
    }
}

impl Side for Salt {
    fn answers(
        &self,
        case: &Case,
        grains: &Map<String, Value>,
        asks: &[Ask],
        work: &Path,
    ) -> anyhow::Result<Vec<Answer>> {
        let mut config = side::common(case, grains);
        config.extend([
            ("root_dir".to_owned(), json!(work)),
            ("fileserver_backend".to_owned(), json!(["roots"])),
            ("enable_fqdns_grains".to_owned(), json!(false)),
            ("log_level".to_owned(), json!("critical")),
        ]);
        config.extend(case.options.clone());
        let path = side::write(case, &config, work)?;
        let calls: Vec<Value> = asks.iter().map(Ask::json).collect();
        let lines = self.drive(&path, &calls, work)?;
        let answers = asks.iter().zip(&lines);
        answers
            .map(|(ask, line)| read(&ask.fun, line, work))
            .collect()
    }
}

fn read(fun: &str, line: &str, root: &Path) -> anyhow::Result<Answer> {
    let said: Value = serde_json::from_str(line)?;
    match said.get("value") {
        Some(value) => Answer::read(fun, &value.to_string(), root),
        None => Ok(Answer::Failed(vec![
            said["error"].as_str().unwrap_or_default().to_owned(),
        ])),
    }
}
