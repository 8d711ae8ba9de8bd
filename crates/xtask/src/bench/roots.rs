//! From `git push` to every site: how long until each hub serves what was pushed.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use wire::control::{Ask, Tell};

use super::figures::Spread;
use super::process::{Usage, quiet};
use super::remote::Remote;
use super::tree::{Bytes, Tree};
use super::{Common, PATIENCE, Programs, control};

/// How often the remote is asked by default (`roots_update_interval`).
const INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks at what the hubs serve: soon after an update, and while they wait for the interval.
const LOOK: Duration = Duration::from_millis(5);
const LONG_LOOK: Duration = Duration::from_millis(100);
/// Files of the small tree, and of each folder.
const FOLDER: u32 = 100;

/// Measure how long a push takes to all sites.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Syndics below the top-master, which alone knows the remote.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: u32,
    /// Files of the large tree.
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(FOLDER as i64..=150_000))]
    files: u32,
    /// Pushes after each of which the hubs are told to update.
    #[arg(long, value_name = "NUMBER", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Pushes that wait for the interval of the hubs: about half a minute each.
    #[arg(long, value_name = "NUMBER", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    waits: u32,
    #[command(flatten)]
    common: Common,
}

/// One push; times are from its end on.
struct Push {
    /// When each hub serves it, the top-master first.
    served: Vec<Duration>,
    /// When `roots update` answers, where it was asked.
    answered: Option<Duration>,
    /// CPU of the hubs until all are at rest, and bytes between them.
    used: Usage,
    bytes: Bytes,
}

/// Pushes of one kind.
struct Run {
    name: String,
    pushes: Vec<Push>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("roots", |programs, work| {
        let runs = measure(programs, work, arguments)?;
        Ok((text(arguments, &runs), figures(arguments, &runs)))
    })
}

fn measure(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let mut bench = Bench::new(programs, work, arguments)?;
    let mut runs = vec![bench.run(arguments.rounds, FOLDER)?];
    runs.push(bench.wait(arguments.waits)?);
    // The large tree comes at once, then one file of it changes at a time.
    for number in FOLDER..arguments.files {
        bench.write(number)?;
    }
    let whole = bench.push(true)?;
    runs.push(Run {
        name: format!("update, {} new files", arguments.files - FOLDER),
        pushes: vec![whole],
    });
    runs.push(bench.run(arguments.rounds, arguments.files)?);
    Ok(runs)
}

struct Bench {
    tree: Tree,
    remote: Remote,
    /// Sockets of all hubs, the top-master first.
    hubs: Vec<PathBuf>,
    changes: u32,
}

impl Bench {
    fn new(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Bench> {
        let remote = Remote::new(work)?;
        let tree = Tree::plant_with(programs, work, arguments.syndics, &remote.settings())?;
        let hubs = (0..=arguments.syndics as usize).map(|hub| tree.socket(hub));
        let mut bench = Bench {
            hubs: hubs.collect(),
            tree,
            remote,
            changes: 0,
        };
        for number in 0..FOLDER {
            bench.write(number)?;
        }
        bench.push(true)?;
        Ok(bench)
    }

    /// Changes the file with this number.
    fn write(&mut self, number: u32) -> anyhow::Result<()> {
        self.changes += 1;
        let path = format!("folder{}/file{number}", number / FOLDER);
        let text = format!("file {number}, change {}\n", self.changes);
        self.remote.write(&path, text.as_bytes())
    }

    /// Changes one file in each push, in a tree of so many, and has the hubs update.
    fn run(&mut self, rounds: u32, files: u32) -> anyhow::Result<Run> {
        let mut pushes = Vec::new();
        for round in 0..rounds {
            self.write(round % files)?;
            pushes.push(self.push(true)?);
            eprint!(".");
        }
        eprintln!(" {files} files");
        Ok(Run {
            name: format!("update, one of {files} files"),
            pushes,
        })
    }

    /// Changes one file in each push, and waits for the hubs to find it by themselves.
    fn wait(&mut self, waits: u32) -> anyhow::Result<Run> {
        let mut pushes = Vec::new();
        for number in 0..waits {
            // The hubs have just asked the remote; pushes come evenly spread over the time until they do so again.
            std::thread::sleep(INTERVAL * number / waits);
            self.write(number % FOLDER)?;
            pushes.push(self.push(false)?);
            eprint!(".");
        }
        eprintln!(" waited");
        Ok(Run {
            name: format!("default, one of {FOLDER} files"),
            pushes,
        })
    }

    fn push(&mut self, update: bool) -> anyhow::Result<Push> {
        self.remote.commit()?;
        let mut before = Vec::new();
        for hub in &self.hubs {
            before.push(serves(hub)?);
        }
        quiet(&self.tree.processes())?;
        let (usage, bytes) = (Usage::of(&self.tree.processes())?, self.tree.bytes());
        self.remote.push()?;
        let begin = Instant::now();
        let top = self.tree.top_socket();
        let (served, answered) = std::thread::scope(|scope| {
            let asked = update.then(|| {
                scope.spawn(|| -> anyhow::Result<Duration> {
                    let ask = Ask::RootsUpdate {
                        accept_rewind: false,
                        wait_ms: PATIENCE.as_millis() as u64,
                    };
                    control::ask(&top, &ask, |tell| {
                        matches!(tell, Tell::Roots(_)).then_some(())
                    })?;
                    Ok(begin.elapsed())
                })
            });
            let look = if update { LOOK } else { LONG_LOOK };
            let served = watch(&self.hubs, &before, begin, look);
            let answered = asked.map(|asked| {
                let joined = asked.join();
                joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            (served, answered)
        });
        let (served, answered) = (served?, answered.transpose()?);
        quiet(&self.tree.processes())?;
        Ok(Push {
            served,
            answered,
            used: Usage::of(&self.tree.processes())?.since(&usage),
            bytes: self.tree.bytes().since(bytes),
        })
    }
}

/// When each hub serves another commit than before; all must come to serve the same.
fn watch(
    hubs: &[PathBuf],
    before: &[String],
    begin: Instant,
    look: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let mut served = vec![None; hubs.len()];
    let mut commits = vec![String::new(); hubs.len()];
    while served.iter().any(Option::is_none) {
        ensure!(
            begin.elapsed() < PATIENCE,
            "a hub never serves what was pushed"
        );
        for (number, hub) in hubs.iter().enumerate() {
            if served[number].is_none() {
                commits[number] = serves(hub)?;
                served[number] = (commits[number] != before[number]).then(|| begin.elapsed());
            }
        }
        std::thread::sleep(look);
    }
    ensure!(
        commits.iter().all(|commit| *commit == commits[0]),
        "the hubs serve different commits: {commits:?}"
    );
    Ok(served.into_iter().flatten().collect())
}

/// The commit that a hub serves; empty while it has none.
fn serves(socket: &Path) -> anyhow::Result<String> {
    // Its own row is the one of the shortest path.
    control::ask(socket, &Ask::Roots, |tell| match tell {
        Tell::Roots(rows) => rows.into_iter().next().map(|row| row.report.commit),
        _ => None,
    })
}

impl Run {
    fn seconds(&self, of: impl Fn(&Push) -> Option<Duration>) -> Spread {
        Spread::of(
            self.pushes
                .iter()
                .filter_map(of)
                .map(|time| time.as_secs_f64()),
        )
    }
}

fn text(arguments: &Arguments, runs: &[Run]) -> String {
    let mut text = format!(
        "{} syndics; the remote is asked every {} s by default; seconds after `git push`, median (least to most)\n\n\
         | push | pushes | at the top | at the last syndic | `roots update` answers | CPU ms of the top | of a syndic | bytes down to a syndic |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.syndics,
        INTERVAL.as_secs()
    );
    let syndics = f64::from(arguments.syndics);
    for run in runs.iter().filter(|run| !run.pushes.is_empty()) {
        let median = |figure: fn(&Push) -> f64| Spread::of(run.pushes.iter().map(figure)).median;
        // Who waits for the interval looks often, and has the hubs work for it.
        let is_asked = run.pushes.iter().any(|push| push.answered.is_some());
        let if_asked = |text: String| if is_asked { text } else { "-".to_owned() };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.0} |",
            run.name,
            run.pushes.len(),
            run.seconds(|push| push.served.first().copied()).text(3),
            run.seconds(|push| push.served.iter().max().copied())
                .text(3),
            if_asked(run.seconds(|push| push.answered).text(3)),
            if_asked(format!(
                "{:.0}",
                median(|push| push.used.top.as_secs_f64() * 1e3)
            )),
            if_asked(format!(
                "{:.0}",
                median(|push| push.used.hubs.as_secs_f64() * 1e3) / syndics
            )),
            median(|push| push.bytes.down as f64) / syndics,
        );
    }
    text
}

fn figures(arguments: &Arguments, runs: &[Run]) -> Value {
    let us = |time: Duration| time.as_micros() as u64;
    let push = |push: &Push| {
        json!({
            "served_us": push.served.iter().map(|time| us(*time)).collect::<Vec<_>>(),
            "answered_us": push.answered.map(us),
            "top_cpu_us": us(push.used.top),
            "syndics_cpu_us": us(push.used.hubs),
            "bytes_down": push.bytes.down,
            "bytes_up": push.bytes.up,
        })
    };
    let run = |run: &Run| {
        json!({
            "push": run.name,
            "pushes": run.pushes.iter().map(push).collect::<Vec<_>>(),
        })
    };
    json!({
        "syndics": arguments.syndics,
        "files": arguments.files,
        "interval_s": INTERVAL.as_secs(),
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
    })
}
