//! The text of a crontab: lines that are left alone, and below a mark the jobs and variables that are managed.

use serde_json::{Value, json};

use crate::edit::text;
use crate::failure::Failure;
use crate::random;

/// What stands in front of the managed lines. Operators and other tools look for this very text.
const MARK: &str = "# Lines below here are managed by Salt, do not edit";

/// What stands in front of a job's identifier in the comment above it.
const IDENTIFIER: &str = "SALT_CRON_IDENTIFIER";

/// The identifier of a job that has none.
const NO_IDENTIFIER: &str = "NO ID SET";

/// What stands in front of a job that is switched off.
const DISABLED: &str = "#DISABLED#";

/// The names of the five fields of a time.
pub(crate) const FIELDS: [&str; 5] = ["minute", "hour", "daymonth", "month", "dayweek"];

/// A crontab.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tab {
    pub(crate) pre: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) specials: Vec<Job>,
}

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

/// What became of a job or variable that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    New,
    Updated,
    Present,
}

impl Set {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Set::New => "new",
            Set::Updated => "updated",
            Set::Present => "present",
        }
    }
}

impl Tab {
    pub(crate) fn parse(crontab: &str) -> Tab {
        let mut tab = Tab::default();
        let mut is_managed = false;
        let (mut comment, mut identifier): (Option<String>, Option<String>) = (None, None);
        for line in text::bare_lines(crontab) {
            if line == MARK {
                is_managed = true;
                continue;
            }
            if !is_managed {
                tab.pre.push(line.to_owned());
                continue;
            }
            let (line, is_disabled) = match line.strip_prefix(DISABLED) {
                Some(line) => (line, true),
                None => (line, false),
            };
            if line.starts_with('#') {
                let mut words = line.trim_start_matches(['#', ' ']);
                if let Some((before, after)) = words.split_once(IDENTIFIER) {
                    words = before.trim_end();
                    let after = after.split(IDENTIFIER).next().unwrap_or_default();
                    let mut after = after.chars();
                    after.next();
                    if !after.as_str().is_empty() {
                        identifier = Some(after.as_str().to_owned());
                    }
                }
                comment = Some(match comment {
                    Some(comment) => format!("{comment}\n{words}"),
                    None => words.to_owned(),
                });
                continue;
            }
            let is_special = line.starts_with('@');
            if !is_special {
                let (equals, blank) = (line.find('='), line.find(' '));
                if let Some(at) =
                    equals.filter(|at| *at > 0 && blank.is_none_or(|blank| *at < blank))
                {
                    let variable = (line[..at].to_owned(), line[at + 1..].to_owned());
                    tab.variables.push(variable);
                    continue;
                }
            }
            let Some((when, command)) = time_and_command(line) else {
                continue;
            };
            let job = Job {
                when,
                command,
                identifier: identifier.take(),
                comment: comment.take(),
                is_disabled,
            };
            if is_special {
                tab.specials.push(job);
            } else {
                tab.jobs.push(job);
            }
        }
        tab
    }

    pub(crate) fn render(&self) -> String {
        let mut out: String = self.pre.iter().map(|line| format!("{line}\n")).collect();
        if self.pre.last().is_none_or(|last| last != MARK) {
            out.push_str(&format!("{MARK}\n"));
        }
        for (name, value) in &self.variables {
            let value = if value.is_empty() { "\"\"" } else { value };
            out.push_str(&format!("{name}={value}\n"));
        }
        for job in self.jobs.iter().chain(&self.specials) {
            out.push_str(&job.render());
        }
        out
    }

    fn all(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().chain(&self.specials)
    }

    /// The first job that is the same as one of this command and identifier.
    pub(crate) fn find(
        &self,
        command: &str,
        identifier: Option<&str>,
        is_special: bool,
    ) -> Option<&Job> {
        let jobs = if is_special {
            &self.specials
        } else {
            &self.jobs
        };
        jobs.iter().find(|job| job.is(command, identifier))
    }

    /// Sets a job: an old one that is the same gives way, and keeps what the new one leaves open.
    pub(crate) fn set(&mut self, mut wanted: Job) -> Result<Set, Failure> {
        let mut set = Set::New;
        loop {
            let found = self
                .all()
                .find(|job| job.is(&wanted.command, wanted.identifier.as_deref()));
            let Some(old) = found.cloned() else {
                wanted.when = wanted.when.settled()?;
                match &wanted.when {
                    When::Fields(_) => self.jobs.push(wanted),
                    When::Special(_) => self.specials.push(wanted),
                }
                return Ok(set);
            };
            if !old.needs_change(&wanted) {
                return Ok(if set == Set::New { Set::Present } else { set });
            }
            let identifier = old.known_by().to_owned();
            let is_special = matches!(old.when, When::Special(_));
            if self
                .take(&wanted.command, Some(&identifier), is_special, |_| true)
                .is_none()
            {
                // Only a job that matches by its identifier alone; it is taken as it was found.
                let jobs = if is_special {
                    &mut self.specials
                } else {
                    &mut self.jobs
                };
                jobs.retain(|job| *job != old);
            }
            wanted.keep_of(old);
            set = Set::Updated;
        }
    }

    /// Takes the first job that is the same as one of this command and identifier, and runs when `fits` says.
    pub(crate) fn take(
        &mut self,
        command: &str,
        identifier: Option<&str>,
        is_special: bool,
        fits: impl Fn(&When) -> bool,
    ) -> Option<Job> {
        let jobs = if is_special {
            &mut self.specials
        } else {
            &mut self.jobs
        };
        let at = jobs
            .iter()
            .position(|job| job.is(command, identifier) && fits(&job.when))?;
        Some(jobs.remove(at))
    }

    /// Sets a variable of the jobs.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) -> Set {
        let at = self.variables.iter().position(|(known, _)| known == name);
        let set = match at {
            Some(at) if self.variables[at].1 == value => return Set::Present,
            Some(at) => {
                self.variables.remove(at);
                Set::Updated
            }
            None => Set::New,
        };
        self.variables.push((name.to_owned(), value.to_owned()));
        set
    }

    /// Removes a variable; whether it was there.
    pub(crate) fn remove_variable(&mut self, name: &str) -> bool {
        let at = self.variables.iter().rposition(|(known, _)| known == name);
        at.map(|at| self.variables.remove(at)).is_some()
    }

    /// What `cron.list_tab` shows.
    pub(crate) fn report(&self) -> Value {
        let jobs = |jobs: &[Job]| -> Vec<Value> { jobs.iter().map(Job::report).collect() };
        let variables = self.variables.iter();
        json!({
            "pre": self.pre,
            "crons": jobs(&self.jobs),
            "special": jobs(&self.specials),
            "env": variables.map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
        })
    }
}

fn time_and_command(line: &str) -> Option<(When, String)> {
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
    fn known_by(&self) -> &str {
        let identifier = self.identifier.as_deref();
        identifier
            .filter(|id| !id.is_empty())
            .unwrap_or(NO_IDENTIFIER)
    }

    /// Whether this is the job of a command and identifier. Of two with identifiers the identifiers count, of others the commands.
    fn is(&self, command: &str, identifier: Option<&str>) -> bool {
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

    fn field(&self, at: usize) -> Option<&str> {
        match &self.when {
            When::Fields(fields) => fields.get(at).map(String::as_str),
            When::Special(_) => None,
        }
    }

    fn special(&self) -> Option<&str> {
        match &self.when {
            When::Fields(_) => None,
            When::Special(special) => Some(special),
        }
    }

    /// Whether the old job differs from a new one where that says something.
    fn needs_change(&self, new: &Job) -> bool {
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
    fn keep_of(&mut self, old: Job) {
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

    fn render(&self) -> String {
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
    fn settled(self) -> Result<When, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job(minute: &str, command: &str, identifier: Option<&str>) -> Job {
        Job {
            when: When::Fields([minute, "*", "*", "*", "*"].map(str::to_owned)),
            command: command.to_owned(),
            identifier: identifier.map(str::to_owned),
            comment: None,
            is_disabled: false,
        }
    }

    const TAB: &str = "MAILTO=me\n# mine\n# Lines below here are managed by Salt, do not edit\nPATH=/bin\n# two\n# words SALT_CRON_IDENTIFIER:a b\n\
                       1 2 3 4 5 run  it\n#DISABLED#* * * * * off\n# SALT_CRON_IDENTIFIER:s\n@daily some  thing\n";

    #[test]
    fn texts_are_read_and_written() {
        let tab = Tab::parse(TAB);
        assert_eq!(tab.pre, ["MAILTO=me", "# mine"]);
        assert_eq!(tab.variables, [("PATH".to_owned(), "/bin".to_owned())]);
        assert_eq!(tab.jobs[0].command, "run  it");
        assert_eq!(tab.jobs[0].comment.as_deref(), Some("two\nwords"));
        assert_eq!(tab.jobs[0].identifier.as_deref(), Some("a b"));
        assert!(tab.jobs[1].is_disabled && tab.jobs[1].identifier.is_none());
        assert_eq!(tab.specials[0].command, "some thing");
        assert_eq!(tab.render(), TAB.replace("some  thing", "some thing"));
        assert_eq!(Tab::default().render(), format!("{MARK}\n"));
    }

    #[test]
    fn jobs_are_set_once() {
        let mut tab = Tab::default();
        let mut check = |job: Job, expected: Set, line: &str| {
            assert_eq!(tab.set(job).unwrap(), expected, "{line}");
            let text = tab.render();
            assert!(text.ends_with(line), "{line}: {text}");
            assert_eq!(Tab::parse(&text).render(), text);
        };
        check(
            job("1", "run", Some("run")),
            Set::New,
            "# SALT_CRON_IDENTIFIER:run\n1 * * * * run\n",
        );
        check(
            job("1", "run", Some("run")),
            Set::Present,
            "1 * * * * run\n",
        );
        check(
            job("2", "run", Some("run")),
            Set::Updated,
            "2 * * * * run\n",
        );
        check(
            job("random", "run", Some("run")),
            Set::Present,
            "2 * * * * run\n",
        );
        check(
            job("2", "other", Some("run")),
            Set::Updated,
            "# SALT_CRON_IDENTIFIER:run\n2 * * * * other\n",
        );
        check(
            job("3", "third", None),
            Set::New,
            "other\n3 * * * * third\n",
        );
        check(
            job("3", "third", Some("id")),
            Set::Updated,
            "# SALT_CRON_IDENTIFIER:id\n3 * * * * third\n",
        );
        let special = Job {
            when: When::Special("@daily".to_owned()),
            ..job("", "third", Some("id"))
        };
        check(
            special.clone(),
            Set::Updated,
            "# SALT_CRON_IDENTIFIER:id\n@daily third\n",
        );
        check(
            special,
            Set::Present,
            "# SALT_CRON_IDENTIFIER:id\n@daily third\n",
        );
        assert_eq!(tab.jobs.len() + tab.specials.len(), 2);
        assert!(tab.take("x", Some("id"), true, |_| true).is_some());
        assert!(tab.take("x", Some("id"), true, |_| true).is_none());
    }

    #[test]
    fn times_by_chance_are_drawn() {
        for (field, first, last) in [("random", 0, 59), ("10:12", 10, 12), ("9:3", 3, 9)] {
            let mut tab = Tab::default();
            tab.set(job(field, "x", None)).unwrap();
            let minute: u64 = tab.jobs[0].field(0).unwrap().parse().unwrap();
            assert!((first..=last).contains(&minute), "{field}: {minute}");
        }
        assert!(Tab::default().set(job("a:b", "x", None)).is_err());
    }

    #[test]
    fn variables_are_set_once() {
        let mut tab = Tab::default();
        assert_eq!(tab.set_variable("A", ""), Set::New);
        assert_eq!(tab.set_variable("A", "1"), Set::Updated);
        assert_eq!(tab.set_variable("A", "1"), Set::Present);
        assert_eq!(tab.render(), format!("{MARK}\nA=1\n"));
        assert!(tab.remove_variable("A") && !tab.remove_variable("A"));
    }
}
