//! Times as people write them in `when`, `range`, `until` and `after`: `5:00pm`, `Monday 17:00`, `Dec 24 2026 10am`,
//! `2026-12-24T10:00:00`, `12/24/2026 10:00`. All are of the host's time zone.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{SignedDuration, ToSpan};

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time: write it as `17:00`, `5:00pm`, `Monday 17:00` or `2026-12-24T17:00:00`, in quotes"
)]
pub struct WhenError(pub String);

/// A time, or the times that a text without a full date stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    day: Day,
    time: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Every,
    Weekday(Weekday),
    OfYear { month: i8, day: i8 },
    Date(Date),
}

impl When {
    /// Reads a time.
    ///
    /// # Errors
    /// [`WhenError`].
    pub fn read(text: &str) -> Result<When, WhenError> {
        Words::default()
            .read(text)
            .ok_or_else(|| WhenError(text.to_owned()))
    }

    /// The time that is meant on this day: today's, the coming weekday's, this year's.
    pub fn on(&self, today: Date) -> Option<DateTime> {
        let date = match self.day {
            Day::Every => today,
            Day::Date(date) => date,
            Day::OfYear { month, day } => Date::new(today.year(), month, day).ok()?,
            Day::Weekday(weekday) if today.weekday() == weekday => today,
            Day::Weekday(weekday) => today.nth_weekday(1, weekday).ok()?,
        };
        Some(date.to_datetime(self.time))
    }

    /// Whether it is a time of the day, on whatever day.
    pub(crate) fn is_of_each_day(&self) -> bool {
        self.day == Day::Every
    }

    /// The first of its times that is later than `after`; none when the last one has passed.
    pub(crate) fn next(&self, after: DateTime) -> Option<DateTime> {
        // A day of the year may be missing for eight years: 29 February.
        let steps: &[i32] = match self.day {
            Day::Date(_) => &[0],
            Day::OfYear { .. } => &[0, 366, 732, 1_098, 1_464, 1_830, 2_196, 2_562, 2_928],
            Day::Every | Day::Weekday(_) => &[0, 1],
        };
        let mut times = steps.iter().filter_map(|days| {
            let day = after.date().checked_add(days.days()).ok()?;
            self.on(day)
        });
        times.find(|time| *time > after)
    }
}

/// What the words of a text said so far.
#[derive(Default)]
struct Words {
    weekday: Option<Weekday>,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    /// Seconds of the day.
    seconds: Option<i64>,
    /// A number of which the next word says whether it is an hour.
    hour: Option<i8>,
}

impl Words {
    fn read(mut self, text: &str) -> Option<When> {
        let text = text.to_ascii_lowercase();
        let text = match text.split_once('t') {
            // The `t` of an ISO date, and of no name.
            Some((date, _)) if date.contains('-') => text.replacen('t', " ", 1),
            _ => text,
        };
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            if !self.word(word) {
                return None;
            }
        }
        if let Some(day) = self.hour.take() {
            self.day.replace(day).is_none().then_some(())?;
        }
        let day = match (self.year, self.month, self.day) {
            (None, None, None) => self.weekday.map_or(Day::Every, Day::Weekday),
            (None, Some(month), Some(day)) => {
                // Of a year that has all days.
                Date::new(2_024, month, day).ok()?;
                Day::OfYear { month, day }
            }
            (Some(year), Some(month), Some(day)) => Day::Date(Date::new(year, month, day).ok()?),
            _ => return None,
        };
        if day == Day::Every && self.seconds.is_none() {
            return None;
        }
        let seconds = SignedDuration::from_secs(self.seconds.unwrap_or(0));
        let time = Time::midnight().checked_add(seconds).ok()?;
        Some(When { day, time })
    }

    /// False when the word means nothing, or not here.
    fn word(&mut self, word: &str) -> bool {
        if let Some(weekday) = named(word, &WEEKDAYS) {
            return self.weekday.replace(weekday).is_none();
        }
        if let Some(month) = named(word, &MONTHS) {
            return self.month.replace(month).is_none();
        }
        if let "am" | "pm" = word {
            return match (self.hour.take(), self.seconds.take()) {
                (Some(hour), None) => self.set_time(half_day(i64::from(hour) * 3_600, word)),
                (None, Some(seconds)) => self.set_time(half_day(seconds, word)),
                _ => false,
            };
        }
        if word.contains(':') || word.ends_with("am") || word.ends_with("pm") {
            return self.set_time(clock(word));
        }
        if word.contains('-') || word.contains('/') {
            return self.date(word).is_some();
        }
        let ordinal = ["st", "nd", "rd", "th"];
        let digits = ordinal.iter().find_map(|end| word.strip_suffix(end));
        match digits.unwrap_or(word).parse::<i16>() {
            Ok(year) if year > 31 && word.len() == 4 => self.year.replace(year).is_none(),
            Ok(day) if (0..=31).contains(&day) && self.hour.is_none() => {
                self.hour = Some(day as i8);
                true
            }
            _ => false,
        }
    }

    fn set_time(&mut self, seconds: Option<i64>) -> bool {
        seconds.is_some_and(|seconds| self.seconds.replace(seconds).is_none())
    }

    fn date(&mut self, word: &str) -> Option<()> {
        let parts: Vec<i16> = word
            .split(['-', '/'])
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?;
        let (year, month, day) = match (<[i16; 3]>::try_from(parts).ok()?, word.contains('/')) {
            ([year, month, day], false) if year > 31 => (year, month, day),
            // As in America, unless the first number can be no month.
            ([day, month, year], _) if day > 12 => (year, month, day),
            ([month, day, year], true) => (year, month, day),
            _ => return None,
        };
        let is_first = self.year.is_none() && self.month.is_none() && self.day.is_none();
        (self.year, self.month) = (Some(year), month.try_into().ok());
        self.day = day.try_into().ok();
        (is_first && year > 31).then_some(())
    }
}

/// `17:00`, `5:00:30pm`, `5pm`, in seconds of the day.
fn clock(word: &str) -> Option<i64> {
    let (digits, half) = match word.len().checked_sub(2).map(|at| word.split_at(at)) {
        Some((digits, half @ ("am" | "pm"))) => (digits, Some(half)),
        _ => (word, None),
    };
    let parts: Vec<i64> = digits
        .split(':')
        .map(|part| part.parse().ok().filter(|_| part.len() <= 2))
        .collect::<Option<_>>()?;
    let (hour, minute, second) = match parts[..] {
        [hour] if half.is_some() => (hour, 0, 0),
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
        return None;
    }
    let seconds = hour * 3_600 + minute * 60 + second;
    half.map_or(Some(seconds), |half| half_day(seconds, half))
}

/// The seconds of the day when these are of its first or second half.
fn half_day(seconds: i64, half: &str) -> Option<i64> {
    const HALF: i64 = 12 * 3_600;
    let is_hour_of_half = (3_600..HALF + 3_600).contains(&seconds);
    is_hour_of_half.then(|| seconds % HALF + if half == "pm" { HALF } else { 0 })
}

/// The value of a name, or of its first three letters.
pub(crate) fn named<T: Copy>(word: &str, names: &[(&str, T)]) -> Option<T> {
    let is_it = |name: &str| word == name || (word.len() == 3 && name.starts_with(word));
    names
        .iter()
        .find_map(|(name, value)| is_it(name).then_some(*value))
}

pub(crate) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("sunday", Weekday::Sunday),
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
];

pub(crate) const MONTHS: [(&str, i8); 12] = [
    ("january", 1),
    ("february", 2),
    ("march", 3),
    ("april", 4),
    ("may", 5),
    ("june", 6),
    ("july", 7),
    ("august", 8),
    ("september", 9),
    ("october", 10),
    ("november", 11),
    ("december", 12),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        // A Saturday.
        let today = Date::constant(2026, 11, 28);
        for (text, expected) in [
            ("17:00", "2026-11-28T17:00:00"),
            ("5:00pm", "2026-11-28T17:00:00"),
            ("5pm", "2026-11-28T17:00:00"),
            ("5 PM", "2026-11-28T17:00:00"),
            ("12:30am", "2026-11-28T00:30:00"),
            ("12pm", "2026-11-28T12:00:00"),
            ("Monday 5:00pm", "2026-11-30T17:00:00"),
            ("sat 1:02:03", "2026-11-28T01:02:03"),
            ("2026-12-24T10:00:00", "2026-12-24T10:00:00"),
            ("2026-12-24 10:00", "2026-12-24T10:00:00"),
            ("Dec 24 2027 10am", "2027-12-24T10:00:00"),
            ("24th December, 2027", "2027-12-24T00:00:00"),
            ("Thu, Dec 24 10:00", "2026-12-24T10:00:00"),
            ("12/24/2026 10:00:05 am", "2026-12-24T10:00:05"),
            ("24/12/2026", "2026-12-24T00:00:00"),
        ] {
            let read = When::read(text).unwrap().on(today).unwrap();
            assert_eq!(read.to_string(), expected, "{text}");
        }
        for text in [
            "",
            "tea time",
            "25:00",
            "13pm",
            "5",
            "2026",
            "Dec",
            "17:00 18:00",
            "10:60",
            "0am",
            "2026-13-01",
            "10:00+02:00",
            "600",
            "1-2-3",
            "Feb 30 2026",
        ] {
            assert!(When::read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_time_without_a_date_comes_again() {
        let next = |text: &str, after: &str| {
            let next = When::read(text).unwrap().next(after.parse().unwrap());
            next.map(|time| time.to_string())
        };
        let some = |text: &str| Some(text.to_owned());
        let check = |text, after, expected| assert_eq!(next(text, after), expected, "{text}");
        check("10:00", "2026-11-28T09:59:59", some("2026-11-28T10:00:00"));
        check("10:00", "2026-11-28T10:00:00", some("2026-11-29T10:00:00"));
        check(
            "sat 10am",
            "2026-11-28T10:00:00",
            some("2026-12-05T10:00:00"),
        );
        check(
            "Feb 29 1:00",
            "2026-11-28T10:00:00",
            some("2028-02-29T01:00:00"),
        );
        check("Dec 24", "2026-12-24T00:00:00", some("2027-12-24T00:00:00"));
        check("2026-11-28T10:00:00", "2026-11-28T10:00:00", None);
    }
}
