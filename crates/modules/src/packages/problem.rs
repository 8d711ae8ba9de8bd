//! How changing packages fails: what the programs said, and what had changed by then.

use serde_json::{Map, Value, json};

use super::Changed;
use crate::failure::Failure;
use crate::nested::nested;

/// What could not be done, for [`Problem::new`].
pub(crate) const INSTALLING: &str = "Problem encountered installing package(s)";
pub(crate) const REMOVING: &str = "Problem encountered removing package(s)";
pub(crate) const UPGRADING: &str = "Problem encountered upgrading packages";

/// A change that did not succeed as a whole.
#[derive(Debug)]
pub(crate) struct Problem {
    text: String,
    errors: Vec<String>,
    /// What had changed in spite of it.
    pub(crate) changes: Changed,
}

impl Problem {
    pub(crate) fn new(text: &str, errors: Vec<String>, changes: Changed) -> Problem {
        Problem {
            text: text.to_owned(),
            errors,
            changes,
        }
    }

    /// The changes, or the problem where there are errors.
    pub(crate) fn unless_empty(
        text: &str,
        errors: Vec<String>,
        changes: Changed,
    ) -> Result<Changed, Problem> {
        if errors.is_empty() {
            Ok(changes)
        } else {
            Err(Problem::new(text, errors, changes))
        }
    }

    fn explained(&self, info: Map<String, Value>) -> String {
        let stop = if self.text.ends_with(['.', '?', '!']) {
            ""
        } else {
            "."
        };
        format!(
            "{}{stop} Additional info follows:\n\n{}",
            self.text,
            nested(&Value::Object(info))
        )
    }

    fn info(&self) -> Map<String, Value> {
        if self.errors.is_empty() {
            return Map::new();
        }
        Map::from_iter([("errors".to_owned(), json!(self.errors))])
    }

    /// Whether programs said something.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The text for states, which tell the changes apart.
    pub(crate) fn without_changes(&self) -> String {
        match self.info() {
            info if info.is_empty() => self.text.clone(),
            info => self.explained(info),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::new(&failure.to_string(), Vec::new(), Map::new())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        let mut info = problem.info();
        if info.is_empty() {
            return Failure::Command(problem.text);
        }
        info.insert("changes".to_owned(), Value::Object(problem.changes.clone()));
        Failure::Command(problem.explained(info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_below_the_text() {
        let problem = Problem::new(
            "Problem encountered installing package(s)",
            vec!["E: no".to_owned()],
            Map::new(),
        );
        let text = "Problem encountered installing package(s). Additional info follows:\n\nerrors:\n    - E: no";
        assert_eq!(problem.without_changes(), text);
        let problem = Problem::from(Failure::command("broken"));
        assert_eq!(problem.without_changes(), "broken");
    }
}
