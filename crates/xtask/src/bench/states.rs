//! States compiled and applied by one minion without a hub, beside real Salt on the same tree.
//!
//! Each figure is a whole process, as an operator starts it: `minion call --local` or `salt-call --local`. What a process takes to start and
//! to answer a ping stands beside them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::Common;
use super::Programs;
use super::figures::{Spread, micros};
use super::process::timed;

/// States of one SLS.
const SLS_STATES: u32 = 20;

/// How to get what is compared with.
const HOW_TO: &str = "Make a Python environment with Salt by\n  \
    python3 -m venv DIR && DIR/bin/pip install salt==3008.3\n\
    and name it with --salt-venv DIR or SALT_VENV=DIR.";

/// Measure states beside real Salt's.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A Python environment with Salt; ours alone is measured without one.
    #[arg(long, value_name = "DIR", env = "SALT_VENV")]
    salt_venv: Option<PathBuf>,
    /// Sizes of the trees, in states.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [20, 200, 2_000], value_parser = clap::value_parser!(u32).range(1..=20_000))]
    states: Vec<u32>,
    /// Rounds of each kind of work.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// A process that starts and answers.
    Ping,
    /// The low chunks of the highstate.
    Compile,
    /// States that do nothing, in a chain of requisites.
    Nothing,
    /// Files that are not there yet.
    NewFiles,
    /// The same files once more.
    SameFiles,
}

impl Work {
    const ALL: [Work; 5] = [
        Work::Ping,
        Work::Compile,
        Work::Nothing,
        Work::NewFiles,
        Work::SameFiles,
    ];

    fn name(self) -> &'static str {
        match self {
            Work::Ping => "`test.ping`",
            Work::Compile => "`state.show_lowstate`",
            Work::Nothing => "`state.apply` of `test.nop`",
            Work::NewFiles => "`state.apply` of `file.managed`, new files",
            Work::SameFiles => "the same again",
        }
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Work::Ping => &["test.ping"],
            Work::Compile => &["state.show_lowstate"],
            Work::Nothing => &["state.apply"],
            Work::NewFiles | Work::SameFiles => &["state.apply", "files"],
        }
    }
}

/// A program that does the work.
struct Side {
    name: &'static str,
    /// The program with the words before a function.
    command: Vec<PathBuf>,
    /// Where it puts files.
    files: PathBuf,
}

impl Side {
    fn command(&self, work: Work) -> Command {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .args(["--out", "json"])
            .args(work.words());
        command
    }

    /// Does the work and looks at the answer: all states have to be there, and to have succeeded.
    fn check(&self, work: Work, states: u32) -> anyhow::Result<()> {
        self.prepare(work)?;
        let mut command = self.command(work);
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("{command:?} answers no JSON; {errors}")
        })?;
        let count = match &answer["local"] {
            Value::Bool(true) => states as usize,
            Value::Array(chunks) => chunks.iter().filter(|chunk| chunk.is_object()).count(),
            Value::Object(records) => {
                let records = records.values();
                records.filter(|record| record["result"] == true).count()
            }
            _ => 0,
        };
        ensure!(
            count == states as usize,
            "{}: {} comes to {count} of {states} states: {answer:.300}",
            self.name,
            work.name()
        );
        Ok(())
    }

    /// New files need a place that is empty.
    fn prepare(&self, work: Work) -> anyhow::Result<()> {
        if work == Work::NewFiles {
            if self.files.exists() {
                std::fs::remove_dir_all(&self.files)?;
            }
            std::fs::create_dir_all(&self.files)?;
        }
        Ok(())
    }
}

/// Walls of one kind of work on one tree, by side.
struct Row {
    states: u32,
    work: Work,
    walls: Vec<Vec<Duration>>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(venv) = &arguments.salt_venv {
        let has_salt = venv.join("bin/salt-call").exists();
        ensure!(
            has_salt,
            "{} has no bin/salt-call. {HOW_TO}",
            venv.display()
        );
    } else {
        eprintln!("Without Salt to compare with. {HOW_TO}");
    }
    arguments.common.measured("states", |programs, work| {
        let (names, rows) = measure(programs, work, arguments)?;
        Ok((text(arguments, &names, &rows), json(&names, &rows)))
    })
}

fn measure(
    programs: &Programs,
    work: &Path,
    arguments: &Arguments,
) -> anyhow::Result<(Vec<&'static str>, Vec<Row>)> {
    let mut rows = Vec::new();
    let mut names = Vec::new();
    for states in &arguments.states {
        let work = std::path::absolute(work)?.join(states.to_string());
        write_tree(&work.join("salt"), *states)?;
        let sides = sides(programs, &work, arguments)?;
        names = sides.iter().map(|side| side.name).collect();
        for one in Work::ALL {
            for side in &sides {
                // This also warms the caches of both.
                side.check(one, *states)?;
            }
            let mut walls = vec![Vec::new(); sides.len()];
            for round in 0..arguments.rounds {
                for place in 0..sides.len() {
                    let place = if round % 2 == 0 {
                        place
                    } else {
                        sides.len() - 1 - place
                    };
                    let side = &sides[place];
                    side.prepare(one)?;
                    walls[place].push(timed(&mut side.command(one))?);
                }
            }
            eprintln!("{states} states, {}: done", one.name());
            rows.push(Row {
                states: *states,
                work: one,
                walls,
            });
        }
    }
    Ok((names, rows))
}

/// The same minion of both programs.
fn sides(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Vec<Side>> {
    let side = |name: &'static str, program: PathBuf, words: &[&str]| -> anyhow::Result<Side> {
        let root = work.join(name);
        let files = root.join("files");
        std::fs::create_dir_all(&files)?;
        let config = root.join("minion");
        let text = json!({
            "id": "minion",
            "root_dir": root,
            "file_client": "local",
            "file_roots": {"base": [work.join("salt")]},
            "pillar_roots": {"base": []},
            "grains": {"bench_files": files},
            "log_level": "error",
        });
        std::fs::write(&config, serde_json::to_string_pretty(&text)?)?;
        let place = if name == "Salt" { root } else { config };
        let mut command = vec![program, PathBuf::from(words[0]), place];
        command.extend(words[1..].iter().map(PathBuf::from));
        Ok(Side {
            name,
            command,
            files,
        })
    };
    let minion = std::path::absolute(&programs.minion)?;
    let mut sides = vec![side("ours", minion, &["--config", "call", "--local"])?];
    if let Some(venv) = &arguments.salt_venv {
        let salt = std::path::absolute(venv)?.join("bin/salt-call");
        sides.push(side("Salt", salt, &["--config-dir", "--local"])?);
    }
    Ok(sides)
}

/// A tree of so many states that do nothing, each of which requires the one before, and as many files.
pub(super) fn write_tree(roots: &Path, states: u32) -> anyhow::Result<()> {
    let parts = states.div_ceil(SLS_STATES);
    for folder in ["nothing", "parts"] {
        std::fs::create_dir_all(roots.join(folder))?;
    }
    let mut top = "base:\n  '*':\n".to_owned();
    let mut files = "include:\n".to_owned();
    for part in 0..parts {
        writeln!(top, "    - nothing.p{part}")?;
        writeln!(files, "  - parts.p{part}")?;
        let mut nothing = String::new();
        if part > 0 {
            writeln!(nothing, "include:\n  - nothing.p{}", part - 1)?;
        }
        let first = part * SLS_STATES;
        let last = (first + SLS_STATES).min(states);
        for number in first..last {
            writeln!(nothing, "nothing {number}:\n  test.nop:")?;
            match number.checked_sub(1) {
                Some(before) => {
                    writeln!(nothing, "    - require:\n      - test: nothing {before}")?
                }
                None => writeln!(nothing, "    - order: 1")?,
            }
        }
        std::fs::write(roots.join(format!("nothing/p{part}.sls")), nothing)?;
        let managed = format!(
            "{{% for number in range({first}, {last}) %}}\n\
             {{{{ grains['bench_files'] }}}}/{{{{ number }}}}:\n  \
             file.managed:\n    - contents: number {{{{ number }}}}\n    - mode: '0640'\n\
             {{% endfor %}}\n"
        );
        std::fs::write(roots.join(format!("parts/p{part}.sls")), managed)?;
    }
    std::fs::write(roots.join("top.sls"), top)?;
    std::fs::write(roots.join("files.sls"), files)?;
    Ok(())
}

fn text(arguments: &Arguments, names: &[&str], rows: &[Row]) -> String {
    let mut text = format!(
        "{} rounds of each; median (least to most), ms of a whole process\n\n| states | work | {} | by ours |\n",
        arguments.rounds,
        names.join(" | ")
    );
    text.push_str("| --- | --- |");
    text.push_str(&" --- |".repeat(names.len() + 1));
    text.push('\n');
    for row in rows {
        let spreads: Vec<Spread> = row.walls.iter().map(|walls| spread(walls)).collect();
        let shown: Vec<String> = spreads.iter().map(|spread| spread.text(0)).collect();
        let ratio = match spreads.as_slice() {
            [ours, salt] => format!("{:.1}", salt.median / ours.median),
            _ => "-".to_owned(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {ratio} |",
            row.states,
            row.work.name(),
            shown.join(" | ")
        );
    }
    text
}

fn spread(walls: &[Duration]) -> Spread {
    Spread::of(walls.iter().map(|wall| wall.as_secs_f64() * 1e3))
}

fn json(names: &[&str], rows: &[Row]) -> Value {
    let rows = rows.iter().map(|row| {
        let sides = names.iter().zip(&row.walls);
        let walls: serde_json::Map<String, Value> = sides
            .map(|(name, walls)| ((*name).to_owned(), json!(micros(walls))))
            .collect();
        json!({"states": row.states, "work": row.work.name(), "walls_us": walls})
    });
    json!({"rows": rows.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_have_so_many_states() {
        let dir = tempfile::tempdir().unwrap();
        write_tree(dir.path(), 45).unwrap();
        let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).unwrap();
        let parts = [0, 1, 2].map(|part| read(&format!("nothing/p{part}.sls")));
        let states = parts.iter().map(|part| part.matches("test.nop").count());
        assert_eq!(states.collect::<Vec<_>>(), [20, 20, 5]);
        assert!(parts[1].starts_with("include:\n  - nothing.p0\n"));
        assert!(
            parts[1]
                .contains("nothing 20:\n  test.nop:\n    - require:\n      - test: nothing 19\n")
        );
        assert!(read("parts/p2.sls").contains("range(40, 45)"));
        assert_eq!(read("top.sls").matches("nothing.p").count(), 3);
    }
}
