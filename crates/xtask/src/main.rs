//! Chores of the workspace: `cargo xtask tidy` checks what the compiler can't, `cargo xtask docs` writes generated pages,
//! `cargo xtask bench` measures the built programs, `cargo xtask chaos` breaks them, `cargo xtask counts` guards what the machines cost,
//! `cargo xtask compare-salt` holds states and commands against real Salt's, `cargo xtask compare-host` what states change.
//!
//! It is part of no product; nothing may depend on it.

mod bench;
mod chaos;
mod compare;
mod counts;
mod docs;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use workspace::Workspace;

/// A chore.
#[derive(Parser)]
#[command(name = "xtask", about = "Chores of the workspace")]
enum Chore {
    /// Check crate arrows, fences, pages, lengths and words.
    Tidy,
    /// Write the generated pages under docs/.
    Docs,
    /// Measure the built programs.
    Bench(bench::Arguments),
    /// Break a tree of the built programs at random.
    Chaos(chaos::Arguments),
    /// Compare states, or commands, with real Salt's.
    CompareSalt(compare::Arguments),
    /// Compare what states change on a Debian host with what real Salt's do.
    CompareHost(compare::host::Arguments),
    /// Count the instructions of the machines and the codec, and compare them with the record.
    Counts(counts::Arguments),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Tidy => Workspace::read().map(|workspace| tidy::run(&workspace)),
        Chore::Docs => workspace::root()
            .and_then(|root| docs::write(&root))
            .map(|()| ExitCode::SUCCESS),
        Chore::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Chore::Chaos(arguments) => chaos::run(&arguments).map(|()| ExitCode::SUCCESS),
        Chore::CompareSalt(arguments) => compare::run(&arguments),
        Chore::CompareHost(arguments) => compare::host::run(&arguments),
        Chore::Counts(arguments) => counts::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Chore::command().debug_assert();
    }
}
