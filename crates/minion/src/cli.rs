//! The minion's command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{BoolishValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use daemon::config::{MinionConfig, ProcessEnvironment, Program, Sources};
use daemon::exit;
use output::{Form, States};

use crate::salt_call;

/// The leaf of a Banyan tree: runs functions on this host when a signed order says so.
#[derive(Debug, Parser)]
#[command(
    name = "minion",
    version,
    after_help = "Start with `minion serve`; the log says what to accept where."
)]
struct Arguments {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Globals {
    /// Everything of this node lies below this directory: etc/banyan, var/lib/banyan, run/banyan.
    #[arg(long, global = true, value_name = "DIR", env = "BANYAN_ROOT_DIR")]
    pub(crate) root_dir: Option<String>,
    /// The configuration file, in place of etc/banyan/minion.
    #[arg(short = 'c', long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which log messages are shown: quiet, error, warning, info, debug, trace.
    #[arg(short = 'l', long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: enrol with the configured masters, then take orders from them.
    Serve,
    /// Run a function on this host, here and now, with the files and the pillar of its hub, or with those of this host by `--local`.
    #[command(
        after_help = "Example: minion call test.ping\n         minion call state.apply nginx test=True\n         minion call --local state.apply nginx\n\nThe daemon of this host runs the function; where none runs, the call is the minion for as long as it lasts."
    )]
    Call(Box<CallArgs>),
    /// Print the fingerprint of this minion's key, to compare before it is accepted.
    Fingerprint,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Make a link by the name of Salt's command: salt-call.
    InstallNames {
        /// Where to.
        #[arg(long, value_name = "DIR", default_value = "/usr/local/bin")]
        dir: PathBuf,
        /// Replace what has the name.
        #[arg(long)]
        force: bool,
    },
    /// Write the manual pages into a directory.
    Man {
        /// The directory.
        dir: PathBuf,
    },
}

/// What is run, and how its result is printed.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct CallArgs {
    /// Take files and pillar from `file_roots` and `pillar_roots` of this host, as `file_client: local` does.
    #[arg(long)]
    pub(crate) local: bool,
    /// A folder that is the files of the environment base, in place of `file_roots`. Implies `--local`.
    #[arg(long, value_name = "DIR")]
    pub(crate) file_root: Option<String>,
    /// A folder that is the pillar of the environment base, in place of `pillar_roots`. Implies `--local`.
    #[arg(long, value_name = "DIR")]
    pub(crate) pillar_root: Option<String>,
    /// The minion's id, in place of that of the configuration. A daemon that runs has its own.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// End with the function's own return code: 2 when a state failed.
    #[arg(long)]
    pub(crate) retcode_passthrough: bool,
    /// The function, for example test.ping.
    pub(crate) function: String,
    /// Its arguments, as on Salt's command line: YAML scalars and key=value. What begins with a hyphen and is no number stands after `--`.
    #[arg(allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    /// How the result is printed [default: highstate for results of states, else nested].
    #[arg(long, visible_alias = "output", value_name = "FORM", value_parser = form())]
    pub(crate) out: Option<Form>,
    /// Write the result into this file, and not on standard output.
    #[arg(long, visible_alias = "output-file", value_name = "FILE")]
    pub(crate) out_file: Option<PathBuf>,
    /// Add it to what the file has.
    #[arg(long, visible_alias = "output-file-append", requires = "out_file")]
    pub(crate) out_file_append: bool,
    /// Columns of a level of JSON; -1: on one line.
    #[arg(
        long,
        visible_alias = "output-indent",
        value_name = "NUMBER",
        allow_negative_numbers = true
    )]
    pub(crate) out_indent: Option<i32>,
    /// Send no event with what the function returned.
    #[arg(long)]
    pub(crate) no_return_event: bool,
    /// Print all of the return: the job's id, the function, the return code.
    #[arg(long)]
    pub(crate) metadata: bool,
    /// Colour in any case, or in none.
    #[arg(skip)]
    pub(crate) color: Option<bool>,
    /// Whether it is Salt's command: an unknown function has an end of its own there.
    #[arg(skip)]
    pub(crate) is_salt: bool,
    /// How much of each state is printed: full, terse, mixed, changes, filter, and each with _id for ids in place of names.
    #[arg(long, value_name = "MODE", default_value = "full")]
    pub(crate) state_output: States,
    /// Whether states that went well and changed nothing are printed.
    #[arg(long, value_name = "TRUTH", action = ArgAction::Set, value_parser = BoolishValueParser::new(), default_value = "true")]
    pub(crate) state_verbose: bool,
}

/// Reads the name of a form.
pub(crate) fn form() -> impl TypedValueParser<Value = Form> {
    let names = Form::NAMED.map(|(name, _, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Form>())
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    if salt_call::is_meant() {
        return salt_call::main();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_a_command(&error),
    };
    match &arguments.command {
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "minion",
                &mut std::io::stdout(),
            );
            ExitCode::SUCCESS
        }
        Command::Man { dir } => match clap_mangen::generate_to(Arguments::command(), dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(exit::INTERNAL, &format!("{}: {error}", dir.display())),
        },
        Command::InstallNames { dir, force } => match install_names(dir, *force) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(exit::INTERNAL, &format!("{error:#}")),
        },
        Command::Serve => with_config(&arguments.globals, crate::serve::serve),
        Command::Fingerprint => with_config(&arguments.globals, |config| {
            let keys = pki::KeyStore::open(crate::node::key_directory(&config))?;
            println!("{}", keys.link_key()?.public().fingerprint());
            Ok(())
        }),
        Command::Call(wish) => call(&arguments.globals, wish),
    }
}

/// Makes the link, and prints it.
fn install_names(dir: &Path, force: bool) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    for link in daemon::names::install(&program, dir, &[salt_call::NAME], force)? {
        println!("{}", link.display());
    }
    Ok(())
}

/// Help and version are what was asked for; anything else is a usage error.
pub(crate) fn not_a_command(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() {
        exit::USAGE
    } else {
        exit::OK
    };
    let _ = error.print();
    ExitCode::from(code)
}

/// Runs a function here and now.
pub(crate) fn call(globals: &Globals, wish: &CallArgs) -> ExitCode {
    let mut flags = Vec::new();
    if wish.local || wish.file_root.is_some() || wish.pillar_root.is_some() {
        flags.push(("file_client", "local".to_owned()));
    }
    let folders = [
        ("file_roots", &wish.file_root),
        ("pillar_roots", &wish.pillar_root),
    ];
    for (key, folder) in folders {
        if let Some(folder) = folder {
            flags.push((key, format!("{{base: [{}]}}", serde_json::json!(folder))));
        }
    }
    flags.extend(wish.id.clone().map(|id| ("id", id)));
    match config_with(globals, flags) {
        Ok(config) => crate::call::call(&config, wish),
        Err(code) => code,
    }
}

fn config(globals: &Globals) -> Result<MinionConfig, ExitCode> {
    config_with(globals, Vec::new())
}

/// The configuration, with what the command line says over it.
fn config_with(
    globals: &Globals,
    mut flags: Vec<(&'static str, String)>,
) -> Result<MinionConfig, ExitCode> {
    if let Some(dir) = &globals.root_dir {
        flags.push(("root_dir", dir.clone()));
    }
    if let Some(level) = &globals.log_level {
        flags.push(("log_level", level.clone()));
    }
    let sources = Sources {
        program: Program::Minion,
        config_file: globals.config.clone(),
        flags,
        environment: &ProcessEnvironment,
    };
    sources
        .minion()
        .map_err(|errors| fail(exit::CONFIG, &errors.to_string()))
}

fn with_config(
    globals: &Globals,
    work: impl FnOnce(MinionConfig) -> anyhow::Result<()>,
) -> ExitCode {
    match config(globals) {
        Err(code) => code,
        Ok(config) => match work(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(exit::INTERNAL, &format!("{error:#}")),
        },
    }
}

/// Says what is wrong, and with which code the program ends.
pub fn fail(code: u8, text: &str) -> ExitCode {
    eprintln!("minion: {text}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arguments of the function, and the output.
    fn check(words: &[&str], expected: &[&str], expected_out: Option<Form>) {
        let words = ["minion", "call"].iter().chain(words);
        let arguments = Arguments::try_parse_from(words).expect("arguments");
        let Command::Call(wish) = arguments.command else {
            panic!("another command");
        };
        let CallArgs { arguments, out, .. } = *wish;
        assert_eq!(
            (&arguments[..], out),
            (
                &expected
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>()[..],
                expected_out
            )
        );
    }

    #[test]
    fn options_may_stand_after_the_arguments_of_a_function() {
        check(
            &["cmd.run", "uptime", "--out", "json"],
            &["uptime"],
            Some(Form::Json),
        );
        check(
            &["--out", "json", "math.add", "-1", "x=2"],
            &["-1", "x=2"],
            Some(Form::Json),
        );
        check(&["cmd.run", "--", "-x", "--out"], &["-x", "--out"], None);
    }
}
