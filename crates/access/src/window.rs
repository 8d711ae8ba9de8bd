//! Times of the week in which a rule holds.

use serde_json::Value;

/// A moment of the week, by the hub's own clock and zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monday is 0.
    pub weekday: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 24 * 60;

/// Hours of some days: `{days: mon-fri, hours: "22:00-02:00"}`. Hours that end before they begin run into the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    days: [bool; 7],
    from: u16,
    until: u16,
}

impl Window {
    pub(crate) fn read(value: &Value) -> Result<Window, String> {
        let Value::Object(map) = value else {
            return Err(format!(
                "a window is a map with `days` and `hours`, not {value}"
            ));
        };
        if let Some(name) = map
            .keys()
            .find(|key| !["days", "hours"].contains(&key.as_str()))
        {
            return Err(format!("a window has `days` and `hours`, and no `{name}`"));
        }
        let days = match map.get("days") {
            None => [true; 7],
            Some(days) => read_days(days)?,
        };
        let (from, until) = match map.get("hours") {
            None => (0, DAY_MINUTES),
            Some(Value::String(hours)) => read_hours(hours)?,
            Some(other) => {
                return Err(format!("`hours` is a text as \"08:00-18:00\", not {other}"));
            }
        };
        Ok(Window { days, from, until })
    }

    pub(crate) fn holds(&self, now: Moment) -> bool {
        let day = usize::from(now.weekday % 7);
        let before = (day + 6) % 7;
        if self.from < self.until {
            self.days[day] && (self.from..self.until).contains(&now.minute)
        } else {
            (self.days[day] && now.minute >= self.from)
                || (self.days[before] && now.minute < self.until)
        }
    }
}

fn read_days(value: &Value) -> Result<[bool; 7], String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => text.split(',').map(str::trim).collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut days = [false; 7];
    for text in &texts {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (read_day(first)?, read_day(last)?);
        let length = (last + 7 - first) % 7;
        for day in first..=first + length {
            days[day % 7] = true;
        }
    }
    if texts.is_empty() {
        return Err(format!("`days` are as `mon-fri, sun`, not {value}"));
    }
    Ok(days)
}

fn read_day(text: &str) -> Result<usize, String> {
    let text = text.trim().to_lowercase();
    let found = DAYS.iter().position(|day| text.starts_with(day));
    found
        .ok_or_else(|| format!("`{text}` is no day of the week: mon, tue, wed, thu, fri, sat, sun"))
}

fn read_hours(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` are no hours: write them as \"08:00-18:00\"");
    let (from, until) = text.split_once('-').ok_or_else(wrong)?;
    let time = |text: &str| -> Option<u16> {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
    };
    let (from, until) = time(from).zip(time(until)).ok_or_else(wrong)?;
    if from == until {
        return Err(format!(
            "the hours `{text}` are none; leave them out for the whole day"
        ));
    }
    Ok((from, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(weekday: u8, hour: u16, minute: u16) -> Moment {
        Moment {
            weekday,
            minute: hour * 60 + minute,
        }
    }

    #[test]
    fn hours_of_days() {
        let window = Window::read(&json!({"days": "mon-fri", "hours": "08:00-18:00"}));
        let window = window.expect("a window");
        assert!(window.holds(at(0, 8, 0)));
        assert!(window.holds(at(4, 17, 59)));
        assert!(!window.holds(at(4, 18, 0)));
        assert!(!window.holds(at(5, 12, 0)));
    }

    #[test]
    fn nights_run_into_the_next_day() {
        let window = Window::read(&json!({"days": ["sun"], "hours": "22:00-02:00"}));
        let window = window.expect("a window");
        assert!(window.holds(at(6, 23, 0)));
        assert!(window.holds(at(0, 1, 59)));
        assert!(!window.holds(at(6, 1, 0)));
        assert!(!window.holds(at(0, 2, 0)));
    }

    #[test]
    fn days_run_over_the_end_of_the_week() {
        let window = Window::read(&json!({"days": "Sat-Mon"})).expect("a window");
        let held: Vec<u8> = (0..7).filter(|day| window.holds(at(*day, 12, 0))).collect();
        assert_eq!(held, [0, 5, 6]);
    }

    #[test]
    fn what_is_no_window_is_named() {
        for wrong in [
            json!("always"),
            json!({"days": "noday"}),
            json!({"days": 3}),
            json!({"hours": "8-18"}),
            json!({"hours": "08:00-25:00"}),
            json!({"hours": "08:00-08:00"}),
            json!({"hour": "08:00-18:00"}),
        ] {
            assert!(Window::read(&wrong).is_err(), "{wrong}");
        }
    }
}
