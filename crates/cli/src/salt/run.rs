//! `salt-run`: a runner.

use clap::Parser;
use daemon::exit;
use output::Form;
use wire::control::{Failure, FailureKind};

use super::Old;
use super::options::{Common, refuse};
use crate::meaning::runner;
use crate::trouble::Trouble;
use crate::{Session, carry_out};

/// How the daemon's words begin for a runner that is not there.
const UNKNOWN: &str = "there is no runner ";

/// Call a runner, as Salt's command does
#[derive(Debug, Parser)]
#[command(
    after_help = "docs/commands.md says option by option what is as in Salt; docs/runners.md lists runners."
)]
pub(super) struct Arguments {
    /// Which runner, and its arguments
    #[arg(value_names = ["FUNCTION", "ARGUMENTS"], allow_negative_numbers = true)]
    words: Vec<String>,
    #[command(flatten)]
    common: Common,
    /// The text of runners
    #[arg(short = 'd', long, visible_alias = "documentation", alias = "doc-text")]
    doc: bool,
    /// Print nothing
    #[arg(long)]
    quiet: bool,
    /// Taken, and without effect: grains of a hub are no part of a call
    #[arg(long)]
    skip_grains: bool,
    /// Taken, and without effect: a runner is waited for to its end
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Taken, and without effect: the hub gives ids
    #[arg(long, value_name = "JID", hide = true)]
    jid: Option<String>,
    /// Print the id of the call and leave
    #[arg(long = "async")]
    detach: bool,
}

impl Old for Arguments {
    fn common(&self) -> &Common {
        &self.common
    }

    fn carry_out(self, session: &mut Session<'_, '_>) -> Result<u8, Trouble> {
        refuse(&[(self.jid.is_some(), "--jid", "the hub gives ids itself")])?;
        let mut words = self.words.into_iter();
        let (fun, args) = if self.doc {
            ("doc.runner".to_owned(), words.collect())
        } else {
            match words.next() {
                Some(fun) => (fun, words.collect::<Vec<_>>()),
                // As Salt: without a word all runners say what they do.
                None => ("doc.runner".to_owned(), Vec::new()),
            }
        };
        let form = if self.quiet {
            Some(Form::Quiet)
        } else if fun == "doc.runner" {
            self.common.out.out.or(Some(Form::Docs))
        } else {
            self.common.out.out
        };
        let (user, destination) = (super::user(session), self.common.out.destination);
        let called = fun.clone();
        let errand = runner(fun, &args, &user, self.detach, form, destination);
        let errand = errand.map_err(Trouble::Usage)?;
        match carry_out(session, errand) {
            // Whatever a runner's name or arguments are, Salt ends with 1.
            Err(Trouble::Told(failure)) => {
                let text = said(&called, &failure);
                session.print(&format!("{}\n", output::escape_lines(&text)))?;
                Ok(exit::FAILED)
            }
            ended => ended,
        }
    }
}

/// Salt's words, which scripts look for, and the daemon's after them.
fn said(fun: &str, failure: &Failure) -> String {
    let text = &failure.text;
    match failure.kind {
        FailureKind::NotFound if text.starts_with(UNKNOWN) => {
            format!("'{fun}' is not available.\n{text}")
        }
        FailureKind::Usage => format!("Passed invalid arguments: {text}"),
        _ => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_words_come_first() {
        for (kind, text, expected) in [
            (
                FailureKind::NotFound,
                "there is no runner manage.nosuch; near ones are manage.up",
                "'manage.nosuch' is not available.\nthere is no runner manage.nosuch; near ones are manage.up",
            ),
            (FailureKind::NotFound, "no such job", "no such job"),
            (
                FailureKind::Usage,
                "up() missing x",
                "Passed invalid arguments: up() missing x",
            ),
            (FailureKind::Internal, "broken", "broken"),
        ] {
            let failure = Failure::new(kind, text.to_owned());
            assert_eq!(said("manage.nosuch", &failure), expected);
        }
    }
}
