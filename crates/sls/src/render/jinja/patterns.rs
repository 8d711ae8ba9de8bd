//! Python's regular expressions within the budget of a template.

use fancy_regex::Regex;

use super::fault::{Fault, Result};
use super::fuel;
use super::operators::check_length;
use crate::python_regex::{Flags, compile, expand};

/// Steps of going back before a search is given up.
const BACKTRACK_MAX: usize = 100_000;
/// What it takes to compile a pattern and to search once, beside looking at the text.
const STEPS: usize = 5_000;

/// Compiles a pattern that is written for Python's `re`.
pub(super) fn pattern(source: &str, ignorecase: bool, multiline: bool) -> Result<Regex> {
    fuel::spend(STEPS + source.len())?;
    let flags = Flags {
        ignore_case: ignorecase,
        multiline,
        ..Flags::default()
    };
    compile(source, flags, BACKTRACK_MAX).map_err(Fault::value)
}

/// `re.sub(replacement, text)`.
pub(super) fn substitute(regex: &Regex, replacement: &str, text: &str) -> Result<String> {
    let mut out = String::new();
    let mut last = 0;
    for found in regex.captures_iter(text) {
        let found = found.map_err(|error| Fault::value(error.to_string()))?;
        let Some(whole) = found.get(0) else {
            continue;
        };
        out.push_str(&text[last..whole.start()]);
        expand(replacement, &found, &mut out).map_err(Fault::value)?;
        check_length(out.len())?;
        last = whole.end();
    }
    out.push_str(&text[last..]);
    Ok(out)
}
