//! `cargo xtask chaos`: the chaos suite of the built programs, for as long as wanted.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;

/// Break a tree of the built programs at random, and compare its accounts with what was done.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Faults go on for so long.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// Which faults, and when; another one each time otherwise.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// Runs the suite with a story of what breaks.
///
/// # Errors
/// When it does not start, or a promise is broken.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = arguments.seed.unwrap_or(now.map_or(1, |now| now.as_secs()));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let suite = [
        "test",
        "--package",
        "integration",
        "--test",
        "chaos",
        "--",
        "--nocapture",
    ];
    let status = Command::new(cargo)
        .args(suite)
        .current_dir(crate::workspace::root()?)
        .env("BANYAN_SEED", seed.to_string())
        .env("BANYAN_MINUTES", arguments.minutes.to_string())
        .status()?;
    ensure!(
        status.success(),
        "a promise is broken; the same faults again: cargo xtask chaos --minutes {} --seed {seed}",
        arguments.minutes
    );
    Ok(())
}
