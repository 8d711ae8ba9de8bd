//! The table of commands.

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// Programs that may be called.
const PROGRAMS: [&str; 5] = ["salt", "salt-key", "salt-run", "salt-cp", "salt-call"];

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As it stands in the table.
    pub text: String,
    /// The program that is called.
    pub program: String,
    /// Its words; `{scratch}`, `{roots}` and `{jid}` in them stand for a folder of the side, that of the files, and the last job.
    pub words: Vec<String>,
    /// What is typed meanwhile.
    pub input: String,
    /// A file that it leaves.
    pub file: Option<String>,
}

/// Reads the table: a list of commands, or of maps with `command` and maybe `input` and `file`.
pub fn read(text: &str) -> anyhow::Result<Vec<Line>> {
    let rows = yaml::parse(text)?;
    let rows = rows.as_array().context("no list of commands")?;
    rows.iter().map(row).collect()
}

fn row(row: &Value) -> anyhow::Result<Line> {
    let (mut command, mut input, mut file) = (row.as_str(), "", None);
    for (name, value) in row.as_object().into_iter().flatten() {
        let text = value.as_str();
        let text = text.with_context(|| format!("{name} of {row}: no text"))?;
        match name.as_str() {
            "command" => command = Some(text),
            "input" => input = text,
            "file" => file = Some(text.to_owned()),
            other => bail!("{other} is no field of a command: {row}"),
        }
    }
    let text = command.with_context(|| format!("{row}: no command"))?;
    Ok(Line {
        input: input.to_owned(),
        file,
        ..line(text)?
    })
}

/// A command as it is typed.
pub fn line(text: &str) -> anyhow::Result<Line> {
    let words = shlex::split(text).with_context(|| format!("{text}: a quote is open"))?;
    let (program, words) = words.split_first().context("an empty command")?;
    ensure!(
        PROGRAMS.contains(&program.as_str()),
        "{program} is none of {PROGRAMS:?}"
    );
    Ok(Line {
        text: text.to_owned(),
        program: program.clone(),
        words: words.to_vec(),
        input: String::new(),
        file: None,
    })
}

impl Line {
    /// Whether one of these texts is in it; without texts it is meant.
    pub fn has_any(&self, texts: &[String]) -> bool {
        texts.is_empty() || texts.iter().any(|text| self.text.contains(text))
    }

    /// Whether it asks for JSON.
    pub fn is_json(&self) -> bool {
        self.words.iter().any(|word| word == "--out=json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let lines =
            read("- salt 'web*' test.ping --out=json\n- {command: salt-key -A, input: \"n\\n\", file: x}\n")
                .unwrap();
        assert_eq!(lines[0].words, ["web*", "test.ping", "--out=json"]);
        assert!(lines[0].is_json() && !lines[1].is_json());
        assert_eq!(
            (lines[1].input.as_str(), lines[1].file.as_deref()),
            ("n\n", Some("x"))
        );
        assert!(lines[1].has_any(&["-A".to_owned()]) && !lines[0].has_any(&["-A".to_owned()]));
        for bad in [
            "- rm -rf x",
            "- salt 'x",
            "- {input: x}",
            "- {command: salt x, colour: red}",
            "- 5",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
