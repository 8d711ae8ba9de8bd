//! One job of a schedule, read from what YAML made of it.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use serde_json::{Map, Value};

use crate::cron::Cron;
use crate::every;
use crate::trigger::{CronTimes, Trigger};
use crate::when::{When, WhenError};

/// The keys that a job may have. Names that begin with `_` are passed over: Salt writes such into what it saves.
pub const KEYS: [&str; 27] = [
    "after",
    "args",
    "cron",
    "days",
    "dry_run",
    "enabled",
    "fun",
    "func",
    "function",
    "hours",
    "jid_include",
    "kwargs",
    "maxrunning",
    "metadata",
    "minutes",
    "name",
    "once",
    "once_fmt",
    "range",
    "return_job",
    "run_after_skip_range",
    "run_on_start",
    "seconds",
    "skip_during_range",
    "splay",
    "until",
    "when",
];
/// Times in one `when`.
const WHENS_MAX: usize = 256;
/// Seconds of a splay: a day.
const SPLAY_MAX: u64 = 86_400;

/// Why a job cannot be scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is no map.
    #[error("a job is a map of its function and its times")]
    NoMap,
    /// It has no function.
    #[error("`function` is missing")]
    NoFunction,
    /// A key that no job has.
    #[error("unknown key `{0}`")]
    Unknown(String),
    /// A key that Salt has and this program does not.
    #[error("`{0}` is not built: {1}")]
    NotBuilt(&'static str, &'static str),
    /// A value of another kind.
    #[error("`{key}` has to be {kind}")]
    Value {
        /// The key.
        key: String,
        /// What it has to be.
        kind: &'static str,
    },
    /// Keys that exclude each other.
    #[error("`{0}` and `{1}` can't stand together")]
    Together(&'static str, &'static str),
    /// An interval without length.
    #[error("an interval of {0} seconds is none: it has at least one, and at most ten years")]
    Interval(i64),
    /// A text that is no time.
    #[error("`{key}`: {error}")]
    When {
        /// The key.
        key: String,
        /// What is wrong with the text.
        error: WhenError,
    },
    /// A cron expression that is none.
    #[error("`cron`: {0:?} is no cron expression")]
    Cron(String),
    /// `once` does not follow its format.
    #[error("`once`: {0:?} is no time of the form {1:?}")]
    Once(String, String),
    /// A range that ends before it begins.
    #[error("`{0}`: the end has to be later than the start")]
    Backwards(String),
}

impl EntryError {
    pub(crate) fn value(key: &str, kind: &'static str) -> EntryError {
        let key = key.to_owned();
        EntryError::Value { key, kind }
    }
}

/// Seconds by which runs are put off, by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splay {
    /// At least.
    pub start: u64,
    /// At most.
    pub end: u64,
}

/// A part of the day, or of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    start: When,
    end: When,
    /// Whether the times outside of it are meant.
    invert: bool,
}

/// One job of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The function.
    pub function: String,
    /// Its positional arguments.
    pub args: Vec<Value>,
    /// Its named arguments.
    pub kwargs: Map<String, Value>,
    /// What makes it due.
    pub trigger: Trigger,
    /// Whether it may run.
    pub enabled: bool,
    /// Whether it runs at once when it is new.
    pub run_on_start: bool,
    /// How many runs of it there may be at a time; none: any number.
    pub running_max: Option<usize>,
    /// Puts runs off.
    pub splay: Option<Splay>,
    /// It runs in this range alone.
    pub range: Option<Range>,
    /// It does not run in this range.
    pub skip_during_range: Option<Range>,
    /// It runs once when that range is over.
    pub run_after_skip_range: bool,
    /// It runs later than this alone.
    pub after: Option<When>,
    /// It runs earlier than this alone.
    pub until: Option<When>,
    /// Whether what it returns is told.
    pub return_job: bool,
    /// Whether the return stands in the history; `return_job: nocache` is told and not kept.
    pub is_kept: bool,
    /// Goes along with what it returns.
    pub metadata: Option<Map<String, Value>>,
    /// Whether it is only shown, and never runs.
    pub dry_run: bool,
    /// What it was read from.
    pub given: Map<String, Value>,
}

impl Entry {
    /// Reads a job. `whens` are names for times, as pillar and grains have them under that name.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(value: &Value, whens: &Map<String, Value>) -> Result<Entry, EntryError> {
        let given = value.as_object().ok_or(EntryError::NoMap)?;
        let entry = Reader { given, whens };
        entry.check_keys()?;
        let trigger = entry.trigger()?;
        let is_interval = matches!(trigger, Trigger::Every(_));
        let running_max = entry.count("maxrunning")?.unwrap_or(1);
        let is_counted = entry.flag("jid_include")?.unwrap_or(true);
        let (return_job, is_kept) = match entry.get("return_job") {
            Some(Value::String(text)) if text == "nocache" => (true, false),
            _ => {
                let is_told = entry.flag("return_job")?.unwrap_or(true);
                (is_told, is_told)
            }
        };
        Ok(Entry {
            function: entry.function()?,
            args: match entry.get("args") {
                None => Vec::new(),
                Some(Value::Array(args)) => args.clone(),
                Some(_) => return Err(EntryError::value("args", "a list")),
            },
            kwargs: entry.map("kwargs")?.unwrap_or_default(),
            trigger,
            enabled: entry.flag("enabled")?.unwrap_or(true),
            run_on_start: entry.flag("run_on_start")?.unwrap_or(is_interval),
            running_max: is_counted.then_some(running_max),
            splay: entry.get("splay").map(read_splay).transpose()?.flatten(),
            range: entry.range("range")?,
            skip_during_range: entry.range("skip_during_range")?,
            run_after_skip_range: entry.flag("run_after_skip_range")?.unwrap_or(false),
            after: entry.when("after")?,
            until: entry.when("until")?,
            return_job,
            is_kept,
            metadata: entry.map("metadata")?,
            dry_run: entry.flag("dry_run")?.unwrap_or(false),
            given: given.clone(),
        })
    }

    /// Whether it does the same at the same times, whatever else is different.
    pub(crate) fn is_like(&self, other: &Entry) -> bool {
        (&self.function, &self.args, &self.kwargs, &self.trigger)
            == (&other.function, &other.args, &other.kwargs, &other.trigger)
    }
}

impl Range {
    /// Reads `{start: ..., end: ..., invert: ...}`.
    pub(crate) fn read(key: &str, value: &Value) -> Result<Range, EntryError> {
        let map = value
            .as_object()
            .ok_or_else(|| EntryError::value(key, "a map with start and end"))?;
        let (given, whens) = (map, &Map::new());
        let reader = Reader { given, whens };
        let end_of = |name: &str| {
            let when = reader.when(name)?;
            when.ok_or_else(|| EntryError::value(key, "a map with start and end"))
        };
        let (start, end) = (end_of("start")?, end_of("end")?);
        let invert = reader.flag("invert")?.unwrap_or(false);
        // Times of one day are of one order on all days.
        let day = jiff::civil::date(2024, 1, 1);
        if let (true, Some(from), Some(to)) = (
            start.is_of_each_day() && end.is_of_each_day(),
            start.on(day),
            end.on(day),
        ) && to <= from
        {
            return Err(EntryError::Backwards(key.to_owned()));
        }
        Ok(Range { start, end, invert })
    }

    /// Whether `now` lies between its ends, which counts the ends, and the later end; none when that is not later than the other.
    pub(crate) fn holds(&self, now: DateTime) -> Option<(bool, DateTime)> {
        let (start, end) = (self.start.on(now.date())?, self.end.on(now.date())?);
        (end > start).then(|| ((start..=end).contains(&now), end))
    }

    /// Whether the times outside of it are meant.
    pub(crate) fn is_inverted(&self) -> bool {
        self.invert
    }
}

/// Reads `5` or `{start: 5, end: 10}`; none for 0 and null.
pub(crate) fn read_splay(value: &Value) -> Result<Option<Splay>, EntryError> {
    let number = |value: Option<&Value>| {
        let number = value.and_then(Value::as_u64);
        let number = number.filter(|number| *number <= SPLAY_MAX);
        number.ok_or_else(|| EntryError::value("splay", "seconds, or a map with start and end"))
    };
    match value {
        Value::Null => Ok(None),
        Value::Object(map) => {
            let (start, end) = (number(map.get("start"))?, number(map.get("end"))?);
            if end < start {
                return Err(EntryError::Backwards("splay".to_owned()));
            }
            Ok(Some(Splay { start, end }))
        }
        seconds => {
            let end = number(Some(seconds))?;
            Ok((end > 0).then_some(Splay { start: 1, end }))
        }
    }
}

/// A truth as YAML and the command line write it.
pub(crate) fn truth(key: &str, value: &Value) -> Result<bool, EntryError> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(EntryError::value(key, "true or false")),
    }
}

struct Reader<'a> {
    given: &'a Map<String, Value>,
    whens: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.given.get(key).filter(|value| !value.is_null())
    }

    fn check_keys(&self) -> Result<(), EntryError> {
        let keys = self.given.iter().filter(|(_, value)| !value.is_null());
        for (key, _) in keys {
            match key.as_str() {
                "returner" | "return_config" | "return_kwargs" => {
                    let instead = "returns go to the hub as events";
                    return Err(EntryError::NotBuilt("returner", instead));
                }
                key if key.starts_with('_') || KEYS.contains(&key) => {}
                key => return Err(EntryError::Unknown(key.to_owned())),
            }
        }
        Ok(())
    }

    fn function(&self) -> Result<String, EntryError> {
        let names = ["function", "func", "fun"];
        let function = names.iter().find_map(|name| self.get(name));
        match function.ok_or(EntryError::NoFunction)? {
            Value::String(name) if !name.is_empty() => Ok(name.clone()),
            _ => Err(EntryError::value("function", "a name as `test.ping`")),
        }
    }

    fn trigger(&self) -> Result<Trigger, EntryError> {
        let every = every::read(self.given)?;
        let names = ["when", "cron", "once"];
        let present: Vec<&'static str> = names
            .into_iter()
            .filter(|name| self.get(name).is_some())
            .collect();
        match (every, &present[..]) {
            (Some(_), [name, ..]) => {
                Err(EntryError::Together("seconds, minutes, hours, days", name))
            }
            (None, [one, other, ..]) => Err(EntryError::Together(one, other)),
            (Some(seconds), []) => Ok(Trigger::Every(seconds)),
            (None, []) => Ok(Trigger::Never),
            (None, ["when"]) => self.whens(),
            (None, ["once"]) => self.once(),
            (None, [_]) => {
                let text = self.get("cron").and_then(Value::as_str);
                let text = text.ok_or_else(|| EntryError::value("cron", "a text"))?;
                let cron = Cron::read(text).ok_or_else(|| EntryError::Cron(text.to_owned()))?;
                Ok(Trigger::Cron(CronTimes(cron)))
            }
        }
    }

    fn whens(&self) -> Result<Trigger, EntryError> {
        let value = self.get("when");
        let list = match value {
            Some(Value::Array(list)) => list.iter().collect(),
            value => Vec::from_iter(value),
        };
        if list.is_empty() || list.len() > WHENS_MAX {
            return Err(EntryError::value(
                "when",
                "a time, or a list of at most 256",
            ));
        }
        let times = list.into_iter().map(|value| self.time("when", value));
        Ok(Trigger::When(times.collect::<Result<_, _>>()?))
    }

    fn once(&self) -> Result<Trigger, EntryError> {
        let format = self.get("once_fmt").and_then(Value::as_str);
        let once = self.get("once").and_then(Value::as_str);
        let once = once.ok_or_else(|| EntryError::value("once", "a text"))?;
        let parsed = match format {
            Some(format) => strtime::parse(format, once).and_then(|read| read.to_datetime()),
            // YAML writes such times with a blank, too.
            None => once.parse::<DateTime>(),
        };
        let format = format.unwrap_or("%Y-%m-%dT%H:%M:%S");
        parsed
            .map(Trigger::Once)
            .map_err(|_| EntryError::Once(once.to_owned(), format.to_owned()))
    }

    /// A time, or the name of one.
    fn time(&self, key: &str, value: &Value) -> Result<When, EntryError> {
        let named = value.as_str().and_then(|name| self.whens.get(name));
        let text = match named.unwrap_or(value) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        When::read(&text).map_err(|error| EntryError::When {
            key: key.to_owned(),
            error,
        })
    }

    fn when(&self, key: &str) -> Result<Option<When>, EntryError> {
        let value = self.get(key);
        value.map(|value| self.time(key, value)).transpose()
    }

    fn range(&self, key: &str) -> Result<Option<Range>, EntryError> {
        let value = self.get(key);
        value.map(|value| Range::read(key, value)).transpose()
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, EntryError> {
        let value = self.get(key);
        value.map(|value| truth(key, value)).transpose()
    }

    fn map(&self, key: &str) -> Result<Option<Map<String, Value>>, EntryError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map.clone())),
            Some(_) => Err(EntryError::value(key, "a map")),
        }
    }

    fn count(&self, key: &str) -> Result<Option<usize>, EntryError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        match number.filter(|number| *number > 0) {
            Some(number) => Ok(Some(number)),
            None => Err(EntryError::value(key, "a number from 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Entry, EntryError> {
        Entry::read(&value, &Map::new())
    }

    #[test]
    fn a_job_is_read_with_salts_defaults() {
        let entry = read(
            json!({"function": "state.apply", "args": ["web"], "kwargs": {"test": true}, "hours": 1, "minutes": 30}),
        );
        let entry = entry.unwrap();
        assert_eq!(entry.trigger, Trigger::Every(5_400));
        assert_eq!(entry.running_max, Some(1));
        assert!(entry.enabled && entry.run_on_start && entry.return_job && entry.is_kept);
        let told =
            read(json!({"fun": "test.ping", "seconds": 5, "return_job": "nocache"})).unwrap();
        assert!(told.return_job && !told.is_kept);
        let silent = read(json!({"fun": "test.ping", "seconds": 5, "return_job": false})).unwrap();
        assert!(!silent.return_job && !silent.is_kept);
        let entry = read(
            json!({"fun": "test.ping", "cron": "0 2 * * *", "splay": 10, "maxrunning": 3, "_seconds": 5}),
        );
        let entry = entry.unwrap();
        assert!(!entry.run_on_start);
        assert_eq!(entry.running_max, Some(3));
        assert_eq!(entry.splay, Some(Splay { start: 1, end: 10 }));
        let counted = read(json!({"fun": "test.ping", "seconds": 5, "jid_include": false}));
        assert_eq!(counted.unwrap().running_max, None);
        let whens = json!({"tea time": "4:00pm"});
        let entry = json!({"fun": "test.ping", "when": ["tea time", "Monday 9am"]});
        let entry = Entry::read(&entry, whens.as_object().unwrap()).unwrap();
        assert!(matches!(entry.trigger, Trigger::When(times) if times.len() == 2));
        let once = read(json!({"fun": "a.b", "once": "24/12/2026", "once_fmt": "%d/%m/%Y"}));
        assert!(matches!(once.unwrap().trigger, Trigger::Once(_)));
        let once = read(json!({"fun": "a.b", "once": "2026-12-24 10:00:00"}));
        assert!(matches!(once.unwrap().trigger, Trigger::Once(_)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let ping = |more: Value| {
            let mut entry = json!({"function": "test.ping"});
            let (entry_map, more) = (entry.as_object_mut().unwrap(), more);
            entry_map.extend(more.as_object().unwrap().clone());
            read(entry).unwrap_err().to_string()
        };
        assert_eq!(read(json!([])).unwrap_err(), EntryError::NoMap);
        assert_eq!(
            read(json!({"seconds": 1})).unwrap_err(),
            EntryError::NoFunction
        );
        for (more, words) in [
            (json!({"secnods": 5}), "unknown key `secnods`"),
            (json!({"returner": "mysql"}), "`returner` is not built"),
            (json!({"seconds": 5, "when": "5pm"}), "can't stand together"),
            (
                json!({"cron": "* * * * *", "once": "x"}),
                "can't stand together",
            ),
            (json!({"seconds": 0}), "an interval of 0 seconds"),
            (json!({"when": 600}), "\"600\" is no time"),
            (json!({"cron": "* * *"}), "no cron expression"),
            (json!({"once": "tomorrow"}), "no time of the form"),
            (
                json!({"range": {"start": "8am", "end": "7am"}}),
                "the end has to be later",
            ),
            (json!({"range": "8am"}), "`range` has to be a map"),
            (json!({"splay": -1}), "`splay` has to be seconds"),
            (
                json!({"splay": {"start": 5, "end": 1}}),
                "the end has to be later",
            ),
            (json!({"args": "x"}), "`args` has to be a list"),
            (
                json!({"maxrunning": 0}),
                "`maxrunning` has to be a number from 1",
            ),
            (
                json!({"enabled": "perhaps"}),
                "`enabled` has to be true or false",
            ),
            (json!({"metadata": 5}), "`metadata` has to be a map"),
        ] {
            let said = ping(more.clone());
            assert!(said.contains(words), "{more}: {said}");
        }
    }
}
