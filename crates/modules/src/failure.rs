//! How a function fails, in the words that operators of Salt know.

use std::io;
use std::path::Path;

use thiserror::Error;

/// Why a function did not do its work. The sort decides the words in front of the text.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Something on the host went wrong.
    #[error("{0}")]
    Command(String),
    /// A program that the function needs is not installed.
    #[error("{0}")]
    MissingProgram(String),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    Invocation(String),
    /// The arguments do not fit the signature.
    #[error("{0}")]
    Arguments(String),
    /// There is no such function.
    #[error("{0}")]
    Unknown(String),
    /// A function in Python broke; the lines that Python shows of it.
    #[error("{0}")]
    Traceback(String),
    /// The function itself broke; named as Salt names exceptions.
    #[error("{kind}: {text}")]
    Exception {
        /// Kind of exception, for example `ValueError`.
        kind: &'static str,
        /// What happened.
        text: String,
    },
}

impl Failure {
    pub(crate) fn command(text: impl Into<String>) -> Failure {
        Failure::Command(text.into())
    }

    pub(crate) fn invocation(text: impl Into<String>) -> Failure {
        Failure::Invocation(text.into())
    }

    pub(crate) fn exception(kind: &'static str, text: impl Into<String>) -> Failure {
        Failure::Exception {
            kind,
            text: text.into(),
        }
    }

    /// An error of the system at a path.
    pub(crate) fn io(path: impl AsRef<Path>, error: io::Error) -> Failure {
        Failure::Command(format!(
            "{}: '{}'",
            os_text(&error),
            path.as_ref().display()
        ))
    }

    /// The text that the operator sees.
    pub(crate) fn render(&self, fun: &str, doc: &str) -> String {
        match self {
            Failure::Unknown(text) => text.clone(),
            Failure::Command(text) => format!("ERROR: {text}"),
            Failure::MissingProgram(text) => {
                format!("Command required for '{fun}' not found: {text}")
            }
            Failure::Invocation(text) => format!("ERROR executing '{fun}': {text}"),
            Failure::Arguments(text) => format!("Passed invalid arguments to {fun}: {text}\n{doc}"),
            Failure::Traceback(_) | Failure::Exception { .. } => {
                format!("The minion function caused an exception: {self}")
            }
        }
    }
}

/// An error of the system at a path as Python's `OSError` prints it.
pub(crate) fn python_text(path: impl AsRef<Path>, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!(
            "[Errno {number}] {}: '{}'",
            os_text(error),
            path.as_ref().display()
        ),
        None => error.to_string(),
    }
}

/// The system's words for an error, without Rust's `(os error N)`.
pub(crate) fn os_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
