//! Runs many seeds: `soak FIRST COUNT [calm|faults|chaos]`.
use sim::operator::Plan;
use sim::world::World;
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize, default| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (first, count) = (number(1, 0), number(2, 1_000));
    let plan = match args.get(3).map(String::as_str) {
        Some("calm") => Plan::calm(),
        Some("faults") => Plan::faults(),
        _ => Plan::chaos(),
    };
    let print = count == 1;
    if !print {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let mut failures: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut steps = 0;
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, plan, print);
            world.run();
            world.steps
        });
        match outcome {
            Ok(n) => steps += n,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                    .unwrap_or_default();
                if args.len() > 4 {
                    println!("{seed}: {text}");
                }
                let key: String = text
                    .chars()
                    .filter(|c| !c.is_ascii_digit())
                    .take(60)
                    .collect();
                failures.entry(key).or_insert((seed, 0)).1 += 1;
            }
        }
    }
    println!("{count} worlds, {steps} steps");
    for (text, (seed, n)) in &failures {
        println!("{n} times, first with seed {seed}: {text}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
