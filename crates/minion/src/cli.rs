//! The minion's command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use daemon::config::{MinionConfig, ProcessEnvironment, Program, Sources};
use daemon::exit;
use output::States;

/// The leaf of a Banyan tree: runs functions on this host when a signed order says so.
#[derive(Debug, Parser)]
#[command(
    name = "minion",
    version,
    after_help = "Start with `minion serve`; the log says what to accept where."
)]
struct Arguments {
    /// Everything of this node lies below this directory: etc/banyan, var/lib/banyan, run/banyan.
    #[arg(long, global = true, value_name = "DIR", env = "BANYAN_ROOT_DIR")]
    root_dir: Option<String>,
    /// The configuration file, in place of etc/banyan/minion.
    #[arg(short = 'c', long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which log messages are shown: quiet, error, warning, info, debug, trace.
    #[arg(short = 'l', long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: enrol with the configured masters, then take orders from them.
    Serve,
    /// Run a function on this host, here and now, without a hub. Files of `salt://`, states and pillar need `--local`.
    #[command(
        after_help = "Example: minion call test.ping\n         minion call cmd.run 'uptime' --out json\n         minion call --local state.apply nginx test=True"
    )]
    Call {
        /// Take files and pillar from `file_roots` and `pillar_roots` of this host, as `file_client: local` does.
        #[arg(long)]
        local: bool,
        /// A folder that is the files of the environment base, in place of `file_roots`. Implies `--local`.
        #[arg(long, value_name = "DIR")]
        file_root: Option<String>,
        /// A folder that is the pillar of the environment base, in place of `pillar_roots`. Implies `--local`.
        #[arg(long, value_name = "DIR")]
        pillar_root: Option<String>,
        /// The minion's id, in place of that of the configuration.
        #[arg(long)]
        id: Option<String>,
        /// End with the function's own return code: 2 when a state failed.
        #[arg(long)]
        retcode_passthrough: bool,
        /// The function, for example test.ping.
        function: String,
        /// Its arguments, as on Salt's command line: YAML scalars and key=value. What begins with a hyphen and is no number stands after `--`.
        #[arg(allow_negative_numbers = true)]
        arguments: Vec<String>,
        /// How the result is printed: nested, highstate, json, yaml, txt, raw, quiet [default: highstate for results of states, else nested].
        #[arg(long)]
        out: Option<String>,
        /// How much of each state is printed: full, terse, mixed, changes, filter, and each with _id for ids in place of names.
        #[arg(long, value_name = "MODE", default_value = "full")]
        state_output: States,
        /// Whether states that went well and changed nothing are printed.
        #[arg(long, value_name = "TRUTH", action = ArgAction::Set, value_parser = BoolishValueParser::new(), default_value = "true")]
        state_verbose: bool,
    },
    /// Print the fingerprint of this minion's key, to compare before it is accepted.
    Fingerprint,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory.
    Man {
        /// The directory.
        dir: PathBuf,
    },
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are what was asked for; anything else is a usage error.
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            };
            let _ = error.print();
            return ExitCode::from(code);
        }
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
        Command::Serve => with_config(&arguments, crate::serve::serve),
        Command::Fingerprint => with_config(&arguments, |config| {
            let keys = pki::KeyStore::open(crate::serve::key_directory(&config))?;
            println!("{}", keys.link_key()?.public().fingerprint());
            Ok(())
        }),
        Command::Call {
            local,
            file_root,
            pillar_root,
            id,
            retcode_passthrough,
            function,
            arguments: words,
            out,
            state_output,
            state_verbose,
        } => {
            let mut flags = Vec::new();
            if *local || file_root.is_some() || pillar_root.is_some() {
                flags.push(("file_client", "local".to_owned()));
            }
            let folders = [("file_roots", file_root), ("pillar_roots", pillar_root)];
            for (key, folder) in folders {
                if let Some(folder) = folder {
                    flags.push((key, format!("{{base: [{}]}}", serde_json::json!(folder))));
                }
            }
            flags.extend(id.clone().map(|id| ("id", id)));
            let states = States {
                is_verbose: *state_verbose,
                ..*state_output
            };
            match config_with(&arguments, flags) {
                Ok(config) => crate::call::call(
                    &config,
                    function,
                    words,
                    out.as_deref(),
                    states,
                    *retcode_passthrough,
                ),
                Err(code) => code,
            }
        }
    }
}

fn config(arguments: &Arguments) -> Result<MinionConfig, ExitCode> {
    config_with(arguments, Vec::new())
}

/// The configuration, with what the command line says over it.
fn config_with(
    arguments: &Arguments,
    mut flags: Vec<(&'static str, String)>,
) -> Result<MinionConfig, ExitCode> {
    if let Some(dir) = &arguments.root_dir {
        flags.push(("root_dir", dir.clone()));
    }
    if let Some(level) = &arguments.log_level {
        flags.push(("log_level", level.clone()));
    }
    let sources = Sources {
        program: Program::Minion,
        config_file: arguments.config.clone(),
        flags,
        environment: &ProcessEnvironment,
    };
    sources
        .minion()
        .map_err(|errors| fail(exit::CONFIG, &errors.to_string()))
}

fn with_config(
    arguments: &Arguments,
    work: impl FnOnce(MinionConfig) -> anyhow::Result<()>,
) -> ExitCode {
    match config(arguments) {
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
    fn check(words: &[&str], expected: &[&str], expected_out: Option<&str>) {
        let words = ["minion", "call"].iter().chain(words);
        let arguments = Arguments::try_parse_from(words).expect("arguments");
        let Command::Call { arguments, out, .. } = arguments.command else {
            panic!("another command");
        };
        assert_eq!(
            (&arguments[..], out.as_deref()),
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
            Some("json"),
        );
        check(
            &["--out", "json", "math.add", "-1", "x=2"],
            &["-1", "x=2"],
            Some("json"),
        );
        check(&["cmd.run", "--", "-x", "--out"], &["-x", "--out"], None);
    }
}
