//! The command line of one program, made from the one definition; and its completions and manual pages.

use std::path::Path;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::Program;
use crate::lowargs::Lowargs;

/// Commands that only a hub without parents has.
const TOP_MASTER_ONLY: [&str; 3] = ["init", "join", "delegate"];

/// The word that stands for the program's name in the texts of the definition.
const PROGRAM: &str = "PROGRAM";

/// The commands, options and help of a program.
pub(crate) fn definition(program: Program) -> Command {
    let all = Lowargs::command();
    let has = |command: &&Command| {
        program == Program::TopMaster || !TOP_MASTER_ONLY.contains(&command.get_name())
    };
    let (about, example) = match program {
        Program::TopMaster => (
            "The root of a tree of sites: runs functions on minions and accounts for every one of them",
            "\
A first tree on one machine:
  PROGRAM init                        make the tree
  PROGRAM serve                       start the daemon, in another terminal
  PROGRAM token create                print a token with which a minion joins
  PROGRAM tree                        count the minions
  PROGRAM run '*' test.ping           talk to them

PROGRAM COMMAND --help says more, with examples.",
        ),
        Program::Syndic => (
            "A relay of a tree of sites: serves its own minions, and whatever lies below them",
            "\
Examples:
  PROGRAM serve                       start the daemon
  PROGRAM identity                    show its fingerprints and rights
  PROGRAM tree                        count the minions of its subtree
  PROGRAM run '*' test.ping           talk to them, where the top-master lets it

PROGRAM COMMAND --help says more, with examples.",
        ),
    };
    let command = Command::new(program.name())
        // Else help would show whatever name a link gives the program.
        .bin_name(program.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help(example)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(all.get_arguments().cloned())
        .subcommands(all.get_subcommands().filter(has).cloned());
    named(command, program.name())
}

/// The definition with the program's name in its texts.
fn named(command: Command, name: &str) -> Command {
    let replaced =
        |text: Option<&StyledStr>| text.map(|text| text.to_string().replace(PROGRAM, name));
    let after_help = replaced(command.get_after_help());
    let command = command
        .mut_args(|arg| match replaced(arg.get_help()) {
            Some(help) => arg.help(help),
            None => arg,
        })
        .mut_subcommands(|command| named(command, name));
    match after_help {
        Some(text) => command.after_help(text),
        None => command,
    }
}

/// The completions of a shell.
pub(crate) fn completions(program: Program, shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definition(program), program.name(), &mut text);
    text
}

/// Writes a manual page for the program and one for each of its commands.
///
/// # Errors
/// When the directory cannot be made or written to.
pub(crate) fn manual_pages(program: Program, dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(definition(program), dir)
}
