//! What makes a job due.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cron::Cron;
use crate::when::When;

/// A time of a job for each hour is looked for so far ahead by the clock as it runs now.
const NEAR: SignedDuration = SignedDuration::from_hours(2);

/// What makes a job due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Nothing but an order to run it.
    Never,
    /// Seconds between two runs.
    Every(i64),
    /// Any of these times.
    When(Vec<When>),
    /// A cron expression.
    Cron(CronTimes),
    /// One time.
    Once(DateTime),
}

/// The times of a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTimes(pub(crate) Cron);

impl Trigger {
    /// Whether it follows the calendar, and not the last run.
    pub(crate) fn is_calendar(&self) -> bool {
        !matches!(self, Trigger::Never | Trigger::Every(_))
    }

    /// Whether a time that is long over is not made up for.
    pub(crate) fn expires(&self) -> bool {
        matches!(self, Trigger::When(_) | Trigger::Once(_))
    }

    /// The first time later than `after`, in this zone. A time that a change of clocks leaves out is moved by that change, one that
    /// comes twice counts once, unless the job is for each hour.
    pub(crate) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let next_civil = |civil: DateTime| match self {
            Trigger::Never | Trigger::Every(_) => None,
            Trigger::Once(time) => Some(*time).filter(|time| *time > civil),
            Trigger::Cron(CronTimes(cron)) => cron.next(civil),
            Trigger::When(times) => times.iter().filter_map(|time| time.next(civil)).min(),
        };
        if let Trigger::Every(seconds) = self {
            return after.checked_add(SignedDuration::from_secs(*seconds)).ok();
        }
        if matches!(self, Trigger::Cron(CronTimes(cron)) if cron.is_hourly()) {
            // Hours that come twice, or not at all, are hours as any other while the offset stays what it is.
            let offset = zone.to_offset(after);
            let next = next_civil(offset.to_datetime(after));
            let next = next.and_then(|civil| offset.to_timestamp(civil).ok());
            if let Some(next) = next.filter(|next| next.duration_since(after) <= NEAR) {
                return Some(next);
            }
        }
        let mut civil = zone.to_datetime(after);
        loop {
            civil = next_civil(civil)?;
            let time = zone.to_timestamp(civil).ok()?;
            if time > after {
                return Some(time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(trigger: &Trigger, after: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut time = after.parse().unwrap();
        let next = || {
            time = trigger.next(time, &zone)?;
            Some(time.to_string())
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn clocks_that_are_set_run_daily_jobs_once_and_hourly_ones_each_hour() {
        let cron = |text| Trigger::Cron(CronTimes(Cron::read(text).unwrap()));
        // In 2026 summer ends on 25 October: 03:00 becomes 02:00.
        let daily = times(&cron("30 2 * * *"), "2026-10-24T22:00:00Z", 2);
        assert_eq!(daily, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let hourly = times(&cron("30 * * * *"), "2026-10-25T00:00:00Z", 3);
        let expected = [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:30:00Z",
        ];
        assert_eq!(hourly, expected);
        // It begins on 29 March: there is no 02:30 then.
        let daily = times(&cron("30 2 * * *"), "2026-03-28T23:00:00Z", 2);
        assert_eq!(daily, ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        let when = Trigger::When(vec![When::read("2:30am").unwrap()]);
        assert_eq!(times(&when, "2026-03-28T23:00:00Z", 2), daily);
    }
}
