//! The command line that the programs `top-master` and `syndic` share.
//!
//! It reads what was typed, asks the daemon on the same host over a Unix socket, and prints the answer: data on standard
//! output, talk on standard error. It never decides anything about a tree, never opens another connection or file, and holds
//! no state; what needs no daemon (`serve`, `init`, `join`, `jobs cache`) is done by the program, which gets it as a [`LocalCommand`].
//! Only the programs of hubs use it.
//!
//! The way through it: `lowargs` is what was typed, `meaning` what that means, `follow`, `keys` and `answer` carry it out,
//! and the crate `output` turns the answer into text.

mod answer;
mod cacheargs;
mod called;
mod choice;
mod confirm;
mod control;
mod definition;
mod duration;
mod events;
mod findargs;
mod follow;
mod forms;
mod interrupt;
mod journalargs;
mod keys;
mod live;
mod lowargs;
mod meaning;
mod orchestrateargs;
mod preview;
mod rollout;
mod runargs;
mod runners;
mod salt;
mod seat;
mod targetargs;
mod trouble;
mod user;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::FromArgMatches;
use daemon::config::{Environment, Paths, ProcessEnvironment, Sources};
use output::Style;

pub use cacheargs::JobCacheStep;
pub use control::{Control, ControlError, SocketControl};
pub use journalargs::JournalArgs;
pub use lowargs::{Globals, InitArgs, JoinStep, LogLevel, When};

use forms::Destination;
use lowargs::Lowargs;
use meaning::{Deed, Errand};
use salt::{Manner, OldName};
use seat::{Connect, Seat, Terminals};
use trouble::Trouble;

/// The programs that have this command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// A hub without parents: has all commands.
    TopMaster,
    /// A hub with parents: makes no tree, and hands out no rights.
    Syndic,
}

impl Program {
    /// The program's name.
    pub fn name(self) -> &'static str {
        self.in_settings().as_str()
    }

    fn in_settings(self) -> daemon::config::Program {
        match self {
            Program::TopMaster => daemon::config::Program::TopMaster,
            Program::Syndic => daemon::config::Program::Syndic,
        }
    }
}

/// A command that the program itself carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalCommand {
    /// Start the daemon.
    Serve,
    /// Make a tree; only for [`Program::TopMaster`].
    Init(InitArgs),
    /// Become a second top-master, or admit one; only for [`Program::TopMaster`].
    Join(JoinStep),
    /// Look at the job cache outside.
    JobCache(JobCacheStep),
    /// Show the journal of jobs.
    Journal(JournalArgs),
}

impl Globals {
    /// Where the settings come from, these options being the flags.
    pub fn sources<'a>(&self, program: Program, environment: &'a dyn Environment) -> Sources<'a> {
        let root_dir = self
            .root_dir
            .as_ref()
            .map(|dir| ("root_dir", dir.to_string_lossy().into_owned()));
        let log_level = self
            .log_level
            .map(|level| ("log_level", level.as_str().to_owned()));
        Sources {
            program: program.in_settings(),
            config_file: self.config.clone(),
            flags: root_dir.into_iter().chain(log_level).collect(),
            environment,
        }
    }

    /// The daemon's socket. The settings are read only where they can say where it is: a command works beside settings that
    /// are just being edited as long as `--root-dir` is given.
    fn paths(&self, program: Program, environment: &dyn Environment) -> Result<Paths, Trouble> {
        match &self.root_dir {
            Some(dir) => Ok(Paths::new(dir, program.in_settings())),
            None => self
                .sources(program, environment)
                .hub()
                .map(|settings| settings.paths)
                .map_err(Trouble::Settings),
        }
    }
}

impl LogLevel {
    /// The word in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Quiet => "quiet",
            LogLevel::Error => "error",
            LogLevel::Warning => "warning",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Carries out what the process was called with. `local` does what needs no daemon; call this from the main thread before
/// any other is started.
pub fn main(program: Program, local: impl FnOnce(&Globals, LocalCommand) -> ExitCode) -> ExitCode {
    match start_here(program) {
        Start::Done(code) => ExitCode::from(code),
        Start::Local(globals, command) => local(&globals, command),
    }
}

/// Starts with the streams of the process, and gives them back.
fn start_here(program: Program) -> Start {
    let mut seat = Seat {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: &mut io::stdin().lock(),
        terminals: Terminals {
            input: io::stdin().is_terminal(),
            out: io::stdout().is_terminal(),
            err: io::stderr().is_terminal(),
        },
        environment: &ProcessEnvironment,
        interrupts: &interrupt::watch,
    };
    start(program, std::env::args_os(), &mut seat)
}

/// How far a command came.
enum Start {
    /// It ended with this code.
    Done(u8),
    /// The program has to do it.
    Local(Globals, LocalCommand),
}

fn start(program: Program, args: impl IntoIterator<Item = OsString>, seat: &mut Seat<'_>) -> Start {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(name) = args.first().and_then(|name| OldName::of(name)) {
        return Start::Done(salt::start(name, program, args, seat));
    }
    let typed = definition::definition(program)
        .try_get_matches_from(args)
        .and_then(|matches| Lowargs::from_arg_matches(&matches));
    let Lowargs { globals, command } = match typed {
        Ok(typed) => typed,
        Err(error) => return Start::Done(not_a_command(&error, seat)),
    };
    let deed = match Deed::new(command, &user::name(seat.environment)) {
        Ok(deed) => deed,
        Err(text) => {
            let trouble = Trouble::Usage(text);
            seat.say(&trouble.report(program, &root_option(&globals)));
            return Start::Done(trouble.code());
        }
    };
    let result = match deed {
        Deed::Local(command) => return Start::Local(globals, command),
        Deed::Completions(shell) => {
            let text = definition::completions(program, shell);
            seat.print(&String::from_utf8_lossy(&text))
                .map(|()| output::OK)
                .map_err(Trouble::Print)
        }
        Deed::Man(dir) => match definition::manual_pages(program, &dir) {
            Ok(()) => Ok(output::OK),
            Err(source) => Err(Trouble::Write {
                what: dir.display().to_string(),
                source,
            }),
        },
        Deed::InstallNames { dir, force } => install_names(&dir, force, seat),
        Deed::Errand(errand) => globals.paths(program, seat.environment).and_then(|paths| {
            let style = seat.style(globals.color);
            let connect = connect_to(paths.control_socket());
            carry_out(
                &mut Session {
                    program,
                    globals: &globals,
                    style,
                    connect,
                    manner: Manner::default(),
                    seat,
                },
                errand,
            )
        }),
    };
    Start::Done(result.unwrap_or_else(|trouble| {
        seat.say(&trouble.report(program, &root_option(&globals)));
        trouble.code()
    }))
}

/// Makes the links, and prints them.
fn install_names(dir: &Path, force: bool, seat: &mut Seat<'_>) -> Result<u8, Trouble> {
    let failure = |source| Trouble::Write {
        what: dir.display().to_string(),
        source,
    };
    let program = std::env::current_exe().map_err(failure)?;
    let names = OldName::ALL.map(OldName::as_str);
    let links = daemon::names::install(&program, dir, &names, force)?;
    let lines: String = links
        .iter()
        .map(|link| format!("{}\n", link.display()))
        .collect();
    seat.print(&lines).map_err(Trouble::Print)?;
    Ok(output::OK)
}

fn connect_to(socket: impl AsRef<Path> + Send + Sync + 'static) -> Connect {
    Arc::new(move || Ok(Box::new(SocketControl::connect(socket.as_ref())?) as Box<dyn Control>))
}

/// Help and version are what was asked for; anything else is wrong usage.
fn not_a_command(error: &clap::Error, seat: &mut Seat<'_>) -> u8 {
    let text = error.render();
    if error.use_stderr() {
        seat.say(text.to_string().trim_end());
        return daemon::exit::USAGE;
    }
    let text = if seat.style(When::Auto).color {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    match seat.print(&text) {
        Ok(()) => output::OK,
        Err(_) => daemon::exit::INTERNAL,
    }
}

/// The option that finds the same daemon again.
fn root_option(globals: &Globals) -> String {
    match &globals.root_dir {
        Some(dir) => format!(" --root-dir {}", dir.display()),
        None => String::new(),
    }
}

/// One command with everything that it needs.
struct Session<'a, 'b> {
    program: Program,
    globals: &'a Globals,
    style: Style,
    connect: Connect,
    /// For whom it stands in.
    manner: Manner,
    seat: &'a mut Seat<'b>,
}

impl Session<'_, '_> {
    fn print(&mut self, text: &str) -> Result<(), Trouble> {
        self.seat.print(text).map_err(Trouble::Print)
    }

    /// The same with a file in the place of standard output.
    fn in_file<T>(&mut self, file: &mut File, work: impl FnOnce(&mut Session<'_, '_>) -> T) -> T {
        work(&mut Session {
            program: self.program,
            globals: self.globals,
            style: Style {
                color: self.globals.color == When::Always,
            },
            connect: self.connect.clone(),
            manner: self.manner,
            seat: &mut Seat {
                out: file,
                err: &mut *self.seat.err,
                input: &mut *self.seat.input,
                terminals: Terminals {
                    out: false,
                    ..self.seat.terminals
                },
                environment: self.seat.environment,
                interrupts: self.seat.interrupts,
            },
        })
    }

    fn report(&self, trouble: &Trouble) -> String {
        trouble.report(self.program, &root_option(self.globals))
    }

    /// A command of this program that reaches the same daemon, to be typed.
    fn command_line(&self, command: &str) -> String {
        format!(
            "{} {command}{}",
            self.program.name(),
            root_option(self.globals)
        )
    }
}

impl Errand {
    /// Where what it prints goes, when not to standard output.
    fn destination(&self) -> Option<&Destination> {
        match self {
            Errand::Follow { view, .. }
            | Errand::Preview { view, .. }
            | Errand::Show { view, .. } => Some(&view.destination),
            Errand::Runner { destination, .. } => Some(destination),
            Errand::Question { .. }
            | Errand::Keys { .. }
            | Errand::Decide(_)
            | Errand::Events(_)
            | Errand::Runners { .. }
            | Errand::Find(_) => None,
        }
    }
}

fn carry_out(session: &mut Session<'_, '_>, errand: Errand) -> Result<u8, Trouble> {
    match errand
        .destination()
        .map(Destination::open)
        .transpose()?
        .flatten()
    {
        Some(mut file) => session.in_file(&mut file, |session| done(session, errand)),
        None => done(session, errand),
    }
}

fn done(session: &mut Session<'_, '_>, errand: Errand) -> Result<u8, Trouble> {
    match errand {
        Errand::Follow { ask, follow, view } => follow::follow(session, ask, follow, &view),
        Errand::Preview { ask, view } => preview::preview(session, ask, &view),
        Errand::Show { jid, view } => follow::show_job(session, jid, &view),
        Errand::Question { ask, form } => answer::question(session, ask, form),
        Errand::Keys {
            globs,
            with_fingerprints,
            form,
        } => keys::print(session, &globs, with_fingerprints, form),
        Errand::Decide(decide) => keys::decide(session, decide),
        Errand::Events(args) => events::follow(session, &args),
        Errand::Runner {
            ask,
            form,
            destination,
        } => runners::call(session, ask, form, destination.out_indent),
        Errand::Runners { which } => runners::list(session, which.as_deref()),
        Errand::Find(page) => findargs::print(session, page),
    }
}
