//! Returns over long and lossy lines: what a round trip and a lost packet cost.

use std::fmt::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cable::Weather;
use serde_json::{Value, json};

use super::figures::{Spread, micros, verdict};
use super::process::quiet;
use super::tree::Tree;
use super::{Common, Programs};

/// Bytes of each return, no two of them equal.
const RETURN: u32 = 1_024;
/// Packets that a lossy line loses, each way.
const LOSS: f64 = 0.02;
/// A long line may cost this many round trips more than a short one.
const ROUND_TRIPS_MAX: f64 = 6.0;
/// A lossy line may cost this many times as much.
const LOSS_FACTOR_MAX: f64 = 2.0;

/// Measure returns over long and lossy lines between hubs.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Minions, each with a return of 1 KiB.
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    minions: u32,
    /// Round trips of each line, in milliseconds; the first is what the others are compared with.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "0,50,200,400"
    )]
    round_trips: Vec<u64>,
    /// Lines between the minions' syndic and the top-master.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    lines: Vec<usize>,
    /// Rounds of each kind.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// Rounds over one sort of line.
struct Line {
    lines: usize,
    round_trip: Duration,
    is_lossy: bool,
    rounds: Vec<Duration>,
}

impl Line {
    fn seconds(&self) -> Spread {
        Spread::of(self.rounds.iter().map(Duration::as_secs_f64))
    }

    fn weather(&self) -> Weather {
        Weather {
            loss: if self.is_lossy { LOSS } else { 0.0 },
            ..Weather::far(self.round_trip / 2)
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loss = if self.is_lossy { LOSS * 100.0 } else { 0.0 };
        write!(f, "{} ms, {loss} % lost", self.round_trip.as_millis())
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.common.measured("wan", |programs, work| {
        let mut all = Vec::new();
        for lines in &arguments.lines {
            let work = work.join(lines.to_string());
            all.extend(measure(programs, &work, *lines, arguments)?);
        }
        Ok((text(arguments, &all), figures(arguments, &all)))
    })
}

fn measure(
    programs: &Programs,
    work: &Path,
    lines: usize,
    arguments: &Arguments,
) -> anyhow::Result<Vec<Line>> {
    let began = Instant::now();
    let mut tree = Tree::chain(programs, work, lines)?;
    tree.populate(programs, arguments.minions, lines..lines + 1, None)?;
    eprint!(
        "{lines} lines: connected after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let mut all: Vec<Line> = arguments
        .round_trips
        .iter()
        .flat_map(|millis| [false, true].map(|is_lossy| (*millis, is_lossy)))
        .map(|(millis, is_lossy)| Line {
            lines,
            round_trip: Duration::from_millis(millis),
            is_lossy,
            rounds: Vec::new(),
        })
        .collect();
    for number in 0..=arguments.rounds {
        for line in &mut all {
            tree.weather(line.weather());
            // Both ends learn how long the line is now.
            tree.job("test.ping", "[]", arguments.minions)?;
            quiet(&tree.processes())?;
            let wall = tree.job("test.rand_str", &format!("[{RETURN}]"), arguments.minions)?;
            // The first round warms caches, and is not counted.
            if number > 0 {
                line.rounds.push(wall);
            }
            eprintln!("{line}: {:.2} s", wall.as_secs_f64());
        }
        // Every second time the other way round.
        all.reverse();
    }
    if arguments.rounds.is_multiple_of(2) {
        all.reverse();
    }
    Ok(all)
}

/// How a line compares with the short one, and with the same one without loss.
struct Cost {
    /// More round trips of the whole way than without any.
    round_trips: Option<f64>,
    /// Times what it takes without loss.
    loss_factor: Option<f64>,
}

fn cost(line: &Line, all: &[Line]) -> Cost {
    let like = |round_trip: Duration, is_lossy: bool| {
        let same = |one: &&Line| {
            one.lines == line.lines && one.round_trip == round_trip && one.is_lossy == is_lossy
        };
        all.iter().find(same).map(|one| one.seconds().median)
    };
    let shortest = all
        .iter()
        .map(|line| line.round_trip)
        .min()
        .unwrap_or_default();
    let way = line.round_trip.as_secs_f64() * line.lines as f64;
    let own = line.seconds().median;
    let near = like(shortest, false).filter(|_| !line.is_lossy && line.round_trip > shortest);
    let clean = like(line.round_trip, false).filter(|_| line.is_lossy);
    Cost {
        round_trips: near.map(|near| (own - near) / way),
        loss_factor: clean.map(|clean| own / clean),
    }
}

fn text(arguments: &Arguments, all: &[Line]) -> String {
    let mut text = format!(
        "{} returns of {RETURN} bytes; {} rounds; median (least to most); round trips are those of the whole way\n\n\
         | lines | round trip of each, ms | lost % | seconds | round trips more | times as without loss | |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        arguments.minions, arguments.rounds
    );
    for line in all {
        let Cost {
            round_trips,
            loss_factor,
        } = cost(line, all);
        let number = |figure: Option<f64>| figure.map_or("-".to_owned(), |it| format!("{it:.1}"));
        let is_kept = round_trips.is_none_or(|it| it <= ROUND_TRIPS_MAX)
            && loss_factor.is_none_or(|it| it < LOSS_FACTOR_MAX);
        let verdict = match round_trips.or(loss_factor) {
            None => "",
            Some(_) => verdict(is_kept),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {verdict} |",
            line.lines,
            line.round_trip.as_millis(),
            if line.is_lossy { LOSS * 100.0 } else { 0.0 },
            line.seconds().text(2),
            number(round_trips),
            number(loss_factor),
        );
    }
    let _ = writeln!(
        text,
        "\nMay be: {ROUND_TRIPS_MAX} round trips more, less than {LOSS_FACTOR_MAX} times as without loss."
    );
    text
}

fn figures(arguments: &Arguments, all: &[Line]) -> Value {
    let line = |line: &Line| {
        let Cost {
            round_trips,
            loss_factor,
        } = cost(line, all);
        json!({
            "lines": line.lines,
            "round_trip_ms": line.round_trip.as_millis() as u64,
            "loss": if line.is_lossy { LOSS } else { 0.0 },
            "wall_us": micros(&line.rounds),
            "round_trips_more": round_trips,
            "loss_factor": loss_factor,
        })
    };
    json!({
        "minions": arguments.minions,
        "return_bytes": RETURN,
        "lines": all.iter().map(line).collect::<Vec<_>>(),
    })
}
