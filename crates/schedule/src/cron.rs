//! Cron expressions: five fields, a sixth for seconds at the end, and names as `@daily`.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

use crate::when::{MONTHS, WEEKDAYS, named};

/// A day that comes once in eight years: 29 February of a year after one without.
const DAYS_MAX: i32 = 366 * 9;

/// The times that an expression stands for, each field as a set of bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both kinds of days are narrowed: then one of them is enough.
    either_day: bool,
}

impl Cron {
    /// Reads an expression; none when it is malformed.
    pub(crate) fn read(text: &str) -> Option<Cron> {
        let text = text.trim();
        let text = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (&[minutes, hours, days, months, weekdays], seconds) = match &fields[..] {
            five @ [_, _, _, _, _] => (<&[&str; 5]>::try_from(five).ok()?, "0"),
            [five @ .., seconds] => (<&[&str; 5]>::try_from(five).ok()?, *seconds),
            [] => return None,
        };
        let months = field(months, 1, 12, |word| {
            named(word, &MONTHS).map(|month| month as u64)
        })?;
        let weekday =
            |word: &str| named(word, &WEEKDAYS).map(|day| day.to_sunday_zero_offset() as u64);
        let mut week = field(weekdays, 0, 7, weekday)?;
        // Sunday has two numbers.
        week |= week >> 7 & 1;
        let no_names = |_: &str| None;
        Some(Cron {
            seconds: field(seconds, 0, 59, no_names)?,
            minutes: field(minutes, 0, 59, no_names)?,
            hours: field(hours, 0, 23, no_names)?,
            days: field(days, 1, 31, no_names)?,
            months,
            weekdays: week,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    /// Whether it is for each hour of a day.
    pub(crate) fn is_hourly(&self) -> bool {
        self.hours.count_ones() == 24
    }

    /// The first of its times that is later than `after`.
    pub(crate) fn next(&self, after: DateTime) -> Option<DateTime> {
        for days in 0..DAYS_MAX {
            let date = after.date().checked_add(days.days()).ok()?;
            if !self.has_day(date) {
                continue;
            }
            let from = if days == 0 { Some(after.time()) } else { None };
            if let Some(time) = self.next_of_day(from) {
                return Some(date.to_datetime(time));
            }
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let has = |set: u64, number: i8| set >> number & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month())
            && if self.either_day {
                day || weekday
            } else {
                day && weekday
            }
    }

    fn next_of_day(&self, after: Option<Time>) -> Option<Time> {
        for hour in bits(self.hours) {
            if after.is_some_and(|after| hour < after.hour()) {
                continue;
            }
            for minute in bits(self.minutes) {
                if after.is_some_and(|after| (hour, minute) < (after.hour(), after.minute())) {
                    continue;
                }
                for second in bits(self.seconds) {
                    let time = Time::new(hour, minute, second, 0).ok()?;
                    if after.is_none_or(|after| time > after) {
                        return Some(time);
                    }
                }
            }
        }
        None
    }
}

fn bits(set: u64) -> impl Iterator<Item = i8> {
    (0..64).filter(move |bit| set >> bit & 1 == 1)
}

/// The numbers of a field: `*`, `*/5`, `1-5`, `10-30/5`, `1,15`, names.
fn field(text: &str, min: u64, max: u64, name: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let number = |word: &str| {
        let named = name(&word.to_ascii_lowercase());
        let number = named.or_else(|| word.parse().ok())?;
        (min..=max).contains(&number).then_some(number)
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|n| *n > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((from, to)) => (number(from)?, number(to)?),
            None => {
                let from = number(range)?;
                (from, if step.is_some() { max } else { from })
            }
        };
        if from > to {
            return None;
        }
        for number in (from..=to).step_by(step.unwrap_or(1)) {
            set |= 1 << number;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_found() {
        // A Saturday.
        for (text, after, expected) in [
            ("*/5 * * * *", "2026-11-28T10:03:20", "2026-11-28T10:05:00"),
            ("*/5 * * * *", "2026-11-28T10:05:00", "2026-11-28T10:10:00"),
            ("0 2 * * *", "2026-11-28T10:00:00", "2026-11-29T02:00:00"),
            (
                "30 4 1,15 * *",
                "2026-11-28T10:00:00",
                "2026-12-01T04:30:00",
            ),
            (
                "0 0 * * mon-fri",
                "2026-11-28T10:00:00",
                "2026-11-30T00:00:00",
            ),
            ("0 0 * * 7", "2026-11-28T10:00:00", "2026-11-29T00:00:00"),
            ("0 0 13 * fri", "2026-11-28T10:00:00", "2026-12-04T00:00:00"),
            ("0 0 29 feb *", "2026-11-28T10:00:00", "2028-02-29T00:00:00"),
            ("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
            (
                "10-30/10 8 * * *",
                "2026-11-28T08:20:30",
                "2026-11-28T08:30:00",
            ),
            (
                "* * * * * */20",
                "2026-11-28T08:20:30",
                "2026-11-28T08:20:40",
            ),
            ("@yearly", "2026-11-28T08:20:30", "2027-01-01T00:00:00"),
            (
                "59 23 31 12 *",
                "2026-12-31T23:59:00",
                "2027-12-31T23:59:00",
            ),
        ] {
            let next = Cron::read(text).unwrap().next(after.parse().unwrap());
            assert_eq!(next.unwrap().to_string(), expected, "{text} after {after}");
        }
        let never = Cron::read("0 0 30 2 *").unwrap();
        assert_eq!(never.next("2026-11-28T08:20:30".parse().unwrap()), None);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "* * * * * * *",
            "@reboot",
            "1, * * * *",
        ] {
            assert_eq!(Cron::read(text), None, "{text:?}");
        }
    }
}
