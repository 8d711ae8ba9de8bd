//! `file.retention_schedule`: of many backups in a directory, some of each time are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, begin, fail, name_of, remove};
use crate::python;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.retention_schedule",
    "name, retain, strptime_format=None, timezone=None",
    "Remove files of a directory but those that a schedule keeps. retain: a map of most_recent, first_of_hour, \
     first_of_day, first_of_week, first_of_month and first_of_year to how many of each are kept, or all. The time of a \
     file is that of its last change, or with strptime_format that in its name; names of another form stay. Times are \
     those of the host: timezone is not served.",
    retention,
);

/// Parts of a time, the larger ones first.
type Key = Vec<i64>;

/// The files by their keys.
type Files = BTreeMap<Key, String>;

/// Rules by how many parts of a time tell one of their periods from the next.
const DEPTHS: [(&str, usize); 5] = [
    ("first_of_year", 1),
    ("first_of_month", 2),
    ("first_of_day", 3),
    ("first_of_hour", 4),
    ("most_recent", 6),
];

fn retention(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if name.is_empty() {
        return Ok(fail(answer, "Must provide name to file.retention_schedule"));
    }
    if !Path::new(&name).is_dir() {
        return Ok(fail(
            answer,
            "Name provided to file.retention must be a directory",
        ));
    }
    if !args.value("timezone").is_null() {
        return Err(Failure::invocation(
            "'timezone' is not served: times are those of the host",
        ));
    }
    let format = args
        .optional_text("strptime_format")?
        .filter(|format| !format.is_empty());
    let (mut by_date, mut by_week) = (Files::new(), Files::new());
    let mut relevant = BTreeSet::new();
    let mut ignored: BTreeSet<String> = [".", ".."].map(str::to_owned).into();
    for entry in fs::read_dir(&name)
        .map_err(|error| Failure::io(&name, error))?
        .flatten()
    {
        let file = entry.file_name().to_string_lossy().into_owned();
        let time = match &format {
            Some(format) => DateTime::strptime(format, &file).ok(),
            None => changed(&entry.path()),
        };
        let Some(time) = time else {
            ignored.insert(file);
            continue;
        };
        let (by_day, by_weekday) = keys(time);
        by_date.insert(by_day, file.clone());
        by_week.insert(by_weekday, file.clone());
        relevant.insert(file);
    }
    let retain = args.value("retain").as_object();
    let retain = retain.ok_or_else(|| Failure::invocation("'retain' must be formed as a dict"))?;
    let mut retained = BTreeSet::new();
    for (rule, count) in retain {
        let count = match count {
            Value::String(all) if all == "all" => usize::MAX,
            count => python::text(count).parse().map_err(|_| {
                Failure::invocation(format!("'{count}' is no number of files for '{rule}'"))
            })?,
        };
        if rule == "first_of_week" {
            // One more than is said, as in Salt.
            retained.extend(firsts(&by_week, 2, count.saturating_add(1)));
            continue;
        }
        let depth = DEPTHS.iter().find(|(known, _)| known == rule);
        let (_, depth) =
            depth.ok_or_else(|| Failure::invocation(format!("'{rule}' is no rule of retain")))?;
        retained.extend(firsts(&by_date, *depth, count));
    }
    let backwards =
        |names: &BTreeSet<String>| -> Vec<String> { names.iter().rev().cloned().collect() };
    let deleted: BTreeSet<String> = relevant.difference(&retained).cloned().collect();
    let count = deleted.len();
    if count > 0 {
        answer
            .changes
            .insert("retained".to_owned(), json!(backwards(&retained)));
        answer
            .changes
            .insert("deleted".to_owned(), json!(backwards(&deleted)));
        answer
            .changes
            .insert("ignored".to_owned(), json!(backwards(&ignored)));
    }
    if env.is_test {
        answer.comment = format!("{count} backups would have been removed from {name}.\n");
        answer.result = (count == 0).then_some(true);
        return Ok(answer);
    }
    for file in &deleted {
        remove(&Path::new(&name).join(file))?;
    }
    answer.comment = format!("{count} backups were removed from {name}.\n");
    Ok(answer)
}

/// When a file was changed last, by the clock of the host.
fn changed(path: &Path) -> Option<DateTime> {
    let found = path.symlink_metadata().ok()?;
    let nanos = i32::try_from(found.mtime_nsec()).ok()?;
    let time = Timestamp::new(found.mtime(), nanos).ok()?;
    Some(time.to_zoned(TimeZone::system()).datetime())
}

/// A time as year, month, day, hour and the rest, and as year, week and the rest.
fn keys(time: DateTime) -> (Key, Key) {
    let number = |part: i8| i64::from(part);
    let year = i64::from(time.year());
    let rest = number(time.minute()) * 60 + number(time.second());
    let nanos = i64::from(time.subsec_nanosecond());
    let date = [
        year,
        number(time.month()),
        number(time.day()),
        number(time.hour()),
        rest,
        nanos,
    ];
    let week = time.date().iso_week_date();
    let weekday = number(week.weekday().to_monday_zero_offset());
    let seconds = number(time.hour()) * 3600 + rest;
    let by_week = [year, number(week.week()), weekday, seconds, nanos];
    (date.to_vec(), by_week.to_vec())
}

/// The first file of each of the latest periods, whose keys begin alike for `depth` parts.
fn firsts(files: &Files, depth: usize, count: usize) -> Vec<String> {
    let mut periods: BTreeMap<&[i64], &String> = BTreeMap::new();
    for (key, file) in files {
        periods.entry(&key[..depth.min(key.len())]).or_insert(file);
    }
    let latest = periods.into_values().rev().take(count);
    latest.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn schedules_are_kept() {
        let host = Host::new();
        for (month, day, hour) in [
            (1, 1, 0),
            (1, 1, 12),
            (1, 2, 0),
            (2, 1, 0),
            (2, 3, 0),
            (2, 3, 6),
        ] {
            host.write(&format!("d/b-2026-0{month}-0{day}-{hour:02}"), "");
        }
        host.write("d/other", "");
        let name = host.path("d");
        let args = json!({
            "name": name, "strptime_format": "b-%Y-%m-%d-%H", "retain": {"most_recent": 1, "first_of_month": 2},
        });
        let done = host.applies("file.retention_schedule", args);
        assert_eq!(
            Value::Object(done.changes),
            json!({
                "retained": ["b-2026-02-03-06", "b-2026-02-01-00", "b-2026-01-01-00"],
                "deleted": ["b-2026-02-03-00", "b-2026-01-02-00", "b-2026-01-01-12"],
                "ignored": ["other", "..", "."],
            })
        );
        assert_eq!(
            done.comment,
            format!("3 backups were removed from {name}.\n")
        );
        assert!(Path::new(&host.path("d/other")).exists());
        let wrong = host.state(
            "file.retention_schedule",
            json!({"name": name, "retain": {"x": 1}}),
            false,
        );
        assert!(wrong.comment.contains("'x' is no rule of retain"));
    }
}
