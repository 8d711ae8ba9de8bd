//! Moments as operators write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use wire::UnixMillis;

/// Forms of a moment, as Salt shows them and as ISO 8601 has them.
const FORMS: [&str; 7] = [
    "%Y, %b %d %H:%M:%S%.f",
    "%Y, %b %d %H:%M",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
];
/// Forms of a day.
const DAYS: [&str; 2] = ["%Y, %b %d", "%Y-%m-%d"];

/// Reads a moment in UTC: `2026-11-28`, `2026-11-28 12:30`, `2026-11-28T12:30:00Z`, `2026, Nov 28 12:30:00.000000`.
///
/// # Errors
/// Words for people.
pub fn parse(text: &str) -> Result<UnixMillis, String> {
    let text = text.trim();
    let moment = FORMS
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok())
        .or_else(|| {
            let mut days = DAYS.iter();
            let day = days.find_map(|form| Date::strptime(form, text).ok())?;
            Some(day.to_datetime(jiff::civil::Time::midnight()))
        });
    moment
        .and_then(|moment| moment.to_zoned(TimeZone::UTC).ok())
        .and_then(|moment| UnixMillis::try_from(moment.timestamp().as_millisecond()).ok())
        .ok_or_else(|| {
            format!(
                "{text:?} is no moment: write it in UTC, such as 2026-11-28 or 2026-11-28T12:30:00"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_forms_of_salt_and_of_iso() {
        let noon = 1_795_867_200_000;
        for text in [
            "2026-11-28 12:00",
            "2026-11-28T12:00",
            "2026-11-28T12:00:00",
            "2026-11-28T12:00:00Z",
            "2026-11-28 12:00:00.000",
            "2026, Nov 28 12:00",
            "2026, Nov 28 12:00:00.000000",
        ] {
            assert_eq!(parse(text), Ok(noon), "{text}");
        }
        assert_eq!(parse("2026-11-28"), Ok(noon - 12 * 3_600_000));
        assert_eq!(parse("2026, Nov 28"), Ok(noon - 12 * 3_600_000));
        for text in ["", "yesterday", "2026-13-01", "12:00", "1900-01-01"] {
            assert!(parse(text).unwrap_err().contains("no moment"), "{text}");
        }
    }
}
