//! The numbers below the states of a host.

use super::record::Record;
use super::settings::States;
use crate::escape::escape;
use crate::style::{Style, Tone};

/// The longest label, `Succeeded`.
const LABEL_COLUMNS: usize = 9;

/// Milliseconds from where on a time is in seconds.
const SECONDS_FROM: f64 = 999.0;

/// Counts of one host.
#[derive(Default)]
pub(super) struct Summary {
    succeeded: usize,
    failed: usize,
    foretold: usize,
    pub(super) warnings: usize,
    pub(super) changed: usize,
    /// Milliseconds of states in a row, and of the longest of those side by side.
    in_row: f64,
    beside: f64,
}

impl Summary {
    pub(super) fn count(&mut self, record: &Record<'_>, is_changed: bool) {
        match record.result {
            Some(true) => self.succeeded += 1,
            Some(false) => self.failed += 1,
            None => self.foretold += 1,
        }
        self.changed += usize::from(is_changed);
        if record.fields.contains_key("__parallel__") {
            self.beside = self.beside.max(record.duration());
        } else {
            self.in_row += record.duration();
        }
    }

    pub(super) fn lines(&self, id: &str, style: Style, states: &States) -> String {
        let most = [self.succeeded, self.failed, self.foretold, self.warnings];
        let has_any = most.iter().any(|count| *count > 0);
        let digits = most
            .iter()
            .map(|count| count.to_string().len())
            .max()
            .unwrap_or(0);
        let width = LABEL_COLUMNS + 2 + if has_any { digits } else { 0 };
        let rule = "-".repeat(width);
        let count = |label: &str, count: &str| {
            format!(
                "{label}: {count:>0$}",
                width.saturating_sub(label.len() + 2)
            )
        };
        let failed_tone = if self.failed > 0 {
            Tone::Bad
        } else {
            Tone::Name
        };
        let done = self.succeeded + self.foretold;
        let all = done + self.failed;

        let mut lines =
            vec![style.paint(Tone::Name, &format!("\nSummary for {}\n{rule}", escape(id)))];
        let mut notes = Vec::new();
        if self.foretold > 0 {
            notes.push(style.paint(Tone::Literal, &format!("unchanged={}", self.foretold)));
        }
        if self.changed > 0 {
            notes.push(style.paint(Tone::Text, &format!("changed={}", self.changed)));
        }
        let notes = if notes.is_empty() {
            String::new()
        } else {
            format!(" ({})", notes.join(", "))
        };
        let succeeded = style.paint(Tone::Text, &count("Succeeded", &done.to_string()));
        lines.push(format!("{succeeded}{notes}"));
        lines.push(style.paint(failed_tone, &count("Failed", &self.failed.to_string())));
        if states.has_percent && all > 0 {
            let share = |part: usize| percent(part, all);
            lines.push(style.paint(Tone::Text, &count("Success %", &share(done))));
            lines.push(style.paint(failed_tone, &count("Failure %", &share(self.failed))));
        }
        if self.warnings > 0 {
            lines.push(style.paint(Tone::Alert, &count("Warnings", &self.warnings.to_string())));
        }
        let total = format!(
            "{rule}\nTotal states run: {all:>0$}",
            width.saturating_sub(7)
        );
        lines.push(style.paint(Tone::Name, &total));
        if !states.has_times {
            return lines.join("\n");
        }
        let mut time = self.in_row + self.beside;
        let mut unit = "ms";
        if time > SECONDS_FROM {
            time /= 1000.0;
            unit = "s";
        }
        let time = format!("{time:.3}");
        let run_time = format!("Total run time: {time:>0$} {unit}", width.saturating_sub(5));
        lines.push(style.paint(Tone::Name, &run_time));
        lines.join("\n")
    }
}

/// A share with at most two digits behind the point, and at least one.
fn percent(part: usize, all: usize) -> String {
    let share = (part as f64 / all as f64 * 10_000.0).round() / 100.0;
    format!("{share:?}")
}
