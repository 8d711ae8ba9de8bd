//! `cargo xtask compare-salt cli`: Salt's commands beside ours by the same names, over a master each with the same minions, files and
//! pillar.
//!
//! The table of commands is given line by line, first to Salt and then to us, so a command finds what those before it left.

mod answers;
mod hunk;
pub mod nodes;
mod outcome;
mod roots;
pub mod table;
pub mod words;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Context;

use self::nodes::{Ours, Salts};
use self::outcome::Outcome;
use self::table::Line;
use super::Setting;
use super::known::{self, Known};
use super::report::Report;
use crate::bench::salt::side::finish;

/// The table.
const COMMANDS: &str = include_str!("commands.yaml");

/// The file of known differences.
const KNOWN: &str = include_str!("known.yaml");

/// Compare Salt's commands with ours by the same names.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only commands with one of these texts in them; all otherwise.
    #[arg(value_name = "TEXT")]
    only: Vec<String>,
    #[command(flatten)]
    setting: Setting,
    /// Salt's answers: written there by the first run, and read by those after it, which then need no Salt.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

/// A master with its minions, and commands of operators.
trait Side {
    /// What it is called, and where it keeps everything below the work.
    fn name(&self) -> &'static str;

    /// A command by one of Salt's names, ready for its words.
    fn tool(&self, program: &str) -> Command;
}

/// Compares, prints what differs, and says whether all of it is known.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut lines = table::read(COMMANDS)?;
    if arguments.answers.is_none() {
        lines.retain(|line| line.has_any(&arguments.only));
    }
    // Short: Salt's sockets lie below it.
    let work = std::env::temp_dir().join(format!("cli-{}", std::process::id()));
    roots::make(&work)?;
    let kept = || format!("logs are in {}", work.display());
    let Some(theirs) = salts(arguments, &lines, &work).with_context(kept)? else {
        std::fs::remove_dir_all(&work)?;
        println!("Skipped: no Salt to compare with. {}", super::HOW_TO);
        return Ok(ExitCode::SUCCESS);
    };
    let programs = arguments.setting.programs()?;
    let ours = Ours::start(&programs, &work)
        .and_then(|side| outcomes(&side, &lines, &work))
        .with_context(kept)?;
    let known = known::read(KNOWN)?;
    let mut report = Report::default();
    let (mut total, mut equal) = (0, 0);
    let mut idle: Vec<&Known> = known.iter().collect();
    for (line, (theirs, ours)) in lines.iter().zip(theirs.iter().zip(&ours)) {
        if !line.has_any(&arguments.only) {
            continue;
        }
        let pieces = outcome::compare(line, theirs, ours);
        let differing = pieces.iter().filter(|piece| !piece.differences.is_empty());
        total += 1;
        equal += usize::from(differing.clone().next().is_none());
        idle.retain(|known| {
            !differing
                .clone()
                .any(|piece| known.is(&line.program, piece))
        });
        report.add(&line.program, pieces, &known);
    }
    let code = report.conclude(
        arguments.setting.json.as_deref(),
        &work,
        "configurations and logs",
    )?;
    println!("\n{equal} of {total} commands are equal in all that is compared.");
    // Some commands alone need few of them.
    for known in idle.iter().filter(|_| arguments.only.is_empty()) {
        println!("Nothing differs any more for this reason: {}", known.reason);
    }
    Ok(code)
}

/// What Salt makes of each command; None when there is no Salt.
fn salts(
    arguments: &Arguments,
    lines: &[Line],
    work: &Path,
) -> anyhow::Result<Option<Vec<Outcome>>> {
    let file = arguments.answers.as_deref();
    if let Some(file) = file
        && let Some(outcomes) = answers::read(file, lines)?
    {
        return Ok(Some(outcomes));
    }
    let Some(venv) = &arguments.setting.salt_venv else {
        return Ok(None);
    };
    let outcomes = outcomes(&Salts::start(venv, work)?, lines, work)?;
    if let Some(file) = file {
        answers::write(file, lines, &outcomes)?;
    }
    Ok(Some(outcomes))
}

/// What a side makes of each command, in order.
fn outcomes(side: &dyn Side, lines: &[Line], work: &Path) -> anyhow::Result<Vec<Outcome>> {
    let began = Instant::now();
    let place = work.join(side.name());
    let scratch = place.join("scratch");
    std::fs::create_dir_all(&scratch)?;
    // The job of the last command that named one.
    let mut jid = String::new();
    let outcomes = lines.iter().map(|line| {
        let fill = |word: &str| {
            word.replace("{scratch}", &scratch.display().to_string())
                .replace("{roots}", &roots::checkout(work).display().to_string())
                .replace("{jid}", &jid)
        };
        let mut command = side.tool(&line.program);
        command.args(line.words.iter().map(|word| fill(word)));
        let ended = finish(command, &line.input, &place.join("command.log"))
            .with_context(|| format!("{}: {}", side.name(), line.text))?;
        let file = line.file.as_deref().map(|file| {
            std::fs::read_to_string(fill(file)).unwrap_or_else(|error| error.to_string())
        });
        if let Some(named) = words::jid(&ended.out) {
            jid = named.to_owned();
        }
        Ok(Outcome::new(ended, file, &place))
    });
    let outcomes = outcomes.collect::<anyhow::Result<_>>()?;
    eprintln!(
        "{}: {} commands in {:.0} s",
        side.name(),
        lines.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_can_be_read() {
        assert!(!table::read(COMMANDS).unwrap().is_empty());
        assert!(!known::read(KNOWN).unwrap().is_empty());
    }
}
