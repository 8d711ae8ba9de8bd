//! Runs many seeds of a plan and shrinks the first failure of each kind: `soak PLAN FIRST COUNT`. With one scenario, as in
//! `soak chaos:77:acts-3`, prints everything that happens in it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use sim::plan::Plan;
use sim::scenario::{Failure, Scenario};
use sim::shrink::shrink;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [text] = args.as_slice()
        && let Ok(scenario) = text.parse::<Scenario>()
    {
        scenario.world(true).run();
        return ExitCode::SUCCESS;
    }
    let number = |at: usize, default| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (first, count) = (number(1, 0), number(2, 1_000));
    let name = args.first().map_or("chaos", String::as_str);
    let Some(plan) = Plan::named(name) else {
        eprintln!("no plan is called {name:?}");
        return ExitCode::FAILURE;
    };
    std::panic::set_hook(Box::new(|_| {}));
    let mut failures: BTreeMap<String, (Scenario, Failure, u64)> = BTreeMap::new();
    let (mut steps, mut slowest) = (0, 0);
    for seed in first..first + count {
        let scenario = Scenario::new(plan, seed);
        match scenario.run() {
            Ok(world) => {
                steps += world.steps;
                slowest = slowest.max(world.healed_after.unwrap_or(0));
            }
            Err(failure) => {
                let entry = failures.entry(failure.kind());
                entry.or_insert((scenario, failure, 0)).2 += 1;
            }
        }
    }
    println!("{count} worlds of {name}, {steps} steps, healed within {slowest} ms");
    for (scenario, failure, times) in failures.values() {
        let (smaller, how) = shrink(scenario, failure);
        println!(
            "{times} times, first {}:{}: {}",
            scenario.plan.name, scenario.seed, how.text
        );
        println!("  cargo run -p sim --example soak -- {smaller}");
    }
    match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
