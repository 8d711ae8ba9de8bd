//! A place outside of the hub that takes nothing for a while: how long to wait, and what the log says.

use std::time::{Duration, Instant};

use daemon::clock::Clock;

/// Pauses between attempts begin here, double, and end at the second.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a place that keeps failing is told of.
const TELL_EVERY: Duration = Duration::from_secs(300);

/// Whether a place fails.
pub(crate) struct Outage {
    what: &'static str,
    place: String,
    clock: Clock,
    on: Option<On>,
}

struct On {
    /// Since when, in milliseconds since 1970.
    since: u64,
    pause: Duration,
    told: Instant,
}

impl Outage {
    /// None yet; `what` stands there, in the words of an operator.
    pub(crate) fn new(what: &'static str, place: String, clock: Clock) -> Outage {
        Outage {
            what,
            place,
            clock,
            on: None,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// An attempt went well. Gives whether an outage ended by that.
    pub(crate) fn over(&mut self) -> bool {
        let Some(on) = self.on.take() else {
            return false;
        };
        let seconds = self.clock.now().saturating_sub(on.since) / 1_000;
        let (what, place) = (self.what, &self.place);
        tracing::info!(%place, seconds, "the {what} takes what it gets again");
        true
    }

    /// An attempt failed, and so much waits. Gives since when that is so, in milliseconds since 1970, and the pause before the next.
    pub(crate) fn goes_on(&mut self, error: &anyhow::Error, backlog: i64) -> (u64, Duration) {
        let now = self.clock.now();
        let (what, place) = (self.what, &self.place);
        let on = self.on.get_or_insert_with(|| {
            tracing::warn!(%place, backlog, "the {what} fails, and what it misses waits: {error:#}");
            On {
                since: now,
                pause: PAUSE_MIN,
                told: Instant::now(),
            }
        });
        if on.told.elapsed() >= TELL_EVERY {
            on.told = Instant::now();
            let seconds = now.saturating_sub(on.since) / 1_000;
            tracing::warn!(%place, backlog, seconds, "the {what} still fails: {error:#}");
        }
        let pause = on.pause;
        on.pause = (pause * 2).min(PAUSE_MAX);
        (on.since, pause)
    }
}
