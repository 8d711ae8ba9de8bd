//! Explores all runs of a small tree: `explore DEATHS CUTS STATES NODE..`, with nodes as in `s m1 m1`: a syndic, and two minions of
//! its site.

use std::process::ExitCode;

use sim::explore::{Bounds, explore};
use sim::shape::Shape;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    let nodes: Vec<&str> = args.iter().skip(3).map(String::as_str).collect();
    let nodes = if nodes.is_empty() {
        vec!["s", "m1"]
    } else {
        nodes
    };
    let bounds = Bounds {
        shape: Shape::of(&nodes),
        deaths: number(0, 1) as u8,
        cuts: number(1, 1) as u8,
        states_max: number(2, 10_000_000),
    };
    match explore(bounds) {
        Ok(explored) => {
            println!("{nodes:?}: {explored:?}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("{nodes:?}: {wrong}");
            ExitCode::FAILURE
        }
    }
}
