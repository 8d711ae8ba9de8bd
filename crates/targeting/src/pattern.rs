//! A regex with a bound on its work.

use fancy_regex::{Regex, RegexBuilder};

use crate::{REGEX_BACKTRACK_MAX, Verdict};

/// A regex that must match at the start of a text, as Python's `re.match` does.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles a regex; the error is the engine's own sentence.
    pub(crate) fn new(text: &str, ignores_case: bool) -> Result<Pattern, String> {
        if text.contains(char::is_whitespace) && is_verbose(text) {
            return Err("a verbose regex `(?x)` cannot hold blanks".to_owned());
        }
        RegexBuilder::new(text)
            .case_insensitive(ignores_case)
            .backtrack_limit(REGEX_BACKTRACK_MAX)
            .build()
            .map(Pattern)
            .map_err(|error| error.to_string())
    }

    /// Unknown when the regex takes more steps than it may.
    pub(crate) fn matches(&self, text: &str) -> Verdict {
        match self.0.find(text) {
            // The leftmost match is at the start if there is any at the start.
            Ok(found) => found.is_some_and(|found| found.start() == 0).into(),
            Err(_) => Verdict::Unknown,
        }
    }
}

/// Whether blanks of the regex are ignored, which the text of a target could not tell from blanks that count.
fn is_verbose(text: &str) -> bool {
    text.split("(?").skip(1).any(|group| {
        group
            .chars()
            .take_while(|c| c.is_ascii_alphabetic())
            .any(|flag| flag == 'x')
    })
}
