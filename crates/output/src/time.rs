//! Instants and spans of time as text.

use wire::UnixMillis;

const SECONDS_PER_DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: u64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;

/// An instant as ISO 8601 in UTC with milliseconds: `2026-11-22T23:15:56.007Z`.
pub fn iso(instant: UnixMillis) -> String {
    let (seconds, millis) = (instant / 1_000, instant % 1_000);
    let (year, month, day) = date(seconds / SECONDS_PER_DAY);
    let of_day = seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a count of days since 1970-01-01. Years are counted from March, so that the leap day comes last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A span of time with the unit that suits it: `7ms`, `1.5s`, `2m5s`, `3h2m`, `4d1h`.
pub fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    let pair = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big}{big_unit}")
        } else {
            format!("{big}{big_unit}{small}{small_unit}")
        }
    };
    match seconds {
        0 => format!("{millis}ms"),
        1..60 if millis % 1_000 < 100 => format!("{seconds}s"),
        1..60 => format!("{seconds}.{}s", millis % 1_000 / 100),
        60..3_600 => pair(seconds / 60, "m", seconds % 60, "s"),
        3_600..SECONDS_PER_DAY => pair(seconds / 3_600, "h", seconds / 60 % 60, "m"),
        _ => pair(seconds / SECONDS_PER_DAY, "d", seconds / 3_600 % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_iso_8601_in_utc() {
        for (instant, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_389_356_007, "2026-11-22T23:15:56.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso(instant), expected);
        }
        // No instant can break it.
        assert!(iso(UnixMillis::MAX).ends_with('Z'));
    }

    #[test]
    fn spans_name_their_unit() {
        for (millis, expected) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_550, "1.5s"),
            (59_999, "59.9s"),
            (60_000, "1m"),
            (125_000, "2m5s"),
            (3_600_000, "1h"),
            (10_920_000, "3h2m"),
            (349_200_000, "4d1h"),
        ] {
            assert_eq!(span(millis), expected);
        }
    }
}
