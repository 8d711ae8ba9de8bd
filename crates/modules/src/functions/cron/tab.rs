//! The text of a crontab: lines that are left alone, and below a mark the jobs and variables that are managed.

use serde_json::{Value, json};

use super::job::{DISABLED, IDENTIFIER, Job, When, time_and_command};
use crate::edit::text;
use crate::failure::Failure;

/// What stands in front of the managed lines. Operators and other tools look for this very text.
const MARK: &str = "# Lines below here are managed by Salt, do not edit";

/// A crontab.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tab {
    pub(crate) pre: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) specials: Vec<Job>,
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
