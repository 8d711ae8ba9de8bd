//! Names of users and functions as rules write them.

use fancy_regex::{Regex, RegexBuilder};
use targeting::Glob;

/// Most steps back of a regex; what needs more does not match.
const BACKTRACK_MAX: usize = 10_000;

/// A user, or a group with a `%` before its name, as a glob.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    User(Glob),
    Group(Glob),
}

impl Who {
    pub(crate) fn new(text: &str) -> Who {
        match text.strip_prefix('%') {
            Some(group) => Who::Group(Glob::new(group)),
            None => Who::User(Glob::new(text)),
        }
    }

    pub(crate) fn is(&self, user: &str, groups: &[String]) -> bool {
        match self {
            Who::User(glob) => glob.matches(user),
            Who::Group(glob) => groups.iter().any(|group| glob.matches(group)),
        }
    }
}

/// A regex over a whole text, as `test.*` or `cmd\.run`. Salt's matches at the start alone, so that `test.ping` there permits
/// `test.ping_all` as well.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Pattern, String> {
        // A star alone is no regex; everyone who writes it means everything.
        let text = if text == "*" { ".*" } else { text };
        RegexBuilder::new(&format!("^(?:{text})$"))
            .backtrack_limit(BACKTRACK_MAX)
            .build()
            .map(Pattern)
            .map_err(|error| format!("`{text}` is no regular expression: {error}"))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_two_things() {
        let groups = ["ops".to_owned()];
        assert!(Who::new("al*").is("alice", &groups));
        assert!(!Who::new("ops").is("alice", &groups));
        assert!(Who::new("%ops").is("alice", &groups));
        assert!(!Who::new("%alice").is("alice", &groups));
        assert!(Who::new("*").is("alice", &[]));
    }

    #[test]
    fn functions_are_matched_whole() {
        let is = |pattern: &str, fun| Pattern::new(pattern).is_ok_and(|p| p.matches(fun));
        assert!(is("test.ping", "test.ping"));
        assert!(!is("test.ping", "test.ping_all"));
        assert!(is("test.*", "test.ping"));
        assert!(is("*", "cmd.run"));
        assert!(is("state.apply|test.*", "state.apply"));
        assert!(!is("state.apply|test.*", "xstate.apply"));
        assert!(Pattern::new("(").is_err());
    }
}
