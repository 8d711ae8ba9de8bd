//! Real Salt's tree beside ours: the same orders to the same number of minions, by the commands of the operators.
//!
//! Three sides run at the same time on this machine, and are asked in turns: our tree, Salt's tree of syndics, and one
//! Salt master with all minions, which is Salt's faster form.

pub mod files;
mod group;
mod meter;
mod ours;
pub mod peer;
pub mod plan;
mod report;
pub mod side;
mod work;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use self::files::Files;
use self::ours::Ours;
use self::peer::{Form, Salt, Settings};
use self::plan::{GLOB, Plan};
use self::report::Report;
use self::side::Side;
use self::work::{Work, outage, round};
use super::{Common, PATIENCE, Programs};

/// How long the sides are watched while nobody orders anything.
const IDLE: Duration = Duration::from_secs(10);

/// How to get what is compared with.
const HOW_TO: &str = "Make a Python environment with Salt by\n  \
    python3 -m venv DIR && DIR/bin/pip install salt==3008.3\n\
    and name it with --salt-venv DIR or SALT_VENV=DIR.";

/// Measure real Salt's tree beside ours.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A Python environment with Salt; nothing is measured without one.
    #[arg(long, value_name = "DIR", env = "SALT_VENV")]
    salt_venv: Option<PathBuf>,
    /// Syndics of each tree.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10))]
    syndics: u32,
    /// Minions of each syndic.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    minions: u32,
    /// Rounds of each kind of work.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(venv) = &arguments.salt_venv else {
        println!("Skipped: no Salt to compare with. {HOW_TO}");
        return Ok(());
    };
    ensure!(
        venv.join("bin/salt").exists(),
        "{} has no bin/salt. {HOW_TO}",
        venv.display()
    );
    arguments.common.measured("salt", |programs, work| {
        let report = measure(programs, work, venv, arguments)?;
        Ok((report.text(), report.json()))
    })
}

fn measure(
    programs: &Programs,
    work: &Path,
    venv: &Path,
    arguments: &Arguments,
) -> anyhow::Result<Report> {
    let (began, rounds) = (Instant::now(), arguments.rounds);
    let plan = Plan {
        syndics: arguments.syndics,
        minions: arguments.minions,
    };
    let salt = peer::Programs::find(venv, work)?;
    let files = Files::make(work, rounds)?;
    let errors = work.join("command.log");
    let is_up = |side: &dyn Side| -> anyhow::Result<()> {
        wait_for(side, &plan, &files, &errors)?;
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{}: up after {seconds:.0} s", side.name());
        Ok(())
    };
    let ours = Ours::start(programs, &work.join("ours"), &plan, &files.remote())?;
    is_up(&ours)?;
    let mut sides: Vec<Box<dyn Side + '_>> = vec![Box::new(ours)];
    let roots = json!({"file_roots": {"base": [files.checkout()]}});
    let settings = Settings::of_masters(&roots);
    for (form, name) in [(Form::Tree, "tree"), (Form::Flat, "flat")] {
        let salt = Salt::start(form, &salt, &work.join(name), &plan, &settings)?;
        is_up(&salt)?;
        sides.push(Box::new(salt));
    }
    let names = sides.iter().map(|side| side.name()).collect();
    let mut report = Report::new(plan, rounds, salt.version.clone(), names);
    for number in 1..=rounds {
        for work in Work::ALL {
            for place in turn(number, sides.len()) {
                let round = round(work, sides[place].as_ref(), &files, number, &errors)?;
                report.add(work, place, round);
            }
        }
        eprintln!(
            "round {number}: done after {:.0} s",
            began.elapsed().as_secs_f64()
        );
    }
    idle(&sides, &mut report)?;
    for (place, side) in sides.iter_mut().enumerate() {
        if !side.cut() {
            continue;
        }
        // This order meets a site that has just died.
        report.add_outage(place, GLOB, outage(side.as_ref(), GLOB, &plan, &errors)?);
        for _ in 0..rounds {
            for target in ["*", GLOB] {
                let outage = outage(side.as_ref(), target, &plan, &errors)?;
                report.add_outage(place, target, outage);
            }
        }
    }
    eprintln!("done after {:.0} s", began.elapsed().as_secs_f64());
    Ok(report)
}

/// The places of the sides, every second time the other way round.
fn turn(number: u32, sides: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..sides).collect();
    if number.is_multiple_of(2) {
        places.reverse();
    }
    places
}

/// Waits until a side answers for all minions and has served a file; these orders also warm its caches.
fn wait_for(side: &dyn Side, plan: &Plan, files: &Files, errors: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for work in [Work::PingGlob, Work::File, Work::States, Work::PingStar] {
        loop {
            let round = round(work, side, files, 0, errors)?;
            let shown = round.runs.iter().map(|run| run.shown).max();
            if shown == Some(plan.total()) {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "{} shows {shown:?} of {} minions for {}",
                side.name(),
                plan.total(),
                work.name()
            );
        }
    }
    Ok(())
}

/// Watches all sides at the same time: what they need when nobody orders anything.
fn idle(sides: &[Box<dyn Side + '_>], report: &mut Report) -> anyhow::Result<()> {
    let cpu = |side: &dyn Side| -> anyhow::Result<Duration> {
        Ok(meter::cpu(&side.processes()?.concat()))
    };
    let before = sides.iter().map(|side| cpu(side.as_ref()));
    let before: Vec<Duration> = before.collect::<anyhow::Result<_>>()?;
    std::thread::sleep(IDLE);
    for (place, side) in sides.iter().enumerate() {
        let cpu = cpu(side.as_ref())?.saturating_sub(before[place]);
        let parts = side.processes()?;
        let memory = parts.map(|processes| meter::memory(&processes));
        report.add_idle(place, cpu.div_f64(IDLE.as_secs_f64()), memory);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns() {
        assert_eq!(turn(1, 3), [0, 1, 2]);
        assert_eq!(turn(2, 3), [2, 1, 0]);
    }
}
