//! Salt's commands by their old names: `salt`, `salt-run`, `salt-key`, `salt-cp`, where a link of that name leads to a program of a hub.
//!
//! Their options are Salt's, and what they mean is told to the daemon by the same errands as with the commands of our own. What
//! differs beside the options are some words that scripts look for, and the exit codes, which are Salt's.

mod batch;
mod command;
mod cp;
mod key;
mod options;
mod run;

#[cfg(test)]
mod properties;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Command, CommandFactory, Parser};
use daemon::exit;
use wire::{Amount, Jid};

pub(crate) use batch::{Batch, code as batch_code};

use crate::seat::Seat;
use crate::trouble::Trouble;
use crate::{Program, Session, connect_to, not_a_command, root_option, user};

/// The release of Salt whose commands these are.
const SALT: &str = "3008.3";

/// A command of Salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldName {
    Salt,
    Run,
    Key,
    Cp,
}

impl OldName {
    /// All of them.
    pub(crate) const ALL: [OldName; 4] = [OldName::Salt, OldName::Run, OldName::Key, OldName::Cp];

    /// The one by which a program was called.
    pub(crate) fn of(program: &OsStr) -> Option<OldName> {
        let name = Path::new(program).file_name()?.to_str()?;
        OldName::ALL.into_iter().find(|old| old.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            OldName::Salt => "salt",
            OldName::Run => "salt-run",
            OldName::Key => "salt-key",
            OldName::Cp => "salt-cp",
        }
    }

    /// Its options and help.
    pub(crate) fn definition(self) -> Command {
        let command = match self {
            OldName::Salt => command::Arguments::command(),
            OldName::Run => run::Arguments::command(),
            OldName::Key => key::Arguments::command(),
            OldName::Cp => cp::Arguments::command(),
        };
        // In salt-key these letters are other options.
        let command = match self {
            OldName::Key => command,
            _ => command.mut_arg("log_level", |arg| arg.short('l')),
        };
        let command = match self {
            OldName::Salt | OldName::Run => command
                .mut_arg("eauth", |arg| arg.short('a'))
                .mut_arg("make_token", |arg| arg.short('T')),
            // In salt-cp the letter is that of --chunked.
            OldName::Cp => command.mut_arg("compound", |arg| arg.short(None)),
            OldName::Key => command,
        };
        command
            .name(self.as_str())
            .bin_name(self.as_str())
            .version(concat!("3008.3 (Banyan ", env!("CARGO_PKG_VERSION"), ")"))
            // Its letter is that of --versions-report.
            .disable_version_flag(true)
            // Python's reader of options takes the beginning of a name for it.
            .infer_long_args(true)
    }
}

/// How a command of ours behaves when it stands in for one of Salt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Salt's words for a job that goes on, and for one that is for nobody.
    pub(crate) is_salt: bool,
    /// A preview is the list of those who are meant.
    pub(crate) names_alone: bool,
    /// Name the job when it is taken.
    pub(crate) jid: ShownJid,
    /// Print turns of so many, and results as they come, with Salt's exit code.
    pub(crate) batch: Option<Amount>,
}

impl Manner {
    /// What is printed when a job is taken.
    pub(crate) fn taken(self, jid: Jid) -> Option<String> {
        match self.jid {
            ShownJid::Hidden => None,
            ShownJid::Line => Some(format!("jid: {jid}\n")),
            ShownJid::Headline => {
                let headline = format!("Executing job with jid {jid}");
                Some(format!("{headline}\n{}\n\n", "-".repeat(headline.len())))
            }
        }
    }
}

/// How a job is named when it is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ShownJid {
    /// Not at all.
    #[default]
    Hidden,
    /// A line.
    Line,
    /// A headline.
    Headline,
}

/// Carries out what was typed after one of the old names. Gives the exit code.
pub(crate) fn start(
    name: OldName,
    program: Program,
    args: Vec<OsString>,
    seat: &mut Seat<'_>,
) -> u8 {
    match name {
        OldName::Salt => typed::<command::Arguments>(name, program, args, seat),
        OldName::Run => typed::<run::Arguments>(name, program, args, seat),
        OldName::Key => typed::<key::Arguments>(name, program, args, seat),
        OldName::Cp => typed::<cp::Arguments>(name, program, args, seat),
    }
}

/// What the options and words of a command do.
trait Old: Parser {
    /// Options that all have in common.
    fn common(&self) -> &options::Common;

    /// Does it. Gives Salt's exit code.
    ///
    /// # Errors
    /// When it can't be done.
    fn carry_out(self, session: &mut Session<'_, '_>) -> Result<u8, Trouble>;
}

fn typed<T: Old>(name: OldName, program: Program, args: Vec<OsString>, seat: &mut Seat<'_>) -> u8 {
    let typed = name
        .definition()
        .try_get_matches_from(args)
        .and_then(|matches| T::from_arg_matches(&matches));
    let typed = match typed {
        Ok(typed) => typed,
        Err(error) => return not_a_command(&error, seat),
    };
    if typed.common().versions_report {
        return match seat.print(&versions()) {
            Ok(()) => exit::OK,
            Err(_) => exit::INTERNAL,
        };
    }
    let globals = typed.common().globals(program);
    let done = typed.common().refused().and_then(|()| {
        let paths = globals.paths(program, seat.environment)?;
        let style = seat.style(globals.color);
        let connect = connect_to(paths.control_socket());
        typed.carry_out(&mut Session {
            program,
            globals: &globals,
            style,
            connect,
            manner: Manner::default(),
            seat: &mut *seat,
        })
    });
    done.unwrap_or_else(|trouble| {
        seat.say(&trouble.report(program, &root_option(&globals)));
        trouble.code()
    })
}

/// As `--versions-report` begins.
fn versions() -> String {
    format!(
        "Salt Version:\n          Salt: {SALT}\n        Banyan: {}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Who asks.
fn user(session: &Session<'_, '_>) -> String {
    user::name(session.seat.environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_options() {
        for name in OldName::ALL {
            name.definition().debug_assert();
            assert_eq!(
                OldName::of(OsStr::new(&format!("/usr/bin/{}", name.as_str()))),
                Some(name)
            );
        }
        assert_eq!(OldName::of(OsStr::new("top-master")), None);
    }
}
