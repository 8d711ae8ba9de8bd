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
    match os_number(error) {
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
    match os_number(error) {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// The system's number of an error. Errors about temporary files have it in their text alone, before the path of the file.
fn os_number(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        let text = error.to_string();
        let (_, rest) = text.split_once(" (os error ")?;
        rest.split_once(')')?.0.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_error_is_found_where_a_library_adds_a_path() {
        let bare = io::Error::from_raw_os_error(30);
        let wrapped = io::Error::new(
            bare.kind(),
            format!("{} at path \"/mnt/.new\"", io::Error::from_raw_os_error(30)),
        );
        for error in [bare, wrapped] {
            assert_eq!(os_text(&error), "Read-only file system");
            assert_eq!(
                python_text("/mnt/f", &error),
                "[Errno 30] Read-only file system: '/mnt/f'"
            );
        }
        assert_eq!(os_text(&io::Error::other("odd")), "odd");
    }
}
