//! Why a command did not do what it was asked, and the exit code for that.

use std::error::Error;
use std::io;

use daemon::config::ConfigErrors;
use daemon::exit;
use wire::Jid;
use wire::control::{Failure, FailureKind};

use crate::Program;
use crate::control::ControlError;

// A job's codes are told by `output`, which knows no daemon; the table of all codes is the daemon's.
const _: () = assert!(
    output::OK == exit::OK
        && output::FAILED == exit::FAILED
        && output::NOTHING_MATCHED == exit::NOTHING_MATCHED
        && output::UNKNOWN == exit::UNREACHABLE
        && output::REFUSED == exit::REFUSED
);

/// What went wrong; a job's own outcome is none of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("{}", output::escape_lines(&.0.text))]
    Told(Failure),
    #[error("the daemon gave an answer to another question")]
    Unexpected,
    #[error("the daemon ended the connection without an answer")]
    NoAnswer,
    #[error("the connection to the daemon ended; job {0} goes on without this command")]
    Abandoned(Jid),
    #[error("the daemon did not take the job in time")]
    NotAccepted,
    #[error("can't print")]
    Print(#[source] io::Error),
    #[error("can't write {what}")]
    Write { what: String, source: io::Error },
    #[error(transparent)]
    Names(#[from] daemon::names::NameError),
    #[error("can't listen for Ctrl-C")]
    Interrupts(#[source] io::Error),
    #[error("the settings are wrong\n{0}")]
    Settings(ConfigErrors),
}

impl Trouble {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Trouble::Usage(_) => exit::USAGE,
            Trouble::Control(ControlError::Codec(_)) | Trouble::Unexpected => exit::INTERNAL,
            Trouble::Control(_)
            | Trouble::NoAnswer
            | Trouble::Abandoned(_)
            | Trouble::NotAccepted => exit::UNAVAILABLE,
            Trouble::Told(failure) => match failure.kind {
                FailureKind::Usage => exit::USAGE,
                FailureKind::NotFound => output::NOTHING_MATCHED,
                FailureKind::Refused => output::REFUSED,
                FailureKind::Internal => exit::INTERNAL,
            },
            Trouble::Print(_)
            | Trouble::Write { .. }
            | Trouble::Names(_)
            | Trouble::Interrupts(_) => exit::INTERNAL,
            Trouble::Settings(_) => exit::CONFIG,
        }
    }

    /// The message with its causes, and what to do about it where that is known.
    pub(crate) fn report(&self, program: Program, root_option: &str) -> String {
        let name = program.name();
        let mut text = format!("{name}: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        match self {
            Trouble::Control(ControlError::NoDaemon { .. }) => {
                text.push_str(&format!("\nStart it with: {name} serve{root_option}"));
            }
            Trouble::Control(ControlError::NotAllowed { .. }) => {
                text.push_str("\nRun this as the user that runs the daemon, as with sudo.");
            }
            Trouble::Abandoned(jid) => text.push_str(&format!(
                "\nFollow it with: {name} jobs watch {jid}{root_option}"
            )),
            _ => {}
        }
        text
    }
}
