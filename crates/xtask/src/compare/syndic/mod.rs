//! `cargo xtask compare-salt syndic`: real Salt's tree of syndics beside ours, by the same commands, in situations in which it is known
//! outside of both what is right: who is there, who is dead, and what each minion ran by the lines that it wrote.

mod book;
mod nodes;
mod page;
mod right;
mod roots;
mod run;
mod situation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use serde_json::json;

use self::nodes::{Banyan, Nodes, Salts};
use self::page::Row;
use self::run::Account;
use self::situation::{Situation, Tops};
use super::Setting;
use crate::bench::salt::peer;
use crate::bench::salt::plan::Plan;

/// The table.
const SITUATIONS: &str = include_str!("situations.yaml");

/// Who is there.
const PLAN: Plan = Plan {
    syndics: 2,
    minions: 2,
};

/// Compare trees: Salt's syndics with ours.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only situations with one of these texts in their names or commands; all otherwise.
    #[arg(value_name = "TEXT")]
    only: Vec<String>,
    #[command(flatten)]
    setting: Setting,
    /// Write the page of documentation; needs Salt and the whole table.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "only",
        requires = "salt_venv"
    )]
    page: Option<PathBuf>,
}

/// Runs the table, prints what came out, and fails when ours was wrong somewhere.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut situations = situation::read(SITUATIONS)?;
    situations.retain(|situation| situation.has_any(&arguments.only));
    if !run::is_root() {
        ensure!(
            arguments.page.is_none(),
            "the page has rows about other users: be root to write it"
        );
        let all = situations.len();
        situations.retain(|situation| situation.user.is_none());
        let left_out = all - situations.len();
        println!("Left out, since they need root: {left_out} situations of other users.");
    }
    // Short: Salt's sockets lie below it.
    let work = std::env::temp_dir().join(format!("syndic-{}", std::process::id()));
    roots::make(&work)?;
    let kept = || format!("logs are in {}", work.display());
    let programs = arguments.setting.programs()?;
    let mut version = String::new();
    let salt = match &arguments.setting.salt_venv {
        None => {
            println!("Skipped: no Salt to compare with. {}", super::HOW_TO);
            None
        }
        Some(venv) => {
            let salt = peer::Programs::find(venv, &work)?;
            version = salt.version.clone();
            let start = |tops| Salts::start(&salt, &work, tops);
            Some(accounts(&situations, &work, start).with_context(kept)?)
        }
    };
    let start = |tops| Banyan::start(&programs, &work, tops);
    let ours = accounts(&situations, &work, start).with_context(kept)?;
    let rows: Vec<Row<'_>> = situations
        .iter()
        .enumerate()
        .map(|(nth, situation)| Row {
            situation,
            salt: salt.as_ref().map(|accounts| &accounts[nth]),
            ours: &ours[nth],
        })
        .collect();
    println!("{}\n{}", page::table(&rows), page::score(&rows));
    if let Some(path) = &arguments.setting.json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        let document = json!({"salt": version, "situations": rows});
        std::fs::write(path, serde_json::to_string_pretty(&document)?)?;
    }
    if let Some(path) = &arguments.page {
        std::fs::write(path, page::page(&version, &rows))?;
    }
    if ours.iter().any(|account| !account.faults.is_empty()) {
        eprintln!("configurations and logs: {}", work.display());
        return Ok(ExitCode::FAILURE);
    }
    std::fs::remove_dir_all(&work)?;
    Ok(ExitCode::SUCCESS)
}

/// What a side comes to in each situation, in order. A tree is ended before one with another number of tops is started.
fn accounts<N: Nodes>(
    situations: &[Situation],
    work: &Path,
    start: impl Fn(Tops) -> anyhow::Result<N>,
) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for group in situations.chunk_by(|one, next| one.tops == next.tops) {
        let Some(first) = group.first() else {
            continue;
        };
        let mut nodes = start(first.tops)?;
        accounts.extend(run::all(&mut nodes, group, work)?);
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let situations = situation::read(SITUATIONS).unwrap();
        assert!(!situations.is_empty());
        let trees = situations.chunk_by(|one, next| one.tops == next.tops);
        assert!(trees.count() <= 2, "each kind of tree is started once");
    }
}
