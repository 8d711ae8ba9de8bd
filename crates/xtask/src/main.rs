//! Chores of the workspace: `cargo xtask tidy` checks what the compiler can't, `cargo xtask docs` writes generated pages.
//!
//! It never builds a product and is part of none; nothing may depend on it.

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
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Tidy => Workspace::read().map(|workspace| tidy::run(&workspace)),
        Chore::Docs => workspace::root()
            .and_then(|root| docs::write(&root))
            .map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
