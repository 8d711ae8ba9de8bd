//! Text without what differs from one moment or folder to the next.

use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Digits of a job's id.
static JID: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b20[0-9]{18}\b"));

/// Ids of jobs, times, and how long something took, with the blanks that put it in line.
static MOMENTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x) (?<jid>\b20[0-9]{18}\b)
            | (?<time>\b[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3,6}\b)
            | (?<took>[\ ]*\b[0-9]+(\.[0-9]+)?[\ ](ms|s)\b)
            | (?<line>-{30,})",
    )
});

/// What Salt and Python log on standard error, and what they say of each other.
const LOGS: [&str; 8] = [
    "[WARNING ]",
    "[ERROR   ]",
    "[INFO    ]",
    "[CRITICAL]",
    "DeprecationWarning:",
    "UserWarning:",
    // Of the warnings themselves.
    "  import crypt  # pylint",
    "call ``destroy()`` or use as a context manager",
];

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are above, and tested")]
    Regex::new(text).expect("a pattern")
}

/// The first id of a job in a text.
pub fn jid(text: &str) -> Option<&str> {
    JID.find(text).map(|found| found.as_str())
}

/// A text with words in place of what is of the moment, and of the folder where a side keeps its files.
pub fn lasting(text: &str, place: &Path) -> String {
    let mut text = text.replace(&place.display().to_string(), "{place}");
    if let Some(work) = place.parent() {
        text = text.replace(&work.display().to_string(), "{work}");
    }
    let word = |found: &Captures<'_>| {
        let is = |name| found.name(name).is_some();
        match (is("jid"), is("time"), is("took")) {
            (true, _, _) => "JID",
            (_, true, _) => "TIME",
            (_, _, true) => " DURATION",
            // A line under a headline is as long as the headline.
            _ => "------",
        }
    };
    MOMENTS.replace_all(&text, word).into_owned()
}

/// The lines of a text, without blanks at their ends and empty ones at the end.
pub fn lines(text: &str) -> Vec<String> {
    let lines = text.trim_end().lines();
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// The blocks of a text, a line with those below it that are further in, in the order of the alphabet: minions answer in any order.
pub fn sorted(lines: Vec<String>) -> Vec<String> {
    let mut blocks: Vec<Vec<String>> = Vec::new();
    for line in lines {
        match blocks.last_mut() {
            Some(block) if line.starts_with([' ', '\t']) || line.is_empty() => block.push(line),
            _ => blocks.push(vec![line]),
        }
    }
    blocks.sort();
    blocks.concat()
}

/// Lines of errors that are no log.
pub fn unlogged(lines: Vec<String>) -> Vec<String> {
    let is_log = |line: &String| LOGS.iter().any(|log| line.contains(log));
    lines.into_iter().filter(|line| !is_log(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go() {
        for (text, expected) in [
            ("jid: 20261128130506123456", "jid: JID"),
            (
                "Started: 13:05:06.123456 in /w/a/x",
                "Started: TIME in {place}/x",
            ),
            ("Total run time:   1.250 s", "Total run time: DURATION"),
            ("Duration: 0.3 ms", "Duration: DURATION"),
            ("/w/roots/x is missing", "{work}/roots/x is missing"),
            ("12345 of 10", "12345 of 10"),
        ] {
            assert_eq!(lasting(text, Path::new("/w/a")), expected);
        }
        assert_eq!(
            jid("Executed command with job ID: 20261128130506123456\n"),
            Some("20261128130506123456")
        );
        assert_eq!(jid("202611281305061234567"), None);
    }

    #[test]
    fn blocks_have_no_order() {
        let text = "b:\n    True\na:\n    x\n\n    y\n";
        assert_eq!(
            sorted(lines(text)),
            ["a:", "    x", "", "    y", "b:", "    True"]
        );
    }

    #[test]
    fn logs_are_no_errors() {
        let text = "[WARNING ] x\nERROR: No return received";
        assert_eq!(unlogged(lines(text)), ["ERROR: No return received"]);
    }
}
