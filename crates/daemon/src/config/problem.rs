//! What is wrong with the settings, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file.
    File {
        /// Which one.
        path: PathBuf,
        /// Line, counted from 1; 0 for the file as a whole.
        line: usize,
    },
    /// In the environment, by this name.
    Environment(String),
    /// On the command line, by this key.
    Flag(&'static str),
    /// Nowhere: it is the default, or it is missing.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line: 0 } => write!(f, "{}", path.display()),
            Place::File { path, line } => write!(f, "{}:{line}", path.display()),
            Place::Environment(name) => f.write_str(name),
            Place::Flag(key) => write!(f, "--{}", key.replace('_', "-")),
            Place::Default => f.write_str("configuration"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in words for people.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong, one problem in each line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    pub(crate) fn new(mut problems: Vec<Problem>) -> ConfigErrors {
        if problems.is_empty() {
            problems.push(Problem {
                place: Place::Default,
                message: "a default does not fit its key; this is a fault of the program"
                    .to_owned(),
            });
        }
        problems.sort();
        problems.dedup();
        ConfigErrors(problems)
    }

    /// The problems, in order of place.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let line_end = if at == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
