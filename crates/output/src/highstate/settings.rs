//! How much of each state is shown.

use std::fmt;
use std::str::FromStr;

use data::python;
use serde_json::Value;

/// How much is shown of a state: `state_output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// All of each state.
    #[default]
    Full,
    /// A line for each state.
    Terse,
    /// All of those that failed, a line for each other.
    Mixed,
    /// All of those that failed or changed something, a line for each other.
    Changes,
    /// All of each state, but for results that [`States`] names.
    Filter,
}

/// States by their results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Results {
    /// Those that went well.
    pub succeeded: bool,
    /// Those that failed.
    pub failed: bool,
    /// Those that would change something, in test mode.
    pub foretold: bool,
}

impl Results {
    /// Reads the words `True`, `False` and `None`.
    pub fn of<S: AsRef<str>>(words: &[S]) -> Results {
        let has = |word: &str| words.iter().any(|other| other.as_ref() == word);
        Results {
            succeeded: has("True"),
            failed: has("False"),
            foretold: has("None"),
        }
    }

    fn has(self, result: Option<bool>) -> bool {
        match result {
            Some(true) => self.succeeded,
            Some(false) => self.failed,
            None => self.foretold,
        }
    }
}

/// How much of a state is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing.
    Not,
    /// A line.
    Terse,
    /// All.
    Full,
}

/// How results of states are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States {
    /// How much of each state.
    pub mode: Mode,
    /// With the id in place of the name: the `_id` variants of `state_output`.
    pub has_ids: bool,
    /// Also those that went well and changed nothing: `state_verbose`.
    pub is_verbose: bool,
    /// Without those that went well and changed nothing, whatever else is said: `state_output_diff`.
    pub hides_unchanged: bool,
    /// Lines of one state in columns: `state_tabular`.
    pub is_tabular: bool,
    /// With the times of each state and of all: `state_output_profile`.
    pub has_times: bool,
    /// With shares in percent: `state_output_pct`.
    pub has_percent: bool,
    /// With [`Mode::Filter`]: results that are left out.
    pub excluded: Results,
    /// With [`Mode::Filter`]: results that get a line only.
    pub terse: Results,
}

impl Default for States {
    fn default() -> States {
        States {
            mode: Mode::Full,
            has_ids: false,
            is_verbose: true,
            hides_unchanged: false,
            is_tabular: false,
            has_times: true,
            has_percent: false,
            excluded: Results::default(),
            terse: Results::default(),
        }
    }
}

/// A word that is no `state_output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownMode;

impl std::error::Error for UnknownMode {}

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is full, terse, mixed, changes or filter, and each may end with _id")
    }
}

impl FromStr for States {
    type Err = UnknownMode;

    /// Reads the word of `state_output`, as `terse_id`; all else is as it is by default.
    fn from_str(word: &str) -> Result<States, UnknownMode> {
        let lower = word.to_lowercase();
        let (word, has_ids) = match lower.strip_suffix("_id") {
            Some(word) => (word, true),
            None => (lower.as_str(), false),
        };
        let mode = match word {
            "full" => Mode::Full,
            "terse" => Mode::Terse,
            "mixed" => Mode::Mixed,
            "changes" => Mode::Changes,
            "filter" => Mode::Filter,
            _ => return Err(UnknownMode),
        };
        Ok(States {
            mode,
            has_ids,
            ..States::default()
        })
    }
}

impl States {
    /// The same for one job: with [`Mode::Filter`] its keywords `exclude` and `terse` name results, as a list or with commas.
    pub(crate) fn of_job(mut self, kwargs: &Value) -> States {
        let words = |key: &str| match kwargs.get(key)? {
            Value::String(text) => Some(text.split(',').map(str::to_owned).collect::<Vec<_>>()),
            Value::Array(items) => Some(items.iter().map(python::text).collect()),
            _ => None,
        };
        if self.mode == Mode::Filter {
            self.excluded = words("exclude").map_or(self.excluded, |words| Results::of(&words));
            self.terse = words("terse").map_or(self.terse, |words| Results::of(&words));
        }
        self
    }

    pub(super) fn shown(&self, result: Option<bool>, is_changed: bool) -> Shown {
        let is_terse = match self.mode {
            Mode::Full => false,
            Mode::Terse => true,
            Mode::Mixed => result != Some(false),
            Mode::Changes => result == Some(true) && !is_changed,
            Mode::Filter if self.terse.has(result) => true,
            Mode::Filter if self.excluded.has(result) => return Shown::Not,
            Mode::Filter => false,
        };
        if is_terse { Shown::Terse } else { Shown::Full }
    }
}
