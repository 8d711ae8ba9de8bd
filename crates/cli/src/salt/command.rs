//! `salt`: a function on minions.

use std::io::BufRead;
use std::time::Duration;

use clap::Parser;
use daemon::exit;
use output::Form;
use wire::Amount;
use wire::choice::Choice;
use wire::control::{Ask, RunAsk};

use super::options::{Common, refuse};
use super::{Manner, Old, ShownJid};
use crate::called::{SEPARATOR, called};
use crate::meaning::{Errand, Follow};
use crate::rollout::RolloutArgs;
use crate::targetargs::TargetArgs;
use crate::trouble::Trouble;
use crate::{Session, carry_out, duration};

/// Salt's exit code for a command without a target or a function.
const INCOMPLETE: u8 = 42;

/// Bytes of arguments that are read from standard input, at most; more is not let into a job.
const STDIN_BYTES_MAX: u64 = 1 << 20;

/// Run a function on minions, as Salt's command does
#[derive(Debug, Parser)]
#[command(
    after_help = "docs/commands.md says option by option what is as in Salt. `top-master run --help` has more."
)]
pub(super) struct Arguments {
    /// Which minions, and which function with which arguments
    #[arg(value_names = ["TARGET", "FUNCTION", "ARGUMENTS"], allow_negative_numbers = true)]
    words: Vec<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    kind: TargetArgs,

    /// One document for all minions
    #[arg(short = 's', long = "static")]
    one_document: bool,
    /// Progress is shown on a terminal in any case
    #[arg(short = 'p', long)]
    progress: bool,
    /// Stop a batch at the first failure
    #[arg(long)]
    failhard: bool,
    /// Print the job's id and leave
    #[arg(long = "async")]
    detach: bool,
    /// So many of the minions, chosen at random
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    subset: Option<u32>,
    /// Also the job's id
    #[arg(short = 'v', long)]
    verbose: bool,
    /// Leave out minions that did not return
    #[arg(long)]
    hide_timeout: bool,
    /// They are shown in any case
    #[arg(long, hide = true)]
    show_timeout: bool,
    /// Print the job's id first
    #[arg(long)]
    show_jid: bool,
    /// Run on so many minions at once over the whole tree: 10, or 5%
    #[arg(short = 'b', long, visible_alias = "batch-size", value_name = "AMOUNT")]
    batch: Option<Amount>,
    /// A place in the batch stays empty for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = duration::parse, requires = "batch")]
    batch_wait: Option<Duration>,
    /// The text of functions, each once
    #[arg(short = 'd', long, visible_alias = "documentation")]
    doc: bool,
    /// Also numbers of minions that returned, did not return, and failed
    #[arg(long)]
    summary: bool,
    /// Only states that failed or changed something
    #[arg(long)]
    output_diff: bool,
    /// Name the minions, and run nothing
    #[arg(long)]
    preview_target: bool,
    /// Also the lines of standard input are words
    #[arg(long)]
    args_stdin: bool,
    /// Stands between the arguments of several functions
    #[arg(long, value_name = "TEXT", default_value = SEPARATOR)]
    args_separator: String,
    /// Named arguments that stay the text that they are, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    no_parse: Vec<String>,
    /// Taken, and without effect: whether a minion still runs the job is known without asking it again
    #[arg(
        short = 't',
        long,
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    timeout: Option<i64>,
    /// Taken, and without effect, as --timeout
    #[arg(long, value_name = "SECONDS")]
    gather_job_timeout: Option<i64>,

    #[arg(long, value_name = "NUMBER", hide = true)]
    batch_safe_limit: Option<u64>,
    #[arg(long, value_name = "AMOUNT", hide = true)]
    batch_safe_size: Option<String>,
    #[arg(long = "return", value_name = "RETURNER", hide = true)]
    returner: Option<String>,
    #[arg(long = "return_config", value_name = "CONFIG", hide = true)]
    return_config: Option<String>,
    #[arg(long = "return_kwargs", value_name = "VALUES", hide = true)]
    return_kwargs: Option<String>,
    #[arg(long, value_name = "EXECUTORS", hide = true)]
    module_executors: Option<String>,
    #[arg(long, value_name = "OPTIONS", hide = true)]
    executor_opts: Option<String>,
    #[arg(long, value_name = "VALUES", hide = true)]
    metadata: Option<String>,
    #[arg(long, hide = true)]
    start_event: bool,
    #[arg(long, hide = true)]
    config_dump: bool,
    #[arg(short = 'R', long, hide = true)]
    range: bool,
    #[arg(short = 'H', long, hide = true)]
    hosts: bool,
}

impl Old for Arguments {
    fn common(&self) -> &Common {
        &self.common
    }

    fn carry_out(mut self, session: &mut Session<'_, '_>) -> Result<u8, Trouble> {
        self.refused()?;
        if self.args_stdin {
            self.read_words(session)?;
        }
        if let Some(words) = self.is_incomplete() {
            session.seat.say(words);
            return Ok(INCOMPLETE);
        }
        session.manner = Manner {
            is_salt: true,
            names_alone: false,
            jid: match (self.verbose, self.show_jid) {
                (true, _) => ShownJid::Headline,
                (false, true) => ShownJid::Line,
                (false, false) => ShownJid::Hidden,
            },
            batch: self.batch.filter(|_| !self.one_document),
        };
        let is_preview = self.preview_target;
        let (detach, mut view) = (self.detach, self.common.out.view());
        view.one_document = self.one_document;
        view.summary = self.summary;
        view.state_output_diff = self.output_diff;
        view.hides_silent = self.hide_timeout;
        // As Salt: the function is known by its name, however it is called.
        if self.words.get(1).is_some_and(|fun| fun == "sys.doc") {
            self.doc = true;
        }
        if self.doc {
            view.out = Some(Form::Docs);
        }
        if let Err(words) = self.parted() {
            session.seat.say(words);
            return Ok(INCOMPLETE);
        }
        let ask = self.ask(super::user(session)).map_err(Trouble::Usage)?;
        if is_preview {
            session.manner.names_alone = true;
            let ask = Ask::Preview(Box::new(ask));
            return carry_out(session, Errand::Preview { ask, view });
        }
        let follow = Follow::of_own(None, detach);
        let ask = Ask::Run(Box::new(ask));
        let is_json = view.out == Some(Form::Json) && !view.one_document;
        let is_batch = session.manner.batch.is_some() && !detach;
        let ended = carry_out(session, Errand::Follow { ask, follow, view });
        if is_batch {
            return ended;
        }
        code(session, ended, is_json)
    }
}

/// Salt's words at the end, and its exit code.
fn code(
    session: &mut Session<'_, '_>,
    ended: Result<u8, Trouble>,
    is_json: bool,
) -> Result<u8, Trouble> {
    match ended? {
        exit::OK => Ok(exit::OK),
        exit::NOTHING_MATCHED => {
            session.print(
                "No minions matched the target. No command was sent, no jid was assigned.\n",
            )?;
            if is_json {
                // Whoever reads the last document gets one.
                session.print("{}\n")?;
            }
            session.seat.say("ERROR: No return received");
            Ok(exit::NOTHING_MATCHED)
        }
        // Salt knows no other end of a job than that one did not go well.
        exit::FAILED | exit::UNREACHABLE | exit::REFUSED => {
            session
                .seat
                .say("ERROR: Minions returned with non-zero exit code");
            Ok(exit::FAILED)
        }
        other => Ok(other),
    }
}

impl Arguments {
    /// What Salt says when words are missing.
    fn is_incomplete(&self) -> Option<&'static str> {
        match self.words.len() {
            _ if self.doc => None,
            0 => Some("\nCannot execute command without defining a target.\n"),
            1 if !self.preview_target => Some("\nIncomplete options passed.\n"),
            _ => None,
        }
    }

    /// What Salt says when several functions have not a list of arguments each.
    fn parted(&self) -> Result<(), &'static str> {
        match &self.words[..] {
            [_, fun, words @ ..] if !self.doc => {
                called(fun.clone(), words, &self.args_separator, &[]).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn refused(&self) -> Result<(), Trouble> {
        let returners = "returns go where `ext_job_cache` of the hub says (docs/job-caches.md)";
        let batch = "give -b itself; `confirm_above` of the hub asks before a job for many";
        refuse(&[
            (self.batch_safe_limit.is_some(), "--batch-safe-limit", batch),
            (self.batch_safe_size.is_some(), "--batch-safe-size", batch),
            (self.returner.is_some(), "--return", returners),
            (self.return_config.is_some(), "--return_config", returners),
            (self.return_kwargs.is_some(), "--return_kwargs", returners),
            (
                self.module_executors.is_some(),
                "--module-executors",
                "functions run with the rights of the minion; there are no executors",
            ),
            (
                self.executor_opts.is_some(),
                "--executor-opts",
                "functions run with the rights of the minion; there are no executors",
            ),
            (
                self.metadata.is_some(),
                "--metadata",
                "a job has no metadata here",
            ),
            (
                self.start_event,
                "--start-event",
                "follow the job with `top-master jobs watch JID`",
            ),
            (
                self.config_dump,
                "--config-dump",
                "`salt-run config.values` or the file itself show the settings",
            ),
            (
                self.range,
                "--range",
                "there are no range servers; -L, -N and -C name minions",
            ),
            (self.hosts, "--hosts", "-L takes ids with commas between"),
        ])
    }

    /// Each line of standard input is one more word.
    fn read_words(&mut self, session: &mut Session<'_, '_>) -> Result<(), Trouble> {
        let input = std::io::Read::take(&mut *session.seat.input, STDIN_BYTES_MAX);
        for line in std::io::BufReader::new(input).lines() {
            let line = line.map_err(|error| {
                Trouble::Usage(format!(
                    "--args-stdin: standard input can't be read: {error}"
                ))
            })?;
            self.words.push(line);
        }
        Ok(())
    }

    fn ask(self, user: String) -> Result<RunAsk, String> {
        let (target, fun, words) = self.called()?;
        let called = called(fun, &words, &self.args_separator, &self.no_parse)?;
        let plan = RolloutArgs {
            batch_size: self.batch,
            batch_wait: self.batch_wait,
            // Without a batch Salt has nothing to stop.
            failhard: self.failhard && self.batch.is_some(),
            ..RolloutArgs::default()
        };
        Ok(RunAsk {
            target_kind: self.kind.name().to_owned(),
            target,
            delimiter: self.kind.delimiter,
            fun: called.fun,
            args: called.args,
            kwargs: called.kwargs,
            plan: plan.plan()?,
            detach: self.detach,
            choice: Choice {
                subset: self.subset,
                ..Choice::default()
            },
            ..RunAsk::of(user)
        })
    }

    /// The target, the function and its arguments.
    fn called(&self) -> Result<(String, String, Vec<String>), String> {
        let mut words = self.words.iter().cloned();
        let target = words.next();
        if self.doc {
            let rest: Vec<String> = words.filter(|word| word != "sys.doc").collect();
            if rest.len() > 1 {
                return Err("-d takes one function or module at a time".to_owned());
            }
            let target = target.unwrap_or_else(|| "*".to_owned());
            return Ok((target, "sys.doc".to_owned(), rest));
        }
        let target = target.ok_or("the target is missing: salt '*' test.ping")?;
        let fun = match words.next() {
            Some(fun) => fun,
            None if self.preview_target => String::new(),
            None => return Err("the function is missing: salt '*' test.ping".to_owned()),
        };
        // As Salt: blanks, too, stand between the ids of a list.
        let target = if self.kind.name() == "list" && !target.contains(',') {
            target.split_whitespace().collect::<Vec<_>>().join(",")
        } else {
            target
        };
        Ok((target, fun, words.collect()))
    }
}
