//! A job of a crontab: a command, when it runs, and the comment above it.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::random;

/// What stands in front of a job's identifier in the comment above it.
pub(super) const IDENTIFIER: &str = "SALT_CRON_IDENTIFIER";

/// The identifier of a job that has none.
const NO_IDENTIFIER: &str = "NO ID SET";

/// What stands in front of a job that is switched off.
pub(super) const DISABLED: &str = "#DISABLED#";

/// The names of the five fields of a time.
pub(crate) const FIELDS: [&str; 5] = ["minute", "hour", "daymonth", "month", "dayweek"];

/// A command and when it runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) when: When,
    pub(crate) command: String,
    pub(crate) identifier: Option<String>,
    pub(crate) comment: Option<String>,
    pub(crate) is_disabled: bool,
}

/// When a command runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum When {
    /// In the order of [`FIELDS`].
    Fields([String; 5]),
    /// `@daily` and the like.
    Special(String),
}

/// Reads a line without a mark.
pub(super) fn time_and_command(line: &str) -> Option<(When, String)> {
    if line.starts_with('@') {
        let mut words = line.split_whitespace();
        let special = words.next()?.to_owned();
        let words: Vec<&str> = words.collect();
        return (!words.is_empty()).then(|| (When::Special(special), words.join(" ")));
    }
    let words: Vec<&str> = line.splitn(6, ' ').collect();
    let [minute, hour, daymonth, month, dayweek, command] = words[..] else {
        return None;
    };
    let fields = [minute, hour, daymonth, month, dayweek].map(str::to_owned);
    Some((When::Fields(fields), command.to_owned()))
}

impl Job {
    /// The identifier, or what stands for none.
    pub(super) fn known_by(&self) -> &str {
        let identifier = self.identifier.as_deref();
        identifier
            .filter(|id| !id.is_empty())
            .unwrap_or(NO_IDENTIFIER)
    }

    /// Whether this is the job of a command and identifier. Of two with identifiers the identifiers count, of others the commands.
    pub(super) fn is(&self, command: &str, identifier: Option<&str>) -> bool {
        let wanted = identifier
            .filter(|id| !id.is_empty())
            .unwrap_or(NO_IDENTIFIER);
        let known = self.known_by();
        let is_same_command = self.command == command;
        if known == NO_IDENTIFIER {
            return is_same_command;
        }
        wanted == known
    }

    pub(super) fn field(&self, at: usize) -> Option<&str> {
        match &self.when {
            When::Fields(fields) => fields.get(at).map(String::as_str),
            When::Special(_) => None,
        }
    }

    pub(super) fn special(&self) -> Option<&str> {
        match &self.when {
            When::Fields(_) => None,
            When::Special(special) => Some(special),
        }
    }

    /// Whether the old job differs from a new one where that says something.
    pub(super) fn needs_change(&self, new: &Job) -> bool {
        let is_other_time = match &new.when {
            When::Fields(fields) => (0..)
                .zip(fields)
                .any(|(at, field)| needs_change(self.field(at), Some(field))),
            When::Special(special) => needs_change(self.special(), Some(special)),
        };
        is_other_time
            || needs_change(self.comment.as_deref(), new.comment.as_deref())
            || self.is_disabled != new.is_disabled
            || new.identifier.as_deref()
                != Some(self.identifier.as_deref().unwrap_or(NO_IDENTIFIER))
            || self.command != new.command
    }

    /// Takes over from an old job what was left open: a comment, times by chance that were drawn already, and its identifier.
    pub(super) fn keep_of(&mut self, old: Job) {
        if let (When::Fields(new), When::Fields(old)) = (&mut self.when, &old.when) {
            for (new, old) in new.iter_mut().zip(old) {
                if !needs_change(Some(old), Some(new)) {
                    new.clone_from(old);
                }
            }
        }
        if self.comment.is_none() {
            self.comment = old.comment.clone();
        }
        let mut known = Some(old.known_by().to_owned());
        if old.command == self.command && old.known_by() == NO_IDENTIFIER {
            let wanted = self.identifier.clone().filter(|id| !id.is_empty());
            known = wanted.or(if old.identifier.is_none() {
                None
            } else {
                known
            });
        }
        if known.is_none() || !needs_change(known.as_deref(), self.identifier.as_deref()) {
            self.identifier = known;
        }
    }

    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        if self.comment.is_some() || self.identifier.is_some() {
            out.push('#');
            if let Some(comment) = self.comment.as_deref().filter(|text| !text.is_empty()) {
                let comment = match self.when {
                    When::Fields(_) => comment,
                    When::Special(_) => comment.trim_end(),
                };
                out.push_str(&format!(" {}", comment.replace('\n', "\n# ")));
            }
            if let Some(identifier) = self.identifier.as_deref().filter(|id| !id.is_empty()) {
                out.push_str(&format!(" {IDENTIFIER}:{identifier}"));
            }
            out.push('\n');
        }
        let disabled = if self.is_disabled { DISABLED } else { "" };
        let when = match &self.when {
            When::Fields(fields) => fields.join(" "),
            When::Special(special) => special.clone(),
        };
        out.push_str(&format!("{disabled}{when} {}\n", self.command));
        out
    }

    /// The job as `cron.list_tab` shows it.
    pub(crate) fn report(&self) -> Value {
        match &self.when {
            When::Fields([minute, hour, daymonth, month, dayweek]) => json!({
                "minute": minute, "hour": hour, "daymonth": daymonth, "month": month, "dayweek": dayweek,
                "identifier": self.identifier, "cmd": self.command, "comment": self.comment, "commented": self.is_disabled,
            }),
            When::Special(special) => json!({
                "spec": special, "cmd": self.command, "identifier": self.identifier, "comment": self.comment, "commented": self.is_disabled,
            }),
        }
    }

    /// Whether the old job is exactly what is wanted, as test mode sees it.
    pub(crate) fn suits(&self, wanted: &Job) -> bool {
        let is_other_time = match &wanted.when {
            When::Fields(fields) => (0..)
                .zip(fields)
                .any(|(at, field)| needs_change(self.field(at), Some(field))),
            When::Special(special) => needs_change(self.special(), Some(special)),
        };
        !(is_other_time
            || needs_change(self.identifier.as_deref(), wanted.identifier.as_deref())
            || needs_change(self.comment.as_deref(), wanted.comment.as_deref())
            || self.command != wanted.command
            || self.is_disabled != wanted.is_disabled)
    }
}

/// Whether a value must change. One that is left open needs nothing, and one by chance only where any is allowed.
fn needs_change(old: Option<&str>, new: Option<&str>) -> bool {
    old != new
        && if new == Some("random") {
            old == Some("*")
        } else {
            new.is_some()
        }
}

impl When {
    /// The time with all that is left to chance drawn: `random`, and `10:20` for one of a range.
    pub(super) fn settled(self) -> Result<When, Failure> {
        let When::Fields(mut fields) = self else {
            return Ok(self);
        };
        for (at, first, last) in [(0, 0, 59), (1, 0, 23), (3, 1, 12), (4, 0, 6)] {
            fields[at] = drawn(&fields[at], first, last)?;
        }
        let last = match fields[3].as_str() {
            "1" | "3" | "5" | "7" | "8" | "10" | "12" => 31,
            "4" | "6" | "9" | "11" => 30,
            _ => 28,
        };
        if fields[2] == "random" {
            fields[2] = drawn("random", 1, last)?;
        }
        Ok(When::Fields(fields))
    }
}

fn drawn(field: &str, first: u64, last: u64) -> Result<String, Failure> {
    let (first, last) = if field == "random" {
        (first, last)
    } else {
        let Some((a, b)) = field.split_once(':').filter(|(_, b)| !b.contains(':')) else {
            return Ok(field.to_owned());
        };
        let number = |text: &str| {
            text.trim().parse::<u64>().map_err(|_| {
                Failure::exception("ValueError", format!("'{field}' is no range of numbers"))
            })
        };
        let (a, b) = (number(a)?, number(b)?);
        (a.min(b), a.max(b))
    };
    Ok((first + random::below(last.saturating_sub(first).saturating_add(1))?).to_string())
}
