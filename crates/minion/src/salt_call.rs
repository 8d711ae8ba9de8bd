//! `salt-call`: a function on this host, with the options of Salt's command, where a link of that name leads to the minion.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Parser};
use daemon::exit;
use output::{Form, States};

use crate::cli::{CallArgs, Globals, call, form, not_a_command};

pub(crate) const NAME: &str = "salt-call";

/// Run a function on this host, as Salt's command does
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version = concat!("3008.3 (Banyan ", env!("CARGO_PKG_VERSION"), ")"),
    infer_long_args = true,
    disable_version_flag = true,
    after_help = "docs/commands.md says option by option what is as in Salt. `minion call --help` has more."
)]
struct Arguments {
    /// The function, and its arguments
    #[arg(value_names = ["FUNCTION", "ARGUMENTS"], allow_negative_numbers = true)]
    words: Vec<String>,
    /// The directory of the settings, the file `minion` in it
    #[arg(short = 'c', long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    #[arg(long, value_name = "DIR", hide = true)]
    root_dir: Option<String>,
    /// Which log messages are shown: quiet, error, warning, info, debug, trace
    #[arg(short = 'l', long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The version of the program
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Versions of the program
    #[arg(short = 'V', long)]
    versions_report: bool,
    /// Files and pillar of this host: `file_roots` and `pillar_roots`
    #[arg(long)]
    local: bool,
    /// A folder that is the files of the environment base
    #[arg(long, value_name = "DIR")]
    file_root: Option<String>,
    /// A folder that is the pillar of the environment base
    #[arg(long, value_name = "DIR")]
    pillar_root: Option<String>,
    /// The minion's id
    #[arg(long)]
    id: Option<String>,
    /// End with the function's own return code
    #[arg(long)]
    retcode_passthrough: bool,
    /// The grains of this host
    #[arg(short = 'g', long)]
    grains: bool,
    /// The text of a function
    #[arg(short = 'd', long, visible_alias = "documentation")]
    doc: bool,
    /// Form of what is printed
    #[arg(long, visible_alias = "output", value_name = "FORM", value_parser = form())]
    out: Option<Form>,
    /// Write the result into this file
    #[arg(long, visible_alias = "output-file", value_name = "FILE")]
    out_file: Option<PathBuf>,
    /// Add it to what the file has
    #[arg(long, visible_alias = "output-file-append", requires = "out_file")]
    out_file_append: bool,
    /// Columns of a level of JSON; -1: on one line
    #[arg(
        long,
        visible_alias = "output-indent",
        value_name = "NUMBER",
        allow_negative_numbers = true
    )]
    out_indent: Option<i32>,
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
    #[arg(long, alias = "state_verbose", value_name = "TRUTH", action = ArgAction::Set, value_parser = ["true", "false", "True", "False"], default_value = "true")]
    state_verbose: String,
    /// Print all of the return: the job's id, the function, the return code
    #[arg(long)]
    metadata: bool,
    /// Send no event with what the function returned
    #[arg(long)]
    no_return_event: bool,
    /// Taken, and without effect: grains are never cached on disk
    #[arg(long)]
    skip_grains: bool,
    /// Taken, and without effect, as --skip-grains
    #[arg(long)]
    refresh_grains_cache: bool,
    /// Taken, and without effect: the function is waited for
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Taken, and without effect: a failure is told with its causes in any case
    #[arg(long)]
    hard_crash: bool,

    #[arg(long, value_name = "FILE", hide = true)]
    log_file: Option<PathBuf>,
    #[arg(long, value_name = "LEVEL", hide = true)]
    log_file_level: Option<String>,
    #[arg(short = 'm', long, value_name = "DIRS", hide = true)]
    module_dirs: Option<String>,
    #[arg(long, value_name = "MASTER", hide = true)]
    master: Option<String>,
    #[arg(long = "return", value_name = "RETURNER", hide = true)]
    returner: Option<String>,
    #[arg(long, value_name = "DIR", hide = true)]
    states_dir: Option<String>,
    #[arg(long, value_name = "VALUES", hide = true)]
    set_metadata: Option<String>,
    #[arg(long, value_name = "PRIORITY", hide = true)]
    priv_: Option<String>,
    #[arg(long, value_name = "ID", hide = true)]
    proxyid: Option<String>,
    #[arg(short = 'u', long, value_name = "USER", hide = true)]
    user: Option<String>,
    #[arg(long, value_name = "DIR", hide = true)]
    cachedir: Option<String>,
}

/// Whether the program was called by that name.
pub(crate) fn is_meant() -> bool {
    let program = std::env::args_os().next();
    program.is_some_and(|program| Path::new(&program).file_name() == Some(OsStr::new(NAME)))
}

/// Reads the arguments and does what they say.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_a_command(&error),
    };
    if arguments.versions_report {
        println!(
            "Salt Version:\n          Salt: 3008.3\n        Banyan: {}",
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::SUCCESS;
    }
    match meant(arguments) {
        Ok((globals, wish)) => call(&globals, &wish),
        Err(text) => {
            eprintln!("{NAME}: {text}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// The same as `minion call` has it.
fn meant(arguments: Arguments) -> Result<(Globals, CallArgs), String> {
    let refused = [
        (
            arguments.log_file.is_some(),
            "--log-file",
            "what the log says goes to standard error",
        ),
        (
            arguments.log_file_level.is_some(),
            "--log-file-level",
            "what the log says goes to standard error",
        ),
        (
            arguments.module_dirs.is_some(),
            "--module-dirs",
            "custom modules come with the roots (docs/custom-modules.md)",
        ),
        (
            arguments.master.is_some(),
            "--master",
            "the hubs are those of `master` in the settings, whose key this minion knows",
        ),
        (
            arguments.returner.is_some(),
            "--return",
            "the result is printed; --out-file writes it into a file",
        ),
        (
            arguments.states_dir.is_some(),
            "--states-dir",
            "custom states come with the roots (docs/custom-modules.md)",
        ),
        (
            arguments.set_metadata.is_some(),
            "--set-metadata",
            "a call keeps no metadata",
        ),
        (
            arguments.priv_.is_some(),
            "--priv",
            "run the command as that user",
        ),
        (
            arguments.proxyid.is_some(),
            "--proxyid",
            "there are no proxy minions",
        ),
        (
            arguments.user.is_some(),
            "--user",
            "run the command as that user",
        ),
        (
            arguments.cachedir.is_some(),
            "--cachedir",
            "everything lies below --root-dir",
        ),
    ];
    if let Some((_, option, instead)) = refused.iter().find(|(is_given, ..)| *is_given) {
        return Err(format!("{option}: {instead}"));
    }
    if arguments.grains && !arguments.words.is_empty() {
        return Err("-g/--grains does not accept any arguments".to_owned());
    }
    let mut words = arguments.words.into_iter();
    let (function, rest) = if arguments.grains {
        ("grains.items".to_owned(), Vec::new())
    } else if arguments.doc {
        (
            "sys.doc".to_owned(),
            words.filter(|word| word != "sys.doc").collect(),
        )
    } else {
        let function = words
            .next()
            .ok_or("the function is missing: salt-call test.ping")?;
        (function, words.collect())
    };
    let globals = Globals {
        root_dir: arguments
            .root_dir
            .or_else(|| std::env::var("BANYAN_ROOT_DIR").ok()),
        config: arguments.config_dir.map(|dir| dir.join("minion")),
        log_level: arguments.log_level,
    };
    let wish = CallArgs {
        local: arguments.local,
        file_root: arguments.file_root,
        pillar_root: arguments.pillar_root,
        id: arguments.id,
        retcode_passthrough: arguments.retcode_passthrough,
        function,
        arguments: rest,
        out: arguments
            .out
            .or_else(|| arguments.doc.then_some(Form::Docs)),
        out_file: arguments.out_file,
        out_file_append: arguments.out_file_append,
        out_indent: arguments.out_indent,
        color: match (arguments.force_color, arguments.no_color) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        },
        no_return_event: arguments.no_return_event,
        metadata: arguments.metadata,
        is_salt: true,
        state_output: arguments.state_output,
        state_verbose: arguments.state_verbose.eq_ignore_ascii_case("true"),
    };
    Ok((globals, wish))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<CallArgs, String> {
        let words = [NAME].iter().chain(words);
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        meant(arguments).map(|(_, wish)| wish)
    }

    #[test]
    fn options_are_those_of_salt() {
        let wish = read(&[
            "--local",
            "state.apply",
            "nginx",
            "test=True",
            "--retcode-pass",
            "--out=json",
        ])
        .unwrap();
        assert!(wish.local && wish.retcode_passthrough);
        assert_eq!(
            (wish.function.as_str(), &wish.arguments[..]),
            (
                "state.apply",
                &["nginx".to_owned(), "test=True".to_owned()][..]
            )
        );
        assert_eq!(wish.out, Some(Form::Json));
        assert_eq!(read(&["-g"]).unwrap().function, "grains.items");
        let doc = read(&["-d", "test.ping"]).unwrap();
        assert_eq!(
            (doc.function.as_str(), doc.out),
            ("sys.doc", Some(Form::Docs))
        );
        assert!(
            read(&["--master=x", "test.ping"])
                .unwrap_err()
                .contains("`master` in the settings")
        );
        assert!(read(&[]).unwrap_err().contains("the function is missing"));
    }
}
