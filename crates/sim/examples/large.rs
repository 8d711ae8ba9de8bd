//! A big tree: `large MINIONS SITES`. Prints exact counts with a site cut off and with all, time, and memory of a minion.

use std::time::Instant;

use sim::large::large;

fn main() {
    let args: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let minions = args.first().copied().unwrap_or(100_000);
    let sites = args.get(1).copied().unwrap_or(10);
    let start = Instant::now();
    let done = large(sites, minions);
    let took = start.elapsed();
    println!("{minions} minions below {sites} sites: {done:?}");
    let each = took.as_micros() as f64 / minions as f64;
    println!("{took:.1?}, {each:.0} us for each minion, two jobs and a hello");
    if let Some(bytes) = peak_memory() {
        println!(
            "{} MiB at most, {} bytes for each minion",
            bytes >> 20,
            bytes / minions as u64
        );
    }
}

/// The most memory that this process ever had, as Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
