//! Files from the roots to all minions: a large one, and many small ones.
//!
//! A push brings new content; the hubs are told to update, every minion fetches what it does not have, and then once more when it
//! has everything. Beside the simulated minions, which drop what they fetched, there are a few real ones.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cable::Dice;
use serde_json::{Value, json};
use wire::control::{Ask, Tell};

use super::figures::Spread;
use super::process::{Usage, quiet};
use super::remote::{Remote, noise};
use super::tree::{Bytes, Tree};
use super::{Common, PATIENCE, Programs, control};

/// Bytes of each small file: this many, and up to so many more.
const SMALL_LEAST: usize = 200;
const SMALL_MORE: usize = 4_096;
/// Minions that are the real program.
const REAL: u32 = 2;

/// Measure how files come to all minions.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Simulated minions; two real ones stand beside them.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Syndics that share them.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    syndics: u32,
    /// Bytes of the large file.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    bytes: u32,
    /// Small files.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    files: u32,
    /// Rounds, each with new content.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Large,
    Small,
}

impl Content {
    const ALL: [Content; 2] = [Content::Large, Content::Small];

    fn name(self) -> &'static str {
        match self {
            Content::Large => "one large file",
            Content::Small => "small files",
        }
    }
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// From the remote to all hubs.
    Hubs,
    /// To minions that have none of it.
    Cold,
    /// To minions that have it.
    Warm,
}

impl Phase {
    const ALL: [Phase; 3] = [Phase::Hubs, Phase::Cold, Phase::Warm];

    fn name(self) -> &'static str {
        match self {
            Phase::Hubs => "to the hubs",
            Phase::Cold => "to minions, cold",
            Phase::Warm => "to minions, warm",
        }
    }
}

struct Round {
    content: Content,
    phase: Phase,
    /// Bytes of the content.
    size: u64,
    wall: Duration,
    /// CPU time until all is at rest.
    used: Usage,
    /// Between the top-master and its syndics.
    bytes: Bytes,
    /// The most resident bytes that a syndic had meanwhile.
    peak: u64,
}

impl Round {
    /// Bytes that came down the line of a syndic, by those of the content.
    fn crossings(&self, syndics: u32) -> f64 {
        self.bytes.down as f64 / f64::from(syndics) / self.size as f64
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("files", |programs, work| {
        let rounds = measure(programs, work, arguments)?;
        Ok((text(arguments, &rounds), figures(arguments, &rounds)))
    })
}

fn measure(programs: &Programs, work: &Path, arguments: &Arguments) -> anyhow::Result<Vec<Round>> {
    let remote = Remote::new(work)?;
    remote.write("empty", b"")?;
    remote.commit()?;
    remote.push()?;
    let mut tree = Tree::plant_with(programs, work, arguments.syndics, &remote.settings())?;
    for number in 0..REAL {
        let hub = 1 + (number % arguments.syndics) as usize;
        tree.add_minion(programs, hub, &format!("real{number}"))?;
    }
    let syndics = 1..arguments.syndics as usize + 1;
    tree.populate(programs, arguments.minions, syndics, None)?;
    let mut bench = Bench {
        tree,
        remote,
        dest: work.join("fetched"),
        minions: arguments.minions + REAL,
        dice: Dice::new(1),
        rounds: Vec::new(),
    };
    for number in 0..arguments.rounds {
        // Every second time the other way round.
        let mut contents = Content::ALL;
        if number % 2 == 1 {
            contents.reverse();
        }
        for content in contents {
            bench.round(content, arguments)?;
        }
    }
    Ok(bench.rounds)
}

struct Bench {
    tree: Tree,
    remote: Remote,
    /// Where real minions put small files.
    dest: PathBuf,
    minions: u32,
    dice: Dice,
    rounds: Vec<Round>,
}

impl Bench {
    fn round(&mut self, content: Content, arguments: &Arguments) -> anyhow::Result<()> {
        let files = self.write(content, arguments)?;
        self.remote.commit()?;
        self.remote.push()?;
        let size = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        for phase in Phase::ALL {
            let round = self.phase(content, phase, size)?;
            eprintln!(
                "{} {}: {:.2} s",
                content.name(),
                phase.name(),
                round.wall.as_secs_f64()
            );
            self.rounds.push(round);
        }
        if content == Content::Small {
            self.check(&files)?;
        }
        Ok(())
    }

    /// New content, in the checkout.
    fn write(
        &mut self,
        content: Content,
        arguments: &Arguments,
    ) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let dice = &mut self.dice;
        let files: Vec<(String, Vec<u8>)> = match content {
            Content::Large => vec![("large".to_owned(), noise(arguments.bytes as usize, dice))],
            Content::Small => (0..arguments.files)
                .map(|number| {
                    let size = SMALL_LEAST + dice.below(SMALL_MORE);
                    (format!("small/{number}"), noise(size, dice))
                })
                .collect(),
        };
        for (path, bytes) in &files {
            self.remote.write(path, bytes)?;
        }
        Ok(files)
    }

    fn phase(&self, content: Content, phase: Phase, size: u64) -> anyhow::Result<Round> {
        let tree = &self.tree;
        quiet(&tree.processes())?;
        for syndic in tree.syndics() {
            syndic.forget_peak()?;
        }
        let (usage, bytes) = (Usage::of(&tree.processes())?, tree.bytes());
        let wall = match (phase, content) {
            (Phase::Hubs, _) => self.update()?,
            (_, Content::Large) => {
                tree.job("cp.cache_file", r#"["salt://large"]"#, self.minions)?
            }
            (_, Content::Small) => {
                let args = json!(["salt://small", self.dest]).to_string();
                tree.job("cp.get_dir", &args, self.minions)?
            }
        };
        let mut peak = 0;
        for syndic in tree.syndics() {
            peak = peak.max(syndic.peak_memory()?);
        }
        quiet(&tree.processes())?;
        Ok(Round {
            content,
            phase,
            size,
            wall,
            used: Usage::of(&tree.processes())?.since(&usage),
            bytes: tree.bytes().since(bytes),
            peak,
        })
    }

    /// Tells all hubs to fetch the roots, and waits until they have.
    fn update(&self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let ask = Ask::RootsUpdate {
            accept_rewind: false,
            wait_ms: PATIENCE.as_millis() as u64,
        };
        let rows = control::ask(&self.tree.top_socket(), &ask, |tell| match tell {
            Tell::Roots(rows) => Some(rows),
            _ => None,
        })?;
        let wall = begin.elapsed();
        let first = rows.first().context("no hub says what it serves")?;
        for row in &rows {
            ensure!(
                row.report.error.is_none() && row.report.commit == first.report.commit,
                "{} serves something else: {:?}",
                row.id,
                row.report
            );
        }
        Ok(wall)
    }

    /// Whether real minions have what was pushed.
    fn check(&self, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        for (path, bytes) in files {
            let place = self.dest.join(path);
            let got = std::fs::read(&place).with_context(|| place.display().to_string())?;
            ensure!(got == *bytes, "{path} is not what was pushed");
        }
        Ok(())
    }
}

fn text(arguments: &Arguments, rounds: &[Round]) -> String {
    let minions = f64::from(arguments.minions + REAL);
    let mut text = format!(
        "a file of {} bytes, {} files of {SMALL_LEAST} to {} bytes; {} simulated minions and {REAL} real ones under {} syndics; {} rounds; median (least to most)\n\n\
         | content | way | seconds | hub CPU s | ms a minion | minion CPU s | bytes down the line of a syndic, by those of the content | MiB of a syndic at most |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.bytes,
        arguments.files,
        SMALL_LEAST + SMALL_MORE,
        arguments.minions,
        arguments.syndics,
        arguments.rounds
    );
    for content in Content::ALL {
        let mut crossings = 0.0;
        for phase in Phase::ALL {
            let of = |figure: &dyn Fn(&Round) -> f64| {
                let like = |round: &&Round| round.content == content && round.phase == phase;
                Spread::of(rounds.iter().filter(like).map(figure))
            };
            let cpu = of(&|round| (round.used.top + round.used.hubs).as_secs_f64());
            let down = of(&|round| round.crossings(arguments.syndics));
            crossings += down.median;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.2} | {} | {} | {} |",
                content.name(),
                phase.name(),
                of(&|round| round.wall.as_secs_f64()).text(2),
                cpu.text(2),
                cpu.median * 1e3 / minions,
                of(&|round| round.used.minions.as_secs_f64()).text(2),
                down.text(3),
                of(&|round| round.peak as f64 / f64::from(1 << 20)).text(0),
            );
        }
        let _ = writeln!(
            text,
            "| {} | all | | | | | {crossings:.3} | |",
            content.name()
        );
    }
    text
}

fn figures(arguments: &Arguments, rounds: &[Round]) -> Value {
    let us = |time: Duration| time.as_micros() as u64;
    let round = |round: &Round| {
        json!({
            "content": round.content.name(),
            "phase": round.phase.name(),
            "content_bytes": round.size,
            "wall_us": us(round.wall),
            "top_cpu_us": us(round.used.top),
            "syndics_cpu_us": us(round.used.hubs),
            "minions_cpu_us": us(round.used.minions),
            "bytes_down": round.bytes.down,
            "bytes_up": round.bytes.up,
            "syndic_peak_bytes": round.peak,
        })
    };
    json!({
        "minions": arguments.minions,
        "real_minions": REAL,
        "syndics": arguments.syndics,
        "rounds": rounds.iter().map(round).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_those_of_one_line() {
        let round = Round {
            content: Content::Large,
            phase: Phase::Hubs,
            size: 1_000,
            wall: Duration::ZERO,
            used: Usage::default(),
            bytes: Bytes { up: 7, down: 4_400 },
            peak: 0,
        };
        assert!((round.crossings(4) - 1.1).abs() < 1e-9);
    }
}
