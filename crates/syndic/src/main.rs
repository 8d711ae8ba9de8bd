//! The syndic: the hub of a site, between its parents and its minions (or further syndics).
//!
//! Its command line is that of `cli`, its daemon that of `hub`; a syndic is a hub that has parents.

use std::process::ExitCode;

use cli::{Globals, LocalCommand, Program};
use daemon::config::ProcessEnvironment;
use daemon::exit;

fn main() -> ExitCode {
    cli::main(Program::Syndic, local)
}

fn local(globals: &Globals, command: LocalCommand) -> ExitCode {
    let config = match globals.sources(Program::Syndic, &ProcessEnvironment).hub() {
        Ok(config) => config,
        Err(errors) => return fail(exit::CONFIG, &errors.to_string()),
    };
    let done = match command {
        LocalCommand::Serve => hub::serve::serve(config),
        LocalCommand::JobCache(step) => step.run(&config),
        LocalCommand::Journal(args) => args.run(&config),
        // Its command line has no such commands.
        LocalCommand::Init(_) | LocalCommand::Join(_) => {
            return fail(exit::USAGE, "only a top-master does that");
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(exit::INTERNAL, &format!("{error:#}")),
    }
}

fn fail(code: u8, text: &str) -> ExitCode {
    eprintln!("syndic: {text}");
    ExitCode::from(code)
}
