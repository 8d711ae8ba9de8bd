//! What is wrong with a target's text, and where.

use std::fmt;

/// One fault in a target's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, without the place.
    pub message: String,
    /// First byte of the faulty part.
    pub start: usize,
    /// The byte after it; equal to `start` where something is missing.
    pub end: usize,
}

/// Every fault that was found in a target's text, in the order of their places; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

/// Characters of the text that [`Errors::render`] shows before and after a fault.
const CONTEXT_CHARS: usize = 60;

impl Errors {
    /// Shows each fault below the text that was parsed:
    ///
    /// ```text
    /// web* and Q@x
    ///          ^^^ unknown engine `Q@`
    /// ```
    ///
    /// Of a long text only the part around the fault is shown.
    pub fn render(&self, text: &str) -> String {
        self.0
            .iter()
            .map(|error| error.render(text))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Error {
    fn render(&self, text: &str) -> String {
        // Control characters and line breaks would move the caret.
        let shown = |part: &str| {
            part.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect::<String>()
        };
        let (before, fault, after) = match (
            text.get(..self.start),
            text.get(self.start..self.end),
            text.get(self.end..),
        ) {
            (Some(before), Some(fault), Some(after)) => (before, fault, after),
            _ => (text, "", ""),
        };
        let skipped = before.chars().count().saturating_sub(CONTEXT_CHARS);
        let before: String = shown(&before.chars().skip(skipped).collect::<String>());
        let fault: String = shown(&fault.chars().take(CONTEXT_CHARS).collect::<String>());
        let after: String = shown(&after.chars().take(CONTEXT_CHARS).collect::<String>());
        let carets = "^".repeat(fault.chars().count().max(1));
        format!(
            "{before}{fault}{after}\n{}{carets} {}\n",
            " ".repeat(before.chars().count()),
            self.message
        )
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error} at byte {}", error.start)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
