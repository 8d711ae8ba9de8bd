//! `cargo xtask compare-host`: what real Salt and our minion change when they apply the same states to two copies of the same Debian
//! root, each with mounts and processes of its own.

mod copy;
mod files;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::Map;

use self::copy::{Copy, Host};
use super::ask::{Ask, Kind};
use super::case::Case;
use super::difference::{self, Compared, Piece};
use super::known;
use super::report::Report;
use crate::workspace::{root, target};

/// The file of known differences.
const KNOWN: &str = include_str!("known.yaml");

/// An SLS of this name below another is applied before it.
const BEFORE: &str = ".before";

/// What is applied of each SLS, one after the other: whether in test mode, and the stage that its pillar names.
const STEPS: [(&str, bool, &str); 6] = [
    ("foretold", true, "first"),
    ("applied", false, "first"),
    ("applied again", false, "first"),
    ("foretold the change", true, "second"),
    ("changed", false, "second"),
    ("changed again", false, "second"),
];

/// Compare what states change on a Debian host with what real Salt's do.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// States of tests/host/salt; all of them otherwise.
    #[arg(value_name = "SLS")]
    sls: Vec<String>,
    /// A Python environment with Salt; nothing is compared without one.
    #[arg(long, value_name = "DIR", env = "SALT_VENV")]
    salt_venv: Option<PathBuf>,
    /// The minion; that of the dev profile otherwise.
    #[arg(long, value_name = "FILE")]
    minion: Option<PathBuf>,
    /// Where all differences go, known ones too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Compares, prints what differs, and says whether all of it is known.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(venv) = &arguments.salt_venv else {
        println!("Skipped: no Salt to compare with. {}", super::HOW_TO);
        return Ok(ExitCode::SUCCESS);
    };
    let root = root()?;
    let program = arguments.minion.clone();
    let program = program.unwrap_or_else(|| target(&root).join("debug/minion"));
    let host = match Host::make(&root)? {
        Ok(host) => host,
        Err(reason) => {
            println!("Skipped: no Debian root can be made here: {reason}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let case = Case::read(&root.join("tests/host"))?;
    let all: Vec<String> = case.all_sls().into_iter().map(|(_, sls)| sls).collect();
    let chosen = match arguments.sls.as_slice() {
        [] => all.iter().filter(|sls| !sls.ends_with(BEFORE)).collect(),
        chosen => chosen.iter().collect::<Vec<_>>(),
    };
    // What an overlay is written to lies beside what it is over.
    let work = target(&root).join(format!("host/compare-{}", std::process::id()));
    let known = known::read(KNOWN)?;
    let mut report = Report::default();
    for sls in chosen {
        let began = Instant::now();
        let before = format!("{sls}{BEFORE}");
        let before = all.contains(&before).then_some(before);
        let here = work.join(sls);
        let sides = Sides {
            salt: Copy::of_salt(&host, &case, venv, &here.join("salt"))?,
            ours: Copy::of_ours(&host, &case, &program, &here.join("ours"))?,
        };
        match sides.compare(sls, before.as_deref()) {
            Ok(pieces) => report.add(sls, pieces, &known),
            Err(error) => report.add_broken(sls, &error),
        }
        eprintln!("{sls}: {:.0} s", began.elapsed().as_secs_f64());
    }
    report.conclude(arguments.json.as_deref(), &work, "what each side changed")
}

/// The two copies of the root.
struct Sides<'a> {
    salt: Copy<'a>,
    ours: Copy<'a>,
}

impl Sides<'_> {
    /// Goes through all steps of an SLS.
    fn compare(&self, sls: &str, before: Option<&str>) -> anyhow::Result<Vec<Compared>> {
        if let Some(before) = before {
            let ask = ask(before, "", false, STEPS[0].2);
            self.salt.call(&ask)?;
            self.ours.call(&ask)?;
        }
        let mut compared = Vec::new();
        for (step, is_test, stage) in STEPS {
            let ask = ask(sls, step, is_test, stage);
            let (salt, ours) = (self.salt.call(&ask)?, self.ours.call(&ask)?);
            compared.extend(difference::compare(&ask, &salt.answer, &ours.answer));
            compared.push(Compared {
                piece: Piece::ExitCode,
                place: ask.about.clone(),
                differences: difference::leaves(Some(&salt.code.into()), Some(&ours.code.into())),
            });
            compared.extend(self.files(&ask.about)?);
        }
        Ok(compared)
    }

    /// The files that either side has changed.
    fn files(&self, about: &str) -> anyhow::Result<Vec<Compared>> {
        let (salt, ours) = (self.salt.changed()?, self.ours.changed()?);
        let mut paths: Vec<&String> = salt.keys().chain(ours.keys()).collect();
        paths.retain(|path| !self.salt.shows(path) && !self.ours.shows(path));
        paths.sort();
        paths.dedup();
        let of = |side: &Copy<'_>, changed: &files::Files, path: &str| {
            changed
                .get(path)
                .cloned()
                .unwrap_or_else(|| side.original(path))
        };
        let compared = paths.into_iter().map(|path| {
            let (salt, ours) = (of(&self.salt, &salt, path), of(&self.ours, &ours, path));
            Compared {
                piece: Piece::File,
                place: format!("{about} /{path}"),
                differences: difference::leaves(salt.as_ref(), ours.as_ref()),
            }
        });
        Ok(compared.collect())
    }
}

fn ask(sls: &str, step: &str, is_test: bool, stage: &str) -> Ask {
    let mut kwargs = Map::from_iter([("pillar".to_owned(), serde_json::json!({"stage": stage}))]);
    if is_test {
        kwargs.insert("test".to_owned(), true.into());
    }
    Ask {
        kind: Some(Kind::Apply),
        about: format!("{sls} {step}"),
        fun: "state.apply".to_owned(),
        args: vec![sls.into()],
        kwargs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_differences_can_be_read() {
        assert!(!known::read(KNOWN).unwrap().is_empty());
    }
}
