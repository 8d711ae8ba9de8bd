//! The time of a process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::UnixMillis;

/// Wall-clock time that never steps back: read once, then carried by the monotonic clock.
///
/// A node whose system clock is corrected keeps the time that it started with; certificates and orders allow for
/// the difference.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    wall: UnixMillis,
}

impl Clock {
    /// Starts at the system's time.
    pub fn start() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, millis);
        Clock {
            started: Instant::now(),
            wall,
        }
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> UnixMillis {
        self.wall.saturating_add(millis(self.started.elapsed()))
    }

    /// The instant at which it will be `at`; one in the past for times before the start.
    pub fn instant(&self, at: UnixMillis) -> Instant {
        self.started + Duration::from_millis(at.saturating_sub(self.wall))
    }
}

/// A duration in whole milliseconds, the longest there is when it does not fit.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_and_maps_to_instants() {
        let clock = Clock::start();
        let now = clock.now();
        assert!(clock.now() >= now);
        let later = clock.instant(now + 5_000);
        assert!(later > Instant::now());
        assert!(clock.instant(0) <= Instant::now());
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
