//! `cargo xtask compare-salt`: what real Salt and our minion make of the same trees of states, on this host, with the same grains.
//!
//! States are applied in test mode alone, so nothing changes; but templates and conditions of a tree run their commands, as they do
//! for anybody who applies it. Run trees of strangers where that does no harm.

mod answer;
mod ask;
mod case;
mod cli;
mod difference;
mod golden;
pub mod host;
mod known;
mod ours;
mod report;
mod salt;
mod side;
mod syndic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Map, Value};

use self::ask::{Kind, asks};
use self::case::Case;
use self::known::Known;
use self::ours::Ours;
use self::report::Report;
use self::salt::Salt;
use self::side::Side;
use crate::workspace::{root, target};

/// The file of known differences.
const KNOWN: &str = include_str!("known.yaml");

/// How to get what is compared with.
const HOW_TO: &str = "Make a Python environment with Salt by\n  \
    python3 -m venv DIR && DIR/bin/pip install salt==3008.3\n\
    and name it with --salt-venv DIR or SALT_VENV=DIR.";

/// What comparisons of commands have in common.
#[derive(Debug, clap::Args)]
struct Setting {
    /// A Python environment with Salt; without one nothing is compared.
    #[arg(long, value_name = "DIR", env = "SALT_VENV")]
    salt_venv: Option<PathBuf>,
    /// Where the programs are; those of the dev profile otherwise.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where everything goes that was seen, known differences too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Setting {
    /// The directory of the programs.
    fn programs(&self) -> anyhow::Result<PathBuf> {
        match &self.programs {
            Some(dir) => Ok(dir.clone()),
            None => Ok(target(&root()?).join("debug")),
        }
    }
}

/// Compare states with real Salt's.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Trees: folders with `salt` and maybe `pillar` and `case.yaml`, or formulas.
    #[arg(required = true, value_name = "TREE")]
    trees: Vec<PathBuf>,
    /// A Python environment with Salt; nothing is compared without one.
    #[arg(long, value_name = "DIR", env = "SALT_VENV")]
    salt_venv: Option<PathBuf>,
    /// The minion; that of the dev profile otherwise.
    #[arg(long, value_name = "FILE")]
    minion: Option<PathBuf>,
    /// Compare only this; may be given several times.
    #[arg(long, value_name = "KIND")]
    only: Vec<Kind>,
    /// Look at no more than so many SLS of each tree alone.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    limit: usize,
    /// Where all differences go, known ones too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep Salt's answers as the golden files of the trees.
    #[arg(long)]
    record: bool,
}

/// What is compared other than states.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Compare Salt's commands with ours by the same names.
    Cli(cli::Arguments),
    /// Compare trees: Salt's syndics with ours, by the same commands.
    Syndic(syndic::Arguments),
}

/// Compares, prints what differs, and says whether all of it is known.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        Some(What::Cli(arguments)) => return cli::run(arguments),
        Some(What::Syndic(arguments)) => return syndic::run(arguments),
        None => {}
    }
    let Some(venv) = &arguments.salt_venv else {
        println!("Skipped: no Salt to compare with. {HOW_TO}");
        return Ok(ExitCode::SUCCESS);
    };
    let root = crate::workspace::root()?;
    let program = arguments.minion.clone();
    let program = program.unwrap_or_else(|| target(&root).join("debug/minion"));
    let ours = Ours::new(&program)?;
    let work = std::env::temp_dir().join(format!("compare-salt-{}", std::process::id()));
    let salt = Salt::find(venv, &work)?;
    let grains = salt.grains(&work.join("grains"))?;
    let comparison = Comparison {
        arguments,
        salt,
        ours,
        grains,
        known: known::read(KNOWN)?,
    };
    let mut report = Report::default();
    for tree in &arguments.trees {
        let began = Instant::now();
        let name = tree.display().to_string();
        match comparison.tree(tree, &work, &mut report) {
            Ok(calls) => eprintln!(
                "{name}: {calls} calls in {:.0} s",
                began.elapsed().as_secs_f64()
            ),
            Err(error) => {
                eprintln!("{name}: {error:#}");
                report.add_broken(&name, &error);
            }
        }
    }
    report.conclude(arguments.json.as_deref(), &work, "configurations and logs")
}

struct Comparison<'a> {
    arguments: &'a Arguments,
    salt: Salt,
    ours: Ours,
    /// Of this host, as Salt finds them; both sides get them as configured ones.
    grains: Map<String, Value>,
    known: Vec<Known>,
}

impl Comparison<'_> {
    /// Compares one tree; answers how many calls that took.
    fn tree(&self, tree: &Path, work: &Path, report: &mut Report) -> anyhow::Result<usize> {
        let case = Case::read(tree)?;
        let kinds = match self.arguments.only.as_slice() {
            [] => &Kind::ALL,
            only => only,
        };
        let asks = asks(&case, kinds, self.arguments.limit);
        let work = work.join(&case.name);
        let answers =
            |side: &dyn Side, name| side.answers(&case, &self.grains, &asks, &work.join(name));
        let salt = answers(&self.salt, "salt")?;
        if self.arguments.record {
            golden::write(&case, &asks, &salt)?;
        }
        let ours = answers(&self.ours, "ours")?;
        let answered = asks.iter().zip(salt.iter().zip(&ours));
        let pieces = answered.flat_map(|(ask, (salt, ours))| difference::compare(ask, salt, ours));
        report.add(&case.name, pieces.collect(), &self.known);
        Ok(asks.len())
    }
}
