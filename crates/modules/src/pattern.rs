//! Shell-like name patterns (`*`, `?`, `[a-z]`, `[!a-z]`), as Python's `fnmatch` reads them.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::failure::Failure;
use crate::python;

/// Compiled patterns may not take more than this many bytes.
const COMPILED_LIMIT: usize = 1 << 20;

/// A regular expression that matches exactly the names that `pattern` matches; `None` when it is too large.
pub(crate) fn glob(pattern: &str, ignore_case: bool) -> Option<Regex> {
    build(&format!("^(?s:{})$", glob_to_regex(pattern)), ignore_case)
}

/// Compiles a regular expression within the size limit.
pub(crate) fn build(pattern: &str, ignore_case: bool) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .size_limit(COMPILED_LIMIT)
        .build()
        .ok()
}

/// Paths chosen by `include_pat` and `exclude_pat`: shell patterns of the whole path, or regular expressions behind `E@`.
pub(crate) struct Selection {
    include: Option<Vec<Chosen>>,
    exclude: Option<Vec<Chosen>>,
}

/// One pattern of a selection. Expressions are Python's, which may look ahead and behind.
enum Chosen {
    Glob(Regex),
    Expression(fancy_regex::Regex),
}

impl Chosen {
    /// An expression that takes too long on a path does not match it.
    fn matches(&self, path: &str) -> bool {
        match self {
            Chosen::Glob(glob) => glob.is_match(path),
            Chosen::Expression(expression) => expression.is_match(path).unwrap_or_else(|error| {
                tracing::warn!(path, "a pattern of paths: {error}");
                false
            }),
        }
    }
}

impl Selection {
    /// Reads the two parameters, each a pattern, a list of them, or nothing.
    pub(crate) fn new(include: &Value, exclude: &Value) -> Result<Selection, Failure> {
        let read = |patterns: &Value| -> Result<Option<Vec<Chosen>>, Failure> {
            match patterns {
                patterns if !python::truthy(patterns) => Ok(None),
                Value::Array(patterns) => patterns
                    .iter()
                    .map(one_selected)
                    .collect::<Result<_, _>>()
                    .map(Some),
                pattern => Ok(Some(vec![one_selected(pattern)?])),
            }
        };
        Ok(Selection {
            include: read(include)?,
            exclude: read(exclude)?,
        })
    }

    /// Whether a path is chosen.
    pub(crate) fn takes(&self, path: &str) -> bool {
        let any = |patterns: &[Chosen]| patterns.iter().any(|pattern| pattern.matches(path));
        self.include.as_deref().is_none_or(any) && !self.exclude.as_deref().is_some_and(any)
    }
}

fn one_selected(pattern: &Value) -> Result<Chosen, Failure> {
    let text = python::text(pattern);
    let chosen = match text.strip_prefix("E@") {
        Some(expression) => fancy_regex::RegexBuilder::new(expression)
            .delegate_size_limit(COMPILED_LIMIT)
            .build()
            .ok()
            .map(Chosen::Expression),
        None => glob(&text, false).map(Chosen::Glob),
    };
    chosen.ok_or_else(|| Failure::invocation(format!("'{text}' is no pattern that is served")))
}

fn glob_to_regex(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => match character_class(rest.as_str()) {
                Some((class, after)) => {
                    out.push_str(&class);
                    rest = after.chars();
                }
                None => out.push_str(r"\["),
            },
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Reads the inside of `[...]`; `None` when it is never closed and the bracket stands for itself.
fn character_class(text: &str) -> Option<(String, &str)> {
    // A `]` directly after the opening belongs to the set.
    let body = text.strip_prefix('!').unwrap_or(text);
    let skip = body.chars().next()?.len_utf8();
    let end = skip + body.get(skip..)?.find(']')?;
    let mut class = String::from(if body.len() < text.len() { "[^" } else { "[" });
    for c in body[..end].chars() {
        if matches!(c, '\\' | '[' | ']' | '^' | '&' | '~') {
            class.push('\\');
        }
        class.push(c);
    }
    class.push(']');
    // A range that runs backwards ("[z-a]") matches nothing in Python and does not compile here.
    Some((class, &body[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_fnmatch_does() {
        let check = |pattern: &str, name: &str, expected: bool| {
            let matches = glob(pattern, false).is_some_and(|glob| glob.is_match(name));
            assert_eq!(matches, expected, "{pattern} {name}");
        };
        check("*.conf", "a.conf", true);
        check("*.conf", "a.conf.bak", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[ab]x", "bx", true);
        check("[!ab]x", "bx", false);
        check("[!ab]x", "cx", true);
        check("[]x]", "]", true);
        check("[a", "[a", true);
        check("a+b", "a+b", true);
        check("test.*", "test.ping", true);
        check("*", "with\nnewline", true);
        check("[z-a]", "b", false);
        assert!(glob("README*", true).unwrap().is_match("readme.md"));
    }

    #[test]
    fn paths_are_chosen() {
        use serde_json::json;
        let check = |include: Value, exclude: Value, path: &str, expected: bool| {
            let selection = Selection::new(&include, &exclude).unwrap();
            assert_eq!(
                selection.takes(path),
                expected,
                "{include} {exclude} {path}"
            );
        };
        check(json!(null), json!(null), "a/b", true);
        check(json!("*.conf"), json!(null), "a/b.conf", true);
        check(json!("E@^b"), json!(null), "a/b.conf", false);
        check(json!(null), json!(["x", "E@/b"]), "a/b.conf", false);
        check(json!("a*"), json!("*b"), "a/b", false);
        check(json!([]), json!(""), "a", true);
        check(json!(null), json!("E@^((?!keep).)*$"), "keep.sh", true);
        check(json!(null), json!("E@^((?!keep).)*$"), "other.sh", false);
        assert!(Selection::new(&json!("E@("), &json!(null)).is_err());
    }
}
