//! Moments by the clock of this host, in formats of `strftime`.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;

use crate::failure::Failure;

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

/// A moment in a format of `strftime`: null is now, a number counts seconds since 1970, a text is one of both, or a date with or
/// without its time of day.
pub(crate) fn told(moment: &Value, format: &str) -> Result<String, Failure> {
    in_format(&read(moment)?, format)
}

/// A time in a format that somebody else wrote.
pub(crate) fn in_format(time: &Zoned, format: &str) -> Result<String, Failure> {
    strtime::format(format, time).map_err(|error| Failure::command(error.to_string()))
}

fn read(moment: &Value) -> Result<Zoned, Failure> {
    let unknown = || Failure::command(format!("Unable to parse {}", data::python::text(moment)));
    let zone = TimeZone::system();
    let seconds = match moment {
        Value::Null => return Ok(Zoned::now()),
        Value::String(text) if text == "now" => return Ok(Zoned::now()),
        Value::String(text) => match text.trim_start_matches('@').parse() {
            Ok(seconds) => seconds,
            Err(_) => {
                let text = text.trim_end_matches('Z').replace('/', "-");
                let civil: DateTime = text.parse().map_err(|_| unknown())?;
                return civil.to_zoned(zone).map_err(|_| unknown());
            }
        },
        other => other.as_f64().ok_or_else(unknown)?,
    };
    // A number without an end is brought to the last one, which is no moment either.
    let nanoseconds = (seconds * SECOND) as i128;
    let timestamp = Timestamp::from_nanosecond(nanoseconds).map_err(|_| unknown())?;
    Ok(timestamp.to_zoned(zone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_are_read() {
        let check = |moment: Value, expected: Option<&str>| {
            let told = told(&moment, "%Y-%m-%d %H:%M:%S").ok();
            assert_eq!(told.as_deref(), expected, "{moment}");
        };
        check(json!("2002/12/25"), Some("2002-12-25 00:00:00"));
        check(json!("2002-12-25 10:11"), Some("2002-12-25 10:11:00"));
        check(json!("2002-12-25T10:11:12Z"), Some("2002-12-25 10:11:12"));
        check(json!("next to never"), None);
        check(json!("1e300"), None);
        check(json!(["x"]), None);
        let moment = Timestamp::from_second(1_040_814_000).unwrap();
        let here = moment.to_zoned(TimeZone::system());
        let here = here.strftime("%Y-%m-%d %H:%M:%S").to_string();
        check(json!(1_040_814_000), Some(&here));
        check(json!("1040814000.5"), Some(&here));
        assert!(told(&Value::Null, "%Y").is_ok_and(|year| year.len() == 4));
        assert!(told(&Value::Null, "%").is_err());
    }
}
