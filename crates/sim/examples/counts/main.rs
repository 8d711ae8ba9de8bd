//! Benchmarks for `cargo xtask counts`, which runs each of them under callgrind: `counts` lists them, `counts NAME` runs one a
//! fixed number of times. Only what happens within [`measured`] is counted, so preparing may take what it takes.
//!
//! Inputs follow from constants and a seed; there is no clock and no IO.

mod codec;
mod hub;
mod inputs;
mod jobs;
mod targets;

use std::hint::black_box;
use std::process::ExitCode;

/// What is counted. It runs once, and what it leaves behind is dropped outside of the count.
type Work = Box<dyn FnMut()>;

/// Something whose instructions are counted.
struct Benchmark {
    name: String,
    /// What it does many of, for figures that people can compare.
    unit: &'static str,
    units: usize,
    prepare: Box<dyn FnOnce() -> Work>,
}

fn main() -> ExitCode {
    let all = codec::benchmarks()
        .chain(jobs::benchmarks())
        .chain(targets::benchmarks());
    let Some(name) = std::env::args().nth(1) else {
        for Benchmark {
            name, unit, units, ..
        } in all
        {
            println!("{name} {units} {unit}");
        }
        return ExitCode::SUCCESS;
    };
    let mut all = all;
    let Some(found) = all.find(|benchmark| benchmark.name == name) else {
        eprintln!("no benchmark is called {name:?}; without a name they are listed");
        return ExitCode::FAILURE;
    };
    let mut work = (found.prepare)();
    measured(&mut *work);
    ExitCode::SUCCESS
}

/// `cargo xtask counts` has callgrind collect from here on to the return.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    // Keeps the call from being the last thing done, which would make it a jump out of this function.
    black_box(());
}
