//! Spans of time as they are typed.

use std::time::Duration;

/// Longest span that is read: ten years, so that no sum of it with a time of day overflows.
const SECONDS_MAX: f64 = 10.0 * 365.0 * 86_400.0;

/// Reads seconds (`90`, `1.5`), or a number with a unit: `500ms`, `90s`, `5m`, `12h`, `7d`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("unknown unit {unit:?}: use ms, s, m, h or d")),
    };
    let seconds = match number.parse::<f64>() {
        Ok(number) => number * factor,
        Err(_) => {
            return Err("not a span of time: use seconds, or 500ms, 90s, 5m, 12h, 7d".to_owned());
        }
    };
    if (0.0..=SECONDS_MAX).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("out of range: from 0 to ten years".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_units() {
        for (text, millis) in [
            ("0", 0),
            ("90", 90_000),
            ("1.5", 1_500),
            ("500ms", 500),
            ("90s", 90_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "", "x", "5x", "-1", "5 m", "1e99", "99999d", "nan", "inf", "m",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
