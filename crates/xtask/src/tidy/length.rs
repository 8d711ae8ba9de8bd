//! Files that nobody likes to read.

use super::Findings;
use crate::workspace::Workspace;

/// Longer files are pointed out: a file is one noun, and most nouns need fewer lines.
const LINES_NOTED: usize = 600;
/// Longer files are faults.
const LINES_MAX: usize = 1_200;

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    for (path, text) in workspace.sources("crates") {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.fault(format!(
                "{path} has {lines} lines, more than {LINES_MAX}: split it by nouns"
            ));
        } else if lines > LINES_NOTED {
            findings.note(format!("{path} has {lines} lines"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_lines(lines: usize, expected: (usize, usize)) {
        let workspace = Workspace {
            files: [("crates/wire/src/lib.rs".to_owned(), "\n".repeat(lines))].into(),
            ..Workspace::default()
        };
        let findings = found(check, &workspace);
        assert_eq!(
            (findings.notes.len(), findings.faults.len()),
            expected,
            "{lines} lines"
        );
    }

    #[test]
    fn bounds() {
        check_lines(LINES_NOTED, (0, 0));
        check_lines(LINES_NOTED + 1, (1, 0));
        check_lines(LINES_MAX, (1, 0));
        check_lines(LINES_MAX + 1, (0, 1));
    }
}
