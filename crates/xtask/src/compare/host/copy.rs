//! A copy of the Debian root in which one side applies states. `tests/host.sh` runs what runs there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::ask::Ask;
use super::super::case::Case;
use super::super::ours::word;
use super::super::side;
use super::files::{Files, changed, entry};
use crate::workspace::target;

/// The script's exit code where no such host can be made.
const IMPOSSIBLE: i32 = 69;

/// The root that is copied.
pub struct Host {
    script: PathBuf,
    target: PathBuf,
    root: PathBuf,
}

impl Host {
    /// Makes the root below the target directory, if it is not there yet. The inner error says why there is none.
    pub fn make(workspace: &Path) -> anyhow::Result<Result<Host, String>> {
        let mut host = Host {
            script: workspace.join("tests/host.sh"),
            target: target(workspace),
            root: PathBuf::new(),
        };
        let output = host.command().arg("make").output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(IMPOSSIBLE) {
            return Ok(Err(errors.trim().to_owned()));
        }
        ensure!(output.status.success(), "no Debian root: {errors}");
        host.root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        Ok(Ok(host))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.script);
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// One side's copy.
pub struct Copy<'a> {
    host: &'a Host,
    /// What was changed; the side's configuration is a part of it.
    layer: PathBuf,
    /// What calls a function there; its name and arguments follow.
    caller: Vec<String>,
    /// What the root shows of this machine.
    shown: Vec<PathBuf>,
}

/// What a call said.
pub struct Said {
    /// The records.
    pub answer: Answer,
    /// The exit code.
    pub code: i32,
}

impl<'a> Copy<'a> {
    /// Where Salt of a virtual environment works.
    pub fn of_salt(
        host: &'a Host,
        case: &Case,
        venv: &Path,
        layer: &Path,
    ) -> anyhow::Result<Copy<'a>> {
        let venv = std::path::absolute(venv)?;
        let python = venv.join("bin/python");
        let output = Command::new(&python)
            .args(["-c", "import sys; print(sys.base_prefix)"])
            .output()
            .with_context(|| python.display().to_string())?;
        let base = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let mut config = side::common(case, &case.grains);
        config.extend([
            ("fileserver_backend".to_owned(), json!(["roots"])),
            ("enable_fqdns_grains".to_owned(), json!(false)),
        ]);
        // States write beside it: grains.
        side::write(case, &config, &layer.join("upper/etc/salt"))?;
        let caller = [
            // Sets come in the same order each time.
            "env",
            "PYTHONHASHSEED=0",
            &venv.join("bin/salt-call").display().to_string(),
            "--local",
            "--log-level=quiet",
            "--retcode-passthrough",
            "--out=json",
        ];
        let caller = caller.map(str::to_owned).to_vec();
        Ok(Copy::new(host, case, layer, caller, vec![venv, base]))
    }

    /// Where our minion works.
    pub fn of_ours(
        host: &'a Host,
        case: &Case,
        program: &Path,
        layer: &Path,
    ) -> anyhow::Result<Copy<'a>> {
        let program = std::path::absolute(program)?;
        ensure!(program.exists(), "{} is not built", program.display());
        let config = side::common(case, &case.grains);
        side::write(case, &config, &layer.join("upper/etc/banyan"))?;
        let caller = [
            &program.display().to_string(),
            "--log-level=quiet",
            "call",
            "--local",
            "--retcode-passthrough",
            "--out=json",
        ];
        let caller = caller.map(str::to_owned).to_vec();
        Ok(Copy::new(host, case, layer, caller, vec![program]))
    }

    fn new(
        host: &'a Host,
        case: &Case,
        layer: &Path,
        caller: Vec<String>,
        mut shown: Vec<PathBuf>,
    ) -> Copy<'a> {
        shown.push(case.folder.clone());
        Copy {
            host,
            layer: layer.to_owned(),
            caller,
            shown,
        }
    }

    /// Calls a function.
    pub fn call(&self, ask: &Ask) -> anyhow::Result<Said> {
        let shown: Vec<String> = self
            .shown
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let kwargs = ask.kwargs.iter();
        let output = self
            .host
            .command()
            .env("HOST_BINDS", shown.join(" "))
            .arg("run")
            .arg(&self.layer)
            .args(&self.caller)
            .arg(&ask.fun)
            .args(ask.args.iter().map(word))
            .args(kwargs.map(|(name, value)| format!("{name}={}", word(value))))
            .stdin(Stdio::null())
            .output()?;
        let out = String::from_utf8_lossy(&output.stdout);
        let document: Value = serde_json::from_str(&out).with_context(|| {
            format!(
                "{}: {out}{}",
                ask.about,
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        let mut value = document["local"].clone();
        settle(&mut value);
        Ok(Said {
            answer: Answer::read(&ask.fun, &value.to_string(), &self.layer)?,
            code: output.status.code().unwrap_or(-1),
        })
    }

    /// All that was changed so far.
    pub fn changed(&self) -> anyhow::Result<Files> {
        changed(&self.layer.join("upper"))
    }

    /// Whether a path is there for what this machine lends.
    pub fn shows(&self, path: &str) -> bool {
        let path = Path::new("/").join(path);
        self.shown.iter().any(|shown| shown.starts_with(&path))
    }

    /// A file of the root as it was.
    pub fn original(&self, path: &str) -> Option<Value> {
        entry(&self.host.root.join(path), path)
    }
}

/// Takes out of records what is of the moment: numbers of processes, and the order of blocks that a set gave.
fn settle(records: &mut Value) {
    for record in records
        .as_object_mut()
        .into_iter()
        .flat_map(|records| records.values_mut())
    {
        if let Some(changes) = record.get_mut("changes").and_then(Value::as_object_mut) {
            changes.shift_remove("pid");
        }
        let comment = record.get("comment").and_then(Value::as_str);
        if let Some(rest) = comment.and_then(|comment| comment.strip_prefix("#### ")) {
            let mut blocks: Vec<&str> = rest.split("\n\n#### ").map(str::trim_end).collect();
            blocks.sort_unstable();
            record["comment"] = json!(blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_settled() {
        let mut records = json!({
            "a": {"changes": {"pid": 7, "retcode": 0}, "comment": "x"},
            "b": {"changes": {}, "comment": "#### /z ####\nnew\n\n\n#### /a ####\nnew"},
        });
        settle(&mut records);
        let expected = json!({
            "a": {"changes": {"retcode": 0}, "comment": "x"},
            "b": {"changes": {}, "comment": ["/a ####\nnew", "/z ####\nnew"]},
        });
        assert_eq!(records, expected);
        let mut errors = json!(["no such SLS"]);
        settle(&mut errors);
        assert_eq!(errors, json!(["no such SLS"]));
    }
}
