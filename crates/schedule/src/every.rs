//! How `seconds`, `minutes`, `hours` and `days` add up.

use serde_json::{Map, Value};

use crate::EntryError;

/// The keys, and how many seconds one of each has.
const UNITS: [(&str, i64); 4] = [
    ("seconds", 1),
    ("minutes", 60),
    ("hours", 3_600),
    ("days", 86_400),
];
/// Ten years: beyond it a time would leave the calendar.
const SECONDS_MAX: i64 = 315_360_000;

/// The sum in seconds; none when no such key is there.
pub(crate) fn read(entry: &Map<String, Value>) -> Result<Option<i64>, EntryError> {
    let mut sum = None;
    for (key, seconds) in UNITS {
        let Some(value) = entry.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number
            .filter(|number| (0..=SECONDS_MAX).contains(number))
            .ok_or_else(|| EntryError::value(key, "a whole number"))?;
        sum = Some(sum.unwrap_or(0) + number * seconds);
    }
    match sum {
        Some(sum) if !(1..=SECONDS_MAX).contains(&sum) => Err(EntryError::Interval(sum)),
        sum => Ok(sum),
    }
}
