//! Options that several commands of Salt have.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use output::{Form, States};

use crate::forms::{Destination, form};
use crate::runargs::View;
use crate::trouble::Trouble;
use crate::{Globals, Program, When};

/// Options of all commands.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The directory of the settings, a file for each program in it
    #[arg(short = 'c', long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// Everything that the program keeps lies below this directory
    #[arg(long, value_name = "DIR", hide = true)]
    root_dir: Option<PathBuf>,
    /// The version of the program
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Versions of the program
    #[arg(short = 'V', long)]
    pub(super) versions_report: bool,
    /// Taken, and without effect: commands write no log
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Taken, and without effect: commands write no log
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Taken, and without effect: commands write no log
    #[arg(long, value_name = "LEVEL", alias = "log-level-logfile")]
    log_file_level: Option<String>,
    /// Taken, and without effect: a failure is told with its causes in any case
    #[arg(long)]
    hard_crash: bool,

    #[arg(long, value_name = "FILE", hide = true)]
    saltfile: Option<PathBuf>,
    #[arg(
        long,
        visible_alias = "auth",
        alias = "external-auth",
        value_name = "EAUTH",
        hide = true
    )]
    eauth: Option<String>,
    #[arg(long, hide = true)]
    make_token: bool,
    #[arg(long, value_name = "NAME", hide = true)]
    username: Option<String>,
    #[arg(long, value_name = "PASSWORD", hide = true)]
    password: Option<String>,

    #[command(flatten)]
    pub(super) out: OutputArgs,
}

/// What is refused with what to do instead: an option of Salt that has no meaning here.
pub(super) fn refuse(given: &[(bool, &str, &str)]) -> Result<(), Trouble> {
    match given.iter().find(|(is_given, ..)| *is_given) {
        Some((_, option, instead)) => Err(Trouble::Usage(format!("{option}: {instead}"))),
        None => Ok(()),
    }
}

impl Common {
    /// The same options as commands of ours have them.
    pub(super) fn globals(&self, program: Program) -> Globals {
        let file = |dir: &PathBuf| dir.join(program.name());
        let color = match (self.out.force_color, self.out.no_color) {
            (true, _) => When::Always,
            (false, true) => When::Never,
            (false, false) => When::Auto,
        };
        Globals {
            root_dir: self.root_dir.clone(),
            config: self.config_dir.as_ref().map(file),
            log_level: None,
            color,
        }
    }

    pub(super) fn refused(&self) -> Result<(), Trouble> {
        let login = "who asks is whom the kernel names, and `publisher_acl` says what they may; there are no tokens and passwords here";
        refuse(&[
            (
                self.saltfile.is_some(),
                "--saltfile",
                "give the options themselves, or an alias of the shell",
            ),
            (self.eauth.is_some(), "--eauth", login),
            (self.make_token, "--make-token", login),
            (self.username.is_some(), "--username", login),
            (self.password.is_some(), "--password", login),
        ])
    }
}

/// How results are printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Form of what is printed
    #[arg(long, visible_alias = "output", value_name = "FORM", value_parser = form())]
    pub(super) out: Option<Form>,
    #[command(flatten)]
    pub(super) destination: Destination,
    /// No colour
    #[arg(long, visible_alias = "no-colour")]
    no_color: bool,
    /// Colour in any case
    #[arg(long, visible_alias = "force-colour", conflicts_with = "no_color")]
    force_color: bool,
    /// How much of each state: full, terse, mixed, changes, filter, and each with _id for ids in place of names
    #[arg(
        long,
        alias = "state_output",
        value_name = "MODE",
        default_value = "full"
    )]
    state_output: States,
    /// Whether states that went well and changed nothing are shown
    #[arg(long, alias = "state_verbose", value_name = "TRUTH", action = ArgAction::Set, default_value = "true")]
    state_verbose: Truth,
}

/// A truth as Python prints it, and as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // The words are the meaning.
pub(super) enum Truth {
    #[value(name = "true", aliases = ["True", "yes", "on", "1"])]
    True,
    #[value(name = "false", aliases = ["False", "no", "off", "0"])]
    False,
}

impl OutputArgs {
    /// The same as commands of ours have it.
    pub(super) fn view(&self) -> View {
        View {
            out: self.out,
            destination: self.destination.clone(),
            state_output: self.state_output,
            state_verbose: self.state_verbose == Truth::True,
            ..View::default()
        }
    }
}
