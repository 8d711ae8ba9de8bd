//! Why a file could not be rendered, in the words that Salt's users know.

use std::fmt;

/// Lines that are shown before and after the one at fault.
const CONTEXT_LINES: usize = 5;
/// What points at the line at fault.
const MARKER: &str = "    <======================";

/// Why a file could not be rendered, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    /// The state or pillar file, in dots; empty for a template that is no SLS.
    pub sls: String,
    /// The environment of the file.
    pub saltenv: String,
    /// The file with the line at fault, if it is not the one that was asked for.
    pub file: Option<String>,
    /// The line at fault, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, without the place.
    pub message: String,
    /// The lines around, with a marker; empty where the line is not known.
    pub excerpt: String,
}

impl std::error::Error for RenderError {}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.sls.is_empty() {
            write!(f, "Rendering SLS '{}:{}' failed: ", self.saltenv, self.sls)?;
        }
        f.write_str(&self.message)?;
        if let Some(line) = self.line {
            match &self.file {
                Some(file) => write!(f, "; in {file}, line {line}")?,
                None => write!(f, "; line {line}")?,
            }
        }
        if !self.excerpt.is_empty() {
            write!(f, "\n\n{}", self.excerpt)?;
        }
        Ok(())
    }
}

/// The lines around `line` of a source, the line itself with a marker.
pub(super) fn excerpt(source: &str, line: usize) -> String {
    let lines: Vec<&str> = source.lines().collect();
    if line == 0 || line > lines.len() {
        return String::new();
    }
    let first = line.saturating_sub(CONTEXT_LINES + 1);
    let end = (line + CONTEXT_LINES).min(lines.len());
    let mut text = String::from("---\n");
    if first > 0 {
        text.push_str("[...]\n");
    }
    for (index, content) in lines.iter().enumerate().take(end).skip(first) {
        text.push_str(content);
        if index + 1 == line {
            text.push_str(MARKER);
        }
        text.push('\n');
    }
    if end < lines.len() {
        text.push_str("[...]\n");
    }
    text.push_str("---");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: usize, line: usize, expected: &[&str]) {
        let source: Vec<String> = (1..=lines).map(|n| format!("l{n}")).collect();
        let text = excerpt(&source.join("\n"), line);
        let got: Vec<&str> = text.lines().collect();
        assert_eq!(got, expected, "line {line} of {lines}");
    }

    #[test]
    fn lines_around() {
        check(1, 1, &["---", "l1    <======================", "---"]);
        check(2, 3, &[]);
        check(
            20,
            10,
            &[
                "---",
                "[...]",
                "l5",
                "l6",
                "l7",
                "l8",
                "l9",
                "l10    <======================",
                "l11",
                "l12",
                "l13",
                "l14",
                "l15",
                "[...]",
                "---",
            ],
        );
    }
}
