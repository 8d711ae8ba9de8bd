//! Words that no file may hold: paths of the machine it was written on, and notes about work that is not done.

use super::Findings;
use crate::workspace::Workspace;

/// Written in halves, so that this file does not hold them.
const PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/tar", "get"),
];
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
];

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    // Names and hashes of other people's crates are not ours to judge.
    let ours = workspace
        .files
        .iter()
        .filter(|(path, _)| *path != "Cargo.lock");
    for (path, text) in ours {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(word) = PATHS.iter().find(|word| line.contains(**word)) {
                findings.fault(format!("{path}:{number}: {word} is a path of one machine"));
            }
            if let Some(word) = UNFINISHED.iter().find(|word| holds(line, word)) {
                findings.fault(format!(
                    "{path}:{number}: {word}: finish it, or leave it out"
                ));
            }
        }
    }
}

/// Whether a word stands in the line by itself, and is not part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(is_letter) && !line[start + word.len()..].starts_with(is_letter)
    })
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_line(line: &str, expected: usize) {
        let workspace = Workspace {
            files: [("README.md".to_owned(), format!("fine\n{line}\n"))].into(),
            ..Workspace::default()
        };
        let faults = found(check, &workspace).faults;
        assert_eq!(faults.len(), expected, "{line}: {faults:?}");
        assert!(
            faults
                .iter()
                .all(|fault| fault.starts_with("README.md:2: "))
        );
    }

    #[test]
    fn words() {
        for word in PATHS.iter().chain(UNFINISHED) {
            check_line(&format!("// {word} it"), 1);
        }
        check_line("mktemp -d banyan.XXXXXX", 0);
        check_line("a framework/library", 0);
        check_line("MASTODON", 0);
        check_line(concat!("XX", "X-REDACTED-XX", "X"), 0);
    }
}
