//! Explores all runs of a small tree: `explore NODE.. [WORD=NUMBER]..`, with nodes as in `s m1 m1`: a syndic, and two minions of
//! its site. Words: `deaths`, `cuts`, `early`, `delays` (every order without it), `budget` (a plain job without it), `hold`,
//! `stops` (at the first failure), `halts` (by an operator), `down` (the place of a minion that is not connected at first), `behind` (milliseconds), `states`.

use std::process::ExitCode;
use std::time::Instant;

use sim::explore::{Bounds, explore};
use sim::shape::Shape;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (words, nodes): (Vec<&str>, Vec<&str>) = args
        .iter()
        .map(String::as_str)
        .partition(|a| a.contains('='));
    let nodes = if nodes.is_empty() {
        vec!["s", "m1"]
    } else {
        nodes
    };
    let mut bounds = Bounds::calm(Shape::of(&nodes), 10_000_000);
    for (word, number) in words.iter().filter_map(|word| word.split_once('=')) {
        let Ok(number) = number.parse::<usize>() else {
            eprintln!("{word} is followed by a number");
            return ExitCode::FAILURE;
        };
        match word {
            "deaths" => bounds.deaths = number as u8,
            "cuts" => bounds.cuts = number as u8,
            "early" => bounds.early = number as u8,
            "delays" => bounds.delays = Some(number as u8),
            "budget" => bounds.budget = Some(number as u32),
            "hold" => bounds.hold = number > 0,
            "stops" => bounds.stops = number > 0,
            "halts" => bounds.halts = number > 0,
            "down" => bounds.down.push(number),
            "behind" => bounds.behind_ms = number as u64,
            "states" => bounds.states_max = number,
            _ => {
                eprintln!("{word} is not a bound");
                return ExitCode::FAILURE;
            }
        }
    }
    let start = Instant::now();
    let explored = explore(bounds);
    println!("{} {:.1?}", args.join(" "), start.elapsed());
    match explored {
        Ok(explored) => {
            println!("{explored:?}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("{wrong}");
            ExitCode::FAILURE
        }
    }
}
